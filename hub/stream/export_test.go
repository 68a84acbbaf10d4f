package stream

import (
	"context"
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
