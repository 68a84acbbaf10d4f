package stream

import (
	"os"
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
