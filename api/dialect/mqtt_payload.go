package dialect

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"unicode/utf8"

	"fanfold/hub"

	"github.com/mochi-mqtt/server/v2/packets"
)

// # Payloads and data
//
// A device's payload comes to other devices as it was, byte by byte. To everybody
// else it is what the same body would be over HTTP: text is a notification with that message,
// and what is not UTF-8 one in base64, with its "encoding". But a JSON object or array on one
// line is data as it is, so that programs need not unpack it.
//
// What others publish comes to devices as plain text (see plainText), base64 as
// the bytes that it stands for.

// mqttTag is the key among a message's tags of what MQTT has no other place for:
// JSON of an mqttAbout, if that says anything.
const mqttTag = "mqtt"

// mqttAbout is how a device has published a message. The zero value is also how
// anybody else did.
type mqttAbout struct {
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

// mqttData returns a payload as a message's data. verbatim: its plain text is
// not the payload.
func mqttData(payload []byte) (data []byte, verbatim bool) {
	switch {
	case !utf8.Valid(payload):
		return Notification{Message: base64.StdEncoding.EncodeToString(payload), Encoding: encodingBase64}.Data(), false
	case !isLineOfJSON(payload):
		return Notification{Message: string(payload)}.Data(), false
	}
	return payload, !bytes.Equal(plainPayload(payload), payload)
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

// plainPayload returns data of anybody's as a payload. nil: it tells of an earlier
// message, which devices don't know of.
func plainPayload(data []byte) []byte {
	if event, _ := parseSequenceEvent(data); event != "" {
		return nil
	}
	if bytes.Contains(data, []byte(encodingBase64)) {
		if n, ok := ParseNotification(data); ok && n.Encoding == encodingBase64 {
			if decoded, err := base64.StdEncoding.DecodeString(n.Message); err == nil {
				return decoded
			}
		}
	}
	return append([]byte{}, plainText(data)...)
}

// mqttMessage is what devices see of a message.
type mqttMessage struct {
	about   mqttAbout
	topic   string
	payload []byte
	user    [][2]string // user properties
}

// readMQTT is false if devices don't see the message.
func readMQTT(m *hub.Message) (seen mqttMessage, ok bool) {
	seen.topic = mqttTopic(m.Channel)
	if text, ok := m.Tags[mqttTag]; ok && json.Unmarshal([]byte(text), &seen.about) != nil {
		seen.about = mqttAbout{} // some other publisher's own tag
	}
	if seen.about.Verbatim {
		seen.payload = m.Data
	} else if seen.payload = plainPayload(m.Data); seen.payload == nil {
		return seen, false
	}
	if seen.user = seen.about.User; seen.user == nil {
		for _, key := range slices.Sorted(maps.Keys(m.Tags)) {
			if key != mqttTag {
				seen.user = append(seen.user, [2]string{key, m.Tags[key]})
			}
		}
	}
	return seen, true
}

// tags returns what a message carries of about and the user properties.
func (a mqttAbout) tags(user []packets.UserProperty) map[string]string {
	tags := map[string]string{}
	exact := make([][2]string, len(user))
	for i, p := range user {
		exact[i] = [2]string{p.Key, p.Val}
		if p.Key != mqttTag {
			tags[p.Key] = p.Val
		}
	}
	inOrder := slices.IsSortedFunc(exact, func(a, b [2]string) int { return cmp.Compare(a[0], b[0]) })
	if len(tags) != len(user) || !inOrder { // [MQTT-3.3.2-18]
		a.User = exact
	}
	if text := compactJSON(a); string(text) != "{}" {
		tags[mqttTag] = string(text)
	}
	if len(tags) == 0 {
		return nil
	}
	return tags
}

// properties returns a message's properties as PUBLISH has them (§3.3.2.3), but for
// those that differ from client to client.
func (m *mqttMessage) properties() []byte {
	var b []byte
	if m.about.IsText {
		b = append(b, packets.PropPayloadFormat, 1)
	}
	if m.about.ContentType != "" {
		b = appendMQTTString(append(b, packets.PropContentType), m.about.ContentType)
	}
	if m.about.ReplyTo != "" {
		b = appendMQTTString(append(b, packets.PropResponseTopic), m.about.ReplyTo)
	}
	if m.about.Correlation != nil {
		b = appendMQTTString(append(b, packets.PropCorrelationData), string(m.about.Correlation))
	}
	for _, p := range m.user {
		if len(p[0]) <= maxMQTTString && len(p[1]) <= maxMQTTString {
			b = appendMQTTString(appendMQTTString(append(b, packets.PropUser), p[0]), p[1])
		}
	}
	return b
}

// maxMQTTString is the longest string that a packet can hold (§1.5.4).
const maxMQTTString = 1<<16 - 1

func appendMQTTString(b []byte, text string) []byte {
	b = append(b, byte(len(text)>>8), byte(len(text)))
	return append(b, text...)
}
