package stream

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// Keep writes the record now, as the guard does some time after a publish.
func Keep(t testing.TB, e *Engine, open bool) {
	t.Helper()
	if !open {
		return
	}
	if err := e.ledger.keep(); err != nil {
		t.Fatal(err)
	}
}

// StopStore ends the store's part of the server, as the server does by itself when
// it may not write to the folder.
func StopStore(t testing.TB, e *Engine) {
	t.Helper()
	if err := e.link.server.Load().ShutdownJetStream(); err != nil {
		t.Fatal(err)
	}
}

// ForgetProbe makes the next Probe be no shared result.
func ForgetProbe(e *Engine) { e.prober.at = time.Time{} }

// Idle reports whether no message waits to be delivered.
func Idle(e *Engine) bool { return len(e.inbox) == 0 }

// IgnoreClient lets what the client reports beside its calls go unheard.
func IgnoreClient(e *Engine) {
	e.conn.SetErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})
}

// Young is for how long a file's stamp does not count.
const Young = young

// Stamp is the file's.
func Stamp(t testing.TB, path string) string {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	stamp, _ := stampOf(info)
	return stamp
}

// IdleWindow is that of a stream that was left without keys.
const IdleWindow = idleWindow

// Window is how long the stream remembers keys now.
func Window(t testing.TB, e *Engine) time.Duration {
	t.Helper()
	found, err := e.js.Stream(t.Context(), streamName)
	if err != nil {
		t.Fatal(err)
	}
	return found.CachedInfo().Config.Duplicates
}

// LeftWindow is what a hub that was stopped has left: its own word for it.
func LeftWindow(t testing.TB, c Config) time.Duration {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(c.Dir, "store/jetstream/$G/streams", streamName, "meta.inf"))
	var kept struct {
		Window time.Duration `json:"duplicate_window"`
	}
	if err == nil {
		err = json.Unmarshal(text, &kept)
	}
	if err != nil {
		t.Fatal(err)
	}
	return kept.Window
}
