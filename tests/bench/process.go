package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a server under measurement, with its children.
type process struct {
	cmd  *exec.Cmd
	log  bytes.Buffer // what it said, for the error
	addr string       // host:port
	done chan struct{}
}

// startProcess runs a program and waits until something answers at addr, or, if that is
// "", until it prints an address behind the word found.
func startProcess(ctx context.Context, addr, word string, name string, args ...string) (*process, error) {
	p := &process{cmd: exec.CommandContext(ctx, name, args...), addr: addr, done: make(chan struct{})}
	p.cmd.Stderr = &p.log
	p.cmd.Env = append(os.Environ(), "NODE_ENV=production")
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	found := make(chan string, 1)
	go func() {
		defer close(p.done)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if at := strings.Index(lines.Text(), word); word != "" && at >= 0 {
				select {
				case found <- strings.TrimRight(strings.Fields(lines.Text()[at+len(word):])[0], "/"):
				default:
				}
			}
		}
		_ = p.cmd.Wait() // how it ended is told by the log
	}()
	return p, p.await(ctx, found)
}

func (p *process) await(ctx context.Context, found <-chan string) error {
	late := time.After(20 * time.Second)
	for {
		if p.addr != "" {
			if conn, err := net.DialTimeout("tcp", p.addr, time.Second); err == nil {
				return conn.Close()
			}
		}
		select {
		case p.addr = <-found:
		case <-time.After(2 * time.Millisecond):
		case <-p.done:
			return fmt.Errorf("%s ended: %s", p.cmd.Path, p.log.String())
		case <-late:
			return fmt.Errorf("%s does not answer: %s", p.cmd.Path, p.log.String())
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// stop ends the process and its children, and waits.
func (p *process) stop() {
	if p == nil {
		return
	}
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(15 * time.Second):
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-p.done
	}
}

// memory is the resident memory of the process and its children, in bytes.
func (p *process) memory() (total int64) {
	for _, pid := range family(p.cmd.Process.Pid) {
		fields := strings.Fields(readFile(pid, "statm"))
		if len(fields) > 1 {
			pages, _ := strconv.ParseInt(fields[1], 10, 64)
			total += pages * int64(os.Getpagesize())
		}
	}
	return total
}

// ticks is what the kernel counts CPU time in, per second (USER_HZ, proc(5)).
const ticks = 100

// cpu is the CPU time that the process and its children have had.
func (p *process) cpu() (total time.Duration) {
	for _, pid := range family(p.cmd.Process.Pid) {
		_, rest, _ := strings.Cut(readFile(pid, "stat"), ") ")
		if fields := strings.Fields(rest); len(fields) > 12 {
			user, _ := strconv.ParseInt(fields[11], 10, 64)
			system, _ := strconv.ParseInt(fields[12], 10, 64)
			total += time.Duration(user+system) * time.Second / ticks
		}
	}
	return total
}

func family(pid int) []int {
	pids := []int{pid}
	for _, child := range strings.Fields(readFile(pid, filepath.Join("task", strconv.Itoa(pid), "children"))) {
		if n, err := strconv.Atoi(child); err == nil {
			pids = append(pids, family(n)...)
		}
	}
	return pids
}

// readFile returns "" for a process that is gone.
func readFile(pid int, name string) string {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), name))
	if err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, syscall.ESRCH) {
		panic(err) // proc is not as proc(5) says
	}
	return string(text)
}

// freePort returns an address of loopback that nobody listens on.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
