package stream_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"fanfold/hub"
	"fanfold/hub/hubtest"
	"fanfold/hub/stream"
)

// rule is the default rule with another name and for other channels.
func rule(name, channels string, change ...func(*hub.Rule)) hub.Rule {
	r := hub.DefaultRule()
	r.Name, r.Channels = name, channels
	for _, f := range change {
		f(&r)
	}
	return r
}

func messages(n int) func(*hub.Rule)      { return func(r *hub.Rule) { r.Messages = n } }
func age(d time.Duration) func(*hub.Rule) { return func(r *hub.Rule) { r.Age = d } }
func bytes(n int64) func(*hub.Rule)       { return func(r *hub.Rule) { r.Bytes = n } }
func live(r *hub.Rule)                    { r.Live = true }

func publish(t testing.TB, e *stream.Engine, channel string, o hub.PublishOptions) *hub.Message {
	t.Helper()
	m := &hub.Message{Channel: channel, Data: []byte(`"x"`)}
	if _, err := e.Publish(t.Context(), m, o); err != nil {
		t.Fatal(err)
	}
	return m
}

func publishMany(t testing.TB, e *stream.Engine, channel string, n int) (all []*hub.Message) {
	t.Helper()
	for range n {
		all = append(all, publish(t, e, channel, hub.PublishOptions{}))
	}
	return all
}

func ids(messages []*hub.Message) (all []string) {
	for _, m := range messages {
		all = append(all, m.ID)
	}
	return all
}

// recover reads all behind a position. It is false if that can't be recovered from.
func recovered(t testing.TB, e *stream.Engine, channel string, after hub.Position) (all []*hub.Message, ok bool) {
	t.Helper()
	q := hub.Query{Channel: channel, After: after, Limit: 50}
	for {
		page, err := e.Read(t.Context(), q)
		if err != nil {
			if hub.ErrorOf(err).Code != hub.CodeUnrecoverable {
				t.Fatal(err)
			}
			return nil, false
		}
		all = append(all, page.Messages...)
		if !page.More || len(page.Messages) == 0 {
			return all, true
		}
		q.After = page.Messages[len(page.Messages)-1].Position
	}
}

// oneHistory tests that a channel has exactly want, in both directions and behind
// each position.
func oneHistory(t testing.TB, e *stream.Engine, channel string, want []*hub.Message) {
	t.Helper()
	if got := ids(stored(t, e, channel)); !slices.Equal(got, ids(want)) {
		t.Errorf("history has %d\n got %v\nwant %v", len(got), got, ids(want))
	}
	page, err := e.Read(t.Context(), hub.Query{Channel: channel, Limit: 1000, Reverse: true})
	slices.Reverse(page.Messages)
	if err != nil || !slices.Equal(ids(page.Messages), ids(want)) {
		t.Errorf("backwards: got %v, %v", ids(page.Messages), err)
	}
	if n := len(want); n > 0 && !hub.IsPattern(channel) && page.Top != want[n-1].Position {
		t.Errorf("top is %v, want %v", page.Top, want[n-1].Position)
	}
	for i, m := range want {
		got, ok := recovered(t, e, channel, m.Position)
		if !ok || !slices.Equal(ids(got), ids(want[i+1:])) {
			t.Errorf("behind message %d of %d: recovered %v, %d messages", i, len(want), ok, len(got))
		}
	}
}

func TestRulesChangeAndAHistoryStaysOne(t *testing.T) {
	c := stream.Config{Dir: t.TempDir()}
	main := rule(hub.MainRule, ">")
	var want []*hub.Message
	for _, step := range []struct {
		name  string
		rules hub.Rules
	}{
		{"one rule", hub.Rules{main}},
		{"a rule was added", hub.Rules{rule("news", "c.>"), main}},
		{"it was renamed", hub.Rules{rule("fresh", "c.>"), main}},
		{"another is first", hub.Rules{rule("other", "c.*"), rule("fresh", "c.>"), main}},
		{"its pattern was changed", hub.Rules{rule("other", "d"), rule("fresh", "c.>"), main}},
		{"it is live", hub.Rules{rule("fresh", "c.>", live), main}},
		{"it is stored again", hub.Rules{rule("fresh", "c.>"), main}},
		{"it was removed", hub.Rules{main}},
		{"main has another name", hub.Rules{rule("all", ">")}},
		{"nothing was changed", hub.Rules{rule("all", ">")}},
	} {
		t.Run(step.name, func(t *testing.T) {
			c.Rules = step.rules
			e, close := open(t, c)
			defer close()
			oneHistory(t, e, "c.1", want)
			if step.rules.For("c.1").Live {
				publish(t, e, "c.1", hub.PublishOptions{})
			} else {
				want = append(want, publishMany(t, e, "c.1", 3)...)
			}
			publishMany(t, e, "noise", 2)
			oneHistory(t, e, "c.1", want)
			oneHistory(t, e, "c.>", want)
		})
	}
}

func TestRemovedHistoryIsGoneUnderEveryRule(t *testing.T) {
	c := stream.Config{Dir: t.TempDir()}
	e, close := open(t, c)
	first := publishMany(t, e, "c", 3)
	neighbour := publishMany(t, e, "d", 3)
	close()
	c.Rules = hub.Rules{rule("news", "c")}
	e, _ = open(t, c)
	publishMany(t, e, "c", 3)
	if err := e.Remove(t.Context(), "c"); err != nil {
		t.Fatal(err)
	}
	oneHistory(t, e, "c", nil)
	for _, channel := range []string{"c", "*"} {
		if _, ok := recovered(t, e, channel, first[1].Position); ok {
			t.Errorf("%s is recovered from before the removal", channel)
		}
	}
	oneHistory(t, e, "d", neighbour)
	oneHistory(t, e, "c", publishMany(t, e, "c", 3))
}

func TestListenersHearEveryRule(t *testing.T) {
	e, _ := open(t, stream.Config{Rules: hub.Rules{rule("news", "c.1"), rule("typing", "c.2", live)}})
	heard := make(chan *hub.Message, 9)
	stop, err := e.Listen("c.*", hearer(heard))
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	for i := range 3 {
		want := publish(t, e, fmt.Sprint("c.", i+1), hub.PublishOptions{})
		if got := <-heard; got.ID != want.ID || got.Channel != want.Channel {
			t.Errorf("heard %+v, want %+v", got, want)
		}
	}
	if n := len(stored(t, e, "c.2")); n != 0 {
		t.Errorf("%d messages of a live channel are stored", n)
	}
}

type hearer chan *hub.Message

func (h hearer) Deliver(m *hub.Message) { h <- m }
func (h hearer) Lost()                  {}

func TestLimitsAreLowered(t *testing.T) {
	for _, test := range []struct {
		name   string
		before hub.Rules
		after  hub.Rules
	}{
		{"of the only rule", keep(100), keep(10)},
		{"of one rule", hub.Rules{rule("few", "c", messages(100)), rule("main", ">")}, hub.Rules{rule("few", "c", messages(10)), rule("main", ">")}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := stream.Config{Dir: t.TempDir(), Rules: test.before}
			e, close := open(t, c)
			neighbour := publishMany(t, e, "d", 5)
			all := publishMany(t, e, "c", 100)
			close()
			c.Rules = test.after
			e, close = open(t, c)
			hubtest.Eventually(t, "10 are left", func() bool { return len(stored(t, e, "c")) == 10 })
			if _, ok := recovered(t, e, "c", all[88].Position); ok {
				t.Error("a position behind which a message is gone was recovered")
			}
			oneHistory(t, e, "c", all[90:])
			oneHistory(t, e, "d", neighbour)
			close()

			c.Rules = test.before // raised again
			e, _ = open(t, c)
			all = append(all, publishMany(t, e, "c", 20)...)
			oneHistory(t, e, "c", all[90:])
			for _, i := range []int{0, 50, 88} {
				if _, ok := recovered(t, e, "c", all[i].Position); ok {
					t.Errorf("a position behind which %d messages are gone was recovered", 89-i)
				}
			}
			oneHistory(t, e, "d", neighbour)
		})
	}
}

func TestTheFormerStoreIsTakenOver(t *testing.T) {
	dir := t.TempDir()
	want := stream.FormerStore(t, dir, 30)
	e, _ := open(t, stream.Config{Dir: dir, Rules: hub.Rules{rule("news", "c", messages(50))}})
	all := stored(t, e, "c")
	if len(all) != want || all[0].Position.Seq != 1 {
		t.Fatalf("%d messages of %d are there", len(all), want)
	}
	all = append(all, publishMany(t, e, "c", 3)...)
	oneHistory(t, e, "c", all)
}
