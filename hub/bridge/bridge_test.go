package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fanfold/hub"
	"fanfold/hub/stream"
)

// fakeLink is a link that a test holds the other end of.
type fakeLink struct {
	deliveries chan *delivery
	sent       chan *parcel
	over       chan struct{}
}

func newFakeLink() *fakeLink {
	return &fakeLink{deliveries: make(chan *delivery), sent: make(chan *parcel, 1000), over: make(chan struct{})}
}

func (l *fakeLink) next(ctx context.Context) (*delivery, error) {
	select {
	case d := <-l.deliveries:
		return d, nil
	case <-l.over:
		return nil, l.err()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *fakeLink) send(_ context.Context, p *parcel) error {
	if string(p.payload) == "too long" {
		return &refusal{"it is too long"}
	}
	l.sent <- p
	return nil
}

func (l *fakeLink) done() <-chan struct{} { return l.over }
func (l *fakeLink) err() error            { return errors.New("the link was cut") }
func (l *fakeLink) close()                {}

// fakeBroker gives out links that a test hands it.
type fakeBroker struct{ links chan *fakeLink }

func (b fakeBroker) connect(ctx context.Context) (link, error) {
	select {
	case l := <-b.links:
		return l, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// balky is an engine that takes nothing while a test says so.
type balky struct {
	*stream.Engine
	refuses atomic.Int32 // so many publishes more
}

func (e *balky) Publish(ctx context.Context, m *hub.Message, o hub.PublishOptions) (bool, error) {
	if e.refuses.Add(-1) >= 0 {
		return false, hub.Errorf(hub.CodeUnavailable, "not now")
	}
	return e.Engine.Publish(ctx, m, o)
}

// rig is a hub with one bridge to a fake broker.
type rig struct {
	t      *testing.T
	engine *balky
	hub    *hub.Hub
	actor  *hub.Actor
	bridge *Bridge
	links  chan *fakeLink
	log    *strings.Builder
	stop   func()
}

func newRig(t *testing.T, c Config) *rig {
	t.Helper()
	engine, err := stream.Open(t.Context(), stream.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, engine: &balky{Engine: engine}}
	if r.hub, err = hub.New(hub.Config{Engine: r.engine, MaxMessageBytes: 1000}); err != nil {
		t.Fatal(err)
	}
	r.actor = r.hub.As(&hub.Principal{Server: true, Grant: hub.Everything()})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := errors.Join(r.hub.Shutdown(ctx), engine.Close()); err != nil {
			t.Error(err)
		}
	})
	r.start(c)
	t.Cleanup(func() { r.stop() })
	return r
}

// start runs a bridge, as the hub does after each start.
func (r *rig) start(c Config) {
	r.t.Helper()
	r.links, r.log = make(chan *fakeLink), &strings.Builder{}
	set, err := New(r.t.Context(), Options{Hub: r.hub, Recorder: r.engine, Bridges: []Config{c}, MaxMessageBytes: 1000, Logger: slog.New(slog.NewTextHandler(r.log, nil))})
	if err != nil {
		r.t.Fatal(err)
	}
	r.bridge = set.bridges[0]
	r.bridge.broker = fakeBroker{r.links}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { set.Run(ctx) })
	r.stop = func() { cancel(); running.Wait() }
}

func (r *rig) connect() *fakeLink {
	l := newFakeLink()
	r.links <- l
	return l
}

func (r *rig) publish(channel string, data string) {
	r.t.Helper()
	if _, err := r.actor.Publish(r.t.Context(), &hub.Message{Channel: channel, Data: fmt.Appendf(nil, "%q", data)}, hub.PublishOptions{}); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) history(channel string) []*hub.Message {
	r.t.Helper()
	page, err := r.actor.History(r.t.Context(), hub.Query{Channel: channel, Limit: 100})
	if err != nil {
		r.t.Fatal(err)
	}
	return page.Messages
}

func next[T any](t *testing.T, from <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-from:
	case <-time.After(20 * time.Second):
		t.Fatal("it did not come")
	}
	return v
}

func (r *rig) wantSent(l *fakeLink, texts ...string) (list []*parcel) {
	r.t.Helper()
	for _, text := range texts {
		p := next(r.t, l.sent)
		if string(p.payload) != text {
			r.t.Fatalf("%q was sent, want %q", p.payload, text)
		}
		list = append(list, p)
	}
	return list
}

func (r *rig) eventually(what string, cond func() bool) {
	r.t.Helper()
	deadline := time.After(20 * time.Second)
	for tick := time.NewTicker(time.Millisecond); !cond(); {
		select {
		case <-tick.C:
		case <-deadline:
			r.t.Fatalf("in vain: %s", what)
		}
	}
}

// outcome hears what becomes of a delivery.
func outcome(d *delivery) <-chan string {
	heard := make(chan string, 2)
	d.accept = func() error { heard <- "accepted"; return nil }
	d.refuse = func() error { heard <- "refused"; return nil }
	return heard
}

var inOnly = []In{{From: "a/#", To: "a.>"}}

// A message is acknowledged when the store has it, and not before, however long that
// takes; and it is stored once.
func TestNothingIsAcknowledgedThatIsNotStored(t *testing.T) {
	t.Parallel()
	r := newRig(t, mqttConfig(inOnly, nil))
	l := r.connect()
	r.engine.refuses.Store(3)
	d := &delivery{channel: "a.b", name: "a/b", payload: []byte("21"), about: about{user: [][2]string{{"unit", "C"}}}}
	heard := outcome(d)
	d.accept = func(accept func() error) func() error {
		return func() error {
			if n := len(r.history("a.b")); n != 1 {
				t.Errorf("acknowledged with %d stored", n)
			}
			return accept()
		}
	}(d.accept)
	l.deliveries <- d
	r.eventually("the state says why it waits", func() bool { return strings.Contains(r.bridge.status.snapshot().Error, "not now") })
	if got := next(t, heard); got != "accepted" {
		t.Errorf("it was %s", got)
	}
	m := r.history("a.b")[0]
	if string(m.Data) != `{"message":"21"}` || m.Tags["unit"] != "C" || m.Tags[bridgeTag] != "plant" {
		t.Errorf("stored %s with %v", m.Data, m.Tags)
	}
	if s := r.bridge.status.snapshot(); s.In != 1 || s.Error != "" {
		t.Errorf("the state is %+v", s)
	}
}

// What can never be taken is given back for good and told of, and holds up nothing.
func TestWhatCantBeTakenIsRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, mqttConfig(inOnly, nil))
	l := r.connect()
	many := make([][2]string, maxProperties+1)
	for i := range many {
		many[i] = [2]string{fmt.Sprint(i), "x"}
	}
	for _, d := range []*delivery{
		{channel: "a.b", payload: make([]byte, 2000)},
		{refused: hub.Errorf(hub.CodeBadRequest, "no name")},
		{channel: "other", payload: []byte("no grant covers it")},
		{channel: "a.b", about: about{user: many}},
		{channel: "a.b", about: about{user: [][2]string{{"k", strings.Repeat("x", maxPropertiesSize)}}}},
	} {
		heard := outcome(d)
		l.deliveries <- d
		if got := next(t, heard); got != "refused" {
			t.Errorf("%+v was %s", d, got)
		}
	}
	if s := r.bridge.status.snapshot(); s.RefusedIn != 5 || s.In != 0 {
		t.Errorf("the state is %+v", s)
	}
	r.stop()
	if n := strings.Count(r.log.String(), "refused for good"); n != 1 {
		t.Errorf("the log tells %d times", n)
	}
}

// A message with a name of its own is stored once, however often it comes; another
// one under the same name is not lost.
func TestRedeliveriesAreRecognised(t *testing.T) {
	t.Parallel()
	r := newRig(t, mqttConfig(inOnly, nil))
	l := r.connect()
	for _, key := range []string{keyOf("1", "x"), keyOf("1", "x"), keyOf("1", "y")} {
		d := &delivery{channel: "a.b", payload: []byte("x"), key: key}
		heard := outcome(d)
		l.deliveries <- d
		if got := next(t, heard); got != "accepted" {
			t.Errorf("it was %s", got)
		}
	}
	if n := len(r.history("a.b")); n != 2 {
		t.Errorf("%d are stored of 2", n)
	}
}

var outOnly = []Out{{From: "out.>", To: "o/#", QoS: 1}}

// Messages go out in order and bear the hub's mark; what came in over the bridge stays
// in, and so does what bears the mark when it comes back.
func TestNothingLoops(t *testing.T) {
	t.Parallel()
	r := newRig(t, mqttConfig([]In{{From: "o/#", To: "out.>"}}, outOnly))
	l := r.connect()
	r.publish("out.1", "one")
	p := r.wantSent(l, "one")[0]
	if p.to != "o/1" {
		t.Errorf("it went to %s", p.to)
	}
	back := &delivery{channel: "out.1", payload: p.payload, about: p.about}
	other := &delivery{channel: "out.2", payload: []byte("theirs"), about: about{user: [][2]string{{hubTag, "another"}}}}
	for _, d := range []*delivery{back, other} {
		heard := outcome(d)
		l.deliveries <- d
		if got := next(t, heard); got != "accepted" {
			t.Errorf("it was %s", got)
		}
	}
	r.publish("out.3", "three")
	r.wantSent(l, "three") // and not "theirs"
	if n := len(r.history("out.1")); n != 1 {
		t.Errorf("%d are stored of 1", n)
	}
	if trail := r.history("out.2")[0].Tags[hubTag]; trail != "another" {
		t.Errorf("the trail of the other hub is %q", trail)
	}
}

// What the broker has not acknowledged when the link or the hub ends is sent again, and
// what it has is not.
func TestWhatWasNotAcknowledgedIsSentAgain(t *testing.T) {
	t.Parallel()
	c := mqttConfig(nil, outOnly)
	r := newRig(t, c)
	l := r.connect()
	for _, text := range []string{"one", "two", "three"} {
		r.publish("out.1", text)
	}
	sent := r.wantSent(l, "one", "two", "three")
	r.bridge.settle(sent[0], nil)
	r.bridge.settle(sent[2], nil)
	close(l.over)
	l = r.connect()
	r.publish("out.1", "four")
	r.wantSent(l, "two", "four")
	close(l.over)
	r.eventually("it is told", func() bool { return !r.bridge.status.snapshot().Connected })
	r.stop()
	r.publish("out.1", "five")
	r.start(c)
	l = r.connect()
	for _, p := range r.wantSent(l, "two", "three", "four", "five") {
		r.bridge.settle(p, nil)
	}
	if s := r.bridge.status.snapshot(); s.Out != 4 {
		t.Errorf("the state is %+v", s)
	}
	r.stop()
	r.publish("out.1", "six")
	r.start(c)
	r.wantSent(r.connect(), "six")
}

// A message that the broker does not take now is sent again, and one that it never takes
// is passed over.
func TestRefusedMessages(t *testing.T) {
	t.Parallel()
	r := newRig(t, mqttConfig(nil, outOnly))
	l := r.connect()
	r.publish("out.1", "too long")
	r.publish("out.1", "one")
	p := r.wantSent(l, "one")[0]
	r.bridge.settle(p, errors.New("no queue"))
	r.eventually("the state says why", func() bool { return strings.Contains(r.bridge.status.snapshot().Error, "no queue") })
	r.bridge.settle(r.wantSent(l, "one")[0], nil)
	r.publish("out.1", "two")
	r.bridge.settle(r.wantSent(l, "two")[0], nil)
	if s := r.bridge.status.snapshot(); s.Out != 2 || s.RefusedOut != 1 || s.Error != "" {
		t.Errorf("the state is %+v", s)
	}
}

// When the store has forgotten what was sent last, the log says so and the rest is
// sent.
func TestAForgottenPositionIsTold(t *testing.T) {
	t.Parallel()
	c := mqttConfig(nil, outOnly)
	r := newRig(t, c)
	r.stop()
	r.publish("out.1", "kept")
	gone := hub.Position{Epoch: "0123456", Seq: 7}
	if err := saveRecord(t.Context(), r.engine, record{ID: c.Out[0].id(c.Name), Position: gone.String()}); err != nil {
		t.Fatal(err)
	}
	r.start(c)
	l := r.connect()
	r.bridge.settle(r.wantSent(l, "kept")[0], nil)
	r.publish("out.1", "new")
	r.bridge.settle(r.wantSent(l, "new")[0], nil)
	r.stop()
	if !strings.Contains(r.log.String(), "may be missing") {
		t.Errorf("the log: %s", r.log)
	}
}

// The position of a quiet route keeps up with the store, which would forget it else.
func TestAQuietRouteIsNotOvertaken(t *testing.T) {
	t.Parallel()
	r := newRig(t, mqttConfig(nil, outOnly))
	l := r.connect()
	f := r.bridge.forwarders[0]
	before, _, _ := f.window.state()
	r.publish("elsewhere", "x")
	r.bridge.measure(t.Context(), true)
	after, _, _ := f.window.state()
	if after.Seq <= before.Seq {
		t.Errorf("it stays at %d", after.Seq)
	}
	r.publish("out.1", "one")
	p := r.wantSent(l, "one")[0]
	r.publish("elsewhere", "x")
	r.bridge.measure(t.Context(), true)
	if done, _, _ := f.window.state(); done != after {
		t.Errorf("it moved over what was not acknowledged, to %d", done.Seq)
	}
	if lag := r.bridge.status.snapshot().Lag; lag <= 0 {
		t.Errorf("the lag is %v", lag)
	}
	r.bridge.settle(p, nil)
}
