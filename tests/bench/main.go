// Command bench measures the hub beside others that do a part of its work, in one
// run: raw sockets on one epoll loop, the same for all, a time stamp looked for in the
// bytes that come back. It needs Linux, and loopback is all that it talks to.
//
//	go run .          everything, in about eleven minutes on two cores; writes RESULTS.md and its charts
//	go run . -quick   a look in a minute or two, which writes nothing
//
// What counts are ratios between servers measured in turn, A B A B, and the CPU
// time that the kernel has counted for a server: the wall clock of a busy machine drifts.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"syscall"
	"time"
)

func main() {
	quick := flag.Bool("quick", false, "take small numbers and one round, and write nothing")
	rounds := flag.Int("rounds", 3, "how often each server takes its turn")
	only := flag.String("rows", "", "a regular expression: measure these rows alone, and write nothing")
	binary := flag.String("binary", "", "measure this hub, instead of one that is built from the sources")
	against := flag.String("against", "", "another hub's binary to measure beside it, such as that of an earlier state")
	role := flag.String("serve", "", "for the program itself: be one of the rivals")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if *role != "" {
		exit(serveRival(ctx, *role))
	}
	rows, err := regexp.Compile(*only)
	if err != nil {
		exit(fmt.Errorf("-rows: %w", err))
	}
	b := &bench{rounds: *rounds, rows: rows, scale: 1, began: time.Now(), binary: *binary, against: *against}
	if *quick {
		b.rounds, b.scale = 1, 0.1
	}
	exit(b.run(ctx, !*quick && *only == ""))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}
