package dialect

import (
	"strings"
	"time"

	"fanfold/hub"
)

// StreamCodec writes one of ntfy's streams. Each frame goes out as it is, the
// next one right behind it.
type StreamCodec interface {
	hub.Codec
	// Open is the first frame: the stream begins. at, if not zero, is a position
	// with everything to come behind it.
	Open(label string, at hub.Position, now time.Time) []byte
	// Gap says that messages are missing at this place, and why; nil: this stream
	// can't say so.
	Gap(label, why string, now time.Time) []byte
	// ContentType is the stream's media type.
	ContentType() string
}

// The streams. All values of a type are equal.
type (
	// NtfyJSON is one object a line.
	NtfyJSON struct{}
	// NtfyRaw is one line of text a message, and an empty line for a keepalive.
	NtfyRaw struct{}
	// NtfyWS is one object a text frame.
	NtfyWS struct{}
)

var _, _, _, _ StreamCodec = NtfyJSON{}, NtfySSE{}, NtfyRaw{}, NtfyWS{}

// ntfyEvent is an object in a stream that is no message.
type ntfyEvent struct {
	ID     string `json:"id"` // clients expect one; a position or ""
	Time   int64  `json:"time"`
	Event  string `json:"event"`
	Topic  string `json:"topic"`
	Reason string `json:"reason,omitempty"`
}

func openObject(label string, at hub.Position, now time.Time) []byte {
	return compactJSON(ntfyEvent{ID: at.String(), Time: now.Unix(), Event: eventOpen, Topic: label})
}

func gapObject(label, why string, now time.Time) []byte {
	return compactJSON(ntfyEvent{Time: now.Unix(), Event: eventGap, Topic: label, Reason: why})
}

// eventObject is an event as JSON; nil for what ntfy's subscribers are not shown.
func eventObject(e hub.Event) []byte {
	switch e.Kind {
	case hub.KindMessage:
		return NtfyMessage(e.Message)
	case hub.KindPing:
		return compactJSON(ntfyEvent{Time: e.Time.Unix(), Event: eventKeepalive, Topic: e.Subscription})
	}
	return nil
}

func line(object []byte) []byte {
	if object == nil {
		return nil
	}
	return append(object, '\n')
}

// Encode implements [hub.Codec].
func (NtfyJSON) Encode(e hub.Event) []byte { return line(eventObject(e)) }

// Open implements [StreamCodec].
func (NtfyJSON) Open(label string, at hub.Position, now time.Time) []byte {
	return line(openObject(label, at, now))
}

// Gap implements [StreamCodec].
func (NtfyJSON) Gap(label, why string, now time.Time) []byte { return line(gapObject(label, why, now)) }

// ContentType implements [StreamCodec].
func (NtfyJSON) ContentType() string { return "application/x-ndjson; charset=utf-8" }

// Encode implements [hub.Codec].
func (NtfyWS) Encode(e hub.Event) []byte { return eventObject(e) }

// Open implements [StreamCodec].
func (NtfyWS) Open(label string, at hub.Position, now time.Time) []byte {
	return openObject(label, at, now)
}

// Gap implements [StreamCodec].
func (NtfyWS) Gap(label, why string, now time.Time) []byte { return gapObject(label, why, now) }

// ContentType implements [StreamCodec], for one frame.
func (NtfyWS) ContentType() string { return "application/json" }

var rawLine = strings.NewReplacer("\r\n", " ", "\n", " ", "\r", " ")

// Encode implements [hub.Codec].
func (NtfyRaw) Encode(e hub.Event) []byte {
	switch e.Kind {
	case hub.KindMessage:
		return []byte(rawLine.Replace(AsNotification(e.Message.Data).Message) + "\n")
	case hub.KindPing:
		return []byte("\n")
	}
	return nil
}

// Open implements [StreamCodec].
func (NtfyRaw) Open(string, hub.Position, time.Time) []byte { return []byte("\n") }

// Gap implements [StreamCodec].
func (NtfyRaw) Gap(string, string, time.Time) []byte { return nil }

// ContentType implements [StreamCodec].
func (NtfyRaw) ContentType() string { return "text/plain; charset=utf-8" }
