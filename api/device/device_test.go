package device

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"fanfold/api/dialect"
	"fanfold/hub"
	"fanfold/hub/stream"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is one that the test moves.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// node is a hub with its devices.
type node struct {
	t        *testing.T
	sessions *Sessions
	retained *Retained
	actor    *hub.Actor
}

// newEngine starts a store in memory that ends with the test.
func newEngine(t *testing.T) *stream.Engine {
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
	return engine
}

// newNode starts a hub on the store.
func newNode(t *testing.T, engine *stream.Engine, c *clock, maxSessions int) *node {
	t.Helper()
	h, err := hub.New(hub.Config{Engine: engine})
	if err != nil {
		t.Fatal(err)
	}
	n := &node{t: t, actor: h.As(&hub.Principal{Grant: hub.Everything()})}
	if n.sessions, err = Open(t.Context(), h, Config{Hub: n.actor, Now: c.now, MaxSessions: maxSessions}); err != nil {
		t.Fatal(err)
	}
	if n.retained, err = OpenRetained(t.Context(), h, n.actor, nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		n.sessions.Close()
		n.retained.Close()
		if err := h.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return n
}

// client is a connection that a session is told of.
type client struct {
	mu    sync.Mutex
	state dialect.MQTTState // guarded by mu, as is the rest
	dirty bool
	saved int // how often the state was asked for
	leave func()
}

func (c *client) State() (dialect.MQTTState, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.saved++
	defer func() { c.dirty = false }()
	return c.state, c.dirty
}

func (c *client) TakenOver() {
	if c.leave != nil {
		c.leave()
	}
}

func (c *client) Tick(time.Time) {}

// attach gives a client its session.
func (n *node) attach(c *client, id string, clean bool, expiry time.Duration) (dialect.MQTTSession, *dialect.MQTTState, error) {
	return n.sessions.Attach(n.t.Context(), dialect.MQTTConnect{Owner: "ann", ClientID: id, Clean: clean, Expiry: expiry}, c)
}

// attached is attach for who has to get it.
func (n *node) attached(id string, expiry time.Duration) (dialect.MQTTSession, *dialect.MQTTState) {
	n.t.Helper()
	s, state, err := n.attach(&client{}, id, false, expiry)
	if err != nil {
		n.t.Fatal(err)
	}
	return s, state
}

var subscribed = dialect.MQTTState{
	Filters:  []dialect.MQTTFilter{{Filter: "a/#", QoS: 1, RetainAsPublished: true, ID: 7, Position: hub.Position{Epoch: "epoch00", Seq: 9}}},
	Received: []dialect.MQTTReceived{{ID: 3, Key: "k", Stored: true}},
}

func TestASessionIsKeptForItsTime(t *testing.T) {
	c := &clock{at: time.Now()}
	n := newNode(t, newEngine(t), c, 0)
	s, state := n.attached("d", time.Hour)
	if state != nil {
		t.Fatalf("a new session has the state %+v", state)
	}
	s.Detach(t.Context(), subscribed, time.Hour, nil)
	c.pass(time.Hour - time.Second)
	n.sessions.tick(t.Context(), c.now())
	s, state = n.attached("d", time.Hour)
	if state == nil || fmt.Sprint(*state) != fmt.Sprint(subscribed) {
		t.Fatalf("the state is %+v", state)
	}
	s.Detach(t.Context(), *state, time.Hour, nil)
	c.pass(time.Hour)
	if _, state := n.attached("d", time.Hour); state != nil {
		t.Error("it is there after its time")
	}
	n.attached("e", time.Hour)
	if st := n.sessions.Stats(); st != (Stats{Connected: 2, Kept: 2}) {
		t.Errorf("there are %+v", st)
	}
}

// Another hub on the store knows of a session when it is detached, and of its end.
func TestSessionsAreKnownToAllHubs(t *testing.T) {
	c := &clock{at: time.Now()}
	engine := newEngine(t)
	here, there := newNode(t, engine, c, 0), newNode(t, engine, c, 0)
	s, _ := here.attached("d", time.Hour)
	s.Detach(t.Context(), subscribed, time.Hour, nil)
	knows := func(want bool) {
		t.Helper()
		eventually(t, "the other hub hears of it", func() bool { return there.sessions.Stats().Kept == map[bool]int{true: 1}[want] })
	}
	knows(true)
	s, _, err := here.attach(&client{}, "d", true, 0)
	if err != nil {
		t.Fatal(err)
	}
	knows(false)
	s.Detach(t.Context(), dialect.MQTTState{}, 0, nil)
	s, _ = here.attached("d", time.Hour)
	s.Detach(t.Context(), subscribed, time.Hour, nil)
	knows(true)
	_, state := there.attached("d", time.Hour)
	subscribedThere := *state
	if fmt.Sprint(subscribedThere) != fmt.Sprint(subscribed) {
		t.Errorf("the other hub has %+v", subscribedThere)
	}
}

// While a client is connected its state is written down when it changes, and else
// often enough that the record does not end before the session.
func TestStatesAreWrittenWhenTheyChange(t *testing.T) {
	c := &clock{at: time.Now()}
	engine := newEngine(t)
	n := newNode(t, engine, c, 0)
	d := &client{state: subscribed, dirty: true}
	s, _, err := n.attach(d, "d", false, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	written := func() time.Time { return s.(hold).written }
	for _, step := range []struct {
		what  string
		after time.Duration
		dirty bool
		want  bool
	}{{"changed", time.Second, true, true}, {"unchanged", time.Second, false, false}, {"due", 15 * time.Minute, false, true}} {
		before := written()
		c.pass(step.after)
		d.dirty = step.dirty
		n.sessions.tick(t.Context(), c.now())
		if got := written() != before; got != step.want {
			t.Errorf("%s: written %t", step.what, got)
		}
	}
}

func TestTheNumberOfSessionsIsBounded(t *testing.T) {
	c := &clock{at: time.Now()}
	n := newNode(t, newEngine(t), c, 2)
	first, _ := n.attached("1", time.Hour)
	n.attached("2", time.Hour)
	if _, _, err := n.attach(&client{}, "3", false, time.Hour); hub.ErrorOf(err).Code != hub.CodeLimit || !strings.Contains(err.Error(), "2 sessions") {
		t.Errorf("a third one: %v", err)
	}
	if _, _, err := n.attach(&client{}, "3", true, 0); err != nil {
		t.Errorf("one that is not kept: %v", err)
	}
	first.Detach(t.Context(), dialect.MQTTState{}, 0, nil)
	n.attached("4", time.Hour)
}

// A client that does not go keeps its session.
func TestATakeoverWaitsForTheOther(t *testing.T) {
	c := &clock{at: time.Now()}
	n := newNode(t, newEngine(t), c, 0)
	told := make(chan struct{}, 1)
	s, _, err := n.attach(&client{leave: func() { told <- struct{}{} }}, "d", false, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-told; cancel() }()
	connect := dialect.MQTTConnect{Owner: "ann", ClientID: "d", Expiry: time.Hour}
	if _, _, err := n.sessions.Attach(ctx, connect, &client{}); hub.ErrorOf(err).Code != hub.CodeUnavailable {
		t.Errorf("taken from who did not go: %v", err)
	}
	go func() { <-told; s.Detach(context.Background(), subscribed, time.Hour, nil) }()
	if _, state := n.attached("d", time.Hour); state == nil {
		t.Error("the state was lost")
	}
	other := dialect.MQTTConnect{Owner: "bob", ClientID: "d", Expiry: time.Hour}
	if _, state, err := n.sessions.Attach(t.Context(), other, &client{}); state != nil || err != nil {
		t.Errorf("another owner's client of the same name has %+v, %v", state, err)
	}
}

func TestWillsWaitForTheirDelay(t *testing.T) {
	c := &clock{at: time.Now()}
	n := newNode(t, newEngine(t), c, 0)
	published := 0
	detach := func(delay, keep time.Duration) {
		t.Helper()
		s, _ := n.attached("d", time.Hour)
		s.Detach(t.Context(), subscribed, keep, &dialect.MQTTWill{Delay: delay, Publish: func(context.Context) { published++ }})
	}
	wants := func(what string, want int) {
		t.Helper()
		n.sessions.tick(t.Context(), c.now())
		if published != want {
			t.Errorf("%s: %d wills are published, want %d", what, published, want)
		}
	}
	detach(0, time.Hour)
	wants("no delay", 1)
	detach(time.Minute, time.Hour)
	wants("at first", 1)
	detach(time.Minute, time.Hour) // it was back
	c.pass(59 * time.Second)
	wants("before its time", 1)
	c.pass(time.Second)
	wants("in time", 2)
	detach(time.Minute, time.Second)
	c.pass(time.Second)
	wants("when the session ends", 3)
	detach(time.Minute, time.Hour)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	n.sessions.Run(over)
	wants("when the hub ends", 4)
}

// retain publishes a message to be retained.
func (n *node) retain(channel, data string) error {
	m := &hub.Message{Channel: channel, Data: []byte(data), Tags: map[string]string{"k": "v"}}
	return n.retained.Publish(n.t.Context(), m, data == "", func() error {
		m.Data = []byte(data + " ")[:max(1, len(data))]
		_, err := n.actor.Publish(n.t.Context(), m, hub.PublishOptions{})
		return err
	})
}

// matching is what is retained, as text.
func (n *node) matching(keys ...string) string {
	var all []string
	for _, m := range n.retained.Match(keys) {
		all = append(all, m.Channel+"="+string(m.Data))
	}
	return strings.Join(all, " ")
}

// Other hubs hear of what is retained, as it is, and a new one finds it.
func TestRetainedMessagesAreKnownToAllHubs(t *testing.T) {
	c := &clock{at: time.Now()}
	engine := newEngine(t)
	here, there := newNode(t, engine, c, 0), newNode(t, engine, c, 0)
	for _, p := range [][2]string{{"a.b", `{"v":1}`}, {"a.c", `{ "v": "<&>" }`}, {"a.b", `{"v":2}`}, {"b", `3`}, {"b", ``}} {
		if err := here.retain(p[0], p[1]); err != nil {
			t.Fatal(err)
		}
	}
	const want = `a.b={"v":2} a.c={ "v": "<&>" }`
	if got := here.matching(">"); got != want {
		t.Errorf("retained are %s", got)
	}
	eventually(t, "the other hub hears of it", func() bool { return there.matching("a.>", "b") == want && there.matching("b") == "" })
	if got := newNode(t, engine, c, 0).matching("a.*"); got != want {
		t.Errorf("a new hub has %s", got)
	}
	if got := here.matching("a.c", "x"); got != `a.c={ "v": "<&>" }` {
		t.Errorf("a channel has %s", got)
	}
}

// What can't be published is not retained, and what is older than what is retained takes
// nothing's place.
func TestOnlyTheNewestPublishedIsRetained(t *testing.T) {
	n := newNode(t, newEngine(t), &clock{at: time.Now()}, 0)
	failed := errors.New("failed")
	publish := func(seq uint64, err error) error {
		m := &hub.Message{Channel: "a", Data: fmt.Appendf(nil, "%d", seq)}
		return n.retained.Publish(t.Context(), m, false, func() error {
			m.Position = hub.Position{Epoch: "epoch00", Seq: seq}
			return err
		})
	}
	if err := publish(1, failed); !errors.Is(err, failed) || n.retained.Count() != 0 {
		t.Errorf("%v, %d retained", err, n.retained.Count())
	}
	for _, seq := range []uint64{3, 2} {
		if err := publish(seq, nil); err != nil {
			t.Fatal(err)
		}
	}
	if got := n.matching("a"); got != "a=3" {
		t.Errorf("retained is %s", got)
	}
}

func TestWhatIsRetainedIsBounded(t *testing.T) {
	n := newNode(t, newEngine(t), &clock{at: time.Now()}, 0)
	nothing := func() error { return nil }
	large := []byte(`"` + strings.Repeat("x", 1<<20) + `"`)
	var err error
	count := 0
	for ; err == nil; count++ {
		m := &hub.Message{Channel: fmt.Sprintf("large.%d", count), Data: large}
		k, reserved := n.retained.reserve(m, false)
		if err = reserved; err == nil {
			n.retained.set(k, m, false)
		}
	}
	if count != maxRetainedBytes>>20 || hub.ErrorOf(err).Code != hub.CodeFull {
		t.Errorf("after %d messages of 1 MiB: %v", count, err)
	}
	m := &hub.Message{Channel: "large.0"}
	if err := n.retained.Publish(t.Context(), m, true, nothing); err != nil {
		t.Errorf("making room: %v", err)
	}
	if _, err := n.retained.reserve(&hub.Message{Channel: "large.0", Data: large[:1000]}, false); err != nil {
		t.Errorf("there is room again: %v", err)
	}
	for i := range maxRetained {
		_, err = n.retained.reserve(&hub.Message{Channel: fmt.Sprintf("c.%d", i)}, false)
	}
	if hub.ErrorOf(err).Code != hub.CodeFull || n.retained.Count() != maxRetained {
		t.Errorf("%d are retained, %v", n.retained.Count(), err)
	}
}

// eventually waits until cond is true.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}
