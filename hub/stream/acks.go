package stream

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// acks pairs what is sent to the streams with their answers: the client's own requests
// cost three timers, two contexts and a reflection each, which was a sixth of a publish.
//
// Each publish that is under way has a place, and the answer comes to the place's own subject.
// Places are used again once their answer has come, those that were left last first: so the
// subjects are few, and the server, which looks up who listens to one, has them in its cache. A
// place whose answer nobody waits for any more stays taken until it comes; if a server was
// replaced meanwhile, for ever.
type acks struct {
	conn   *nats.Conn // static
	prefix string     // of the subjects for answers

	mu     sync.Mutex
	ahead  size    // guarded by mu; of what was sent ahead and is waited for
	places []place // guarded by mu
	free   []int   // guarded by mu; indexes of the places that are not taken
}

// place is one for a publish that is under way.
type place struct {
	subject string  // static; for the answer
	taken   bool    // an answer may come
	waiter  *waiter // nil: nobody waits for it
}

// waiter is who waits for the answer to a publish.
type waiter struct {
	done  chan storeAnswer // one slot
	seen  time.Time        // by the first look for slow answers, at most ackLook after it was sent; zero: not yet
	slow  bool             // it was told so
	ahead int64            // bytes, if it was sent ahead; static
}

// waiters are used again once they had their answer, which nobody gives twice.
var waiters = sync.Pool{New: func() any { return &waiter{done: make(chan storeAnswer, 1)} }}

// storeAnswer is what came for a publish.
type storeAnswer struct {
	ack jetstream.PubAck
	err error
}

// newAcks listens for answers on the client's connection, until that ends.
func newAcks(conn *nats.Conn) (*acks, error) {
	a := &acks{conn: conn, prefix: conn.NewInbox() + "."}
	sub, err := conn.Subscribe(a.prefix+"*", a.hear)
	if err != nil {
		return nil, err
	}
	return a, sub.SetPendingLimits(-1, -1) // there is one answer to each publish at most
}

// publish sends msg and waits for the answer, for callTimeout at most, or until ctx or
// unhealthy ends. Errors: nats.ErrNoResponders; a jetstream.APIError from the
// stream.
func (a *acks) publish(ctx context.Context, unhealthy <-chan struct{}, msg *nats.Msg) (jetstream.PubAck, error) {
	id, w := a.expect(0)
	if err := a.send(id, msg); err != nil {
		return jetstream.PubAck{}, err
	}
	return a.wait(ctx, unhealthy, id, w)
}

// send sends msg with the subject of its place for the answer. On an error nobody waits
// for that.
func (a *acks) send(id int, msg *nats.Msg) error {
	a.mu.Lock()
	msg.Reply = a.places[id].subject
	a.mu.Unlock()
	err := a.conn.PublishMsg(msg)
	if err != nil {
		a.answered(id)
	}
	return err
}

// wait waits for the answer to what was sent, as publish does.
func (a *acks) wait(ctx context.Context, unhealthy <-chan struct{}, id int, w *waiter) (jetstream.PubAck, error) {
	select {
	case got := <-w.done:
		waiters.Put(w)
		return got.ack, got.err
	case <-ctx.Done():
		a.giveUp(id, w)
		return jetstream.PubAck{}, ctx.Err()
	case <-unhealthy:
		a.giveUp(id, w)
		return jetstream.PubAck{}, errUnhealthy
	}
}

var (
	errUnhealthy = errors.New("the store has failed meanwhile")
	errNoAnswer  = fmt.Errorf("the store has not answered within %v", callTimeout)
)

// Bounds of what is sent ahead by all publishers together: well below what the server
// keeps for a stream (10,000 messages and 128 MB), where it refuses any more.
const (
	maxSentAhead      = 4096
	maxSentAheadBytes = 32 << 20
)

// expect takes a place for a publish.
func (a *acks) expect(ahead int64) (id int, w *waiter) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.take(ahead)
}

// expectAhead is expect for a message of some bytes that nobody waits for yet. A nil waiter:
// there are too many of them.
func (a *acks) expectAhead(bytes int64) (id int, w *waiter) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ahead.messages >= maxSentAhead || a.ahead.bytes+bytes > maxSentAheadBytes {
		return 0, nil
	}
	a.ahead.add(bytes)
	return a.take(bytes)
}

// take is called with mu held.
func (a *acks) take(ahead int64) (id int, w *waiter) {
	if n := len(a.free); n > 0 {
		id, a.free = a.free[n-1], a.free[:n-1]
	} else {
		id = len(a.places)
		a.places = append(a.places, place{subject: a.prefix + strconv.Itoa(id)})
	}
	w, _ = waiters.Get().(*waiter)
	w.seen, w.slow, w.ahead = time.Time{}, false, ahead
	p := &a.places[id]
	p.taken, p.waiter = true, w
	return id, w
}

// leave ends the wait in a place, which stays taken. It is called with mu held.
func (a *acks) leave(p *place) *waiter {
	w := p.waiter
	if p.waiter = nil; w != nil && w.ahead > 0 {
		a.ahead.bytes -= w.ahead
		a.ahead.messages--
	}
	return w
}

// giveUp ends the wait of w, unless it has its answer.
func (a *acks) giveUp(id int, w *waiter) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if p := &a.places[id]; p.waiter == w {
		a.leave(p)
	}
}

// answered frees a place, and returns who waits there; nil: nobody does.
func (a *acks) answered(id int) *waiter {
	a.mu.Lock()
	defer a.mu.Unlock()
	if id >= len(a.places) || !a.places[id].taken {
		return nil
	}
	p := &a.places[id]
	w := a.leave(p)
	p.taken = false
	a.free = append(a.free, id)
	return w
}

// hear is the client's goroutine for answers.
func (a *acks) hear(msg *nats.Msg) {
	id, err := strconv.ParseUint(strings.TrimPrefix(msg.Subject, a.prefix), 10, 31)
	if err != nil {
		return // not ours
	}
	if w := a.answered(int(id)); w != nil {
		w.done <- readAnswer(msg)
	}
}

// ackLook is how often it is looked for slow answers.
const ackLook = 100 * time.Millisecond

// watchAcks is the goroutine that looks for slow answers, until the engine's end.
func (e *Engine) watchAcks() {
	tick := time.NewTicker(ackLook)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			if e.acks.overdue(now) {
				e.guard.suspect()
			}
		case <-e.stop:
			return
		}
	}
}

// overdue ends the wait of those who have waited for callTimeout. slow: others have
// waited for longer than slowStore, for the first time.
func (a *acks) overdue(now time.Time) (slow bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range a.places {
		w := a.places[i].waiter
		if w == nil {
			continue
		}
		if w.seen.IsZero() {
			w.seen = now
		}
		took := now.Sub(w.seen)
		if took >= slowStore && !w.slow {
			w.slow, slow = true, true
		}
		if took >= callTimeout {
			a.leave(&a.places[i])
			w.done <- storeAnswer{err: errNoAnswer}
		}
	}
	return slow
}

// ackStart begins an answer without anything unusual.
var ackStart = []byte(`{"stream":"` + streamName + `","seq":`)

// readAnswer reads a stream's answer. The usual one is read by hand.
func readAnswer(msg *nats.Msg) (got storeAnswer) {
	if len(msg.Data) == 0 && msg.Header.Get("Status") == noResponders {
		return storeAnswer{err: nats.ErrNoResponders}
	}
	if rest, ok := bytes.CutPrefix(msg.Data, ackStart); ok {
		if digits, ok := bytes.CutSuffix(bytes.TrimLeft(rest, " "), []byte("}")); ok {
			if seq, err := strconv.ParseUint(string(digits), 10, 64); err == nil {
				return storeAnswer{ack: jetstream.PubAck{Stream: streamName, Sequence: seq}}
			}
		}
	}
	var wire struct {
		jetstream.PubAck
		Error *jetstream.APIError `json:"error"`
	}
	switch err := json.Unmarshal(msg.Data, &wire); {
	case err != nil:
		got.err = fmt.Errorf("the store's answer %.80q can't be read: %w", msg.Data, err)
	case wire.Error != nil:
		got.err = wire.Error
	case wire.Sequence == 0:
		got.err = fmt.Errorf("the store's answer %.80q has no number", msg.Data)
	default:
		got.ack = wire.PubAck
	}
	return got
}

// noResponders is the status of an answer that says that nobody listens (NATS protocol,
// "no responders").
const noResponders = "503"
