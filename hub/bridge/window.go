package bridge

import (
	"context"
	"sync"
	"time"

	"fanfold/hub"
)

// Bounds on what a route has sent and the broker has not acknowledged. A window that is
// full makes the route wait.
const (
	windowParcels = 256
	windowBytes   = 4 << 20
)

// parcel is a message on its way to the broker.
type parcel struct {
	route    *route // static, as the next six
	position hub.Position
	id       string // of the message, as the next
	time     time.Time
	to       string // topic or routing key
	payload  []byte
	about    about

	link link // owned by the route's goroutine: that which it was sent over last; nil: none

	packet uint16 // guarded by the [mqttBroker], as the next; 0: it has none
	sent   bool   // it may have reached the broker under that

	failed  error // guarded by the window, as the next
	settled bool
}

// about is what goes with a payload.
type about struct {
	contentType string
	isText      bool
	replyTo     string
	correlation []byte
	expires     int64 // Unix seconds; 0: never
	user        [][2]string
}

// window is the parcels of a route that the broker has not acknowledged, in order.
// Its methods may be called from any goroutine.
type window struct {
	mu      sync.Mutex
	parcels []*parcel    // guarded by mu, as all else; the first is not settled
	bytes   int          // of their payloads
	done    hub.Position // everything at or before it was acknowledged, or needs no sending
	failed  error        // of the oldest parcel that failed; nil: none did

	changed chan struct{} // one slot: there is more room, or a parcel failed; static
	fails   chan struct{} // one slot: a parcel failed; static
}

func newWindow(done hub.Position) *window {
	return &window{done: done, changed: make(chan struct{}, 1), fails: make(chan struct{}, 1)}
}

// add appends a parcel. It blocks while the window is full. It returns the error of a
// parcel that failed, or ctx's.
func (w *window) add(ctx context.Context, p *parcel) error {
	for {
		w.mu.Lock()
		if w.failed != nil {
			defer w.mu.Unlock()
			return w.failed
		}
		if n := len(w.parcels); n == 0 || n < windowParcels && w.bytes+len(p.payload) <= windowBytes {
			w.parcels = append(w.parcels, p)
			w.bytes += len(p.payload)
			w.mu.Unlock()
			return nil
		}
		w.mu.Unlock()
		select {
		case <-w.changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// pass takes note of a message that needs no sending.
func (w *window) pass(at hub.Position) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.parcels) == 0 {
		w.advance(at)
		return
	}
	w.parcels = append(w.parcels, &parcel{position: at, settled: true})
}

// settle takes note of what the broker says of a parcel: nil acknowledges it. It is
// false if that was known.
func (w *window) settle(p *parcel, err error) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if p.settled {
		return false
	}
	if err != nil {
		p.failed = err
		if w.failed == nil {
			w.failed = err
		}
		signal(w.fails)
	} else {
		p.settled, p.failed = true, nil
		w.slide()
	}
	signal(w.changed)
	return true
}

// signal wakes the one who waits for a channel with one slot.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// slide drops the parcels in front that are settled. The caller holds mu.
func (w *window) slide() {
	n := 0
	for n < len(w.parcels) && w.parcels[n].settled {
		w.bytes -= len(w.parcels[n].payload)
		w.advance(w.parcels[n].position)
		n++
	}
	clear(w.parcels[:n])
	w.parcels = w.parcels[n:]
}

// advance moves done. What was delivered without being stored has no position. The
// caller holds mu.
func (w *window) advance(at hub.Position) {
	if !at.IsZero() {
		w.done = at
	}
}

// open returns the parcels that are to be sent over a link: those that were not
// acknowledged, and did not go over it already or came back. No parcel counts as failed then.
func (w *window) open(l link) (list []*parcel) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.parcels {
		if !p.settled && (p.link != l || p.failed != nil) {
			p.failed = nil
			list = append(list, p)
		}
	}
	w.failed = nil
	select {
	case <-w.fails:
	default:
	}
	return list
}

// skip moves done to a later position of which it is known that nothing of the route is
// between. It is false if done is not what it was then, or parcels wait.
func (w *window) skip(from, to hub.Position) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.parcels) > 0 || w.done != from {
		return false
	}
	w.done = to
	return true
}

// state returns the position up to which all is done, how many parcels wait for their
// acknowledgement, and why one was not taken.
func (w *window) state() (done hub.Position, waiting int, failed error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.done, len(w.parcels), w.failed
}
