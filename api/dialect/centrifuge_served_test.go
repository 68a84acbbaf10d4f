package dialect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"fanfold/api/access"
	"fanfold/hub"
	"fanfold/hub/stream"
)

// servedReply is a frame of the tests below: a connect's reply or a push.
type servedReply struct {
	Connect *struct {
		Subs map[string]struct {
			Recovered, WasRecovering bool
			Offset                   uint64
			Publications             []struct{ Offset uint64 }
		}
	}
	Push *struct {
		Channel string
		Pub     struct{ Offset uint64 }
	}
}

func (c *centrifugeClient) nextReply() (r servedReply) {
	c.t.Helper()
	frame := c.next()
	if err := json.Unmarshal([]byte(frame), &r); err != nil || r.Connect == nil && r.Push == nil {
		c.t.Fatalf("%s instead of a reply or push (%v)", frame, err)
	}
	return r
}

// connectServed connects as ann, whom the server subscribes to channels; was says
// where she was in them.
func (d *tokenDesk) connectServed(h *hub.Hub, protocol *Centrifuge, c *centrifugeClient, channels []string, was string) {
	d.t.Helper()
	token := d.sign(access.Claims{Subject: "ann", Channels: channels})
	c.say(fmt.Sprintf(`{"id":1,"connect":{"token":%q,"subs":{%s}}}`, token, was))
}

func everybody(h *hub.Hub) *hub.Actor { return h.As(&hub.Principal{Grant: hub.Everything()}) }

func TestCentrifugeServedChannels(t *testing.T) {
	desk := newTokenDesk(t)
	h, d := desk.hub(hub.Config{}), desk.centrifuge()
	publishTest(t, everybody(h), "a", `"before"`)
	c := dialCentrifugeAs(t, h.As(nil), d, nil)
	desk.connectServed(h, d, c, []string{"a", "b"}, "")
	c.expect(`{"id":1,"connect":{"client":"ME","version":"1.2.3","subs":{"a":{"recoverable":true,"positioned":true,"epoch":"EPOCH","offset":1},"b":{"recoverable":true,"positioned":true,"epoch":"EPOCH","offset":1}},"ping":25,"pong":true}}`)
	publishTest(t, everybody(h), "b", `1`)
	publishTest(t, everybody(h), "a", `2`)
	got := []string{c.next(), c.next()} // two channels have no order
	slices.Sort(got)
	if want := []string{
		`{"push":{"channel":"a","pub":{"data":2,"offset":3,"time":0}}}`,
		`{"push":{"channel":"b","pub":{"data":1,"offset":2,"time":0}}}`,
	}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if here, err := everybody(h).Presence(t.Context(), "a"); err != nil || len(here) != 1 || here[0].User != "ann" {
		t.Errorf("presence: %+v, %v", here, err)
	}
}

// Whatever was missed in several channels, and what comes meanwhile, arrives once
// and in order, what fits in the reply, however much it is.
func TestCentrifugeServedChannelsRecover(t *testing.T) {
	const missed, meanwhile, times = 600, 20, 5
	engine := &hookEngine{Engine: newTestEngine(t, stream.Config{})}
	desk := newTokenDesk(t)
	h := desk.hub(hub.Config{Engine: engine, OutboxBytes: 64 << 10})
	d := NewCentrifuge(CentrifugeConfig{Tokens: desk, RecoverBytes: 8 << 10})
	want := map[string][]uint64{}
	publish := func(channel string) {
		m := publishTest(t, everybody(h), channel, `"a message, long enough to fill the outbox"`)
		want[channel] = append(want[channel], m.Position.Seq)
	}
	channels := []string{"a", "b", "c"}
	for range missed {
		publish("a")
		publish("b")
	}
	reads := 0
	engine.before(func(hub.Query) error {
		for range meanwhile * min(1, max(0, times-reads)) {
			publish("a")
			publish("c")
		}
		reads++
		return nil
	})
	c := dialCentrifugeAs(t, h.As(nil), d, nil)
	c.lazy = true
	over := make(chan struct{})
	go func() {
		defer close(over)
		desk.connectServed(h, d, c, channels, `"a":{"recover":true,"epoch":"","offset":1},"b":{"recover":true,"offset":2}`)
	}()
	got := map[string][]uint64{}
	reply := c.nextReply()
	for channel, sub := range reply.Connect.Subs {
		if recovering := channel != "c"; sub.Recovered != recovering || channel == "a" && sub.Offset != 1 || channel == "b" && len(sub.Publications) > 1 {
			t.Errorf("%s: recovered %v at %d with %d", channel, sub.Recovered, sub.Offset, len(sub.Publications))
		}
		for _, p := range sub.Publications {
			got[channel] = append(got[channel], p.Offset)
		}
	}
	if n := len(got["a"]); n < 20 || n > 200 {
		t.Errorf("%d publications are in the reply", n)
	}
	atReply := reply.Connect.Subs["c"].Offset
	for len(got["a"]) < missed-1+meanwhile*times || len(got["b"]) < missed-1 {
		push := c.nextReply().Push
		got[push.Channel] = append(got[push.Channel], push.Pub.Offset)
	}
	<-over
	engine.before(nil)
	publish("c")
	for last := want["c"][len(want["c"])-1]; len(got["c"]) == 0 || got["c"][len(got["c"])-1] != last; {
		push := c.nextReply().Push
		got[push.Channel] = append(got[push.Channel], push.Pub.Offset)
	}
	want["a"], want["b"] = want["a"][1:], want["b"][1:]
	want["c"] = slices.DeleteFunc(want["c"], func(offset uint64) bool { return offset <= atReply })
	for _, channel := range channels {
		if !slices.Equal(got[channel], want[channel]) {
			t.Errorf("%s: got %d messages, not the %d in order", channel, len(got[channel]), len(want[channel]))
		}
	}
}

// Before a client knows that it is connected, nobody can tell it of subscriptions.
func TestCentrifugeIsGreetedFirst(t *testing.T) {
	engine := &hookEngine{Engine: newTestEngine(t, stream.Config{})}
	desk := newTokenDesk(t)
	h := desk.hub(hub.Config{Engine: engine})
	subscribe := hub.Enlistment{Target: hub.Target{User: "ann"}, Key: "b"}
	engine.before(func(hub.Query) error {
		engine.before(nil)
		n, err := everybody(h).Subscribe(t.Context(), subscribe)
		if n != 0 {
			t.Errorf("%d are subscribed who are just connecting", n)
		}
		return err
	})
	c := dialCentrifugeAs(t, h.As(nil), desk.centrifuge(), nil)
	desk.connectServed(h, desk.centrifuge(), c, []string{"a"}, "")
	if c.nextReply().Connect == nil {
		t.Fatal("something came before the reply to connect")
	}
	if n, err := everybody(h).Subscribe(t.Context(), subscribe); n != 1 || err != nil {
		t.Errorf("%d are subscribed (%v)", n, err)
	}
	c.expect(`{"push":{"channel":"b","subscribe":{"recoverable":true,"positioned":true,"epoch":"EPOCH","offset":0}}}`)
}

// forgetful is an engine that loses what it is told to and can't read it either.
type forgetful struct {
	hub.Engine
	lost []func() // of listeners
	deaf bool
}

func (e *forgetful) Listen(pattern string, l hub.Listener) (func(), error) {
	e.lost = append(e.lost, l.Lost)
	return e.Engine.Listen(pattern, l)
}

func (e *forgetful) Read(ctx context.Context, q hub.Query) (hub.Page, error) {
	if e.deaf {
		return hub.Page{}, hub.Errorf(hub.CodeUnrecoverable, "trimmed")
	}
	return e.Engine.Read(ctx, q)
}

func TestCentrifugeServedChannelThatLostMessages(t *testing.T) {
	engine := &forgetful{Engine: newTestEngine(t, stream.Config{})}
	desk := newTokenDesk(t)
	h, d := desk.hub(hub.Config{Engine: engine}), desk.centrifuge()
	c := dialCentrifugeAs(t, h.As(nil), d, nil)
	desk.connectServed(h, d, c, []string{"a"}, "")
	c.nextReply()
	engine.deaf = true
	engine.lost[0]()
	c.expect("close 3010 insufficient state")
}

// A client can't subscribe again to what the server subscribed it to: where it
// may have missed something it must connect again.
func TestCentrifugeServedChannelThatCantCatchUp(t *testing.T) {
	engine := &hookEngine{Engine: newTestEngine(t, stream.Config{})}
	desk := newTokenDesk(t)
	h := desk.hub(hub.Config{Engine: engine})
	d := NewCentrifuge(CentrifugeConfig{Tokens: desk, RecoverBytes: 100})
	for range 3 {
		publishTest(t, everybody(h), "a", `"a message that fills the reply alone"`)
	}
	reads := 0
	engine.before(func(hub.Query) error {
		if reads++; reads > 1 {
			return hub.Errorf(hub.CodeUnrecoverable, "trimmed")
		}
		return nil
	})
	c := dialCentrifugeAs(t, h.As(nil), d, nil)
	desk.connectServed(h, d, c, []string{"a"}, `"a":{"recover":true,"offset":1}`)
	if n := len(c.nextReply().Connect.Subs["a"].Publications); n != 1 {
		t.Errorf("%d publications are in the reply", n)
	}
	c.expect("close 3010 insufficient state")
}

func TestCentrifugeServedChannelsAllOrNone(t *testing.T) {
	engine := &hookEngine{Engine: newTestEngine(t, stream.Config{})}
	desk := newTokenDesk(t)
	h := desk.hub(hub.Config{Engine: engine, MaxSubscriptions: 2})
	d := NewCentrifuge(CentrifugeConfig{Tokens: desk})
	c := dialCentrifugeAs(t, h.As(nil), d, nil)
	desk.connectServed(h, d, c, []string{"a", "b", "c"}, "")
	c.expect(`{"id":1,"error":{"code":106,"message":"at most 2 channels can be subscribed to on one connection"}}`)
	if s := c.peer.Session(); s.Subscribed("a") || s.Subscribed("b") {
		t.Error("the failed connect has left subscriptions")
	}
	engine.before(func(q hub.Query) error {
		if q.Channel == "b" {
			return errors.New("the disk is at home")
		}
		return nil
	})
	c = dialCentrifugeAs(t, h.As(nil), d, nil)
	desk.connectServed(h, d, c, []string{"a", "b"}, "")
	c.expect(`{"id":1,"error":{"code":100,"message":"internal error: the hub's log has the cause","temporary":true}}`)
	if s := c.peer.Session(); s.Subscribed("a") || s.Subscribed("b") {
		t.Error("the failed connect has left subscriptions")
	}
}

func TestServerAPISubscribesAndRefreshesOthers(t *testing.T) {
	engine := &hookEngine{Engine: newTestEngine(t, stream.Config{})}
	desk := newTokenDesk(t)
	h, d := desk.hub(hub.Config{Engine: engine}), desk.centrifuge()
	api := everybody(h)
	publishTest(t, api, "news", `"before"`)
	engine.before(func(hub.Query) error { // what its position is to have, and it is not to get
		engine.before(nil)
		publishTest(t, api, "news", `"meanwhile"`)
		return nil
	})
	c, _ := desk.connectWith(h, d, desk.sign(access.Claims{Subject: "ann"}))
	waiting := dialCentrifugeAs(t, h.As(nil), d, nil)
	if got := callAPITest(t, api, "subscribe", `{"user":"ann","channel":"news","info":{"seat":1},"data":{"why":
		"staff"}}`); got != `{"result":{}}` {
		t.Errorf("subscribe answers %s", got)
	}
	publishTest(t, api, "news", `"after"`)
	c.expect(`{"push":{"channel":"news","subscribe":{"recoverable":true,"positioned":true,"epoch":"EPOCH","offset":2,"data":{"why":"staff"}}}}`,
		`{"push":{"channel":"news","pub":{"data":"after","offset":3,"time":0}}}`)
	if got := callAPITest(t, api, "presence", `{"channel":"news"}`); !strings.Contains(got, `"user":"ann","chan_info":{"seat":1}`) {
		t.Errorf("presence answers %s", got)
	}
	callAPITest(t, api, "unsubscribe", `{"user":"ann","channel":"news"}`)
	c.expect(`{"push":{"channel":"news","unsubscribe":{"code":2000,"reason":"server unsubscribe"}}}`)

	callAPITest(t, api, "refresh", `{"user":"bob","expired":true}`)
	callAPITest(t, api, "refresh", `{"user":"ann","expire_at":4000000000}`)
	if at := c.peer.Session().Principal().Expires.Unix(); at != 4000000000 {
		t.Errorf("the connection expires at %d", at)
	}
	callAPITest(t, api, "refresh", `{"user":"ann"}`)
	if at := c.peer.Session().Principal().Expires; !at.IsZero() {
		t.Errorf("the connection expires at %v, not never", at)
	}
	callAPITest(t, api, "refresh", fmt.Sprintf(`{"client":%q,"expired":true}`, c.peer.Session().Client().ID))
	c.expect("close 3005 connection expired")
	if waiting.peer.Session().Ended() {
		t.Error("another connection is closed")
	}
}
