package hub_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"fanfold/hub"
)

func TestPresenceAndJoinsMayBeHidden(t *testing.T) {
	rule := func(channels string) hub.Rule {
		r := hub.DefaultRule()
		r.Name, r.Channels = channels, channels
		return r
	}
	noPresence, noJoins := rule("secret"), rule("quiet")
	noPresence.NoPresence, noJoins.NoJoinLeave = true, true
	h := newHub(t, hub.Config{Rules: hub.Rules{noPresence, noJoins}.WithDefault()})
	c := connect(t, h, hub.SessionConfig{})
	for _, key := range []string{"secret", "quiet", "open"} {
		sub, err := c.Subscribe(t.Context(), hub.SubscribeOptions{Keys: []string{key}, JoinLeave: true})
		if err != nil {
			t.Fatal(err)
		}
		sub.Resume(hub.Position{})
	}
	second := connectAs(t, h, "bob", hub.SessionConfig{}).follow(t, "quiet").follow(t, "secret").follow(t, "open")
	c.until(t, "bob in open", func() bool { return len(c.got) == 4 })
	second.leave()
	got := c.wait(t, 6)
	for _, frame := range got {
		if strings.Contains(frame, "quiet") {
			t.Errorf("told %q", frame)
		}
	}
	if all, err := h.Presence(t.Context(), "secret"); hub.ErrorOf(err).Code != hub.CodeNotAvailable || len(all) != 0 || !strings.Contains(err.Error(), "switched off") {
		t.Errorf("presence of secret: %v, %v", all, err)
	}
	if all, err := h.Presence(t.Context(), "quiet"); err != nil || len(all) != 1 {
		t.Errorf("presence of quiet: %v, %v", all, err)
	}
}

func TestWhoMayPublishWhat(t *testing.T) {
	rules := hub.Rules{
		{Name: "server", Channels: "server.>", Live: true, Publishers: hub.PublishersServer},
		{Name: "nobody", Channels: "nobody", Live: true, Publishers: hub.PublishersNobody},
		{Name: "live", Channels: "live.*", Live: true},
	}.WithDefault()
	h := newHub(t, hub.Config{Rules: rules})
	client := &hub.Client{ID: "1"}
	const fine = hub.Code(-1)
	long := strings.Repeat("k", hub.MaxKeyBytes+1)
	for i, test := range []struct {
		message hub.Message
		options hub.PublishOptions
		want    hub.Code
	}{
		{hub.Message{Channel: "a", Publisher: client}, hub.PublishOptions{}, fine},
		{hub.Message{Channel: "server.a"}, hub.PublishOptions{}, fine},
		{hub.Message{Channel: "server.a", Publisher: client}, hub.PublishOptions{}, hub.CodeDenied},
		{hub.Message{Channel: "nobody"}, hub.PublishOptions{}, hub.CodeDenied},
		{hub.Message{Channel: "nobody", Publisher: client}, hub.PublishOptions{}, hub.CodeDenied},
		{hub.Message{Channel: "live.a", Publisher: client}, hub.PublishOptions{}, fine},
		{hub.Message{Channel: "live.a"}, hub.PublishOptions{IdempotencyKey: "k"}, hub.CodeBadRequest},
		{hub.Message{Channel: "live.a"}, hub.PublishOptions{TTL: time.Minute}, hub.CodeBadRequest},
		{hub.Message{Channel: "a"}, hub.PublishOptions{Live: true, IdempotencyKey: "k"}, hub.CodeBadRequest},
		{hub.Message{Channel: "a"}, hub.PublishOptions{Live: true, TTL: time.Minute}, hub.CodeBadRequest},
		{hub.Message{Channel: "a"}, hub.PublishOptions{IdempotencyKey: "k", TTL: time.Minute}, fine},
		{hub.Message{Channel: "a"}, hub.PublishOptions{TTL: time.Second}, fine},
		{hub.Message{Channel: "a"}, hub.PublishOptions{TTL: 999 * time.Millisecond}, hub.CodeBadRequest},
		{hub.Message{Channel: "a"}, hub.PublishOptions{TTL: -1}, hub.CodeBadRequest},
		{hub.Message{Channel: "a"}, hub.PublishOptions{IdempotencyKey: long}, hub.CodeBadRequest},
		{hub.Message{Channel: "a", Sequence: long}, hub.PublishOptions{}, hub.CodeBadRequest},
		{hub.Message{Channel: "a", Sequence: "é"}, hub.PublishOptions{}, hub.CodeBadRequest},
		{hub.Message{Channel: "a"}, hub.PublishOptions{IdempotencyKey: "a\r\nb"}, hub.CodeBadRequest},
	} {
		test.message.Data = fmt.Append(nil, i)
		_, err := h.Publish(t.Context(), &test.message, test.options)
		got := fine
		if err != nil {
			got = hub.ErrorOf(err).Code
		}
		if got != test.want {
			t.Errorf("%d: %+v with %+v: got code %d (%v), want %d", i, test.message, test.options, got, err, test.want)
		}
		if isLive := test.message.Position.IsZero(); got == fine && isLive != rules.For(test.message.Channel).Live {
			t.Errorf("%d: %s was stored: %v", i, test.message.Channel, !isLive)
		}
	}
}

// A channel for servers takes a message from a key, and from nobody else who may
// publish; what a user publishes bears the user's name, however it came.
func TestAUserIsNoServer(t *testing.T) {
	rules := hub.Rules{{Name: "server", Channels: "server.>", Live: true, Publishers: hub.PublishersServer}}.WithDefault()
	h := newHub(t, hub.Config{Rules: rules})
	grant := hub.Grant{Publish: []string{">"}}
	for _, test := range []struct {
		name      string
		principal *hub.Principal
		mayServe  bool
		user      string
	}{
		{"a key", &hub.Principal{Name: "backend", Server: true, Grant: grant}, true, ""},
		{"a user", &hub.Principal{User: "ann", Info: []byte(`{"n":1}`), Grant: grant}, false, "ann"},
		{"anybody", &hub.Principal{Name: "anybody", Grant: grant}, false, ""},
	} {
		actor := h.As(test.principal)
		_, err := actor.Publish(t.Context(), &hub.Message{Channel: "server.a", Data: []byte("1")}, hub.PublishOptions{})
		if served := err == nil; served != test.mayServe {
			t.Errorf("%s publishes as a server: %v", test.name, err)
		}
		if _, err := actor.Publish(t.Context(), &hub.Message{Channel: "c", Data: []byte("1")}, hub.PublishOptions{}); err != nil {
			t.Fatal(err)
		}
		page, err := h.History(t.Context(), hub.Query{Channel: "c", Limit: 1, Reverse: true})
		if err != nil || len(page.Messages) != 1 {
			t.Fatalf("history: %+v, %v", page, err)
		}
		p := page.Messages[0].Publisher
		if test.user == "" && p != nil || test.user != "" && (p == nil || p.User != test.user || string(p.Info) != `{"n":1}`) {
			t.Errorf("%s: the publisher is %+v", test.name, p)
		}
	}
}
