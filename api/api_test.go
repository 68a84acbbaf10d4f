package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"fanfold/api"
	"fanfold/hub"
	"fanfold/hub/stream"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// openHub is a hub and what a principal may do with it who may do everything.
type openHub struct {
	*hub.Hub
	*hub.Actor
	handler *api.API
}

// serve runs an API on a hub of its own. The page is a text.
func serve(t testing.TB, c api.Config) (*httptest.Server, *openHub) {
	t.Helper()
	return serveOn(t, c, func(e hub.Engine) hub.Engine { return e })
}

// serveOn is serve with something put before the engine.
func serveOn(t testing.TB, c api.Config, wrap func(hub.Engine) hub.Engine) (*httptest.Server, *openHub) {
	t.Helper()
	engine, err := stream.Open(t.Context(), stream.Config{})
	if err != nil {
		t.Fatal(err)
	}
	config := hub.Config{Engine: wrap(engine), Logger: c.Logger}
	if c.Access != nil {
		config.Refuses = c.Access.Revoked.Check
	}
	h, err := hub.New(config)
	if err != nil {
		t.Fatal(err)
	}
	c.Hub, c.MaxTextBytes = h, 65536
	c.PageFiles = []string{"app.js"}
	c.Page = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "page at "+r.URL.Path) })
	handler, err := api.New(c)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(handler)
	server.Config.ConnState, server.Config.ConnContext, server.Config.MaxHeaderBytes = handler.ConnState, handler.ConnContext, 64<<10
	server.Start()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		for _, step := range []func() error{
			func() error { return h.Shutdown(ctx) },
			func() error { server.Close(); return handler.Wait(ctx) },
			engine.Close,
		} {
			if err := step(); err != nil {
				t.Error(err)
			}
		}
	})
	return server, &openHub{h, h.As(&hub.Principal{Grant: hub.Everything()}), handler}
}

// do sends a request and returns the status and body of the answer. headers are
// name, value, name, value.
func do(t *testing.T, method, url, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(text)
}

func TestErrorsSayWhatToDo(t *testing.T) {
	server, _ := serve(t, api.Config{})
	for _, test := range []struct {
		method, path, body string
		status, code       int
		says               string
	}{
		{"POST", "/health", "x", 400, 40010, "choose another name"},
		{"POST", "/api", "x", 400, 40010, "taken by the route /api"},
		{"PUT", "/app.js", "x", 400, 40010, "taken by the route /app.js"},
		{"POST", "/", `{"topic":"ready","message":"x"}`, 400, 40010, "taken by the route /ready"},
		{"GET", "/docs/json", "", 400, 40010, "taken"},
		{"GET", "/a,docs/ws", "", 400, 40010, "taken"},
		{"GET", "/health/auth", "", 400, 40010, "taken"},
		{"GET", "/a/publish?message=100%", "", 400, 40000, "%25"},
		{"POST", "/a?delay=10m;", "x", 400, 40000, "%3B"},
		{"POST", "/a%20b", "x", 400, 40009, `' '`},
		{"POST", "/a*", "x", 400, 40009, "is a pattern"},
		{"POST", "/a%00b", "x", 400, 40009, `\x00`},
		{"POST", "/%0d%0aX-Evil:1", "x", 400, 40009, `\r`},
		{"POST", "/", `{"topic":`, 400, 40024, "not JSON"},
		{"POST", "/a", strings.Repeat("x", 65537), 413, 41301, "65536"},
		{"POST", "/", strings.Repeat("x", 10<<20), 413, 41301, "bytes"},
		{"GET", "/a/json?since=10%20parsecs", "", 400, 40008, "since"},
		{"GET", "/news", "", 404, 40401, "/news/json"},
		{"GET", "/a/b/c", "", 404, 40401, "/a/b/c"},
		{"POST", "/a%2Fb", "x", 404, 40401, "/a%2Fb"},
		{"DELETE", "/a%2fb", "", 404, 40401, "/a%2fb"},
		{"DELETE", "/news", "", 405, 40501, "POST"},
		{"POST", "/news/json", "x", 400, 40049, "taken by the route /{channel}/json"},
		{"PUT", "/news/a.b", "x", 400, 40049, "'.'"},
		{"DELETE", "/news/sse", "", 400, 40049, "taken by the route /{channel}/sse"},
		{"PUT", "/news/ws/clear", "", 400, 40049, "taken"},
		{"DELETE", "/docs/a", "", 400, 40010, "taken by the route /docs"},
		{"DELETE", "/a*/a", "", 400, 40009, "is a pattern"},
		{"DELETE", "/a/b?delay=1h", "", 400, 40000, "leave out the delay"},
		{"POST", "/a?cache=no&in=1h", "x", 400, 40002, "not stored"},
		{"POST", "/a?cache=no&ttl=1h", "x", 400, 40000, "not stored"},
		{"POST", "/a?cache=no&idempotency_key=k", "x", 400, 40000, "not stored"},
		{"POST", "/a?schedule=*+*", "x", 400, 40004, "cron"},
		{"POST", "/a?in=soon", "x", 400, 40004, "tomorrow"},
		{"GET", "/connection/websocket", "", 426, 42601, "WebSocket"},
	} {
		response, body := do(t, test.method, server.URL+test.path, test.body)
		var got struct {
			Code, HTTP int
			Error      string
		}
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			t.Errorf("%s %s: %v in %q", test.method, test.path, err, body)
			continue
		}
		if response.StatusCode != test.status || got.HTTP != test.status || got.Code != test.code || !strings.Contains(got.Error, test.says) {
			t.Errorf("%s %.40s: %d %s, want %d, code %d and %q", test.method, test.path, response.StatusCode, body, test.status, test.code, test.says)
		}
	}
}

func TestWhatIsNotReadIsRefused(t *testing.T) {
	server, h := serve(t, api.Config{})
	for _, test := range []struct {
		method, path string
		headers      []string
		status       int
	}{
		{"POST", "/a", []string{"Content-Encoding", "gzip"}, 415},
		{"GET", "/a/publish?message=x", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors"}, 403},
		{"GET", "/a/publish?message=x", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate"}, 403},
		{"POST", "/a", []string{"Email", "a@b.c"}, 400},
	} {
		if response, body := do(t, test.method, server.URL+test.path, "x", test.headers...); response.StatusCode != test.status {
			t.Errorf("%+v: %d %s", test, response.StatusCode, body)
		}
	}
	if page, err := h.History(t.Context(), hub.Query{Channel: "a", Limit: 9}); err != nil || len(page.Messages) != 0 {
		t.Errorf("%d messages are stored, %v", len(page.Messages), err)
	}
	if response, _ := do(t, "GET", server.URL+"/a/publish?message=x", "", "Sec-Fetch-Site", "none"); response.StatusCode != 200 {
		t.Errorf("typed into the address bar: %d", response.StatusCode)
	}
	for _, path := range []string{"/health", "/ready", "/"} {
		if response, _ := do(t, "HEAD", server.URL+path, ""); response.StatusCode != 200 {
			t.Errorf("HEAD %s: %d", path, response.StatusCode)
		}
	}
}

func TestThePage(t *testing.T) {
	server, _ := serve(t, api.Config{})
	for _, path := range []string{"/", "/app.js"} {
		if response, body := do(t, "GET", server.URL+path, ""); response.StatusCode != 200 || body != "page at "+path {
			t.Errorf("%s: %d %q", path, response.StatusCode, body)
		}
	}
	if _, body := do(t, "GET", server.URL+"/news", "", "Accept", "text/html,*/*"); body != "page at /news" {
		t.Errorf("a browser gets %q for a channel", body)
	}
	if response, body := do(t, "GET", server.URL+"/docs", "", "Accept", "text/html"); response.StatusCode != 400 {
		t.Errorf("a name that is taken: %d %q", response.StatusCode, body)
	}
}

func TestOrigins(t *testing.T) {
	server, _ := serve(t, api.Config{AllowOrigins: []string{"https://good.example"}})
	host := strings.TrimPrefix(server.URL, "http://")
	for origin, status := range map[string]int{
		"":                       200,
		"http://" + host:         200,
		"http://127.0.0.1:9":     200, // another port of the same host
		"https://good.example":   200,
		"https://evil.example":   403,
		"null":                   403,
		"http://127.0.0.1.evil/": 403,
	} {
		var headers []string
		if origin != "" {
			headers = []string{"Origin", origin}
		}
		response, body := do(t, "POST", server.URL+"/news", "x", headers...)
		if response.StatusCode != status {
			t.Errorf("publish from origin %q: %d %s, want %d", origin, response.StatusCode, body, status)
		}
		if got := response.Header.Get("Access-Control-Allow-Origin"); status == 200 && got != origin {
			t.Errorf("origin %q is answered with %q", origin, got)
		}
		conn, upgrade, err := websocket.DefaultDialer.DialContext(t.Context(), "ws://"+host+"/", http.Header{"Origin": headers[min(1, len(headers)):]})
		if (err == nil) != (status == 200) || err != nil && upgrade.StatusCode != status {
			t.Errorf("WebSocket from origin %q: %v", origin, err)
		}
		if err == nil {
			conn.Close()
		}
	}
	response, _ := do(t, "OPTIONS", server.URL+"/news", "", "Origin", "https://good.example", "Access-Control-Request-Headers", "title")
	if response.StatusCode != 204 || response.Header.Get("Access-Control-Allow-Headers") != "title" {
		t.Errorf("preflight: %d %v", response.StatusCode, response.Header)
	}
	if _, err := api.New(api.Config{Hub: new(hub.Hub), Page: http.NotFoundHandler(), MaxTextBytes: 1, AllowOrigins: []string{"good.example"}}); err == nil || !strings.Contains(err.Error(), "https://example.com") {
		t.Errorf("an origin without a scheme: got %v", err)
	}
}

func TestAnUpgradeThatFailsLeavesNoSession(t *testing.T) {
	server, h := serve(t, api.Config{})
	for _, path := range []string{"/?channel=a..b", "/?fold=what", "/a%20b/ws"} {
		_, response, err := websocket.DefaultDialer.DialContext(t.Context(), "ws"+strings.TrimPrefix(server.URL, "http")+path, nil)
		if err == nil || response == nil || response.StatusCode != 400 {
			t.Errorf("%s: got %v, %v", path, response, err)
		}
	}
	response, body := do(t, "GET", server.URL+"/connection/websocket", "", "Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "7")
	if response.StatusCode != 400 {
		t.Errorf("a wrong version: %d %s", response.StatusCode, body)
	}
	if info, err := h.Info(t.Context()); err != nil || info.Sessions != 0 {
		t.Errorf("%d sessions are left, %v", info.Sessions, err)
	}
}

// TestAClientThatOnlySendsIsLetGo: the reader waits for room in the outbox when
// the connection breaks under the writer.
func TestAClientThatOnlySendsIsLetGo(t *testing.T) {
	server, h := serve(t, api.Config{})
	conn, _, err := websocket.DefaultDialer.DialContext(t.Context(), "ws"+strings.TrimPrefix(server.URL, "http")+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	text := []byte(strings.Repeat("X", 60_000))
	for err == nil { // until the hub reads no more
		conn.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
		err = conn.WriteMessage(websocket.TextMessage, text)
	}
	tcp, ok := conn.NetConn().(*net.TCPConn)
	if !ok {
		t.Fatal("not a TCP connection")
	}
	if err := errors.Join(tcp.SetLinger(0), tcp.Close()); err != nil {
		t.Fatal(err)
	}
	deadline := time.After(5 * time.Second)
	for every := time.NewTicker(10 * time.Millisecond); ; {
		if info, err := h.Info(t.Context()); err != nil || info.Sessions == 0 {
			return
		}
		select {
		case <-every.C:
		case <-deadline:
			t.Fatal("the session is still there 5 s after its connection broke")
		}
	}
}

func TestShutdownTellsEveryKindOfClient(t *testing.T) {
	server, h := serve(t, api.Config{})
	echo, _, err := websocket.DefaultDialer.DialContext(t.Context(), "ws"+strings.TrimPrefix(server.URL, "http")+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer echo.Close()
	request, err := http.NewRequestWithContext(t.Context(), "GET", server.URL+"/news/json", nil)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer stream.Body.Close()
	go func() {
		if err := h.Ready(t.Context()); err != nil {
			t.Error(err)
		}
		h.Disconnect(hub.Target{AnyUser: true}, hub.Reason{Cause: hub.CauseShutdown})
	}()
	if _, _, err := echo.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseGoingAway) {
		t.Errorf("the echo: got %v, want close code 1001", err)
	}
	if body, err := io.ReadAll(stream.Body); err != nil || strings.Count(string(body), "\n") != 1 {
		t.Errorf("the stream: got %q, %v; want its open event and a proper end", body, err)
	}
}

// Who comes while the hub shuts down is told to come back, and is no failure for the log.
func TestWhoComesDuringShutdown(t *testing.T) {
	log := &logged{}
	server, h := serve(t, api.Config{Logger: slog.New(slog.NewTextHandler(log, nil))})
	if err := h.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/news/json", "/news/sse"} {
		response := get(t, server.URL+path)
		body, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") == "" || !strings.Contains(string(body), "shutting down: come back") {
			t.Errorf("%s: %d %s, %v", path, response.StatusCode, body, err)
		}
	}
	if _, response, err := websocket.DefaultDialer.DialContext(t.Context(), "ws"+strings.TrimPrefix(server.URL, "http")+"/", nil); err == nil || response.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a WebSocket: %v, %v", response, err)
	}
	if strings.Contains(log.String(), "level=ERROR") {
		t.Errorf("the log has\n%s", log.String())
	}
}
