package stream

import (
	"context"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// To know the idempotency keys again, the server reads at its start all messages that
// are younger than the window, with keys or without: a GB, if that came within it. So a
// hub that is stopped when no key can be remembered leaves the stream with the shortest
// window that there is. The next start makes it what it should be before anybody
// publishes.

// idleWindow is the server's least.
const idleWindow = 100 * time.Millisecond

// keySlack is for what passes between a publish with a key and its message's time.
const keySlack = 2 * callTimeout

// noteKey notes that a key is used now, before its message is stored.
func (e *Engine) noteKey() {
	now := time.Now()
	e.keyed.Store(&now)
}

// findKeys notes whether the store may remember keys. found is the stream as it was left, nil
// if it is new.
func (e *Engine) findKeys(found *jetstream.StreamInfo) {
	if found != nil && found.Config.Duplicates != idleWindow {
		e.noteKey() // perhaps, and just now at the latest
	}
}

// remembersKeys reports whether a key may have been used within the window.
func (e *Engine) remembersKeys() bool {
	at := e.keyed.Load()
	return at != nil && time.Since(*at) < e.config.IdempotencyWindow+keySlack
}

// leaveKeys shortens the window if there are none, after the last publish. What
// does not succeed costs time at the next start alone.
func (e *Engine) leaveKeys() {
	if e.js == nil || e.folder.temporary || e.guard.failure() != nil || e.remembersKeys() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	stream, err := e.js.Stream(ctx, streamName)
	if err == nil {
		c := stream.CachedInfo().Config
		c.Duplicates = idleWindow
		_, err = e.js.UpdateStream(ctx, c)
	}
	if err != nil {
		e.config.Logger.Debug("the next start may take longer: the window of idempotency keys was not shortened", "error", err)
	}
}
