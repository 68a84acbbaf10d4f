package stream_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"fanfold/hub"
	"fanfold/hub/stream"
)

func state(t testing.TB, e *stream.Engine, channel, sequence string) *hub.Message {
	t.Helper()
	m := &hub.Message{Channel: channel, Data: []byte(`"x"`), Sequence: sequence}
	if _, err := e.Publish(t.Context(), m, hub.PublishOptions{}); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestAMessageReplacesTheEarlierOnesOfItsSequence(t *testing.T) {
	c := stream.Config{Dir: t.TempDir()}
	e, close := open(t, c)
	other := state(t, e, "other", "s")
	plain := publishMany(t, e, "c", 2)
	state(t, e, "c", "s")
	between := state(t, e, "c", "another")
	gone := state(t, e, "c", "s")
	last := state(t, e, "c", "s")
	want := append(slices.Clone(plain), between, last)
	oneHistory(t, e, "c", want)
	close()

	e, close = open(t, c) // what is known must be read
	want[3] = state(t, e, "c", "s")
	oneHistory(t, e, "c", want)
	oneHistory(t, e, "other", []*hub.Message{other})
	if got, ok := recovered(t, e, "c", gone.Position); !ok || len(got) != 1 {
		t.Errorf("at a message that was replaced: recovered %v, %d messages", ok, len(got))
	}
	close()

	c.Rules = hub.Rules{rule("news", "c")} // under another name
	e, _ = open(t, c)
	want[3] = state(t, e, "c", "s")
	oneHistory(t, e, "c", want)
}

func TestAMessageReplacesTheOneWhoseIDIsItsSequence(t *testing.T) {
	e, _ := open(t, stream.Config{})
	first, other := publish(t, e, "c", hub.PublishOptions{}), publish(t, e, "other", hub.PublishOptions{})
	oneHistory(t, e, "c", []*hub.Message{state(t, e, "c", first.ID)})
	oneHistory(t, e, "c", []*hub.Message{state(t, e, "c", first.ID)})
	mine := []*hub.Message{state(t, e, "c", first.ID), state(t, e, "c", other.ID)}
	oneHistory(t, e, "c", mine)
	oneHistory(t, e, "other", []*hub.Message{other})
}

func TestPublishersAtOnceLeaveTheNewestOfASequence(t *testing.T) {
	e, _ := open(t, stream.Config{Dir: t.TempDir()})
	newest := make([]hub.Position, 3)
	var mu sync.Mutex
	var publishers sync.WaitGroup
	for i := range 9 {
		publishers.Go(func() {
			for range 30 {
				m := &hub.Message{Channel: "c", Data: []byte("1"), Sequence: fmt.Sprint(i % 3)}
				if _, err := e.Publish(context.Background(), m, hub.PublishOptions{}); err != nil {
					t.Error(err)
				}
				mu.Lock()
				if newest[i%3].Seq < m.Position.Seq {
					newest[i%3] = m.Position
				}
				mu.Unlock()
			}
		})
	}
	publishers.Wait()
	all := stored(t, e, "c")
	if len(all) != 3 {
		t.Fatalf("%d messages of 3 sequences are left", len(all))
	}
	for _, m := range all {
		if !slices.Contains(newest, m.Position) {
			t.Errorf("%s of sequence %s is not the newest", m.ID, m.Sequence)
		}
	}
}

func TestReplacingHidesNoTrimming(t *testing.T) {
	c := stream.Config{Dir: t.TempDir(), Rules: keep(20)}
	e, close := open(t, c)
	start := publish(t, e, "other", hub.PublishOptions{}).Position
	publishMany(t, e, "c", 15)
	for i := range 15 { // trims ten
		state(t, e, "c", fmt.Sprint(i))
	}
	for i := range 10 { // leaves gaps
		state(t, e, "c", fmt.Sprint(i))
	}
	close()
	e, _ = open(t, c)
	if n := len(stored(t, e, "c")); n >= 20 {
		t.Fatalf("%d messages are left: the test is for less", n)
	}
	for _, channel := range []string{"c", "*"} {
		if _, ok := recovered(t, e, channel, start); ok {
			t.Errorf("%s is recovered though messages were trimmed", channel)
		}
	}
	oneHistory(t, e, "c", stored(t, e, "c"))
}
