package dialect

import (
	"strings"
	"time"

	"fanfold/hub"
	"fanfold/hub/foreign"
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
	// End says why the stream ends; nil: that says enough.
	End(label string, r hub.Reason, now time.Time) []byte
	// Waiting shows a scheduled message, which waits for its time.
	Waiting(*hub.Message) []byte
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
	return foreign.CompactJSON(ntfyEvent{ID: at.String(), Time: now.Unix(), Event: eventOpen, Topic: label})
}

func gapObject(label, why string, now time.Time) []byte {
	return foreign.CompactJSON(ntfyEvent{Time: now.Unix(), Event: eventGap, Topic: label, Reason: why})
}

// endObject tells a client what it must do before it comes back; nil: nothing.
func endObject(label string, r hub.Reason, now time.Time) []byte {
	if r.Cause != hub.CauseExpired && r.Cause != hub.CauseRevoked && r.Cause != hub.CauseDenied {
		return nil
	}
	_, text := (*Echo)(nil).CloseCode(r)
	return foreign.CompactJSON(ntfyEvent{Time: now.Unix(), Event: eventEnd, Topic: label, Reason: text})
}

// waitingObject is a scheduled message as JSON.
func waitingObject(m *hub.Message) []byte {
	out := ntfyMessageOf(m)
	out.Scheduled = true
	return foreign.CompactJSON(out)
}

// eventObject is an event as JSON; nil for what ntfy's subscribers are not shown.
func eventObject(e hub.Event) []byte {
	switch e.Kind {
	case hub.KindMessage:
		return NtfyMessage(e.Message)
	case hub.KindPing:
		return foreign.CompactJSON(ntfyEvent{Time: e.Time.Unix(), Event: eventKeepalive, Topic: e.Subscription})
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

// End implements [StreamCodec].
func (NtfyJSON) End(label string, r hub.Reason, now time.Time) []byte {
	return line(endObject(label, r, now))
}

// Waiting implements [StreamCodec].
func (NtfyJSON) Waiting(m *hub.Message) []byte { return line(waitingObject(m)) }

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

// End implements [StreamCodec]: the close frame says it.
func (NtfyWS) End(string, hub.Reason, time.Time) []byte { return nil }

// Waiting implements [StreamCodec].
func (NtfyWS) Waiting(m *hub.Message) []byte { return waitingObject(m) }

// ContentType implements [StreamCodec], for one frame.
func (NtfyWS) ContentType() string { return "application/json" }

var rawLine = strings.NewReplacer("\r\n", " ", "\n", " ", "\r", " ")

// Encode implements [hub.Codec]. That a message was deleted or cleared is not
// shown.
func (NtfyRaw) Encode(e hub.Event) []byte {
	switch e.Kind {
	case hub.KindMessage:
		if event, _ := parseSequenceEvent(e.Message.Data); event != "" {
			return nil
		}
		return rawText(e.Message)
	case hub.KindPing:
		return []byte("\n")
	}
	return nil
}

func rawText(m *hub.Message) []byte {
	return []byte(rawLine.Replace(AsNotification(m.Data).Message) + "\n")
}

// End implements [StreamCodec].
func (NtfyRaw) End(string, hub.Reason, time.Time) []byte { return nil }

// Waiting implements [StreamCodec].
func (NtfyRaw) Waiting(m *hub.Message) []byte { return rawText(m) }

// Open implements [StreamCodec].
func (NtfyRaw) Open(string, hub.Position, time.Time) []byte { return []byte("\n") }

// Gap implements [StreamCodec].
func (NtfyRaw) Gap(string, string, time.Time) []byte { return nil }

// ContentType implements [StreamCodec].
func (NtfyRaw) ContentType() string { return "text/plain; charset=utf-8" }
