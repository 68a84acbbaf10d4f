package dialect

import (
	"encoding/binary"
	"time"

	"fanfold/hub"

	"github.com/mochi-mqtt/server/v2/packets"
)

// mqttFrame is a message as all subscribers of a key share it. Each client's PUBLISH
// is made of it when its turn comes: the packet identifier, the QoS and some properties are
// the client's own.
type mqttFrame struct {
	flags      byte
	position   hub.Position // zero: not stored
	expires    int64        // Unix seconds; 0: never
	key        []byte       // the pattern that it comes by
	publisher  []byte       // ID of the client that it is from
	topic      []byte
	properties []byte
	payload    []byte
}

// Flags of a frame.
const (
	frameAtMostOnce = 1 << iota // QoS 0
	frameRetain                 // it was published to be retained
	frameRetained               // it is a retained message that a new subscription brings
)

// encodeFrame is false if devices don't see the message.
func encodeFrame(key string, m *hub.Message, flags byte) ([]byte, bool) {
	seen, ok := readMQTT(m)
	if !ok {
		return nil, false
	}
	if seen.About.AtMostOnce {
		flags |= frameAtMostOnce
	}
	if seen.About.Retain {
		flags |= frameRetain
	}
	publisher := ""
	if m.Publisher != nil {
		publisher = m.Publisher.ID
	}
	properties := seen.properties()
	b := make([]byte, 0, 32+len(m.Position.Epoch)+len(key)+len(publisher)+len(seen.topic)+len(properties)+len(seen.Payload))
	b = append(b, flags)
	b = binary.BigEndian.AppendUint64(b, m.Position.Seq)
	b = binary.BigEndian.AppendUint64(b, uint64(seen.About.Expires))
	for _, part := range []string{m.Position.Epoch, key, publisher, seen.topic} {
		b = append(binary.AppendUvarint(b, uint64(len(part))), part...)
	}
	b = append(binary.AppendUvarint(b, uint64(len(properties))), properties...)
	return append(b, seen.Payload...), true
}

// parseFrame reads what encodeFrame wrote. epoch is that of the frame before it, which
// is not copied again.
func parseFrame(b []byte, epoch string) (f mqttFrame) {
	f.flags = b[0]
	f.position.Seq = binary.BigEndian.Uint64(b[1:])
	f.expires = int64(binary.BigEndian.Uint64(b[9:]))
	b = b[17:]
	next := func() (part []byte) {
		n, size := binary.Uvarint(b)
		part, b = b[size:size+int(n)], b[size+int(n):]
		return part
	}
	if in := next(); string(in) != epoch {
		epoch = string(in)
	}
	f.position.Epoch = epoch
	f.key, f.publisher, f.topic, f.properties = next(), next(), next(), next()
	f.payload = b
	return f
}

// expired reports whether a message has outlived its Message Expiry Interval
// [MQTT-3.3.2-5].
func (f *mqttFrame) expired(now time.Time) bool { return f.expires != 0 && now.Unix() >= f.expires }

// mqttPublish is the part of a PUBLISH that is one client's.
type mqttPublish struct {
	version byte
	qos     byte
	dup     bool
	retain  bool
	id      uint16 // of QoS 1
	subID   int    // Subscription Identifier; 0: none
	now     time.Time
}

// appendTo appends the PUBLISH (§3.3). Only the client's own part is encoded.
func (p *mqttPublish) appendTo(b []byte, f *mqttFrame) []byte {
	var own [16]byte
	properties := own[:0]
	if f.expires != 0 {
		left := max(1, f.expires-p.now.Unix()) // [MQTT-3.3.2-6]
		properties = binary.BigEndian.AppendUint32(append(properties, packets.PropMessageExpiryInterval), uint32(min(left, 1<<32-1)))
	}
	if p.subID != 0 {
		properties = appendVarint(append(properties, packets.PropSubscriptionIdentifier), p.subID)
	}
	b = append(b, p.firstByte())
	b = appendVarint(b, p.remaining(f, len(properties)))
	b = append(b, byte(len(f.topic)>>8), byte(len(f.topic)))
	b = append(b, f.topic...)
	if p.qos > 0 {
		b = append(b, byte(p.id>>8), byte(p.id))
	}
	if p.version == mqtt5 {
		b = appendVarint(b, len(properties)+len(f.properties))
		b = append(b, properties...)
		b = append(b, f.properties...)
	}
	return append(b, f.payload...)
}

func (p *mqttPublish) firstByte() byte {
	first := packets.Publish<<4 | p.qos<<1
	if p.dup {
		first |= 1 << 3
	}
	if p.retain {
		first |= 1
	}
	return first
}

// remaining is the packet's Remaining Length with so many bytes of properties that
// are the client's own.
func (p *mqttPublish) remaining(f *mqttFrame, own int) int {
	n := 2 + len(f.topic) + len(f.payload)
	if p.qos > 0 {
		n += 2
	}
	if p.version == mqtt5 {
		n += varintLen(own+len(f.properties)) + own + len(f.properties)
	}
	return n
}

// appendVarint appends a Variable Byte Integer (§1.5.5).
func appendVarint(b []byte, n int) []byte {
	for n >= 0x80 {
		b = append(b, byte(n)|0x80)
		n >>= 7
	}
	return append(b, byte(n))
}

func varintLen(n int) (size int) {
	for size = 1; n >= 0x80; n >>= 7 {
		size++
	}
	return size
}
