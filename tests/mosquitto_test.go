package tests

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"fanfold/tests/need"
)

// mosquitto is a broker that keeps what it has in a folder, so that it can be killed and
// started again.
type mosquitto struct {
	t    testing.TB
	port int
	dir  string
	*process
}

// startMosquitto runs a broker with more settings, which say who may use it; without any,
// everybody may.
func startMosquitto(t testing.TB, settings ...string) *mosquitto {
	t.Helper()
	need.Program(t, "mosquitto_pub")
	m := &mosquitto{t: t, port: freePort(t), dir: t.TempDir()}
	config := append([]string{
		fmt.Sprintf("listener %d 127.0.0.1", m.port), "persistence true", "persistence_location " + m.dir + "/",
		"log_type error", "log_type warning", "log_type notice", "log_type subscribe", "autosave_on_changes true", "autosave_interval 1", "user root", "max_queued_messages 0",
	}, settings...)
	if len(settings) == 0 {
		config = append(config, "allow_anonymous true")
	}
	if err := os.WriteFile(m.config(), []byte(strings.Join(config, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	m.start()
	return m
}

func (m *mosquitto) config() string { return filepath.Join(m.dir, "mosquitto.conf") }

// start starts the broker, or starts it again on the same port and folder.
func (m *mosquitto) start() {
	m.t.Helper()
	m.process = startProgramAt(m.t, need.Program(m.t, "mosquitto"), launch{args: []string{"-c", m.config()}})
	eventually(m.t, "the broker listens", func() bool { return listens(m.port) })
}

func listens(port int) bool {
	conn, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), time.Second)
	if err == nil {
		conn.Close()
	}
	return err == nil
}

// kill ends the broker as a crash does.
func (m *mosquitto) kill() {
	m.t.Helper()
	m.signal(syscall.SIGKILL)
	m.wait()
}

// kept waits until the broker has a text in its file.
func (m *mosquitto) kept(text string) {
	m.t.Helper()
	eventually(m.t, "the broker keeps "+text, func() bool {
		file, err := os.ReadFile(filepath.Join(m.dir, "mosquitto.db"))
		return err == nil && strings.Contains(string(file), text)
	})
}

// args are those of a client.
func (m *mosquitto) args(more ...string) []string {
	return append([]string{"-h", "127.0.0.1", "-p", fmt.Sprint(m.port)}, more...)
}

// publish publishes messages, one a line, and waits for their acknowledgement.
func (m *mosquitto) publish(topic, lines string, args ...string) {
	m.t.Helper()
	cmd := exec.Command(need.Program(m.t, "mosquitto_pub"), m.args(append([]string{"-q", "1", "-l", "-t", topic}, args...)...)...)
	cmd.Stdin = strings.NewReader(lines)
	if out, err := cmd.CombinedOutput(); err != nil {
		m.t.Fatalf("mosquitto_pub: %v: %s", err, out)
	}
}

// subscribe runs a client whose session the broker keeps, and which comes back by itself. It
// yields a line a message, in a format of mosquitto_sub's.
func (m *mosquitto) subscribe(topic, format string) <-chan string {
	m.t.Helper()
	id := strings.Map(func(r rune) rune {
		if r == '/' || r == '#' {
			return '-'
		}
		return r
	}, m.t.Name()+topic)
	r, w, err := os.Pipe()
	if err != nil {
		m.t.Fatal(err)
	}
	p := startProgramAt(m.t, need.Program(m.t, "mosquitto_sub"), launch{
		args: m.args("-V", "mqttv5", "-x", "3600", "-q", "1", "-c", "-i", id, "-t", topic, "-F", format),
		wrap: func(cmd *exec.Cmd) { cmd.Stdout = io.MultiWriter(cmd.Stdout, w) },
	})
	lines := make(chan string, 10_000)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for s := bufio.NewScanner(r); s.Scan(); {
			lines <- s.Text()
		}
	}()
	m.t.Cleanup(func() {
		p.end()
		w.Close()
		<-done
		r.Close()
	})
	eventually(m.t, "the subscription to "+topic, func() bool { return strings.Contains(m.stderr.String(), id+" 1 "+topic) })
	return lines
}

// bridgeState is what /ready says of a bridge.
type bridgeState struct {
	Name, Broker, Error string
	Connected           bool
	Since               time.Time
	In, Out             int
	RefusedIn           int `json:"refused_in"`
	RefusedOut          int `json:"refused_out"`
	Lag                 float64
}

// bridges returns what the hub says of its bridges, which never makes it unready.
func (h *hub) bridges(headers ...string) map[string]bridgeState {
	h.t.Helper()
	all := map[string]bridgeState{}
	text := h.want(200, "GET", "/ready", "", headers...)
	for _, b := range decode[struct{ Bridges []bridgeState }](h.t, text).Bridges {
		all[b.Name] = b
	}
	return all
}

// connected waits until a bridge is.
func (h *hub) connected(name string) {
	h.t.Helper()
	eventually(h.t, "the bridge is connected", func() bool { return h.bridges()[name].Connected })
}

// startBridged runs a hub with these bridges in its configuration file.
func startBridged(t testing.TB, bridges string, args ...string) *hub {
	t.Helper()
	config := filepath.Join(t.TempDir(), "fanfold.yaml")
	if err := os.WriteFile(config, []byte("bridges:\n"+bridges), 0o600); err != nil {
		t.Fatal(err)
	}
	return startHub(t, append([]string{"--config", config}, args...)...)
}

// wantAll takes from lines until each text has come. Each text's first coming is behind
// that of the one before it; it returns how many came again.
func wantAll(t testing.TB, lines <-chan string, texts []string) (again int) {
	t.Helper()
	seen := map[string]bool{}
	for next := 0; next < len(texts); {
		line := receive(t, lines, fmt.Sprintf("message %d of %d: %q", next+1, len(texts), texts[next]))
		switch {
		case line == texts[next]:
			seen[line] = true
			next++
		case seen[line]:
			again++
		default:
			t.Fatalf("%q came, want %q", line, texts[next])
		}
	}
	return again
}

// firsts returns texts in the order in which they came first, and how many came again.
func firsts(texts []string) (first []string, again int) {
	seen := map[string]bool{}
	for _, text := range texts {
		if seen[text] {
			again++
		} else {
			first = append(first, text)
		}
		seen[text] = true
	}
	return first, again
}

// texts returns all that a channel holds.
func (h *hub) texts(channel string) (all []string) {
	h.t.Helper()
	for _, d := range h.wholeHistory(channel) {
		all = append(all, d.text)
	}
	return all
}

// numbered returns texts with numbers.
func numbered(prefix string, from, to int) (all []string) {
	for i := from; i < to; i++ {
		all = append(all, fmt.Sprintf("%s %d", prefix, i))
	}
	return all
}
