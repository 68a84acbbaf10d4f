package tests

import (
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// hub is a running program. Its methods are called from the test's goroutine.
type hub struct {
	t testing.TB
	launch

	url  string // http://127.0.0.1:PORT, or with https
	addr string // 127.0.0.1:PORT
	way  way
	*process

	faulty bool // the test breaks what the hub stands on, so that it may log errors
}

// way is how requests reach the hub.
type way struct {
	client *http.Client
	dialer *websocket.Dialer
}

// plain is the way to a hub on this machine.
var plain = way{client, websocket.DefaultDialer}

// startHub runs the program on a port of its own and waits until it says that
// it is running. Unless the arguments name a data folder or --memory, it keeps
// its data in a temporary one. At the test's end the hub is stopped, and the
// test fails if it did not exit with 0 or logged a data race, a panic or an error.
func startHub(t testing.TB, args ...string) *hub {
	t.Helper()
	if !slices.Contains(args, "--data") && !slices.Contains(args, "--memory") {
		args = append(args, "--data", t.TempDir())
	}
	return startHubAs(t, launch{args: args})
}

// startHubAs is startHub with every choice in the caller's hands.
func startHubAs(t testing.TB, l launch) *hub {
	t.Helper()
	h := &hub{t: t, launch: l, way: plain}
	h.start("127.0.0.1:0")
	t.Cleanup(func() {
		if h.running() {
			h.stop()
		}
	})
	return h
}

// as returns the hub for use by a subtest.
func (h *hub) as(t testing.TB) *hub {
	view := *h
	view.t = t
	return &view
}

// restart stops the hub and starts it again on the same address and folder.
func (h *hub) restart() {
	h.t.Helper()
	h.stop()
	h.startAgain()
}

// startAgain starts a hub that was stopped or killed, on the same address and
// folder.
func (h *hub) startAgain() {
	h.t.Helper()
	h.start(h.addr)
}

var runningAt = regexp.MustCompile(`(?m)^Fanfold is running at (https?://([^/\s]+))/$`)

func (h *hub) start(listen string) {
	h.t.Helper()
	l := h.launch
	l.args = append([]string{"serve", "--listen", listen}, l.args...)
	h.process = startProgram(h.t, l)
	eventually(h.t, "the hub prints its URL", func() bool {
		return !h.running() || runningAt.MatchString(h.stdout.String())
	})
	at := runningAt.FindStringSubmatch(h.stdout.String())
	if at == nil {
		h.t.Fatalf("the hub ended before it ran, with exit code %d", h.exitCode())
	}
	h.url, h.addr = at[1], at[2]
}

// stop ends the hub as Ctrl-C does, and fails the test if it does not exit
// with 0.
func (h *hub) stop() {
	h.t.Helper()
	h.signal(syscall.SIGINT)
	h.wait()
	if code := h.exitCode(); code != 0 {
		h.t.Errorf("the hub's exit code after SIGINT is %d, not 0", code)
	}
	h.checkLog()
}

// kill ends the hub as a crash does.
func (h *hub) kill() {
	h.t.Helper()
	h.signal(syscall.SIGKILL)
	h.wait()
	h.checkLog()
}

// checkLog fails the test for what no client's behaviour may cause; errors are
// expected of a faulty hub.
func (h *hub) checkLog() {
	h.t.Helper()
	bad := []string{"DATA RACE", "panic"}
	if !h.faulty {
		bad = append(bad, "level=ERROR", `"level":"ERROR"`)
	}
	for _, bad := range bad {
		if strings.Contains(h.stderr.String(), bad) {
			h.t.Errorf("the hub's log has %q in it", bad)
		}
	}
}

// launch is how to run the program.
type launch struct {
	args []string
	dir  string   // "": a temporary folder
	env  []string // settings, as NAME=value
	// wrap, if not nil, changes how the program is started.
	wrap func(*exec.Cmd)
	// plain: as users have it, without the race detector.
	plain bool
}

// process is a run of the program. Its output is shown if the test fails.
type process struct {
	t              testing.TB
	cmd            *exec.Cmd
	stdout, stderr buffer
	exited         chan struct{} // closed once the process has ended
}

// startProgram runs the program without any setting from the test's own
// environment. It is killed if it still runs at the test's end.
func startProgram(t testing.TB, l launch) *process {
	t.Helper()
	build := program
	if l.plain {
		build = plainProgram
	}
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return startProgramAt(t, path, l)
}

// startProgramAt is startProgram for a program built elsewhere.
func startProgramAt(t testing.TB, path string, l launch) *process {
	t.Helper()
	if l.dir == "" {
		l.dir = t.TempDir()
	}
	p := &process{t: t, cmd: exec.Command(path, l.args...), exited: make(chan struct{})}
	p.cmd.Dir, p.cmd.Env = l.dir, append(cleanEnvironment(), l.env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	if l.wrap != nil {
		l.wrap(p.cmd)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.exited)
		_ = p.cmd.Wait() // the state has the exit code
	}()
	t.Cleanup(p.end)
	return p
}

// end kills the process if it runs and shows its output if the test failed.
func (p *process) end() {
	if p.running() {
		p.signal(syscall.SIGKILL)
		p.wait()
	}
	if p.t.Failed() {
		p.t.Logf("%s\n%s%s", strings.Join(p.cmd.Args, " "), p.stdout.String(), p.stderr.String())
	}
}

func (p *process) running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Errorf("send %v: %v", s, err)
	}
}

// wait blocks until the process has ended. If that takes longer than patience,
// it kills the process and fails the test.
func (p *process) wait() {
	p.t.Helper()
	select {
	case <-p.exited:
	case <-time.After(patience):
		p.t.Errorf("the program still ran after %v", patience)
		_ = p.cmd.Process.Kill()
		<-p.exited
	}
}

// exitCode is -1 for a process that a signal ended. The process must have ended.
func (p *process) exitCode() int { return p.cmd.ProcessState.ExitCode() }

// cleanEnvironment is the test's environment without the program's settings.
// The race detector makes each program wait for a second at its end unless told
// otherwise.
func cleanEnvironment() []string {
	env := []string{"GORACE=atexit_sleep_ms=10"}
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "FANFOLD_") {
			env = append(env, v)
		}
	}
	return env
}

// buffer collects output. Its methods may be called from any goroutine.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
