package tests

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"fanfold/tests/need"
)

// tool is a client program that runs beside the hub.
type tool struct {
	t      testing.TB
	cmd    *exec.Cmd
	cancel context.CancelFunc
	stdin  io.WriteCloser
	stderr buffer
	lines  chan string // of standard output; closed at its end
}

// startTool runs a client. It is ended at the test's end if it still runs, and
// its standard error is shown if the test failed.
func startTool(t testing.TB, path string, args ...string) *tool {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c := &tool{t: t, cmd: exec.CommandContext(ctx, path, args...), cancel: cancel, lines: make(chan string, 10_000)}
	c.cmd.Stderr = &c.stderr
	c.cmd.WaitDelay = time.Second
	stdin, err := c.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.stdin = stdin
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go c.read(stdout)
	t.Cleanup(c.end)
	return c
}

func (c *tool) read(stdout io.Reader) {
	defer close(c.lines)
	for scanner := bufio.NewScanner(stdout); scanner.Scan(); {
		c.lines <- scanner.Text()
	}
}

// wait ends the client's input, waits for its end and returns its error.
func (c *tool) wait() error {
	_ = c.stdin.Close()
	timer := time.AfterFunc(patience, c.cancel)
	defer timer.Stop()
	for range c.lines {
	}
	return c.cmd.Wait()
}

func (c *tool) end() {
	c.cancel()
	if c.cmd.ProcessState == nil {
		_ = c.wait() // it was told to end
	}
	if c.t.Failed() {
		c.t.Logf("%v\n%s", c.cmd.Args, c.stderr.String())
	}
}

// startScript runs one of the scripts in tests/clients, which use clients from
// npm.
func startScript(t testing.TB, name string, args ...string) *tool {
	t.Helper()
	node := need.Program(t, "node")
	if _, err := os.Stat(filepath.Join("clients", "node_modules")); err != nil {
		need.Missing(t, "needs npm ci in tests/clients, which tests/run does")
	}
	return startTool(t, node, append([]string{filepath.Join("clients", name)}, args...)...)
}
