package dialect

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"fanfold/hub"
)

// NtfySSE is a stream of server-sent events for a browser's EventSource. A stored
// message has its position as the event's id, so that a browser that connects again says
// with Last-Event-ID where to go on. Messages have no event type, and so come to
// onmessage; that one was deleted or cleared has its event as type.
type NtfySSE struct{}

// Encode implements [hub.Codec].
func (NtfySSE) Encode(e hub.Event) []byte {
	switch e.Kind {
	case hub.KindMessage:
		kind, _ := parseSequenceEvent(e.Message.Data)
		return appendEvent(nil, e.Message.Position.String(), kind, NtfyMessage(e.Message))
	case hub.KindPing:
		return appendEvent(nil, "", eventKeepalive, eventObject(e))
	}
	return nil
}

// Open implements [StreamCodec]. The position becomes the browser's last event
// ID, so that nothing is lost if the connection breaks before the first message.
func (NtfySSE) Open(label string, at hub.Position, now time.Time) []byte {
	return appendEvent(nil, at.String(), eventOpen, openObject(label, at, now))
}

// Gap implements [StreamCodec].
func (NtfySSE) Gap(label, why string, now time.Time) []byte {
	return appendEvent(nil, "", eventGap, gapObject(label, why, now))
}

// Waiting implements [StreamCodec]. It has no id: the stream does not go on
// behind it.
func (NtfySSE) Waiting(m *hub.Message) []byte { return appendEvent(nil, "", "", waitingObject(m)) }

// End implements [StreamCodec]. It also tells the browser how long to wait before it
// connects again, in this and all later cases (HTML Standard §9.2.6).
func (NtfySSE) End(label string, r hub.Reason, now time.Time) []byte {
	if r.Retry != 0 {
		return fmt.Appendf(nil, "retry: %d\n\n", r.Retry.Milliseconds())
	}
	object := endObject(label, r, now)
	if object == nil {
		return nil
	}
	return appendEvent(nil, "", eventEnd, object)
}

// ContentType implements [StreamCodec].
func (NtfySSE) ContentType() string { return "text/event-stream; charset=utf-8" }

// appendEvent writes one event in the form of the HTML Standard §9.2.5. An id
// or kind that is "", or holds what its line can't, has no line; data is split at each
// kind of line end.
func appendEvent(b []byte, id, kind string, data []byte) []byte {
	b = appendEventField(b, "id", id)
	b = appendEventField(b, "event", kind)
	for more := true; more; {
		var text []byte
		text, data, more = cutLine(data)
		b = append(b, "data: "...)
		b = append(b, text...)
		b = append(b, '\n')
	}
	return append(b, '\n')
}

func appendEventField(b []byte, name, value string) []byte {
	if value == "" || strings.ContainsAny(value, "\r\n\x00") {
		return b
	}
	b = append(b, name...)
	b = append(b, ": "...)
	b = append(b, value...)
	return append(b, '\n')
}

// cutLine cuts data at its first CR LF, CR or LF.
func cutLine(data []byte) (text, rest []byte, more bool) {
	end := bytes.IndexAny(data, "\r\n")
	if end < 0 {
		return data, nil, false
	}
	rest = data[end+1:]
	if data[end] == '\r' {
		rest = bytes.TrimPrefix(rest, []byte("\n"))
	}
	return data[:end], rest, true
}
