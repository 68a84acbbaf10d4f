package stream

import (
	"context"

	"fanfold/hub"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Send implements [hub.Sender]. It takes what one request stores. A live message is none of
// that: it would overtake the stored ones before it, which come by way of the stream.
func (e *Engine) Send(m *hub.Message, o hub.PublishOptions) (wait func(context.Context) (bool, error)) {
	f := e.filing(m.Channel)
	if o.Live || f.rule.Live || m.Sequence != "" || o.RollUp || o.IfLast != nil {
		return nil
	}
	if o.IdempotencyKey != "" {
		e.noteKey()
	}
	msg, err := encode(m, f.prefix+m.Channel)
	if err != nil || f.setOptions(msg, m, o) {
		return nil
	}
	s := e.sendAhead(msg)
	if s == nil {
		return nil
	}
	return func(ctx context.Context) (bool, error) {
		ack, err := s.end(ctx, e)
		if err != nil {
			return false, err
		}
		e.stored(f, m, msg, ack)
		return ack.Duplicate, nil
	}
}

// sending is a store that has begun. One goroutine has it.
type sending struct {
	health *health
	before uint64 // the number that the store had reached
	id     int
	waiter *waiter
}

// sendAhead begins a store; nil: it can't now, and has done nothing.
func (e *Engine) sendAhead(msg *nats.Msg) *sending {
	s := &sending{health: e.guard.health.Load(), before: e.ledger.mark.Load()}
	if s.health.ctx.Err() != nil {
		return nil
	}
	if s.id, s.waiter = e.acks.expectAhead(sizeOf(msg, len(msg.Data))); s.waiter == nil {
		return nil
	}
	if e.acks.send(s.id, msg) != nil {
		return nil
	}
	return s
}

// end waits as store does.
func (s *sending) end(ctx context.Context, e *Engine) (*jetstream.PubAck, error) {
	ack, err := e.acks.wait(ctx, s.health.ctx.Done(), s.id, s.waiter)
	if s.health.ctx.Err() != nil { // the number, which came before, may be of an epoch that is over
		return nil, context.Cause(s.health.ctx)
	}
	return e.acknowledged(ctx, s.health, s.before, ack, err)
}
