package bridge

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"fanfold/hub"
)

// recordKind is that of the records that bridges keep.
const recordKind = "bridges"

// markID is the record that has the hub's mark.
const markID = "hub"

// record is what is kept: of a route the position up to which the broker has
// acknowledged everything, of an MQTT bridge its subscriptions, and the hub's mark.
type record struct {
	ID       string   `json:"id"`
	Position string   `json:"position,omitempty"`
	Filters  []string `json:"filters,omitempty"`
	Mark     string   `json:"mark,omitempty"`
}

// loadRecords returns what is kept, by ID.
func loadRecords(ctx context.Context, r hub.Recorder) (map[string]record, error) {
	var mu sync.Mutex
	all := map[string]record{}
	stop, err := r.Records(ctx, recordKind, func(text []byte) {
		var kept record
		if json.Unmarshal(text, &kept) == nil {
			mu.Lock()
			all[kept.ID] = kept
			mu.Unlock()
		}
	})
	if err != nil {
		return nil, fmt.Errorf("read the positions of bridges: %w", err)
	}
	stop()
	return all, nil
}

func saveRecord(ctx context.Context, r hub.Recorder, kept record) error {
	text, err := json.Marshal(kept)
	if err != nil {
		return err
	}
	return r.Record(ctx, recordKind, kept.ID, text, 0)
}

// markOf returns the hub's mark, which is made once for a store.
func markOf(ctx context.Context, r hub.Recorder, records map[string]record) (string, error) {
	if mark := records[markID].Mark; mark != "" {
		return mark, nil
	}
	mark := strings.ToLower(rand.Text()[:12])
	return mark, saveRecord(ctx, r, record{ID: markID, Mark: mark})
}

// position returns where a route goes on; of a new one from now on, which is kept at
// once.
func (b *Bridge) position(ctx context.Context, r *route, records map[string]record) (hub.Position, error) {
	if at, ok := hub.ParsePosition(records[r.id].Position); ok {
		return at, nil
	}
	now, err := b.actor.Now(ctx)
	if err != nil {
		return hub.Position{}, err
	}
	return now, saveRecord(ctx, b.recorder, record{ID: r.id, Position: now.String()})
}

// keepPositions saves once a second, until ctx ends, what has changed, and finds out how
// far the routes are behind.
func (b *Bridge) keepPositions(ctx context.Context) {
	tick := time.NewTicker(saveEvery)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-tick.C:
			b.savePositions(ctx)
			b.measure(ctx, n%idleTicks == 0)
		case <-ctx.Done():
			return
		}
	}
}

// savePositions saves those that have changed. What can't be saved now will be later;
// if the hub ends before, messages are sent again.
func (b *Bridge) savePositions(ctx context.Context) {
	for _, f := range b.forwarders {
		done, _, _ := f.window.state()
		if done == b.saved[f.route.id] {
			continue
		}
		if err := saveRecord(ctx, b.recorder, record{ID: f.route.id, Position: done.String()}); err != nil {
			if ctx.Err() == nil {
				b.status.trouble(keeping, fmt.Errorf("keep the position of the route from %s: %w", f.route.From, err))
			}
			return
		}
		b.saved[f.route.id] = done
		b.status.well(keeping)
	}
}

// measure finds the age of the oldest message that a route has still to send. idle: it
// also moves the positions of routes that have nothing to send, so that the store's forgetting
// does not overtake them.
func (b *Bridge) measure(ctx context.Context, idle bool) {
	var lag time.Duration
	for _, f := range b.forwarders {
		done, waiting, _ := f.window.state()
		if b.status.snapshot().Connected && waiting == 0 && !idle {
			continue
		}
		now, err := b.actor.Now(ctx)
		if err != nil {
			return
		}
		page, err := b.actor.History(ctx, hub.Query{Channel: f.route.From, After: done, Limit: 1})
		switch {
		case err != nil: // the route says so itself when it goes on
		case len(page.Messages) > 0:
			lag = max(lag, time.Since(page.Messages[0].Time))
		case idle && now.Epoch == done.Epoch && now.Seq > done.Seq:
			f.window.skip(done, now)
		}
	}
	b.status.lag(lag)
}
