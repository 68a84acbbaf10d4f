package dialect

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"fanfold/hub"

	"github.com/mochi-mqtt/server/v2/packets"
)

// noSessions keeps nothing; nothingRetained neither.
type noSessions struct{}

func (noSessions) Attach(context.Context, MQTTConnect, MQTTClient) (MQTTSession, *MQTTState, error) {
	return noSession{}, nil, nil
}

type noSession struct{}

func (noSession) Save(context.Context) error { return nil }
func (noSession) Detach(ctx context.Context, _ MQTTState, _ time.Duration, w *MQTTWill) {
	if w != nil {
		w.Publish(ctx)
	}
}

type nothingRetained struct{}

func (nothingRetained) Publish(_ context.Context, _ *hub.Message, _ bool, publish func() error) error {
	return publish()
}
func (nothingRetained) Match([]string) []*hub.Message { return nil }

func newTestMQTT(h *hub.Actor) *MQTT {
	return NewMQTT(MQTTConfig{
		Sessions: noSessions{}, Retained: nothingRetained{}, Store: h, Now: time.Now, NewLock: func() Locker { return new(sync.Mutex) },
		MaxPayloadBytes: 1000, MaxExpiry: time.Hour,
	})
}

// mqttFar is the far end of a connection.
type mqttFar struct {
	peer   Peer
	mu     sync.Mutex
	got    []byte // guarded by mu
	closed bool   // guarded by mu
}

// Wake implements [hub.Conn].
func (c *mqttFar) Wake() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for n := -1; n != len(c.got); {
		n = len(c.got)
		c.got = c.peer.(Taker).Take(c.got, n+1<<10)
	}
}

// Close implements [hub.Conn]. It is called in Take.
func (c *mqttFar) Close(hub.Reason) { c.closed = true }

// speak opens a connection, says something and returns what came, and whether the
// connection has ended.
func speak(t testing.TB, d *MQTT, h *hub.Actor, chunks ...[]byte) (got []byte, ended bool) {
	t.Helper()
	far := &mqttFar{}
	far.mu.Lock() // nothing is taken before there is a peer
	peer, err := d.Connect(t.Context(), h, far, Request{})
	if err != nil {
		t.Fatal(err)
	}
	far.peer = peer
	far.mu.Unlock()
	for _, chunk := range chunks {
		peer.Receive(t.Context(), chunk)
	}
	peer.(Ender).End(t.Context())
	ended = peer.Session().Ended()
	peer.Session().Close(hub.Reason{Cause: hub.CauseClosed})
	peer.Session().Detach()
	far.mu.Lock()
	defer far.mu.Unlock()
	return far.got, ended
}

// Connects, as bytes.
var (
	connect311 = []byte("\x10\x0d\x00\x04MQTT\x04\x02\x00\x00\x00\x01c")
	connect5   = []byte("\x10\x0e\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x01c")
)

// What is not MQTT, or breaks it, ends the connection with the code for that, and
// nothing else.
func TestBadPackets(t *testing.T) {
	t.Parallel()
	h := newTestHub(t, hub.Config{})
	d := newTestMQTT(h)
	const malformed, violation, tooLarge = 0x81, 0x82, 0x95
	for name, test := range map[string]struct {
		packet string
		code   byte
	}{
		"type 0":                         {"\x00\x00", malformed},
		"AUTH":                           {"\xf0\x00", violation},
		"PINGRESP":                       {"\xd0\x00", violation},
		"second CONNECT":                 {string(connect5), violation},
		"length of five bytes":           {"\xc0\x80\x80\x80\x80\x00", malformed},
		"PINGREQ with flags":             {"\xc1\x00", malformed},
		"PINGREQ with a body":            {"\xc0\x01x", malformed},
		"too large":                      {"\x30\xff\xff\x03", tooLarge},
		"QoS 3":                          {"\x36\x06\x00\x01a\x00\x01\x00", malformed},
		"DUP with QoS 0":                 {"\x38\x04\x00\x01a\x00", malformed},
		"packet identifier 0":            {"\x32\x06\x00\x01a\x00\x00\x00", violation},
		"topic longer than the packet":   {"\x30\x03\x00\x09a", malformed},
		"topic not UTF-8":                {"\x30\x04\x00\x01\xff\x00", malformed},
		"topic with a surrogate":         {"\x30\x06\x00\x03\xed\xa0\x80\x00", malformed},
		"topic with U+0000":              {"\x30\x04\x00\x01\x00\x00", malformed},
		"no topic":                       {"\x30\x03\x00\x00\x00", violation},
		"properties into the payload":    {"\x30\x07\x00\x01a\x02\x03\x00\x01", malformed},
		"properties longer than all":     {"\x30\x04\x00\x01a\x09", malformed},
		"unknown property":               {"\x30\x06\x00\x01a\x02\x7f\x00", malformed},
		"property of another packet":     {"\x30\x09\x00\x01a\x05\x11\x00\x00\x00\x01", malformed},
		"property twice":                 {"\x30\x08\x00\x01a\x04\x01\x00\x01\x00", violation},
		"flag of 2":                      {"\x30\x06\x00\x01a\x02\x01\x02", violation},
		"subscription identifier":        {"\x30\x06\x00\x01a\x02\x0b\x01", violation},
		"alias 0":                        {"\x30\x07\x00\x01a\x03\x23\x00\x00", 0x94},
		"alias too large":                {"\x30\x07\x00\x01a\x03\x23\x00\x11", 0x94},
		"SUBSCRIBE without flags":        {"\x80\x08\x00\x01\x00\x00\x01a\x00", malformed},
		"SUBSCRIBE without options":      {"\x82\x06\x00\x01\x00\x00\x01a", malformed},
		"SUBSCRIBE to nothing":           {"\x82\x03\x00\x01\x00", violation},
		"SUBSCRIBE, reserved options":    {"\x82\x07\x00\x01\x00\x00\x01a\xc0", malformed},
		"SUBSCRIBE, QoS 3":               {"\x82\x07\x00\x01\x00\x00\x01a\x03", malformed},
		"SUBSCRIBE, retain handling 3":   {"\x82\x07\x00\x01\x00\x00\x01a\x30", malformed},
		"SUBSCRIBE, identifier 0":        {"\x82\x09\x00\x01\x02\x0b\x00\x00\x01a\x00", violation},
		"UNSUBSCRIBE from nothing":       {"\xa2\x03\x00\x01\x00", violation},
		"PUBACK without identifier":      {"\x40\x01\x00", malformed},
		"PUBREL with flags of another":   {"\x60\x02\x00\x01", malformed},
		"DISCONNECT with too much":       {"\xe0\x03\x00\x00x", malformed},
		"DISCONNECT, session after all":  {"\xe0\x07\x00\x05\x11\x00\x00\x00\x01", violation},
		"a response topic with wildcard": {"\x30\x09\x00\x01a\x04\x08\x00\x01#x", 0},
	} {
		got, ended := speak(t, d, h, append(bytes.Clone(connect5), test.packet...))
		if len(got) < 2 || got[0] != 0x20 {
			t.Fatalf("%s: CONNECT is answered by %x", name, got)
		}
		got = got[2+got[1]:]
		switch {
		case test.code == 0:
			if ended || len(got) > 0 {
				t.Errorf("%s: ended %t, got %x", name, ended, got)
			}
		default:
			header, body, _, err := cutPacket(got, 1000)
			if !ended || err != nil || header.Type != packets.Disconnect || body[0] != test.code {
				t.Errorf("%s: ended %t, got %x, want a DISCONNECT of %#x", name, ended, got, test.code)
			}
		}
	}
}

// Without a CONNECT that can be read there is no answer, or its CONNACK says why.
func TestBadConnects(t *testing.T) {
	t.Parallel()
	h := newTestHub(t, hub.Config{})
	d := newTestMQTT(h)
	for name, test := range map[string]struct{ packet, want string }{
		"good":                     {string(connect311), "20020000"},
		"MQTT 3.1":                 {"\x10\x0f\x00\x06MQIsdp\x03\x02\x00\x00\x00\x01c", "20020000"},
		"HTTP":                     {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", ""},
		"PINGREQ":                  {"\xc0\x00", ""},
		"another protocol":         {"\x10\x0d\x00\x04MQTX\x04\x02\x00\x00\x00\x01c", ""},
		"version 6":                {"\x10\x0d\x00\x04MQTT\x06\x02\x00\x00\x00\x01c", "20"},
		"version 3 of MQTT":        {"\x10\x0d\x00\x04MQTT\x03\x02\x00\x00\x00\x01c", "20020001"},
		"reserved flag":            {"\x10\x0d\x00\x04MQTT\x04\x03\x00\x00\x00\x01c", ""},
		"retain without a will":    {"\x10\x0d\x00\x04MQTT\x04\x22\x00\x00\x00\x01c", ""},
		"a will of QoS 3":          {"\x10\x13\x00\x04MQTT\x04\x1e\x00\x00\x00\x01c\x00\x01w\x00\x01x", ""},
		"no payload in the will":   {"\x10\x12\x00\x04MQTT\x04\x06\x00\x00\x00\x01c\x00\x01w\x00\x00", "20020000"},
		"a wildcard in the will":   {"\x10\x13\x00\x04MQTT\x04\x06\x00\x00\x00\x01c\x00\x01#\x00\x01x", "20020005"},
		"password, no name":        {"\x10\x10\x00\x04MQTT\x04\x42\x00\x00\x00\x01c\x00\x01p", ""},
		"too short":                {"\x10\x0a\x00\x04MQTT\x04\x02\x00\x00", ""},
		"too long":                 {"\x10\x0e\x00\x04MQTT\x04\x02\x00\x00\x00\x01cx", ""},
		"no identifier, kept":      {"\x10\x0c\x00\x04MQTT\x04\x00\x00\x00\x00\x00", "20020002"},
		"identifier not UTF-8":     {"\x10\x0d\x00\x04MQTT\x04\x02\x00\x00\x00\x01\xff", ""},
		"an authentication method": {"\x10\x12\x00\x04MQTT\x05\x02\x00\x00\x04\x15\x00\x01x\x00\x01c", "20"},
		"receive maximum of 0":     {"\x10\x11\x00\x04MQTT\x05\x02\x00\x00\x03\x21\x00\x00\x00\x01c", "20"},
	} {
		got, ended := speak(t, d, h, []byte(test.packet), []byte("\xc0\x00"))
		text := hex.EncodeToString(got)
		if good := strings.HasSuffix(test.want, "20020000"); good && (ended || text != test.want+"d000") {
			t.Errorf("%s: ended %t, got %s", name, ended, text)
		} else if !good && (!ended || !strings.HasPrefix(text, test.want) || test.want == "" && text != "") {
			t.Errorf("%s: ended %t, got %q, want %q", name, ended, text, test.want)
		}
	}
}

// The stream of packets may be cut anywhere.
func TestPacketsMayComeInPieces(t *testing.T) {
	t.Parallel()
	h := newTestHub(t, hub.Config{})
	d := newTestMQTT(h)
	stream := append(bytes.Clone(connect311), "\x82\x06\x00\x01\x00\x01a\x01\x32\x06\x00\x01a\x00\x01x\xc0\x00"...)
	var pieces [][]byte
	for i := range stream {
		pieces = append(pieces, stream[i:i+1])
	}
	whole, _ := speak(t, d, h, stream)
	got, _ := speak(t, d, h, pieces...)
	for _, part := range []string{"20020000", "9003000101", "40020001", "d000"} {
		if !strings.Contains(hex.EncodeToString(got), part) || !strings.Contains(hex.EncodeToString(whole), part) {
			t.Errorf("in pieces %x, at once %x: want %s in both", got, whole, part)
		}
	}
}

// A client that does not read its answers is closed as slow, and takes no memory.
func TestAnswersThatNobodyReadsAreBounded(t *testing.T) {
	t.Parallel()
	h := newTestHub(t, hub.Config{})
	peer, err := newTestMQTT(h).Connect(t.Context(), h, deafConn{}, Request{})
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Session().Detach()
	peer.Receive(t.Context(), connect311)
	for range mqttReplyBytes / 2 {
		peer.Receive(t.Context(), []byte("\xc0\x00"))
	}
	if !peer.Session().Ended() {
		t.Error("the session goes on")
	}
	peer.(Ender).End(t.Context())
}

// deafConn is a transport that takes nothing.
type deafConn struct{}

func (deafConn) Wake()            {}
func (deafConn) Close(hub.Reason) {}

// Nobody's bytes end more than their own connection.
func FuzzMQTT(f *testing.F) {
	for _, seed := range []string{
		"", "\x82\x06\x00\x01\x00\x01#\x01", "\x82\x07\x00\x01\x00\x00\x01#\x01", "\x32\x06\x00\x01a\x00\x01x", "\x34\x06\x00\x01a\x00\x01x\x62\x02\x00\x01",
		"\xa2\x05\x00\x01\x00\x01a", "\xc0\x00\xe0\x00", "\x30\x07\x00\x01a\x03\x23\x00\x01\x30\x06\x00\x00\x03\x23\x00\x01",
		"\x30\x0d\x00\x01a\x09\x26\x00\x01k\x00\x01v\x01\x01x", "\x40\x02\x00\x01\x50\x02\x00\x01\x70\x02\x00\x01",
	} {
		f.Add(append(bytes.Clone(connect311), seed...), uint(3))
		f.Add(append(bytes.Clone(connect5), seed...), uint(100))
	}
	f.Add([]byte("\x10\x13\x00\x04MQTT\x04\x06\x00\x00\x00\x01c\x00\x01w\x00\x01x"), uint(1))
	h := newTestHub(f, hub.Config{})
	d := newTestMQTT(h)
	f.Fuzz(func(t *testing.T, stream []byte, cut uint) {
		n := min(int(cut%1000), len(stream))
		got, _ := speak(t, d, h, bytes.Clone(stream[:n]), bytes.Clone(stream[n:]))
		for len(got) > 0 { // what is answered are whole packets
			_, _, size, err := cutPacket(got, 1<<28)
			if err != nil || size == 0 {
				t.Fatalf("the answer %x is no packet, %v", got, err)
			}
			got = got[size:]
		}
	})
}

// Writing a message for one more client costs no allocation.
func TestWritingAMessageAllocatesNothing(t *testing.T) {
	h := newTestHub(t, hub.Config{})
	peer, err := newTestMQTT(h).Connect(t.Context(), h, deafConn{}, Request{})
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Session().Detach()
	p := peer.(*mqttPeer)
	p.version, p.window = mqtt5, mqttWindow5
	filter := &mqttFilter{MQTTFilter: MQTTFilter{Filter: "a/#", QoS: 1, ID: 3}, keys: []string{"a.>", "a"}}
	p.add(filter)
	m := &hub.Message{Channel: "a.b", Position: hub.Position{Epoch: "epoch00", Seq: 1}, Data: []byte(`{"message":"21.5"}`), Tags: map[string]string{"k": "v"}}
	frame, _ := encodeFrame("a.>", m, 0)
	buffer := make([]byte, 0, 1024)
	now := time.Now()
	n := testing.AllocsPerRun(1000, func() {
		f := parseFrame(frame, p.epoch)
		p.epoch = f.position.Epoch
		buffer, _ = p.appendMessage(buffer[:0], p.filterOf(&f), &f, now)
		p.inflight = p.inflight[:0]
	})
	if n > 0 {
		t.Errorf("%v allocations", n)
	}
	pk := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Publish, Qos: 1}, ProtocolVersion: 5}
	if err := pk.PublishDecode(buffer[2:]); err != nil || pk.TopicName != "a/b" || string(pk.Payload) != "21.5" || pk.Properties.SubscriptionIdentifier[0] != 3 || fmt.Sprint(pk.Properties.User) != "[{k v}]" {
		t.Errorf("%x is %+v, %v", buffer, pk, err)
	}
}
