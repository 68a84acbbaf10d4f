package dialect

import (
	"fanfold/hub"
	"fanfold/hub/foreign"

	"github.com/mochi-mqtt/server/v2/packets"
)

// mqttMessage is what devices see of a message.
type mqttMessage struct {
	foreign.Message
	topic string
}

// readMQTT is false if devices don't see the message.
func readMQTT(m *hub.Message) (seen mqttMessage, ok bool) {
	seen.topic = foreign.Topic(m.Channel)
	seen.Message, ok = foreign.Read(m)
	return seen, ok
}

// userProperties returns those of a packet.
func userProperties(list []packets.UserProperty) [][2]string {
	user := make([][2]string, len(list))
	for i, p := range list {
		user[i] = [2]string{p.Key, p.Val}
	}
	return user
}

// properties returns a message's properties as PUBLISH has them (§3.3.2.3), but for
// those that differ from client to client.
func (m *mqttMessage) properties() []byte {
	var b []byte
	if m.About.IsText {
		b = append(b, packets.PropPayloadFormat, 1)
	}
	if m.About.ContentType != "" {
		b = appendMQTTString(append(b, packets.PropContentType), m.About.ContentType)
	}
	if m.About.ReplyTo != "" {
		b = appendMQTTString(append(b, packets.PropResponseTopic), m.About.ReplyTo)
	}
	if m.About.Correlation != nil {
		b = appendMQTTString(append(b, packets.PropCorrelationData), string(m.About.Correlation))
	}
	for _, p := range m.User {
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
