package hub_test

import (
	"fmt"
	"testing"

	"fanfold/hub"
)

func TestReplayMergesKeysAndStopsWhereItIsTold(t *testing.T) {
	h := newHub(t, hub.Config{})
	var want []string
	var until hub.Position
	for i := range 700 { // more than a page
		m := publish(t, h, fmt.Sprintf("c.%d", i%3), "1")
		if i < 600 && i%3 != 2 {
			want = append(want, m.ID)
			until = m.Position
		}
	}
	var got []string
	for m, err := range h.Replay(t.Context(), []string{"c.0", "c.1", "c.*1", "*.0"}[:2], hub.Query{Until: until}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, m.ID)
	}
	same(t, "two channels", got, want...)
	n := 0
	for range h.Replay(t.Context(), []string{"c.0", "c.>"}, hub.Query{}) {
		n++
	}
	if n != 700 {
		t.Errorf("overlapping keys: got %d messages, want 700", n)
	}
	if now, err := h.Now(t.Context()); err != nil || now.Seq != 700 {
		t.Errorf("now: %+v, %v", now, err)
	}
}
