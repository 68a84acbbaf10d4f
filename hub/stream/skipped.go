package stream

import (
	"context"
	"errors"
	"fmt"

	"fanfold/hub"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// skipTries bounds how often skipped counts again in a channel that messages come to
// all the time.
const skipTries = 10

// checkSkipped fails if the store left out messages behind the position asked for. They
// make it be opened anew in another epoch, in which everybody who returns is told. What was
// stored in earlier epochs is not checked: it is known to lack something.
func (e *Engine) checkSkipped(ctx context.Context, q hub.Query, r getRequest, found []*nats.Msg, more uint64) error {
	if q.After.IsZero() || r.Seq < e.ledger.first() {
		return nil
	}
	lost, err := e.skipped(ctx, r, found, more)
	if err == nil && lost {
		err = unavailable("read history", errDamaged)
		e.ledger.note(fmt.Sprintf("messages of %s behind %d can't be read: the disk does not have what was written", q.Channel, r.Seq-1))
		e.fail(&hub.Error{Code: hub.CodeUnavailable, Message: "the store is damaged: it is being opened anew", Err: errDamaged})
	}
	return err
}

var errDamaged = errors.New("stored messages can't be read")

// skipped reports whether the store left out messages that it has but can't read: it
// says nothing of those, except that it counts them. found is what it answered to r, with more
// behind that.
func (e *Engine) skipped(ctx context.Context, r getRequest, found []*nats.Msg, more uint64) (bool, error) {
	switch {
	case len(found) == 0:
		return e.unreadable(ctx, r.Next)
	case more == 0:
		return false, nil // it was counted before it was read
	case len(found) < r.Batch && bytesOf(found) < pageBytes:
		return true, nil // nothing else ends a page early
	}
	last, _, err := e.decode(found[len(found)-1])
	if err != nil {
		return false, unavailable("read history", err)
	}
	for range skipTries {
		before, err := e.count(ctx, r.Next, last.Position.Seq+1)
		if err != nil {
			return false, err
		}
		all, err := e.count(ctx, r.Next, r.Seq)
		if err != nil || all <= before+uint64(len(found)) {
			return false, err
		}
		behind, err := e.count(ctx, r.Next, last.Position.Seq+1)
		if err != nil || all > behind+uint64(len(found)) {
			return true, err
		}
	}
	return false, nil
}

// bytesOf is at least what the store counts of the messages towards a page.
func bytesOf(found []*nats.Msg) (n int) {
	for _, msg := range found {
		n += len(msg.Data)
		for name, values := range msg.Header {
			for _, v := range values {
				n += len(name) + len(v) + len(": \r\n")
			}
		}
	}
	return n
}

// unreadable reports whether there are messages of subject of which the newest can't be
// read.
func (e *Engine) unreadable(ctx context.Context, subject string) (bool, error) {
	for range skipTries { // a message may come in between
		newest, err := e.last(ctx, streamName, subject)
		if err != nil || newest != nil {
			return false, err
		}
		stream, err := e.js.Stream(ctx, streamName)
		if err != nil {
			return false, unavailable("ask for the store's state", err)
		}
		info, err := stream.Info(ctx, jetstream.WithSubjectFilter(subject))
		if err != nil {
			return false, unavailable("ask for the channels' sizes", err)
		}
		if len(info.State.Subjects) == 0 {
			return false, nil
		}
	}
	return true, nil
}
