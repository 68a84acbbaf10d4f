package stream

import (
	"context"
	"fmt"
	"time"

	"fanfold/hub"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Records are marks too: mark.<kind>.<id>.

// recordsEvery is how often records are looked for that were not heard of.
const recordsEvery = 5 * time.Second

// recordInbox is how many records may wait to be heard. What comes when it is full is
// found by the next look.
const recordInbox = 64

var _ hub.Recorder = (*Engine)(nil)

// Record implements [hub.Recorder].
func (e *Engine) Record(ctx context.Context, kind, id string, record []byte, ttl time.Duration) error {
	msg := &nats.Msg{Subject: recordSubject(kind, id), Data: record}
	if ttl > 0 {
		msg.Header = nats.Header{jetstream.MsgTTLHeader: {wholeSeconds(ttl).String()}}
	}
	_, err := e.store(ctx, msg)
	if storeFailed(err) {
		return &hub.Error{Code: hub.CodeFull, Message: "the store has no room for more records: let some be forgotten after a time", Err: err}
	}
	return err
}

func recordSubject(kind, id string) string { return "mark." + kind + "." + id }

// Records implements [hub.Recorder], with a goroutine of its own.
func (e *Engine) Records(ctx context.Context, kind string, hear func(record []byte)) (stop func(), err error) {
	r := &records{engine: e, subject: recordSubject(kind, "*"), hear: hear, inbox: make(chan *nats.Msg, recordInbox), stop: make(chan struct{}), done: make(chan struct{})}
	sub, err := e.conn.ChanSubscribe(r.subject, r.inbox)
	if err != nil {
		return nil, fmt.Errorf("listen to %s: %w", r.subject, err)
	}
	if err := r.look(ctx); err != nil {
		return nil, fmt.Errorf("read %s: %w", r.subject, err)
	}
	e.goroutines.Go(r.follow)
	return func() {
		_ = sub.Unsubscribe() // it is over with the connection else
		close(r.stop)
		<-r.done
	}, nil
}

// records is one listener of Records.
type records struct {
	engine  *Engine // static
	subject string
	hear    func([]byte)
	inbox   chan *nats.Msg // never closed
	stop    chan struct{}  // closed once
	done    chan struct{}  // closed at follow's end

	// owned by follow, before it by Records
	next  uint64 // the sequence number to look from
	conns uint64 // connections there had been at the last look
}

// follow hears records as they are published, and looks for what it did not hear.
func (r *records) follow() {
	defer close(r.done)
	ctx, cancel := r.engine.untilClosed()
	defer cancel()
	tick := time.NewTicker(recordsEvery)
	defer tick.Stop()
	for {
		select {
		case msg := <-r.inbox:
			r.hear(msg.Data)
		case <-tick.C:
			if err := r.look(ctx); err != nil && ctx.Err() == nil {
				r.engine.config.Logger.Warn("records can't be read now: trying again", "subject", r.subject, "in", recordsEvery, "error", err)
			}
		case <-r.stop:
			return
		case <-ctx.Done():
			return
		}
	}
}

// look reads the records that are new in the store; all of them if the connection is
// another, since the store may be too.
func (r *records) look(ctx context.Context) error {
	if n := r.engine.link.conns.Load(); r.conns != n {
		r.conns, r.next = n, 1
	}
	for {
		found, more, err := r.engine.get(ctx, getRequest{Stream: marksName, Next: r.subject, Seq: r.next, Batch: 256, MaxBytes: pageBytes})
		if err != nil {
			return err
		}
		for _, msg := range found {
			r.next = sequenceOf(msg) + 1
			r.hear(msg.Data)
		}
		if more == 0 {
			return nil
		}
	}
}
