// Package hubtest holds the tests that every implementation of an interface of
// package hub must pass.
package hubtest

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"fanfold/hub"
)

// Engine tests an engine that keeps 100 messages of each channel. open returns
// an empty one, which it closes after the test.
func Engine(t *testing.T, open func(t *testing.T) hub.Engine) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, hub.Engine)
	}{
		{"a publish says where the message is", publishFillsIn},
		{"history is read in pages, forwards", readForwards},
		{"history is read in pages, backwards", readBackwards},
		{"a pattern reads all its channels in the order of the store", readPattern},
		{"history since a time", readSince},
		{"a listener gets stored and live messages in order", listenInOrder},
		{"a listener learns which message was before", predecessors},
		{"a live message is not stored", liveIsNotStored},
		{"publishers at once never disorder a channel", concurrentPublishers},
		{"what listening and reading bring has no gap", listenThenRead},
		{"a position of another epoch can't be recovered", otherEpoch},
		{"a position ahead of the store can't be recovered", aheadOfStore},
		{"a position behind trimmed messages can't be recovered", trimmed},
		{"a position is recovered as long as nothing is missing", untrimmed},
		{"a pattern over a trimmed channel can't be recovered", trimmedPattern},
		{"removed history hides nothing behind it", removedInBetween},
		{"removed history is gone and can't be recovered", removed},
		{"a message takes the place of all earlier ones of its channel", rolledUp},
		{"messages at once take each other's place", rollUpsAtOnce},
		{"a publish depends on the newest message", onCondition},
		{"nothing comes between the newest message and what depends on it", addingUp},
		{"a publish that depends is repeated with its key", conditionByKey},
		{"removed history is not the newest message", conditionAfterRemoval},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

// Kept is the number of messages of a channel that a tested engine keeps.
const Kept = 100

func publish(t testing.TB, e hub.Engine, channel, text string) *hub.Message {
	t.Helper()
	m := &hub.Message{Channel: channel, Data: []byte(strconv.Quote(text))}
	if _, err := e.Publish(t.Context(), m, hub.PublishOptions{}); err != nil {
		t.Fatalf("publish: %v", err)
	}
	return m
}

func publishMany(t testing.TB, e hub.Engine, channel string, n int) (all []*hub.Message) {
	t.Helper()
	for i := range n {
		all = append(all, publish(t, e, channel, fmt.Sprint(i)))
	}
	return all
}

func read(t testing.TB, e hub.Engine, q hub.Query) hub.Page {
	t.Helper()
	page, err := e.Read(t.Context(), q)
	if err != nil {
		t.Fatalf("read %+v: %v", q, err)
	}
	return page
}

// ids names messages for comparison.
func ids(messages []*hub.Message) (all []string) {
	for _, m := range messages {
		all = append(all, m.ID)
	}
	return all
}

func same(t testing.TB, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %v\nwant %v", what, got, want)
	}
}

func publishFillsIn(t *testing.T, e hub.Engine) {
	before := time.Now().Add(-time.Second)
	sent := &hub.Message{
		Channel: "a.b", Data: []byte(`{"x":"é"}`), Tags: map[string]string{"k": "v\r\n"},
		Publisher: &hub.Client{ID: "c1", User: "u 1", Info: []byte(`{"n":1}`), ChannelInfo: []byte(`"x"`)},
	}
	if _, err := e.Publish(t.Context(), sent, hub.PublishOptions{}); err != nil {
		t.Fatal(err)
	}
	if sent.Position.Seq == 0 || sent.ID != sent.Position.String() || sent.Time.Before(before) {
		t.Errorf("not filled in: %+v", sent)
	}
	page := read(t, e, hub.Query{Channel: "a.b", Limit: 5})
	if len(page.Messages) != 1 || page.Top != sent.Position || page.More {
		t.Fatalf("got page %+v", page)
	}
	got := page.Messages[0]
	if got.ID != sent.ID || got.Channel != "a.b" || string(got.Data) != `{"x":"é"}` || got.Tags["k"] != "v\r\n" {
		t.Errorf("got %+v", got)
	}
	if p := got.Publisher; p == nil || p.ID != "c1" || p.User != "u 1" || string(p.Info) != `{"n":1}` || string(p.ChannelInfo) != `"x"` {
		t.Errorf("got publisher %+v", p)
	}
}

func readForwards(t *testing.T, e hub.Engine) {
	empty := read(t, e, hub.Query{Channel: "c"}).Top
	publish(t, e, "other", "x")
	want := ids(publishMany(t, e, "c", 25))
	publish(t, e, "c.d", "x")
	var got []string
	q := hub.Query{Channel: "c", Limit: 10}
	for pages := 1; ; pages++ {
		page := read(t, e, q)
		got = append(got, ids(page.Messages)...)
		if !page.More {
			if pages != 3 {
				t.Errorf("got %d pages, want 3", pages)
			}
			break
		}
		q.After = page.Messages[len(page.Messages)-1].Position
	}
	same(t, "all pages", got, want)
	last, _ := hub.ParsePosition(want[9])
	same(t, "up to a position", ids(read(t, e, hub.Query{Channel: "c", Limit: 50, Until: last}).Messages), want[:10])
	same(t, "up to the empty store", ids(read(t, e, hub.Query{Channel: "c", Limit: 50, Until: empty}).Messages), nil)
	if page := read(t, e, hub.Query{Channel: "c"}); len(page.Messages) != 0 || page.Top.String() != want[24] {
		t.Errorf("with limit 0: got %+v", page)
	}
}

func readBackwards(t *testing.T, e hub.Engine) {
	var want []string
	for i := range 25 {
		want = append(want, publish(t, e, "c", fmt.Sprint(i)).ID)
		publishMany(t, e, "noise", i%4)
	}
	slices.Reverse(want)
	var got []string
	q := hub.Query{Channel: "c", Limit: 10, Reverse: true}
	for {
		page := read(t, e, q)
		got = append(got, ids(page.Messages)...)
		if !page.More {
			break
		}
		q.After = page.Messages[len(page.Messages)-1].Position
	}
	same(t, "all pages", got, want)
	if page := read(t, e, hub.Query{Channel: "nobody", Limit: 3, Reverse: true}); len(page.Messages) != 0 || page.More {
		t.Errorf("of an empty channel: got %+v", page)
	}
}

func readPattern(t *testing.T, e hub.Engine) {
	var want []string
	for i := range 12 {
		want = append(want, publish(t, e, fmt.Sprintf("news.%d", i%3), "x").ID)
		publish(t, e, "newsletter", "x")
	}
	same(t, "news.*", ids(read(t, e, hub.Query{Channel: "news.*", Limit: 50}).Messages), want)
	slices.Reverse(want)
	same(t, "news.> backwards", ids(read(t, e, hub.Query{Channel: "news.>", Limit: 5, Reverse: true}).Messages), want[:5])
}

func readSince(t *testing.T, e hub.Engine) {
	publish(t, e, "c", "old")
	old := read(t, e, hub.Query{Channel: "c", Limit: 1}).Messages[0]
	fresh := publish(t, e, "c", "new")
	since := old.Time.Add(time.Nanosecond)
	same(t, "since", ids(read(t, e, hub.Query{Channel: "c", Limit: 9, Since: since}).Messages), []string{fresh.ID})
	same(t, "since the future", ids(read(t, e, hub.Query{Channel: "c", Limit: 9, Since: time.Now().Add(time.Hour)}).Messages), nil)
}

// recorder is a listener.
type recorder struct {
	t    testing.TB
	mu   sync.Mutex
	all  []*hub.Message
	more chan struct{}
}

func listen(t testing.TB, e hub.Engine, pattern string) *recorder {
	t.Helper()
	r := &recorder{t: t, more: make(chan struct{}, 1)}
	stop, err := e.Listen(pattern, r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return r
}

// Deliver implements [hub.Listener].
func (r *recorder) Deliver(m *hub.Message) {
	if m.Data == nil {
		return // a mark
	}
	r.mu.Lock()
	r.all = append(r.all, m)
	r.mu.Unlock()
	select {
	case r.more <- struct{}{}:
	default:
	}
}

// Lost implements [hub.Listener].
func (r *recorder) Lost() { r.t.Error("the engine lost messages") }

func (r *recorder) wait(t testing.TB, n int) []*hub.Message {
	t.Helper()
	timeout := time.After(10 * time.Second)
	for {
		r.mu.Lock()
		all := slices.Clone(r.all)
		r.mu.Unlock()
		if len(all) >= n {
			return all
		}
		select {
		case <-r.more:
		case <-timeout:
			t.Fatalf("got %d messages in 10 s, want %d", len(all), n)
		}
	}
}

func listenInOrder(t *testing.T, e hub.Engine) {
	one, all := listen(t, e, "a.1"), listen(t, e, "a.>")
	var want, wantAll []string
	for i := range 20 {
		m := &hub.Message{Channel: fmt.Sprintf("a.%d", i%2), Data: []byte("1")}
		if _, err := e.Publish(t.Context(), m, hub.PublishOptions{Live: i%5 == 1}); err != nil {
			t.Fatal(err)
		}
		wantAll = append(wantAll, m.ID)
		if i%2 == 1 {
			want = append(want, m.ID)
		}
	}
	publish(t, e, "b", "x")
	same(t, "a.1", ids(one.wait(t, len(want))), want)
	same(t, "a.>", ids(all.wait(t, len(wantAll))), wantAll)
}

func liveIsNotStored(t *testing.T, e hub.Engine) {
	r := listen(t, e, "c")
	m := &hub.Message{Channel: "c", Data: []byte("1")}
	if _, err := e.Publish(t.Context(), m, hub.PublishOptions{Live: true}); err != nil {
		t.Fatal(err)
	}
	got := r.wait(t, 1)[0]
	if got.ID != m.ID || got.Position != (hub.Position{}) || !got.Time.Equal(m.Time) {
		t.Errorf("got %+v, want %+v", got, m)
	}
	if _, ok := hub.ParsePosition(m.ID); ok {
		t.Errorf("the live ID %q passes for a position", m.ID)
	}
	if page := read(t, e, hub.Query{Channel: "c", Limit: 9}); len(page.Messages) != 0 {
		t.Errorf("history has %v", ids(page.Messages))
	}
}

func concurrentPublishers(t *testing.T, e hub.Engine) {
	const publishers, each = 4, 20
	first, second := listen(t, e, "c"), listen(t, e, ">")
	var wg sync.WaitGroup
	for range publishers {
		wg.Go(func() {
			for i := range each {
				m := &hub.Message{Channel: "c", Data: []byte(fmt.Sprint(i))}
				if _, err := e.Publish(context.Background(), m, hub.PublishOptions{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	stored := ids(read(t, e, hub.Query{Channel: "c", Limit: Kept}).Messages)
	if len(stored) != publishers*each || !slices.IsSorted(stored) {
		t.Errorf("history has %d messages, sorted %v", len(stored), slices.IsSorted(stored))
	}
	same(t, "heard on the channel", ids(first.wait(t, len(stored))), stored)
	same(t, "heard on the pattern", ids(second.wait(t, len(stored))), stored)
}

func listenThenRead(t *testing.T, e hub.Engine) {
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			m := &hub.Message{Channel: "c", Data: []byte(fmt.Sprint(i))}
			if _, err := e.Publish(context.Background(), m, hub.PublishOptions{}); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for range 20 {
		r := listen(t, e, "c")
		page := read(t, e, hub.Query{Channel: "c", Limit: Kept})
		heard := r.wait(t, 5)
		if n := len(page.Messages); n > 0 {
			last, next := number(page.Messages[n-1]), number(heard[0])
			if next > last+1 {
				t.Errorf("read up to %d, heard from %d on: lost some", last, next)
			}
		}
	}
	close(stop)
	wg.Wait()
}

func number(m *hub.Message) int {
	n, err := strconv.Atoi(string(m.Data))
	if err != nil {
		panic(err)
	}
	return n
}
