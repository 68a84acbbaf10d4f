package stream

import (
	"context"
	"crypto/rand"
	"errors"
	"strconv"

	"fanfold/hub"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// lastTries bounds how often a publish looks what is last in its channel, if that is
// another message each time by when it is stored.
const lastTries = 10

// storeAs stores msg as o says, see [hub.PublishOptions]. The store compares what is last in
// the channel in the moment in which it takes msg, so that nothing comes in between.
func (e *Engine) storeAs(ctx context.Context, msg *nats.Msg, channel string, o hub.PublishOptions) (ack jetstream.PubAck, err error) {
	if o.IfLast == nil && !o.RollUp {
		return e.store(ctx, msg)
	}
	if msg.Header == nil {
		msg.Header = nats.Header{}
	}
	for range lastTries {
		ack, err = e.storeBehind(ctx, msg, channel, o)
		if !isWrongLast(err) {
			return ack, err
		}
	}
	if o.IfLast != nil {
		return e.conflict(ctx, msg)
	}
	delete(msg.Header, jetstream.ExpectedLastSubjSeqHeader)
	delete(msg.Header, jetstream.ExpectedLastSubjSeqSubjHeader)
	if err := setRollUp(msg, rollUp{Unknown: true}); err != nil {
		return ack, err
	}
	return e.store(ctx, msg)
}

// storeBehind stores msg behind what is last in the channel now. The store's error is for
// isWrongLast if another message comes in between.
func (e *Engine) storeBehind(ctx context.Context, msg *nats.Msg, channel string, o hub.PublishOptions) (ack jetstream.PubAck, err error) {
	end, err := e.endOf(ctx, channel)
	if err != nil {
		return ack, err
	}
	if o.IfLast != nil && !e.isAt(end.shown, *o.IfLast) {
		return e.conflict(ctx, msg)
	}
	e.expectLast(msg, channel, end.last)
	if o.RollUp {
		if err := setRollUp(msg, rollUp{Last: end.last, Here: end.subject == msg.Subject}); err != nil {
			return ack, err
		}
	}
	return e.store(ctx, msg)
}

// end is how a channel ends in the store.
type end struct {
	shown   *hub.Message // the newest one that history shows; nil: there is none
	last    uint64       // the number of what is last, which may be a marker; 0: there is nothing
	subject string       // of that
}

// endOf looks it up. What is before a marker, which stands for removed history, is of a
// removal that was cut short: that is ended.
func (e *Engine) endOf(ctx context.Context, channel string) (end, error) {
	subject := e.subject(channel)
	msg, err := e.last(ctx, streamName, subject)
	if err != nil || msg == nil {
		return end{}, err
	}
	m, removed, err := e.decode(msg)
	if err != nil {
		return end{}, unavailable("read the newest message", err)
	}
	found := end{last: m.Position.Seq, subject: msg.Header.Get(jetstream.SubjectHeader)}
	if !removed {
		found.shown = m
		return found, nil
	}
	n, err := e.count(ctx, subject, 1)
	if err == nil && n > 1 {
		err = e.purgeUnder(ctx, e.namesOf(channel), channel, found.last)
	}
	return found, err
}

// isAt reports whether the newest message, nil for none, is the one at p. It may be named by the
// epoch that its ID has too.
func (e *Engine) isAt(newest *hub.Message, p hub.Position) bool {
	present := p.Epoch == "" || p.Epoch == e.epoch()
	if newest == nil || p.Seq == 0 {
		return newest == nil && p.Seq == 0 && present
	}
	return newest.Position.Seq == p.Seq && (present || newest.ID == p.String())
}

// expectLast has the store take msg only if that is what is last in the channel, under
// whatever rule's name.
func (e *Engine) expectLast(msg *nats.Msg, channel string, last uint64) {
	msg.Header[jetstream.ExpectedLastSubjSeqHeader] = []string{strconv.FormatUint(last, 10)}
	if subject := e.subject(channel); subject != msg.Subject {
		msg.Header[jetstream.ExpectedLastSubjSeqSubjHeader] = []string{subject}
	}
}

// isWrongLast reports whether the store did not take a message because another one came in
// between.
func isWrongLast(err error) bool {
	api, ok := errors.AsType[*jetstream.APIError](err)
	return ok && (api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence || api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}

// conflict is the answer to a publish whose condition does not hold, unless its key was
// used before: the store looks at keys only after it has looked at conditions.
func (e *Engine) conflict(ctx context.Context, msg *nats.Msg) (ack jetstream.PubAck, err error) {
	if key := msg.Header[jetstream.MsgIDHeader]; key != nil {
		if ack, err = e.firstWith(ctx, msg.Subject, key); err != nil || ack.Sequence != 0 {
			return ack, err
		}
	}
	return ack, hub.Errorf(hub.CodeConflict, "the channel has moved on: its newest message is not the expected one, so nothing was stored; read the newest message, or see that there is none, then try again")
}

// jsWrongLastMsgID is JSStreamWrongLastMsgIDErrF of the server's error list.
const jsWrongLastMsgID jetstream.ErrorCode = 10070

// firstWith returns what the first message with a key was acknowledged with, zero if there
// was none. It asks by a message with the key that the store refuses otherwise, because the
// last key in the store is never a random text.
func (e *Engine) firstWith(ctx context.Context, subject string, key []string) (ack jetstream.PubAck, err error) {
	ack, err = e.store(ctx, &nats.Msg{Subject: subject, Header: nats.Header{
		jetstream.MsgIDHeader: key, jetstream.ExpectedLastMsgIDHeader: {rand.Text()},
	}})
	if api, ok := errors.AsType[*jetstream.APIError](err); ok && api.ErrorCode == jsWrongLastMsgID {
		return jetstream.PubAck{}, nil
	}
	return ack, err
}
