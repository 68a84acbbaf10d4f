package hub

import (
	"maps"
	"time"
)

// trail is what an entry has delivered of its key's stored messages, so that a
// hole is seen. The zero value has heard nothing. Owned by the entry's shard.
type trail struct {
	epoch string
	// begun: something was heard, and everything behind start up to top was delivered. Of
	// a pattern that is so as far as is known: each channel tells of its own holes.
	// based: a subscription relies on everything behind base, the lowest of such.
	begun, based     bool
	start, top, base uint64

	channels *channelTrail // of a pattern; nil for a channel
}

func newTrail(key string) trail {
	if IsPattern(key) {
		return trail{channels: &channelTrail{recent: map[string]uint64{}}}
	}
	return trail{}
}

// verdict is what a trail makes of a message.
type verdict int

const (
	fresh  verdict = iota // the next one, now noted as delivered
	double                // it was delivered
	hole                  // something between it and what was delivered is missing
)

// follow judges a stored message, or a mark, that came from the engine.
func (t *trail) follow(m *Message) verdict {
	seq, bound := m.Position.Seq, t.boundOf(m.Channel)
	if seq <= bound.seen {
		return double
	}
	if t.epoch == "" {
		t.epoch = m.Position.Epoch
	}
	if m.Prev > bound.seen && !bound.known {
		if t.based && m.Prev > t.base {
			t.begin(t.base)
			return hole
		}
		t.start = max(t.start, m.Prev) // taken on trust, see resume
	} else if m.Prev > bound.seen {
		return hole
	}
	t.note(m)
	return fresh
}

// take notes a message that was read from the store. It is false for a double.
func (t *trail) take(m *Message) bool {
	if m.Position.Seq <= t.boundOf(m.Channel).seen {
		return false
	}
	t.note(m)
	return true
}

// bound is up to where a channel's messages were delivered; known, unless
// nothing of it was heard yet.
type bound struct {
	seen  uint64
	known bool
}

func (t *trail) boundOf(channel string) bound {
	if t.channels == nil {
		return bound{t.top, t.begun}
	}
	return t.channels.boundOf(channel)
}

func (t *trail) note(m *Message) {
	if t.channels != nil {
		t.channels.note(m, t.settledStart(m.Position.Seq-1))
	}
	t.begun, t.top = true, max(t.top, m.Position.Seq)
}

// settledStart is where the trail of a pattern begins, whose first message is
// behind first.
func (t *trail) settledStart(first uint64) uint64 {
	if t.based {
		return min(first, t.base)
	}
	return first
}

// holeOf asks for what is missing of a channel alone.
func (t *trail) holeOf(channel string) Query {
	b := t.boundOf(channel)
	if !b.known {
		b.seen = t.base
	}
	return Query{Channel: channel, After: t.at(b.seen), Limit: fillPage}
}

// begin makes at the position behind which everything is delivered, if nothing
// was heard yet.
func (t *trail) begin(at uint64) {
	if t.begun {
		return
	}
	t.begun, t.start, t.top = true, at, at
	if t.channels != nil {
		t.channels.settled, t.channels.pending = at, at
	}
}

// resume takes note that a subscription relies on everything behind after. It is
// false if some of that may have come and gone before anything was heard: the
// subscription must fetch it by itself.
func (t *trail) resume(after Position) bool {
	if after.IsZero() {
		return true
	}
	if t.epoch == "" {
		t.epoch = after.Epoch
	}
	if !t.based || after.Seq < t.base {
		t.based, t.base = true, after.Seq
	}
	return after.Seq >= t.start
}

// from is the position behind which a hole may be, if one is known. late: the
// loss may be older than the last message delivered.
func (t *trail) from(late bool) (p Position, known bool) {
	if t.based {
		t.begin(t.base)
	}
	switch {
	case !t.begun:
		return Position{}, false
	case late && t.channels != nil:
		return t.at(max(t.channels.settled, t.channels.floor)), true
	}
	return t.at(t.top), true
}

func (t *trail) at(seq uint64) Position { return Position{Epoch: t.epoch, Seq: seq} }

// anchor begins the trail at the store's present end, unless a subscription
// relies on more.
func (t *trail) anchor(top Position) {
	t.epoch = top.Epoch
	if t.based && t.base < top.Seq {
		top.Seq = t.base
	}
	t.begin(top.Seq)
}

// complete takes note that everything up to top was delivered.
func (t *trail) complete(top Position) {
	t.top = max(t.top, top.Seq)
	if t.channels != nil {
		t.channels.complete(top.Seq)
	}
}

// channelTrailBytes bounds each of the two maps of a channelTrail, and
// settleTime is how long after a message a loss before it may become known.
const (
	channelTrailBytes = 4 << 20
	settleTime        = time.Second
)

// channelTrail is what a pattern has delivered of each channel. It remembers the
// channels that had a message lately: those heard least lately are forgotten, and what is
// missing of them is then only known if it is behind floor.
type channelTrail struct {
	recent, older map[string]uint64
	recentBytes   int
	turned        uint64 // the highest position when recent was begun
	floor         uint64 // everything up to here counts as delivered

	settled, pending uint64 // positions: settled is pending of at least settleTime ago
	since            time.Time
	highest          uint64
}

func (c *channelTrail) boundOf(channel string) bound {
	seen, known := c.recent[channel]
	if !known {
		seen, known = c.older[channel]
	}
	return bound{max(seen, c.floor), known || c.floor > 0}
}

func (c *channelTrail) note(m *Message, start uint64) {
	c.settle(m.Time, start)
	c.highest = max(c.highest, m.Position.Seq)
	if _, ok := c.recent[m.Channel]; !ok {
		const perChannel = 64 // of a map, beside the name
		size := len(m.Channel) + perChannel
		if c.recentBytes += size; c.recentBytes > channelTrailBytes {
			c.turn()
			c.recentBytes = size
		}
	}
	c.recent[m.Channel] = m.Position.Seq
}

// turn forgets the channels that had nothing since the last turn.
func (c *channelTrail) turn() {
	c.floor = max(c.floor, c.turned)
	c.turned = c.highest
	c.older, c.recent = c.recent, map[string]uint64{}
}

// settle moves settled on, by the time that messages carry.
func (c *channelTrail) settle(now time.Time, start uint64) {
	if c.since.IsZero() {
		c.settled, c.pending, c.since = max(c.settled, start), max(c.pending, start), now
	} else if now.Sub(c.since) >= settleTime {
		c.settled, c.pending, c.since = c.pending, c.highest, now
	}
}

func (c *channelTrail) complete(top uint64) {
	c.floor, c.highest = max(c.floor, top), max(c.highest, top)
	c.settled, c.pending = max(c.settled, top), max(c.pending, top)
	gone := func(_ string, seen uint64) bool { return seen <= c.floor }
	maps.DeleteFunc(c.older, gone)
	maps.DeleteFunc(c.recent, gone)
}
