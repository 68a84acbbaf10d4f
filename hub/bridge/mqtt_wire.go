package bridge

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	"github.com/mochi-mqtt/server/v2/packets"
)

// packetSlack is how much longer than its data a message's packet may be.
const packetSlack = 128 << 10

// writePatience is how long the broker may take to take a packet.
const writePatience = 15 * time.Second

// mqttWire reads and writes the packets of a connection. One goroutine may read, any
// may write.
type mqttWire struct {
	net.Conn
	version  byte // static, as the next two
	limit    int  // of a packet that is read whole; set before there is a reader
	patience time.Duration
	in       *bufio.Reader // owned by the reader

	mu  sync.Mutex
	out bytes.Buffer // guarded by mu
}

// dialMQTT connects, over TLS or a WebSocket if the URL says so.
func (c *Config) dialMQTT(ctx context.Context) (*mqttWire, error) {
	conn, err := c.dial(ctx)
	if err != nil {
		return nil, err
	}
	w := &mqttWire{Conn: conn, version: c.Version, patience: connectTimeout}
	w.in = bufio.NewReader(patient{w})
	return w, nil
}

func (c *Config) dial(ctx context.Context) (net.Conn, error) {
	switch c.URL.Scheme {
	case "ws", "wss":
		d := websocket.Dialer{Subprotocols: []string{"mqtt"}, TLSClientConfig: c.tlsConfig(), NetDialContext: (&net.Dialer{}).DialContext} // [MQTT-6.0.0-3]
		conn, response, err := d.DialContext(ctx, c.URL.String(), nil)
		if err != nil {
			if response != nil {
				return nil, fmt.Errorf("open a WebSocket: %w: %s", err, response.Status)
			}
			return nil, fmt.Errorf("open a WebSocket: %w", err)
		}
		return &socket{Conn: conn.NetConn(), ws: conn}, nil
	}
	if c.secure() {
		return (&tls.Dialer{Config: c.tlsConfig()}).DialContext(ctx, "tcp", c.addr())
	}
	return (&net.Dialer{}).DialContext(ctx, "tcp", c.addr())
}

// patient reads with a deadline for whatever comes next.
type patient struct{ wire *mqttWire }

// Read implements [io.Reader].
func (p patient) Read(b []byte) (int, error) {
	if err := p.wire.SetReadDeadline(time.Now().Add(p.wire.patience)); err != nil {
		return 0, err
	}
	return p.wire.Conn.Read(b)
}

// socket is a connection whose bytes are in a WebSocket's binary messages.
type socket struct {
	net.Conn // for addresses, deadlines and Close
	ws       *websocket.Conn
	message  io.Reader // owned by the reader; nil: none is begun
}

// Read implements [io.Reader].
func (s *socket) Read(b []byte) (int, error) {
	for {
		if s.message == nil {
			kind, r, err := s.ws.NextReader()
			if err != nil {
				return 0, err
			}
			if kind != websocket.BinaryMessage { // [MQTT-6.0.0-1]
				return 0, errors.New("the broker sends text in its WebSocket")
			}
			s.message = r
		}
		n, err := s.message.Read(b)
		if errors.Is(err, io.EOF) {
			s.message, err = nil, nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// Write implements [io.Writer], one message each.
func (s *socket) Write(b []byte) (int, error) {
	return len(b), s.ws.WriteMessage(websocket.BinaryMessage, b)
}

// write writes a packet. If max is not 0 and the packet is longer, the error is a
// [refusal].
func (w *mqttWire) write(pk *packets.Packet, max int) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.out.Reset()
	if err := encodePacket(pk, &w.out); err != nil {
		return fmt.Errorf("encode a packet: %w", err)
	}
	if max > 0 && w.out.Len() > max {
		return &refusal{fmt.Sprintf("it takes %d bytes, and the broker allows %d", w.out.Len(), max)}
	}
	if err := w.SetWriteDeadline(time.Now().Add(writePatience)); err != nil {
		return err
	}
	_, err := w.Conn.Write(w.out.Bytes())
	if w.out.Cap() > packetSlack {
		w.out = bytes.Buffer{}
	}
	return err
}

func encodePacket(pk *packets.Packet, out *bytes.Buffer) error {
	switch pk.FixedHeader.Type {
	case packets.Connect:
		return pk.ConnectEncode(out)
	case packets.Publish:
		return pk.PublishEncode(out)
	case packets.Puback:
		return pk.PubackEncode(out)
	case packets.Subscribe:
		return pk.SubscribeEncode(out)
	case packets.Unsubscribe:
		return pk.UnsubscribeEncode(out)
	case packets.Pingreq:
		return pk.PingreqEncode(out)
	case packets.Disconnect:
		return pk.DisconnectEncode(out)
	}
	return fmt.Errorf("type %d", pk.FixedHeader.Type)
}

// read reads a packet. tooLarge: it is a PUBLISH of which only the topic was read.
func (w *mqttWire) read() (pk *packets.Packet, tooLarge bool, err error) {
	first, err := w.in.ReadByte()
	if err != nil {
		return nil, false, err
	}
	pk = &packets.Packet{ProtocolVersion: w.version}
	if err := pk.FixedHeader.Decode(first); err != nil {
		return nil, false, fmt.Errorf("read a packet: %w", err)
	}
	if pk.FixedHeader.Remaining, _, err = packets.DecodeLength(w.in); err != nil {
		return nil, false, fmt.Errorf("read a packet's length: %w", err)
	}
	if pk.FixedHeader.Remaining > w.limit {
		return pk, true, w.skip(pk)
	}
	body := make([]byte, pk.FixedHeader.Remaining)
	if _, err := io.ReadFull(w.in, body); err != nil {
		return nil, false, err
	}
	if err := decodePacket(pk, body); err != nil {
		return nil, false, fmt.Errorf("read a packet of type %d: %w", pk.FixedHeader.Type, err)
	}
	return pk, false, nil
}

// skip reads the topic and the identifier of a PUBLISH, and past the rest.
func (w *mqttWire) skip(pk *packets.Packet) error {
	if pk.FixedHeader.Type != packets.Publish {
		return fmt.Errorf("a packet of type %d has %d bytes", pk.FixedHeader.Type, pk.FixedHeader.Remaining)
	}
	var length [2]byte
	if _, err := io.ReadFull(w.in, length[:]); err != nil {
		return err
	}
	n := int(binary.BigEndian.Uint16(length[:]))
	head := make([]byte, n+2*int(min(pk.FixedHeader.Qos, 1)))
	if _, err := io.ReadFull(w.in, head); err != nil {
		return err
	}
	pk.TopicName = string(head[:n])
	if pk.FixedHeader.Qos > 0 {
		pk.PacketID = binary.BigEndian.Uint16(head[n:])
	}
	_, err := io.CopyN(io.Discard, w.in, int64(pk.FixedHeader.Remaining-len(length)-len(head)))
	return err
}

func decodePacket(pk *packets.Packet, body []byte) error {
	switch pk.FixedHeader.Type {
	case packets.Connack:
		if len(body) == 2 { // by a broker that does not speak MQTT 5
			pk.ProtocolVersion = 4
		}
		return pk.ConnackDecode(body)
	case packets.Publish:
		return pk.PublishDecode(body)
	case packets.Puback:
		return pk.PubackDecode(body)
	case packets.Suback:
		return pk.SubackDecode(body)
	case packets.Unsuback:
		return pk.UnsubackDecode(body)
	case packets.Disconnect:
		if len(body) == 1 { // §3.14.2.2.1: without properties
			pk.ReasonCode = body[0]
			return nil
		}
		return pk.DisconnectDecode(body)
	}
	return nil // the link knows what to make of it
}

// publishPacket returns the PUBLISH of a parcel, without its QoS.
func publishPacket(p *parcel, version byte, now time.Time) *packets.Packet {
	pk := &packets.Packet{
		ProtocolVersion: version, FixedHeader: packets.FixedHeader{Type: packets.Publish}, TopicName: p.to, Payload: p.payload,
		Mods: packets.Mods{AllowResponseInfo: true},
	}
	if version < 5 {
		return pk
	}
	a := &p.about
	pk.Properties = packets.Properties{
		ContentType: clean(a.contentType), ResponseTopic: clean(a.replyTo), CorrelationData: a.correlation, PayloadFormatFlag: a.isText,
	}
	if a.isText {
		pk.Properties.PayloadFormat = 1
	}
	if a.expires != 0 {
		pk.Properties.MessageExpiryInterval = uint32(max(1, min(a.expires-now.Unix(), 1<<32-1)))
	}
	for _, u := range a.user {
		if clean(u[0]) == u[0] && clean(u[1]) == u[1] {
			pk.Properties.User = append(pk.Properties.User, packets.UserProperty{Key: u[0], Val: u[1]})
		}
	}
	return pk
}

// clean returns a text that a packet can hold (§1.5.4), "" for another.
func clean(text string) string {
	if len(text) > 1<<16-1 || strings.ContainsRune(text, 0) {
		return ""
	}
	return text
}

// aboutOf returns what an MQTT 5 PUBLISH says beside its payload.
func aboutOf(p *packets.Properties) about {
	a := about{contentType: p.ContentType, isText: p.PayloadFormat == 1, replyTo: p.ResponseTopic, correlation: p.CorrelationData}
	if p.MessageExpiryInterval > 0 {
		a.expires = time.Now().Unix() + int64(p.MessageExpiryInterval)
	}
	for _, u := range p.User {
		a.user = append(a.user, [2]string{u.Key, u.Val})
	}
	return a
}

// connackReason says why the broker does not take the hub.
func connackReason(asked byte, pk *packets.Packet) string {
	if pk.ProtocolVersion == 5 {
		return reasonOf(pk.ReasonCode, pk.Properties.ReasonString)
	}
	old := []string{1: "it does not speak this version of MQTT", "it does not like the client ID", "it is not available", "user name or password is wrong", "the user is not allowed"}
	if int(pk.ReasonCode) >= len(old) {
		return fmt.Sprintf("code %d", pk.ReasonCode)
	}
	if pk.ReasonCode == 1 && asked == 5 {
		return old[1] + ": try version: 3.1.1"
	}
	return old[pk.ReasonCode]
}

// reasons are those that MQTT 5 brokers give.
var reasons = []packets.Code{
	packets.ErrUnspecifiedError, packets.ErrMalformedPacket, packets.ErrProtocolViolation, packets.ErrImplementationSpecificError,
	packets.ErrUnsupportedProtocolVersion, packets.ErrClientIdentifierNotValid, packets.ErrBadUsernameOrPassword, packets.ErrNotAuthorized,
	packets.ErrServerUnavailable, packets.ErrServerBusy, packets.ErrBanned, packets.ErrServerShuttingDown, packets.ErrBadAuthenticationMethod,
	packets.ErrKeepAliveTimeout, packets.ErrSessionTakenOver, packets.ErrTopicFilterInvalid, packets.ErrTopicNameInvalid,
	packets.ErrReceiveMaximum, packets.ErrPacketTooLarge, packets.ErrQuotaExceeded, packets.ErrPayloadFormatInvalid,
	packets.ErrRetainNotSupported, packets.ErrQosNotSupported, packets.ErrUseAnotherServer, packets.ErrServerMoved,
	packets.ErrSharedSubscriptionsNotSupported, packets.ErrConnectionRateExceeded, packets.ErrWildcardSubscriptionsNotSupported,
}

// reasonOf returns a reason in words, with the broker's own.
func reasonOf(code byte, text string) string {
	what := fmt.Sprintf("code 0x%02x", code)
	for _, r := range reasons {
		if r.Code == code {
			what = r.Reason
		}
	}
	if text != "" {
		what += fmt.Sprintf(" (%.200q)", text)
	}
	return what
}
