package stream

import (
	"sync"

	"fanfold/hub"

	"github.com/nats-io/nats.go"
)

// tally counts what a rule has in the store, as far as the rule's limits are below the
// stream's own. The publishers add to it; the janitor trims by it.
type tally struct {
	messages int   // static; the limit for each channel, 0: the stream's own
	bytes    int64 // static; the limit for all of them together, 0: none

	mu sync.Mutex
	// counts has an entry for each channel: no more channels than the store has.
	counts map[string]int  // guarded by mu
	over   map[string]bool // guarded by mu; channels with more messages than they may keep

	// what is in the store, too high by what other limits removed since it was measured
	total    size   // guarded by mu
	added    int64  // guarded by mu; bytes since the last check
	measured uint64 // guarded by mu; total is of what was scanned up to this sequence number
	// later is what was stored while the store is measured: by the time that this takes no more
	// than a few bytes for each message that is scanned.
	measuring bool         // guarded by mu
	later     []storedSize // guarded by mu
}

// size is of some messages.
type size struct{ bytes, messages int64 }

func (s *size) add(bytes int64) {
	s.bytes += bytes
	s.messages++
}

type storedSize struct {
	seq   uint64
	bytes int64
}

func newTally(r *hub.Rule, counted bool) *tally {
	t := &tally{bytes: r.Bytes, counts: map[string]int{}, over: map[string]bool{}}
	if counted {
		t.messages = r.Messages
	}
	return t
}

// slack is how many messages more than its limit a channel may have before it is
// trimmed: a quarter, and ten at least, so that small channels are not trimmed all the
// time.
func (t *tally) slack() int { return max(t.messages/4, 10) }

// add counts a message that was stored. due: there is something to trim.
func (t *tally) add(channel string, seq uint64, bytes int64) (due bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.messages > 0 {
		t.counts[channel]++
		due = t.overfull(channel)
	}
	switch {
	case t.bytes == 0 || seq <= t.measured:
		return due
	case t.measuring:
		t.later = append(t.later, storedSize{seq, bytes})
	}
	t.total.add(bytes)
	t.added += bytes
	return due || t.bytesDue()
}

func (t *tally) overfull(channel string) bool {
	if t.counts[channel] <= t.messages+t.slack() || t.over[channel] {
		return false
	}
	t.over[channel] = true
	return true
}

// bytesDue is true after each sixteenth of the limit, once the total is above it.
func (t *tally) bytesDue() bool { return t.total.bytes > t.bytes && t.added >= t.bytes/16 }

// startMeasure is called before the store is scanned for the total.
func (t *tally) startMeasure() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.measuring, t.later = true, nil
}

// endMeasure takes over what was found up to a sequence number; nil: the scan failed.
func (t *tally) endMeasure(found *size, upTo uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if found != nil {
		t.total, t.measured = *found, upTo
		for _, one := range t.later {
			if one.seq > upTo {
				t.total.add(one.bytes)
			}
		}
		if t.total.bytes > t.bytes {
			t.added = max(t.added, t.bytes/16) // it is due now
		}
	}
	t.measuring, t.later = false, nil
}

// excess is how many bytes are to be removed: down to fifteen sixteenths of the limit, once
// they are above it.
func (t *tally) excess() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.added = 0
	if t.total.bytes <= t.bytes {
		return 0
	}
	return t.total.bytes - t.bytes/16*15
}

// freed takes away what was removed.
func (t *tally) freed(gone size) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.total.bytes -= gone.bytes
	t.total.messages -= gone.messages
}

// setCounts takes over the numbers of messages in the store.
func (t *tally) setCounts(counts map[string]int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts = counts
	for channel, n := range counts {
		if n > t.messages {
			t.over[channel] = true
		}
	}
}

// takeOver returns a channel to trim; "": none is left.
func (t *tally) takeOver() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	for channel := range t.over {
		delete(t.over, channel)
		t.counts[channel] = t.messages // what is published while it is trimmed counts from here
		return channel
	}
	return ""
}

// giveBack is for a channel that could not be trimmed.
func (t *tally) giveBack(channel string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.over[channel] = true
}

// sizeOf is about what a message takes in a file: its parts, and a frame around
// them.
func sizeOf(msg *nats.Msg, dataBytes int) int64 {
	const frame = 34
	n := frame + len(msg.Subject) + dataBytes
	if len(msg.Header) > 0 {
		n += len("NATS/1.0\r\n\r\n")
	}
	for name, values := range msg.Header {
		for _, v := range values {
			n += len(name) + len(v) + len(": \r\n")
		}
	}
	return int64(n)
}
