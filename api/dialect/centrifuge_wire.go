package dialect

import (
	"slices"
	"strconv"
	"unicode/utf8"

	"fanfold/hub"
)

// Frames are written by appending, without reflection: a publication is on the
// path of every message. The Message's Data and a Client's infos are embedded
// as they are, being JSON without line breaks.

// frameBytes is room for a frame's fixed parts: names, numbers, brackets.
const frameBytes = 160

var pingFrame = []byte("{}")

// encodePub returns the push of a message to subscribers of key.
func encodePub(key string, m *hub.Message) []byte {
	b := make([]byte, 0, pubBytes(key, m))
	b = appendPush(b, key, "pub")
	b = appendPublication(b, key, m)
	return append(b, "}}"...)
}

// pubBytes is what encodePub takes, if no name has a character to escape.
func pubBytes(key string, m *hub.Message) int {
	n := frameBytes + len(key) + len(m.Channel) + len(m.Data)
	for k, v := range m.Tags {
		n += len(k) + len(v) + len(`"":"",`)
	}
	if c := m.Publisher; c != nil {
		n += clientBytes(c)
	}
	return n
}

func clientBytes(c *hub.Client) int {
	return len(`"client":"","user":"","conn_info":,"chan_info":,`) +
		len(c.ID) + len(c.User) + len(c.Info) + len(c.ChannelInfo)
}

// encodePresence returns the push of a join or leave.
func encodePresence(key, kind string, c *hub.Client) []byte {
	b := make([]byte, 0, frameBytes+len(key)+clientBytes(c))
	b = appendPush(b, key, kind)
	b = append(b, `{"info":`...)
	b = appendClient(b, c)
	return append(b, "}}}"...)
}

// encodeSubscribe returns the push of a subscription of the server's making.
func encodeSubscribe(e hub.Event) []byte {
	b := make([]byte, 0, frameBytes+len(e.Subscription)+len(e.Data))
	b = appendPush(b, e.Subscription, "subscribe")
	b = append(b, '{')
	b = appendTrue(b, "recoverable", true)
	b = appendTrue(b, "positioned", true)
	b = appendPosition(b, e.Position.Epoch, e.Position.Seq)
	if e.Data != nil {
		b = append(appendKey(b, "data"), e.Data...)
	}
	return append(b, "}}}"...)
}

func encodeUnsubscribe(key string, r hub.Reason) []byte {
	code, text := unsubscribeCode(r)
	b := make([]byte, 0, frameBytes+len(key)+len(text))
	b = appendPush(b, key, "unsubscribe")
	b = append(b, `{"code":`...)
	b = strconv.AppendInt(b, int64(code), 10)
	b = appendKey(b, "reason")
	b = appendString(b, text)
	return append(b, "}}}"...)
}

// encodeReply returns the reply to a command. result is JSON without line breaks.
func encodeReply(id uint32, method string, result []byte) []byte {
	b := make([]byte, 0, frameBytes+len(result))
	b = append(b, `{"id":`...)
	b = strconv.AppendUint(b, uint64(id), 10)
	b = appendKey(b, method)
	b = append(b, result...)
	return append(b, '}')
}

func encodeErrorReply(id uint32, e wireError) []byte {
	b := append(make([]byte, 0, frameBytes+len(e.message)), `{"id":`...)
	b = strconv.AppendUint(b, uint64(id), 10)
	b = appendKey(b, "error")
	b = append(b, `{"code":`...)
	b = strconv.AppendInt(b, int64(e.code), 10)
	b = appendKey(b, "message")
	b = appendString(b, e.message)
	if e.temporary {
		b = append(b, `,"temporary":true`...)
	}
	return append(b, "}}"...)
}

// appendPush begins a push of the kind; "}}" ends it.
func appendPush(b []byte, key, kind string) []byte {
	b = append(b, `{"push":{"channel":`...)
	b = appendString(b, key)
	return appendKey(b, kind)
}

// appendPublication appends a message as subscribers of key see it. Its channel
// is named only if key is a pattern.
func appendPublication(b []byte, key string, m *hub.Message) []byte {
	b = append(b, `{"data":`...)
	b = append(b, m.Data...)
	if m.Position.Seq != 0 {
		b = appendKey(b, "offset")
		b = strconv.AppendUint(b, m.Position.Seq, 10)
	}
	if len(m.Tags) > 0 {
		b = appendKey(b, "tags")
		b = appendTags(b, m.Tags)
	}
	if m.Publisher != nil {
		b = appendKey(b, "info")
		b = appendClient(b, m.Publisher)
	}
	if m.Channel != key {
		b = appendKey(b, "channel")
		b = appendString(b, m.Channel)
	}
	if !m.Time.IsZero() {
		b = appendKey(b, "time")
		b = strconv.AppendInt(b, m.Time.UnixMilli(), 10)
	}
	return append(b, '}')
}

// appendPublications appends an array of messages, as many as fit in size
// bytes, but at least the first. It returns how many.
func appendPublications(b []byte, key string, messages []*hub.Message, size int) ([]byte, int) {
	b = append(b, '[')
	b, n := appendElements(b, key, messages, len(b)+size)
	return append(b, ']'), n
}

// appendElements appends messages to an array that has begun, while b stays
// within size bytes or holds no element yet. It returns how many.
func appendElements(b []byte, key string, messages []*hub.Message, size int) ([]byte, int) {
	for i, m := range messages {
		first := b[len(b)-1] == '['
		next := appendPublication(appendComma(b), key, m)
		if len(next) > size && !first {
			return b, i
		}
		b = next
	}
	return b, len(messages)
}

func appendTags(b []byte, tags map[string]string) []byte {
	var few [16]string
	keys := few[:0]
	for key := range tags {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	b = append(b, '{')
	for _, key := range keys {
		b = appendComma(b)
		b = appendString(b, key)
		b = append(b, ':')
		b = appendString(b, tags[key])
	}
	return append(b, '}')
}

// appendClient appends a client. user is there even when empty, which says that
// the client is anonymous.
func appendClient(b []byte, c *hub.Client) []byte {
	b = append(b, `{"client":`...)
	b = appendString(b, c.ID)
	b = appendKey(b, "user")
	b = appendString(b, c.User)
	if c.Info != nil {
		b = appendKey(b, "conn_info")
		b = append(b, c.Info...)
	}
	if c.ChannelInfo != nil {
		b = appendKey(b, "chan_info")
		b = append(b, c.ChannelInfo...)
	}
	return append(b, '}')
}

// appendPosition appends the members epoch and offset to an object.
func appendPosition(b []byte, epoch string, offset uint64) []byte {
	b = appendKey(b, "epoch")
	b = appendString(b, epoch)
	b = appendKey(b, "offset")
	return strconv.AppendUint(b, offset, 10)
}

// appendTrue appends a member that is true, or nothing.
func appendTrue(b []byte, key string, value bool) []byte {
	if value {
		b = append(appendKey(b, key), "true"...)
	}
	return b
}

func appendNumber(b []byte, key string, n int) []byte {
	return strconv.AppendInt(appendKey(b, key), int64(n), 10)
}

// appendKey appends a member's name, which needs no escaping.
func appendKey(b []byte, key string) []byte {
	b = appendComma(b)
	b = append(b, '"')
	b = append(b, key...)
	return append(b, `":`...)
}

// appendComma appends a comma unless an object or array has just begun.
func appendComma(b []byte) []byte {
	if last := b[len(b)-1]; last == '{' || last == '[' {
		return b
	}
	return append(b, ',')
}

// appendString appends text as a JSON string (RFC 8259 §7). What is not UTF-8
// becomes U+FFFD.
func appendString(b []byte, text string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(text); {
		if c := text[i]; c < utf8.RuneSelf {
			if c < ' ' || c == '"' || c == '\\' {
				b = append(b, text[start:i]...)
				b = appendEscape(b, c)
				start = i + 1
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		if r == utf8.RuneError && size == 1 {
			b = append(b, text[start:i]...)
			b = append(b, "\uFFFD"...)
			start = i + 1
		}
		i += size
	}
	b = append(b, text[start:]...)
	return append(b, '"')
}

func appendEscape(b []byte, c byte) []byte {
	const hex = "0123456789abcdef"
	if c < ' ' {
		return append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
	}
	return append(b, '\\', c)
}
