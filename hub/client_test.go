package hub_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"fanfold/hub"
	"fanfold/hub/stream"

	"go.uber.org/goleak"
)

// words is a codec that writes events so that a test can read them.
type words struct {
	name  string
	calls *counter // nil: don't count
}

type counter struct {
	mu sync.Mutex
	n  int
}

func (w words) Encode(e hub.Event) []byte {
	if w.calls != nil {
		w.calls.mu.Lock()
		w.calls.n++
		w.calls.mu.Unlock()
	}
	switch e.Kind {
	case hub.KindMessage:
		return fmt.Appendf(nil, "%s%s:%s", w.name, e.Message.Channel, e.Message.Data)
	case hub.KindJoin:
		return fmt.Appendf(nil, "join %s %s", e.Subscription, e.Client.User)
	case hub.KindLeave:
		return fmt.Appendf(nil, "leave %s %s", e.Subscription, e.Client.User)
	case hub.KindSubscribed:
		return fmt.Appendf(nil, "subscribed %s %d %s", e.Subscription, e.Position.Seq, e.Data)
	case hub.KindUnsubscribed:
		return fmt.Appendf(nil, "unsubscribed %s %d", e.Subscription, e.Reason.Code)
	case hub.KindPing:
		return fmt.Appendf(nil, "ping %s", e.Subscription)
	}
	return nil
}

// client is a transport that keeps what it is sent. While stalled it takes
// nothing.
type client struct {
	*hub.Session
	stalled bool // static
	once    sync.Once

	mu      sync.Mutex
	got     []string
	closed  *hub.Reason
	changed chan struct{}
}

func connect(t testing.TB, h *openHub, c hub.SessionConfig) *client {
	t.Helper()
	return connectTo(t, h, c, &client{})
}

// connectAs is connect for a user who may do everything.
func connectAs(t testing.TB, h *openHub, user string, c hub.SessionConfig) *client {
	t.Helper()
	return connect(t, h.as(&hub.Principal{User: user, Grant: hub.Everything()}), c)
}

func connectTo(t testing.TB, h *openHub, config hub.SessionConfig, c *client) *client {
	t.Helper()
	c.changed = make(chan struct{}, 1)
	config.Conn = c
	if config.Codec == nil {
		config.Codec = words{}
	}
	c.mu.Lock() // the hub may wake it before it has its session
	defer c.mu.Unlock()
	var err error
	if c.Session, err = h.Open(config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.leave)
	return c
}

// leave ends the connection, once.
func (c *client) leave() { c.once.Do(c.Detach) }

// Wake takes everything at once, as a transport that is never busy.
func (c *client) Wake() {
	if !c.stalled {
		c.drain()
	}
}

func (c *client) drain() {
	c.mu.Lock()
	session := c.Session
	c.mu.Unlock()
	for {
		frames := session.Take(nil, 1<<20)
		if len(frames) == 0 {
			return
		}
		c.mu.Lock()
		for _, frame := range frames {
			c.got = append(c.got, string(frame))
		}
		c.mu.Unlock()
		c.tell()
	}
}

func (c *client) Close(r hub.Reason) {
	c.mu.Lock()
	if c.closed != nil {
		panic("closed twice")
	}
	c.closed = &r
	c.mu.Unlock()
	c.tell()
}

// frames are those that came so far.
func (c *client) frames() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.got)
}

// reason is why it was closed; nil: it is open.
func (c *client) reason() *hub.Reason {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

func (c *client) tell() {
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// wait returns what came once there is at least n of it.
func (c *client) wait(t testing.TB, n int) []string {
	t.Helper()
	var got []string
	c.until(t, fmt.Sprintf("%d frames", n), func() bool { got = slices.Clone(c.got); return len(got) >= n })
	return got
}

func (c *client) waitClosed(t testing.TB) hub.Reason {
	t.Helper()
	c.until(t, "the close", func() bool { return c.closed != nil })
	return *c.reason()
}

func (c *client) until(t testing.TB, what string, done func() bool) {
	t.Helper()
	timeout := time.After(10 * time.Second)
	for {
		c.mu.Lock()
		ok := done()
		c.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-c.changed:
		case <-timeout:
			t.Fatalf("no %s in 10 s; got %q, closed %v", what, c.got, c.closed)
		}
	}
}

func (c *client) subscribe(t testing.TB, keys ...string) *hub.Subscription {
	t.Helper()
	sub, err := c.Subscribe(t.Context(), hub.SubscribeOptions{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	return sub
}

// follow subscribes from now on.
func (c *client) follow(t testing.TB, keys ...string) *client {
	t.Helper()
	c.subscribe(t, keys...).Resume(hub.Position{})
	return c
}

// openHub is a hub and what one principal, by default anybody, may do with it: by
// default everything.
type openHub struct {
	*hub.Hub
	*hub.Actor
}

func openToAll(h *hub.Hub) *openHub {
	return (&openHub{Hub: h}).as(&hub.Principal{Grant: hub.Everything()})
}

func (h *openHub) as(p *hub.Principal) *openHub { return &openHub{h.Hub, h.Hub.As(p)} }

func newHub(t testing.TB, c hub.Config) *openHub {
	t.Helper()
	engine, err := stream.Open(t.Context(), stream.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	})
	c.Engine = engine
	return startHub(t, c)
}

// startHub starts a hub that is shut down after the test.
func startHub(t testing.TB, c hub.Config) *openHub {
	t.Helper()
	h, err := hub.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := h.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
	return openToAll(h)
}

func publish(t testing.TB, h *openHub, channel string, data string) *hub.Message {
	t.Helper()
	m := &hub.Message{Channel: channel, Data: []byte(data)}
	if _, err := h.Publish(t.Context(), m, hub.PublishOptions{}); err != nil {
		t.Fatal(err)
	}
	return m
}

func same(t testing.TB, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %q\nwant %q", what, got, want)
	}
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// positions is a codec of channel, position and data.
type positions struct{}

func (positions) Encode(e hub.Event) []byte {
	if e.Message == nil {
		return nil
	}
	return []byte(e.Message.Channel + " " + e.Message.ID + " " + string(e.Message.Data))
}

func check(t *testing.T, next map[string]int, frame string) (string, hub.Position) {
	t.Helper()
	part := strings.Fields(frame)
	if want := strconv.Itoa(next[part[0]]); part[2] != want {
		t.Errorf("%s: got message %s, want %s", part[0], part[2], want)
	}
	next[part[0]]++
	position, ok := hub.ParsePosition(part[1])
	if !ok {
		t.Errorf("no position: %q", frame)
	}
	return part[0], position
}
