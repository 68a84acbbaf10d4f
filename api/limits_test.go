package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"fanfold/api"
	"fanfold/api/access"
	"fanfold/api/limit"
	"fanfold/hub"

	"github.com/gorilla/websocket"
)

const limitsSecret = "a secret of the tests that is long enough"

// limitedHub is a hub with limits, behind a proxy that says who comes.
type limitedHub struct {
	*httptest.Server
	hub    *openHub
	limits *limit.Limits
	key    string // of a server
}

func serveLimited(t *testing.T, c limit.Config) *limitedHub {
	t.Helper()
	keys, err := access.ParseKeys([]byte(limitsSecret))
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := access.NewVerifier(access.Config{Keys: keys, Grant: hub.Everything()})
	if err != nil {
		t.Fatal(err)
	}
	l := &limitedHub{limits: limit.New(c, nil), key: access.NewKey()}
	servers, err := access.NewAPIKeys([]access.APIKey{{Name: "backend", Hash: access.HashKey(l.key), Grant: hub.Everything()}})
	if err != nil {
		t.Fatal(err)
	}
	l.Server, l.hub = serve(t, api.Config{
		Limits: l.limits, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		Access: &access.Authenticator{Tokens: tokens, Keys: servers, Revoked: &access.Revocations{}, Anonymous: &hub.Principal{Grant: hub.Everything()}},
	})
	return l
}

// tokenOf is what a user shows.
func tokenOf(t *testing.T, user string) string {
	t.Helper()
	keys, err := access.ParseKeys([]byte(limitsSecret))
	if err != nil {
		t.Fatal(err)
	}
	token, err := access.Sign(keys[0], "", access.Claims{Subject: user})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

const (
	here  = "203.0.113.5"
	there = "203.0.113.6"
)

// at are the headers of a request from an address, with a credential if there is one.
func at(address string, credential ...string) []string {
	headers := []string{"X-Forwarded-For", address}
	for _, c := range credential {
		headers = append(headers, "Authorization", "Bearer "+c)
	}
	return headers
}

// wantLimited fails the test if an answer is no refusal by a limit, in ntfy's form,
// and returns what it says of when to come back.
func wantLimited(t *testing.T, response *http.Response, body string, code int, name limit.Name) time.Duration {
	t.Helper()
	var e struct {
		Code, HTTP int
		Error      string
	}
	if err := json.Unmarshal([]byte(body), &e); err != nil || e.Code != code || e.HTTP != code/100 || response.StatusCode != code/100 || !strings.Contains(e.Error, string(name)+" is ") {
		t.Fatalf("%d %s, want code %d and %s", response.StatusCode, body, code, name)
	}
	seconds, err := strconv.Atoi(response.Header.Get("Retry-After"))
	if err != nil || seconds < 1 {
		t.Fatalf("Retry-After is %q", response.Header.Get("Retry-After"))
	}
	return time.Duration(seconds) * time.Second
}

func (l *limitedHub) post(t *testing.T, text string, headers ...string) (*http.Response, string) {
	t.Helper()
	return do(t, "POST", l.URL+"/news", text, headers...)
}

func (l *limitedHub) taken(t *testing.T, text string, headers ...string) {
	t.Helper()
	if response, body := l.post(t, text, headers...); response.StatusCode != 200 {
		t.Fatalf("%v: %d %s", headers, response.StatusCode, body)
	}
}

// A flood from an address, or of a user, is theirs alone, and who comes with a good
// credential is charged for that wherever they come from.
func TestEachPublisherIsChargedForItself(t *testing.T) {
	slow := limit.Budget{Messages: limit.Rate{PerSecond: 0.1, Burst: 3}}
	l := serveLimited(t, limit.Config{Key: slow, User: slow, IP: slow})
	ann, bob := tokenOf(t, "ann"), tokenOf(t, "bob")
	for _, row := range []struct {
		headers []string
		name    limit.Name
	}{
		{at(here), limit.PublishesPerIP},
		{at(here, ann), limit.PublishesPerUser},
		{at(here, l.key), limit.PublishesPerKey},
		{at(here, bob), limit.PublishesPerUser},
		{at("2001:db8:1::7"), limit.PublishesPerIP},
	} {
		for range 3 {
			l.taken(t, "x", row.headers...)
		}
		for range 10 {
			response, body := l.post(t, "x", row.headers...)
			if wait := wantLimited(t, response, body, 42901, row.name); wait > 10*time.Second {
				t.Errorf("one more is allowed after %v, when all three would be", wait)
			}
		}
	}
	response, body := l.post(t, "x", at(there, ann)...)
	wantLimited(t, response, body, 42901, limit.PublishesPerUser)
	response, body = l.post(t, "x", at("2001:db8:1:0:ffff::1")...)
	wantLimited(t, response, body, 42901, limit.PublishesPerIP)
	l.taken(t, "x", at(there)...)
	if n := l.limits.Stats().Refused[limit.PublishesPerIP]; n != 21 {
		t.Errorf("%d refusals of addresses were counted", n)
	}
	page, err := l.hub.History(t.Context(), hub.Query{Channel: "news", Limit: 100})
	if err != nil || len(page.Messages) != 16 {
		t.Errorf("%d messages were stored, %v", len(page.Messages), err)
	}
}

func TestBytesAreLimited(t *testing.T) {
	l := serveLimited(t, limit.Config{IP: limit.Budget{Bytes: limit.Rate{PerSecond: 100, Burst: 1000}}})
	l.taken(t, strings.Repeat("x", 900), at(here)...)
	response, body := l.post(t, strings.Repeat("x", 900), at(here)...)
	wantLimited(t, response, body, 42905, limit.BytesPerIP)
}

// The server API has an error of its own form, and says when to come back too.
func TestTheServerAPIIsLimited(t *testing.T) {
	l := serveLimited(t, limit.Config{Key: limit.Budget{Messages: limit.Rate{PerSecond: 0.1, Burst: 2}}})
	call := func(method, body string) (*http.Response, string) {
		return do(t, "POST", l.URL+"/api/"+method, body, "X-API-Key", l.key)
	}
	response, body := call("broadcast", `{"channels":["a","b","c"],"data":1}`)
	if response.StatusCode != 200 || strings.Count(body, `"result"`) != 3 || strings.Count(body, `"code":111`) != 1 {
		t.Errorf("a broadcast to one too many: %d %s", response.StatusCode, body)
	}
	response, body = call("publish", `{"channel":"a","data":1}`)
	if response.StatusCode != 429 || !strings.Contains(body, `{"error":{"code":111,`) || !strings.Contains(body, "limit-publishes-per-key is 0.1 a second") || response.Header.Get("Retry-After") == "" {
		t.Errorf("a publish: %d %s %v", response.StatusCode, body, response.Header)
	}
}

// dial connects a WebSocket; the answer is that to a refused upgrade.
func (l *limitedHub) dial(t *testing.T, path string, headers ...string) (*websocket.Conn, *http.Response, string) {
	t.Helper()
	h := http.Header{}
	for i := 0; i < len(headers); i += 2 {
		h.Set(headers[i], headers[i+1])
	}
	conn, response, err := websocket.DefaultDialer.DialContext(t.Context(), "ws"+strings.TrimPrefix(l.URL, "http")+path, h)
	if err == nil {
		t.Cleanup(func() { conn.Close() })
		return conn, response, ""
	}
	if response == nil {
		t.Fatal(err)
	}
	body := make([]byte, 1000)
	n, _ := response.Body.Read(body)
	return nil, response, string(body[:n])
}

// What is published over a WebSocket is charged as anything else is.
func TestWebSocketPublishesAreLimited(t *testing.T) {
	l := serveLimited(t, limit.Config{IP: limit.Budget{Messages: limit.Rate{PerSecond: 0.1, Burst: 3}}})
	l.taken(t, "x", at(here)...)
	conn, _, refusal := l.dial(t, "/connection/websocket", at(here)...)
	if conn == nil {
		t.Fatal(refusal)
	}
	commands := []string{`{"id":1,"connect":{}}`}
	for i := range 3 {
		commands = append(commands, fmt.Sprintf(`{"id":%d,"publish":{"channel":"news","data":1}}`, i+2))
	}
	if err := conn.WriteMessage(websocket.TextMessage, []byte(strings.Join(commands, "\n"))); err != nil {
		t.Fatal(err)
	}
	var replies []string
	for len(replies) < 4 {
		_, text, err := conn.ReadMessage()
		if err != nil {
			t.Fatal(err)
		}
		replies = append(replies, strings.Split(strings.TrimSpace(string(text)), "\n")...)
	}
	if strings.Contains(replies[2], "error") || !strings.Contains(replies[3], `"code":111`) || !strings.Contains(replies[3], `"temporary":true`) || !strings.Contains(replies[3], "limit-publishes-per-ip is 0.1 a second") {
		t.Errorf("the replies are %q", replies)
	}
}

// Connections of each kind are refused before they stand, and their places come
// back.
func TestConnectionsAreLimited(t *testing.T) {
	l := serveLimited(t, limit.Config{Connections: 6, ConnectionsPerIP: 2, ConnectionsPerUser: 2})
	refused := func(code int, name limit.Name, headers ...string) {
		t.Helper()
		for _, path := range []string{"/", "/connection/websocket", "/news/ws"} {
			_, response, body := l.dial(t, path, headers...)
			wantLimited(t, response, body, code, name)
		}
		for _, path := range []string{"/news/json", "/news/sse", "/news/raw?poll=1"} {
			response, body := do(t, "GET", l.URL+path, "", headers...)
			wantLimited(t, response, body, code, name)
		}
	}
	open := func(path string, headers ...string) *websocket.Conn {
		t.Helper()
		conn, _, refusal := l.dial(t, path, headers...)
		if conn == nil {
			t.Fatal(refusal)
		}
		return conn
	}
	first := open("/", at("2001:db8::1")...)
	open("/connection/websocket", at("2001:db8::2")...)
	refused(42903, limit.ConnectionsPerIP, at("2001:db8::ffff:0:3")...)
	open("/news/ws", at("2001:db8:0:1::1")...)
	ann := tokenOf(t, "ann")
	open("/", at("2001:db8::4", ann)...)
	open("/", at(there, ann)...)
	refused(42903, limit.ConnectionsPerUser, at(here, ann)...)
	open("/", at(here, l.key)...)
	refused(50301, limit.Connections, at(there)...)
	refused(50301, limit.Connections, "X-API-Key", l.key)

	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the place comes back", func() bool { return l.limits.Stats().Connections == 5 })
	response, body := do(t, "GET", l.URL+"/news/raw?poll=1", "", at("2001:db8::9")...)
	if response.StatusCode != 200 {
		t.Errorf("in the place that was left: %d %s", response.StatusCode, body)
	}
	eventually(t, "a poll's place comes back", func() bool { return l.limits.Stats().Connections == 5 })
}

// What fails before it stands leaves no place taken.
func TestConnectionsThatFailTakeNoPlace(t *testing.T) {
	l := serveLimited(t, limit.Config{Connections: 100})
	for _, path := range []string{"/?channel=a..b", "/?fold=what", "/a%20b/ws"} {
		if conn, _, _ := l.dial(t, path, at(here)...); conn != nil {
			t.Errorf("%s stands", path)
		}
	}
	do(t, "GET", l.URL+"/connection/websocket", "", "Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "7")
	do(t, "GET", l.URL+"/news/json?since=nonsense", "")
	do(t, "GET", l.URL+"/news/json", strings.Repeat("x", 100_000))
	eventually(t, "no place is taken", func() bool { return l.limits.Stats().Connections == 0 })
}

func TestAttemptsToConnectAreLimited(t *testing.T) {
	l := serveLimited(t, limit.Config{Connects: limit.Rate{PerSecond: 0.1, Burst: 2}})
	for range 2 {
		if response, body := do(t, "GET", l.URL+"/news/raw?poll=1", "", at(here)...); response.StatusCode != 200 {
			t.Fatalf("%d %s", response.StatusCode, body)
		}
	}
	response, body := do(t, "GET", l.URL+"/news/raw?poll=1", "", at(here)...)
	wantLimited(t, response, body, 42901, limit.Connects)
	_, response, body = l.dial(t, "/", at(here)...)
	wantLimited(t, response, body, 42901, limit.Connects)
	if conn, _, body := l.dial(t, "/", at(here, tokenOf(t, "ann"))...); conn == nil {
		t.Errorf("a user from there: %s", body)
	}
}

// Who guesses keys is not heard after a few, even with the right one, while those
// who had shown theirs before pass, and those who show none.
func TestGuessingOfKeysIsSlowedDown(t *testing.T) {
	l := serveLimited(t, limit.Config{FailuresPerIP: limit.Rate{PerSecond: 0.1, Burst: 5}})
	ann := tokenOf(t, "ann")
	l.taken(t, "x", at(here, ann)...)
	var refused int
	for range 50 {
		response, body := l.post(t, "x", at(here, access.NewKey())...)
		if response.StatusCode != 401 {
			wantLimited(t, response, body, 42909, limit.FailuresPerIP)
			refused++
		}
	}
	if refused < 44 {
		t.Errorf("%d of 50 guesses were heard", 50-refused)
	}
	response, body := l.post(t, "x", at(here, l.key)...)
	wantLimited(t, response, body, 42909, limit.FailuresPerIP)
	response, body = do(t, "POST", l.URL+"/api/info", "{}", at(here, "nonsense")...)
	if response.StatusCode != 429 || !strings.Contains(body, `"code":111`) || response.Header.Get("Retry-After") == "" {
		t.Errorf("the server API: %d %s", response.StatusCode, body)
	}
	_, response, body = l.dial(t, "/connection/websocket", at(here, access.NewKey())...)
	wantLimited(t, response, body, 42909, limit.FailuresPerIP)

	l.taken(t, "x", at(here, ann)...)
	l.taken(t, "x", at(here)...)
	l.taken(t, "x", at(there, l.key)...)
	l.taken(t, "x", at(here, l.key)...) // was good meanwhile
}

// The machine's own clients are not limited by address, but what bears the mark of
// a proxy that is not trusted is, all of it as one.
func TestLoopbackIsExempt(t *testing.T) {
	one := limit.Rate{PerSecond: 0.01, Burst: 1}
	limits := limit.New(limit.Config{ConnectionsPerIP: 1, Connects: one, FailuresPerIP: one, IP: limit.Budget{Messages: one}}, nil)
	server, _ := serve(t, api.Config{Limits: limits})
	for range 20 {
		if response, body := do(t, "POST", server.URL+"/news", "x"); response.StatusCode != 200 {
			t.Fatalf("%d %s", response.StatusCode, body)
		}
		if response, body := do(t, "GET", server.URL+"/news/raw?poll=1", ""); response.StatusCode != 200 {
			t.Fatalf("%d %s", response.StatusCode, body)
		}
	}
	for i, header := range []string{"X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"} {
		response, body := do(t, "POST", server.URL+"/news", "x", header, fmt.Sprintf("203.0.113.%d", i))
		if i == 0 {
			continue
		}
		wantLimited(t, response, body, 42901, limit.PublishesPerIP)
	}
}

// eventually waits until cond is true.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}
