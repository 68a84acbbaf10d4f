package api_test

import (
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"fanfold/api"
	"fanfold/hub"

	"github.com/gorilla/websocket"
)

// asked sends a request that calls the hub by a host, and returns the status. A
// refusal must name the flag that would allow the host.
func asked(t *testing.T, method, url, host string, headers ...string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(""))
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer response.Body.Close()
	if response.StatusCode == http.StatusMisdirectedRequest {
		if body, err := io.ReadAll(response.Body); err != nil || !strings.Contains(string(body), "--allow-host ") {
			t.Errorf("%s: %q does not say what to do, %v", host, body, err)
		}
	}
	return response.StatusCode
}

func TestOnLoopbackTheHubHasItsOwnNames(t *testing.T) {
	server, _ := serve(t, api.Config{Loopback: true, AllowHosts: []string{"Hub.example", "fd00::7"}})
	for host, status := range map[string]int{
		"localhost":          200,
		"LOCALHOST:99":       200,
		"localhost.":         200,
		"127.0.0.1:1234":     200,
		"127.9.9.9":          200,
		"[::1]:1234":         200,
		"[::1]":              200,
		"[0:0::1]:5":         200,
		"[::ffff:127.0.0.1]": 200,
		"hub.example":        200,
		"HUB.EXAMPLE.:8443":  200,
		"[fd00::7]:1":        200,
		"evil.example":       421,
		"localhost.evil":     421,
		"127.0.0.1.evil":     421,
		"evil.hub.example":   421,
		"192.168.1.5":        421,
		"[2001:db8::1]:1234": 421,
		"0.0.0.0:1234":       421,
	} {
		if got := asked(t, "POST", server.URL+"/news", host); got != status {
			t.Errorf("%s: %d, want %d", host, got, status)
		}
	}
}

// TestDNSRebinding: a page of evil.example whose name was pointed at the hub is
// of one origin with it.
func TestDNSRebinding(t *testing.T) {
	server, h := serve(t, api.Config{Loopback: true})
	for _, request := range []struct{ method, path string }{
		{"POST", "/news"}, {"PUT", "/news"}, {"POST", "/"}, {"GET", "/news/publish?message=x"},
		{"POST", "/api/publish"}, {"POST", "/api/history"}, {"GET", "/news/json?poll=1"}, {"GET", "/news/sse"}, {"GET", "/news/raw"},
		{"GET", "/"}, {"GET", "/app.js"}, {"GET", "/news"}, {"GET", "/health"}, {"GET", "/ready"}, {"OPTIONS", "/news"},
		{"GET", "/no/such/path"}, {"DELETE", "/news"},
	} {
		if got := asked(t, request.method, server.URL+request.path, "evil.example", "Origin", "http://evil.example"); got != 421 {
			t.Errorf("%s %s: %d", request.method, request.path, got)
		}
	}
	for _, path := range []string{"/", "/connection/websocket", "/news/ws"} {
		dialer := websocket.Dialer{}
		conn, response, err := dialer.DialContext(t.Context(), "ws"+strings.TrimPrefix(server.URL, "http")+path,
			http.Header{"Host": {"evil.example"}, "Origin": {"http://evil.example"}})
		if err == nil {
			conn.Close()
		}
		if response == nil || response.StatusCode != 421 {
			t.Errorf("WebSocket at %s: %v, %v", path, response, err)
		}
	}
	if page, err := h.History(t.Context(), hub.Query{Channel: "news", Limit: 9}); err != nil || len(page.Messages) != 0 {
		t.Errorf("%d messages are stored, %v", len(page.Messages), err)
	}
}

func TestBeyondLoopbackHostsCountOnceTheyAreNamed(t *testing.T) {
	open, _ := serve(t, api.Config{})
	named, _ := serve(t, api.Config{AllowHosts: []string{"hub.example"}})
	anyone, _ := serve(t, api.Config{Loopback: true, AllowHosts: []string{"*"}})
	for _, test := range []struct {
		url, host string
		status    int
	}{
		{open.URL, "evil.example", 200}, {open.URL, "192.168.1.5", 200}, {anyone.URL, "evil.example", 200},
		{named.URL, "hub.example", 200}, {named.URL, "127.0.0.1:1234", 200}, {named.URL, "evil.example", 421},
	} {
		if got := asked(t, "POST", test.url+"/news", test.host); got != test.status {
			t.Errorf("%s: %d, want %d", test.host, got, test.status)
		}
	}
	for _, host := range []string{"https://hub.example", "hub.example:80", "hub.example/a", "", "*.example"} {
		_, err := api.New(api.Config{Hub: new(hub.Hub), Page: http.NotFoundHandler(), MaxTextBytes: 1, AllowHosts: []string{host}})
		if err == nil || !strings.Contains(err.Error(), "hub.example.com") {
			t.Errorf("%q was allowed: %v", host, err)
		}
	}
}

// TestAProxyNamesTheHub: behind a trusted proxy the names are the proxy's
// business, unless some are named; its own host is that of a page's origin.
func TestAProxyNamesTheHub(t *testing.T) {
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	behind, _ := serve(t, api.Config{Loopback: true, TrustedProxies: loopback})
	named, _ := serve(t, api.Config{Loopback: true, TrustedProxies: loopback, AllowHosts: []string{"hub.example"}})
	elsewhere, _ := serve(t, api.Config{Loopback: true, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
	for _, test := range []struct {
		name, url, host string
		headers         []string
		status          int
	}{
		{"it keeps Host", behind.URL, "hub.example", []string{"X-Forwarded-For", "203.0.113.9", "Origin", "https://hub.example"}, 200},
		{"it says Host", behind.URL, "127.0.0.1", []string{"X-Forwarded-Host", "hub.example", "Origin", "https://hub.example"}, 200},
		{"a page of elsewhere", behind.URL, "127.0.0.1", []string{"X-Forwarded-Host", "hub.example", "Origin", "https://evil.example"}, 403},
		{"past the proxy", behind.URL, "evil.example", nil, 421},
		{"a name that was named", named.URL, "127.0.0.1", []string{"X-Forwarded-Host", "hub.example"}, 200},
		{"another", named.URL, "127.0.0.1", []string{"X-Forwarded-Host", "evil.example"}, 421},
		{"a client that plays the proxy", elsewhere.URL, "evil.example", []string{"X-Forwarded-Host", "localhost", "X-Forwarded-For", "127.0.0.1"}, 421},
	} {
		if got := asked(t, "POST", test.url+"/news", test.host, test.headers...); got != test.status {
			t.Errorf("%s: %d, want %d", test.name, got, test.status)
		}
	}
}
