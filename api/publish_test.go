package api_test

import (
	"bufio"
	"context"
	"encoding/json"
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

// reply is what a publisher or subscriber is told of a message.
type reply struct {
	ID         string
	Time       int64
	Expires    int64
	Event      string
	Message    string
	SequenceID string `json:"sequence_id"`
	Offset     uint64
	Duplicate  bool
	Scheduled  bool
	Cancelled  bool
}

// call sends a request that must succeed.
func call(t *testing.T, method, url, body string, headers ...string) (r reply) {
	t.Helper()
	response, text := do(t, method, url, body, headers...)
	if err := json.Unmarshal([]byte(text), &r); err != nil || response.StatusCode != 200 {
		t.Fatalf("%s %s: %d %s (%v)", method, url, response.StatusCode, text, err)
	}
	return r
}

// poll returns the messages that are stored for a channel.
func poll(t *testing.T, url string) (all []reply) {
	t.Helper()
	_, text := do(t, "GET", url, "")
	for line := range strings.Lines(text) {
		var r reply
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		all = append(all, r)
	}
	return all
}

// follow yields the objects of a stream but for open and keepalive.
func follow(t *testing.T, url string) (next func() reply) {
	t.Helper()
	lines := bufio.NewReader(get(t, url).Body)
	line := func() (r reply) {
		t.Helper()
		text, err := lines.ReadString('\n')
		if err == nil {
			err = json.Unmarshal([]byte(text), &r)
		}
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		return r
	}
	if open := line(); open.Event != "open" {
		t.Fatalf("the first is %+v", open)
	}
	return func() reply {
		for {
			if r := line(); r.Event != "keepalive" {
				return r
			}
		}
	}
}

// waitFor polls until done is true.
func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline, tick := time.After(10*time.Second), time.NewTicker(20*time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited 10 s in vain: %s", what)
		}
	}
}

func TestARepeatedPublishIsStoredOnce(t *testing.T) {
	server, _ := serve(t, api.Config{})
	next := follow(t, server.URL+"/a/json")
	first := call(t, "POST", server.URL+"/a", "once", "Idempotency-Key", "order 66")
	for _, again := range []reply{
		call(t, "POST", server.URL+"/a", "twice", "X-Idempotency-Key", "order 66"),
		call(t, "POST", server.URL+"/a?idempotency_key=order+66", "thrice"),
		call(t, "POST", server.URL+"/", `{"topic":"a","message":"x","idempotency_key":"order 66"}`),
		call(t, "GET", server.URL+"/a/publish?message=x&idempotency-key=order+66", ""),
	} {
		if !again.Duplicate || again.ID != first.ID || again.Offset != first.Offset {
			t.Errorf("got %+v, the first was %+v", again, first)
		}
	}
	_, body := do(t, "POST", server.URL+"/api/publish", `{"channel":"a","data":1,"idempotency_key":"order 66"}`)
	if !strings.Contains(body, `"duplicate":true`) || !strings.Contains(body, first.ID) {
		t.Errorf("the server API: %s", body)
	}
	if other := call(t, "POST", server.URL+"/b", "elsewhere", "Idempotency-Key", "order 66"); other.Duplicate {
		t.Errorf("another channel's: %+v", other)
	}
	call(t, "POST", server.URL+"/a", "end")
	if one, two := next(), next(); one.Message != "once" || two.Message != "end" {
		t.Errorf("a subscriber got %+v, %+v", one, two)
	}
	if all := poll(t, server.URL+"/a/json?poll=1"); len(all) != 2 || first.Duplicate {
		t.Errorf("%d are stored: %+v", len(all), all)
	}
}

func TestAMessageIsKeptForItsTTL(t *testing.T) {
	server, _ := serve(t, api.Config{})
	short := call(t, "POST", server.URL+"/a", "short", "TTL", "1")
	long := call(t, "POST", server.URL+"/a", "long", "TTL", "2 days")
	if n := long.Expires - time.Now().Unix(); n < 2*86400-5 || n > 2*86400 || short.Expires == 0 {
		t.Errorf("expires in %d s; the short one %+v", n, short)
	}
	waitFor(t, "the short one is gone", func() bool {
		all := poll(t, server.URL+"/a/json?poll=1")
		return len(all) == 1 && all[0].Message == "long"
	})
	if time.Now().Unix() < short.Expires-1 {
		t.Error("it went too early")
	}
	if none := call(t, "POST", server.URL+"/a", "unstored", "TTL", "0"); none.Offset != 0 || none.Expires != 0 {
		t.Errorf("TTL 0: %+v", none)
	}
}

func TestADelayedMessageComesAtItsTime(t *testing.T) {
	server, _ := serve(t, api.Config{})
	next := follow(t, server.URL+"/a/json")
	due := call(t, "POST", server.URL+"/a", "later", "In", "2s", "Title", "T")
	call(t, "POST", server.URL+"/a", "now")
	if waiting := poll(t, server.URL+"/a/json?poll=1&scheduled=1"); len(waiting) != 2 || waiting[1].ID != due.ID || waiting[1].Time != due.Time || !waiting[1].Scheduled {
		t.Errorf("what waits: %+v", waiting)
	}
	if all := poll(t, server.URL+"/a/json?poll=1"); len(all) != 1 {
		t.Errorf("before its time there is %+v", all)
	}
	if m := next(); m.Message != "now" {
		t.Errorf("first came %+v", m)
	}
	m := next()
	if early := time.Until(time.Unix(due.Time, 0)); m.Message != "later" || m.Scheduled || m.Offset == 0 || early > 0 {
		t.Errorf("got %+v, %v too early", m, early)
	}
	if waiting := poll(t, server.URL+"/a/json?poll=1&scheduled=1&since=none"); len(waiting) != 0 {
		t.Errorf("it still waits: %+v", waiting)
	}
}

func TestARepeatedMessageComesUntilItIsCancelled(t *testing.T) {
	server, _ := serve(t, api.Config{})
	next := follow(t, server.URL+"/a/json")
	tick := call(t, "POST", server.URL+"/a", "tick", "Schedule", "@every 1s")
	if one, two := next(), next(); one.Message != "tick" || two.Message != "tick" || one.ID == two.ID {
		t.Errorf("got %+v, %+v", one, two)
	}
	if gone := call(t, "DELETE", server.URL+"/a/"+tick.ID, ""); !gone.Cancelled || gone.ID != tick.ID {
		t.Errorf("the answer to a cancel: %+v", gone)
	}
	if _, body := do(t, "POST", server.URL+"/api/schedules", `{"channel":">"}`); !strings.Contains(body, `"schedules":[]`) {
		t.Errorf("it is still there: %s", body)
	}
}

func TestADelayedMessageCanBeCancelled(t *testing.T) {
	server, _ := serve(t, api.Config{})
	next := follow(t, server.URL+"/a/json")
	due := call(t, "POST", server.URL+"/a", "never", "In", "1s")
	if gone := call(t, "DELETE", server.URL+"/a/"+due.ID, ""); !gone.Cancelled {
		t.Errorf("the answer to a cancel: %+v", gone)
	}
	call(t, "POST", server.URL+"/a", "end", "In", "2s")
	if m := next(); m.Message != "end" {
		t.Errorf("got %+v", m)
	}
	_, body := do(t, "POST", server.URL+"/api/publish", `{"channel":"a","data":1,"at":"1h"}`)
	id := regexp.MustCompile(`"id":"(\w+)"`).FindStringSubmatch(body)
	if id == nil {
		t.Fatalf("got %s", body)
	}
	for _, want := range []string{`{"result":{"cancelled":true}}`, `{"result":{"cancelled":false}}`} {
		if _, body := do(t, "POST", server.URL+"/api/schedule_cancel", `{"id":"`+id[1]+`"}`); strings.TrimSpace(body) != want {
			t.Errorf("got %s, want %s", body, want)
		}
	}
}

func TestAMessageIsUpdatedAndDeleted(t *testing.T) {
	server, _ := serve(t, api.Config{})
	call(t, "POST", server.URL+"/a", "before")
	next := follow(t, server.URL+"/a/json")
	first := call(t, "POST", server.URL+"/a", "10 %") // its own ID is its sequence ID
	for _, step := range []reply{
		call(t, "PUT", server.URL+"/a/"+first.ID, "20 %"),
		call(t, "POST", server.URL+"/a", "30 %", "X-Sequence-ID", first.ID),
		call(t, "POST", server.URL+"/", `{"topic":"a","message":"40 %","sequence_id":"`+first.ID+`"}`),
	} {
		if step.SequenceID != first.ID || step.ID == first.ID {
			t.Errorf("the answer to an update: %+v", step)
		}
	}
	call(t, "POST", server.URL+"/a", "other")
	for _, want := range []string{"10 %", "20 %", "30 %", "40 %", "other"} {
		if m := next(); m.Message != want || (m.SequenceID == first.ID) != (want != "10 %" && want != "other") {
			t.Errorf("got %+v, want %s", m, want)
		}
	}
	if all := poll(t, server.URL+"/a/json?poll=1"); len(all) != 3 || all[1].Message != "40 %" || all[2].Message != "other" {
		t.Errorf("the newest state alone is stored: %+v", all)
	}
	if behind := poll(t, server.URL+"/a/json?poll=1&since="+first.ID); len(behind) != 2 || behind[0].Message != "40 %" {
		t.Errorf("behind what was replaced there is %+v", behind)
	}
	cleared := call(t, "PUT", server.URL+"/a/"+first.ID+"/clear", "")
	if cleared.Event != "message_clear" || cleared.SequenceID != first.ID || len(poll(t, server.URL+"/a/json?poll=1")) != 4 {
		t.Errorf("the answer to a clear: %+v", cleared)
	}
	gone := call(t, "DELETE", server.URL+"/a/"+first.ID, "")
	if m := next(); m.ID != cleared.ID || m.Event != "message_clear" {
		t.Errorf("got %+v", m)
	}
	if m := next(); m.ID != gone.ID || m.Event != "message_delete" || m.SequenceID != first.ID {
		t.Errorf("got %+v", m)
	}
	var events []string
	for _, m := range poll(t, server.URL+"/a/json?poll=1") {
		events = append(events, m.Event+" "+m.Message)
	}
	if got := strings.Join(events, ", "); got != "message before, message other, message_clear , message_delete " {
		t.Errorf("afterwards there is %s", got)
	}
	if _, body := do(t, "GET", server.URL+"/a/raw?poll=1", ""); body != "before\nother\n" {
		t.Errorf("raw shows %q", body)
	}
}

// full is an engine without room.
type full struct{ hub.Engine }

func (full) Publish(context.Context, *hub.Message, hub.PublishOptions) (bool, error) {
	return false, hub.Errorf(hub.CodeFull, "the store is full: the message was not stored")
}

func TestAFullStoreIsSaid(t *testing.T) {
	server, _ := serveOn(t, api.Config{}, func(e hub.Engine) hub.Engine { return full{e} })
	response, body := do(t, "POST", server.URL+"/a", "x")
	if response.StatusCode != http.StatusInsufficientStorage || response.Header.Get("Retry-After") == "" || !strings.Contains(body, "50702") || !strings.Contains(body, "full") {
		t.Errorf("%d %v %s", response.StatusCode, response.Header, body)
	}
	if _, body := do(t, "POST", server.URL+"/api/publish", `{"channel":"a","data":1}`); !strings.Contains(body, `"code":100`) || !strings.Contains(body, "full") {
		t.Errorf("the server API: %s", body)
	}
}

func TestOtherPagesMayDelete(t *testing.T) {
	server, _ := serve(t, api.Config{AllowOrigins: []string{"https://good.example"}})
	response, _ := do(t, "OPTIONS", server.URL+"/a/b", "", "Origin", "https://good.example", "Access-Control-Request-Method", "DELETE")
	if response.StatusCode != 204 || !strings.Contains(response.Header.Get("Access-Control-Allow-Methods"), "DELETE") {
		t.Errorf("%d %v", response.StatusCode, response.Header)
	}
	if response, _ := do(t, "DELETE", server.URL+"/a/b", "", "Origin", "https://evil.example"); response.StatusCode != 403 {
		t.Errorf("another page: %d", response.StatusCode)
	}
}

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

// Browsers are told when to come back: each at a time of its own.
func TestShutdownSpreadsTheReturnOfEventStreams(t *testing.T) {
	server, h := serve(t, api.Config{})
	const n = 20
	var responses []*http.Response
	for range n {
		responses = append(responses, get(t, server.URL+"/a/sse"))
	}
	h.Disconnect(hub.Target{AnyUser: true}, hub.Reason{Cause: hub.CauseShutdown})
	retry := regexp.MustCompile(`(?s)^id: .*\n\nretry: ([0-9]+)\n\n$`)
	times := map[int]bool{}
	for _, response := range responses {
		body, err := io.ReadAll(response.Body)
		told := retry.FindStringSubmatch(string(body))
		if err != nil || told == nil {
			t.Fatalf("got %q, %v", body, err)
		}
		ms, err := strconv.Atoi(told[1])
		if err != nil || ms < 1000 || ms > 10_000 {
			t.Errorf("come back after %s ms (%v)", told[1], err)
		}
		times[ms] = true
	}
	if len(times) < n/2 {
		t.Errorf("%d streams come back at %d times", n, len(times))
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
