package hub_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"fanfold/hub"
)

// TestEachCallNeedsItsGrant makes every call of an Actor as nobody, and as one who
// may do all but what the call needs. None gets further than that.
func TestEachCallNeedsItsGrant(t *testing.T) {
	h := newHub(t, hub.Config{})
	ctx, message := t.Context(), func() *hub.Message { return &hub.Message{Channel: "news", Data: []byte("1")} }
	behind := hub.Position{Epoch: "0000000", Seq: 1}
	for _, call := range []struct {
		name   string
		needs  []hub.Action
		admin  bool
		change func(*hub.Actor) error
	}{
		{"publish", []hub.Action{hub.ActionPublish}, false, func(a *hub.Actor) error { _, err := a.Publish(ctx, message(), hub.PublishOptions{}); return err }},
		{"roll up", []hub.Action{hub.ActionPublish, hub.ActionHistory}, false, func(a *hub.Actor) error {
			_, err := a.Publish(ctx, message(), hub.PublishOptions{RollUp: true})
			return err
		}},
		{"schedule", []hub.Action{hub.ActionPublish}, false, func(a *hub.Actor) error {
			_, err := a.Schedule(ctx, &hub.Scheduled{Message: message(), When: hub.Timetable{At: time.Now().Add(time.Hour)}})
			return err
		}},
		{"supersede", []hub.Action{hub.ActionPublish}, false, func(a *hub.Actor) error { _, err := a.Supersede(ctx, "news", "x", ""); return err }},
		{"remove history", []hub.Action{hub.ActionPublish, hub.ActionHistory}, false, func(a *hub.Actor) error { return a.RemoveHistory(ctx, "news") }},
		{"scheduled", []hub.Action{hub.ActionHistory}, false, func(a *hub.Actor) error { _, _, err := a.Scheduled(ctx, "news", "", 1); return err }},
		{"history", []hub.Action{hub.ActionHistory}, false, func(a *hub.Actor) error { _, err := a.History(ctx, hub.Query{Channel: "news", Limit: 1}); return err }},
		{"history behind a position", []hub.Action{hub.ActionHistory}, false, func(a *hub.Actor) error {
			_, err := a.History(ctx, hub.Query{Channel: "news", Limit: 1, After: behind})
			return err
		}},
		{"recover from nowhere", []hub.Action{hub.ActionHistory}, false, func(a *hub.Actor) error { _, err := a.Recover(ctx, hub.Query{Channel: "news", Limit: 1}); return err }},
		{"recover backwards", []hub.Action{hub.ActionHistory}, false, func(a *hub.Actor) error {
			_, err := a.Recover(ctx, hub.Query{Channel: "news", Limit: 1, After: behind, Reverse: true})
			return err
		}},
		{"recover", []hub.Action{hub.ActionSubscribe}, false, func(a *hub.Actor) error {
			_, err := a.Recover(ctx, hub.Query{Channel: "news", Limit: 1, After: behind})
			return err
		}},
		{"replay", []hub.Action{hub.ActionHistory}, false, func(a *hub.Actor) error { return replayError(a.Replay(ctx, []string{"news"}, hub.Query{})) }},
		{"replay behind a position", []hub.Action{hub.ActionSubscribe}, false, func(a *hub.Actor) error {
			return replayError(a.Replay(ctx, []string{"news"}, hub.Query{After: behind}))
		}},
		{"presence", []hub.Action{hub.ActionPresence}, false, func(a *hub.Actor) error { _, err := a.Presence(ctx, "news"); return err }},
		{"subscribe", []hub.Action{hub.ActionSubscribe}, false, subscribeAs},
		{"channels", nil, true, func(a *hub.Actor) error { _, err := a.Channels(ctx, ""); return err }},
		{"info", nil, true, func(a *hub.Actor) error { _, err := a.Info(ctx); return err }},
		{"disconnect", nil, true, func(a *hub.Actor) error { _, err := a.Disconnect(hub.Target{User: "x"}, hub.Reason{}); return err }},
		{"unsubscribe", nil, true, func(a *hub.Actor) error {
			_, err := a.Unsubscribe(hub.Target{User: "x"}, "news", hub.Reason{})
			return err
		}},
		{"cancel", nil, true, func(a *hub.Actor) error { _, err := a.CancelScheduled(ctx, "x"); return err }},
		{"record", nil, true, func(a *hub.Actor) error { return a.Record(ctx, "kind", "id", []byte("{}"), time.Minute) }},
	} {
		t.Run(call.name, func(t *testing.T) {
			for _, who := range append(almost(call.needs, call.admin), nil, &hub.Principal{}) {
				if err := call.change(h.Hub.As(who)); !errors.Is(err, hub.ErrNotGranted) || hub.ErrorOf(err).Code != hub.CodeDenied {
					t.Errorf("%+v: got %v", who, err)
				}
			}
			if err := call.change(h.Hub.As(&hub.Principal{Grant: only(call.needs, call.admin)})); errors.Is(err, hub.ErrNotGranted) {
				t.Errorf("with what it needs: %v", err)
			}
		})
	}
}

func replayError(messages func(func(*hub.Message, error) bool)) (err error) {
	for _, err = range messages {
		break
	}
	return err
}

func subscribeAs(a *hub.Actor) error {
	s, err := a.Open(hub.SessionConfig{Conn: &client{changed: make(chan struct{}, 1)}, Codec: words{}})
	if err != nil {
		return err
	}
	defer s.Detach()
	_, err = s.Subscribe(context.Background(), hub.SubscribeOptions{Keys: []string{"news"}})
	return err
}

// only is a grant of these actions on the channel news.
func only(actions []hub.Action, admin bool) (g hub.Grant) {
	g.Admin = admin
	for _, a := range actions {
		*patternsOf(&g, a) = []string{"news"}
	}
	return g
}

func patternsOf(g *hub.Grant, a hub.Action) *[]string {
	return map[hub.Action]*[]string{hub.ActionSubscribe: &g.Subscribe, hub.ActionPublish: &g.Publish, hub.ActionPresence: &g.Presence, hub.ActionHistory: &g.History}[a]
}

// almost are principals who may do everything but one thing that is needed, or
// that on another channel only.
func almost(needs []hub.Action, admin bool) (all []*hub.Principal) {
	for _, a := range needs {
		without, elsewhere := hub.Everything(), hub.Everything()
		*patternsOf(&without, a) = nil
		*patternsOf(&elsewhere, a) = []string{"new", "news.>", "*.news", "{user}"}
		all = append(all, &hub.Principal{Grant: without}, &hub.Principal{User: "x", Grant: elsewhere})
	}
	if admin {
		without := hub.Everything()
		without.Admin = false
		all = append(all, &hub.Principal{Grant: without})
	}
	return all
}

func TestAPatternDeliversNoMoreThanItsGrant(t *testing.T) {
	h := newHub(t, hub.Config{})
	bob := h.as(&hub.Principal{User: "bob", Grant: hub.Grant{Subscribe: []string{"user.{user}.>", "news.*"}}})
	c := connect(t, bob, hub.SessionConfig{})
	for _, key := range []string{">", "*", "news.>", "user.>", "user.*.mail", "user.bob", "user.ann.mail", "*.*", "user.{user}.mail"} {
		if _, err := c.Subscribe(t.Context(), hub.SubscribeOptions{Keys: []string{"news.x", key}}); err == nil {
			t.Errorf("bob may subscribe to %q", key)
		}
	}
	c.follow(t, "news.*", "user.bob.>")
	for _, channel := range []string{"user.ann.mail", "news.a.b", "news", "user.bob", "other", "news.a", "user.bob.mail"} {
		publish(t, h, channel, `"x"`)
	}
	same(t, "bob", c.wait(t, 2), `news.a:"x"`, `user.bob.mail:"x"`)
}

func TestJoinsAreForWhoMaySeePresence(t *testing.T) {
	h := newHub(t, hub.Config{})
	for _, presence := range [][]string{nil, {"room"}} {
		c := connect(t, h.as(&hub.Principal{User: "ann", Grant: hub.Grant{Subscribe: []string{"room"}, Presence: presence}}), hub.SessionConfig{})
		sub, err := c.Subscribe(t.Context(), hub.SubscribeOptions{Keys: []string{"room"}, JoinLeave: true})
		if err != nil {
			t.Fatal(err)
		}
		sub.Resume(hub.Position{})
		connectAs(t, h, "bob", hub.SessionConfig{}).follow(t, "room")
		publish(t, h, "room", "1")
		want := []string{"room:1"}
		if presence != nil {
			want = []string{"join room ann", "join room bob", "room:1"}
		}
		same(t, fmt.Sprint("with presence ", presence), c.wait(t, len(want)), want...)
		c.leave()
	}
}

func TestADenialIsLoggedOnceAndCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		h := loopbackHub(t, hub.Config{Shards: 1, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		ann := h.Hub.As(&hub.Principal{User: "ann", Name: "ann", TokenID: "t1", Grant: hub.Grant{Subscribe: []string{">"}}})
		deny := func(channel string) {
			if _, err := ann.Publish(t.Context(), &hub.Message{Channel: channel, Data: []byte("1")}, hub.PublishOptions{}); err == nil {
				t.Error("ann may publish")
			}
		}
		for range 5 {
			deny("news")
		}
		if lines := strings.Count(log.String(), "\n"); lines != 1 || !strings.Contains(log.String(), `user=ann name=ann token=t1 action=publish on=news reason="you may not publish`) {
			t.Errorf("%d lines: %s", lines, &log)
		}
		for i := range 1500 {
			deny(fmt.Sprint("c", i))
		}
		if lines := strings.Count(log.String(), "\n"); lines != 1000 {
			t.Errorf("a thousand kinds take %d lines", lines)
		}
		advance(time.Minute)
		log.Reset()
		deny("news")
		if text := log.String(); strings.Count(text, "\n") != 2 || !strings.Contains(text, "501") {
			t.Errorf("a minute later: %s", text)
		}
		if info, err := h.Info(t.Context()); err != nil || info.Denied != 1506 {
			t.Errorf("%d were denied, %v", info.Denied, err)
		}
		end(t, h)
	})
}

func TestASessionEndsWithItsPrincipal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := loopbackHub(t, hub.Config{Shards: 1})
		at := time.Now().Add(10 * time.Second)
		short := &hub.Principal{User: "ann", Grant: hub.Everything(), Expires: at}
		long := *short
		long.Expires = at.Add(10 * time.Second)
		stays, renews := connect(t, h.as(short), hub.SessionConfig{}), connect(t, h.as(short), hub.SessionConfig{})
		late := connect(t, h.as(&hub.Principal{}), hub.SessionConfig{IdentifyWithin: time.Hour})
		late.Identify(short)
		actor := renews.Actor()
		renews.Renew(&long)
		advance(11 * time.Second)
		for _, c := range []*client{stays, late} {
			if c.reason() == nil || c.reason().Cause != hub.CauseExpired {
				t.Errorf("closed for %v", c.reason())
			}
		}
		if renews.reason() != nil {
			t.Errorf("a new token did not count: %v", renews.reason())
		}
		if err := actor.Check(hub.ActionPublish, "a"); hub.ErrorOf(err).Code != hub.CodeExpired {
			t.Errorf("the old one still counts: %v", err)
		}
		if _, err := h.as(short).Open(hub.SessionConfig{Conn: stays, Codec: words{}}); hub.ErrorOf(err).Code != hub.CodeExpired {
			t.Errorf("opened with it: %v", err)
		}
		advance(10 * time.Second)
		if renews.reason() == nil || renews.reason().Cause != hub.CauseExpired {
			t.Errorf("closed for %v", renews.reason())
		}
		end(t, h, stays, renews, late)
	})
}

func TestASubscriptionEndsWithItsOwnPrincipal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := loopbackHub(t, hub.Config{Shards: 1})
		c := connect(t, h.as(&hub.Principal{Grant: hub.Grant{Subscribe: []string{"a"}}}), hub.SessionConfig{})
		c.follow(t, "a")
		for key, wait := range map[string]time.Duration{"short": 10 * time.Second, "long": 20 * time.Second} {
			p := &hub.Principal{Grant: hub.Grant{Subscribe: []string{key}}, Expires: time.Now().Add(wait)}
			sub, err := c.Subscribe(t.Context(), hub.SubscribeOptions{Keys: []string{key}, Principal: p})
			if err != nil {
				t.Fatal(err)
			}
			sub.Resume(hub.Position{})
		}
		if c.RenewSubscription("a", &hub.Principal{}) {
			t.Error("what the session's own grant allows was given another's")
		}
		advance(11 * time.Second)
		same(t, "after the first", c.wait(t, 1), "unsubscribed short 0")
		if !c.RenewSubscription("long", &hub.Principal{Grant: hub.Grant{Subscribe: []string{"long"}}, Expires: time.Now().Add(time.Minute)}) {
			t.Error("no such subscription")
		}
		advance(11 * time.Second)
		if !c.Subscribed("long") || !c.Subscribed("a") {
			t.Error("what was renewed ended")
		}
		c.Renew(&hub.Principal{Grant: hub.Grant{Subscribe: []string{"b"}}})
		synctest.Wait()
		if c.Subscribed("a") || !c.Subscribed("long") || c.reason() != nil {
			t.Errorf("a smaller grant left %v %v %v", c.Subscribed("a"), c.Subscribed("long"), c.reason())
		}
		end(t, h, c)
	})
}

func TestWhoIsRevokedLeaves(t *testing.T) {
	var revoked atomic.Bool
	gone := hub.Errorf(hub.CodeUnauthenticated, "revoked")
	h := newHub(t, hub.Config{Refuses: func(p *hub.Principal) error {
		if p.TokenID == "t1" && revoked.Load() {
			return gone
		}
		return nil
	}})
	bad, good := &hub.Principal{TokenID: "t1", Grant: hub.Everything()}, &hub.Principal{TokenID: "t2", Grant: hub.Everything()}
	first, other := connect(t, h.as(bad), hub.SessionConfig{}).follow(t, "c"), connect(t, h.as(good), hub.SessionConfig{}).follow(t, "c")
	revoked.Store(true)
	if n := h.Recheck(); n != 1 {
		t.Errorf("%d sessions were closed", n)
	}
	if r := first.waitClosed(t); r.Cause != hub.CauseRevoked {
		t.Errorf("closed for %v", r.Cause)
	}
	if err := h.as(bad).Check(hub.ActionPublish, "c"); !errors.Is(err, gone) {
		t.Errorf("got %v", err)
	}
	publish(t, h, "c", "1")
	same(t, "the other", other.wait(t, 1), "c:1")
}

// TestWhoIsRevokedWhileOpeningLeaves revokes between the check and the moment from
// which Recheck sees the session.
func TestWhoIsRevokedWhileOpeningLeaves(t *testing.T) {
	var asked atomic.Int32
	h := newHub(t, hub.Config{Refuses: func(*hub.Principal) error {
		if asked.Add(1) == 1 {
			return nil
		}
		return hub.Errorf(hub.CodeUnauthenticated, "revoked")
	}})
	c := &client{changed: make(chan struct{}, 1)} // not by connect, which holds a lock that Close needs
	session, err := h.Open(hub.SessionConfig{Conn: c, Codec: words{}})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Detach()
	if r := c.waitClosed(t); r.Cause != hub.CauseRevoked {
		t.Errorf("closed for %v", r.Cause)
	}
}
