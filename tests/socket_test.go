package tests

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/gorilla/websocket"
)

// socket is a WebSocket connection.
type socket struct {
	t     testing.TB
	conn  *websocket.Conn
	write sync.Mutex    // held for each message sent
	texts chan string   // the messages received; closed once the connection has ended
	end   closed        // how it ended: valid once texts is closed
	done  chan struct{} // closed once the reader has ended
	lines []string      // the rest of a message of several replies; owned by the test's goroutine
}

// closed is how a connection ended. The code is 0 if no close frame came.
type closed struct {
	code   int
	reason string
}

// dial opens a WebSocket at a path of the hub. It is closed at the test's end.
func (h *hub) dial(path string) *socket {
	h.t.Helper()
	conn, _, err := h.way.dialer.Dial("ws"+strings.TrimPrefix(h.url, "http")+path, nil)
	if err != nil {
		h.t.Fatalf("open a WebSocket at %s: %v", path, err)
	}
	s := &socket{t: h.t, conn: conn, texts: make(chan string, 10_000), done: make(chan struct{})}
	go s.read()
	h.t.Cleanup(func() {
		_ = conn.Close()
		for range s.texts {
		}
	})
	return s
}

// dialRefused asks for a WebSocket, which the hub must refuse, and returns the
// HTTP status. Headers are given as "Name: value".
func (h *hub) dialRefused(path string, headers ...string) int {
	h.t.Helper()
	conn, res, err := h.way.dialer.Dial("ws"+strings.TrimPrefix(h.url, "http")+path, headerOf(headers))
	if err == nil {
		_ = conn.Close()
		h.t.Errorf("the hub opened a WebSocket at %q", path)
		return http.StatusSwitchingProtocols
	}
	if res == nil {
		h.t.Fatalf("open a WebSocket at %s: %v", path, err)
	}
	return res.StatusCode
}

func (s *socket) read() {
	defer close(s.done)
	defer close(s.texts)
	for {
		_, text, err := s.conn.ReadMessage()
		if e, ok := errors.AsType[*websocket.CloseError](err); ok {
			s.end = closed{e.Code, e.Text}
		}
		if err != nil {
			return
		}
		s.texts <- string(text)
	}
}

// send sends a text message. An error shows in what the hub answers.
func (s *socket) send(text string) { s.sendAs(websocket.TextMessage, text) }

// sendAs sends a frame of any type.
func (s *socket) sendAs(messageType int, text string) {
	s.write.Lock()
	defer s.write.Unlock()
	_ = s.conn.WriteMessage(messageType, []byte(text))
}

// wantText fails the test if the next message is not text.
func (s *socket) wantText(text string) {
	s.t.Helper()
	if got := receive(s.t, s.texts, fmt.Sprintf("the message %.80q", text)); got != text {
		s.t.Fatalf("got the message %.80q, not %.80q", got, text)
	}
}

// wantClosed waits for the connection's end, passing over messages, and fails
// the test if it did not end with the code.
func (s *socket) wantClosed(code int) {
	s.t.Helper()
	eventually(s.t, fmt.Sprintf("the connection ends with code %d", code), func() bool {
		select {
		case <-s.done:
			return true
		default:
			return false
		}
	})
	if s.end.code != code {
		s.t.Errorf("the connection ended with %d %q, not with %d", s.end.code, s.end.reason, code)
	}
}

// errorOf waits for the reply to a Centrifuge command, passing over what comes
// before, and returns its error's code, 0 if it has none.
func errorOf(t testing.TB, s *socket, id int) int {
	t.Helper()
	for {
		if len(s.lines) == 0 {
			s.lines = strings.Split(receive(t, s.texts, fmt.Sprintf("the reply to command %d", id)), "\n")
		}
		reply := decode[struct {
			ID    int
			Error struct{ Code int }
		}](t, s.lines[0])
		s.lines = s.lines[1:]
		if reply.ID == id {
			return reply.Error.Code
		}
	}
}
