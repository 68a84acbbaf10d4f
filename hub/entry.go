package hub

import (
	"iter"
	"sync/atomic"
)

// entry is a channel or pattern with at least one subscriber.
type entry struct {
	key   string // static
	shard *shard
	rule  *Rule  // nil for a pattern: each message's channel has its own
	stop  func() // ends the engine's delivery

	// shut: stored messages are dropped at the door, because a fill will read them.
	shut atomic.Bool

	// owned by the shard
	count int32 // of parts over all groups; 0: the entry is gone
	first group // the others follow it
	trail trail
	fill  *fill // nil: no hole is known
}

// Deliver implements [Listener]. It does not block: a shard that can't keep up
// would hold up all others.
func (e *entry) Deliver(m *Message) {
	stored := m.Position.Seq != 0
	if stored && e.shut.Load() {
		return
	}
	s, size := e.shard, int64(len(m.Data))
	if s.waiting.Add(size) <= inboxBytes {
		select {
		case s.inbox <- op{entry: e, message: m}:
			return
		default:
		}
	}
	s.waiting.Add(-size)
	if stored {
		e.missed(false)
	} else {
		s.hub.lost.Add(1)
	}
}

// Lost implements [Listener]. It does not block.
func (e *entry) Lost() { e.missed(true) }

// missed shuts the door and has the shard fill the hole. late: something behind
// the loss may have been delivered already.
func (e *entry) missed(late bool) {
	e.shut.Store(true)
	s := e.shard
	s.mu.Lock()
	s.losing[e] = s.losing[e] || late
	s.lossy.Store(true)
	s.mu.Unlock()
	select {
	case s.alarm <- struct{}{}:
	default:
	}
}

// hear takes a message from the engine: the next one is delivered.
func (e *entry) hear(m *Message) {
	switch {
	case e.count == 0: // nobody is left to hear it
	case e.fill != nil && e.fill.keep(m):
	case !e.deliver(m):
		if e.fill == nil {
			e.beginFill(false, true)
		}
		e.fill.holeBefore(m)
	}
}

// deliver hands a message to the subscribers unless they had it. It is false if
// there is a hole before it.
func (e *entry) deliver(m *Message) bool {
	if m.Position.Seq != 0 {
		switch e.trail.follow(m) {
		case hole:
			return false
		case double:
			return true
		}
	}
	if m.Data != nil {
		e.shard.fanOut(e, m)
	}
	return true
}

// giveUp ends the subscriptions that may miss a message, and tells the clients to
// come back for it: they know what they have seen.
func (e *entry) giveUp(which func(*Subscription) bool) {
	var subs []*Subscription
	for p := range e.parts() {
		if which(p.sub) {
			subs = append(subs, p.sub)
		}
	}
	for _, sub := range subs {
		sub.session.forget(sub)
		e.shard.unsubscribe(sub, &Reason{Cause: CauseGap})
	}
}

// parts yields all of the entry's; they must not come or go meanwhile.
func (e *entry) parts() iter.Seq[*part] {
	return func(yield func(*part) bool) {
		for g := &e.first; g != nil; g = g.next {
			for _, p := range g.parts {
				if !yield(p) {
					return
				}
			}
		}
	}
}

// group holds the subscribers of one key that share each encoded frame.
type group struct {
	entry *entry
	codec Codec
	parts []*part
	next  *group // nil: the last one
	told  int32  // of parts that asked for joins and leaves
}

func (e *entry) enter(p *part) {
	e.count++
	if e.fill != nil && e.fill.known {
		p.sub.fillBegins()
	}
	codec := p.sub.session.codec
	for g := &e.first; ; g = g.next {
		if g.codec == codec {
			g.add(p)
			return
		}
		if g.codec == nil { // the first one, and new
			g.entry, g.codec = e, codec
			g.add(p)
			return
		}
		if g.next == nil {
			g.next = &group{entry: e, codec: codec}
		}
	}
}

func (g *group) add(p *part) {
	p.group, p.index = g, len(g.parts)
	g.parts = append(g.parts, p)
	if p.sub.joinLeave {
		g.told++
	}
}

// remove moves the last part to p's place; an empty group stays for the next.
func (g *group) remove(p *part) {
	last := len(g.parts) - 1
	g.parts[p.index] = g.parts[last]
	g.parts[p.index].index = p.index
	g.parts[last] = nil
	g.parts = g.parts[:last]
	p.group = nil
	if p.sub.joinLeave {
		g.told--
	}
}
