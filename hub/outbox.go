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
	frames   [][]byte // guarded by mu; those before head have been taken
	head     int
	bytes    int // cost of the frames that wait
	reserved int // cost of the frames that paused subscriptions hold
	awake    bool
	ending   *Reason       // set once; nothing is queued any more
	told     bool          // the conn was told of the end, or is about to be
	room     chan struct{} // closed when there is room; nil if nobody waits
}

// keepFrames is the length of a slice that an idle outbox may keep for reuse.
const keepFrames = 16

// cost is what a frame counts in an outbox: its bytes and its place in the queue.
func cost(frame []byte) int { return len(frame) + 32 }

// push adds a frame; released: its cost had been reserved. wake: the
// transport was idle and must be woken. full: there is no room, nothing was queued. A frame
// of any size fits while at most half of the outbox is in use, or nothing waits in it.
func (o *outbox) push(frame []byte, released bool) (wake, full bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if released {
		o.reserved -= cost(frame)
	}
	if o.ending != nil {
		return false, false
	}
	if used := o.bytes + o.reserved; used+cost(frame) > o.limit && used > o.limit/2 && o.bytes > 0 {
		return false, true
	}
	o.frames = append(o.frames, frame)
	o.bytes += cost(frame)
	wake, o.awake = !o.awake, true
	return wake, false
}

// reserve counts a frame that is held elsewhere for this outbox. It is false if
// there is no room for it.
func (o *outbox) reserve(frame []byte) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if used := o.bytes + o.reserved; used+cost(frame) > o.limit && used > o.limit/2 {
		return false
	}
	o.reserved += cost(frame)
	return true
}

// take appends waiting frames of up to maxBytes, but one at least, to dst. If
// there are none the outbox falls asleep, and a reason is returned if the conn is to be
// closed now.
func (o *outbox) take(dst [][]byte, maxBytes int) ([][]byte, *Reason) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.head == len(o.frames) {
		o.awake = false
		return dst, o.endNow()
	}
	for size := 0; o.head < len(o.frames); o.head++ {
		frame := o.frames[o.head]
		if size > 0 && size+len(frame) > maxBytes {
			break
		}
		size += max(1, len(frame))
		o.bytes -= cost(frame)
		o.frames[o.head] = nil
		dst = append(dst, frame)
	}
	o.tidy()
	if o.hasRoom() {
		o.wakeWaiters()
	}
	return dst, nil
}

func (o *outbox) tidy() {
	if o.head < len(o.frames) {
		if o.head >= keepFrames && o.head >= len(o.frames)/2 {
			n := copy(o.frames, o.frames[o.head:])
			clear(o.frames[n:])
			o.frames, o.head = o.frames[:n], 0
		}
		return
	}
	o.head = 0
	if cap(o.frames) > keepFrames {
		o.frames = nil
	} else {
		o.frames = o.frames[:0]
	}
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
		o.frames, o.head, o.bytes = nil, 0, 0
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
func (o *outbox) hasRoom() bool { return o.bytes == 0 || o.bytes+o.reserved <= o.limit/2 }

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

// release gives back what was reserved for a frame that will not be sent.
func (o *outbox) release(frame []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.reserved -= cost(frame)
	if o.hasRoom() {
		o.wakeWaiters()
	}
}
