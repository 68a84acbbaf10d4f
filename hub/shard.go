package hub

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
)

// Bounds of a shard's inbox, in messages and in bytes of their data. What comes
// when it is full is lost on the way, see [entry.Deliver].
const (
	inboxOps   = 16 << 10
	inboxBytes = 64 << 20
)

// shard is a hub goroutine: the sole owner of its entries. Everything reaches it
// as an op.
type shard struct {
	hub   *Hub    // static
	inbox chan op // never closed

	// owned by run
	keys  map[string]*entry
	heard Position   // the highest that came from the engine
	woken []*Session // to be woken once what is in the inbox is handled
	// frames offered, and the bytes of one of each, since the last wakeAll
	offered, offeredBytes int

	waiting atomic.Int64  // bytes of the messages in the inbox
	alarm   chan struct{} // one slot: losing has entries
	lossy   atomic.Bool   // losing has entries

	mu     sync.Mutex
	losing map[*entry]bool // guarded by mu; those that lost a message, and whether that came late
}

// op is work for a shard: a message for an entry, or a call.
type op struct {
	entry   *entry
	message *Message
	call    func()
}

func newShard(h *Hub) *shard {
	return &shard{hub: h, inbox: make(chan op, inboxOps), keys: map[string]*entry{}, alarm: make(chan struct{}, 1), losing: map[*entry]bool{}}
}

func (s *shard) run() {
	for {
		select {
		case o := <-s.inbox:
			s.handle(o)
		case <-s.alarm:
			s.notice()
		case <-s.hub.stop:
			for _, e := range s.keys {
				e.stop()
			}
			return
		}
		s.gather()
		s.wakeAll()
	}
}

// handle does an op. A loss is noticed before anything that came after it.
func (s *shard) handle(o op) {
	if s.lossy.Load() {
		s.notice()
	}
	s.offered++
	if o.call != nil {
		o.call()
		return
	}
	s.waiting.Add(-int64(len(o.message.Data)))
	if o.message.Position.Seq > s.heard.Seq {
		s.heard = o.message.Position
	}
	o.entry.hear(o.message)
}

// Bounds on what is offered to subscribers before those are woken: frames, some
// milliseconds' work; and bytes to one subscriber, a part of the smallest useful outbox.
const (
	gatherOffers = 64 << 10
	gatherBytes  = 64 << 10
)

// gather handles what else is in the inbox, and once lets other goroutines run,
// publishers among them, that may bring more. So under load many messages go out in one
// frame of a subscriber's, and with nothing else to run a single one is not delayed.
// Without it each of 1,000 clients is woken before the next message comes in: a third of the
// deliveries, at three times the CPU.
func (s *shard) gather() {
	yielded := false
	for s.offered < gatherOffers && s.offeredBytes < gatherBytes {
		select {
		case o := <-s.inbox:
			s.handle(o)
		default:
			if yielded || len(s.woken) == 0 {
				return
			}
			yielded = true
			runtime.Gosched()
		}
	}
}

// send queues a frame for a session, whose transport is woken by wakeAll;
// reserved: room for it had been reserved.
func (s *shard) send(session *Session, p parcel, reserved bool) {
	r := session.outbox.push(p, reserved)
	if r.dropped > 0 {
		s.hub.drops.Add(int64(r.dropped))
	}
	switch {
	case r.full:
		session.Close(Reason{Cause: CauseSlow})
	case r.wake:
		s.woken = append(s.woken, session)
	}
}

// post queues an op, waiting for room in the inbox. After the hub's end it does
// nothing and is false.
func (s *shard) post(o op) bool {
	select {
	case s.inbox <- o:
		return true
	case <-s.hub.stop:
		return false
	}
}

// do runs f in the shard and waits for it. On an error f may still run later.
func (s *shard) do(ctx context.Context, f func()) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	done := make(chan struct{})
	if s.post(op{call: func() { f(); close(done) }}) {
		select {
		case <-done:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-s.hub.stop:
		}
	}
	return ErrShutdown
}

// fanOut encodes a message once for each group and offers it to its members.
func (s *shard) fanOut(e *entry, m *Message) {
	rule := e.rule
	if rule == nil {
		rule = s.hub.config.Rules.For(m.Channel)
	}
	p := parcel{seq: m.Position.Seq, slow: rule.Slow, channel: m.Channel}
	for g := &e.first; g != nil; g = g.next {
		if p.frame = g.codec.Encode(Event{Kind: KindMessage, Subscription: e.key, Message: m}); p.frame == nil {
			continue
		}
		s.offered += len(g.parts)
		s.offeredBytes += len(p.frame)
		for _, member := range g.parts {
			member.offer(m, p)
		}
	}
}

// subscribe enters sub under all its keys.
func (s *shard) subscribe(sub *Subscription) error {
	if sub.gone {
		return Errorf(CodeClosed, "the session is closed")
	}
	for i := range sub.parts {
		p := &sub.parts[i]
		e, err := s.entry(p.key)
		if err != nil {
			s.leave(sub)
			return err
		}
		e.enter(p)
		s.announce(e, KindJoin, sub.client)
	}
	return nil
}

// unsubscribe takes sub out of all its keys, and tells the client if told is not
// nil. It may come before subscribe, which then fails.
func (s *shard) unsubscribe(sub *Subscription, told *Reason) {
	if sub.gone {
		return
	}
	sub.gone = true
	s.leave(sub)
	if sub.held != nil {
		sub.session.outbox.release(sub.held.bytes)
		sub.held = nil
	}
	switch {
	case told == nil:
	case sub.paused:
		sub.told = told // Resume says it: the client has no confirmation yet
	default:
		sub.tellUnsubscribed(*told)
	}
}

func (s *shard) leave(sub *Subscription) {
	for i := range sub.parts {
		p := &sub.parts[i]
		if p.group == nil {
			continue
		}
		e := p.group.entry
		p.group.remove(p)
		if e.count--; e.count == 0 {
			delete(s.keys, e.key)
			e.stop()
			continue
		}
		s.announce(e, KindLeave, sub.client)
	}
}

// entry returns the entry of a key, made and listening if it is new.
func (s *shard) entry(key string) (*entry, error) {
	if e := s.keys[key]; e != nil {
		return e, nil
	}
	e := &entry{key: key, shard: s, trail: newTrail(key)}
	if !IsPattern(key) {
		e.rule = s.hub.config.Rules.For(key)
	}
	stop, err := s.hub.config.Engine.Listen(key, e)
	if err != nil {
		return nil, &Error{Code: CodeUnavailable, Message: "the hub can't take subscriptions now", Err: fmt.Errorf("listen to %q: %w", key, err)}
	}
	e.stop = stop
	s.keys[key] = e
	return e, nil
}

// announce tells the subscribers of a channel who asked for it that a client
// came or went, unless its rule hides that. Patterns have no joins: nobody is in one.
func (s *shard) announce(e *entry, kind Kind, c *Client) {
	if e.rule == nil || e.rule.NoJoinLeave {
		return
	}
	for g := &e.first; g != nil; g = g.next {
		if g.told == 0 {
			continue // else each of n subscribers who come would look at all the others
		}
		var frame []byte
		for _, p := range g.parts {
			if !p.sub.joinLeave {
				continue
			}
			if frame == nil {
				if frame = g.codec.Encode(Event{Kind: kind, Subscription: e.key, Client: c}); frame == nil {
					break
				}
			}
			p.sub.give(parcel{frame: frame})
		}
	}
}

// tellUnsubscribed closes the session if its protocol has no word for the end of
// a subscription: silence would look like a quiet channel. So it does if the client
// can't mend a loss by subscribing again.
func (sub *Subscription) tellUnsubscribed(r Reason) {
	lost := r.Cause == CauseGap || r.Cause == CauseInternal
	if sub.vital && lost || !sub.session.tell(Event{Kind: KindUnsubscribed, Subscription: sub.name(), Reason: r}) {
		sub.session.Close(r)
	}
}

// tell sends an event to one session. It is false if its protocol does not show
// such an event.
func (s *Session) tell(ev Event) bool {
	frame := s.codec.Encode(ev)
	if frame != nil {
		s.Send(frame)
	}
	return frame != nil
}
