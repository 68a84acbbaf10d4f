package stream

import (
	"context"
	"strings"
	"time"

	"fanfold/hub"

	"github.com/nats-io/nats.go/jetstream"
)

// checkPosition fails with [hub.CodeUnrecoverable] unless everything of the
// channel behind q.After is certain to be there. A reader that goes backwards loses nothing
// by a trimmed channel, so only its epoch must fit.
func (e *Engine) checkPosition(ctx context.Context, q hub.Query) error {
	after := q.After
	switch {
	case after.Epoch != "" && after.Epoch != e.epoch():
		return e.otherEpoch(after)
	case after.IsZero() || q.Reverse:
		return nil
	}
	stream, err := e.js.Stream(ctx, streamName)
	if err != nil {
		return unavailable("ask for the store's state", err)
	}
	state := stream.CachedInfo().State
	e.rules.forget(state.FirstSeq)
	if e.ledger.whole(after.Seq, state.FirstSeq) { // what went from the head behind it were probes
		state.FirstSeq = min(state.FirstSeq, after.Seq+1)
	}
	whole := after.Seq <= state.LastSeq
	if whole {
		whole, err = e.reaches(ctx, q.Channel, after.Seq, state)
	}
	if err == nil && !whole {
		return hub.Errorf(hub.CodeUnrecoverable, "history does not reach back to the position asked for")
	}
	return err
}

func (e *Engine) otherEpoch(p hub.Position) error {
	return hub.Errorf(hub.CodeUnrecoverable, "the position is of another store (epoch %q, here it is %q)", p.Epoch, e.epoch())
}

// reaches reports whether nothing of the channel behind seq was trimmed, in a store
// whose state was read after that.
func (e *Engine) reaches(ctx context.Context, channel string, seq uint64, state jetstream.StreamState) (bool, error) {
	eras, whole := e.rules.behind(seq)
	if !whole {
		return false, nil
	}
	filed := names(eras, channel)
	floor, err := e.floor(ctx, eras, filed, state)
	if err != nil {
		return false, err
	}
	for _, name := range filed {
		p := part{name: name, seq: seq, floor: floor, full: uint64(bounds(eras, name).Messages), last: state.LastSeq}
		ok := false
		if hub.IsPattern(channel) {
			ok, err = e.allReach(ctx, p, channel)
		} else {
			ok, err = e.reachesIn(ctx, p, channel)
		}
		if err != nil || !ok {
			return false, err
		}
	}
	return true, nil
}

// floor returns the sequence number from which on neither age nor bytes have removed
// anything that is filed under names in eras, up to the end that the store had in state.
func (e *Engine) floor(ctx context.Context, eras []era, names []string, state jetstream.StreamState) (uint64, error) {
	var age time.Duration
	floor := state.FirstSeq // the stream's own age and bytes trim it from its head
	for _, name := range names {
		if a := bounds(eras, name).Age; a != 0 && (age == 0 || a < age) {
			age = a
		}
		floor = max(floor, e.floors.get(name))
	}
	if age == 0 {
		return floor, nil
	}
	young, err := e.firstSince(ctx, time.Now().Add(-age), state.LastSeq)
	return max(floor, young), err
}

// firstSince returns the sequence number of the first message of a time or later, and
// behind last, which the store had reached before, whatever it is: that is young.
func (e *Engine) firstSince(ctx context.Context, t time.Time, last uint64) (uint64, error) {
	young, err := e.one(ctx, getRequest{Next: ">", StartTime: &t})
	if err != nil || young == nil {
		return last + 1, err
	}
	return min(last+1, sequenceOf(young)), nil
}

// lastSeq is the sequence number of the newest message in the store.
func (e *Engine) lastSeq(ctx context.Context) (uint64, error) {
	stream, err := e.js.Stream(ctx, streamName)
	if err != nil {
		return 0, unavailable("ask for the store's state", err)
	}
	return stream.CachedInfo().State.LastSeq, nil
}

// part is the question whether everything behind seq is there that is filed under one
// name.
type part struct {
	name       string
	seq, floor uint64
	full       uint64 // so many messages a channel may have
	last       uint64 // the store's
}

// kept: neither age nor bytes removed any of it.
func (p part) kept() bool { return p.seq+1 >= p.floor }

// mayBeTrimmed: a message goes when so many newer ones of its channel are there that it
// is full, so that none behind seq has gone before the store has as many.
func (p part) mayBeTrimmed() bool { return p.last-p.seq > p.full }

// reachesIn answers for a channel. One with too many messages is trimmed from its own
// head: nothing behind seq can be missing if a message at or before seq is still there that
// the floor has not passed, or if the channel is not full. One that begins with a roll-up
// says itself behind which message it begins.
func (e *Engine) reachesIn(ctx context.Context, p part, channel string) (bool, error) {
	first, more, err := e.get(ctx, getRequest{Next: inPrefix + p.name + "." + channel, Seq: 1, Batch: 1})
	if err != nil {
		return false, err
	}
	if len(first) > 0 {
		m, removed, err := e.decode(first[0])
		switch {
		case err != nil:
			return false, unavailable("read history", err)
		case m.Position.Seq <= p.seq:
			return p.kept() || m.Position.Seq+1 >= p.floor, nil
		case removed:
			return false, nil
		}
		if r, ok := rollUpOf(first[0]); ok {
			return p.seq >= r.Last && (p.kept() || r.Here && r.seq+1 >= p.floor), nil
		}
	}
	if !p.kept() {
		return false, nil
	}
	if rolled, err := e.rolledUpTo(ctx, channel); err != nil || p.seq < rolled {
		return false, err
	}
	switch {
	case !p.mayBeTrimmed():
		return true, nil
	case len(first) > 0 && more+1 >= p.full:
		return false, nil
	case !e.isLoose(ctx, channel): // full, it would have some: but those may have had a TTL
		return true, nil
	}
	return e.isLeftBehind(ctx, p, channel)
}

// maxChannelsChecked bounds the work of allReach.
const maxChannelsChecked = 1024

// allReach answers for all channels of a pattern; with too many that are full or
// loose the answer is no.
func (e *Engine) allReach(ctx context.Context, p part, pattern string) (bool, error) {
	if !p.kept() {
		return false, nil
	}
	prefix := inPrefix + p.name + "."
	counts, err := e.subjects(ctx, streamName, prefix+pattern)
	if err != nil {
		return false, err
	}
	loose, err := e.subjects(ctx, marksName, loosePrefix+pattern)
	if err != nil {
		return false, err
	}
	var doubtful []string
	for subject, n := range counts {
		if p.mayBeTrimmed() && n >= p.full && subject != probeIn {
			doubtful = append(doubtful, strings.TrimPrefix(subject, prefix))
		}
	}
	for subject := range loose {
		doubtful = append(doubtful, strings.TrimPrefix(subject, loosePrefix))
	}
	if len(doubtful) > maxChannelsChecked {
		return false, nil
	}
	for _, channel := range doubtful {
		if ok, err := e.reachesIn(ctx, p, channel); err != nil || !ok {
			return false, err
		}
	}
	return true, nil
}

// subjects returns how many messages each subject has that matches a filter.
func (e *Engine) subjects(ctx context.Context, name, filter string) (map[string]uint64, error) {
	stream, err := e.js.Stream(ctx, name)
	if err != nil {
		return nil, unavailable("ask for the store's state", err)
	}
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(filter))
	if err != nil {
		return nil, unavailable("ask for the channels' sizes", err)
	}
	return info.State.Subjects, nil
}
