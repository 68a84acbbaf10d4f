package dialect

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"fanfold/hub"
)

// History is read from either end in pages, each message once, by clients and by
// servers, however short the pages are cut by their size.
func TestHistoryIsReadInPagesBothWays(t *testing.T) {
	h := newTestHub(t, hub.Config{})
	const n = 700
	var want []uint64
	for i := range n {
		want = append(want, publishTest(t, h, "a", fmt.Sprintf(`"%d %s"`, i, strings.Repeat("x", 40))).Position.Seq)
		publishTest(t, h, "noise", "1")
	}
	backwards := slices.Clone(want)
	slices.Reverse(backwards)
	client := connectCentrifuge(t, h, NewCentrifuge(CentrifugeConfig{RecoverBytes: 8 << 10}), "")
	for name, read := range map[string]func(params string) string{
		"server": func(params string) string { return callAPITest(t, h, "history", params) },
		"client": func(params string) string {
			client.say(`{"id":2,"history":` + params + `}`)
			return client.next()
		},
	} {
		for _, row := range []struct {
			reverse string
			want    []uint64
		}{{"false", want}, {"true", backwards}} {
			var got []uint64
			since := `null`
			for range n {
				text := read(`{"channel":"a","limit":250,"reverse":` + row.reverse + `,"since":` + since + `}`)
				var page struct {
					Result, History struct{ Publications []struct{ Offset uint64 } }
				}
				if err := json.Unmarshal([]byte(text), &page); err != nil {
					t.Fatalf("%v in %.200s", err, text)
				}
				found := append(page.Result.Publications, page.History.Publications...)
				if len(found) == 0 {
					break
				}
				for _, p := range found {
					got = append(got, p.Offset)
				}
				since = fmt.Sprintf(`{"offset":%d}`, got[len(got)-1])
			}
			if !slices.Equal(got, row.want) {
				t.Errorf("%s, reverse %s: read %d of %d", name, row.reverse, len(got), n)
			}
		}
	}
}

func TestBacklogRewinds(t *testing.T) {
	h := newTestHub(t, hub.Config{})
	var want []uint64
	for range 3 * backlogPage / 2 {
		want = append(want, publishTest(t, h, "a", `1`).Position.Seq)
	}
	b, err := openBacklog(t.Context(), h, "me", "a", hub.Position{Seq: want[0]})
	if err != nil {
		t.Fatal(err)
	}
	var got []uint64
	for _, n := range []int{0, 7, backlogPage, 1, 0, 3 * backlogPage} {
		messages, err := b.next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		n = min(n, len(messages))
		for _, m := range messages[:n] {
			got = append(got, m.Position.Seq)
		}
		b.take(n)
		if b.rewind(); len(b.ready) > 0 {
			t.Errorf("a backlog that was rewound holds %d messages", len(b.ready))
		}
	}
	if !slices.Equal(got, want[1:]) {
		t.Errorf("got %d messages, not the %d in order", len(got), len(want)-1)
	}
	if messages, err := b.next(t.Context()); len(messages) != 0 || err != nil || b.end() != (hub.Position{Epoch: b.top.Epoch, Seq: want[len(want)-1]}) {
		t.Errorf("the end is %v, %d messages, %v", b.end(), len(messages), err)
	}
}
