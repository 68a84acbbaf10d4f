package tests

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A page whose name was pointed at the hub gets nothing out of the program.
func TestDNSRebinding(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	for _, request := range []string{"GET /", "POST /news", "GET /news/sse", "GET /health", "POST /api/publish"} {
		conn, err := net.Dial("tcp", h.addr)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(patience))
		fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: evil.example\r\nOrigin: http://evil.example\r\nContent-Length: 0\r\n\r\n", request)
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		conn.Close()
		if err != nil || res.StatusCode != http.StatusMisdirectedRequest || !strings.Contains(string(body), "--allow-host evil.example ") {
			t.Errorf("%s: %d %q, %v", request, res.StatusCode, body, err)
		}
	}
	for _, path := range []string{"/", "/connection/websocket", "/news/ws"} {
		if status := h.dialRefused(path, "Host: evil.example", "Origin: http://evil.example"); status != http.StatusMisdirectedRequest {
			t.Errorf("WebSocket at %s: %d", path, status)
		}
	}
	if kept := h.history("news"); len(kept) != 0 {
		t.Errorf("messages were stored: %v", kept)
	}
	allowed := startHub(t, "--allow-host", "evil.example")
	if status := allowed.dialRefused("/news", "Host: evil.example"); status != http.StatusNotFound {
		t.Errorf("a host that is allowed: %d", status)
	}
}
