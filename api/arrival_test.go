package api_test

import (
	"io"
	"net"
	"strings"
	"testing"

	"fanfold/api"
	"fanfold/hub/hubtest"
)

// What net/http answers by itself is counted too, and nothing of what it hands on.
func TestWhatNoHandlerGetsIsCounted(t *testing.T) {
	server, _ := serve(t, api.Config{})
	for _, sent := range []struct{ text, answer string }{
		{"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", "200"},
		{"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\nGET /nothing/at/all HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", "404"},
		{"GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + strings.Repeat("x", 200_000) + "\r\n\r\n", "431"},
		{"five words are no HTTP\r\n\r\n", "400"},
		{"", ""},
	} {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, sent.text); err != nil {
			t.Fatal(err)
		}
		if sent.text == "" {
			_ = conn.(*net.TCPConn).CloseWrite()
		}
		answer, _ := io.ReadAll(conn) // it may be reset for what was left unread
		if !strings.Contains(string(answer), sent.answer) {
			t.Errorf("%.60q is answered by %q, want %s", sent.text, answer, sent.answer)
		}
		_ = conn.Close()
	}
	var got scraped
	hubtest.Eventually(t, "all connections have ended", func() bool {
		got = scrape(t, server.URL)
		return got["fanfold_connections_unused_total"] == 1 && got["fanfold_requests_unread_total"] >= 2
	})
	got.want(t, map[string]float64{"fanfold_requests_unread_total": 2})
}
