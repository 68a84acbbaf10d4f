package client_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"fanfold/hub"
	"fanfold/hub/client"
	"fanfold/hub/stream"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start runs a hub on an engine of its own and returns a client that may do
// everything.
func start(t *testing.T, config hub.Config) *client.Client {
	t.Helper()
	engineConfig := stream.DefaultConfig()
	engineConfig.Rules = config.Rules.WithDefault()
	engine, err := stream.Open(t.Context(), engineConfig)
	if err != nil {
		t.Fatal(err)
	}
	config.Engine = engine
	h, err := hub.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := errors.Join(h.Shutdown(ctx), engine.Close()); err != nil {
			t.Error(err)
		}
	})
	return client.New(h.As(&hub.Principal{Name: "test", Server: true, Grant: hub.Everything()}))
}

func send(t *testing.T, c *client.Client, channel string, value any) *hub.Message {
	t.Helper()
	m, err := c.Send(t.Context(), channel, value)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// follow follows in a goroutine, which has ended when stop returns with the error.
// Messages come as "channel data".
func follow(t *testing.T, c *client.Client, o client.FollowOptions) (messages <-chan string, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	heard, ready, done := make(chan string), make(chan struct{}), make(chan error, 1)
	o.Ready = func() { close(ready) }
	go func() {
		done <- c.Follow(ctx, o, func(e hub.Event) error {
			text := ""
			switch e.Kind {
			case hub.KindMessage:
				text = fmt.Sprintf("%s %s", e.Message.Channel, e.Message.Data)
			default:
				text = fmt.Sprintf("%s %d", e.Subscription, e.Kind)
			}
			select {
			case heard <- text:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	stop = func() error { cancel(); err := <-done; done <- err; return err }
	t.Cleanup(func() { _ = stop() })
	select {
	case <-ready:
	case err := <-done:
		done <- err
	}
	return heard, stop
}

func want(t *testing.T, messages <-chan string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		select {
		case got := <-messages:
			if got != text {
				t.Fatalf("heard %s, want %s", got, text)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("%s did not come", text)
		}
	}
}

// A follower gets what was stored behind its position and then what comes, each
// once, of channels and patterns.
func TestFollowBeginsBehindAPosition(t *testing.T) {
	t.Parallel()
	c := start(t, hub.Config{})
	first := send(t, c, "a", "one")
	send(t, c, "b.x", 2)
	messages, stop := follow(t, c, client.FollowOptions{Keys: []string{"a", "b.*", "b.x"}, After: first.Position})
	send(t, c, "a", map[string]int{"n": 3})
	send(t, c, "c", "not asked for")
	send(t, c, "b.y", 4)
	want(t, messages, "b.x 2", `a {"n":3}`, "b.y 4")
	if err := stop(); !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v", err)
	}
}

// Without a position it gets what comes from now on.
func TestFollowBeginsNow(t *testing.T) {
	t.Parallel()
	c := start(t, hub.Config{})
	send(t, c, "a", "before")
	messages, _ := follow(t, c, client.FollowOptions{Keys: []string{"a"}})
	send(t, c, "a", "after")
	want(t, messages, `a "after"`)
}

// One that takes nothing for a while harms nobody and misses nothing: its outbox
// overflows, and it goes on from the store.
func TestASlowFollowerMissesNothing(t *testing.T) {
	t.Parallel()
	c := start(t, hub.Config{OutboxBytes: 4 << 10})
	messages, _ := follow(t, c, client.FollowOptions{Keys: []string{"a"}})
	var texts []string
	for i := range 300 {
		send(t, c, "a", i)
		texts = append(texts, fmt.Sprintf("a %d", i))
	}
	if info, err := c.Info(t.Context()); err != nil || info.Slow == 0 {
		t.Fatalf("the outbox did not overflow: %+v %v", info, err)
	}
	want(t, messages, texts...)
	send(t, c, "a", "live again")
	want(t, messages, `a "live again"`)
}

// A position that is no longer kept is an error, not a silent gap.
func TestFollowSaysWhatIsLost(t *testing.T) {
	t.Parallel()
	rule := hub.DefaultRule()
	rule.Messages = 10
	c := start(t, hub.Config{Rules: hub.Rules{rule}})
	first := send(t, c, "a", "first")
	for i := range 50 {
		send(t, c, "a", i)
	}
	err := c.Follow(t.Context(), client.FollowOptions{Keys: []string{"a"}, After: first.Position}, func(hub.Event) error { return nil })
	if hub.ErrorOf(err).Code != hub.CodeUnrecoverable {
		t.Errorf("it ended with %v", err)
	}
}

// What the principal may not do ends it with the reason, and so does the handler.
func TestFollowEndsWithTheReason(t *testing.T) {
	t.Parallel()
	c := start(t, hub.Config{})
	bad := errors.New("enough")
	first := send(t, c, "a", 1)
	err := c.Follow(t.Context(), client.FollowOptions{Keys: []string{"a"}, After: hub.Position{Epoch: first.Position.Epoch}}, func(hub.Event) error { return bad })
	if !errors.Is(err, bad) {
		t.Errorf("the handler's error became %v", err)
	}
	err = c.Follow(t.Context(), client.FollowOptions{Keys: []string{"no spaces"}}, func(hub.Event) error { return nil })
	if hub.ErrorOf(err).Code != hub.CodeBadRequest {
		t.Errorf("a bad key: %v", err)
	}
}

// It sees who comes and goes, and all fields of a message.
func TestFollowSeesWhatClientsSee(t *testing.T) {
	t.Parallel()
	c := start(t, hub.Config{})
	messages, _ := follow(t, c, client.FollowOptions{Keys: []string{"room"}, JoinLeave: true})
	_, leave := follow(t, c, client.FollowOptions{Keys: []string{"room"}})
	want(t, messages, "room 1", "room 1") // its own, then the other's
	_ = leave()
	want(t, messages, "room 2")

	stored, live := fullMessage(), fullMessage()
	if _, err := c.Publish(t.Context(), stored, hub.PublishOptions{}); err != nil {
		t.Fatal(err)
	}
	var got []*hub.Message
	_ = c.Follow(t.Context(), client.FollowOptions{Keys: []string{"full"}, After: hub.Position{Epoch: stored.Position.Epoch}}, func(e hub.Event) error {
		if got = append(got, e.Message); len(got) == 2 {
			return errors.New("enough")
		}
		_, err := c.Publish(t.Context(), live, hub.PublishOptions{})
		return err
	})
	for i, sent := range []*hub.Message{stored, live} {
		if !sameMessage(got[i], sent) {
			t.Errorf("got %+v by %+v, sent %+v", got[i], got[i].Publisher, sent)
		}
	}
}

func fullMessage() *hub.Message {
	return &hub.Message{
		Channel: "full", Data: []byte(`{"a":[1,"<&>"]}`), Tags: map[string]string{"k": "v"},
		Publisher: &hub.Client{ID: "c", User: "u", Info: []byte(`{"i":1}`), ChannelInfo: []byte(`2`)},
	}
}

func sameMessage(got, sent *hub.Message) bool {
	p, q := got.Publisher, sent.Publisher
	return got.ID == sent.ID && got.Position == sent.Position && string(got.Data) == string(sent.Data) && got.Tags["k"] == "v" &&
		p != nil && p.ID == q.ID && p.User == q.User && string(p.Info) == string(q.Info) && string(p.ChannelInfo) == "2" && !got.Time.IsZero()
}
