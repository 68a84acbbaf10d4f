package stream

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"fanfold/hub"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Marks are what must be remembered beside the messages, in a stream of their
// own.
const (
	marksName   = "fanfold-marks"
	rulesMark   = "mark.rules"  // JSON of the eras: the rules so far
	floorPrefix = "mark.floor." // mark.floor.<rule>: JSON, up to where its bytes were trimmed
	loosePrefix = "mark.loose." // mark.loose.<channel>: its number of messages tells nothing
	// mark.rolled.<channel>: JSON, up to where it was rolled up by a message that is deleted
	rolledPrefix = "mark.rolled."
)

// marksBytes bounds the marks, of which there is one for each channel with a TTL, a
// sequence or a roll-up; a mark takes about as many bytes as its channel's name and a hundred.
const marksBytes = 64 << 20

func (e *Engine) marksConfig() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:              marksName,
		Subjects:          []string{"mark.>"},
		Storage:           e.storage(),
		MaxMsgsPerSubject: 1,
		MaxBytes:          marksBytes,
		Discard:           jetstream.DiscardNew,
		Duplicates:        time.Second,
		AllowMsgTTL:       true,
		AllowDirect:       true,
	}
}

// setMark stores a mark in place of an earlier one.
func (e *Engine) setMark(ctx context.Context, subject string, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encode %s: %w", subject, err)
	}
	_, err = e.store(ctx, &nats.Msg{Subject: subject, Data: text})
	return err
}

// mark reads a mark. It is false if there is none.
func (e *Engine) mark(ctx context.Context, subject string, value any) (bool, error) {
	msg, err := e.last(ctx, marksName, subject)
	if err != nil || msg == nil {
		return false, err
	}
	if err := json.Unmarshal(msg.Data, value); err != nil {
		return false, fmt.Errorf("read %s: %w", subject, err)
	}
	return true, nil
}

// loose are the channels of which messages go before others do: by a TTL of their own, or
// since they were replaced or rolled up. How many messages such a channel has does not tell whether some
// were trimmed.
type loose struct {
	mu     sync.Mutex
	marked map[string]time.Time // guarded by mu; when; maxLoose at most
}

// maxLoose bounds the channels that are known to be marked; others are marked again.
const maxLoose = 64 << 10

// loosen marks a channel, before the first such message is stored. A mark outlives
// all messages that are stored up to when it is set again.
func (e *Engine) loosen(ctx context.Context, channel string) error {
	keep, now := largest(e.config.Rules).Age, time.Now()
	e.loose.mu.Lock()
	last, ok := e.loose.marked[channel]
	e.loose.mu.Unlock()
	if ok && now.Sub(last) < keep {
		return nil
	}
	_, err := e.store(ctx, &nats.Msg{Subject: loosePrefix + channel, Header: nats.Header{jetstream.MsgTTLHeader: {e.markTTL().String()}}})
	if storeFailed(err) {
		return &hub.Error{Code: hub.CodeFull, Message: "too many channels have messages with a TTL, a sequence ID or a rollup: publish without", Err: err}
	}
	if err != nil {
		return err
	}
	e.loose.mu.Lock()
	defer e.loose.mu.Unlock()
	if len(e.loose.marked) >= maxLoose {
		clear(e.loose.marked)
	}
	e.loose.marked[channel] = now
	return nil
}

// markTTL is how long a mark of a channel is kept: longer than any message stored up to a
// largest age from now.
func (e *Engine) markTTL() time.Duration {
	return wholeSeconds(2*largest(e.config.Rules).Age + time.Minute)
}

// isLoose reports whether a channel is marked, or that can't be found out.
func (e *Engine) isLoose(ctx context.Context, channel string) bool {
	msg, err := e.last(ctx, marksName, loosePrefix+channel)
	return msg != nil || err != nil
}
