package hub_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"fanfold/hub"
)

// loopback is an engine that delivers what is published, and keeps nothing: for
// tests of time and of allocations.
type loopback struct{ listeners map[string]hub.Listener }

func (l loopback) Publish(_ context.Context, m *hub.Message, o hub.PublishOptions) (bool, error) {
	if !o.Live {
		m.Prev, m.Position.Seq = m.Position.Seq, m.Position.Seq+1 // of a message that is published again and again
	}
	l.listeners[m.Channel].Deliver(m)
	return false, nil
}
func (l loopback) Read(context.Context, hub.Query) (hub.Page, error) { return hub.Page{}, nil }
func (l loopback) Listen(pattern string, listener hub.Listener) (func(), error) {
	l.listeners[pattern] = listener
	return func() {}, nil
}

func loopbackHub(t testing.TB, c hub.Config) *openHub {
	t.Helper()
	c.Engine = loopback{map[string]hub.Listener{}}
	h, err := hub.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return openToAll(h)
}

// advance lets time pass in the test's bubble, and all that it brings about be
// done.
func advance(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestPings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := loopbackHub(t, hub.Config{})
		config := hub.SessionConfig{PingEvery: 20 * time.Second, Pongs: true, Label: "x"}
		lively, silent := connect(t, h, config), connect(t, h, config)
		oneWay := connect(t, h, hub.SessionConfig{PingEvery: 20 * time.Second})
		if lively.Pong() {
			t.Error("a pong is taken before any ping")
		}
		advance(21 * time.Second)
		same(t, "lively", lively.frames(), "ping x")
		if !lively.Pong() || lively.Pong() {
			t.Error("one ping takes one pong")
		}
		advance(20 * time.Second)
		same(t, "lively", lively.frames(), "ping x", "ping x")
		same(t, "one-way", oneWay.frames(), "ping ", "ping ")
		if silent.reason() == nil || silent.reason().Cause != hub.CauseNoPong || lively.reason() != nil || oneWay.reason() != nil {
			t.Errorf("closed: silent %+v, lively %+v, one-way %+v", silent.reason(), lively.reason(), oneWay.reason())
		}
		end(t, h, lively, silent, oneWay)
	})
}

func TestAClientMustSayWhoItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := loopbackHub(t, hub.Config{})
		config := hub.SessionConfig{IdentifyWithin: 10 * time.Second, PingEvery: 5 * time.Second}
		known, unknown := connect(t, h, config), connect(t, h, config)
		known.Identify(&hub.Principal{User: "ann"})
		advance(9 * time.Second)
		same(t, "unknown", unknown.frames()) // not even a ping
		advance(2 * time.Second)
		if unknown.reason() == nil || unknown.reason().Cause != hub.CauseStale || known.reason() != nil {
			t.Errorf("closed: unknown %+v, known %+v", unknown.reason(), known.reason())
		}
		end(t, h, known, unknown)
	})
}

// end lets all clients go and stops the hub.
func end(t *testing.T, h *openHub, clients ...*client) {
	for _, c := range clients {
		c.leave()
	}
	if err := h.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestShutdownTellsEverybodyAFewAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := loopbackHub(t, hub.Config{})
		var clients []*client
		for range 1000 {
			clients = append(clients, connect(t, h, hub.SessionConfig{}))
		}
		start := time.Now()
		var returning [6]atomic.Int64 // in each second from now on
		for _, c := range clients {
			go func() {
				r := c.waitClosed(t)
				if r.Cause != hub.CauseShutdown || r.Retry < 500*time.Millisecond || r.Retry > 5*time.Second {
					t.Errorf("closed for %+v", r)
				}
				returning[int(r.Retry.Seconds())].Add(1)
				c.leave()
			}()
		}
		if err := h.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took != 150*time.Millisecond { // 1000 at 5000 a second, the first 250 at once
			t.Errorf("took %v", took)
		}
		for second := 1; second < 5; second++ {
			if n := returning[second].Load(); n < 200 || n > 250 { // 1000 in 4.5 seconds
				t.Errorf("%d clients are to come back in second %d", n, second)
			}
		}
		if _, err := h.Open(hub.SessionConfig{Conn: clients[0], Codec: words{}}); hub.ErrorOf(err).Code != hub.CodeUnavailable {
			t.Errorf("open after the end: %v", err)
		}
	})
}

func TestShutdownDoesNotWaitForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := loopbackHub(t, hub.Config{})
		stuck := connectTo(t, h, hub.SessionConfig{}, &client{stalled: true})
		stuck.Send([]byte("x"))
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if err := h.Shutdown(ctx); err != context.DeadlineExceeded {
			t.Errorf("got %v", err)
		}
		stuck.leave()
	})
}

// discard is a transport that takes everything and keeps nothing.
type discard struct {
	session *hub.Session
	frames  [][]byte
	got     chan struct{}
}

func (d *discard) Wake() {
	for {
		if d.frames = d.session.Take(d.frames[:0], 1<<20); len(d.frames) == 0 {
			return
		}
		if d.got != nil {
			d.got <- struct{}{}
		}
	}
}

func (d *discard) Close(hub.Reason) {}

// fanOut returns a function that publishes to n subscribers and waits until the
// last of them has the message.
func fanOut(t testing.TB, n int) (publish func()) {
	h := loopbackHub(t, hub.Config{Shards: 1})
	t.Cleanup(func() {
		if err := h.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	last := make(chan struct{})
	for i := range n {
		d := &discard{}
		if i == n-1 {
			d.got = last
		}
		s, err := h.Open(hub.SessionConfig{Conn: d, Codec: words{}})
		if err != nil {
			t.Fatal(err)
		}
		d.session = s
		sub, err := s.Subscribe(t.Context(), hub.SubscribeOptions{Keys: []string{"c"}})
		if err != nil {
			t.Fatal(err)
		}
		sub.Resume(hub.Position{})
		t.Cleanup(s.Detach)
	}
	m := &hub.Message{Channel: "c", Data: []byte(`"0123456789"`)}
	return func() {
		if _, err := h.Publish(context.Background(), m, hub.PublishOptions{}); err != nil {
			t.Error(err)
		}
		<-last
	}
}

// TestFanOutAllocatesNothingPerSubscriber holds the budget of a fan-out step.
func TestFanOutAllocatesNothingPerSubscriber(t *testing.T) {
	const subscribers, budget = 500, 20
	if got := testing.AllocsPerRun(100, fanOut(t, subscribers)); got > budget {
		t.Errorf("a message to %d subscribers takes %v allocations, the budget is %d", subscribers, got, budget)
	}
}

func BenchmarkFanOut(b *testing.B) {
	const subscribers = 1000
	publish := fanOut(b, subscribers)
	b.ReportAllocs()
	for b.Loop() {
		publish()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*subscribers), "ns/delivery")
}
