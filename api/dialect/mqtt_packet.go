package dialect

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"github.com/mochi-mqtt/server/v2/packets"
)

// Protocol levels (§3.1.2.2).
const (
	mqtt31  = 3
	mqtt311 = 4
	mqtt5   = 5
)

// mqttFault is a client's breach of the protocol: what a DISCONNECT or CONNACK
// says of it.
type mqttFault struct {
	code byte // reason code of version 5 (§2.4)
	text string
}

// Error implements error.
func (f mqttFault) Error() string { return f.text }

func malformed(format string, args ...any) error {
	return mqttFault{packets.ErrMalformedPacket.Code, "malformed packet: " + fmt.Sprintf(format, args...)}
}

func violation(format string, args ...any) error {
	return mqttFault{packets.ErrProtocolViolation.Code, "protocol error: " + fmt.Sprintf(format, args...)}
}

// cutPacket returns the first packet in b and its length; 0: it is not whole yet.
// A packet of more than limit bytes is a fault before it is read.
func cutPacket(b []byte, limit int) (header packets.FixedHeader, body []byte, size int, err error) {
	if len(b) == 0 {
		return header, nil, 0, nil
	}
	if err := header.Decode(b[0]); err != nil || header.Type == packets.Reserved {
		return header, nil, 0, malformed("the flags of its type are not valid") // [MQTT-2.1.3-1]
	}
	length, n := 0, 0
	for i := 1; ; i++ { // §2.1.4
		if i == len(b) {
			return header, nil, 0, nil
		}
		length |= int(b[i]&0x7f) << (7 * n)
		if n++; b[i] < 0x80 {
			break
		}
		if n == 4 {
			return header, nil, 0, malformed("its length has more than four bytes")
		}
	}
	size = 1 + n + length
	if size > limit {
		return header, nil, 0, mqttFault{packets.ErrPacketTooLarge.Code, fmt.Sprintf("the packet has %d bytes: at most %d are allowed", size, limit)}
	}
	if len(b) < size {
		return header, nil, 0, nil
	}
	header.Remaining = length
	return header, b[1+n : size : size], size, nil
}

// decodePacket reads a packet from a client. Its parts share b's memory.
func decodePacket(header packets.FixedHeader, b []byte, version byte) (*packets.Packet, error) {
	p := &packets.Packet{FixedHeader: header, ProtocolVersion: version}
	if err := checkShape(header, b, version); err != nil {
		return nil, err
	}
	var err error
	switch header.Type {
	case packets.Connect:
		err = p.ConnectDecode(b)
	case packets.Publish:
		err = p.PublishDecode(b)
	case packets.Puback:
		err = p.PubackDecode(b)
	case packets.Pubrec:
		err = p.PubrecDecode(b)
	case packets.Pubrel:
		err = p.PubrelDecode(b)
	case packets.Pubcomp:
		err = p.PubcompDecode(b)
	case packets.Subscribe:
		err = p.SubscribeDecode(b)
	case packets.Unsubscribe:
		err = p.UnsubscribeDecode(b)
	case packets.Disconnect:
		err = p.DisconnectDecode(b)
	}
	if err != nil {
		return nil, malformed("%v", err)
	}
	return p, nil
}

// shape walks over a packet's fields. After the first one that is not there it
// stands still.
type shape struct {
	rest []byte
	err  error
}

func (s *shape) fail(format string, args ...any) {
	if s.err == nil {
		s.err = malformed(format, args...)
	}
	s.rest = nil
}

func (s *shape) bytes(n int) []byte {
	if n > len(s.rest) {
		s.fail("it ends in the middle of a field")
		return make([]byte, min(n, 4))
	}
	b := s.rest[:n]
	s.rest = s.rest[n:]
	return b
}

func (s *shape) byte() byte { return s.bytes(1)[0] }

func (s *shape) uint16() int {
	b := s.bytes(2)
	return int(b[0])<<8 | int(b[1])
}

func (s *shape) binary() { s.bytes(s.uint16()) }

func (s *shape) string() {
	if b := s.bytes(s.uint16()); s.err == nil && (!utf8.Valid(b) || bytes.IndexByte(b, 0) >= 0) {
		s.fail("a string is not UTF-8, or has U+0000 in it") // [MQTT-1.5.4-1] [MQTT-1.5.4-2]
	}
}

// varint reads a Variable Byte Integer (§1.5.5).
func (s *shape) varint() (n int) {
	for i := range 4 {
		b := s.byte()
		n |= int(b&0x7f) << (7 * i)
		if b < 0x80 {
			return n
		}
	}
	s.fail("a length has more than four bytes")
	return 0
}

// id reads a packet identifier.
func (s *shape) id() {
	if s.uint16() == 0 && s.err == nil {
		s.err = violation("the packet identifier is 0") // [MQTT-2.2.1-3]
	}
}

// checkShape refuses what the decoder of package packets would let pass: a SUBSCRIBE
// without options, on which it panics, fields behind the end, properties that run into the
// payload, come twice or have values that they can't have.
func checkShape(header packets.FixedHeader, b []byte, version byte) error {
	s := &shape{rest: b}
	switch header.Type {
	case packets.Connect:
		s.connect()
	case packets.Publish:
		s.string()
		if header.Qos > 0 {
			s.id()
		}
		s.properties(header.Type, version)
		s.rest = nil
	case packets.Puback, packets.Pubrec, packets.Pubrel, packets.Pubcomp:
		s.id()
		s.reason(header.Type, version)
	case packets.Subscribe, packets.Unsubscribe:
		s.id()
		s.properties(header.Type, version)
		s.filters(header.Type, version)
	case packets.Disconnect:
		s.reason(header.Type, version)
	case packets.Pingreq:
	default: // what only servers send, and AUTH, which nobody has asked for
		return violation("a client sends no packet of type %d here", header.Type)
	}
	if s.err == nil && len(s.rest) > 0 {
		s.fail("it is longer than its fields")
	}
	return s.err
}

func (s *shape) connect() {
	s.binary()
	version := s.byte()
	flags := s.byte()
	s.uint16()
	s.properties(packets.Connect, version)
	s.string()
	if flags&(1<<2) != 0 {
		s.properties(packets.WillProperties, version)
		s.string()
		s.binary()
	}
	if flags&(1<<7) != 0 {
		s.string() // [MQTT-3.1.3-11]
	}
	if flags&(1<<6) != 0 {
		s.binary()
	}
}

// reason walks over an optional reason code and its properties.
func (s *shape) reason(kind, version byte) {
	if version != mqtt5 || len(s.rest) == 0 {
		return
	}
	s.byte()
	if len(s.rest) > 0 {
		s.properties(kind, version)
	}
}

func (s *shape) filters(kind, version byte) {
	if len(s.rest) == 0 && s.err == nil {
		s.err = violation("there is no topic filter") // [MQTT-3.8.3-2] [MQTT-3.10.3-2]
	}
	for len(s.rest) > 0 {
		s.string()
		if kind == packets.Unsubscribe {
			continue
		}
		reserved := byte(0xfc) // [MQTT-3.8.3-4] of 3.1.1
		if version == mqtt5 {
			reserved = 0xc0 // [MQTT-3.8.3-5]
		}
		options := s.byte()
		if options&reserved != 0 || options&3 == 3 || version == mqtt5 && options>>4&3 == 3 {
			s.fail("the options of a filter are not valid")
		}
	}
}

// The types of properties (§2.2.2.2).
const (
	propertyFlag = iota + 1 // a byte, 0 or 1
	propertyUint16
	propertyUint32
	propertyVarint
	propertyString
	propertyBinary
	propertyPair
)

var propertyTypes = map[byte]int{
	packets.PropPayloadFormat:          propertyFlag,
	packets.PropMessageExpiryInterval:  propertyUint32,
	packets.PropContentType:            propertyString,
	packets.PropResponseTopic:          propertyString,
	packets.PropCorrelationData:        propertyBinary,
	packets.PropSubscriptionIdentifier: propertyVarint,
	packets.PropSessionExpiryInterval:  propertyUint32,
	packets.PropAuthenticationMethod:   propertyString,
	packets.PropAuthenticationData:     propertyBinary,
	packets.PropRequestProblemInfo:     propertyFlag,
	packets.PropWillDelayInterval:      propertyUint32,
	packets.PropRequestResponseInfo:    propertyFlag,
	packets.PropServerReference:        propertyString,
	packets.PropReasonString:           propertyString,
	packets.PropReceiveMaximum:         propertyUint16,
	packets.PropTopicAliasMaximum:      propertyUint16,
	packets.PropTopicAlias:             propertyUint16,
	packets.PropUser:                   propertyPair,
	packets.PropMaximumPacketSize:      propertyUint32,
}

// notZero are the properties of which 0 is a protocol error.
var notZero = map[byte]bool{
	packets.PropSubscriptionIdentifier: true, packets.PropReceiveMaximum: true, packets.PropMaximumPacketSize: true,
}

// properties walks over the properties of a packet. Whether they belong to its type is
// the decoder's to say.
func (s *shape) properties(kind, version byte) {
	if version != mqtt5 {
		return
	}
	n := s.varint()
	inner := &shape{rest: s.bytes(n)}
	if s.err != nil {
		return
	}
	var seen [256]bool
	for len(inner.rest) > 0 && inner.err == nil {
		id := inner.byte()
		if seen[id] && id != packets.PropUser {
			inner.err = violation("the property %d is there twice", id)
		}
		seen[id] = true
		inner.property(id)
	}
	if kind == packets.Publish && seen[packets.PropSubscriptionIdentifier] && inner.err == nil {
		inner.err = violation("a client's PUBLISH has a subscription identifier") // [MQTT-3.3.4-6]
	}
	s.err = inner.err
}

func (s *shape) property(id byte) {
	value := 1
	switch propertyTypes[id] {
	case propertyFlag:
		if s.byte() > 1 && s.err == nil {
			s.err = violation("the property %d is neither 0 nor 1", id)
		}
	case propertyUint16:
		value = s.uint16()
	case propertyUint32:
		high, low := s.uint16(), s.uint16()
		value = high | low // it matters whether that is zero
	case propertyVarint:
		value = s.varint()
	case propertyString:
		s.string()
	case propertyBinary:
		s.binary()
	case propertyPair:
		s.string()
		s.string()
	default:
		s.fail("the property %d is not known here", id)
	}
	if value == 0 && notZero[id] && s.err == nil {
		s.err = violation("the property %d is 0", id)
	}
}
