package tests

import (
	"fmt"
	"strings"
	"testing"
)

// A server publishes, and looks at what is there and takes it away.
func TestServerAPI(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	news, other := h.centrifuge("news"), h.centrifuge("other")
	eventually(t, "both subscriptions", func() bool { return h.sessions("news") == 1 && h.sessions("other") == 1 })

	sent := api[stored](h, "publish", `{"channel":"news","data":{"message":"one"}}`)
	both := api[struct{ Responses []struct{ Result stored } }](h, "broadcast", `{"channels":["news","other"],"data":"two"}`)
	if len(both.Responses) != 2 || both.Responses[0].Result.Offset <= sent.Offset {
		t.Errorf("published at %+v, then broadcast at %+v", sent, both)
	}
	for _, text := range []string{"one", "two"} {
		if got := receive(t, news, text); got.text != text {
			t.Errorf("got %q, not %q", got.text, text)
		}
	}
	if got := receive(t, other, "two"); got.text != "two" {
		t.Errorf("the other channel got %q", got.text)
	}

	present := api[struct {
		Presence map[string]struct{ Client string }
	}](h, "presence", `{"channel":"news"}`).Presence
	stats := api[map[string]int](h, "presence_stats", `{"channel":"news"}`)
	if len(present) != 1 || stats["num_clients"] != 1 {
		t.Errorf("present are %v, counted %v", present, stats)
	}
	if kept := h.history("news"); len(kept) != 2 || kept[0].text() != "one" {
		t.Errorf("the history is %v", kept)
	}
	api[struct{}](h, "history_remove", `{"channel":"news"}`)
	if kept := h.history("news"); len(kept) != 0 {
		t.Errorf("after its removal the history is %v", kept)
	}
	batch := h.do("POST", "/api/batch", `{"commands":[{"publish":{"channel":"news","data":"three"}},{"publish":{"channel":"a b","data":1}}]}`)
	replies := decode[struct{ Replies []map[string]any }](t, batch.body).Replies
	if len(replies) != 2 || replies[0]["publish"] == nil || replies[1]["error"] == nil {
		t.Errorf("the batch's replies are %v", replies)
	}
}

// A server sees who is there and shows them out, one and not the other.
func TestServerAPIShowsClientsOut(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	h.centrifuge("news")
	h.centrifuge("other")
	eventually(t, "both subscriptions", func() bool { return h.sessions("news") == 1 && h.sessions("other") == 1 })
	present := api[struct {
		Presence map[string]struct{ Client string }
	}](h, "presence", `{"channel":"news"}`).Presence
	stats := api[map[string]int](h, "presence_stats", `{"channel":"news"}`)
	if len(present) != 1 || stats["num_clients"] != 1 {
		t.Errorf("present are %v, counted %v", present, stats)
	}
	for client := range present {
		api[struct{}](h, "disconnect", fmt.Sprintf(`{"user":"","client":%q}`, client))
	}
	eventually(t, "the client is gone", func() bool { return h.sessions("news") == 0 })
	if h.sessions("other") != 1 {
		t.Error("the other client is gone too")
	}
}

// A subscriber reads what is kept, from where it likes, and only what it asks for.
func TestNtfyHistoryAndFilters(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	one := h.publish("door", "one", "Title: Front", "Priority: high", "Tags: wood")
	two := h.publish("door", "two", "Tags: wood,glass")
	h.publish("window", "three", "Tags: glass")
	h.publish("window", "gone", "Cache: no")
	h.do("GET", "/door/publish?message=four&priority=5&title=Back", "")
	for _, row := range []struct {
		path, want string
		headers    []string
	}{
		{path: "/door/raw?poll=1", want: "one two four"},
		{path: "/door,window/raw?poll=1", want: "one two three four"},
		{path: "/*/raw?poll=1&since=all", want: "one two three four"},
		{path: "/door/raw?poll=1&since=10m", want: "one two four"},
		{path: "/door/raw?poll=1&since=" + one.ID, want: "two four"},
		{path: "/door/raw?poll=1&since=" + two.ID, want: "four"},
		{path: "/door/raw?poll=1&since=latest", want: "four"},
		{path: "/door/raw?poll=1&since=none", want: ""},
		{path: "/door/raw?poll=1", want: "two four", headers: []string{"Last-Event-ID: " + one.ID}},
		{path: "/door/raw?poll=1&priority=high,max", want: "one four"},
		{path: "/door,window/raw?poll=1&tags=wood,glass", want: "two"},
		{path: "/door/raw?poll=1", want: "four", headers: []string{"X-Title: Back"}},
		{path: "/door/raw?poll=1&message=one", want: "one"},
	} {
		got := strings.Join(strings.Fields(h.do("GET", row.path, "", row.headers...).body), " ")
		if got != row.want {
			t.Errorf("GET %s %v brings %q, want %q", row.path, row.headers, got, row.want)
		}
	}
}

// History and what comes live are joined without a hole and without
// a double, however fast messages come meanwhile.
func TestCatchUpMeetsLive(t *testing.T) {
	t.Parallel()
	const total = 600
	h := startHub(t)
	h.publish("busy", "0")
	started, done := make(chan struct{}, 1), make(chan error, 1)
	go func() {
		for i := 1; i < total; i++ {
			if _, err := h.try("POST", "/busy", fmt.Sprint(i)); err != nil {
				done <- err
				return
			}
			if i == 50 {
				started <- struct{}{}
			}
		}
		done <- nil
	}()
	receive(t, started, "the first messages")
	var readers []<-chan string
	for range 10 {
		readers = append(readers, h.stream("/busy/raw?since=all"))
	}
	if err := receive(t, done, "the last publish"); err != nil {
		t.Fatal(err)
	}
	for r, lines := range readers {
		for i := range total {
			if got := nextLine(t, lines); got != fmt.Sprint(i) {
				t.Fatalf("reader %d: message %d is %q", r, i, got)
			}
		}
	}
}

// nextLine returns the next line that is not empty, as signs of life are.
func nextLine(t *testing.T, lines <-chan string) string {
	t.Helper()
	for {
		if line := receive(t, lines, "a line"); line != "" {
			return line
		}
	}
}
