package stream

import (
	"context"
	"sync"

	"fanfold/hub"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Send implements [hub.Sender]. It takes what one request stores. A live message is none of
// that: it would overtake the stored ones before it, which come by way of the stream.
func (e *Engine) Send(m *hub.Message, o hub.PublishOptions) hub.Sending {
	f := e.filing(m.Channel)
	if o.Live || f.rule.Live || m.Sequence != "" || o.RollUp || o.IfLast != nil {
		return nil
	}
	if o.IdempotencyKey != "" {
		e.noteKey()
	}
	s, _ := sendings.Get().(*sending)
	s.engine, s.filing, s.message = e, f, m
	if s.begin(o) {
		return s
	}
	s.free()
	return nil
}

// sending is a [hub.Sending]. One goroutine has it.
type sending struct {
	engine  *Engine
	filing  *filing
	message *hub.Message
	msg     nats.Msg // what is sent
	health  *health
	before  uint64 // the number that the store had reached
	id      int
	waiter  *waiter
}

// sendings are used again once somebody has waited for them.
var sendings = sync.Pool{New: func() any { return new(sending) }}

func (s *sending) free() {
	*s = sending{}
	sendings.Put(s)
}

// begin sends the message. It is false if that can't be now, and has done nothing then.
func (s *sending) begin(o hub.PublishOptions) bool {
	e, f := s.engine, s.filing
	if encode(&s.msg, s.message, f.prefix+s.message.Channel) != nil || f.setOptions(&s.msg, s.message, o) {
		return false
	}
	s.health, s.before = e.guard.health.Load(), e.ledger.mark.Load()
	if s.health.ctx.Err() != nil {
		return false
	}
	if s.id, s.waiter = e.acks.expectAhead(sizeOf(&s.msg, len(s.msg.Data))); s.waiter == nil {
		return false
	}
	return e.acks.send(s.id, &s.msg) == nil
}

// Wait implements [hub.Sending].
func (s *sending) Wait(ctx context.Context) (duplicate bool, err error) {
	defer s.free()
	ack, err := s.end(ctx)
	if err != nil {
		return false, err
	}
	s.engine.stored(s.filing, s.message, &s.msg, ack)
	return ack.Duplicate, nil
}

// end waits as [Engine.store] does.
func (s *sending) end(ctx context.Context) (ack jetstream.PubAck, err error) {
	ack, err = s.engine.acks.wait(ctx, s.health.ctx.Done(), s.id, s.waiter)
	if s.health.ctx.Err() != nil { // the number, which came before, may be of an epoch that is over
		return jetstream.PubAck{}, context.Cause(s.health.ctx)
	}
	return s.engine.acknowledged(ctx, s.health, s.before, ack, err)
}
