package stream

import (
	"context"
	"errors"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Remove implements [hub.Remover]: a marker rolls up the channel's messages. What is
// filed under the name of a rule that the channel had before is purged.
func (e *Engine) Remove(ctx context.Context, channel string) error {
	for {
		taken, err := e.removeHere(ctx, channel)
		if err != nil {
			return err
		}
		if taken {
			break
		}
	}
	eras, _ := e.rules.behind(0)
	for _, name := range names(eras, channel) {
		if name == e.filing(channel).rule.Name {
			continue
		}
		if _, err := e.purge(ctx, streamName, purgeRequest{Filter: inPrefix + name + "." + channel}); err != nil {
			return err
		}
	}
	return nil
}

// removeHere stores the marker, and before that, if the channel has something to lose,
// marks it as loose. It is false if an empty channel got a message meanwhile.
func (e *Engine) removeHere(ctx context.Context, channel string) (taken bool, err error) {
	marker := &nats.Msg{Subject: e.filing(channel).prefix + channel, Header: nats.Header{removedHeader: {"1"}, jetstream.MsgRollup: rollUpSubject}}
	last, err := e.last(ctx, streamName, e.subject(channel))
	if err != nil {
		return false, err
	}
	if last == nil {
		marker.Header[jetstream.ExpectedLastSubjSeqHeader] = []string{"0"}
	} else if err := e.loosen(ctx, channel); err != nil {
		return false, err
	}
	_, err = e.store(ctx, marker)
	if api, ok := errors.AsType[*jetstream.APIError](err); ok && api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence {
		return false, nil
	}
	return err == nil, err
}
