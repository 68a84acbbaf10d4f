package dialect

import (
	"bytes"
	"context"
	"encoding/json"
	"reflect"
	"strconv"
	"time"
	"unicode/utf8"

	"fanfold/hub"
)

// apiText is a member that may be a string or a whole number.
type apiText string

// UnmarshalJSON implements [json.Unmarshaler].
func (t *apiText) UnmarshalJSON(raw []byte) error {
	if isNull(raw) {
		return nil
	}
	text, ok := numberText(raw)
	if !ok {
		return &json.UnmarshalTypeError{Value: jsonKind(raw), Type: reflect.TypeFor[apiText]()}
	}
	*t = apiText(text)
	return nil
}

// jsonKind names what a JSON value is, as encoding/json does.
func jsonKind(raw []byte) string {
	switch raw[0] {
	case '{':
		return "object"
	case '[':
		return "array"
	case 't', 'f':
		return "bool"
	}
	return "number " + string(raw)
}

// apiPublication is what publish and broadcast have in common.
type apiPublication struct {
	Data           json.RawMessage   `json:"data"`
	SkipHistory    bool              `json:"skip_history"`
	Tags           map[string]string `json:"tags"`
	Delta          bool              `json:"delta"` // saves traffic only, so ignoring it loses nothing
	B64Data        string            `json:"b64data"`
	IdempotencyKey string            `json:"idempotency_key"`
	Version        uint64            `json:"version"`
	VersionEpoch   string            `json:"version_epoch"`

	// Not Centrifugo's own.
	TTL      apiText `json:"ttl"`
	Delay    apiText `json:"delay"`
	At       apiText `json:"at"` // another name of delay
	Schedule string  `json:"schedule"`
	Timezone string  `json:"timezone"`
	Sequence string  `json:"sequence_id"`
	Exclude  string  `json:"exclude_client"`
	RollUp   bool    `json:"rollup"`

	IfLast *lastSeen `json:"if_last"`
}

// notAvailable names a member that asks for what this hub does not do, or "".
func (q *apiPublication) notAvailable() string {
	switch {
	case q.B64Data != "":
		return "b64data"
	case q.Version != 0 || q.VersionEpoch != "":
		return "version"
	}
	return ""
}

// template returns what is to be published, without its channel.
func (q *apiPublication) template(method string, now time.Time) (Publish, error) {
	if name := q.notAvailable(); name != "" {
		return Publish{}, hub.Errorf(hub.CodeNotAvailable, "%s: %q is not available here: leave it out", method, name)
	}
	if err := checkTags(method, q.Tags); err != nil {
		return Publish{}, err
	}
	data, err := checkData(method, q.Data)
	if err != nil {
		return Publish{}, err
	}
	w := wishes{
		key: q.IdempotencyKey, ttl: string(q.TTL), delay: string(q.Delay), schedule: q.Schedule,
		zone: q.Timezone, sequence: q.Sequence, exclude: q.Exclude,
		ifLast: q.IfLast,
	}
	if q.RollUp {
		w.rollUp = "true"
	}
	if q.At != "" {
		w.delay = string(q.At)
	}
	if q.At != "" && q.Delay != "" {
		return Publish{}, hub.Errorf(hub.CodeBadRequest, `%s: "delay" and "at" mean the same: give one of them`, method)
	}
	return newPublish(&hub.Message{Data: withSequence(data, q.Sequence), Tags: q.Tags}, q.SkipHistory, w, now)
}

func checkTags(method string, tags map[string]string) error {
	size := 0
	for key, value := range tags {
		size += len(key) + len(value)
	}
	if len(tags) > apiMaxTags || size > apiTagsBytes {
		return hub.Errorf(hub.CodeTooLarge, "%s: there are %d tags of %d bytes: at most %d of %d bytes are allowed",
			method, len(tags), size, apiMaxTags, apiTagsBytes)
	}
	return nil
}

// withSequence adds a sequence ID to the data of a notification that has none,
// so that all its subscribers see it. Other data stays as it is.
func withSequence(data []byte, id string) []byte {
	n, ok := ParseNotification(data)
	if id == "" || !ok || n.SequenceID != "" || checkSequence(id) != nil {
		return data
	}
	b := append([]byte(nil), bytes.TrimSuffix(bytes.TrimRight(data, jsonSpaces), []byte("}"))...)
	b = strconv.AppendQuote(appendKey(b, "sequence_id"), id)
	return append(b, '}')
}

// to returns the publish of the same message to a channel.
func (p Publish) to(channel string) Publish {
	m := *p.Message
	m.Channel = channel
	p.Message = &m
	return p
}

// appendReceipt appends what became of a publish, under a key, or its error.
func appendReceipt(b []byte, key string, r receipt, err error) []byte {
	b = append(appendComma(b), '{')
	if err != nil {
		b = appendAPIError(b, err)
	} else {
		b = append(r.appendMembers(append(appendKey(b, key), '{')), '}')
	}
	return append(b, '}')
}

// appendMembers appends what became of a publish to an object.
func (r receipt) appendMembers(b []byte) []byte {
	m := r.message
	if m.Position.Seq != 0 {
		b = appendPosition(b, m.Position.Epoch, m.Position.Seq)
	}
	b = appendString(appendKey(b, "id"), m.ID)
	b = appendTrue(b, "duplicate", r.duplicate)
	if b = appendTrue(b, "scheduled", r.scheduled); r.scheduled {
		b = appendNumber(b, "next", int(m.Time.Unix()))
	}
	if r.cancelled > 0 {
		b = appendNumber(b, "cancelled", r.cancelled)
	}
	if !r.expires.IsZero() {
		b = appendNumber(b, "expires", int(r.expires.Unix()))
	}
	return b
}

func apiPublish(ctx context.Context, h APIHub, body []byte) ([]byte, error) {
	p, err := readPublish(body, false, h.Now)
	if err != nil {
		return nil, err
	}
	r, err := p.do(ctx, h.Actor)
	if err != nil {
		return nil, err
	}
	return append(r.appendMembers([]byte{'{'}), '}'), nil
}

// readPublish reads the body of a publish. valid: it is known to be JSON in UTF-8.
func readPublish(body []byte, valid bool, now time.Time) (Publish, error) {
	if valid || json.Valid(body) && utf8.Valid(body) {
		if channel, data, ok := plainPublish(body); ok {
			return (&apiPublication{Data: data}).publish(channel, now)
		}
	}
	var q struct {
		channelRequest
		apiPublication
	}
	if err := decodeStrict("publish", body, &q); err != nil {
		return Publish{}, err
	}
	return q.publish(q.Channel, now)
}

// publish returns what is to be published.
func (q *apiPublication) publish(channel string, now time.Time) (Publish, error) {
	p, err := q.template("publish", now)
	if err != nil {
		return Publish{}, err
	}
	p.Message.Channel = channel
	return p, nil
}

// apiBroadcast publishes to several channels, in their order; one that fails does not stop
// the others.
func apiBroadcast(ctx context.Context, h APIHub, body []byte) ([]byte, error) {
	var q struct {
		Channels []string `json:"channels"`
		apiPublication
	}
	if err := decodeStrict("broadcast", body, &q); err != nil {
		return nil, err
	}
	if n := len(q.Channels); n == 0 || n > apiMaxChannels {
		return nil, hub.Errorf(hub.CodeBadRequest, "broadcast: there are %d channels: give 1 to %d", n, apiMaxChannels)
	}
	p, err := q.template("broadcast", h.Now)
	if err != nil {
		return nil, err
	}
	b := []byte(`{"responses":[`)
	pipe := h.Pipeline()
	for _, channel := range q.Channels {
		p.to(channel).doIn(ctx, h.Actor, pipe, func(r receipt, err error) {
			b = appendReceipt(b, "result", r, err)
		})
	}
	pipe.Flush(ctx)
	return append(b, "]}"...), nil
}
