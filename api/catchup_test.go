package api_test

import (
	"bufio"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"fanfold/api"
	"fanfold/hub"
	"fanfold/hub/stream"
)

// An EventSource says where it was in a header; what it missed comes once, then
// what is live.
func TestAnEventStreamGoesOnWhereItWas(t *testing.T) {
	server, _ := serve(t, api.Config{})
	first := call(t, "POST", server.URL+"/a", "1")
	want := []string{call(t, "POST", server.URL+"/a", "2").ID}
	for _, how := range []struct{ query, header string }{{"", first.ID}, {"?last_event_id=" + first.ID, ""}, {"?since=all", first.ID}} {
		r, err := http.NewRequestWithContext(t.Context(), "GET", server.URL+"/a/sse"+how.query, nil)
		if err != nil {
			t.Fatal(err)
		}
		if how.header != "" {
			r.Header.Set("Last-Event-ID", how.header)
		}
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, call(t, "POST", server.URL+"/a", "live").ID)
		var ids []string
		for lines := bufio.NewScanner(response.Body); len(ids) < len(want) && lines.Scan(); {
			if id, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
				ids = append(ids, id)
			}
		}
		if !slices.Equal(ids, want) {
			t.Errorf("%+v: got the events %q, want %q", how, ids, want)
		}
		response.Body.Close()
	}
	if response, err := http.Get(server.URL + "/a/sse?poll=1&last_event_id=0000000zzzzzzz"); err != nil {
		t.Error(err)
	} else {
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || !strings.HasPrefix(string(body), "event: gap\ndata: ") || strings.Count(string(body), "\nid: ") != len(want)+1 {
			t.Errorf("of another store: %s", body)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

// Browsers are told when to come back, each at a time of its own.
func TestShutdownSpreadsTheReturnOfEventStreams(t *testing.T) {
	const n = 20
	var responses []*http.Response
	onFolder(t, t.TempDir(), func(url string) {
		for range n {
			responses = append(responses, get(t, url+"/a/sse"))
		}
	})
	retry := regexp.MustCompile(`(?s)^id: .*\n\nretry: ([0-9]+)\n\n$`)
	times := map[int]bool{}
	for _, response := range responses {
		body, err := io.ReadAll(response.Body)
		told := retry.FindStringSubmatch(string(body))
		if err != nil || told == nil {
			t.Fatalf("got %q, %v", body, err)
		}
		ms, err := strconv.Atoi(told[1])
		if err != nil || ms < 100 || ms > 60_000 {
			t.Errorf("come back after %s ms (%v)", told[1], err)
		}
		times[ms] = true
	}
	if len(times) < n/2 {
		t.Errorf("%d streams come back at %d times", n, len(times))
	}
}

// One that is still being sent history is told too, and nothing that came
// meanwhile goes out before the history that it has not had.
func TestShutdownDuringHistory(t *testing.T) {
	server, h, e := serveTroubled(t)
	publishMany(t, h, "a", 900)
	pages := 0
	e.read = func(q hub.Query) error {
		if q.Limit > 0 {
			if pages++; pages == 2 {
				h.Disconnect(hub.Target{AnyUser: true}, hub.Reason{Cause: hub.CauseShutdown, Retry: 1234 * time.Millisecond})
			}
		}
		return nil
	}
	response := get(t, server.URL+"/a/sse?since=all")
	body, err := io.ReadAll(response.Body)
	if n := strings.Count(string(body), "\nid: "); err == nil || n > 600 || !strings.HasSuffix(string(body), "\n\nretry: 1234\n\n") {
		t.Errorf("%d messages and %v, ending in %q", n, err, body[max(0, len(body)-100):])
	}
}

// What is scheduled survives a restart on the same folder.
func TestDelayedMessagesSurviveARestart(t *testing.T) {
	dir := t.TempDir()
	var due reply
	onFolder(t, dir, func(url string) {
		due = call(t, "POST", url+"/a", "later", "In", "2s")
		call(t, "POST", url+"/a", "much later", "At", "tomorrow, 10am", "Timezone", "Europe/Berlin")
	})
	onFolder(t, dir, func(url string) {
		waitFor(t, "the delayed message comes", func() bool { return len(poll(t, url+"/a/json?poll=1")) == 1 })
		if m := poll(t, url+"/a/json?poll=1")[0]; m.Message != "later" || m.Time < due.Time {
			t.Errorf("got %+v, due was %+v", m, due)
		}
		if waiting := poll(t, url+"/a/json?poll=1&scheduled=1&since=none"); len(waiting) != 1 || waiting[0].Message != "much later" {
			t.Errorf("what waits: %+v", waiting)
		}
	})
}

// onFolder runs a hub on a folder for the time of a function.
func onFolder(t *testing.T, dir string, use func(url string)) {
	t.Helper()
	engine, err := stream.Open(t.Context(), stream.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	h, err := hub.New(hub.Config{Engine: engine})
	if err != nil {
		t.Fatal(err)
	}
	handler, err := api.New(api.Config{Hub: h, MaxTextBytes: 1024, Page: http.NotFoundHandler()})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	use(server.URL)
	if err := h.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	server.Close()
	if err := handler.Wait(t.Context()); err != nil {
		t.Error(err)
	}
	if err := engine.Close(); err != nil {
		t.Error(err)
	}
}
