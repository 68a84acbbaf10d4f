package stream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"fanfold/hub"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Publish implements [hub.Engine]. A channel whose rule is live has nothing stored.
func (e *Engine) Publish(ctx context.Context, m *hub.Message, o hub.PublishOptions) (duplicate bool, err error) {
	f := e.filing(m.Channel)
	if o.Live || f.rule.Live {
		return false, e.publishLive(m)
	}
	msg := &nats.Msg{}
	if err := encode(msg, m, f.prefix+m.Channel); err != nil {
		return false, err
	}
	if o.IdempotencyKey != "" {
		e.noteKey()
	}
	short := f.setOptions(msg, m, o)
	if short || m.Sequence != "" || o.RollUp {
		if err := e.loosen(ctx, m.Channel); err != nil {
			return false, err
		}
	}
	ack, err := e.storeAs(ctx, msg, m.Channel, o)
	if err != nil {
		return false, err
	}
	e.stored(f, m, msg, ack)
	if m.Sequence != "" { // of a duplicate too: its first publish may have come no further
		e.replace(ctx, m)
	}
	if o.RollUp {
		e.finishRollUp(ctx, m, ack.Duplicate)
	}
	return ack.Duplicate, nil
}

// stored fills in what m has become, and counts it.
func (e *Engine) stored(f *filing, m *hub.Message, msg *nats.Msg, ack jetstream.PubAck) {
	m.Position = hub.Position{Epoch: e.epoch(), Seq: ack.Sequence}
	m.ID, m.Time = e.idOf(ack.Sequence), time.Now()
	if !ack.Duplicate {
		e.filed(f, m.Channel, ack.Sequence, msg)
	}
}

// setOptions asks the stream for what it does by itself. short: the message goes
// before others of its channel.
func (f *filing) setOptions(msg *nats.Msg, m *hub.Message, o hub.PublishOptions) (short bool) {
	short = o.TTL != 0 && o.TTL < f.rule.Age
	if msg.Header == nil {
		if o.IdempotencyKey == "" && !short && !o.RollUp && o.IfLast == nil {
			msg.Header = f.header
			return false
		}
		msg.Header = nats.Header{}
	}
	if o.IdempotencyKey != "" {
		msg.Header[jetstream.MsgIDHeader] = []string{messageKey(m.Channel, o.IdempotencyKey)}
	}
	switch {
	case short:
		msg.Header[jetstream.MsgTTLHeader] = []string{wholeSeconds(o.TTL).String()}
	case f.ttl != 0:
		msg.Header[jetstream.MsgTTLHeader] = f.header[jetstream.MsgTTLHeader]
	}
	if f.rollUp || o.RollUp {
		msg.Header[jetstream.MsgRollup] = rollUpSubject
	}
	return short
}

// rollUpSubject is a header's value: the message takes the place of all others of its
// subject.
var rollUpSubject = []string{jetstream.MsgRollupSubject}

// messageKey is the stream's name for an idempotency key: it has one list of them for
// all channels.
func messageKey(channel, key string) string { return channel + " " + key }

// store waits until a stream has acknowledged msg, or the guard has found out why
// it does not.
func (e *Engine) store(ctx context.Context, msg *nats.Msg) (ack jetstream.PubAck, err error) {
	health := e.guard.health.Load()
	if health.ctx.Err() != nil {
		return ack, context.Cause(health.ctx)
	}
	before := e.ledger.mark.Load()
	ack, err = e.acks.publish(ctx, health.ctx.Done(), msg)
	return e.acknowledged(ctx, health, before, ack, err)
}

// acknowledged judges the answer to a publish, at the beginning of which the store had
// reached before.
func (e *Engine) acknowledged(ctx context.Context, health *health, before uint64, ack jetstream.PubAck, err error) (jetstream.PubAck, error) {
	switch {
	case err != nil:
		return jetstream.PubAck{}, e.notStored(ctx, health, err)
	case ack.Stream != streamName:
		return ack, nil
	case ack.Sequence <= before && !ack.Duplicate:
		return jetstream.PubAck{}, e.wentBack(ack.Sequence, before)
	}
	e.ledger.raise(ack.Sequence)
	return ack, nil
}

// notStored is the error of a publish: the guard's, if it finds one.
func (e *Engine) notStored(ctx context.Context, h *health, err error) error {
	if api, ok := errors.AsType[*jetstream.APIError](err); ok && api.ErrorCode == jsStorageFull {
		return &hub.Error{Code: hub.CodeFull, Message: "the store is full: the message was not stored", Err: err}
	}
	if errors.Is(err, nats.ErrNoResponders) {
		e.guard.suspect()
		select {
		case <-h.ctx.Done():
		case <-ctx.Done():
		case <-time.After(callTimeout):
		}
	}
	if h.ctx.Err() != nil {
		return context.Cause(h.ctx)
	}
	return unavailable("store a message", err)
}

// wentBack has the store opened anew in another epoch: it has given a number that it
// had reached before.
func (e *Engine) wentBack(seq, before uint64) error {
	err := unavailable("store a message", fmt.Errorf("the store has gone back from number %d to %d", before, seq))
	e.ledger.note(fmt.Sprintf("the store has gone back from number %d to %d while the hub was running", before, seq))
	e.fail(err)
	return err
}

// jsStorageFull is JSInsufficientResourcesErr of the server's error list.
const jsStorageFull jetstream.ErrorCode = 10023

func (e *Engine) publishLive(m *hub.Message) error {
	msg := &nats.Msg{}
	if err := encode(msg, m, e.outSubject(m.Channel)); err != nil {
		return err
	}
	m.ID, m.Time, m.Position = hub.LiveID(), time.Now(), hub.Position{}
	if msg.Header == nil {
		msg.Header = nats.Header{}
	}
	msg.Header[idHeader] = []string{m.ID}
	msg.Header[timeHeader] = []string{m.Time.UTC().Format(time.RFC3339Nano)}
	if err := e.conn.PublishMsg(msg); err != nil {
		return unavailable("publish a live message", err)
	}
	return nil
}
