package hub

import (
	"slices"
	"time"
)

// Bounds on fills.
const (
	maxFills  = 16         // at once, each with a page of the store in memory
	fillPage  = replayPage // messages read at a time
	fillTries = 6          // of one read, before the subscribers are sent to recover
	fillPause = 50 * time.Millisecond

	// of what is held while the last pages are read; unstored messages may take half
	heldMessages = 4096
	heldBytes    = 4 << 20
)

// phase is how far a fill is.
type phase int

const (
	// draining: what came before the loss is still in the inbox, and is delivered.
	draining phase = iota
	// reading: the door is shut; what comes out of the inbox is dropped, because the
	// store has it.
	reading
	// joining: the door is open again and messages are held, until the store has
	// nothing more that came before.
	joining
)

// fill brings what an entry missed from the store: nothing behind a hole is
// delivered before it is filled. Its goroutine reads page after page and hands each to the
// shard, which it waits for.
type fill struct {
	entry *entry // static

	// owned by the shard
	phase phase
	first Query // of the one channel of a pattern that is known to have a hole
	late  bool  // read the pattern from where it is settled
	known bool  // a loss was noticed, not a hole: nothing behind it was delivered
	held  []*Message
	bytes int // of the data held
	live  int // of those held that are not stored
}

// beginFill shuts the door and starts to fill what is behind the entry's trail.
// known: nothing behind the hole was delivered.
func (e *entry) beginFill(known, late bool) {
	h := e.shard.hub
	h.gaps.Add(1)
	e.shut.Store(true)
	e.fill = &fill{entry: e, late: late}
	if known {
		e.fill.isKnown()
	}
	h.goroutines.Go(e.fill.run)
}

// isKnown tells the subscriptions, once.
func (f *fill) isKnown() {
	if f.known {
		return
	}
	f.known = true
	for p := range f.entry.parts() {
		p.sub.fillBegins()
	}
}

// notice begins fills for the entries that lost a message.
func (s *shard) notice() {
	s.mu.Lock()
	losing := s.losing
	s.losing = map[*entry]bool{}
	s.lossy.Store(false)
	s.mu.Unlock()
	for e, late := range losing {
		switch {
		case e.count == 0:
		case e.fill != nil:
			e.fill.again()
		default:
			e.noticeLoss(late)
		}
	}
}

// noticeLoss fills the hole. If the loss came late it may lie before everything
// that was heard.
func (e *entry) noticeLoss(late bool) {
	if late {
		e.giveUpLost()
	}
	if e.count > 0 {
		e.beginFill(true, late)
	}
}

// giveUpLost ends the subscriptions to what comes from now on, if nothing says
// from where: they can't be helped.
func (e *entry) giveUpLost() {
	if _, known := e.trail.from(false); !known {
		e.giveUp(func(sub *Subscription) bool { return !sub.paused })
	}
}

// holeBefore takes note that what came before m is missing.
func (f *fill) holeBefore(m *Message) {
	f.phase, f.late, f.first = reading, true, f.entry.trail.holeOf(m.Channel)
}

// again takes note of another loss. Before the door was opened the store will
// be read anyway.
func (f *fill) again() {
	f.isKnown()
	if f.phase == joining {
		f.reopen()
	}
}

// reopen shuts the door once more and drops what is held and stored.
func (f *fill) reopen() {
	f.entry.shut.Store(true)
	f.phase = reading
	f.held = slices.DeleteFunc(f.held, func(m *Message) bool { return m.Position.Seq != 0 })
	f.bytes = 0
	for _, m := range f.held {
		f.bytes += len(m.Data)
	}
}

// keep says what a fill does to a message from the inbox. It is false if that is
// to be delivered.
func (f *fill) keep(m *Message) bool {
	stored := m.Position.Seq != 0
	switch {
	case f.phase == draining:
		return false
	case f.phase == reading && stored:
		return true
	case stored && len(f.held) < heldMessages && f.bytes+len(m.Data) <= heldBytes:
	case !stored && f.live < heldMessages/2 && f.bytes+len(m.Data) <= heldBytes/2:
		f.live++
	case stored:
		f.reopen()
		return true
	default:
		f.entry.shard.hub.lost.Add(1)
		return true
	}
	f.held = append(f.held, m)
	f.bytes += len(m.Data)
	return true
}

// run is the fill's goroutine. It ends with the fill or the hub.
func (f *fill) run() {
	s := f.entry.shard
	select {
	case s.hub.fills <- struct{}{}:
		defer func() { <-s.hub.fills }()
	case <-s.hub.stop:
		return
	}
	var q Query
	var more bool
	err := s.do(s.hub.life, func() { q, more = f.begin() })
	for err == nil && more {
		page, failed := f.read(q)
		err = s.do(s.hub.life, func() { q, more = f.took(q, page, failed) })
	}
}

// read reads a page, again and again if the store can't serve.
func (f *fill) read(q Query) (Page, error) {
	h := f.entry.shard.hub
	for try, pause := 1, fillPause; ; try, pause = try+1, 2*pause {
		page, err := h.config.Engine.Read(h.life, q)
		if err == nil || ErrorOf(err).Code == CodeUnrecoverable || try == fillTries {
			return page, err
		}
		select {
		case <-time.After(pause):
		case <-h.stop:
			return page, err
		}
	}
}

// begin comes behind all that was in the inbox before the loss. It returns the
// first query, and whether there is one.
func (f *fill) begin() (q Query, more bool) {
	f.phase = reading
	if f.entry.giveUpLost(); f.entry.count == 0 {
		return Query{}, false
	}
	if f.first.Channel != "" && f.first.Channel != f.entry.key {
		return f.first, true
	}
	return f.rest()
}

// rest asks for what is behind the trail; if that has not begun, for the
// store's end.
func (f *fill) rest() (q Query, more bool) {
	q.Channel = f.entry.key
	if after, known := f.entry.trail.from(f.late); known {
		q.After, q.Limit = after, fillPage
	}
	return q, true
}

// took delivers a page and returns the next query, and whether there is one.
func (f *fill) took(q Query, page Page, err error) (next Query, more bool) {
	e := f.entry
	switch {
	case e.count == 0:
		return Query{}, false
	case err != nil:
		return f.failed(q, err)
	case q.Limit == 0:
		e.trail.anchor(page.Top)
		return f.rest()
	}
	f.deliver(page.Messages)
	if n := len(page.Messages); page.More && n > 0 {
		q.After = page.Messages[n-1].Position
		return q, true
	}
	if q.Channel != e.key {
		return f.rest()
	}
	e.trail.complete(page.Top)
	f.late = false
	if f.phase == joining {
		return f.end()
	}
	f.phase = joining
	e.shut.Store(false)
	return f.rest() // which begins after the door was opened, and so shows all that was refused
}

func (f *fill) deliver(page []*Message) {
	e := f.entry
	for _, m := range page {
		if e.trail.take(m) {
			e.shard.hub.filled.Add(1)
			e.shard.fanOut(e, m)
		}
	}
}

// failed sends the subscribers to recover by themselves. A pattern that can't be
// read from where it is settled is read from the last message it delivered.
func (f *fill) failed(q Query, err error) (next Query, more bool) {
	if f.late && q.Channel == f.entry.key && ErrorOf(err).Code == CodeUnrecoverable {
		f.late = false
		return f.rest()
	}
	f.entry.giveUp(func(*Subscription) bool { return true })
	return Query{}, false
}

// end delivers what was held. A hole in it is filled as well.
func (f *fill) end() (next Query, more bool) {
	e := f.entry
	for i, m := range f.held {
		if m.Position.Seq == 0 {
			f.live--
		}
		if !e.deliver(m) {
			e.shard.hub.gaps.Add(1)
			f.held = f.held[i:]
			f.holeBefore(m)
			f.reopen()
			return f.begin()
		}
	}
	e.fill = nil
	if f.known {
		for _, p := range slices.Collect(e.parts()) { // a subscription may end
			p.sub.fillEnds()
		}
	}
	return Query{}, false
}
