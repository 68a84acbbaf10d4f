package stream

import (
	"context"
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
	case after.Epoch != "" && after.Epoch != e.epoch:
		return e.otherEpoch(after)
	case after.IsZero() || q.Reverse:
		return nil
	}
	stream, err := e.js.Stream(ctx, streamName)
	if err != nil {
		return unavailable("ask for the store's state", err)
	}
	state := stream.CachedInfo().State
	e.rules.settle(state.FirstSeq)
	whole := after.Seq <= state.LastSeq
	if whole {
		whole, err = e.reaches(ctx, q.Channel, after.Seq, state.FirstSeq)
	}
	if err == nil && !whole {
		return hub.Errorf(hub.CodeUnrecoverable, "history does not reach back to the position asked for")
	}
	return err
}

func (e *Engine) otherEpoch(p hub.Position) error {
	return hub.Errorf(hub.CodeUnrecoverable, "the position is of another store (epoch %q, here it is %q)", p.Epoch, e.epoch)
}

// reaches reports whether nothing of the channel behind seq was trimmed. first is the
// store's first sequence number.
func (e *Engine) reaches(ctx context.Context, channel string, seq, first uint64) (bool, error) {
	names := e.names(channel, seq)
	floor, err := e.floor(ctx, names, seq, first)
	if err != nil {
		return false, err
	}
	if hub.IsPattern(channel) {
		return e.allReach(ctx, channel, names, seq, floor)
	}
	for _, name := range names {
		if ok, err := e.reachesIn(ctx, name, channel, seq, floor); err != nil || !ok {
			return false, err
		}
	}
	return true, nil
}

// floor returns the sequence number from which on, behind seq, neither age nor bytes have
// removed anything that is filed under names.
func (e *Engine) floor(ctx context.Context, names []string, seq, first uint64) (uint64, error) {
	most := largest(e.config.Rules).Age
	age, floor := most, first // the stream's own age and bytes trim it from its head
	for _, name := range names {
		age = min(age, e.bounds(name, seq).Age)
		floor = max(floor, e.floors.get(name))
	}
	if age == most {
		return floor, nil
	}
	since, err := e.firstSince(ctx, time.Now().Add(-age))
	return max(floor, since), err
}

// firstSince returns the sequence number of the first message of a time or later; the
// next one's if there is none.
func (e *Engine) firstSince(ctx context.Context, t time.Time) (uint64, error) {
	msg, err := e.one(ctx, getRequest{Next: inPrefix + ">", StartTime: &t})
	if err != nil {
		return 0, err
	}
	if msg != nil {
		return sequenceOf(msg), nil
	}
	stream, err := e.js.Stream(ctx, streamName)
	if err != nil {
		return 0, unavailable("ask for the store's state", err)
	}
	return stream.CachedInfo().State.LastSeq + 1, nil
}

// reachesIn is reaches for what is filed under one name. A channel over its number of
// messages is trimmed from its own head: nothing behind seq can be missing if a message at
// or before seq is still there that the floor has not passed, or if the channel is not full.
func (e *Engine) reachesIn(ctx context.Context, name, channel string, seq, floor uint64) (bool, error) {
	first, more, err := e.get(ctx, getRequest{Next: inPrefix + name + "." + channel, Seq: 1, Batch: 1})
	kept := seq+1 >= floor
	if err != nil || len(first) == 0 {
		return kept, err
	}
	m, removed, err := e.decode(first[0])
	switch {
	case err != nil:
		return false, unavailable("read history", err)
	case m.Position.Seq <= seq:
		return kept || m.Position.Seq+1 >= floor, nil
	case removed || !kept || more+1 >= uint64(e.bounds(name, seq).Messages):
		return false, nil
	}
	loose, err := e.isLoose(ctx, channel)
	return !loose, err
}

// maxChannelsChecked bounds the work of allReach.
const maxChannelsChecked = 1024

// allReach is reaches for all channels of a pattern; with too many that are full or
// loose the answer is no.
func (e *Engine) allReach(ctx context.Context, pattern string, names []string, seq, floor uint64) (bool, error) {
	if seq+1 < floor {
		return false, nil
	}
	loose, err := e.subjects(ctx, marksName, loosePrefix+pattern)
	if err != nil {
		return false, err
	}
	for _, name := range names {
		prefix := inPrefix + name + "."
		counts, err := e.subjects(ctx, streamName, prefix+pattern)
		if err != nil {
			return false, err
		}
		doubtful := doubtful(counts, prefix, loose, e.bounds(name, seq).Messages)
		if len(doubtful) > maxChannelsChecked {
			return false, nil
		}
		for _, channel := range doubtful {
			if ok, err := e.reachesIn(ctx, name, channel, seq, floor); err != nil || !ok {
				return false, err
			}
		}
	}
	return true, nil
}

// doubtful are the channels that may have been trimmed.
func doubtful(counts map[string]uint64, prefix string, loose map[string]uint64, full int) (channels []string) {
	for subject, n := range counts {
		channel := subject[len(prefix):]
		if _, ok := loose[loosePrefix+channel]; ok || n >= uint64(full) {
			channels = append(channels, channel)
		}
	}
	return channels
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
