package bridge

import (
	"bufio"
	"bytes"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
)

// scripted is a broker that a test speaks for, packet by packet.
type scripted struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

// connected returns a link and the broker at its other end, which has said hello so.
func connected(t *testing.T, c Config, hello packets.Properties) (*Bridge, *mqttLink, *scripted) {
	t.Helper()
	b := &Bridge{config: &c, maxBytes: 1000, status: newStatus(&c, slog.New(slog.DiscardHandler))}
	for _, in := range c.In {
		r, err := c.newIn(in)
		if err != nil {
			t.Fatal(err)
		}
		b.in = append(b.in, r)
	}
	for _, out := range c.Out {
		r, err := c.newOut(out)
		if err != nil {
			t.Fatal(err)
		}
		b.forwarders = append(b.forwarders, b.newForwarder(r, at(0)))
	}
	m := newMQTT(b, nil)
	here, there := net.Pipe()
	wire := &mqttWire{Conn: here, version: c.Version, patience: time.Minute}
	wire.in = bufio.NewReader(patient{wire})
	l, s := newMQTTLink(m, wire), &scripted{t, there, bufio.NewReader(there)}
	done := make(chan error, 1)
	go func() { done <- l.introduce(m.hello("secret")) }()
	if first := s.read(); first[0]>>4 != packets.Connect || !bytes.Contains(first, []byte("secret")) {
		t.Fatalf("it begins with % x", first)
	}
	s.send(&packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Connack}, Properties: hello})
	if err := next(t, done); err != nil {
		t.Fatal(err)
	}
	l.start()
	t.Cleanup(func() {
		there.Close()
		l.close()
	})
	return b, l, s
}

// read returns the next packet, with its header.
func (s *scripted) read() []byte {
	s.t.Helper()
	_ = s.conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	first, err := s.in.ReadByte()
	if err != nil {
		s.t.Fatal(err)
	}
	n, _, err := packets.DecodeLength(s.in)
	if err != nil {
		s.t.Fatal(err)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(s.in, body); err != nil {
		s.t.Fatal(err)
	}
	return append([]byte{first}, body...)
}

// send sends a packet.
func (s *scripted) send(pk *packets.Packet) {
	s.t.Helper()
	pk.ProtocolVersion = 5
	var out bytes.Buffer
	err := encodePacket(pk, &out)
	if pk.FixedHeader.Type == packets.Connack {
		err = pk.ConnackEncode(&out)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.write(out.Bytes())
}

func (s *scripted) write(b []byte) {
	s.t.Helper()
	if _, err := s.conn.Write(b); err != nil {
		s.t.Fatal(err)
	}
}

func message(topic string, qos byte, id uint16, payload string) *packets.Packet {
	return &packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Publish, Qos: qos}, PacketID: id, TopicName: topic, Payload: []byte(payload)}
}

// What the hub could not hold is read past; it is refused, and what follows is read.
func TestLongMessagesAreReadPast(t *testing.T) {
	t.Parallel()
	_, l, s := connected(t, mqttConfig(inOnly, nil), packets.Properties{})
	s.send(message("a/b", 1, 7, strings.Repeat("x", packetSlack+2000)))
	s.send(message("a/b", 1, 8, "short"))
	long, err := l.next(t.Context())
	if err != nil || long.refused == nil || long.name != "a/b" || long.payload != nil {
		t.Fatalf("got %+v, %v", long, err)
	}
	go long.refuse()
	if got := s.read(); !bytes.Equal(got, []byte{packets.Puback << 4, 0, 7}) {
		t.Errorf("acknowledged with % x", got)
	}
	if short, err := l.next(t.Context()); err != nil || string(short.payload) != "short" || short.channel != "a.b" {
		t.Errorf("got %+v, %v", short, err)
	}
}

// What a broker may not send ends the link with the reason.
func TestBadPacketsEndTheLink(t *testing.T) {
	t.Parallel()
	alias := message("a/b", 0, 0, "x")
	alias.Properties.TopicAlias, alias.Properties.TopicAliasFlag = 3, true
	var aliased bytes.Buffer
	alias.ProtocolVersion = 5
	if err := alias.PublishEncode(&aliased); err != nil {
		t.Fatal(err)
	}
	for says, b := range map[string][]byte{
		"topic alias":     aliased.Bytes(),
		"QoS 2":           {0x34, 8, 0, 1, 'a', 0, 1, 0, 'x', 'y'},
		"length":          {0x30, 0xff, 0xff, 0xff, 0xff, 0xff},
		"utf-8":           {0x30, 5, 0, 2, 0xff, 0xfe, 0},
		"out of range":    {0x30, 3, 0, 9, 'a'},
		"not asked for":   {0x62, 2, 0, 1},
		"has 99999 bytes": nil,
		"shutting down":   {0xe0, 1, 0x8b},
	} {
		_, l, s := connected(t, mqttConfig(inOnly, nil), packets.Properties{})
		if b == nil {
			b = []byte{0x90, 0x80 | 0x1f, 0x80 | 0x0d, 0x06, 1}
			l.wire.limit = 10
			says = "of type 9 has"
		}
		go func() { _, _ = s.conn.Write(b) }() // which the end cuts off
		if _, err := l.next(t.Context()); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: got %v", says, err)
		}
	}
}

// No more is sent than the broker allows unanswered, and nothing that is longer than it
// allows. An answer may come in any order; what it refuses is told.
func TestTheBrokersBoundsAreKept(t *testing.T) {
	t.Parallel()
	b, l, s := connected(t, mqttConfig(nil, outOnly), packets.Properties{ReceiveMaximum: 2, MaximumPacketSize: 200})
	w := b.forwarders[0].window
	parcels := make([]*parcel, 4)
	for i := range parcels {
		parcels[i] = &parcel{route: b.forwarders[0].route, to: "o/x", position: at(uint64(i + 1)), payload: []byte{byte('a' + i)}}
		if err := w.add(t.Context(), parcels[i]); err != nil {
			t.Fatal(err)
		}
	}
	sent := make(chan int, len(parcels))
	go func() {
		for i, p := range parcels {
			if err := l.send(t.Context(), p); err != nil {
				return
			}
			sent <- i
		}
	}()
	first, second := s.read(), s.read()
	if first[len(first)-1] != 'a' || second[len(second)-1] != 'b' || first[0] != 0x32 {
		t.Fatalf("got % x and % x", first, second)
	}
	if next(t, sent) != 0 || next(t, sent) != 1 || len(l.slots) != 2 {
		t.Error("it does not count")
	}
	id := func(packet []byte) uint16 { return uint16(packet[6])<<8 | uint16(packet[7]) }
	s.send(&packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Puback}, PacketID: id(second)})
	third := s.read()
	if third[len(third)-1] != 'c' {
		t.Errorf("got % x", third)
	}
	wantDone(t, w, 0, 4)
	s.send(&packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Puback}, PacketID: id(first), ReasonCode: packets.ErrQuotaExceeded.Code})
	s.read()
	for deadline := time.Now().Add(20 * time.Second); ; {
		if _, _, failed := w.state(); failed != nil {
			if !strings.Contains(failed.Error(), "quota") {
				t.Errorf("it failed with %v", failed)
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("nothing is told of what the broker refused")
		}
	}
	s.send(&packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Puback}, PacketID: id(third)})
	if err := l.send(t.Context(), &parcel{route: b.forwarders[0].route, to: "o/x", payload: make([]byte, 300)}); err == nil || !strings.Contains(err.Error(), "allows 200") {
		t.Errorf("too long: %v", err)
	}
}

// QoS 0 may take half of the queue; the rest is for what must not be lost.
func TestAFloodOfQoS0IsDropped(t *testing.T) {
	t.Parallel()
	b, l, s := connected(t, mqttConfig(inOnly, nil), packets.Properties{})
	for range queueMessages/2 + 10 {
		s.send(message("a/b", 0, 0, "x"))
	}
	s.send(message("a/b", 1, 9, "y"))
	for i := range queueMessages/2 + 1 {
		d, err := l.next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if string(d.payload) == "y" {
			break
		}
		if i == queueMessages/2 {
			t.Error("what must not be lost is not there")
		}
	}
	if n := b.status.snapshot().RefusedIn; n < 1 {
		t.Errorf("%d were dropped", n)
	}
}

// Whatever a broker sends, reading it ends, and with no more memory than the bound.
func FuzzWire(f *testing.F) {
	for _, seed := range [][]byte{{0x30, 3, 0, 1, 'a'}, {0x20, 3, 0, 0, 0}, {0x90, 4, 0, 1, 0, 1}, {0xe0, 1, 0x8b}, {0x34, 0xff, 0xff, 0x03, 0, 1, 'a', 0, 1}} {
		f.Add(byte(5), seed)
		f.Add(byte(4), seed)
	}
	f.Fuzz(func(t *testing.T, version byte, text []byte) {
		w := &mqttWire{version: 4 + version%2, limit: 1000, in: bufio.NewReader(bytes.NewReader(text))}
		for {
			pk, tooLarge, err := w.read()
			if err != nil {
				return
			}
			if len(pk.Payload) > 1000 || tooLarge && pk.Payload != nil {
				t.Fatalf("it has read %d bytes", len(pk.Payload))
			}
		}
	})
}
