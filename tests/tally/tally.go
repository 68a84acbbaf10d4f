// Command tally reads what "go test -json" writes and shows a line for each
// package, the output of what failed, the skipped tests, and a summary. Its
// exit code is 1 if a test failed or was skipped, or if none ran.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

func main() {
	start := time.Now()
	t := newTally(os.Stdout)
	if err := t.read(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "tally: read the test events:", err)
		os.Exit(1)
	}
	fmt.Printf("%.0f s in all\n", time.Since(start).Seconds())
	if !t.summary() {
		os.Exit(1)
	}
}

// event is one line of "go test -json"; cmd/test2json documents it.
type event struct {
	Action      string
	Package     string
	Test        string
	Elapsed     float64 // seconds
	Output      string
	ImportPath  string // of build-output
	FailedBuild string // the import path whose build failed, on a package's fail
}

// tally counts results. It is used by one goroutine.
type tally struct {
	out                     io.Writer
	passed, failed, skipped int
	// tests and failures count those of a package until its end: the events of
	// packages that run at once are mixed.
	tests, failures map[string]int
	// output collects what each test and package has written, until its result
	// is known.
	output map[string]*strings.Builder
}

func newTally(out io.Writer) *tally {
	return &tally{out: out, tests: map[string]int{}, failures: map[string]int{}, output: map[string]*strings.Builder{}}
}

// read handles all events. A line that is no event is shown as it is.
func (t *tally) read(r io.Reader) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			fmt.Fprintln(t.out, lines.Text())
			continue
		}
		t.handle(e)
	}
	return lines.Err()
}

func (t *tally) handle(e event) {
	key := e.Package + e.ImportPath + " " + e.Test
	switch e.Action {
	case "output", "build-output":
		if t.output[key] == nil {
			t.output[key] = &strings.Builder{}
		}
		t.output[key].WriteString(e.Output)
		return
	case "pass", "fail", "skip":
	default:
		return
	}
	if e.Test == "" {
		t.packageDone(e, t.take(key))
	} else {
		t.testDone(e, t.take(key))
	}
}

// take returns and forgets what was written under the key.
func (t *tally) take(key string) string {
	defer delete(t.output, key)
	if t.output[key] == nil {
		return ""
	}
	return t.output[key].String()
}

func (t *tally) testDone(e event, output string) {
	t.tests[e.Package]++
	switch e.Action {
	case "pass":
		t.passed++
	case "fail":
		t.failed++
		t.failures[e.Package]++
		fmt.Fprintf(t.out, "FAIL %s %s (%.1f s)\n%s", e.Package, e.Test, e.Elapsed, output)
	case "skip":
		t.skipped++
		fmt.Fprintf(t.out, "SKIP %s %s\n%s", e.Package, e.Test, output)
	}
}

// packageDone shows the package's line. A package can fail with no failed test:
// its build, or a leak found after the tests.
func (t *tally) packageDone(e event, output string) {
	switch e.Action {
	case "pass":
		fmt.Fprintf(t.out, "ok   %s: %d tests in %.1f s\n", e.Package, t.tests[e.Package], e.Elapsed)
	case "fail":
		fmt.Fprintf(t.out, "FAIL %s in %.1f s\n%s%s", e.Package, e.Elapsed, t.take(e.FailedBuild+" "), output)
		if t.failures[e.Package] == 0 {
			t.failed++
		}
	}
}

// summary shows the numbers and reports whether all is well.
func (t *tally) summary() bool {
	fmt.Fprintf(t.out, "%d passed, %d failed, %d skipped\n", t.passed, t.failed, t.skipped)
	return t.passed > 0 && t.failed == 0 && t.skipped == 0
}
