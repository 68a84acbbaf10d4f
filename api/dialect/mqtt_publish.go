package dialect

import (
	"context"
	"time"
	"unicode/utf8"

	"fanfold/hub"
	"fanfold/hub/foreign"

	"github.com/mochi-mqtt/server/v2/packets"
)

// mqttPublication is what a client publishes, by itself or as its will.
type mqttPublication struct {
	topic      string
	payload    []byte
	qos        byte
	retain     bool
	properties packets.Properties
}

// publish publishes a client's message, and acknowledges it when it is stored
// (§3.3, §4.3).
func (p *mqttPeer) publish(ctx context.Context, pk *packets.Packet) error {
	if err := p.resolveAlias(pk); err != nil {
		return err
	}
	q := &mqttPublication{topic: pk.TopicName, payload: pk.Payload, qos: pk.FixedHeader.Qos, retain: pk.FixedHeader.Retain, properties: pk.Properties}
	if q.qos == 2 {
		return p.publishOnce(ctx, pk.PacketID, q)
	}
	err := p.mqtt.send(ctx, p.session.Actor(), p.session.Client(), q, "")
	if err != nil {
		return p.refusePublish(packets.Puback, pk.PacketID, q, err)
	}
	if q.qos == 1 { // [MQTT-4.3.2-4]
		p.answer(&packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Puback}, PacketID: pk.PacketID})
	}
	return nil
}

// resolveAlias puts the topic that an alias stands for in its place (§3.3.2.3.4).
func (p *mqttPeer) resolveAlias(pk *packets.Packet) error {
	alias := pk.Properties.TopicAlias
	switch {
	case !pk.Properties.TopicAliasFlag:
		if pk.TopicName == "" { // [MQTT-4.7.3-1]
			return violation("there is no topic")
		}
	case alias == 0 || alias > mqttAliases: // [MQTT-3.3.2-8] [MQTT-3.3.2-9]
		return mqttFault{packets.ErrTopicAliasInvalid.Code, "the topic alias is 0 or too large"}
	case pk.TopicName == "":
		if pk.TopicName = p.aliases[alias]; pk.TopicName == "" {
			return violation("the topic alias stands for no topic")
		}
	default:
		p.aliases[alias] = pk.TopicName
	}
	return nil
}

// publishOnce takes a message of QoS 2 (§4.3.3). The idempotency key that it gets is
// kept before the message is stored: so it is stored once, whatever fails in between.
func (p *mqttPeer) publishOnce(ctx context.Context, id uint16, q *mqttPublication) error {
	was, known, full := p.receiving(id)
	switch {
	case full: // [MQTT-3.3.4-7]
		return mqttFault{packets.ErrReceiveMaximum.Code, "too many messages of QoS 2 are not released"}
	case !known:
		if err := p.kept.Save(ctx); err != nil {
			return err
		}
	}
	if !was.stored {
		if err := p.mqtt.send(ctx, p.session.Actor(), p.session.Client(), q, was.key); err != nil {
			p.setReceived(id, nil)
			return p.refusePublish(packets.Pubrec, id, q, err)
		}
		p.setReceived(id, &mqttReceived{was.key, true})
	}
	p.answer(&packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Pubrec}, PacketID: id}) // [MQTT-4.3.3-8]
	return nil
}

// receiving notes that a message of QoS 2 is on its way in, if that is not known.
func (p *mqttPeer) receiving(id uint16) (r mqttReceived, known, full bool) {
	p.lock.Lock()
	defer p.lock.Unlock()
	if r, known = p.received[id]; known {
		return r, true, false
	}
	if len(p.received) >= mqttReceiveMax {
		return r, false, true
	}
	r = mqttReceived{key: hub.LiveID()}
	p.received[id], p.changed = r, true
	return r, false, false
}

// setReceived changes what is known of a message of QoS 2; nil: nothing.
func (p *mqttPeer) setReceived(id uint16, r *mqttReceived) {
	p.lock.Lock()
	defer p.lock.Unlock()
	if p.changed = true; r == nil {
		delete(p.received, id)
	} else {
		p.received[id] = *r
	}
}

// release is the client's PUBREL: it may use the identifier for another message now, so
// that is kept first.
func (p *mqttPeer) release(ctx context.Context, pk *packets.Packet) error {
	p.lock.Lock()
	_, known := p.received[pk.PacketID]
	p.lock.Unlock()
	answer := &packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Pubcomp}, PacketID: pk.PacketID}
	if known {
		p.setReceived(pk.PacketID, nil)
		if err := p.kept.Save(ctx); err != nil {
			return err
		}
	} else {
		answer.ReasonCode = packets.ErrPacketIdentifierNotFound.Code // §3.7.2.1
	}
	p.answer(answer)
	return nil
}

// refusePublish tells the client that its message was not taken, if it has a word for
// it. kind is the type of the answer.
func (p *mqttPeer) refusePublish(kind byte, id uint16, q *mqttPublication, err error) error {
	p.mqtt.config.Refused(p.clientID, "publish to "+cutText(q.topic, 80), err)
	switch {
	case q.qos == 0:
		return nil
	case p.version != mqtt5: // [MQTT-3.3.5-2] of 3.1.1
		return err
	}
	code, text := mqttError(err) // §3.4.2.1
	p.answer(&packets.Packet{
		FixedHeader: packets.FixedHeader{Type: kind}, PacketID: id, ReasonCode: code, Properties: packets.Properties{ReasonString: text},
	})
	return nil
}

// send publishes what a client has published, with an idempotency key if there is one.
// Errors are those of [hub.Actor.Publish], or an mqttFault.
func (d *MQTT) send(ctx context.Context, h *hub.Actor, from *hub.Client, q *mqttPublication, key string) error {
	if err := d.checkPublication(q); err != nil {
		return err
	}
	channel, err := foreign.Channel(q.topic)
	if err != nil {
		return mqttFault{packets.ErrTopicNameInvalid.Code, hub.ErrorOf(err).Message}
	}
	about := foreign.About{
		AtMostOnce: q.qos == 0, Retain: q.retain, IsText: q.properties.PayloadFormat == 1,
		ContentType: q.properties.ContentType, ReplyTo: q.properties.ResponseTopic, Correlation: q.properties.CorrelationData,
	}
	m := &hub.Message{Channel: channel, Publisher: from}
	m.Data, about.Verbatim = foreign.Data(q.payload)
	o := hub.PublishOptions{}
	stored := h.Stores(channel)
	if stored {
		o.IdempotencyKey = key
	}
	if seconds := q.properties.MessageExpiryInterval; seconds > 0 {
		ttl := time.Duration(seconds) * time.Second
		about.Expires = d.config.Now().Add(ttl).Unix()
		if stored {
			o.TTL = ttl
		}
	}
	m.Tags = about.Tags(userProperties(q.properties.User))
	publish := func() error {
		_, err := h.Publish(ctx, m, o)
		return err
	}
	if !q.retain {
		return publish()
	}
	if err := h.Check(hub.ActionPublish, channel); err != nil { // before anything is counted for it
		return err
	}
	return d.config.Retained.Publish(ctx, m, len(q.payload) == 0, publish) // [MQTT-3.3.1-5] [MQTT-3.3.1-6]
}

// checkPublication bounds what comes with a topic.
func (d *MQTT) checkPublication(q *mqttPublication) error {
	size := len(q.properties.ContentType) + len(q.properties.ResponseTopic) + len(q.properties.CorrelationData)
	for _, p := range q.properties.User {
		size += len(p.Key) + len(p.Val)
	}
	switch {
	case len(q.payload) > d.config.MaxPayloadBytes:
		return hub.Errorf(hub.CodeTooLarge, "the payload has %d bytes: at most %d are allowed", len(q.payload), d.config.MaxPayloadBytes)
	case len(q.properties.User) > apiMaxTags || size > apiTagsBytes:
		return hub.Errorf(hub.CodeTooLarge, "there are %d user properties, and %d bytes of properties: at most %d and %d are allowed", len(q.properties.User), size, apiMaxTags, apiTagsBytes)
	case q.properties.PayloadFormat == 1 && !utf8.Valid(q.payload): // §3.3.2.3.2
		return mqttFault{packets.ErrPayloadFormatInvalid.Code, "the payload is said to be UTF-8, and is not"}
	case q.properties.ResponseTopic != "":
		if _, err := foreign.Keys(q.properties.ResponseTopic); err != nil || !isTopicName(q.properties.ResponseTopic) { // [MQTT-3.3.2-14]
			return mqttFault{packets.ErrTopicNameInvalid.Code, "the response topic can't be published to"}
		}
	}
	return nil
}

func isTopicName(topic string) bool {
	_, err := foreign.Channel(topic)
	return err == nil
}
