package stream

import (
	"context"
	"testing"
	"time"

	"fanfold/hub"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// SweptFrom lets the janitor see to ages from least on.
func SweptFrom(c Config, least time.Duration) Config {
	c.sweepFrom = least
	return c
}

// Sweep removes what a rule has from before since.
func (e *Engine) Sweep(ctx context.Context, name string, since time.Time) (more bool, err error) {
	return e.sweep(ctx, &aging{name: name}, since)
}

// MakeDue makes a scheduled message due since at. again stores it as it was then, as if
// the engine had been killed before it could forget it.
func (e *Engine) MakeDue(ctx context.Context, id, channel string, at time.Time) (again func() error, err error) {
	done, err := e.alarms.turn(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	w, err := e.loadOrder(ctx, id, channel)
	if err != nil {
		return nil, err
	}
	w.order.Next = at
	again = func() error { return e.storeOrder(ctx, id, w.message, &w.order) }
	e.alarms.set(alarm{id: id, channel: channel, next: w.order.Next})
	return again, again()
}

// RefuseMessages makes the main stream refuse everything, and accept tells it to take
// messages again.
func (e *Engine) RefuseMessages(ctx context.Context) (accept func() error, err error) {
	normal := e.streamConfig(e.epoch())
	refusing := normal
	refusing.MaxMsgs, refusing.Discard = 1, jetstream.DiscardNew
	if _, err := e.js.UpdateStream(ctx, refusing); err != nil {
		return nil, err
	}
	return func() error { _, err := e.js.UpdateStream(ctx, normal); return err }, nil
}

// Following is the time after one that was due.
func Following(t hub.Timetable, due, now time.Time) (time.Time, error) {
	p, err := newPlan(t, now)
	if err != nil {
		return time.Time{}, err
	}
	return p.following(due, now), nil
}

// FormerStore fills a folder as it was when there was one rule and no marks.
func FormerStore(t *testing.T, dir string, messages int) int {
	t.Helper()
	f, err := openFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	e := &Engine{config: Config{Dir: dir}.withDefaults(), folder: f}
	if e.server, err = startServer(t.Context(), f.store(), e.config); err != nil {
		t.Fatal(err)
	}
	defer e.endServer()
	conn, err := nats.Connect("", nats.InProcessServer(e.server))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	former := e.streamConfig("VbwYwk1")
	former.Subjects, former.RePublish.Source = []string{"in.main.>"}, "in.main.>"
	if _, err := js.CreateStream(t.Context(), former); err != nil {
		t.Fatal(err)
	}
	for range messages {
		if _, err := js.Publish(t.Context(), "in.main.c", []byte("1")); err != nil {
			t.Fatal(err)
		}
	}
	return messages
}

// StoredBytes is what the messages of a rule take in the store.
func (e *Engine) StoredBytes(ctx context.Context, name string) (total int64, err error) {
	err = e.scan(ctx, inPrefix+name+".>", 1, func(m scanned) bool {
		total += m.size
		return true
	})
	return total, err
}

// StreamBytes is what the main stream says that it takes.
func (e *Engine) StreamBytes(ctx context.Context) (uint64, error) {
	s, err := e.js.Stream(ctx, streamName)
	if err != nil {
		return 0, err
	}
	return s.CachedInfo().State.Bytes, nil
}

// RollUpCutShort stores a roll-up as if the engine had been killed before it could remove
// what lies under the names of other rules.
func (e *Engine) RollUpCutShort(ctx context.Context, channel, key string) (uint64, error) {
	m := &hub.Message{Channel: channel, Data: []byte("1")}
	o := hub.PublishOptions{RollUp: true, IdempotencyKey: key}
	f := e.filing(channel)
	msg := &nats.Msg{}
	if err := encode(msg, m, f.prefix+channel); err != nil {
		return 0, err
	}
	f.setOptions(msg, m, o)
	if err := e.loosen(ctx, channel); err != nil {
		return 0, err
	}
	ack, err := e.storeAs(ctx, msg, channel, o)
	if err != nil {
		return 0, err
	}
	return ack.Sequence, nil
}

// RemoveCutShort removes a channel's history as if the engine had been killed before it
// could remove what lies under the names of other rules.
func (e *Engine) RemoveCutShort(ctx context.Context, channel string) error {
	_, err := e.removeHere(ctx, channel)
	return err
}

// Bucket is the one that a channel is in.
func (e *Engine) Bucket(channel string) string { return e.bucketOf(channel) }

// Subscriptions is how many the engine has at the server for its listeners.
func (e *Engine) Subscriptions() int {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return len(e.subs)
}
