package hub_test

import (
	"fmt"
	"strings"
	"testing"

	"fanfold/hub"
)

// slowRules have a channel pattern for each policy.
func slowRules() hub.Rules {
	rule := func(name string, slow hub.SlowPolicy) hub.Rule {
		r := hub.DefaultRule()
		r.Name, r.Channels, r.Slow = name, name+".>", slow
		return r
	}
	return hub.Rules{rule("oldest", hub.SlowDropOldest), rule("latest", hub.SlowKeepLatest)}.WithDefault()
}

func stall(t testing.TB, h *openHub, keys ...string) *client {
	t.Helper()
	return connectTo(t, h, hub.SessionConfig{}, &client{stalled: true}).follow(t, keys...)
}

// witness is a client that keeps up, one for each key that others follow: when
// all have a message, so has everybody.
type witness struct {
	*client
	key string
	n   int
}

func witnesses(t testing.TB, h *openHub, keys ...string) (all []*witness) {
	t.Helper()
	for _, key := range keys {
		all = append(all, &witness{connect(t, h, hub.SessionConfig{}).follow(t, key), key, 0})
	}
	return all
}

// publishAndWait returns when all subscribers were offered the message.
func publishAndWait(t testing.TB, h *openHub, all []*witness, channel, data string) {
	t.Helper()
	publish(t, h, channel, data)
	for _, w := range all {
		if hub.Match(w.key, channel) {
			w.n++
			w.wait(t, w.n)
		}
	}
}

// dropped is the hub's count, once the shards have done what was asked before.
func dropped(t testing.TB, h *openHub) int {
	t.Helper()
	info, err := h.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return int(info.Dropped)
}

func TestDropOldestKeepsTheNewest(t *testing.T) {
	h := newHub(t, hub.Config{OutboxBytes: 10_000, Shards: 1, Rules: slowRules()})
	stalled, paused, pattern := stall(t, h, "oldest.a"), connect(t, h, hub.SessionConfig{}), stall(t, h, ">")
	sub := paused.subscribe(t, "oldest.a")
	all := witnesses(t, h, "oldest.a", ">")
	var want []string
	for i := range 100 {
		data := fmt.Sprintf("%0500d", i)
		publishAndWait(t, h, all, "oldest.a", data)
		want = append(want, "oldest.a:"+data)
	}
	sub.Resume(hub.Position{})
	for name, c := range map[string]*client{"stalled": stalled, "paused": paused, "pattern": pattern} {
		if c != paused {
			c.drain()
		}
		got := c.wait(t, 15)
		if len(got) > 20 || c.reason() != nil {
			t.Errorf("%s: %d messages waited, closed %v", name, len(got), c.reason())
		}
		same(t, name, got, want[100-len(got):]...)
	}
	if n := dropped(t, h); n != 300-len(stalled.frames())-len(paused.frames())-len(pattern.frames()) {
		t.Errorf("counted %d", n)
	}
}

func TestKeepLatestKeepsOneOfEachChannel(t *testing.T) {
	h := newHub(t, hub.Config{OutboxBytes: 10_000, Shards: 1, Rules: slowRules()})
	one, every, twice, paused := stall(t, h, "latest.a"), stall(t, h, "latest.*"), stall(t, h, "latest.a").follow(t, "latest.>"), connect(t, h, hub.SessionConfig{})
	sub := paused.subscribe(t, "latest.*")
	all := witnesses(t, h, "latest.a", "latest.*", "latest.>")
	for i := range 100 { // a reader that keeps up has each of them
		publishAndWait(t, h, all, "latest.a", fmt.Sprint(i))
		publishAndWait(t, h, all, "latest.b", fmt.Sprint(i))
	}
	sub.Resume(hub.Position{})
	for _, c := range []*client{one, every, twice} {
		c.drain()
	}
	same(t, "a channel", one.wait(t, 1), "latest.a:99")
	same(t, "a pattern", every.wait(t, 2), "latest.a:99", "latest.b:99")
	same(t, "paused", paused.wait(t, 2), "latest.a:99", "latest.b:99")
	if got := twice.wait(t, 3); len(got) != 3 {
		t.Errorf("two subscriptions have one each of a channel, got %q", got)
	}
	if n := dropped(t, h); n != 99*(1+2+3+2) {
		t.Errorf("counted %d, want %d", n, 99*8)
	}
	publishAndWait(t, h, all, "latest.a", "100")
	publishAndWait(t, h, all, "latest.a", "101")
	one.drain()
	same(t, "after it has read", one.wait(t, 2)[1:], "latest.a:101")
}

func TestLatestTakesNobodyElsesRoom(t *testing.T) {
	h := newHub(t, hub.Config{OutboxBytes: 10_000, Shards: 1, Rules: slowRules()})
	stalled, paused := stall(t, h, "oldest.a", "latest.a"), connect(t, h, hub.SessionConfig{})
	sub := paused.subscribe(t, "oldest.a", "latest.a")
	all := witnesses(t, h, "oldest.a", "latest.a")
	var want []string
	for i := range 10 {
		data := fmt.Sprintf("%0500d", i)
		publishAndWait(t, h, all, "oldest.a", data)
		want = append(want, "oldest.a:"+data)
	}
	for i := range 100 {
		publishAndWait(t, h, all, "latest.a", fmt.Sprintf("%0500d", i))
	}
	want = append(want, fmt.Sprintf("latest.a:%0500d", 99))
	stalled.drain()
	sub.Resume(hub.Position{})
	same(t, "stalled", stalled.wait(t, 11), want...)
	same(t, "paused", paused.wait(t, 11), want...)
}

func TestLatestThatGrowsStaysBounded(t *testing.T) {
	h := newHub(t, hub.Config{OutboxBytes: 10_000, Shards: 1, Rules: slowRules()})
	stalled, paused := stall(t, h, "latest.*"), connectTo(t, h, hub.SessionConfig{}, &client{stalled: true})
	sub := paused.subscribe(t, "latest.*")
	all := witnesses(t, h, "latest.*")
	for i := range 100 {
		publishAndWait(t, h, all, fmt.Sprint("latest.", i%50), strings.Repeat("1", 10+i/50*1000))
	}
	for range 2 {
		paused.Send(nil) // what is held leaves room for them
	}
	sub.Resume(hub.Position{})
	dropped(t, h) // the shard has resumed it
	stalled.drain()
	paused.drain()
	for name, c := range map[string]*client{"stalled": stalled, "paused": paused} {
		bytes := 0
		for _, frame := range c.wait(t, 5) {
			bytes += len(frame)
		}
		if bytes > 10_000 || c.reason() != nil {
			t.Errorf("%s: %d bytes waited, closed %v", name, bytes, c.reason())
		}
	}
}

func TestWhatMustNotBeDroppedTakesThePlaceOfWhatMay(t *testing.T) {
	h := newHub(t, hub.Config{OutboxBytes: 10_000, Shards: 1, Rules: slowRules()})
	stalled, paused := stall(t, h, "oldest.a", "must"), connect(t, h, hub.SessionConfig{})
	sub := paused.subscribe(t, "oldest.a", "must")
	all := witnesses(t, h, "oldest.a", "must")
	var want []string
	send := func(channel string, n int) {
		for i := range n {
			data := fmt.Sprintf("%0500d", i)
			publishAndWait(t, h, all, channel, data)
			if channel == "must" {
				want = append(want, channel+":"+data)
			}
		}
	}
	send("oldest.a", 30)
	send("must", 15)
	stalled.drain()
	sub.Resume(hub.Position{})
	for name, c := range map[string]*client{"stalled": stalled, "paused": paused} {
		got := c.wait(t, 15)
		same(t, name, got[len(got)-15:], want...)
		if len(got) > 20 || c.reason() != nil {
			t.Errorf("%s: %d messages waited, closed %v", name, len(got), c.reason())
		}
	}
	send("oldest.a", 30)
	send("must", 30) // more than fits
	if r := stalled.waitClosed(t); r.Cause != hub.CauseSlow {
		t.Errorf("closed for %+v", r)
	}
}

// TestAStalledReaderDelaysNobody: each message is with the other reader before the
// next one is sent.
func TestAStalledReaderDelaysNobody(t *testing.T) {
	for _, channel := range []string{"oldest.a", "latest.a", "must"} {
		h := newHub(t, hub.Config{OutboxBytes: 10_000, Shards: 1, Rules: slowRules()})
		stall(t, h, channel)
		stall(t, h, ">")
		connect(t, h, hub.SessionConfig{}).subscribe(t, channel) // never resumed
		quick := connect(t, h, hub.SessionConfig{}).follow(t, channel)
		for i := range 100 {
			publish(t, h, channel, fmt.Sprintf("%0500d", i))
			quick.wait(t, i+1)
		}
	}
}
