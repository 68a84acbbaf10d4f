package api_test

import (
	"strings"
	"testing"
	"time"

	"fanfold/api"
	"fanfold/api/access"
	"fanfold/hub"

	"github.com/gorilla/websocket"
)

// A script keeps a compacted log with what HTTP has for that.
func TestAChannelIsRolledUpOnACondition(t *testing.T) {
	server, _ := serve(t, api.Config{})
	next := follow(t, server.URL+"/log/json")
	refused := func(method, path, body string, headers ...string) {
		t.Helper()
		response, text := do(t, method, server.URL+path, body, headers...)
		if response.StatusCode != 412 || !strings.HasPrefix(text, `{"code":41201,"http":412,"error":"the channel has moved on`) {
			t.Errorf("%s %s %v: %d %s", method, path, headers, response.StatusCode, text)
		}
	}
	refused("POST", "/log", "x", "If-Match", `"VbwdU5q0000001"`)
	first := call(t, "PUT", server.URL+"/log", "first", "If-None-Match", "*")
	refused("PUT", "/log", "x", "If-None-Match", "*")
	second := call(t, "POST", server.URL+"/log", "second", "If-Match", `"`+first.ID+`"`)
	refused("POST", "/log", "x", "If-Match", first.ID, "Rollup", "true")
	refused("GET", "/log/publish?rollup=1&message=x&if-match="+first.ID, "")
	refused("POST", "/", `{"topic":"log","message":"x","rollup":true,"if_last":"`+first.ID+`"}`)

	third := call(t, "POST", server.URL+"/", `{"topic":"log","message":"both","rollup":true,"if_last":"`+second.ID+`","idempotency_key":"k"}`)
	call(t, "POST", server.URL+"/log", "follower", "If-Match", third.ID)
	again := call(t, "POST", server.URL+"/log", "both", "If-Match", second.ID, "Rollup", "yes", "Idempotency-Key", "k")
	if !again.Duplicate || again.ID != third.ID {
		t.Errorf("repeated: %+v, want the first one's %s", again, third.ID)
	}
	if all := poll(t, server.URL+"/log/json?poll=1"); len(all) != 2 || all[0].Message != "both" || all[1].Message != "follower" {
		t.Errorf("stored is %+v", all)
	}
	for _, want := range []string{"first", "second", "both", "follower"} {
		if m := next(); m.Message != want {
			t.Errorf("a subscriber got %+v, want %q", m, want)
		}
	}
	for last, want := range map[string]string{second.ID: "both", first.ID: "gap"} {
		if text := poll(t, server.URL+"/log/json?poll=1&since="+last); len(text) == 0 || text[0].Message != want && text[0].Event != want {
			t.Errorf("since %s: %+v, want %s first", last, text, want)
		}
	}
	response, text := do(t, "POST", server.URL+"/api/publish", `{"channel":"log","data":1,"if_last":"`+first.ID+`"}`)
	if response.StatusCode != 200 || !strings.HasPrefix(text, `{"error":{"code":412,`) { // SDKs look into the answer
		t.Errorf("the server API: %d %s", response.StatusCode, text)
	}
}

// Who rolls a channel up takes its history away: publishing is not enough for that.
func TestARollUpNeedsWhatTheRemovalOfHistoryNeeds(t *testing.T) {
	c, _, _ := guarded(t)
	server, h := serve(t, c)
	publishMany(t, h, "news", 3)
	writes := token(t, access.Claims{Subject: "bob", Grant: hub.Grant{Publish: []string{"news"}, Subscribe: []string{"news"}}})
	keeps := token(t, access.Claims{Subject: "ann", Grant: hub.Grant{Publish: []string{"news"}, History: []string{"news"}}})
	for _, row := range []struct{ path, body, want string }{
		{"/news", "x", `{"code":40301,"http":403,"error":"a rollup takes history away: you may not read the history of \"news\"`},
		{"/", `{"topic":"news","rollup":true}`, `{"code":40301,"http":403,`},
		{"/api/publish", `{"channel":"news","data":1,"rollup":true}`, `{"error":{"code":103,`},
		{"/api/broadcast", `{"channels":["news"],"data":1,"rollup":true}`, `{"result":{"responses":[{"error":{"code":103,`},
	} {
		headers := bearer(writes)
		if row.path == "/news" {
			headers = append(headers, "Rollup", "true")
		}
		if _, text := do(t, "POST", server.URL+row.path, row.body, headers...); !strings.HasPrefix(text, row.want) {
			t.Errorf("%s %s: %s", row.path, row.body, text)
		}
	}
	conn, _, err := websocket.DefaultDialer.DialContext(t.Context(), "ws"+strings.TrimPrefix(server.URL, "http")+"/connection/websocket", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	frames := `{"id":1,"connect":{"token":"` + writes + `"}}` + "\n" + `{"id":2,"publish":{"channel":"news","data":1,"rollup":true}}`
	if err := conn.WriteMessage(websocket.TextMessage, []byte(frames)); err != nil {
		t.Fatal(err)
	}
	said := ""
	for _ = conn.SetReadDeadline(time.Now().Add(10 * time.Second)); !strings.Contains(said, `"id":2`); {
		_, frame, err := conn.ReadMessage()
		if err != nil {
			t.Fatalf("%v behind %s", err, said)
		}
		said += string(frame)
	}
	if !strings.Contains(said, `{"id":2,"error":{"code":103,`) {
		t.Errorf("a client is told %s", said)
	}
	stored := func() []*hub.Message {
		page, err := h.History(t.Context(), hub.Query{Channel: "news", Limit: 9})
		if err != nil {
			t.Fatal(err)
		}
		return page.Messages
	}
	if n := len(stored()); n != 3 {
		t.Errorf("there are %d messages, want all 3", n)
	}
	last := call(t, "POST", server.URL+"/news", "x", append(bearer(keeps), "Rollup", "true")...)
	call(t, "POST", server.URL+"/news", "y", append(bearer(writes), "If-Match", last.ID)...) // this takes nothing away
	if all := stored(); len(all) != 2 || all[0].ID != last.ID {
		t.Errorf("there are %d messages", len(all))
	}
}
