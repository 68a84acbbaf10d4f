package api_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"fanfold/api"
	"fanfold/hub"
	"fanfold/hub/stream"

	"github.com/mochi-mqtt/server/v2/packets"
)

// A session that is kept brings what its client missed, in order, and what was not
// acknowledged once more, under its own packet identifier.
func TestASessionGoesOnWhereItWas(t *testing.T) {
	for _, version := range []byte{4, 5} {
		t.Run(fmt.Sprint(version), func(t *testing.T) {
			addr, h := serveMQTT(t, api.Config{})
			c := connecting{version: version, id: "keeps", keep: true}
			d := welcome(t, addr, c)
			if d.connack.SessionPresent {
				t.Error("a new session is said to be there already")
			}
			d.subscribe(filter("a/#", 1), filter("b", 0))
			out := welcome(t, addr, connecting{})
			for i := range 4 {
				out.publish("a/b", fmt.Sprint(i))
			}
			d.gets("a/b", "0")
			unacknowledged := d.next(packets.Publish)
			d.ack(d.next(packets.Publish))
			d.next(packets.Publish)
			d.isQuiet()
			d.drop()
			waitFor(t, "the end of the connection", func() bool { return sessions(t, h) == 1 })
			out.publish("a/b", "4")
			out.publish("b", "kept too")
			out.publish("c", "not asked for")

			d = welcome(t, addr, c)
			if !d.connack.SessionPresent {
				t.Error("the session is not there any more")
			}
			if p := d.gets("a/b", "1"); p.PacketID != unacknowledged.PacketID || !p.FixedHeader.Dup {
				t.Errorf("it came as %d, now as %d, dup %t", unacknowledged.PacketID, p.PacketID, p.FixedHeader.Dup)
			}
			d.gets("a/b", "3")
			if p := d.gets("a/b", "4"); p.FixedHeader.Dup {
				t.Error("a message that was never sent is marked as sent again")
			}
			d.gets("b", "kept too")
			out.publish("a/b", "5")
			d.gets("a/b", "5")
			d.isQuiet()
			d.bye()

			d = welcome(t, addr, c)
			d.isQuiet()
			d.bye()
			c.keep = false
			if d := welcome(t, addr, c); d.connack.SessionPresent {
				t.Error("a clean session is said to be there already")
			} else {
				d.bye()
			}
			c.keep = true
			if d := welcome(t, addr, c); d.connack.SessionPresent {
				t.Error("a session is there behind a clean one")
			}
		})
	}
}

// sessions is how many the hub has.
func sessions(t *testing.T, h *openHub) int {
	t.Helper()
	info, err := h.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return info.Sessions
}

// onStore runs an API on the store in a folder, from New to the end in order.
func onStore(t *testing.T, dir string, rules hub.Rules, use func(addr string, h *openHub)) {
	t.Helper()
	engine, err := stream.Open(t.Context(), stream.Config{Dir: dir, Rules: rules})
	if err != nil {
		t.Fatal(err)
	}
	h, err := hub.New(hub.Config{Engine: engine, Rules: rules})
	if err != nil {
		t.Fatal(err)
	}
	handler, err := api.New(api.Config{Hub: h, MaxTextBytes: 1024, Page: http.NotFoundHandler()})
	if err != nil {
		t.Fatal(err)
	}
	t.Run("", func(t *testing.T) {
		open := &openHub{h, h.As(&hub.Principal{Grant: hub.Everything()}), handler}
		use(openDoor(t, open), open)
	})
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := errors.Join(h.Shutdown(ctx), handler.Wait(ctx), engine.Close()); err != nil {
		t.Error(err)
	}
}

// A session, a message of QoS 2 under way and retained messages outlive the hub.
func TestARestartKeepsWhatDevicesLeftBehind(t *testing.T) {
	dir := t.TempDir()
	c := connecting{version: 5, id: "keeps", keep: true}
	payload := `{ "a": "<&>" }`
	onStore(t, dir, nil, func(addr string, h *openHub) {
		d := welcome(t, addr, c)
		d.subscribe(filter("a/#", 1))
		d.send(publication("once", "x", 2, 5))
		d.next(packets.Pubrec)
		d.bye()
		out := welcome(t, addr, connecting{})
		out.publish("a/b", "missed")
		out.send(retained(publication("r/1", payload, 1, 1)))
		out.next(packets.Puback)
		out.send(retained(publication("r/2", "gone", 1, 1)))
		out.next(packets.Puback)
		out.send(retained(publication("r/2", "", 1, 1)))
		out.next(packets.Puback)
	})
	onStore(t, dir, nil, func(addr string, h *openHub) {
		d := welcome(t, addr, c)
		if !d.connack.SessionPresent {
			t.Error("the session is not there any more")
		}
		d.gets("a/b", "missed")
		again := publication("once", "x", 2, 5)
		again.FixedHeader.Dup = true
		d.send(again)
		d.next(packets.Pubrec)
		page, err := h.History(t.Context(), hub.Query{Channel: "once", Limit: 10})
		if err != nil || len(page.Messages) != 1 {
			t.Errorf("%d messages are stored, %v: want 1", len(page.Messages), err)
		}
		d.subscribe(filter("r/#", 1))
		if p := d.gets("r/1", payload); !p.FixedHeader.Retain {
			t.Error("a retained message is not said to be one")
		}
		d.isQuiet()
	})
}

// A session whose place is not kept any more gets all that is.
func TestASessionThatWasAwayForTooLongGetsWhatIsKept(t *testing.T) {
	rules := hub.Rules{{Name: "main", Channels: ">", Messages: 10, Age: time.Hour}}
	onStore(t, "", rules, func(addr string, h *openHub) {
		c := connecting{id: "away", keep: true}
		d := welcome(t, addr, c)
		d.subscribe(filter("a", 1))
		d.bye()
		const sent = 60
		out := welcome(t, addr, connecting{})
		for i := range sent {
			out.publish("a", fmt.Sprint(i))
		}
		d = welcome(t, addr, c)
		if !d.connack.SessionPresent {
			t.Error("the session is not there any more")
		}
		first := d.next(packets.Publish)
		d.ack(first)
		var n int
		if _, err := fmt.Sscan(string(first.Payload), &n); err != nil || n == 0 || n > sent-10 {
			t.Fatalf("the first is %q, %v", first.Payload, err)
		}
		for n++; n < sent; n++ {
			d.gets("a", fmt.Sprint(n))
		}
		d.isQuiet()
	})
}

// What was missed is more than an outbox holds, and than the client takes at once.
func TestALongBacklogIsTakenAsFastAsTheClientGoes(t *testing.T) {
	addr, h := serveMQTT(t, api.Config{})
	c := connecting{version: 5, id: "slow", keep: true, props: packets.Properties{ReceiveMaximum: 3}}
	d := welcome(t, addr, c)
	d.subscribe(filter("a", 1))
	d.bye()
	const n, size = 300, 16 << 10 // 4.8 MB, an outbox has 1
	text := fmt.Sprintf(`"%0*d"`, size, 0)
	for range n {
		if _, err := h.Publish(t.Context(), &hub.Message{Channel: "a", Data: []byte(text)}, hub.PublishOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	d = welcome(t, addr, c)
	for range n {
		d.gets("a", text[1:len(text)-1])
	}
	d.isQuiet()
}

func TestTakeover(t *testing.T) {
	addr, h := serveMQTT(t, api.Config{})
	c := connecting{version: 5, id: "twice", keep: true}
	d := welcome(t, addr, c)
	d.subscribe(filter("a", 1))
	second := welcome(t, addr, c)
	if !second.connack.SessionPresent {
		t.Error("the session was not taken over")
	}
	if code := d.ended(); code != packets.ErrSessionTakenOver.Code {
		t.Errorf("the first connection ends with %#x", code)
	}
	welcome(t, addr, connecting{}).publish("a", "x")
	second.gets("a", "x")
	if n := sessions(t, h); n != 2 {
		t.Errorf("there are %d sessions", n)
	}
}

func TestSessionsExpire(t *testing.T) {
	addr, _ := serveMQTT(t, api.Config{MQTTExpiry: time.Hour})
	asks := func(seconds uint32) connecting {
		return connecting{version: 5, id: "expires", keep: true, props: packets.Properties{SessionExpiryInterval: seconds, SessionExpiryIntervalFlag: true}}
	}
	d := welcome(t, addr, asks(1<<32-1))
	if p := d.connack.Properties; p.SessionExpiryInterval != 3600 || !p.SessionExpiryIntervalFlag {
		t.Errorf("the session is said to be kept for %d s", p.SessionExpiryInterval)
	}
	d.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Disconnect}, Properties: packets.Properties{SessionExpiryIntervalFlag: true}})
	d.ended()
	d = welcome(t, addr, asks(1))
	if d.connack.SessionPresent {
		t.Error("a session that was to end is there")
	}
	d.bye()
	d = welcome(t, addr, asks(0))
	d.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Disconnect}, Properties: packets.Properties{SessionExpiryInterval: 9, SessionExpiryIntervalFlag: true}})
	if code := d.ended(); code != packets.ErrProtocolViolation.Code {
		t.Errorf("a session that was not to be kept, and then was, ends with %#x", code)
	}
}

func TestClientIdentifiers(t *testing.T) {
	addr, _ := serveMQTT(t, api.Config{})
	if d := welcome(t, addr, connecting{version: 5}); d.connack.Properties.AssignedClientID == "" {
		t.Error("no client identifier was assigned")
	}
	welcome(t, addr, connecting{version: 4})
	if d := ask(t, addr, connecting{version: 4, keep: true}); d.connack.ReasonCode != 2 {
		t.Errorf("a session without an identifier is answered by %d", d.connack.ReasonCode)
	}
}

// A client that is silent for longer than it said is gone.
func TestKeepAlive(t *testing.T) {
	addr, _ := serveMQTT(t, api.Config{})
	watch := welcome(t, addr, connecting{id: "watch"})
	watch.subscribe(filter("will", 1))
	d := welcome(t, addr, connecting{version: 5, id: "silent", keepAlive: 1, will: &packets.ConnectParams{WillTopic: "will", WillPayload: []byte("silent")}})
	if code := d.ended(); code != packets.ErrKeepAliveTimeout.Code {
		t.Errorf("it ends with %#x", code)
	}
	watch.gets("will", "silent")
}

// At the hub's end devices are told why theirs ends.
func TestDevicesAreToldOfTheEnd(t *testing.T) {
	var d *thing
	onStore(t, "", nil, func(addr string, h *openHub) {
		d = welcome(t, addr, connecting{version: 5})
		d.subscribe(filter("a", 1))
	})
	if code := d.ended(); code != packets.ErrServerShuttingDown.Code {
		t.Errorf("it ends with %#x", code)
	}
}

// A client that acknowledges nothing does not hold up the end of its session.
func TestAClientThatWaitsIsLetGo(t *testing.T) {
	addr, h := serveMQTT(t, api.Config{})
	d := welcome(t, addr, connecting{version: 5, id: "waits", props: packets.Properties{ReceiveMaximum: 1}})
	d.subscribe(filter("a", 1))
	out := welcome(t, addr, connecting{})
	for range 3 {
		out.publish("a", "x")
	}
	d.next(packets.Publish)
	d.isQuiet()
	if n, err := h.Disconnect(hub.Target{AnyUser: true}, hub.Reason{Cause: hub.CauseServer}); n != 2 || err != nil {
		t.Fatal(n, err)
	}
	if code := d.ended(); code != packets.ErrAdministrativeAction.Code {
		t.Errorf("it ends with %#x", code)
	}
}

// Clients that say they don't want it are not told reasons.
func TestReasonsAreLeftOutIfNotWanted(t *testing.T) {
	addr, _ := serveMQTT(t, api.Config{})
	for _, wanted := range []byte{0, 1} {
		d := welcome(t, addr, connecting{version: 5, props: packets.Properties{RequestProblemInfo: wanted, RequestProblemInfoFlag: true}})
		d.send(publication("a/"+string(slices.Repeat([]byte("x"), 300)), "x", 1, 1))
		p := d.next(packets.Puback)
		if p.ReasonCode != packets.ErrTopicNameInvalid.Code || (p.Properties.ReasonString != "") != (wanted == 1) {
			t.Errorf("wanted %d: %#x, %q", wanted, p.ReasonCode, p.Properties.ReasonString)
		}
	}
}
