package hub

import (
	"context"
	"sync"
)

// outbox is the bounded queue of frames that wait for one session's transport.
// It holds references: a frame is shared by all that are to get it.
type outbox struct {
	limit int // bytes, static

	mu       sync.Mutex
	queue    queue // guarded by mu, as is the rest
	reserved int   // cost of the frames that paused subscriptions hold
	awake    bool
	ending   *Reason       // set once; nothing is queued any more
	told     bool          // the conn was told of the end, or is about to be
	room     chan struct{} // closed when there is room; nil if nobody waits
}

// pushed is what became of a parcel.
type pushed struct {
	wake    bool // the transport was idle and must be woken
	full    bool // there is no room: nothing was queued, and the session is to be closed
	dropped int  // loose frames that had to go, or the parcel itself
}

// push adds a frame; reserved: its cost had been reserved. A frame of any size
// fits while at most half of the outbox is in use, or nothing waits in it.
func (o *outbox) push(p parcel, reserved bool) (r pushed) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if reserved {
		o.reserved -= cost(p.frame)
	}
	if o.ending != nil {
		return r
	}
	if _, ok := o.queue.replace(p); ok {
		for r.dropped = 1; o.queue.bytes+o.reserved > o.limit && o.queue.evict() > 0; {
			r.dropped++
		}
		return r
	}
	for o.queue.bytes > 0 && !o.fits(p.frame) {
		switch {
		case o.queue.evict() > 0:
			r.dropped++
		case p.slow == SlowDisconnect:
			r.full = true
			return r
		default:
			r.dropped++
			return r
		}
	}
	o.queue.add(p)
	r.wake, o.awake = !o.awake, true
	return r
}

func (o *outbox) fits(frame []byte) bool {
	used := o.queue.bytes + o.reserved
	return used+cost(frame) <= o.limit || used <= o.limit/2
}

// over reports whether newer states that took the place of smaller ones have
// filled it past its limit.
func (o *outbox) over() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.queue.bytes+o.reserved > o.limit
}

// reserve counts a frame that is held elsewhere for this outbox. It is false if
// there is no room for it, even without the loose frames, of which some were dropped.
func (o *outbox) reserve(frame []byte) (ok bool, dropped int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for !o.fits(frame) {
		if o.queue.evict() == 0 {
			return false, dropped
		}
		dropped++
	}
	o.reserved += cost(frame)
	return true, dropped
}

// take appends waiting frames of up to maxBytes, but one at least, to dst. If
// there are none the outbox falls asleep, and a reason is returned if the conn is to be
// closed now.
func (o *outbox) take(dst [][]byte, maxBytes int) ([][]byte, *Reason) {
	o.mu.Lock()
	defer o.mu.Unlock()
	size := 0
	for {
		next, ok := o.queue.first()
		if !ok || size > 0 && size+len(next.frame) > maxBytes {
			break
		}
		size += max(1, len(next.frame))
		dst = append(dst, next.frame)
		o.queue.drop()
	}
	o.queue.tidy()
	if o.hasRoom() {
		o.wakeWaiters()
	}
	if size > 0 {
		return dst, nil
	}
	o.awake = false
	return dst, o.endNow()
}

// end lets nothing more in. first: this call did it. now: nothing waits, so the
// conn is to be closed by the caller.
func (o *outbox) end(r Reason) (first, now bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ending != nil {
		return false, false
	}
	o.ending = &r
	o.wakeWaiters()
	if r.Cause == CauseSlow {
		o.queue = queue{}
		return true, o.endNow() != nil
	}
	return true, !o.awake && o.endNow() != nil
}

func (o *outbox) ended() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.ending != nil
}

// endNow returns the reason if the conn is to be told now, once.
func (o *outbox) endNow() *Reason {
	if o.ending == nil || o.told {
		return nil
	}
	o.told = true
	return o.ending
}

// hasRoom is also true if nothing waits: what is reserved may be given back only
// by the one who asks.
func (o *outbox) hasRoom() bool {
	return o.queue.bytes == 0 || o.queue.bytes+o.reserved <= o.limit/2
}

func (o *outbox) wakeWaiters() {
	if o.room != nil {
		close(o.room)
		o.room = nil
	}
}

// waitRoom blocks until hasRoom, the end or ctx's end.
func (o *outbox) waitRoom(ctx context.Context) error {
	for {
		o.mu.Lock()
		if o.ending != nil {
			o.mu.Unlock()
			return Errorf(CodeClosed, "the session is closed")
		}
		if o.hasRoom() {
			o.mu.Unlock()
			return nil
		}
		if o.room == nil {
			o.room = make(chan struct{})
		}
		room := o.room
		o.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// release gives back what was reserved for frames that will not be sent.
func (o *outbox) release(cost int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.reserved -= cost
	if o.hasRoom() {
		o.wakeWaiters()
	}
}
