package stream

import (
	"container/list"
	"context"
	"fmt"

	"fanfold/hub"
)

// Bounds of what is known about sequences.
const (
	maxSequences    = 64 << 10 // in memory, over all channels
	maxSequenceScan = 10_000   // messages of a channel that are read for it
)

// sequences knows the newest message of each sequence, for the channels that were used
// last. Of others it is read from the store.
type sequences struct {
	one chan struct{} // holds who replaces a message

	// owned by who holds one
	channels map[string]*list.Element // of recent
	recent   *list.List               // of *newest; the front was used last
	size     int                      // sequences in all of them
}

// newest are the sequence numbers of a channel's messages that have a sequence.
type newest struct {
	channel string
	seqs    map[string]uint64
}

func newSequences() *sequences {
	return &sequences{one: make(chan struct{}, 1), channels: map[string]*list.Element{}, recent: list.New()}
}

// replace deletes the channel's earlier messages of m's sequence, and the one that has it
// as its ID. m was stored: what can't be deleted now is when the next one comes.
func (e *Engine) replace(ctx context.Context, m *hub.Message) {
	ctx = context.WithoutCancel(ctx) // each request has its time
	e.sequences.one <- struct{}{}
	defer func() { <-e.sequences.one }()
	if err := e.replaceEarlier(ctx, m); err != nil {
		e.sequences.forget(m.Channel)
		e.config.Logger.Warn("a message that was replaced can't be deleted now", "channel", m.Channel, "sequence", m.Sequence, "error", err)
	}
}

func (e *Engine) replaceEarlier(ctx context.Context, m *hub.Message) error {
	known, err := e.newestOf(ctx, m.Channel)
	if err != nil {
		return err
	}
	if err := e.replaceIn(ctx, known, m.Sequence, m.Position.Seq); err != nil {
		return err
	}
	e.sequences.trim()
	if first, ok := hub.ParsePosition(m.Sequence); ok && e.idOf(first.Seq) == m.Sequence && first.Seq < m.Position.Seq {
		return e.removeOf(ctx, m.Channel, first.Seq)
	}
	return nil
}

// replaceIn enters a message, and deletes the older one of the two that have a
// sequence now.
func (e *Engine) replaceIn(ctx context.Context, known *newest, sequence string, seq uint64) error {
	other := known.seqs[sequence]
	switch {
	case other == seq:
		return nil
	case other > seq: // a publisher beside this one was later
		return e.remove(ctx, streamName, seq)
	case other == 0:
		e.sequences.size++
	default:
		if err := e.remove(ctx, streamName, other); err != nil {
			return err
		}
	}
	known.seqs[sequence] = seq
	return nil
}

// removeOf deletes a message if it is one of the channel's.
func (e *Engine) removeOf(ctx context.Context, channel string, seq uint64) error {
	msg, err := e.one(ctx, getRequest{Seq: seq})
	if err != nil || msg == nil {
		return err
	}
	m, _, err := e.decode(msg)
	if err != nil || m.Channel != channel {
		return err
	}
	if err := e.forgetRollUp(ctx, channel, msg); err != nil {
		return err
	}
	return e.remove(ctx, streamName, seq)
}

// newestOf returns what is known of a channel, read from the store if need be: its
// newest maxSequenceScan messages.
func (e *Engine) newestOf(ctx context.Context, channel string) (*newest, error) {
	if found := e.sequences.channels[channel]; found != nil {
		e.sequences.recent.MoveToFront(found)
		return found.Value.(*newest), nil
	}
	subject := e.subject(channel)
	top, err := e.top(ctx, channel)
	if err != nil {
		return nil, err
	}
	from, _, err := e.startOfLast(ctx, subject, top.Seq+1, maxSequenceScan)
	if err != nil {
		return nil, err
	}
	known := &newest{channel: channel, seqs: map[string]uint64{}}
	e.sequences.channels[channel] = e.sequences.recent.PushFront(known)
	for {
		found, more, err := e.get(ctx, getRequest{Next: subject, Seq: from, Batch: 256, MaxBytes: pageBytes})
		if err != nil {
			return nil, err
		}
		for _, msg := range found {
			m, _, err := e.decode(msg)
			if err != nil {
				return nil, fmt.Errorf("look for earlier messages: %w", err)
			}
			from = m.Position.Seq + 1
			if m.Sequence == "" {
				continue
			}
			if err := e.replaceIn(ctx, known, m.Sequence, m.Position.Seq); err != nil {
				return nil, err
			}
		}
		if more == 0 || len(found) == 0 {
			return known, nil
		}
	}
}

// trim forgets the channels that were not used for the longest time.
func (s *sequences) trim() {
	for s.size > maxSequences {
		s.forget(s.recent.Back().Value.(*newest).channel)
	}
}

func (s *sequences) forget(channel string) {
	if found := s.channels[channel]; found != nil {
		s.size -= len(found.Value.(*newest).seqs)
		s.recent.Remove(found)
		delete(s.channels, channel)
	}
}
