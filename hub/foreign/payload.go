package foreign

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"fanfold/hub"
)

// Tag is the key among a message's tags of what only MQTT and AMQP have a place for: JSON
// of an [About], if that says anything.
const Tag = "mqtt"

// About is how a message was published by a device or came over a bridge. The zero value
// is also how anybody else did.
type About struct {
	AtMostOnce  bool        `json:"qos0,omitempty"`
	Retain      bool        `json:"retain,omitempty"`
	Verbatim    bool        `json:"json,omitempty"`    // the payload is the data's JSON, although its plain text is another
	Expires     int64       `json:"expires,omitempty"` // Unix seconds
	IsText      bool        `json:"text,omitempty"`    // the Payload Format Indicator
	ContentType string      `json:"content_type,omitempty"`
	ReplyTo     string      `json:"response_topic,omitempty"`
	Correlation []byte      `json:"correlation,omitempty"`
	User        [][2]string `json:"user,omitempty"` // user properties, if the tags don't say all
}

// Message is what brokers see of a message.
type Message struct {
	About   About
	Payload []byte
	User    [][2]string // user properties, or headers
}

// Read is false if brokers don't see the message: it tells of an earlier one.
func Read(m *hub.Message) (seen Message, ok bool) {
	if text, ok := m.Tags[Tag]; ok && json.Unmarshal([]byte(text), &seen.About) != nil {
		seen.About = About{} // some other publisher's own tag
	}
	if seen.About.Verbatim {
		seen.Payload = m.Data
	} else if seen.Payload = payload(m.Data); seen.Payload == nil {
		return seen, false
	}
	if seen.User = seen.About.User; seen.User == nil {
		for _, key := range slices.Sorted(maps.Keys(m.Tags)) {
			if key != Tag {
				seen.User = append(seen.User, [2]string{key, m.Tags[key]})
			}
		}
	}
	return seen, true
}

// Tags returns what a message carries of a and the user properties.
func (a About) Tags(user [][2]string) map[string]string {
	tags := map[string]string{}
	for _, p := range user {
		if p[0] != Tag {
			tags[p[0]] = p[1]
		}
	}
	inOrder := slices.IsSortedFunc(user, func(a, b [2]string) int { return cmp.Compare(a[0], b[0]) })
	if len(tags) != len(user) || !inOrder { // [MQTT-3.3.2-18]
		a.User = user
	}
	if text := CompactJSON(a); string(text) != "{}" {
		tags[Tag] = string(text)
	}
	if len(tags) == 0 {
		return nil
	}
	return tags
}

// encodingBase64 is the encoding of a notification's message that is not UTF-8.
const encodingBase64 = "base64"

// notification is the part of a notification that a payload is about.
type notification struct {
	Message  string `json:"message"`
	Encoding string `json:"encoding,omitempty"`
}

// Data returns a payload as a message's data. verbatim: its plain text is not the
// payload, see [About].
func Data(p []byte) (data []byte, verbatim bool) {
	switch {
	case !utf8.Valid(p):
		return CompactJSON(notification{base64.StdEncoding.EncodeToString(p), encodingBase64}), false
	case !isLineOfJSON(p):
		return CompactJSON(notification{Message: string(p)}), false
	}
	return p, !bytes.Equal(payload(p), p)
}

// isLineOfJSON reports whether a text is an object or array and nothing else, on
// one line.
func isLineOfJSON(text []byte) bool {
	if len(text) < 2 || text[0] != '{' && text[0] != '[' || bytes.ContainsAny(text, "\r\n") {
		return false
	}
	last := text[len(text)-1]
	return (last == '}' || last == ']') && json.Valid(text)
}

// ContentType returns what a payload is, if nobody has said it.
func ContentType(p []byte) string {
	switch {
	case !utf8.Valid(p):
		return "application/octet-stream"
	case isLineOfJSON(p):
		return "application/json"
	}
	return "text/plain; charset=utf-8"
}

// payload returns data of anybody's as a payload. nil: it tells of an earlier
// message, which brokers don't know of.
func payload(data []byte) []byte {
	if isSequenceEvent(data) {
		return nil
	}
	if bytes.Contains(data, []byte(encodingBase64)) {
		if encoding, ok := jsonString(members(data)["encoding"]); ok && encoding == encodingBase64 {
			if decoded, err := base64.StdEncoding.DecodeString(PlainText(data)); err == nil {
				return decoded
			}
		}
	}
	return append([]byte{}, PlainText(data)...)
}

// isSequenceEvent reports whether data says that an earlier message was deleted or
// read, in the one form that the hub writes.
func isSequenceEvent(data []byte) bool {
	rest, ok := bytes.CutPrefix(data, []byte(`{"event":"message_`))
	if !ok {
		return false
	}
	kind, id, _ := strings.Cut(string(rest), `","sequence_id":"`)
	id, ok = strings.CutSuffix(id, `"}`)
	return ok && id != "" && len(id) <= hub.MaxKeyBytes && (kind == "delete" || kind == "clear") && !strings.ContainsAny(id, `"\`)
}

// PlainText is what a subscriber to plain text sees of a message's data: a
// notification's message, a string as it is, other data as its JSON. It is valid
// UTF-8.
func PlainText(data []byte) string {
	data = bytes.TrimLeft(data, jsonSpaces)
	if text, ok := jsonString(data); ok {
		return text
	}
	if text, ok := jsonString(members(data)["message"]); ok {
		return text
	}
	return strings.ToValidUTF8(string(data), "\uFFFD")
}

const jsonSpaces = " \t\r\n" // RFC 8259 §2

// members returns those of a JSON object; nil of anything else.
func members(data []byte) map[string]json.RawMessage {
	var fields map[string]json.RawMessage
	if !bytes.HasPrefix(data, []byte("{")) || json.Unmarshal(data, &fields) != nil {
		return nil
	}
	return fields
}

// jsonString decodes data that is a JSON string and begins as one.
func jsonString(data []byte) (text string, ok bool) {
	ok = bytes.HasPrefix(data, []byte(`"`)) && json.Unmarshal(data, &text) == nil
	return text, ok
}

// CompactJSON encodes a value that has a JSON form, on one line and with < > & as they
// are. It panics for any other.
func CompactJSON(v any) []byte {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		panic("foreign: " + err.Error()) // the caller has seen to it
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
}
