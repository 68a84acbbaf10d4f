package tests

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"fanfold/tests/need"
)

// A newcomer runs the program, opens the page, and pastes the curl line.
func TestStartSaysWhatToDo(t *testing.T) {
	t.Parallel()
	curl := need.Program(t, "curl")
	h := startHub(t)

	page := h.do("GET", "/", "", "Accept: text/html")
	if page.status != http.StatusOK || !strings.HasPrefix(page.header.Get("Content-Type"), "text/html") {
		t.Errorf("the page at the printed URL: status %d, type %q", page.status, page.header.Get("Content-Type"))
	}
	line := regexp.MustCompile(`(?m)^\s*(curl -d "Hello" http://\S+)$`).FindStringSubmatch(h.stdout.String())
	if line == nil {
		t.Fatalf("no curl line in %q", h.stdout.String())
	}
	all := h.subscribers("news")
	cmd := exec.Command("sh", "-c", line[1])
	cmd.Env = append(cleanEnvironment(), "PATH="+filepath.Dir(curl)+":"+os.Getenv("PATH"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", line[1], err, out)
	}
	for _, s := range all {
		s.next(h, "Hello")
	}
}

// The data is kept beside the newcomer's shell if no folder is named.
func TestDefaultDataFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := startProgram(t, launch{dir: dir, args: []string{"--listen", "127.0.0.1:0"}})
	eventually(t, "the hub prints its URL", func() bool {
		return !p.running() || runningAt.MatchString(p.stdout.String())
	})
	entries, err := os.ReadDir(filepath.Join(dir, "fanfold-data"))
	if err != nil || len(entries) == 0 {
		t.Errorf("the default data folder holds %d entries: %v", len(entries), err)
	}
	p.signal(syscall.SIGINT)
	p.wait()
}

func TestMemoryLeavesNoFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := startProgram(t, launch{dir: dir, args: []string{"--listen", "127.0.0.1:0", "--memory"}})
	eventually(t, "the hub prints its URL", func() bool {
		return !p.running() || runningAt.MatchString(p.stdout.String())
	})
	p.signal(syscall.SIGINT)
	p.wait()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 0 {
		t.Errorf("--memory left %v: %v", entries, err)
	}
}

// What keeps the hub from starting is told in one line, with exit code 1.
func TestStartErrors(t *testing.T) {
	t.Parallel()
	running := startHub(t)
	data := running.args[len(running.args)-1]
	file := filepath.Join(t.TempDir(), "a-file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name string
		args []string
		says []string
	}{
		{"port in use", []string{"--listen", running.addr, "--memory"}, []string{running.addr}},
		{"no such address", []string{"--listen", "127.0.0.1:70000", "--memory"}, []string{"70000"}},
		{"data folder in a file", []string{"--listen", "127.0.0.1:0", "--data", filepath.Join(file, "data")}, []string{file}},
		{"unwritable data folder", []string{"--listen", "127.0.0.1:0", "--data", "/proc/fanfold"}, []string{"/proc/fanfold"}},
		{"data folder open in another hub", []string{"--listen", "127.0.0.1:0", "--data", data}, []string{data, "another"}},
		{"beyond loopback", []string{"--listen", "0.0.0.0:0", "--memory"}, []string{"--open"}},
		{"beyond loopback by port alone", []string{"--listen", ":0", "--memory"}, []string{"--open"}},
		{"beyond loopback over IPv6", []string{"--listen", "[::]:0", "--memory"}, []string{"--open"}},
		{"unknown flag", []string{"--memory", "--lisen", "127.0.0.1:0"}, []string{"--lisen"}},
		{"unknown fold", []string{"--listen", "127.0.0.1:0", "--memory", "--fold", "swiss"}, []string{"swiss"}},
		{"missing settings file", []string{"--config", filepath.Join(file, "none.yaml")}, []string{"none.yaml"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			wantStartError(t, startProgram(t, launch{args: row.args}), row.says...)
		})
	}
}

// wantStartError waits for the program's end and fails the test if its exit
// code is not 1 or its standard error is not one line with all the texts.
func wantStartError(t *testing.T, p *process, says ...string) {
	t.Helper()
	p.wait()
	line, rest, ended := strings.Cut(p.stderr.String(), "\n")
	if p.exitCode() != 1 || !ended || rest != "" || !strings.HasPrefix(line, "fanfold: ") {
		t.Errorf("exit code %d and %q, want 1 and one line that starts with fanfold:", p.exitCode(), p.stderr.String())
	}
	for _, text := range says {
		if !strings.Contains(line, text) {
			t.Errorf("%q does not say %q", line, text)
		}
	}
	if strings.Contains(p.stdout.String(), "running") {
		t.Errorf("it printed %q all the same", p.stdout.String())
	}
}

func TestUnknownSettingInFile(t *testing.T) {
	t.Parallel()
	config := filepath.Join(t.TempDir(), "fanfold.yaml")
	if err := os.WriteFile(config, []byte("lisen: 127.0.0.1:0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	wantStartError(t, startProgram(t, launch{args: []string{"--config", config, "--memory"}}), "lisen")
}

// A flag wins over the environment, which wins over the file.
func TestSettingsPrecedence(t *testing.T) {
	t.Parallel()
	config := filepath.Join(t.TempDir(), "fanfold.yaml")
	if err := os.WriteFile(config, []byte("fold: ascii\nmax-message-bytes: 100\nmemory: true\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	h := startHubAs(t, launch{
		args: []string{"--config", config, "--max-message-bytes", "300"},
		env:  []string{"FANFOLD_FOLD=unicode", "FANFOLD_MAX_MESSAGE_BYTES=200"},
	})
	s := h.dial("/")
	s.send("Grüße")
	s.wantText("grüsse")
	s.send(strings.Repeat("A", 300))
	s.wantText(strings.Repeat("a", 300))
	s.send(strings.Repeat("A", 301))
	s.wantClosed(1009)
}

func TestOpenListensBeyondLoopback(t *testing.T) {
	t.Parallel()
	p := startProgram(t, launch{args: []string{"--listen", "0.0.0.0:0", "--open", "--memory"}})
	eventually(t, "the hub prints its URL", func() bool {
		return !p.running() || strings.Contains(p.stdout.String(), "running at http://")
	})
	p.signal(syscall.SIGINT)
	p.wait()
	if p.exitCode() != 0 {
		t.Errorf("exit code %d", p.exitCode())
	}
}

// Both ways to ask for an end are heard, with clients of each kind connected.
func TestSignalStopsCleanly(t *testing.T) {
	t.Parallel()
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			h := startHub(t)
			all := h.subscribers("news")
			h.publish("news", "the last words")
			for _, s := range all {
				s.next(h, "the last words")
			}
			h.signal(signal)
			h.wait()
			if h.exitCode() != 0 {
				t.Errorf("exit code %d", h.exitCode())
			}
			h.checkLog()
			for _, s := range all {
				if d, open := <-s.deliveries; open {
					t.Errorf("%s: got the message %q after the stop", s.name, d.text)
				}
			}
		})
	}
}

// A request that never ends holds up a stop, but not the second Ctrl-C.
func TestSecondSignalStopsAtOnce(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	conn, err := net.Dial("tcp", h.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /news HTTP/1.1\r\nHost: %s\r\nContent-Length: 100\r\n\r\nhalf a body", h.addr)
	h.signal(syscall.SIGINT)
	eventually(t, "the hub accepts no more connections", func() bool {
		extra, err := net.Dial("tcp", h.addr)
		if err == nil {
			_ = extra.Close()
		}
		return err != nil
	})
	if !h.running() {
		t.Fatal("the hub did not wait for the request")
	}
	h.signal(syscall.SIGINT)
	if !within(patience/10, func() bool { return !h.running() }) {
		t.Error("the hub still ran after the second SIGINT")
	}
}

func TestHealthCommand(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	check := func(want int) {
		t.Helper()
		p := startProgram(t, launch{args: []string{"health", "--url", h.url}})
		p.wait()
		if p.exitCode() != want {
			t.Errorf("fanfold health: exit code %d, want %d: %s%s", p.exitCode(), want, p.stdout.String(), p.stderr.String())
		}
	}
	check(0)
	h.stop()
	check(1)
}

func TestVersionCommand(t *testing.T) {
	t.Parallel()
	p := startProgram(t, launch{args: []string{"version"}})
	p.wait()
	if p.exitCode() != 0 || !strings.HasPrefix(p.stdout.String(), "fanfold ") {
		t.Errorf("fanfold version: exit code %d, %q", p.exitCode(), p.stdout.String())
	}
}
