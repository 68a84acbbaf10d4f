package api_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fanfold/api"
	"fanfold/api/access"
	"fanfold/hub"

	"github.com/gorilla/websocket"
)

const tokenSecret = "a secret of more than 32 bytes for the tests"

// logged is a log that a test reads while it is written.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// guarded is a configuration that takes tokens and one key, which may do
// everything.
func guarded(t *testing.T) (c api.Config, key string, log *logged) {
	t.Helper()
	keys, err := access.ParseKeys([]byte(tokenSecret))
	if err != nil {
		t.Fatal(err)
	}
	config := access.DefaultConfig()
	config.Keys, config.Leeway = keys, 0
	verifier, err := access.NewVerifier(config)
	if err != nil {
		t.Fatal(err)
	}
	key = access.NewKey()
	apiKeys, err := access.NewAPIKeys([]access.APIKey{{Name: "backend", Hash: access.HashKey(key), Grant: hub.Everything()}})
	if err != nil {
		t.Fatal(err)
	}
	log = &logged{}
	return api.Config{
		Logger: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Access: &access.Authenticator{Tokens: verifier, Keys: apiKeys, Revoked: &access.Revocations{}, Cookie: "session"},
	}, key, log
}

func token(t *testing.T, c access.Claims) string {
	t.Helper()
	keys, err := access.ParseKeys([]byte(tokenSecret))
	if err != nil {
		t.Fatal(err)
	}
	text, err := access.Sign(keys[0], "", c)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func bearer(token string) []string { return []string{"Authorization", "Bearer " + token} }

// free are the routes that are for everybody: the page, health, and the one
// whose protocol brings its token later.
var free = []string{"GET /", "HEAD /", "GET /:channel", "HEAD /:channel", "GET /health", "HEAD /health", "GET /v1/health", "HEAD /v1/health", "GET /ready", "HEAD /ready", "GET /connection/websocket", "GET /mqtt",
	"GET /gallery", "HEAD /gallery", "GET /gallery/*page", "HEAD /gallery/*page"}

// TestEveryRouteRefusesTheAnonymous asks for all that the router knows: one that
// is added later is in this test already.
func TestEveryRouteRefusesTheAnonymous(t *testing.T) {
	c, _, _ := guarded(t)
	server, _ := serve(t, c)
	handler, err := api.New(api.Config{Hub: new(hub.Hub), Page: http.NotFoundHandler(), MaxTextBytes: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer handler.Wait(t.Context())
	known := handler.Routes()
	if len(known) < 25 {
		t.Fatalf("there are only %d routes", len(known))
	}
	for _, route := range known {
		if slices.Contains(free, route.Method+" "+route.Path) {
			continue
		}
		path := strings.NewReplacer(":channel", "news", ":sequence", "x", ":method", "publish").Replace(route.Path)
		for _, credential := range [][]string{nil, {"Authorization", "Bearer x.y.z"}, {"X-API-Key", access.NewKey()}, {"Cookie", "session=x.y.z", "Sec-Fetch-Site", "same-origin"}} {
			response, body := do(t, route.Method, server.URL+path, "x", credential...)
			form := `{"code":40101,"http":401,"error":"`
			if strings.HasPrefix(path, "/api/") {
				form = `{"error":{"code":101,"message":"`
			}
			if route.Method == "HEAD" {
				form = ""
			}
			if response.StatusCode != 401 || !strings.HasPrefix(body, form) || !strings.HasPrefix(response.Header.Get("WWW-Authenticate"), "Bearer realm=") {
				t.Errorf("%s %s with %q: %d %s (%q)", route.Method, path, credential, response.StatusCode, body, response.Header["Www-Authenticate"])
			}
		}
	}
	for _, path := range []string{"/", "/news/ws"} {
		_, response, err := websocket.DefaultDialer.DialContext(t.Context(), "ws"+strings.TrimPrefix(server.URL, "http")+path, nil)
		if err == nil || response == nil || response.StatusCode != 401 {
			t.Errorf("a WebSocket to %s: %v", path, err)
		}
	}
	if response, _ := do(t, "GET", server.URL+"/", "", bearer("x.y.z")...); response.StatusCode != 200 {
		t.Errorf("the page is refused: %d", response.StatusCode)
	}
}

func TestEveryMethodOfTheServerAPIRefusesTheAnonymous(t *testing.T) {
	c, key, _ := guarded(t)
	c.Access.Anonymous = &hub.Principal{Grant: hub.Grant{Publish: []string{">"}, History: []string{">"}, Presence: []string{">"}}}
	server, _ := serve(t, c)
	nothing := bearer(token(t, access.Claims{Subject: "ann"}))
	bodies := map[string]string{
		"publish": `{"channel":"a","data":1}`, "history": `{"channel":"a","limit":1}`, "history_remove": `{"channel":"a"}`, "presence": `{"channel":"a"}`,
		"presence_stats": `{"channel":"a"}`, "unsubscribe": `{"channel":"a","user":"u"}`, "disconnect": `{"user":"u"}`, "schedules": `{"channel":"a"}`,
		"schedule_cancel": `{"id":"x"}`, "message_delete": `{"channel":"a","sequence_id":"x"}`, "message_clear": `{"channel":"a","sequence_id":"x"}`,
		"subscribe": `{"channel":"a","user":"u"}`, "refresh": `{"user":"u"}`, "revoke": `{"token_id":"x"}`, "channels": `{}`, "info": `{}`,
		"broadcast": `{"channels":["a"],"data":1}`, "batch": `{"commands":[{"publish":{"channel":"a","data":1}}]}`,
	}
	for _, method := range api.ServerMethods() {
		url := server.URL + "/api/" + method
		body, ok := bodies[method]
		if !ok {
			body = "{}"
		}
		if response, text := do(t, "POST", url, body); response.StatusCode != 401 || !strings.HasPrefix(text, `{"error":{"code":101,`) {
			t.Errorf("%s: nobody got %d %s", method, response.StatusCode, text)
		}
		if _, text := do(t, "POST", url, body, nothing...); !strings.Contains(text, `"error":{"code":103,`) && !strings.Contains(text, `"code":108`) {
			t.Errorf("%s: a token without grants got %s", method, text)
		}
		if _, text := do(t, "POST", url, body, "X-API-Key", key); strings.Contains(text, `"code":101`) || strings.Contains(text, `"code":103`) {
			t.Errorf("%s: the key got %s", method, text)
		}
	}
}

// TestEachProtocolAllowsAndDenies comes to each with a token, and says why not.
func TestEachProtocolAllowsAndDenies(t *testing.T) {
	c, key, log := guarded(t)
	c.Access.Anonymous = &hub.Principal{Name: "anonymous", Grant: hub.Grant{Subscribe: []string{"public"}}}
	server, h := serve(t, c)
	publishMany(t, h, "news", 1)
	at := func(what access.Claims) []string { return bearer(token(t, what)) }
	reads := at(access.Claims{Subject: "ann", Grant: hub.Grant{Subscribe: []string{"news", "user.{user}.>"}}})
	keeps := at(access.Claims{Subject: "ann", Grant: hub.Grant{Subscribe: []string{"news"}, History: []string{"news"}}})
	writes := at(access.Claims{Subject: "bob", Grant: hub.Grant{Publish: []string{"news"}}})
	expired := at(access.Claims{Subject: "ann", Expires: time.Now().Add(-time.Hour), Grant: hub.Grant{Subscribe: []string{"news"}}})
	basic := func(secret string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte("ann:"+secret)) }
	for _, row := range []struct {
		name, method, path string
		headers            []string
		status             int
		says               string
	}{
		{"publish", "POST", "/news", writes, 200, `"topic":"news"`},
		{"publish elsewhere", "POST", "/news.x", writes, 403, `40301`},
		{"publish with a reader's", "POST", "/news", reads, 403, `you may not publish to \"news\": no publish grant`},
		{"publish by address", "GET", "/news/publish?message=x", reads, 403, `40301`},
		{"delete", "DELETE", "/news/seq", reads, 403, `40301`},
		{"delete a publisher's", "DELETE", "/news/seq", writes, 200, `message_delete`},
		{"publish with the key", "POST", "/news", []string{"X-API-Key", key}, 200, `"topic"`},
		{"publish with Basic", "POST", "/news", []string{"Authorization", basic(key)}, 200, `"topic"`},
		{"publish with ?auth=", "POST", "/news?auth=" + base64.RawURLEncoding.EncodeToString([]byte(basic(key))), nil, 200, `"topic"`},
		{"poll", "GET", "/news/json?poll=1", keeps, 200, `"event":"message"`},
		{"poll without history", "GET", "/news/json?poll=1", reads, 403, `no history grant`},
		{"since without history", "GET", "/news/sse?since=all", reads, 403, `no history grant`},
		{"scheduled without history", "GET", "/news/json?sched=1", reads, 403, `no history grant`},
		{"subscribe to more", "GET", "/news,other/json", reads, 403, `you may not subscribe to \"other\"`},
		{"subscribe to a pattern", "GET", "/news.*/json", reads, 403, `no subscribe grant`},
		{"another's channel", "GET", "/user.bob.mail/json", reads, 403, `no subscribe grant`},
		{"auth", "GET", "/news,user.ann.mail/auth", reads, 200, `{"success":true}`},
		{"auth elsewhere", "GET", "/other/auth", reads, 403, `40301`},
		{"auth of the anonymous", "GET", "/public/auth", nil, 200, `{"success":true}`},
		{"auth of the anonymous elsewhere", "GET", "/news/auth", nil, 401, `40101`},
		{"expired", "GET", "/news/auth", expired, 401, `expired`},
		{"the anonymous elsewhere", "GET", "/news/raw", nil, 401, `come with a token or key`},
		{"bad beats anonymous", "GET", "/public/auth", bearer("nonsense"), 401, `40101`},
	} {
		response, body := do(t, row.method, server.URL+row.path, "x", row.headers...)
		if response.StatusCode != row.status || !strings.Contains(body, row.says) {
			t.Errorf("%s: %d %s, want %d and %s", row.name, response.StatusCode, body, row.status, row.says)
		}
		if challenged := response.Header.Get("WWW-Authenticate") != ""; challenged != (row.status == 401) {
			t.Errorf("%s: WWW-Authenticate is %q", row.name, response.Header["Www-Authenticate"])
		}
	}
	for name, row := range map[string]struct {
		path    string
		headers []string
		status  int
	}{
		"echo":                  {"/?channel=news", reads, 101},
		"echo of a pattern":     {"/?channel=*", reads, 403},
		"echo with since":       {"/?channel=news&since=all", reads, 403},
		"echo with history":     {"/?channel=news&since=all", keeps, 101},
		"ntfy":                  {"/news/ws", reads, 101},
		"ntfy with since":       {"/news/ws?since=all", reads, 403},
		"ntfy elsewhere":        {"/other/ws", reads, 403},
		"ntfy of the anonymous": {"/public/ws", nil, 101},
		"ntfy expired":          {"/news/ws", expired, 401},
	} {
		header := http.Header{}
		for i := 0; i < len(row.headers); i += 2 {
			header.Set(row.headers[i], row.headers[i+1])
		}
		conn, response, err := websocket.DefaultDialer.DialContext(t.Context(), "ws"+strings.TrimPrefix(server.URL, "http")+row.path, header)
		if response == nil || response.StatusCode != row.status {
			t.Errorf("%s: %v %v", name, response, err)
		}
		if err == nil {
			conn.Close()
		}
	}
	checkNoSecrets(t, log, key, reads[1], keeps[1], writes[1], expired[1], basic(key))
}

// checkNoSecrets looks for credentials in a log, and for the part of a token that
// makes it good.
func checkNoSecrets(t *testing.T, log *logged, secrets ...string) {
	t.Helper()
	text := log.String()
	if !strings.Contains(text, "msg=denied") || !strings.Contains(text, "credential refused") {
		t.Errorf("the log does not say what was denied and refused: %s", text)
	}
	for _, secret := range append(secrets, "auth=", tokenSecret) {
		for _, part := range []string{secret, secret[strings.LastIndexByte(secret, '.')+1:]} {
			if strings.Contains(text, strings.TrimPrefix(part, "Bearer ")) {
				t.Errorf("the log has the secret %q", part)
			}
		}
	}
}

// TestAPositionIsNoWayRoundHistory resumes streams without the history grant: from
// a position all comes, from one that is none only what is new.
func TestAPositionIsNoWayRoundHistory(t *testing.T) {
	c, _, _ := guarded(t)
	server, h := serve(t, c)
	publishMany(t, h, "news", 3)
	page, err := h.History(t.Context(), hub.Query{Channel: "news", Limit: 9})
	if err != nil {
		t.Fatal(err)
	}
	first := page.Messages[0].ID
	reads := token(t, access.Claims{Subject: "ann", Grant: hub.Grant{Subscribe: []string{"news"}}})
	for last, want := range map[string][]string{first: {"open", "message", "message", "new"}, "live-XXXXXXXXXXXX": {"open", "gap", "new"}} {
		next := events(t, server, "/news/json", append(bearer(reads), "Last-Event-ID", last)...)
		var got []string
		for range len(want) - 1 {
			got = append(got, next().Event)
		}
		h.Publish(t.Context(), &hub.Message{Channel: "news", Data: []byte(`"new"`)}, hub.PublishOptions{})
		got = append(got, next().Message)
		if !slices.Equal(got, want) {
			t.Errorf("behind %q came %q, want %q", last, got, want)
		}
	}
}

// events follows a stream of JSON objects.
func events(t *testing.T, server *httptest.Server, path string, headers ...string) (next func() reply) {
	t.Helper()
	lines := bufio.NewScanner(open(t, server, path, headers...).Body)
	return func() (r reply) {
		t.Helper()
		if !lines.Scan() {
			t.Fatalf("the stream ended: %v", lines.Err())
		}
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatalf("%v in %q", err, lines.Text())
		}
		return r
	}
}

// open begins a streaming response, which ends with the test.
func open(t *testing.T, server *httptest.Server, path string, headers ...string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", server.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	if response.StatusCode != 200 {
		t.Fatalf("%s: %d", path, response.StatusCode)
	}
	return response
}

// TestABrowsersOwnCredentialCountsFromGoodPagesAlone: a cookie, and Basic, come
// with each request of a browser, whoever's page makes it.
func TestABrowsersOwnCredentialCountsFromGoodPagesAlone(t *testing.T) {
	c, key, _ := guarded(t)
	c.AllowOrigins = []string{"https://good.example"}
	server, h := serve(t, c)
	cookie := []string{"Cookie", "session=" + token(t, access.Claims{Subject: "ann", Grant: hub.Grant{Publish: []string{"news"}}})}
	basic := []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte("ann:"+key))}
	good := 0
	for i, row := range []struct {
		credential []string
		about      []string
		status     int
	}{
		{cookie, []string{"Sec-Fetch-Site", "same-origin"}, 200},
		{cookie, []string{"Sec-Fetch-Site", "none"}, 200},
		{cookie, []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{cookie, []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://good.example"}, 200},
		{cookie, []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, 403},
		{cookie, []string{"Origin", "null"}, 403},
		{cookie, nil, 403}, // an old browser, on behalf of who knows whom
		{basic, []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{basic, nil, 200}, // curl
		{[]string{"X-API-Key", key}, []string{"Sec-Fetch-Site", "same-site"}, 200},
	} {
		response, body := do(t, "POST", server.URL+"/news", fmt.Sprint("x", i), append(row.about, row.credential...)...)
		if response.StatusCode != row.status {
			t.Errorf("%q %.20q: %d %s", row.about, row.credential, response.StatusCode, body)
		}
		if row.status == 200 {
			good++
		}
	}
	if page, err := h.History(t.Context(), hub.Query{Channel: "news", Limit: 99}); err != nil || len(page.Messages) != good {
		t.Errorf("%d messages are kept, want %d (%v)", len(page.Messages), good, err)
	}
	response, _ := do(t, "OPTIONS", server.URL+"/news", "", "Origin", "https://good.example", "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization")
	if response.StatusCode != 204 || response.Header.Get("Access-Control-Allow-Headers") != "authorization" {
		t.Errorf("the preflight is answered by %d %v", response.StatusCode, response.Header)
	}
	if response, _ := do(t, "POST", server.URL+"/news", "x", "Sec-Fetch-Mode", "cors"); slices.ContainsFunc(response.Header.Values("WWW-Authenticate"), func(v string) bool { return strings.HasPrefix(v, "Basic") }) {
		t.Error("a browser is made to ask for a password")
	}
}

// TestAnybodyMayDoEverythingWithoutKeys holds for hubs that nobody else reaches.
func TestAnybodyMayDoEverythingWithoutKeys(t *testing.T) {
	server, _ := serve(t, api.Config{})
	for _, request := range []string{"POST /news", "GET /news/json?poll=1", "POST /api/info", "POST /api/channels", "GET /news/auth"} {
		method, path, _ := strings.Cut(request, " ")
		if response, body := do(t, method, server.URL+path, "", "Authorization", "Basic bm9ib2R5Om5vdGhpbmc="); response.StatusCode != 200 || strings.Contains(body, `"error"`) {
			t.Errorf("%s: %d %s", request, response.StatusCode, body)
		}
	}
}
