package api_test

import (
	"net/http"
	"strings"
	"testing"

	"fanfold/api"
)

// Messages come back as what they are, not as what a browser finds in them, and
// so does what errors repeat of a request.
func TestNoAnswerIsSniffed(t *testing.T) {
	server, _ := serve(t, api.Config{Loopback: true})
	const markup = "<html><script>alert(1)</script>"
	for _, request := range []struct {
		target, body, host string
		status             int
	}{
		{target: "POST /news", body: markup, status: 200},
		{target: "GET /news/json?poll=1", status: 200},
		{target: "GET /news/sse?poll=1", status: 200},
		{target: "GET /news/raw?poll=1", status: 200},
		{target: "POST /api/history", body: `{"channel":"news","limit":9}`, status: 200},
		{target: "POST /api/nothing", body: "{}", status: 404},
		{target: "GET /health", status: 200},
		{target: "GET /ready", status: 200},
		{target: "GET /news", status: 404},
		{target: "GET /%3Cscript%3E/json", status: 400},
		{target: "GET /a/b/c/%3Cscript%3E", status: 404},
		{target: "PATCH /news", status: 405},
		{target: "GET /connection/websocket", status: 426},
		{target: "GET /news/json?a;b", status: 400},
		{target: "GET /news/publish?message=a", host: "evil.example", status: 421},
	} {
		method, path, _ := strings.Cut(request.target, " ")
		r, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, strings.NewReader(request.body))
		if err != nil {
			t.Fatal(err)
		}
		r.Host = request.host
		response, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		kind := response.Header.Get("Content-Type")
		if response.StatusCode != request.status || response.Header.Get("X-Content-Type-Options") != "nosniff" || kind == "" || strings.Contains(kind, "html") {
			t.Errorf("%s: status %d, %v", request.target, response.StatusCode, response.Header)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}
