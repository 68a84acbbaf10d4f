package tests

import (
	"strings"
	"testing"
)

// tenMegabytes is a body no client has a reason to send.
var tenMegabytes = strings.Repeat("x", 10<<20)

// Bad input to ntfy's API gets ntfy's JSON error and harms nobody else.
func TestBadInputToNtfy(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	others := newBystanders(h)
	for _, row := range []struct {
		name, method, path, body string
		status, code             int // code 0: any
		says                     string
		headers                  []string
	}{
		{name: "space in the name", method: "POST", path: "/a%20b", status: 400, code: 40009},
		{name: "NUL in the name", method: "POST", path: "/a%00b", status: 400, code: 40009},
		{name: "line break in the name", method: "PUT", path: "/a%0D%0Ab", status: 400, code: 40009},
		{name: "slash in the name", method: "POST", path: "/a%2Fb", status: 404, code: 40401},
		{name: "invalid UTF-8 in the name", method: "POST", path: "/a%FFb", status: 400, code: 40009},
		{name: "empty token", method: "POST", path: "/a..b", status: 400, code: 40009},
		{name: "name too long", method: "POST", path: "/" + strings.Repeat("a", 256), status: 400, code: 40009},
		{name: "pattern", method: "POST", path: "/news.*", status: 400, code: 40009},
		{name: "taken name", method: "POST", path: "/health", status: 400, code: 40010, says: "health"},
		{name: "taken name in JSON", method: "POST", path: "/", body: `{"topic":"api","message":"x"}`, status: 400, code: 40010, says: "api"},
		{name: "body too long", method: "POST", path: "/news", body: tenMegabytes, status: 413, code: 41301},
		{name: "JSON too long", method: "POST", path: "/", body: `{"topic":"news","message":"` + tenMegabytes + `"}`, status: 413, code: 41301},
		{name: "JSON nested too deep", method: "POST", path: "/", body: strings.Repeat("[", 50_000), status: 400},
		{name: "JSON truncated", method: "POST", path: "/", body: `{"topic":"news","mess`, status: 400},
		{name: "JSON empty", method: "POST", path: "/", body: ``, status: 400},
		{name: "JSON not an object", method: "POST", path: "/", body: `["news"]`, status: 400},
		{name: "JSON without topic", method: "POST", path: "/", body: `{"message":"x"}`, status: 400, says: "topic"},
		{name: "JSON topic not a text", method: "POST", path: "/", body: `{"topic":1}`, status: 400, says: "topic"},
		{name: "JSON message not a text", method: "POST", path: "/", body: `{"topic":"news","message":{}}`, status: 400, says: "message"},
		{name: "JSON tags not a list", method: "POST", path: "/", body: `{"topic":"news","tags":"a"}`, status: 400, says: "tags"},
		{name: "JSON with NUL in the name", method: "POST", path: "/", body: `{"topic":"a\u0000b"}`, status: 400, code: 40009},
		{name: "priority out of range", method: "POST", path: "/news", body: "x", status: 400, code: 40007, headers: []string{"Priority: 9"}},
		{name: "priority no number", method: "POST", path: "/news", body: "x", status: 400, code: 40007, headers: []string{"Priority: loud"}},
		{name: "unknown action", method: "POST", path: "/news", body: "x", status: 400, headers: []string{"Actions: dance, Now"}},
		{name: "unreadable delay", method: "POST", path: "/news", body: "x", status: 400, code: 40004, headers: []string{"Delay: soon"}},
		{name: "delay too long", method: "POST", path: "/news", body: "x", status: 400, code: 40006, headers: []string{"Delay: 400 days"}},
		{name: "unreadable TTL", method: "POST", path: "/news", body: "x", status: 400, says: "TTL", headers: []string{"TTL: -1"}},
		{name: "unreadable schedule", method: "POST", path: "/news", body: "x", status: 400, code: 40004, headers: []string{"Schedule: sometimes"}},
		{name: "schedule out of range", method: "POST", path: "/news", body: "x", status: 400, says: "cron", headers: []string{"Schedule: 99 * * * *"}},
		{name: "sequence ID that a route hides", method: "PUT", path: "/news/json", body: "x", status: 400, code: 40049},
		{name: "sequence ID with a NUL", method: "DELETE", path: "/news/a%00", status: 400, code: 40049},
		{name: "idempotency key too long", method: "POST", path: "/news", body: "x", status: 400, headers: []string{"Idempotency-Key: " + strings.Repeat("k", 129)}},
		{name: "unknown method", method: "PATCH", path: "/news", status: 405},
		{name: "subscribe to a bad name", method: "GET", path: "/a%20b/json", status: 400, code: 40009},
		{name: "subscribe to no name", method: "GET", path: "/,/sse", status: 400, code: 40009},
		{name: "subscribe since nonsense", method: "GET", path: "/news/raw?since=%00", status: 400, code: 40008},

		{name: "WebSocket without upgrade", method: "GET", path: "/news/ws", status: 426, code: 42601},
		{name: "no such path", method: "GET", path: "/a/b/c", status: 404},
	} {
		t.Run(row.name, func(t *testing.T) {
			res := h.as(t).do(row.method, row.path, row.body, row.headers...)
			wantNtfyError(t, res, row.status, row.code, row.says)
			others.unharmed(t)
		})
	}
	if kept := h.history("news"); len(kept) != 0 {
		t.Errorf("refused messages were stored: %v", kept)
	}
}

func wantNtfyError(t *testing.T, res answer, status, code int, says string) {
	t.Helper()
	if res.status != status || !strings.HasPrefix(res.header.Get("Content-Type"), "application/json") {
		t.Fatalf("status %d, type %q, want %d and JSON: %.300q", res.status, res.header.Get("Content-Type"), status, res.body)
	}
	e := decode[struct {
		Code, HTTP int
		Error      string
	}](t, res.body)
	if e.HTTP != status || e.Code/100 != status || code != 0 && e.Code != code || e.Error == "" {
		t.Errorf("the error is %s, want http %d and code %d", res.body, status, code)
	}
	if !strings.Contains(e.Error, says) {
		t.Errorf("%q does not say %q", e.Error, says)
	}
}

// Bad input to the server API gets its {"error": …} and harms nobody else.
func TestBadInputToServerAPI(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	others := newBystanders(h)
	for _, row := range []struct {
		name, method, params string
		status, code         int
	}{
		{"JSON truncated", "publish", `{"channel":"news","da`, 200, 107},
		{"JSON empty", "publish", ``, 200, 107},
		{"not an object", "publish", `[]`, 200, 107},
		{"more than one", "publish", `{"channel":"news","data":1} {}`, 200, 107},
		{"channel not a text", "publish", `{"channel":5,"data":1}`, 200, 107},
		{"no channel", "publish", `{"data":1}`, 200, 107},
		{"no data", "publish", `{"channel":"news"}`, 200, 107},
		{"illegal channel", "publish", `{"channel":"a b","data":1}`, 200, 107},
		{"NUL in the channel", "publish", `{"channel":"a\u0000b","data":1}`, 200, 107},
		{"pattern", "publish", `{"channel":"news.*","data":1}`, 200, 107},
		{"too long", "publish", `{"channel":"news","data":"` + tenMegabytes + `"}`, 413, 106},
		{"history without channel", "history", `{}`, 200, 107},
		{"history of another epoch", "history", `{"channel":"news","limit":1,"since":{"offset":1,"epoch":"other"}}`, 200, 112},
		{"presence of an illegal channel", "presence", `{"channel":"a b"}`, 200, 107},
		{"batch not a list", "batch", `{"commands":{}}`, 200, 107},
		{"unknown method", "fly", `{}`, 404, 104},
	} {
		t.Run(row.name, func(t *testing.T) {
			res := h.as(t).do("POST", "/api/"+row.method, row.params)
			e := decode[struct{ Error apiError }](t, res.body).Error
			if res.status != row.status || e.Code != row.code || e.Message == "" {
				t.Errorf("status %d and %.300q, want %d and code %d", res.status, res.body, row.status, row.code)
			}
			others.unharmed(t)
		})
	}
	if kept := h.history("news"); len(kept) != 0 {
		t.Errorf("refused messages were stored: %v", kept)
	}
}
