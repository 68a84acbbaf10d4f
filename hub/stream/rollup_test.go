package stream_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fanfold/hub"
	"fanfold/hub/hubtest"
	"fanfold/hub/stream"
)

var rollUp = hub.PublishOptions{RollUp: true}

// isRecovered tests whether channel and patterns that match it are recovered from a position.
func isRecovered(t *testing.T, e *stream.Engine, want bool, after hub.Position, channels ...string) {
	t.Helper()
	for _, channel := range channels {
		if got, ok := recovered(t, e, channel, after); ok != want {
			t.Errorf("%s behind %d: recovered %v, %d messages; want %v", channel, after.Seq, ok, len(got), want)
		}
	}
}

func TestARollUpReachesUnderEveryRule(t *testing.T) {
	c := stream.Config{Dir: t.TempDir()}
	e, close := open(t, c)
	old, neighbour := publishMany(t, e, "c", 3), publishMany(t, e, "d", 3)
	close()
	c.Rules = hub.Rules{rule("news", "c")}
	e, close = open(t, c)
	old = append(old, publishMany(t, e, "c", 2)...)
	close()
	c.Rules = hub.Rules{rule("again", "c")}
	e, close = open(t, c)
	want := append([]*hub.Message{publish(t, e, "c", rollUp)}, publishMany(t, e, "c", 2)...)
	for range 2 {
		oneHistory(t, e, "c", want)
		oneHistory(t, e, "d", neighbour)
		isRecovered(t, e, true, old[4].Position, "c", "*", ">")
		isRecovered(t, e, false, old[3].Position, "c", "*", ">")
		close()
		e, close = open(t, c)
	}
	publishMany(t, e, "noise.1", hub.DefaultRule().Messages+10) // so that being full would count
	isRecovered(t, e, true, old[4].Position, "c", "*")
	isRecovered(t, e, false, old[3].Position, "c", "*")
	oneHistory(t, e, "c", want)
}

// Under the rules' names so far nothing may be left, but what they were when the position
// was is no reason for doubt if a roll-up says better.
func TestARollUpSaysWhereItBegins(t *testing.T) {
	c := stream.Config{Dir: t.TempDir(), Rules: hub.Rules{rule("old", "c", messages(20))}}
	e, close := open(t, c)
	old := publishMany(t, e, "c", 3)
	close()
	c.Rules = hub.Rules{rule("news", "c", messages(20))}
	e, _ = open(t, c)
	want := []*hub.Message{publish(t, e, "c", rollUp)}
	publishMany(t, e, "noise", 50)
	isRecovered(t, e, true, old[2].Position, "c", "*", ">")
	isRecovered(t, e, false, old[1].Position, "c", "*", ">")
	oneHistory(t, e, "c", want)
}

// A store whose older half was rolled up channel by channel has lost its head, but by what
// each channel's roll-up says a client has missed nothing.
func TestRollUpsOfAllChannels(t *testing.T) {
	c := stream.Config{Dir: t.TempDir()}
	e, close := open(t, c)
	one, other := publishMany(t, e, "c.1", 3), publishMany(t, e, "c.2", 20)
	oneUp, otherUp := publish(t, e, "c.1", rollUp), publish(t, e, "c.2", rollUp)
	for range 2 {
		isRecovered(t, e, true, one[2].Position, "c.1")
		isRecovered(t, e, false, one[1].Position, "c.1")
		isRecovered(t, e, true, other[19].Position, "c.2", "c.*")
		isRecovered(t, e, false, other[18].Position, "c.2", "c.*")
		oneHistory(t, e, "c.*", []*hub.Message{oneUp, otherUp})
		close()
		e, close = open(t, c)
	}
}

func TestARollUpOfNothingRecoversNothing(t *testing.T) {
	c := stream.Config{Rules: hub.Rules{rule("short", "c", age(time.Second))}}
	e, _ := open(t, c)
	start := publish(t, e, "other", hub.PublishOptions{}).Position
	publishMany(t, e, "c", 3)
	hubtest.Eventually(t, "they are too old", func() bool { return len(stored(t, e, "c")) == 0 })
	want := []*hub.Message{publish(t, e, "c", rollUp)}
	isRecovered(t, e, false, start, "c", "*")
	oneHistory(t, e, "c", want)
}

func TestATrimmedRollUpHidesNothing(t *testing.T) {
	e, _ := open(t, stream.Config{Rules: keep(20)})
	old := publishMany(t, e, "c", 3)
	snapshot := publish(t, e, "c", rollUp)
	isRecovered(t, e, true, old[2].Position, "c", "*")
	publishMany(t, e, "c", 40)
	for i := range 15 { // leaves less than a channel may have
		state(t, e, "c", fmt.Sprint(i%2))
	}
	isRecovered(t, e, false, old[0].Position, "c", "*")
	isRecovered(t, e, false, old[2].Position, "c", "*")
	isRecovered(t, e, false, snapshot.Position, "c", "*")
	oneHistory(t, e, "c", stored(t, e, "c"))
}

// What a roll-up has replaced is missed also when the roll-up is deleted by its ID.
func TestADeletedRollUpHidesNothing(t *testing.T) {
	c := stream.Config{Dir: t.TempDir()}
	e, close := open(t, c)
	publish(t, e, "first", hub.PublishOptions{}) // is not gone from the store's head
	old := publishMany(t, e, "c", 4)
	snapshot := publish(t, e, "c", rollUp)
	want := []*hub.Message{state(t, e, "c", snapshot.ID)}
	for range 2 {
		oneHistory(t, e, "c", want)
		isRecovered(t, e, true, snapshot.Position, "c", "*")
		isRecovered(t, e, true, old[3].Position, "c", "*")
		isRecovered(t, e, false, old[2].Position, "c", "*")
		close()
		e, close = open(t, c)
	}
}

func TestRollUpsUnderARuleOfOneMessage(t *testing.T) {
	e, _ := open(t, stream.Config{Rules: hub.Rules{rule("state", "c", messages(1))}})
	old := publishMany(t, e, "c", 3)
	publishMany(t, e, "noise", 3)
	snapshot := publish(t, e, "c", rollUp)
	isRecovered(t, e, true, old[2].Position, "c", "*")
	isRecovered(t, e, false, old[1].Position, "c", "*")
	oneHistory(t, e, "c", []*hub.Message{snapshot})
	next := publish(t, e, "c", hub.PublishOptions{IfLast: &snapshot.Position})
	isRecovered(t, e, false, old[1].Position, "c", "*")
	oneHistory(t, e, "c", []*hub.Message{next})
}

func TestARepeatedRollUpReplacesNothingMore(t *testing.T) {
	c := stream.Config{Dir: t.TempDir()}
	e, close := open(t, c)
	plain := publish(t, e, "c", hub.PublishOptions{IdempotencyKey: "plain"})
	publish(t, e, "c", hub.PublishOptions{RollUp: true, IdempotencyKey: "plain"}) // a duplicate of what was no roll-up
	oneHistory(t, e, "c", []*hub.Message{plain})
	publish(t, e, "c", hub.PublishOptions{})
	want := []*hub.Message{publish(t, e, "c", hub.PublishOptions{RollUp: true, IdempotencyKey: "k"})}
	want = append(want, publishMany(t, e, "c", 2)...)
	for range 2 {
		again := publish(t, e, "c", hub.PublishOptions{RollUp: true, IdempotencyKey: "k"})
		if again.ID != want[0].ID {
			t.Errorf("answered with %s, the first was %s", again.ID, want[0].ID)
		}
		oneHistory(t, e, "c", want)
		close()
		c.Rules = hub.Rules{rule("news", "c")} // what is not of this rule must not count as older
		e, close = open(t, c)
	}
}

// A kill between storing a roll-up and removing what it replaces leaves both; the roll-up
// repeated by its publisher, or the next one, mends that. Nothing wrong is said meanwhile.
func TestARollUpThatWasCutShort(t *testing.T) {
	for _, mended := range []string{"k", "another"} {
		c := stream.Config{Dir: t.TempDir()}
		e, close := open(t, c)
		old := publishMany(t, e, "c", 4)
		close()
		c.Rules = hub.Rules{rule("news", "c")}
		e, _ = open(t, c)
		snapshot, err := e.RollUpCutShort(t.Context(), "c", "k")
		if err != nil {
			t.Fatal(err)
		}
		if all := stored(t, e, "c"); len(all) != 5 || all[4].Position.Seq != snapshot {
			t.Errorf("there are %v", ids(all))
		}
		isRecovered(t, e, true, old[3].Position, "c", "*")
		if again := publish(t, e, "c", hub.PublishOptions{RollUp: true, IdempotencyKey: mended}); mended == "k" && again.Position.Seq != snapshot {
			t.Errorf("repeated: it is at %d, the first at %d", again.Position.Seq, snapshot)
		}
		if all := stored(t, e, "c"); len(all) != 1 {
			t.Errorf("%d messages are left", len(all))
		}
		isRecovered(t, e, false, old[2].Position, "c", "*")
	}
}

func TestAConditionOnTheFirstMessageOfAll(t *testing.T) {
	for _, c := range []stream.Config{{}, {Dir: t.TempDir()}, {Rules: hub.Rules{rule("news", "c")}}} {
		e, _ := open(t, c)
		first := publish(t, e, "c", hub.PublishOptions{IfLast: &hub.Position{}, RollUp: true})
		oneHistory(t, e, "c", []*hub.Message{first})
	}
}

func conflicts(t *testing.T, e *stream.Engine, channel string, at hub.Position) {
	t.Helper()
	m := &hub.Message{Channel: channel, Data: []byte("1")}
	_, err := e.Publish(t.Context(), m, hub.PublishOptions{IfLast: &at})
	if hub.ErrorOf(err).Code != hub.CodeConflict || err == nil || !strings.Contains(err.Error(), "read the newest message") {
		t.Errorf("behind %v: got %v, want a conflict", at, err)
	}
}

// The newest message is the one that history shows: not one that is too old or was taken
// away, and under whichever rule it was stored.
func TestTheNewestMessageIsWhatHistoryShows(t *testing.T) {
	c := stream.Config{Dir: t.TempDir()}
	e, close := open(t, c)
	first := publish(t, e, "c", hub.PublishOptions{})
	publishMany(t, e, "noise", 3)
	close()
	c.Rules = hub.Rules{rule("news", "c")}
	e, _ = open(t, c)
	short := publish(t, e, "c", hub.PublishOptions{TTL: time.Second, IfLast: &first.Position})
	conflicts(t, e, "c", first.Position)
	hubtest.Eventually(t, "it is gone", func() bool { return len(stored(t, e, "c")) == 1 })
	conflicts(t, e, "c", short.Position)
	second := publish(t, e, "c", hub.PublishOptions{IfLast: &first.Position})

	taken := &hub.Message{Channel: "c", Data: []byte("1"), Sequence: second.ID}
	if _, err := e.Publish(t.Context(), taken, hub.PublishOptions{IfLast: &second.Position}); err != nil {
		t.Fatal(err)
	}
	conflicts(t, e, "c", second.Position)
	oneHistory(t, e, "c", []*hub.Message{first, taken})
	if err := e.Remove(t.Context(), "c"); err != nil {
		t.Fatal(err)
	}
	conflicts(t, e, "c", taken.Position)
	want := []*hub.Message{publish(t, e, "c", hub.PublishOptions{IfLast: &hub.Position{}})}
	conflicts(t, e, "c", hub.Position{})
	oneHistory(t, e, "c", want)
}

// A removal that a kill cut short shows what it has left. Who depends on the channel's being
// empty ends it.
func TestARemovalThatWasCutShortIsEnded(t *testing.T) {
	c := stream.Config{Dir: t.TempDir()}
	e, close := open(t, c)
	old := publishMany(t, e, "c", 3)
	close()
	c.Rules = hub.Rules{rule("news", "c")}
	e, _ = open(t, c)
	if err := e.RemoveCutShort(t.Context(), "c"); err != nil {
		t.Fatal(err)
	}
	if n := len(stored(t, e, "c")); n != 3 {
		t.Fatalf("%d messages are left: the test is for three", n)
	}
	conflicts(t, e, "c", old[2].Position)
	want := []*hub.Message{publish(t, e, "c", hub.PublishOptions{IfLast: &hub.Position{}})}
	oneHistory(t, e, "c", want)
}

// A message that was stored before the store began another epoch is still named by its ID.
func TestAConditionOverEpochs(t *testing.T) {
	c := stream.Config{Dir: t.TempDir()}
	e, close := open(t, c)
	first := publish(t, e, "c", hub.PublishOptions{})
	close()
	if err := os.Remove(filepath.Join(c.Dir, "state.json")); err != nil {
		t.Fatal(err)
	}
	e, _ = open(t, c)
	conflicts(t, e, "c", hub.Position{Epoch: first.Position.Epoch})
	conflicts(t, e, "c", hub.Position{Epoch: first.Position.Epoch, Seq: first.Position.Seq + 1})
	second := publish(t, e, "c", hub.PublishOptions{IfLast: &first.Position})
	if second.Position.Epoch == first.Position.Epoch {
		t.Fatal("the epoch is the same: the test is for another")
	}
	conflicts(t, e, "c", hub.Position{Epoch: first.Position.Epoch, Seq: second.Position.Seq})
	publish(t, e, "c", hub.PublishOptions{IfLast: &second.Position})
}
