package stream

import (
	"context"
	"slices"

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
	own := e.filing(channel).rule.Name
	others := slices.DeleteFunc(e.namesOf(channel), func(name string) bool { return name == own })
	return e.purgeUnder(ctx, others, channel, 0)
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
	if isWrongLast(err) {
		return false, nil
	}
	return err == nil, err
}
