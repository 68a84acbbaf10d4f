package api_test

import (
	"testing"

	"fanfold/api"
	"fanfold/hub"

	"github.com/mochi-mqtt/server/v2/packets"
)

// A new subscription brings the newest retained message of each topic, and nothing else
// that is stored.
func TestRetained(t *testing.T) {
	addr, _ := serveMQTT(t, api.Config{})
	out := welcome(t, addr, connecting{id: "out"})
	live := welcome(t, addr, connecting{version: 5, id: "live"})
	asPublished := packets.Subscription{Filter: "+", Qos: 1, RetainAsPublished: true}
	live.subscribe(filter("r/#", 1), asPublished)
	for _, p := range []packets.Packet{
		retained(publication("r/1", "old", 1, 1)), retained(publication("r/1", "new", 1, 1)), retained(publication("r/2", "x", 0, 0)),
		retained(publication("r/3", "gone", 1, 1)), retained(publication("r/3", "", 1, 1)), publication("r/4", "not retained", 1, 1),
		retained(publication("r", "as published", 1, 1)),
	} {
		out.send(p)
		if p.FixedHeader.Qos == 1 {
			out.next(packets.Puback)
		}
		got := live.gets(p.TopicName, string(p.Payload)).FixedHeader.Retain
		if p.TopicName == "r" { // both subscriptions have it, in no order
			if live.gets("r", "as published").FixedHeader.Retain == got {
				t.Error("a message did not come as it was published, or both times")
			}
		} else if got {
			t.Errorf("%s came as retained to who was there", p.TopicName)
		}
	}
	d := welcome(t, addr, connecting{version: 5, id: "new"})
	wants := func(what string, subscription packets.Subscription, payloads ...string) {
		t.Helper()
		d.subscribe(subscription)
		for _, payload := range payloads {
			p := d.next(packets.Publish)
			if p.FixedHeader.Qos > 0 {
				d.ack(p)
			}
			if string(p.Payload) != payload || !p.FixedHeader.Retain {
				t.Errorf("%s: got %q, retained %t, want %q", what, p.Payload, p.FixedHeader.Retain, payload)
			}
		}
		d.isQuiet()
	}
	wants("new", filter("r/#", 1), "as published", "new", "x")
	wants("again", filter("r/#", 1), "as published", "new", "x")
	wants("handling 1, not new", packets.Subscription{Filter: "r/#", Qos: 1, RetainHandling: 1})
	wants("handling 1, new", packets.Subscription{Filter: "r/1", Qos: 1, RetainHandling: 1}, "new")
	wants("handling 2", packets.Subscription{Filter: "r/2", Qos: 1, RetainHandling: 2})
	wants("pattern", filter("+/2", 1), "x")
}

func TestNoLocal(t *testing.T) {
	addr, _ := serveMQTT(t, api.Config{})
	d := welcome(t, addr, connecting{version: 5})
	d.subscribe(packets.Subscription{Filter: "a", Qos: 1, NoLocal: true})
	d.publish("a", "mine")
	welcome(t, addr, connecting{}).publish("a", "theirs")
	d.gets("a", "theirs")
	d.isQuiet()
}

func TestWills(t *testing.T) {
	addr, h := serveMQTT(t, api.Config{})
	watch := welcome(t, addr, connecting{id: "watch"})
	watch.subscribe(filter("will/#", 1))
	will := func(delay uint32) *packets.ConnectParams {
		return &packets.ConnectParams{WillTopic: "will/1", WillPayload: []byte("gone"), WillQos: 1, WillRetain: true, WillProperties: packets.Properties{WillDelayInterval: delay}}
	}
	t.Run("lost", func(t *testing.T) {
		welcome(t, addr, connecting{id: "d", will: will(0)}).drop()
		watch.gets("will/1", "gone")
		later := welcome(t, addr, connecting{id: "later"})
		later.subscribe(filter("will/1", 1))
		later.gets("will/1", "gone")
	})
	t.Run("goodbye", func(t *testing.T) {
		welcome(t, addr, connecting{id: "d", will: will(0)}).bye()
		watch.isQuiet()
	})
	t.Run("goodbye with will", func(t *testing.T) {
		d := welcome(t, addr, connecting{version: 5, id: "d", will: will(0)})
		d.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Disconnect}, ReasonCode: packets.CodeDisconnectWillMessage.Code, Properties: packets.Properties{ReasonString: "-"}})
		watch.gets("will/1", "gone")
	})
	t.Run("broken protocol", func(t *testing.T) {
		d := welcome(t, addr, connecting{id: "d", will: will(0)})
		d.write([]byte{0xff, 0xff})
		watch.gets("will/1", "gone")
	})
	t.Run("taken over", func(t *testing.T) {
		welcome(t, addr, connecting{id: "d", will: will(0)})
		welcome(t, addr, connecting{id: "d"})
		watch.gets("will/1", "gone")
	})
	t.Run("delay", func(t *testing.T) {
		c := connecting{version: 5, id: "delayed", keep: true, will: will(1)}
		d := welcome(t, addr, c)
		n := sessions(t, h)
		d.drop()
		waitFor(t, "the end", func() bool { return sessions(t, h) == n-1 })
		watch.isQuiet()
		d = welcome(t, addr, c) // back in time
		d.drop()
		watch.gets("will/1", "gone")
		watch.isQuiet()
	})
	t.Run("delay, session ends", func(t *testing.T) {
		c := connecting{version: 5, id: "delayed", keep: true, will: will(1000)}
		n := sessions(t, h)
		welcome(t, addr, c).drop()
		waitFor(t, "the end", func() bool { return sessions(t, h) == n })
		c.keep = false
		welcome(t, addr, c).bye()
		watch.gets("will/1", "gone")
	})
	t.Run("shutdown", func(t *testing.T) {
		var before hub.Position
		dir := t.TempDir()
		onStore(t, dir, nil, func(addr string, h *openHub) {
			welcome(t, addr, connecting{version: 5, id: "d", will: will(0)})
			welcome(t, addr, connecting{version: 5, id: "e", keep: true, will: will(1000)})
			before, _ = h.Now(t.Context())
		})
		onStore(t, dir, nil, func(addr string, h *openHub) {
			page, err := h.Recover(t.Context(), hub.Query{Channel: "will.1", After: before, Limit: 10})
			if err != nil || len(page.Messages) != 2 {
				t.Errorf("%d wills are stored, %v: want 2", len(page.Messages), err)
			}
		})
	})
}
