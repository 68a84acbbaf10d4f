package api_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"fanfold/api"
	"fanfold/hub"

	"github.com/mochi-mqtt/server/v2/packets"
)

// What a device publishes comes to devices as it was, and to everybody else as data
// of the same meaning.
func TestPayloadsComeBackAsTheyWere(t *testing.T) {
	addr, h := serveMQTT(t, api.Config{})
	in := welcome(t, addr, connecting{version: 5})
	in.subscribe(filter("a/#", 1))
	out := welcome(t, addr, connecting{})
	for _, test := range []struct{ payload, data string }{
		{"21.5", `{"message":"21.5"}`},
		{"", `{"message":""}`},
		{" text \n with <spaces> & \u2028", `{"message":" text \n with <spaces> & \u2028"}`},
		{`"quoted"`, `{"message":"\"quoted\""}`},
		{`{"a": 1,  "b":[ ]}`, `{"a": 1,  "b":[ ]}`},
		{`[1, 2]`, `[1, 2]`},
		{" {\"a\":1}", `{"message":" {\"a\":1}"}`},
		{"{\n\"a\":1}", `{"message":"{\n\"a\":1}"}`},
		{`{"message": "hot", "priority": 5}`, `{"message": "hot", "priority": 5}`},
		{`{"message":"AAE=","encoding":"base64"}`, `{"message":"AAE=","encoding":"base64"}`},
		{`{"event":"message_delete","sequence_id":"x"}`, `{"event":"message_delete","sequence_id":"x"}`},
		{`{"a":`, `{"message":"{\"a\":"}`},
		{"\x00\x01\xff", `{"message":"AAH/","encoding":"base64"}`},
		{"\xff{}", `{"message":"/3t9","encoding":"base64"}`},
		{"nul \x00", `{"message":"nul \u0000"}`},
	} {
		out.publish("a/b", test.payload)
		in.gets("a/b", test.payload)
		page, err := h.History(t.Context(), hub.Query{Channel: "a.b", Limit: 1, Reverse: true})
		if err != nil || len(page.Messages) != 1 {
			t.Fatal(err)
		}
		if got := string(page.Messages[0].Data); got != test.data {
			t.Errorf("%q became %s, want %s", test.payload, got, test.data)
		}
	}
}

// What anybody else publishes comes to devices as plain text.
func TestDevicesSeePlainText(t *testing.T) {
	addr, h := serveMQTT(t, api.Config{})
	in := welcome(t, addr, connecting{})
	in.subscribe(filter("a/+", 1))
	for data, want := range map[string]string{
		`{"message":"Disk full","priority":4}`:   "Disk full",
		`"text"`:                                 "text",
		`{"a": 1}`:                               `{"a": 1}`,
		`17`:                                     "17",
		`{"message":"AAH/","encoding":"base64"}`: "\x00\x01\xff",
		`{"message":"no b64","encoding":"base64"}`: "no b64",
	} {
		if _, err := h.Publish(t.Context(), &hub.Message{Channel: "a.b", Data: []byte(data)}, hub.PublishOptions{}); err != nil {
			t.Fatal(err)
		}
		if p := in.gets("a/b", want); p.FixedHeader.Qos != 1 || p.FixedHeader.Retain {
			t.Errorf("it has the header %+v", p.FixedHeader)
		}
	}
	in.isQuiet()
}

// A message is delivered with the lower one of two QoS.
func TestQoSIsTheLowerOne(t *testing.T) {
	addr, h := serveMQTT(t, api.Config{})
	all := welcome(t, addr, connecting{id: "all"})
	if got := all.subscribe(filter("0", 0), filter("1", 1), filter("2", 2)); !slices.Equal(got, []byte{0, 1, 1}) {
		t.Errorf("granted are %v", got)
	}
	out := welcome(t, addr, connecting{id: "out"})
	for subscribed := range byte(3) {
		topic := fmt.Sprint(subscribed)
		for qos := range byte(3) {
			out.send(publication(topic, "x", qos, 1))
			switch qos {
			case 1:
				out.next(packets.Puback)
			case 2:
				out.next(packets.Pubrec)
				out.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Pubrel}, PacketID: 1})
				out.next(packets.Pubcomp)
			}
			if p := all.gets(topic, "x"); p.FixedHeader.Qos != min(qos, subscribed, 1) {
				t.Errorf("published with %d, subscribed with %d: delivered with %d", qos, subscribed, p.FixedHeader.Qos)
			}
		}
	}
	page, err := h.History(t.Context(), hub.Query{Channel: ">", Limit: 100})
	if err != nil || len(page.Messages) != 9 {
		t.Errorf("%d messages are stored, %v: want 9", len(page.Messages), err)
	}
}

// A message of QoS 2 that comes again before it is released is stored once, also if
// the connection was lost in between.
func TestExactlyOnceIsStoredOnce(t *testing.T) {
	addr, h := serveMQTT(t, api.Config{})
	c := connecting{id: "once", keep: true}
	d := welcome(t, addr, c)
	again := publication("a", "x", 2, 5)
	d.send(again)
	d.next(packets.Pubrec)
	again.FixedHeader.Dup = true
	d.send(again)
	d.next(packets.Pubrec)
	d.drop()
	d = welcome(t, addr, c)
	d.send(again)
	d.next(packets.Pubrec)
	d.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Pubrel}, PacketID: 5})
	d.next(packets.Pubcomp)
	again.FixedHeader.Dup = false
	d.send(again) // another message now
	d.next(packets.Pubrec)
	page, err := h.History(t.Context(), hub.Query{Channel: "a", Limit: 10})
	if err != nil || len(page.Messages) != 2 {
		t.Errorf("%d messages are stored, %v: want 2", len(page.Messages), err)
	}
}

// Wildcards at the beginning don't match topics that begin with $; a/# matches a.
func TestWhatFiltersMatch(t *testing.T) {
	addr, _ := serveMQTT(t, api.Config{})
	all := welcome(t, addr, connecting{id: "all"})
	all.subscribe(filter("#", 0))
	one := welcome(t, addr, connecting{id: "one"})
	one.subscribe(filter("+/b", 0))
	a := welcome(t, addr, connecting{id: "a"})
	a.subscribe(filter("a/#", 0), filter("c/#", 0))
	system := welcome(t, addr, connecting{id: "system"}) // what comes to two filters has no order
	system.subscribe(filter("$SYS/#", 0))
	out := welcome(t, addr, connecting{id: "out"})
	for _, topic := range []string{"$SYS/b", "a", "a/b", "b/c", "/b", "a//"} {
		out.publish(topic, topic)
	}
	for _, topic := range []string{"a", "a/b", "b/c", "/b", "a//"} {
		all.gets(topic, topic)
	}
	for _, topic := range []string{"a/b", "/b"} {
		one.gets(topic, topic)
	}
	for _, topic := range []string{"a", "a/b", "a//"} {
		a.gets(topic, topic)
	}
	system.gets("$SYS/b", "$SYS/b")
	for _, d := range []*thing{all, one, a, system} {
		d.isQuiet()
	}
	a.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Unsubscribe}, PacketID: 3, Filters: packets.Subscriptions{{Filter: "a/#"}, {Filter: "x"}}})
	a.next(packets.Unsuback)
	out.publish("a/b", "again")
	a.isQuiet()
}

// A message that two of a client's subscriptions match comes once for each, and is
// counted for both: also by the one key that a and a/# share.
func TestOverlappingFilters(t *testing.T) {
	addr, _ := serveMQTT(t, api.Config{})
	d := welcome(t, addr, connecting{version: 5, id: "both", keep: true})
	d.subscribe(filter("a", 1), filter("a/#", 0))
	out := welcome(t, addr, connecting{})
	out.publish("a", "1")
	qos := d.gets("a", "1").FixedHeader.Qos + d.gets("a", "1").FixedHeader.Qos
	if d.isQuiet(); qos != 1 {
		t.Errorf("together they have the QoS %d", qos)
	}
	d.bye()
	out.publish("a", "2")
	d = welcome(t, addr, connecting{version: 5, id: "both", keep: true})
	d.gets("a", "2")
	d.gets("a", "2")
	d.isQuiet()
}

// A client is in presence, and known as the publisher of what it publishes.
func TestDevicesAreInPresence(t *testing.T) {
	addr, h := serveMQTT(t, api.Config{})
	d := welcome(t, addr, connecting{id: "thermo"})
	d.subscribe(filter("a/b", 1))
	clients, err := h.Presence(t.Context(), "a.b")
	if err != nil || len(clients) != 1 {
		t.Fatalf("%d clients, %v", len(clients), err)
	}
	var info struct {
		Client string `json:"mqtt_client"`
	}
	if json.Unmarshal(clients[0].Info, &info) != nil || info.Client != "thermo" {
		t.Errorf("its info is %s", clients[0].Info)
	}
	d.publish("a/b", "x")
	page, err := h.History(t.Context(), hub.Query{Channel: "a.b", Limit: 1})
	if err != nil || page.Messages[0].Publisher.ID != clients[0].ID {
		t.Errorf("the publisher is %+v, %v", page.Messages[0].Publisher, err)
	}
}

// Version 5 carries more with a message, unaltered.
func TestPropertiesAreCarried(t *testing.T) {
	addr, h := serveMQTT(t, api.Config{})
	in := welcome(t, addr, connecting{version: 5})
	in.send(packets.Packet{
		FixedHeader: packets.FixedHeader{Type: packets.Subscribe}, PacketID: 1,
		Properties: packets.Properties{SubscriptionIdentifier: []int{300}}, Filters: packets.Subscriptions{filter("#", 1)},
	})
	in.next(packets.Suback)
	out := welcome(t, addr, connecting{version: 5})
	p := publication("ask", "?", 1, 1)
	p.Properties = packets.Properties{
		PayloadFormat: 1, PayloadFormatFlag: true, MessageExpiryInterval: 1000, ContentType: "text/plain", ResponseTopic: "answers/1", CorrelationData: []byte{0, 1},
		User: []packets.UserProperty{{Key: "z", Val: "1"}, {Key: "a", Val: "2"}, {Key: "z", Val: "3"}, {Key: "mqtt", Val: "{"}},
	}
	out.send(p)
	out.next(packets.Puback)
	got := in.gets("ask", "?").Properties
	if got.MessageExpiryInterval < 990 || got.MessageExpiryInterval > 1000 {
		t.Errorf("it expires in %d s", got.MessageExpiryInterval)
	}
	want := p.Properties
	want.MessageExpiryInterval, want.SubscriptionIdentifier = got.MessageExpiryInterval, []int{300}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	page, err := h.History(t.Context(), hub.Query{Channel: "ask", Limit: 1})
	if tags := page.Messages[0].Tags; err != nil || tags["a"] != "2" || tags["z"] != "3" || len(tags) != 3 {
		t.Errorf("its tags are %q, %v", tags, err)
	}
	// and from others their tags
	if _, err := h.Publish(t.Context(), &hub.Message{Channel: "b", Data: []byte(`"x"`), Tags: map[string]string{"k": "v", "mqtt": "mine"}}, hub.PublishOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := in.gets("b", "x").Properties.User; !slices.Equal(got, []packets.UserProperty{{Key: "k", Val: "v"}}) {
		t.Errorf("the tags came as %v", got)
	}
}

func TestTopicAliases(t *testing.T) {
	addr, _ := serveMQTT(t, api.Config{})
	in := welcome(t, addr, connecting{version: 5})
	in.subscribe(filter("#", 0))
	out := welcome(t, addr, connecting{version: 5})
	if out.connack.Properties.TopicAliasMaximum != 16 {
		t.Errorf("the hub takes %d aliases", out.connack.Properties.TopicAliasMaximum)
	}
	for _, topic := range []string{"a/b", "", "c", ""} {
		p := publication(topic, "x", 1, 1)
		p.Properties.TopicAlias, p.Properties.TopicAliasFlag = 16, true
		out.send(p)
		out.next(packets.Puback)
	}
	for _, topic := range []string{"a/b", "a/b", "c", "c"} {
		in.gets(topic, "x")
	}
	p := publication("", "x", 1, 1)
	p.Properties.TopicAlias, p.Properties.TopicAliasFlag = 3, true
	out.send(p)
	if code := out.ended(); code != packets.ErrProtocolViolation.Code {
		t.Errorf("an alias for nothing ends with %#x", code)
	}
}

// A client is sent no more messages than it takes at once, and no larger ones.
func TestAClientsOwnLimits(t *testing.T) {
	addr, _ := serveMQTT(t, api.Config{})
	in := welcome(t, addr, connecting{version: 5, props: packets.Properties{ReceiveMaximum: 2, MaximumPacketSize: 100}})
	in.subscribe(filter("#", 1))
	out := welcome(t, addr, connecting{})
	out.publish("large", strings.Repeat("x", 100))
	for i := range 5 {
		out.publish("a", fmt.Sprint(i))
	}
	first, second := in.next(packets.Publish), in.next(packets.Publish)
	in.isQuiet() // pings are answered all the same
	in.ack(second)
	third := in.next(packets.Publish)
	in.isQuiet()
	in.ack(first)
	in.ack(third)
	for i, p := range []packets.Packet{first, second, third} {
		if string(p.Payload) != fmt.Sprint(i) {
			t.Errorf("message %d is %q", i, p.Payload)
		}
	}
	in.gets("a", "3")
	in.gets("a", "4")
	in.isQuiet()
}

// What is too large is refused, and a packet that could not be that either ends the
// connection.
func TestLargePayloads(t *testing.T) {
	addr, _ := serveMQTT(t, api.Config{})
	d := welcome(t, addr, connecting{version: 5})
	d.publish("a", strings.Repeat("x", 65000))
	d.send(publication("a", strings.Repeat("x", 65537), 1, 1))
	if p := d.next(packets.Puback); p.ReasonCode != packets.ErrQuotaExceeded.Code || !strings.Contains(p.Properties.ReasonString, "65536") {
		t.Errorf("PUBACK has %#x, %q", p.ReasonCode, p.Properties.ReasonString)
	}
	d.send(publication("a", strings.Repeat("x", int(d.connack.Properties.MaximumPacketSize)), 1, 1))
	if code := d.ended(); code != packets.ErrPacketTooLarge.Code {
		t.Errorf("it ends with %#x", code)
	}
}

// A message that is not stored is not acknowledged as if it were.
func TestWhatIsNotStoredIsNotAcknowledged(t *testing.T) {
	_, h := serveOn(t, api.Config{}, func(e hub.Engine) hub.Engine { return full{e} })
	addr := openDoor(t, h)
	for qos := byte(1); qos <= 2; qos++ {
		d := welcome(t, addr, connecting{version: 5})
		d.send(publication("a", "x", qos, 1))
		if p := d.next(map[byte]byte{1: packets.Puback, 2: packets.Pubrec}[qos]); p.ReasonCode != packets.ErrQuotaExceeded.Code {
			t.Errorf("QoS %d is answered by %#x", qos, p.ReasonCode)
		}
		old := welcome(t, addr, connecting{version: 4})
		old.send(publication("a", "x", qos, 1))
		old.ended()
	}
}
