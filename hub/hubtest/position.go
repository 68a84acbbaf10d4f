package hubtest

import (
	"errors"
	"fmt"
	"testing"

	"fanfold/hub"
)

// unrecoverable tests that a read fails with CodeUnrecoverable.
func unrecoverable(t testing.TB, e hub.Engine, q hub.Query) {
	t.Helper()
	q.Limit = Kept
	page, err := e.Read(t.Context(), q)
	if hub.ErrorOf(err).Code != hub.CodeUnrecoverable || err == nil {
		t.Errorf("read %+v: got %d messages and error %v, want CodeUnrecoverable", q, len(page.Messages), err)
	}
}

func otherEpoch(t *testing.T, e hub.Engine) {
	m := publish(t, e, "c", "x")
	unrecoverable(t, e, hub.Query{Channel: "c", After: hub.Position{Epoch: "00000", Seq: m.Position.Seq}})
	_, err := e.Read(t.Context(), hub.Query{Channel: "c", Limit: 1, Reverse: true, After: hub.Position{Epoch: "00000", Seq: 1}})
	if e, ok := errors.AsType[*hub.Error](err); !ok || e.Code != hub.CodeUnrecoverable {
		t.Errorf("backwards: got %v", err)
	}
}

func aheadOfStore(t *testing.T, e hub.Engine) {
	m := publish(t, e, "c", "x")
	m.Position.Seq += 5
	unrecoverable(t, e, hub.Query{Channel: "c", After: m.Position})
}

func trimmed(t *testing.T, e hub.Engine) {
	start := read(t, e, hub.Query{Channel: "c"}).Top
	all := publishMany(t, e, "c", Kept+10)
	unrecoverable(t, e, hub.Query{Channel: "c", After: start})
	unrecoverable(t, e, hub.Query{Channel: "c", After: all[8].Position})
	page := read(t, e, hub.Query{Channel: "c", Limit: Kept, After: all[10].Position})
	same(t, "after a kept message", ids(page.Messages), ids(all[11:]))
	same(t, "whatever there is", ids(read(t, e, hub.Query{Channel: "c", Limit: 2 * Kept}).Messages), ids(all[10:]))
}

func untrimmed(t *testing.T, e hub.Engine) {
	start := read(t, e, hub.Query{Channel: "c"}).Top
	all := publishMany(t, e, "c", 3)
	quiet := read(t, e, hub.Query{Channel: "quiet"}).Top
	same(t, "from the very beginning", ids(read(t, e, hub.Query{Channel: "c", Limit: 9, After: start}).Messages), ids(all))
	publishMany(t, e, "noise", 2*Kept)
	same(t, "with noise in between", ids(read(t, e, hub.Query{Channel: "c", Limit: 9, After: all[0].Position}).Messages), ids(all[1:]))
	more := publish(t, e, "quiet", "x")
	same(t, "of a channel that was empty", ids(read(t, e, hub.Query{Channel: "quiet", Limit: 9, After: quiet}).Messages), []string{more.ID})
}

func trimmedPattern(t *testing.T, e hub.Engine) {
	start := publish(t, e, "p.quiet", "x").Position
	publishMany(t, e, "p.loud", Kept+1)
	unrecoverable(t, e, hub.Query{Channel: "p.*", After: start})
	last := publish(t, e, "p.quiet", "x")
	if page := read(t, e, hub.Query{Channel: "p.*", Limit: 9, After: last.Position}); len(page.Messages) != 0 {
		t.Errorf("got %v", ids(page.Messages))
	}
}

func removedInBetween(t *testing.T, e hub.Engine) {
	remover, ok := e.(hub.Remover)
	if !ok {
		t.Skip("this engine removes nothing")
	}
	first := publish(t, e, "c.first", "x")
	for i := range 20 {
		if err := remover.Remove(t.Context(), fmt.Sprint("c.", i)); err != nil {
			t.Fatal(err)
		}
	}
	last := publish(t, e, "c.last", "x")
	for i := range 20 {
		if err := remover.Remove(t.Context(), fmt.Sprint("c.z", i)); err != nil {
			t.Fatal(err)
		}
	}
	after := read(t, e, hub.Query{Channel: "c.*", Limit: 3, After: first.Position})
	same(t, "forwards", ids(after.Messages), []string{last.ID})
	newest := read(t, e, hub.Query{Channel: "c.*", Limit: 3, Reverse: true})
	same(t, "backwards", ids(newest.Messages), []string{last.ID})
	older := read(t, e, hub.Query{Channel: "c.*", Limit: 3, Reverse: true, After: last.Position})
	same(t, "further backwards", ids(older.Messages), []string{first.ID})
}

func removed(t *testing.T, e hub.Engine) {
	remover, ok := e.(hub.Remover)
	if !ok {
		t.Skip("this engine removes nothing")
	}
	r := listen(t, e, "c")
	all := publishMany(t, e, "c", 3)
	if err := remover.Remove(t.Context(), "c"); err != nil {
		t.Fatal(err)
	}
	if page := read(t, e, hub.Query{Channel: "c", Limit: 9}); len(page.Messages) != 0 {
		t.Errorf("history has %v", ids(page.Messages))
	}
	unrecoverable(t, e, hub.Query{Channel: "c", After: all[1].Position})
	next := publish(t, e, "c", "x")
	if next.Position.Seq <= all[2].Position.Seq {
		t.Errorf("offsets went back: %d after %d", next.Position.Seq, all[2].Position.Seq)
	}
	same(t, "heard", ids(r.wait(t, 4)), append(ids(all), next.ID))
}

// predecessors: without Prev a hub could not see a hole.
func predecessors(t *testing.T, e hub.Engine) {
	r := listen(t, e, "c.*")
	last := map[string]uint64{}
	var want []uint64
	for i := range 30 {
		channel := fmt.Sprint("c.", i%3)
		m := publish(t, e, channel, "x")
		want = append(want, last[channel])
		last[channel] = m.Position.Seq
		publish(t, e, "noise", "x")
	}
	for i, m := range r.wait(t, len(want)) {
		if m.Prev != want[i] {
			t.Errorf("message %d, of %s: the one before is %d, want %d", i, m.Channel, m.Prev, want[i])
		}
	}
}
