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
	total, number int64 // guarded by mu
	added         int64 // guarded by mu; bytes since the last check
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
func (t *tally) add(channel string, size int64) (due bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.messages > 0 {
		t.counts[channel]++
		due = t.overfull(channel)
	}
	if t.bytes > 0 {
		t.total += size
		t.number++
		t.added += size
		due = due || t.bytesDue()
	}
	return due
}

func (t *tally) overfull(channel string) bool {
	if t.counts[channel] <= t.messages+t.slack() || t.over[channel] {
		return false
	}
	t.over[channel] = true
	return true
}

// bytesDue is true after each sixteenth of the limit, once the total is above it.
func (t *tally) bytesDue() bool { return t.total > t.bytes && t.added >= t.bytes/16 }

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
