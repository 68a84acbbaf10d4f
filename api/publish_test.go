package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"fanfold/api"
	"fanfold/hub"

	"github.com/gorilla/websocket"
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

// The client that a publish excludes is not told of it; all others are.
func TestAPublishExcludesAClient(t *testing.T) {
	server, _ := serve(t, api.Config{})
	type client struct {
		conn *websocket.Conn
		id   string
	}
	var all []client
	for range 2 {
		conn, _, err := websocket.DefaultDialer.DialContext(t.Context(), "ws"+strings.TrimPrefix(server.URL, "http")+"/connection/websocket", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := conn.WriteMessage(websocket.TextMessage, []byte(`{"id":1,"connect":{}}`+"\n"+`{"id":2,"subscribe":{"channel":"a"}}`)); err != nil {
			t.Fatal(err)
		}
		heard := hear(t, conn, `"id":2`)
		all = append(all, client{conn, regexp.MustCompile(`"client":"([^"]+)"`).FindStringSubmatch(heard)[1]})
	}
	publish := func(text string, headers ...string) { call(t, "POST", server.URL+"/a", text, headers...) }
	publish("to the other by a header", "X-Exclude-Client", all[0].id)
	publish("to the other by a query", "Exclude-Client", all[0].id)
	call(t, "POST", server.URL+"/", `{"topic":"a","message":"to the other by JSON","exclude_client":"`+all[0].id+`"}`)
	do(t, "POST", server.URL+"/api/publish", `{"channel":"a","data":"to the other by the API","exclude_client":"`+all[0].id+`"}`)
	if err := all[0].conn.WriteMessage(websocket.TextMessage, []byte(`{"id":3,"publish":{"channel":"a","data":"to the other by itself","exclude_self":true}}`)); err != nil {
		t.Fatal(err)
	}
	heard := hear(t, all[0].conn, `"id":3`)
	publish("end")
	if heard += hear(t, all[0].conn, `"end"`); strings.Contains(heard, "to the other") {
		t.Errorf("the excluded one heard %s", heard)
	}
	if heard := hear(t, all[1].conn, `"end"`); strings.Count(heard, "to the other") != 5 {
		t.Errorf("the other one heard %s", heard)
	}
}

// hear reads frames until one has a text in it, and returns them all.
func hear(t *testing.T, conn *websocket.Conn, until string) (all string) {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	for {
		_, frame, err := conn.ReadMessage()
		if err != nil {
			t.Fatalf("%v after %s", err, all)
		}
		if all += string(frame) + "\n"; strings.Contains(string(frame), until) {
			return all
		}
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

// Each line of a body is a message, if that is asked for; the status is that of the first
// that failed.
func TestPublishLines(t *testing.T) {
	server, _ := serve(t, api.Config{})
	response, text := do(t, "POST", server.URL+"/a?lines=yes", "one\ntwo\n")
	if lines := strings.Split(text, "\n"); response.StatusCode != 200 || response.Header.Get("Content-Type") != "application/x-ndjson" || len(lines) != 3 || !strings.Contains(lines[1], `"id":`) {
		t.Errorf("%d %s", response.StatusCode, text)
	}
	if all := poll(t, server.URL+"/a/json?poll=1"); len(all) != 2 || all[0].Message != "one" || all[1].Message != "two" {
		t.Errorf("stored are %+v", all)
	}
	long := strings.Repeat("x", 65_530) // with what is around it too much for the hub, but not for a line
	response, text = do(t, "POST", server.URL+"/b", "one\n"+long+"\nthree", "Lines", "yes")
	if lines := strings.Split(text, "\n"); response.StatusCode != 413 || len(lines) != 4 || !strings.Contains(lines[1], `"http":413`) || !strings.Contains(lines[2], `"id":`) {
		t.Errorf("%d %.200s", response.StatusCode, text)
	}
	if all := poll(t, server.URL+"/b/json?poll=1"); len(all) != 2 {
		t.Errorf("%d messages are stored", len(all))
	}
	many := strings.Repeat(strings.Repeat("y", 999)+"\n", 5000) // more than a single message may have
	if response, text = do(t, "PUT", server.URL+"/c?lines=1", many); response.StatusCode != 200 || strings.Count(text, "\n") != 5000 {
		t.Errorf("%d %.200s", response.StatusCode, text)
	}
	for path, body := range map[string]string{"/d?lines=1": "\n", "/d/sequence?lines=1": "x", "/?lines=1": `{"topic":"d","message":"x"}`, "/d/send?lines=1": ""} {
		method := "POST"
		if body == "" {
			method = "GET"
		}
		if response, text := do(t, method, server.URL+path, body); response.StatusCode != 400 || !strings.Contains(text, `"error":`) {
			t.Errorf("%s: %d %s", path, response.StatusCode, text)
		}
	}
	if all := poll(t, server.URL+"/d/json?poll=1"); len(all) != 0 {
		t.Errorf("%d messages are stored of what was refused", len(all))
	}
}
