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
type acks struct {
	conn   *nats.Conn // static
	prefix string     // of the subjects for answers

	mu      sync.Mutex
	ahead   size               // guarded by mu; of what was sent ahead and is in waiting
	last    uint64             // guarded by mu; the number of the newest request
	waiting map[uint64]*waiter // guarded by mu, as what is in it
}

// waiter is a publish that was sent.
type waiter struct {
	done  chan storeAnswer // one slot
	since time.Time
	slow  bool  // it was told so
	ahead int64 // bytes, if it was sent ahead; static
}

// waiters are used again once they had their answer, which nobody gives twice.
var waiters = sync.Pool{New: func() any { return &waiter{done: make(chan storeAnswer, 1)} }}

func newWaiter(ahead int64) *waiter {
	w, _ := waiters.Get().(*waiter)
	w.since, w.slow, w.ahead = time.Now(), false, ahead
	return w
}

// storeAnswer is what came for a publish.
type storeAnswer struct {
	ack jetstream.PubAck
	err error
}

// newAcks listens for answers on the client's connection, until that ends.
func newAcks(conn *nats.Conn) (*acks, error) {
	a := &acks{conn: conn, prefix: conn.NewInbox() + ".", waiting: map[uint64]*waiter{}}
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
	id, w := a.expect()
	if err := a.send(id, msg); err != nil {
		return jetstream.PubAck{}, err
	}
	return a.wait(ctx, unhealthy, id, w)
}

// send sends msg with the number for its answer. On an error nobody waits for that.
func (a *acks) send(id uint64, msg *nats.Msg) error {
	var room [64]byte
	msg.Reply = string(strconv.AppendUint(append(room[:0], a.prefix...), id, 36))
	err := a.conn.PublishMsg(msg)
	if err != nil {
		a.forget(id)
	}
	return err
}

// wait waits for the answer to what was sent, as publish does.
func (a *acks) wait(ctx context.Context, unhealthy <-chan struct{}, id uint64, w *waiter) (jetstream.PubAck, error) {
	select {
	case got := <-w.done:
		waiters.Put(w)
		return got.ack, got.err
	case <-ctx.Done():
		a.forget(id)
		return jetstream.PubAck{}, ctx.Err()
	case <-unhealthy:
		a.forget(id)
		return jetstream.PubAck{}, errUnhealthy
	}
}

var (
	errUnhealthy = errors.New("the store has failed meanwhile")
	errNoAnswer  = fmt.Errorf("the store has not answered within %v", callTimeout)
)

func (a *acks) expect() (uint64, *waiter) {
	w := newWaiter(0)
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.enter(w), w
}

// Bounds of what is sent ahead by all publishers together: well below what the server
// keeps for a stream (10,000 messages and 128 MB), where it refuses any more.
const (
	maxSentAhead      = 4096
	maxSentAheadBytes = 32 << 20
)

// expectAhead is expect for a message of some bytes that nobody waits for yet. nil: there are
// too many of them.
func (a *acks) expectAhead(bytes int64) (uint64, *waiter) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ahead.messages >= maxSentAhead || a.ahead.bytes+bytes > maxSentAheadBytes {
		return 0, nil
	}
	a.ahead.add(bytes)
	w := newWaiter(bytes)
	return a.enter(w), w
}

// enter is called with mu held.
func (a *acks) enter(w *waiter) uint64 {
	a.last++
	a.waiting[a.last] = w
	return a.last
}

// leave is called with mu held.
func (a *acks) leave(id uint64, w *waiter) {
	delete(a.waiting, id)
	if w.ahead > 0 {
		a.ahead.bytes -= w.ahead
		a.ahead.messages--
	}
}

// forget returns the waiter of a number; nil if it has its answer or nobody waits.
func (a *acks) forget(id uint64) *waiter {
	a.mu.Lock()
	defer a.mu.Unlock()
	w := a.waiting[id]
	if w != nil {
		a.leave(id, w)
	}
	return w
}

// hear is the client's goroutine for answers.
func (a *acks) hear(msg *nats.Msg) {
	id, err := strconv.ParseUint(strings.TrimPrefix(msg.Subject, a.prefix), 36, 64)
	if err != nil {
		return // not ours
	}
	if w := a.forget(id); w != nil {
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
	for id, w := range a.waiting {
		took := now.Sub(w.since)
		if took >= slowStore && !w.slow {
			w.slow, slow = true, true
		}
		if took >= callTimeout {
			a.leave(id, w)
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
