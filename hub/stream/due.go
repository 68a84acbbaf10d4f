package stream

import (
	"context"
	"errors"
	"time"

	"fanfold/hub"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Times of the goroutine that publishes what is due.
const (
	longestSleep   = 10 * time.Second // after which a clock that was set is noticed
	firstBackOff   = 50 * time.Millisecond
	longestBackOff = 5 * time.Second
)

// publishDue is the goroutine that publishes each message at its time. What the
// store refuses is tried again until it takes it.
func (e *Engine) publishDue() {
	ctx, cancel := e.untilClosed()
	defer cancel()
	backOff := firstBackOff
	for step := e.loadAlarms; ; {
		sleep, err := step(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			e.config.Logger.Warn("messages that are due can't be published now: trying again", "in", backOff, "error", err)
			sleep, backOff = backOff, min(2*backOff, longestBackOff)
		default:
			step, backOff = e.publishNext, firstBackOff
		}
		if !e.sleep(sleep, err == nil) {
			return
		}
	}
}

// untilClosed returns a context for a goroutine of the engine, which calls cancel at
// its end.
func (e *Engine) untilClosed() (ctx context.Context, cancel func()) {
	ctx, cancel = context.WithCancel(context.Background())
	e.goroutines.Go(func() {
		select {
		case <-e.stop:
			cancel()
		case <-ctx.Done():
		}
	})
	return ctx, cancel
}

// sleep waits for d; if early, no longer than until the earliest alarm may be another.
// It is false at the engine's end.
func (e *Engine) sleep(d time.Duration, early bool) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	wake := e.alarms.wake
	if !early {
		wake = nil
	}
	select {
	case <-timer.C:
	case <-wake:
	case <-e.stop:
		return false
	}
	return true
}

// loadAlarms reads what waits in the store. Of each it is not known whether it was
// published before the engine was closed or killed.
func (e *Engine) loadAlarms(ctx context.Context) (time.Duration, error) {
	for from := uint64(1); ; {
		found, more, err := e.get(ctx, getRequest{Stream: scheduleName, Next: atPrefix + ">", Seq: from, Batch: 256, MaxBytes: pageBytes})
		if err != nil {
			return 0, err
		}
		for _, msg := range found {
			from = sequenceOf(msg) + 1
			w, err := decodeOrder(msg)
			if err != nil {
				e.config.Logger.Error("a scheduled message is left alone", "error", err)
				continue
			}
			e.alarms.set(alarm{id: w.id, channel: w.message.Channel, next: w.order.Next, doubtful: true})
		}
		if more == 0 {
			close(e.alarms.loaded)
			return 0, nil
		}
	}
}

// publishNext publishes the earliest message if it is due, else it returns how long
// that takes.
func (e *Engine) publishNext(ctx context.Context) (time.Duration, error) {
	first, ok := e.alarms.earliest()
	if !ok {
		return longestSleep, nil
	}
	if left := time.Until(first.next); left > 0 {
		return min(left, longestSleep), nil
	}
	done, err := e.alarms.turn(ctx)
	if err != nil {
		return 0, err
	}
	defer done()
	return 0, e.publishOrder(ctx, first)
}

// publishOrder publishes what an alarm is for, and then stores the next time for it, or
// forgets it. A kill in between is met by the idempotency key, and if that is forgotten,
// by looking for the message.
func (e *Engine) publishOrder(ctx context.Context, a alarm) error {
	w, err := e.loadOrder(ctx, a.id, a.channel)
	switch {
	case errors.Is(err, errUnreadable):
		e.config.Logger.Error("a scheduled message is left alone", "error", err)
		e.alarms.drop(a.id)
		return nil
	case err != nil:
		return err
	case w == nil: // cancelled
		e.alarms.drop(a.id)
		return nil
	}
	if !w.order.Next.Equal(a.next) { // stored again, though the store had said that it was not
		a.next = w.order.Next
		e.alarms.set(a)
		return nil
	}
	published := false
	if a.doubtful {
		if published, err = e.isPublished(ctx, w); err != nil {
			return err
		}
	}
	if !published {
		a.doubtful = true
		e.alarms.set(a)
		if err := e.publishWaiting(ctx, w); err != nil {
			return err
		}
	}
	return e.followUp(ctx, w)
}

func (e *Engine) publishWaiting(ctx context.Context, w *waiting) error {
	m := *w.message
	o := hub.PublishOptions{TTL: w.order.TTL, IdempotencyKey: w.order.key()}
	if w.order.Live {
		o = hub.PublishOptions{Live: true}
	}
	_, err := e.Publish(ctx, &m, o)
	if errors.Is(err, nats.ErrMaxPayload) {
		e.config.Logger.Error("a scheduled message is larger than what may be published now: it is forgotten", "id", w.id, "channel", m.Channel, "bytes", len(m.Data))
		return nil
	}
	return err
}

// followUp stores the time after the one that was due, or forgets the message.
func (e *Engine) followUp(ctx context.Context, w *waiting) error {
	now := time.Now()
	p, err := newPlan(w.order.timetable(), now)
	if err != nil { // was read once: the time zone is gone, or the pattern's last time
		e.config.Logger.Error("a timetable can't be read any more: its message is forgotten", "id", w.id, "error", err)
	}
	next := p.following(w.order.Next, now)
	if err != nil || next.IsZero() {
		if err := e.remove(ctx, scheduleName, w.seq); err != nil {
			return err
		}
		e.alarms.drop(w.id)
		return nil
	}
	w.order.Next = next.UTC()
	if err := e.storeOrder(ctx, w.id, w.message, &w.order); err != nil {
		return err
	}
	e.alarms.set(alarm{id: w.id, channel: w.message.Channel, next: w.order.Next})
	return nil
}

// isPublished looks for what was published for the time that is due, in the channel's
// messages since then.
func (e *Engine) isPublished(ctx context.Context, w *waiting) (bool, error) {
	key := messageKey(w.message.Channel, w.order.key())
	r := getRequest{Next: e.subject(w.message.Channel), StartTime: &w.order.Next, Batch: 256, MaxBytes: pageBytes}
	for {
		found, more, err := e.get(ctx, r)
		if err != nil {
			return false, err
		}
		for _, msg := range found {
			if msg.Header.Get(jetstream.MsgIDHeader) == key {
				return true, nil
			}
			m, _, err := e.decode(msg)
			if err != nil {
				return false, unavailable("look for a scheduled message", err)
			}
			r.Seq, r.StartTime = m.Position.Seq+1, nil
		}
		if more == 0 || len(found) == 0 {
			return false, nil
		}
	}
}
