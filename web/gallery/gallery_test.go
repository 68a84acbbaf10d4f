package gallery

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"fanfold/hub"
	"fanfold/hub/client"
	"fanfold/hub/stream"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 30 * time.Second

// newHub runs a hub with the gallery's rules on an engine of its own, and returns the
// gallery's client and one that may do everything.
func newHub(t *testing.T) (own Config, visitor *client.Client) {
	t.Helper()
	rules := Rules().WithDefault()
	config := stream.DefaultConfig()
	config.Rules = rules
	engine, err := stream.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	h, err := hub.New(hub.Config{Engine: engine, Rules: rules})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := errors.Join(h.Shutdown(ctx), engine.Close()); err != nil {
			t.Error(err)
		}
	})
	own = Config{
		Client: client.New(h.As(&hub.Principal{Name: "gallery", Server: true, Grant: Grant()})),
		Logger: slog.New(slog.DiscardHandler), Folder: t.TempDir(),
	}
	return own, client.New(h.As(&hub.Principal{Name: "visitor", Grant: hub.Everything()}))
}

// running runs an example until stop, or the test's end.
func running(t *testing.T, e example) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { e.run(ctx); close(done) }()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return stop
}

// following returns what comes to a channel or pattern from now on.
func following(t *testing.T, c *client.Client, key string) <-chan *hub.Message {
	t.Helper()
	heard, ready, done := make(chan *hub.Message), make(chan struct{}), make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer close(done)
		_ = c.Follow(ctx, client.FollowOptions{Keys: []string{key}, Ready: func() { close(ready) }}, func(e hub.Event) error {
			select {
			case heard <- e.Message:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	t.Cleanup(func() { cancel(); <-done })
	<-ready
	return heard
}

// next returns what comes next, within patience.
func next(t *testing.T, heard <-chan *hub.Message) *hub.Message {
	t.Helper()
	select {
	case m := <-heard:
		return m
	case <-time.After(patience):
		t.Fatal("nothing comes")
		return nil
	}
}
