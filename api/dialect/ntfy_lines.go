package dialect

import (
	"bytes"
	"context"
	"iter"
	"strconv"
	"unicode/utf8"

	"fanfold/hub"
)

// maxLines bounds the messages of a request.
const maxLines = 10_000

// Lines are messages to hand to the hub, each from a line of a request's body. They differ
// in their text alone.
type Lines struct {
	body      []byte
	unchanged bool   // spaces around a line are kept
	tail      []byte // of the data, behind the text
	publish   Publish
}

// AsksForLines reports whether each line of a request's body is to be a message.
func AsksForLines(r PublishRequest) bool {
	return ntfyParams{header: r.Header, query: r.Query}.yes(paramLines, false)
}

// ParseLines reads messages that are published to r.Channel, each line of the body as
// [ParsePublish] reads a body, with the same parameters. A line without any text is none.
// r.MaxMessageBytes is for each. An idempotency key with a line's number behind it, k-1 for
// the first, is that line's: so what a repeated request finds stored it does not store again.
// Whatever is for one message alone is refused. Errors are [hub.Error]s for [NtfyError].
func ParseLines(r PublishRequest) (Lines, error) {
	if err := checkTopic(hub.CheckChannel, r.Channel); err != nil {
		return Lines{}, err
	}
	params := ntfyParams{header: r.Header, query: r.Query}
	draft, err := params.draft()
	if err == nil {
		err = draft.checkForLines(r)
	}
	if err != nil {
		return Lines{}, err
	}
	l := Lines{body: r.Body, unchanged: params.yes(paramUnchanged, false)}
	draft.Message = anyLine
	if l.publish, err = draft.publish(r.Channel, r); err != nil {
		return Lines{}, err
	}
	l.tail = bytes.TrimPrefix(l.publish.Message.Data, []byte(dataStart+`"`+anyLine+`"`))
	return l, l.check(r.MaxMessageBytes)
}

// A notification's data begins so.
const dataStart = `{"message":`

// anyLine stands for a line's text.
const anyLine = "-"

// checkForLines refuses what can't be meant for several messages.
func (d *ntfyDraft) checkForLines(r PublishRequest) error {
	rollUp := ""
	if isAsked(d.wishes.rollUp) {
		rollUp = d.wishes.rollUp
	}
	for _, one := range []struct{ what, value string }{
		{"a message beside the body", d.Message},
		{"a sequence ID", r.Sequence + d.wishes.sequence},
		{"a rollup", rollUp},
		{"If-Match", d.wishes.ifMatch},
		{"If-None-Match", d.wishes.ifNone},
	} {
		if one.value != "" {
			return refuse(NtfyBadRequest, "%s is for one message, and each line of this request is one: leave it out, or send the messages one by one", one.what)
		}
	}
	return nil
}

func (l Lines) check(maxMessageBytes int) error {
	n := 0
	for line, text := range l.all() {
		switch n++; {
		case n > maxLines:
			return refuse(NtfyTooLarge, "there are more than %d lines: send them in several requests", maxLines)
		case maxMessageBytes > 0 && len(text) > maxMessageBytes:
			return refuse(NtfyTooLarge, "line %d is %d bytes long: at most %d are allowed", line, len(text), maxMessageBytes)
		case !utf8.Valid(text):
			return refuse(NtfyBadRequest, "line %d is not UTF-8: send such messages one by one, then they are kept in base64", line)
		}
	}
	if n == 0 {
		return refuse(NtfyBadRequest, "there is no line with a text in the body: send at least one")
	}
	return nil
}

// all yields the lines that have a text, with their numbers from 1.
func (l Lines) all() iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		number := 0
		for line := range bytes.Lines(l.body) {
			number++
			text := bytes.TrimSpace(line)
			if len(text) > 0 && l.unchanged {
				text = bytes.TrimRight(line, "\r\n")
			}
			if len(text) > 0 && !yield(number, text) {
				return
			}
		}
	}
}

// Send publishes, or schedules, and returns a line of JSON for each message, in their order:
// where it is, as the server API says it, or its error as [NtfyError] says it. explain makes
// an error one for the client. failed is the first one. It blocks on the engine.
func (l Lines) Send(ctx context.Context, h *hub.Actor, explain func(error) error) (reply []byte, failed error) {
	pipe := h.Pipeline()
	done := func(r receipt, err error) {
		if err == nil {
			reply = append(r.appendMembers(append(reply, '{')), "}\n"...)
			return
		}
		if failed == nil {
			failed = err
		}
		_, text := NtfyError(explain(err))
		reply = append(append(reply, text...), '\n')
	}
	room := make([]byte, 0, len(l.body)+len(l.body)/8)
	for line, text := range l.all() {
		p := l.publish.to(l.publish.Message.Channel)
		start := len(room)
		room = append(appendString(append(room, dataStart...), string(text)), l.tail...)
		p.Message.Data = room[start:len(room):len(room)]
		if key := p.Options.IdempotencyKey; key != "" {
			p.Options.IdempotencyKey = key + "-" + strconv.Itoa(line)
		}
		p.doIn(ctx, h, pipe, done)
	}
	pipe.Flush(ctx)
	return reply, failed
}
