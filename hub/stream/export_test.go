package stream

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"fanfold/hub"

	"github.com/nats-io/nats.go/jetstream"
)

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
	normal := e.streamConfig(e.epoch)
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
	c := Config{Dir: dir}.withDefaults()
	e := &Engine{config: c}
	var err error
	if e.folder, err = openFolder(dir); err != nil {
		t.Fatal(err)
	}
	e.stop = make(chan struct{})
	defer e.Close()
	if e.server, err = startServer(t.Context(), filepath.Join(dir, "store"), c); err != nil {
		t.Fatal(err)
	}
	if e.conn, err = e.connect(); err != nil {
		t.Fatal(err)
	}
	if e.js, err = jetstream.New(e.conn); err != nil {
		t.Fatal(err)
	}
	former := e.streamConfig("VbwYwk1")
	former.Subjects, former.RePublish.Source = []string{"in.main.>"}, "in.main.>"
	if _, err := e.js.CreateStream(t.Context(), former); err != nil {
		t.Fatal(err)
	}
	for range messages {
		if _, err := e.js.Publish(t.Context(), "in.main.c", []byte("1")); err != nil {
			t.Fatal(err)
		}
	}
	return messages
}

// StoredBytes is what the messages of a rule take in the store.
func (e *Engine) StoredBytes(ctx context.Context, name string) (total int64, err error) {
	err = e.scan(ctx, inPrefix+name+".>", func(_ uint64, size int64, _ time.Time) bool {
		total += size
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
