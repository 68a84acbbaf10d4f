package stream_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fanfold/hub"
	"fanfold/hub/hubtest"
	"fanfold/hub/stream"
)

// flood publishes n messages of a size to each channel, from a publisher for each.
func flood(t testing.TB, e *stream.Engine, n, size int, channels ...string) {
	t.Helper()
	data := []byte(`"` + strings.Repeat("x", size) + `"`)
	var publishers sync.WaitGroup
	for _, channel := range channels {
		publishers.Go(func() {
			for range n {
				if _, err := e.Publish(context.Background(), &hub.Message{Channel: channel, Data: data}, hub.PublishOptions{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	publishers.Wait()
}

func TestARuleKeepsLessMessages(t *testing.T) {
	e, _ := open(t, stream.Config{Rules: hub.Rules{rule("few", "few.*", messages(20))}})
	first := publish(t, e, "few.1", hub.PublishOptions{})
	publishMany(t, e, "few.quiet", 20)
	flood(t, e, 500, 10, "few.1", "few.2", "other")
	hubtest.Eventually(t, "the channels are trimmed", func() bool {
		return len(stored(t, e, "few.1")) <= 30 && len(stored(t, e, "few.2")) <= 30
	})
	for channel, least := range map[string]int{"few.1": 20, "few.2": 20, "few.quiet": 20, "other": 500} {
		if n := len(stored(t, e, channel)); n < least {
			t.Errorf("%s has %d messages, want %d at least", channel, n, least)
		}
	}
	if _, ok := recovered(t, e, "few.1", first.Position); ok {
		t.Error("a position behind which messages are gone was recovered")
	}
	oneHistory(t, e, "few.1", stored(t, e, "few.1"))
}

func TestARuleKeepsTheNewestMessage(t *testing.T) {
	e, _ := open(t, stream.Config{Rules: hub.Rules{rule("state", "state.*", messages(1))}})
	other := publishMany(t, e, "other", 3)
	for i := range 30 {
		m := publish(t, e, "state.1", hub.PublishOptions{})
		oneHistory(t, e, "state.1", []*hub.Message{m})
		last, gone := m.Position, m.Position
		last.Seq--
		gone.Seq -= 2
		if _, ok := recovered(t, e, "state.1", last); !ok {
			t.Error("the position of the message before, behind which nothing is gone, was not recovered")
		}
		if _, ok := recovered(t, e, "state.1", gone); ok && i > 0 {
			t.Error("a position behind which a message is gone was recovered")
		}
	}
	oneHistory(t, e, "other", other)
}

// With a TTL for each message or by the janitor, and whether or not other messages are in
// between.
func TestARuleKeepsForLess(t *testing.T) {
	config := stream.Config{Rules: hub.Rules{rule("short", "short.*", age(time.Second))}}
	for name, c := range map[string]stream.Config{"by TTLs": config, "by the janitor": stream.SweptFrom(config, time.Second)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.Dir = t.TempDir()
			keepsForLess(t, c)
		})
	}
}

func keepsForLess(t *testing.T, c stream.Config) {
	e, close := open(t, c)
	long := publishMany(t, e, "long", 5)
	start := long[4].Position
	short := publishMany(t, e, "short.1", 5)
	oneHistory(t, e, "short.1", short)
	// A TTL that is longer keeps nothing for longer.
	publish(t, e, "short.1", hub.PublishOptions{TTL: time.Hour})
	hubtest.Eventually(t, "they are gone", func() bool { return len(stored(t, e, "short.1")) == 0 })
	long = append(long, publishMany(t, e, "long", 3)...)
	for _, after := range []hub.Position{start, short[0].Position} {
		for _, channel := range []string{"short.1", "short.*", ">"} {
			if _, ok := recovered(t, e, channel, after); ok {
				t.Errorf("%s is recovered though messages are gone", channel)
			}
		}
	}
	oneHistory(t, e, "long", long)
	close()
	e, _ = open(t, c)
	if _, ok := recovered(t, e, "short.1", short[0].Position); ok {
		t.Error("after a restart it is recovered though messages are gone")
	}
	oneHistory(t, e, "short.1", publishMany(t, e, "short.1", 3))
	oneHistory(t, e, "long", long)
}

// What is old is removed as a whole, if there is nothing else among it.
func TestAllIsOld(t *testing.T) {
	c := stream.SweptFrom(stream.Config{Dir: t.TempDir(), Rules: hub.Rules{rule("short", "short.*", age(time.Second))}}, time.Second)
	e, _ := open(t, c)
	all := publishMany(t, e, "short.1", 2000)
	hubtest.Eventually(t, "they are gone", func() bool { return len(stored(t, e, "short.1")) == 0 })
	if _, ok := recovered(t, e, "short.1", all[len(all)-2].Position); ok {
		t.Error("it is recovered though a message is gone")
	}
	long := publishMany(t, e, "long", 3)
	oneHistory(t, e, "short.1", publishMany(t, e, "short.1", 3))
	oneHistory(t, e, "long", long)
	hubtest.Eventually(t, "the next are gone too", func() bool { return len(stored(t, e, "short.1")) == 0 })
	oneHistory(t, e, "long", long)
}

// What is swept is what is old, and nobody else's: as a whole, one by one where another
// rule's are among it, and while messages come.
func TestWhatIsSwept(t *testing.T) {
	e, _ := open(t, stream.Config{Dir: t.TempDir(), Rules: hub.Rules{rule("short", "short.*", age(13*time.Hour))}})
	ctx, cancel := context.WithCancel(t.Context())
	var publishing sync.WaitGroup
	defer publishing.Wait()
	defer cancel()
	sweep := func(since time.Time) {
		t.Helper()
		if more, err := e.Sweep(t.Context(), "short", since); err != nil || more {
			t.Fatalf("there is more: %t, %v", more, err)
		}
	}
	left := func(what string, want ...*hub.Message) {
		t.Helper()
		if all := stored(t, e, "short.1"); !slices.Equal(ids(all), ids(want)) {
			t.Errorf("%s: left are %d of %d", what, len(all), len(want))
		}
	}
	before := publishMany(t, e, "short.1", 500)
	since := time.Now()
	after := publishMany(t, e, "short.1", 5)
	publishing.Go(func() {
		for ctx.Err() == nil {
			publish(t, e, "short.2", hub.PublishOptions{})
		}
	})
	sweep(before[0].Time.Add(-time.Minute))
	left("nothing is old", append(before, after...)...)
	sweep(since)
	left("all of it is the rule's", after...)
	if _, ok := recovered(t, e, "short.1", before[len(before)-2].Position); ok {
		t.Error("it is recovered though a message is gone")
	}
	since = time.Now()
	long := publishMany(t, e, "long", 3)
	later := publishMany(t, e, "short.1", 3)
	sweep(since)
	left("before another's", later...)
	sweep(time.Now())
	left("with another's among it")
	oneHistory(t, e, "long", long)
}

func TestAnAgeIsLowered(t *testing.T) {
	c := stream.Config{Dir: t.TempDir(), Rules: hub.Rules{rule("short", "short", age(time.Hour))}}
	e, close := open(t, c)
	short, long := publishMany(t, e, "short", 5), publishMany(t, e, "long", 5)
	close()
	c.Rules = hub.Rules{rule("short", "short", age(time.Second))}
	e, _ = open(t, c)
	hubtest.Eventually(t, "they are gone", func() bool { return len(stored(t, e, "short")) == 0 })
	if _, ok := recovered(t, e, "short", short[0].Position); ok {
		t.Error("it is recovered though messages are gone")
	}
	oneHistory(t, e, "long", long)
}

func TestARuleThatIsGoneIsTrimmedAsTheLastOne(t *testing.T) {
	c := stream.Config{Dir: t.TempDir(), Rules: hub.Rules{rule("old", "c"), rule("long", "long"), rule("main", ">", age(time.Second))}}
	e, close := open(t, c)
	publishMany(t, e, "c", 5)
	long := publishMany(t, e, "long", 5)
	close()
	c.Rules = c.Rules[1:]
	e, _ = open(t, c)
	hubtest.Eventually(t, "they are gone", func() bool { return len(stored(t, e, "c")) == 0 })
	oneHistory(t, e, "long", long)
}

func storedBytes(t testing.TB, e *stream.Engine, name string) int64 {
	t.Helper()
	n, err := e.StoredBytes(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestARuleIsBoundedInBytes(t *testing.T) {
	const limit = 200 << 10
	c := stream.Config{Dir: t.TempDir(), Rules: hub.Rules{rule("big", "big.*", room(limit))}}
	e, close := open(t, c)
	start := publish(t, e, "big.0", hub.PublishOptions{}).Position
	other := publishMany(t, e, "other", 3)
	flood(t, e, 300, 1000, "big.1", "big.2", "big.3")
	hubtest.Eventually(t, "it is trimmed", func() bool { return storedBytes(t, e, "big") <= limit*17/16 })
	if n := storedBytes(t, e, "big"); n < limit*14/16 {
		t.Errorf("%d bytes are left of %d", n, limit)
	}
	check := func() {
		t.Helper()
		for _, channel := range []string{"big.0", "big.1", "big.*", ">"} {
			if _, ok := recovered(t, e, channel, start); ok {
				t.Errorf("%s is recovered though messages are gone", channel)
			}
		}
		all := stored(t, e, "big.*")
		if got, ok := recovered(t, e, "big.*", all[10].Position); !ok || len(got) != len(all)-11 {
			t.Errorf("behind a message that is there: recovered %v, %d of %d messages", ok, len(got), len(all)-11)
		}
		oneHistory(t, e, "other", other)
	}
	check()
	close()
	e, _ = open(t, c) // and it knows how much there is
	check()
	flood(t, e, 100, 1000, "big.4")
	hubtest.Eventually(t, "it is trimmed again", func() bool { return storedBytes(t, e, "big") <= limit*17/16 })
	if n := len(stored(t, e, "big.4")); n != 100 {
		t.Errorf("%d of the newest 100 are left", n)
	}
	oneHistory(t, e, "other", other)
}

func TestBytesThatOtherLimitsRemovedAreNotCounted(t *testing.T) {
	const limit = 200 << 10
	e, _ := open(t, stream.Config{Rules: hub.Rules{rule("big", "big.*", room(limit), messages(20))}})
	for i := range 10 { // each time 20 messages are left of 60
		flood(t, e, 60, 1000, fmt.Sprint("big.", i))
		hubtest.Eventually(t, "it is trimmed", func() bool { return len(stored(t, e, fmt.Sprint("big.", i))) <= 30 })
		if i < 4 {
			for j := range i + 1 {
				if n := len(stored(t, e, fmt.Sprint("big.", j))); n < 20 {
					t.Errorf("with %d channels big.%d has %d messages though the rule is not full", i+1, j, n)
				}
			}
		}
	}
	hubtest.Eventually(t, "all are trimmed", func() bool { return storedBytes(t, e, "big") <= limit*17/16 })
}

func TestAFullStoreForgetsTheOldest(t *testing.T) {
	const limit = 256 << 10
	e, _ := open(t, stream.Config{Dir: t.TempDir(), MaxBytes: limit})
	first := publish(t, e, "quiet", hub.PublishOptions{})
	flood(t, e, 300, 1000, "loud.1", "loud.2")
	if n, err := e.StreamBytes(t.Context()); err != nil || n > limit {
		t.Errorf("the store has %d bytes, %v", n, err)
	}
	if n := len(stored(t, e, "quiet")); n != 0 {
		t.Errorf("%d messages of the quiet channel are left", n)
	}
	before := first.Position
	before.Seq--
	for _, channel := range []string{"quiet", "loud.1", ">"} {
		if _, ok := recovered(t, e, channel, before); ok {
			t.Errorf("%s is recovered though messages are gone", channel)
		}
	}
	oneHistory(t, e, "loud.2", stored(t, e, "loud.2"))
}

func TestATTLHidesNoTrimming(t *testing.T) {
	c := stream.Config{Dir: t.TempDir(), Rules: keep(50)}
	e, close := open(t, c)
	start := publish(t, e, "other", hub.PublishOptions{}).Position
	publishMany(t, e, "c", 20)
	for range 40 { // trims ten, and leaves 10 messages of 50
		publish(t, e, "c", hub.PublishOptions{TTL: time.Second})
	}
	hubtest.Eventually(t, "they are gone", func() bool { return len(stored(t, e, "c")) == 10 })
	oneHistory(t, e, "c", stored(t, e, "c"))
	for range 2 {
		for _, channel := range []string{"c", "*"} {
			if _, ok := recovered(t, e, channel, start); ok {
				t.Errorf("%s is recovered though messages were trimmed", channel)
			}
		}
		close()
		e, close = open(t, c)
	}
}

// A store without a message that is young enough loses nothing of what comes while it is
// asked for what is behind its end.
func TestWhatComesWhileAPositionIsCheckedIsYoung(t *testing.T) {
	for range 50 {
		e, end := open(t, stream.Config{Rules: hub.Rules{rule("brief", "c", age(time.Hour)), rule("main", ">")}})
		page, err := e.Read(t.Context(), hub.Query{Channel: ">"})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var reading sync.WaitGroup
		turns := make(chan struct{})
		for _, key := range []string{"c", "*", ">"} {
			reading.Go(func() {
				for ctx.Err() == nil {
					if _, ok := recovered(t, e, key, page.Top); !ok {
						t.Errorf("%s: nothing was trimmed, and the position is not recovered", key)
					}
					select {
					case turns <- struct{}{}:
					default:
					}
				}
			})
		}
		for range 7 {
			<-turns
		}
		publish(t, e, "c", hub.PublishOptions{})
		<-turns
		cancel()
		reading.Wait()
		end()
	}
}
