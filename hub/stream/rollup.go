package stream

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"fanfold/hub"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// rolledUpHeader is of a message that took the place of all earlier ones of its channel
// because its publisher wanted that. Its value is JSON of rollUp.
const rolledUpHeader = "Fanfold-Rolled-Up"

// rollUp is what such a message tells of its channel.
type rollUp struct {
	seq uint64 // its own number
	// Last is the number of the last one of the earlier messages: there was nothing between.
	Last uint64 `json:"last"`
	// Here: the last one was filed under the same rule's name. As it was still there, no later
	// one of that name can have been trimmed.
	Here bool `json:"here,omitempty"`
	// Unknown: others were so quick to publish that it is not known which was the last.
	Unknown bool `json:"unknown,omitempty"`
}

// setRollUp has msg say what it takes the place of.
func setRollUp(msg *nats.Msg, r rollUp) error {
	text, err := json.Marshal(r)
	if err == nil {
		msg.Header[rolledUpHeader] = []string{string(text)}
	}
	return err
}

// rollUpOf reads it from a stored message; ok is false for any other one.
func rollUpOf(msg *nats.Msg) (r rollUp, ok bool) {
	text := msg.Header.Get(rolledUpHeader)
	if text == "" {
		return rollUp{}, false
	}
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		r = rollUp{Unknown: true}
	}
	r.seq = sequenceOf(msg)
	if r.Unknown {
		r.Last = r.seq - 1
	}
	return r, true
}

// finishRollUp removes what a roll-up has left under the names of rules that the channel had
// before. m was stored: what can't be removed now is by the next one. duplicate: m stands for
// the first message with its key, which may have come no further, or be no roll-up.
func (e *Engine) finishRollUp(ctx context.Context, m *hub.Message, duplicate bool) {
	ctx = context.WithoutCancel(ctx) // each request has its time
	under, err := e.namesOf(m.Channel), error(nil)
	if !duplicate {
		own := e.filing(m.Channel).rule.Name
		under = slices.DeleteFunc(under, func(name string) bool { return name == own })
	} else if is, lookErr := e.isRollUp(ctx, m.Position.Seq); lookErr != nil || !is {
		under, err = nil, lookErr
	}
	if err == nil {
		err = e.purgeUnder(ctx, under, m.Channel, m.Position.Seq)
	}
	if err != nil {
		e.config.Logger.Warn("messages that were rolled up can't be removed now", "channel", m.Channel, "before", m.Position.Seq, "error", err)
	}
}

func (e *Engine) isRollUp(ctx context.Context, seq uint64) (bool, error) {
	msg, err := e.one(ctx, getRequest{Seq: seq})
	if err != nil || msg == nil {
		return false, err
	}
	_, ok := rollUpOf(msg)
	return ok, nil
}

// namesOf are all that a channel's messages may be filed under.
func (e *Engine) namesOf(channel string) []string {
	eras, _ := e.rules.behind(0)
	return names(eras, channel)
}

// purgeUnder removes a channel's messages that are filed under names and come before seq;
// 0: all.
func (e *Engine) purgeUnder(ctx context.Context, names []string, channel string, seq uint64) error {
	for _, name := range names {
		if _, err := e.purge(ctx, streamName, purgeRequest{Filter: inPrefix + name + "." + channel, Seq: seq}); err != nil {
			return err
		}
	}
	return nil
}

// forgetRollUp is called before a roll-up is deleted whose place another message takes: what
// it tells of the channel must outlive it.
func (e *Engine) forgetRollUp(ctx context.Context, channel string, msg *nats.Msg) error {
	r, ok := rollUpOf(msg)
	if !ok {
		return nil
	}
	_, err := e.store(ctx, &nats.Msg{
		Subject: rolledPrefix + channel, Data: strconv.AppendUint(nil, r.Last, 10),
		Header: nats.Header{jetstream.MsgTTLHeader: {e.markTTL().String()}},
	})
	return err
}

// rolledUpTo is up to where a channel was rolled up by messages that are deleted.
func (e *Engine) rolledUpTo(ctx context.Context, channel string) (uint64, error) {
	var seq uint64
	_, err := e.mark(ctx, rolledPrefix+channel, &seq)
	if err != nil {
		return 0, fmt.Errorf("look up what was rolled up: %w", err)
	}
	return seq, nil
}

// isLeftBehind reports whether a channel that has nothing under p's name had nothing there
// behind p.seq either: it begins with a roll-up that tells so, since which the name was not in
// use.
func (e *Engine) isLeftBehind(ctx context.Context, p part, channel string) (bool, error) {
	msg, err := e.one(ctx, getRequest{Next: e.subject(channel), Seq: 1})
	if err != nil || msg == nil {
		return false, err
	}
	r, ok := rollUpOf(msg)
	if !ok || p.seq < r.Last {
		return false, nil
	}
	eras, _ := e.rules.behind(r.seq)
	return !slices.Contains(names(eras, channel), p.name), nil
}
