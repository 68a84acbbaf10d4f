package hub_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"fanfold/hub"
	"fanfold/hub/stream"
)

// lossy is an engine that drops copies on their way to listeners.
type lossy struct {
	*stream.Engine
	loses    func(pattern string, m *hub.Message) bool // called by one goroutine
	confess  func(pattern string) bool                 // whether Lost is called for each; nil: never
	late     *sync.WaitGroup                           // nil: before the next message; else in a goroutine
	refuse   atomic.Pointer[error]                     // what Read fails with
	dropped  atomic.Int64
	faithful atomic.Bool // drops nothing any more
}

func (l *lossy) Listen(pattern string, listener hub.Listener) (func(), error) {
	return l.Engine.Listen(pattern, &lossyListener{Listener: listener, engine: l, pattern: pattern})
}

func (l *lossy) Read(ctx context.Context, q hub.Query) (hub.Page, error) {
	if err := l.refuse.Load(); err != nil {
		return hub.Page{}, *err
	}
	return l.Engine.Read(ctx, q)
}

type lossyListener struct {
	hub.Listener
	engine  *lossy
	pattern string
}

func (l *lossyListener) Deliver(m *hub.Message) {
	if l.engine.faithful.Load() || !l.engine.loses(l.pattern, m) {
		l.Listener.Deliver(m)
		return
	}
	l.engine.dropped.Add(1)
	switch {
	case l.engine.confess == nil || !l.engine.confess(l.pattern):
	case l.engine.late != nil:
		l.engine.late.Go(l.Lost)
	default:
		l.Lost()
	}
}

// lossyHub returns a hub on an engine that keeps 5,000 messages of a channel.
func lossyHub(t testing.TB, c hub.Config, loses func(pattern string, m *hub.Message) bool) (*openHub, *lossy) {
	t.Helper()
	rule := hub.DefaultRule()
	rule.Messages = 5000
	engine, err := stream.Open(t.Context(), stream.Config{Rules: hub.Rules{rule}})
	if err != nil {
		t.Fatal(err)
	}
	l := &lossy{Engine: engine, loses: loses}
	t.Cleanup(func() {
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	})
	c.Engine = l
	return startHub(t, c), l
}

// burstsOf loses copies at random, alone and in rows.
func burstsOf(seed uint64) func(string, *hub.Message) bool {
	random := rand.New(rand.NewPCG(seed, 2))
	row := map[string]int{}
	return func(pattern string, _ *hub.Message) bool {
		if row[pattern] > 0 {
			row[pattern]--
			return true
		}
		switch random.IntN(20) {
		case 0:
			row[pattern] = random.IntN(50)
			return true
		case 1, 2:
			return true
		}
		return false
	}
}

var lossyKeys = [][]string{{"c.0"}, {"c.*"}, {">"}, {"c.0", "c.1", "c.2"}, {"c.1", "c.*"}}

// followAll has a client for each of lossyKeys, from now on, as clients do it.
func followAll(t *testing.T, h *openHub, codec hub.Codec) (clients []*client) {
	for _, keys := range lossyKeys {
		c := connect(t, h, hub.SessionConfig{Codec: codec})
		sub := c.subscribe(t, keys...)
		now, err := h.Now(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		sub.Resume(now)
		clients = append(clients, c)
	}
	return clients
}

// publishNumbers publishes 0 to n-1 to each of c.0, c.1 and c.2, all at once.
func publishNumbers(t *testing.T, h *openHub, from, n int) {
	var wg sync.WaitGroup
	for channel := range 3 {
		wg.Go(func() {
			for i := from; i < from+n; i++ {
				m := &hub.Message{Channel: fmt.Sprint("c.", channel), Data: strconv.AppendInt(nil, int64(i), 10)}
				if _, err := h.Publish(context.Background(), m, hub.PublishOptions{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// sawAll waits until each client has all n messages of its channels, once and in
// the order of each channel.
func sawAll(t *testing.T, clients []*client, n int) {
	t.Helper()
	for i, c := range clients {
		channels := 3
		if len(lossyKeys[i]) == 1 && !hub.IsPattern(lossyKeys[i][0]) {
			channels = 1
		}
		next := map[string]int{}
		for _, frame := range c.wait(t, channels*n) {
			check(t, next, frame)
		}
		for channel, got := range next {
			if got != n || len(next) != channels {
				t.Errorf("%q: got %d messages of %s, want %d", lossyKeys[i], got, channel, n)
			}
		}
	}
}

func TestSilentHolesAreFilled(t *testing.T) {
	for seed := range uint64(3) {
		h, engine := lossyHub(t, hub.Config{Shards: 2}, burstsOf(seed))
		clients := followAll(t, h, positions{})
		publishNumbers(t, h, 0, 400)
		engine.faithful.Store(true)
		publishNumbers(t, h, 400, 1) // shows what was lost at the end
		sawAll(t, clients, 401)
		checkFilled(t, h, engine)
	}
}

func TestHolesThatAreToldOfAreFilled(t *testing.T) {
	for seed := range uint64(3) {
		h, engine := lossyHub(t, hub.Config{Shards: 2}, burstsOf(seed))
		engine.confess = func(string) bool { return true }
		clients := followAll(t, h, positions{})
		publishNumbers(t, h, 0, 400)
		sawAll(t, clients, 400) // even if the last ones were lost
		for i, c := range clients {
			rising(t, fmt.Sprint(lossyKeys[i]), c.wait(t, 0))
		}
		checkFilled(t, h, engine)
	}
}

// TestLateWordOfALossIsHeeded: it comes from other goroutines, before or behind
// any message. Then only the order within a channel is kept.
func TestLateWordOfALossIsHeeded(t *testing.T) {
	for seed := range uint64(3) {
		h, engine := lossyHub(t, hub.Config{Shards: 2}, burstsOf(seed))
		engine.confess, engine.late = func(string) bool { return true }, new(sync.WaitGroup)
		clients := followAll(t, h, positions{})
		publishNumbers(t, h, 0, 400)
		sawAll(t, clients, 400)
		engine.late.Wait()
		checkFilled(t, h, engine)
	}
}

// checkFilled tests that there were holes, and that no subscription had to end.
func checkFilled(t *testing.T, h *openHub, engine *lossy) {
	t.Helper()
	info, err := h.Info(t.Context())
	if err != nil || engine.dropped.Load() == 0 || info.Gaps == 0 || info.Filled < engine.dropped.Load() {
		t.Errorf("of %d copies that were dropped: %d holes, %d filled, %v", engine.dropped.Load(), info.Gaps, info.Filled, err)
	}
}

// rising tests that a client that leaves after any frame can recover from its
// position: nothing before that comes later.
func rising(t *testing.T, who string, frames []string) {
	t.Helper()
	last := ""
	for _, frame := range frames {
		id := strings.Fields(frame)[1]
		if id <= last {
			t.Errorf("%s: after %s comes %s", who, last, id)
		}
		last = id
	}
}

func TestTheVeryFirstMessagesAreNotLost(t *testing.T) {
	first := map[string]int{}
	h, _ := lossyHub(t, hub.Config{}, func(pattern string, _ *hub.Message) bool { first[pattern]++; return first[pattern] <= 3 })
	before, err := h.Now(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	early, late := connect(t, h, hub.SessionConfig{}), connect(t, h, hub.SessionConfig{})
	several, filtered := connect(t, h, hub.SessionConfig{}), connect(t, h, hub.SessionConfig{})
	excluded := connect(t, h, hub.SessionConfig{})
	without := excluded.subscribe(t, "c", ">")
	early.subscribe(t, "c").Resume(before) // before the first message
	sub, pattern := late.subscribe(t, "c"), several.subscribe(t, "c", ">")
	only, err := filtered.Subscribe(t.Context(), hub.SubscribeOptions{Keys: []string{"*"}, Filter: func(m *hub.Message) bool { return string(m.Data) != "1" }})
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for i := range 6 {
		m := &hub.Message{Channel: "c", Data: strconv.AppendInt(nil, int64(i), 10)}
		if i == 2 {
			m.Exclude = excluded.Client().ID
		}
		if _, err := h.Publish(t.Context(), m, hub.PublishOptions{}); err != nil {
			t.Fatal(err)
		}
		want = append(want, fmt.Sprint("c:", i))
	}
	same(t, "early", early.wait(t, 6), want...)
	sub.Resume(before)
	pattern.Resume(before)
	only.Resume(before)
	without.Resume(before)
	same(t, "late", late.wait(t, 6), want...)
	same(t, "with several keys", several.wait(t, 6), want...)
	same(t, "excluded from one", excluded.wait(t, 5), append(want[:2:2], want[3:]...)...)
	same(t, "with a filter", filtered.wait(t, 5), append(want[:1:1], want[2:]...)...)
}

func TestAMarkIsNoMessageAndNoHole(t *testing.T) {
	var marks atomic.Bool
	h, _ := lossyHub(t, hub.Config{}, func(_ string, m *hub.Message) bool { return marks.Load() && m.Data == nil })
	c := connect(t, h, hub.SessionConfig{})
	c.follow(t, "c")
	remove := func() {
		if err := h.RemoveHistory(t.Context(), "c"); err != nil {
			t.Fatal(err)
		}
	}
	publish(t, h, "c", "1")
	remove()
	publish(t, h, "c", "2")
	same(t, "over a mark", c.wait(t, 2), "c:1", "c:2")
	// Without the mark nobody can say whether messages before it were lost as well.
	marks.Store(true)
	remove()
	publish(t, h, "c", "3")
	same(t, "over a mark that was lost", c.wait(t, 3)[2:], "unsubscribed c 0")
}

// gate is a codec that waits to be opened before it writes messages.
type gate struct{ open chan struct{} }

func (g gate) Encode(e hub.Event) []byte {
	if e.Kind == hub.KindMessage {
		<-g.open
	}
	return words{}.Encode(e)
}

func TestAShardThatCantKeepUpHoldsNobodyUp(t *testing.T) {
	for name, test := range map[string]struct{ size, messages int }{
		"many messages": {10, 20_000}, "many bytes": {50_000, 1500}, // more than an inbox has room for
	} {
		t.Run(name, func(t *testing.T) {
			engine := newKeeper()
			h := startHub(t, hub.Config{Engine: engine, Shards: 1, OutboxBytes: 200 << 20})
			g := gate{make(chan struct{})}
			c := connect(t, h, hub.SessionConfig{Codec: g}).follow(t, "c")
			plain := connect(t, h, hub.SessionConfig{Codec: words{name: "p "}}).follow(t, ">")
			data := strings.Repeat("x", test.size)
			var want []string
			for i := range test.messages {
				publish(t, h, "c", fmt.Sprint(i, data))
				want = append(want, fmt.Sprint("c:", i, data))
			}
			close(g.open)
			got := c.wait(t, test.messages)
			for i := range want {
				if got[i] != want[i] {
					t.Fatalf("message %d is %.20q", i, got[i])
				}
			}
			plain.wait(t, test.messages)
			if info, err := h.Info(t.Context()); err != nil || info.Gaps == 0 || info.Filled == 0 {
				t.Errorf("info: %+v, %v", info, err)
			}
		})
	}
}

func TestAHoleThatCantBeFilledIsToldOf(t *testing.T) {
	for name, refusal := range map[string]error{
		"history was trimmed":   hub.Errorf(hub.CodeUnrecoverable, "trimmed"),
		"the store can't serve": errors.New("broken"),
	} {
		t.Run(name, func(t *testing.T) {
			h, engine := lossyHub(t, hub.Config{}, func(_ string, m *hub.Message) bool { return string(m.Data) == "lost" })
			told, untold := connect(t, h, hub.SessionConfig{}).follow(t, "c"), connect(t, h, hub.SessionConfig{Codec: positions{}}).follow(t, "c")
			vital := connect(t, h, hub.SessionConfig{})
			sub, err := vital.Subscribe(t.Context(), hub.SubscribeOptions{Keys: []string{"c"}, Vital: true})
			if err != nil {
				t.Fatal(err)
			}
			sub.Resume(hub.Position{})
			bystander := connect(t, h, hub.SessionConfig{}).follow(t, "d")
			publish(t, h, "c", "1")
			told.wait(t, 1)
			engine.refuse.Store(&refusal)
			publish(t, h, "c", "lost")
			publish(t, h, "c", "behind")
			same(t, "told", told.wait(t, 2), "c:1", "unsubscribed c 0")
			if r := untold.waitClosed(t); r.Cause != hub.CauseGap {
				t.Errorf("a client that can't be told is closed for %+v", r)
			}
			if r := vital.waitClosed(t); r.Cause != hub.CauseGap {
				t.Errorf("a client that can't subscribe again is closed for %+v", r)
			}
			if told.Subscribed("c") || bystander.reason() != nil {
				t.Errorf("still subscribed: %v; bystander closed: %v", told.Subscribed("c"), bystander.reason())
			}
			engine.refuse.Store(nil)
			told.follow(t, "c")
			publish(t, h, "c", "new")
			same(t, "told, who came back", told.wait(t, 3)[2:], "c:new")
		})
	}
}
