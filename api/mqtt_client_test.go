package api_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"fanfold/api"

	"github.com/mochi-mqtt/server/v2/packets"
)

// serveMQTT runs an API with a door for devices, and returns its address.
func serveMQTT(t *testing.T, c api.Config) (addr string, h *openHub) {
	t.Helper()
	_, h = serve(t, c)
	return openDoor(t, h), h
}

func openDoor(t *testing.T, h *openHub) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- h.handler.ServeMQTT(listener) }()
	t.Cleanup(func() { // before those of serve
		listener.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return listener.Addr().String()
}

// thing is a device: an MQTT client that does what the test says, no more.
type thing struct {
	t       *testing.T
	conn    net.Conn
	in      *bufio.Reader
	version byte
	connack packets.Packet
	came    []packets.Packet // messages that publish has met
}

// connecting is how a thing connects. The zero value is version 3.1.1 with a clean
// session, and nothing else.
type connecting struct {
	version   byte
	id        string
	keep      bool // the session
	user      string
	password  string
	keepAlive uint16
	will      *packets.ConnectParams
	props     packets.Properties
}

// dialThing opens a connection, on which nothing is said yet.
func dialThing(t *testing.T, addr string, version byte) *thing {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &thing{t: t, conn: conn, in: bufio.NewReader(conn), version: version}
}

// ask connects, and returns the thing with the answer.
func ask(t *testing.T, addr string, c connecting) *thing {
	t.Helper()
	if c.version == 0 {
		c.version = 4
	}
	d := dialThing(t, addr, c.version)
	d.connect(c)
	d.connack = d.next(packets.Connack)
	return d
}

// welcome is ask for one who is let in.
func welcome(t *testing.T, addr string, c connecting) *thing {
	t.Helper()
	d := ask(t, addr, c)
	if d.connack.ReasonCode != 0 {
		t.Fatalf("CONNACK has the code %#x, %q", d.connack.ReasonCode, d.connack.Properties.ReasonString)
	}
	return d
}

func (d *thing) connect(c connecting) {
	d.t.Helper()
	p := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Connect}, Properties: c.props}
	if c.will != nil {
		p.Connect = *c.will
		p.Connect.WillFlag = true
	}
	p.Connect.ProtocolName, p.Connect.ClientIdentifier, p.Connect.Clean, p.Connect.Keepalive = []byte("MQTT"), c.id, !c.keep, c.keepAlive
	p.Connect.Username, p.Connect.UsernameFlag = []byte(c.user), c.user != "" || c.password != ""
	p.Connect.Password, p.Connect.PasswordFlag = []byte(c.password), c.password != ""
	if c.keep && c.version == 5 && !p.Properties.SessionExpiryIntervalFlag {
		p.Properties.SessionExpiryInterval, p.Properties.SessionExpiryIntervalFlag = 3600, true
	}
	d.send(p)
}

func (d *thing) send(p packets.Packet) {
	d.t.Helper()
	p.ProtocolVersion = d.version
	p.Mods.AllowResponseInfo = true
	var b bytes.Buffer
	var err error
	switch p.FixedHeader.Type {
	case packets.Connect:
		err = p.ConnectEncode(&b)
	case packets.Publish:
		err = p.PublishEncode(&b)
	case packets.Puback:
		err = p.PubackEncode(&b)
	case packets.Pubrel:
		p.FixedHeader.Qos = 1
		err = p.PubrelEncode(&b)
	case packets.Subscribe:
		p.FixedHeader.Qos = 1
		err = p.SubscribeEncode(&b)
	case packets.Unsubscribe:
		p.FixedHeader.Qos = 1
		err = p.UnsubscribeEncode(&b)
	case packets.Pingreq:
		err = p.PingreqEncode(&b)
	case packets.Disconnect:
		err = p.DisconnectEncode(&b)
	}
	if err != nil {
		d.t.Fatal(err)
	}
	d.write(b.Bytes())
}

func (d *thing) write(b []byte) {
	d.t.Helper()
	if _, err := d.conn.Write(b); err != nil {
		d.t.Fatal(err)
	}
}

// read returns the next packet from the hub, or how the connection ended.
func (d *thing) read() (p packets.Packet, err error) {
	d.t.Helper()
	if err := d.conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		d.t.Fatal(err)
	}
	first, err := d.in.ReadByte()
	if err != nil {
		return p, err
	}
	p.ProtocolVersion = d.version
	if err := p.FixedHeader.Decode(first); err != nil {
		d.t.Fatal(err)
	}
	if p.FixedHeader.Remaining, _, err = packets.DecodeLength(d.in); err != nil {
		return p, err
	}
	body := make([]byte, p.FixedHeader.Remaining)
	if _, err := io.ReadFull(d.in, body); err != nil {
		return p, err
	}
	decode := map[byte]func([]byte) error{
		packets.Connack: p.ConnackDecode, packets.Publish: p.PublishDecode, packets.Puback: p.PubackDecode, packets.Pubrec: p.PubrecDecode,
		packets.Pubcomp: p.PubcompDecode, packets.Suback: p.SubackDecode, packets.Unsuback: p.UnsubackDecode,
		packets.Pingresp: p.PingrespDecode, packets.Disconnect: p.DisconnectDecode,
	}[p.FixedHeader.Type]
	if decode == nil {
		d.t.Fatalf("the hub sends a packet of type %d", p.FixedHeader.Type)
	}
	if err := decode(body); err != nil {
		d.t.Fatal(err)
	}
	return p, nil
}

// next returns the next packet, which must be of that type.
func (d *thing) next(kind byte) packets.Packet {
	d.t.Helper()
	if len(d.came) > 0 && kind == packets.Publish {
		p := d.came[0]
		d.came = d.came[1:]
		return p
	}
	p, err := d.read()
	if err != nil {
		d.t.Fatalf("waiting for %s: %v", packets.PacketNames[kind], err)
	}
	if p.FixedHeader.Type != kind {
		d.t.Fatalf("got %s (%q, code %#x, %q), want %s", packets.PacketNames[p.FixedHeader.Type], p.Payload, p.ReasonCode, p.Properties.ReasonString, packets.PacketNames[kind])
	}
	return p
}

// ended wants the connection to be over, and returns the code of the DISCONNECT that
// came first; 0: there was none.
func (d *thing) ended() (code byte) {
	d.t.Helper()
	for {
		p, err := d.read()
		switch {
		case err == nil && p.FixedHeader.Type == packets.Disconnect:
			code = p.ReasonCode
		case err == nil:
			d.t.Fatalf("got %s (%q), want the end", packets.PacketNames[p.FixedHeader.Type], p.Payload)
		case errors.Is(err, io.EOF) || strings.Contains(err.Error(), "reset"):
			return code
		default:
			d.t.Fatalf("the connection has not ended: %v", err)
		}
	}
}

// subscribe subscribes, and returns what was granted.
func (d *thing) subscribe(filters ...packets.Subscription) []byte {
	d.t.Helper()
	d.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Subscribe}, PacketID: 7, Filters: filters})
	return d.next(packets.Suback).ReasonCodes
}

func filter(name string, qos byte) packets.Subscription {
	return packets.Subscription{Filter: name, Qos: qos}
}

// publication is a PUBLISH.
func publication(topic, payload string, qos byte, id uint16) packets.Packet {
	return packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Publish, Qos: qos}, TopicName: topic, Payload: []byte(payload), PacketID: id}
}

func retained(p packets.Packet) packets.Packet {
	p.FixedHeader.Retain = true
	return p
}

// publish publishes with QoS 1 and wants it stored.
func (d *thing) publish(topic, payload string) {
	d.t.Helper()
	d.send(publication(topic, payload, 1, 9))
	for {
		p, err := d.read()
		switch {
		case err != nil:
			d.t.Fatalf("publishing to %s: %v", topic, err)
		case p.FixedHeader.Type == packets.Publish:
			d.came = append(d.came, p)
		case p.FixedHeader.Type != packets.Puback || p.ReasonCode != 0:
			d.t.Fatalf("publishing to %s is answered by %+v", topic, p)
		default:
			return
		}
	}
}

func (d *thing) ack(p packets.Packet) {
	d.t.Helper()
	d.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Puback}, PacketID: p.PacketID})
}

// gets wants a message with that topic and payload next, and acknowledges it.
func (d *thing) gets(topic, payload string) packets.Packet {
	d.t.Helper()
	p := d.next(packets.Publish)
	if p.TopicName != topic || string(p.Payload) != payload {
		d.t.Fatalf("got %q on %s, want %q on %s", p.Payload, p.TopicName, payload, topic)
	}
	if p.FixedHeader.Qos > 0 {
		d.ack(p)
	}
	return p
}

// isQuiet wants everything that was to come to have come.
func (d *thing) isQuiet() {
	d.t.Helper()
	d.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Pingreq}})
	d.next(packets.Pingresp)
}

// bye says goodbye.
func (d *thing) bye() {
	d.t.Helper()
	d.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Disconnect}})
	d.ended()
}

// drop ends the connection without a word.
func (d *thing) drop() { d.conn.Close() }
