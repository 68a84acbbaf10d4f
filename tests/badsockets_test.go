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

// rawDial opens a TCP connection to the hub, closed at the test's end.
func (h *hub) rawDial() *net.TCPConn {
	h.t.Helper()
	conn, err := net.Dial("tcp", h.addr)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = conn.Close() })
	return conn.(*net.TCPConn)
}

// Bytes that are no proper HTTP request get an HTTP error and are not taken
// for a message.
func TestBadHTTP(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	others := newBystanders(h)
	const post = "POST /news HTTP/1.1\r\nHost: localhost\r\n"
	for _, row := range []struct {
		name, bytes string
		status      int
	}{
		{"no HTTP", "HELLO\r\n\r\n", 400},
		{"TLS", "\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00\r\n\r\n", 400},
		{"no Host", "GET / HTTP/1.1\r\n\r\n", 400},
		{"NUL in a header", post + "Title: a\x00b\r\nContent-Length: 1\r\n\r\nx", 400},
		{"CR in a header", post + "Title: a\rb\r\nContent-Length: 1\r\n\r\nx", 400},
		{"header without colon", post + "Title\r\nContent-Length: 1\r\n\r\nx", 400},
		{"space in a header's name", post + "Ti tle: a\r\nContent-Length: 1\r\n\r\nx", 400},
		{"two lengths", post + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx", 400},
		{"negative length", post + "Content-Length: -1\r\n\r\n", 400},
		{"bad chunk", post + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400},
		{"truncated chunk", post + "Transfer-Encoding: chunked\r\n\r\n5\r\nab", 400},
		{"truncated body", post + "Content-Length: 100\r\n\r\nhalf a body", 400},
		{"unknown transfer encoding", post + "Transfer-Encoding: rot13\r\n\r\nx", 501},
		{"too many headers", post + strings.Repeat("X: "+strings.Repeat("x", 1000)+"\r\n", 2000) + "\r\n", 431},
	} {
		t.Run(row.name, func(t *testing.T) {
			if status := rawStatus(t, h, row.bytes); status != row.status {
				t.Errorf("status %d, want %d", status, row.status)
			}
			others.unharmed(t)
		})
	}
	if kept := h.history("news"); len(kept) != 0 {
		t.Errorf("broken requests were stored: %v", kept)
	}
}

// rawStatus sends bytes, then no more, and returns the status of the answer.
func rawStatus(t *testing.T, h *hub, bytes string) int {
	t.Helper()
	conn := h.as(t).rawDial()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(conn, bytes) // the hub may have answered and closed before the last byte
	_ = conn.CloseWrite()
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("read the answer: %v", err)
	}
	defer res.Body.Close()
	return res.StatusCode
}

// Connections that begin something and never go on hold up nobody.
func TestHalfOpenSockets(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	others := newBystanders(h)
	upgrade := "Host: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
	beginnings := []string{
		"",
		"POST /bysta",
		"POST /bystanders HTTP/1.1\r\nHost: localhost\r\n",
		"POST /bystanders HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf",
		"POST /api/publish HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{\"channel\":\"bystanders\"",
		"GET / HTTP/1.1\r\n" + upgrade,
		"GET / HTTP/1.1\r\n" + upgrade + "\x81\xfe\x00\x7e\x00\x00",
		"GET /connection/websocket HTTP/1.1\r\n" + upgrade,
		"GET /other/ws HTTP/1.1\r\n" + upgrade,
		"GET /other/json HTTP/1.1\r\nHost: localhost\r\n\r\n",
	}
	var open []*net.TCPConn
	for range 20 {
		for _, bytes := range beginnings {
			conn := h.rawDial()
			if _, err := io.WriteString(conn, bytes); err != nil {
				t.Fatal(err)
			}
			open = append(open, conn)
		}
	}
	others.unharmed(t)
	for i, conn := range open {
		_ = conn.SetLinger(i%2 - 1) // close every second one with a reset
		_ = conn.Close()
	}
	others.unharmed(t)
	eventually(t, "the hub lets go of the closed connections", func() bool { return h.sessions("other") == 0 })
}

// A subscriber that stops reading is let go once its outbox is full, and holds
// up neither publishers nor other subscribers.
func TestStalledSubscribersHoldUpNobody(t *testing.T) {
	t.Parallel()
	h := startHub(t, "--outbox-bytes", "1000000")
	others := newBystanders(h)
	for _, path := range []string{"/flood/json", "/flood/sse", "/flood/raw"} {
		fmt.Fprintf(h.rawDial(), "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path)
	}
	for _, path := range []string{"/?channel=flood", "/flood/ws"} {
		fmt.Fprintf(h.rawDial(), "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n", path)
	}
	eventually(t, "the subscriptions", func() bool { return h.sessions("flood") == 5 })
	wave := strings.Repeat("x", 60_000)
	eventually(t, "the hub lets go of those who do not read", func() bool {
		for range 20 {
			h.publish("flood", wave)
		}
		others.unharmed(t)
		return h.sessions("flood") == 0
	})
}

// Line breaks and NULs in a message stay inside it: no protocol takes them for
// the end of a line, an event or a header.
func TestLineBreaksStayInTheirMessage(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	all := h.subscribers("news")
	const evil = "one\r\n\r\ndata: {\"event\":\"message\",\"message\":\"forged\"}\r\n\r\nid: 7\n\x00end"
	h.publish("news", evil, "Title: =?utf-8?q?a=0D=0A=0D=0Adata:_forged?=")
	h.publish("news", "next")
	for _, s := range all {
		text := evil
		if s.name == "ntfy raw" {
			text = receive(t, s.deliveries, "the raw line").text
			if strings.ContainsAny(text, "\r\n") || !strings.HasSuffix(text, "end") {
				t.Errorf("raw shows the message as %q", text)
			}
		} else {
			s.next(h, text)
		}
		s.next(h, "next")
	}
}
