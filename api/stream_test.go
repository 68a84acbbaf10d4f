package api_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"fanfold/api"
	"fanfold/hub"

	"github.com/gorilla/websocket"
)

// troubled is an engine that can be made to fail or to wait.
type troubled struct {
	hub.Engine
	read func(hub.Query) error // called before each read
}

func (e *troubled) Read(ctx context.Context, q hub.Query) (hub.Page, error) {
	if e.read != nil {
		if err := e.read(q); err != nil {
			return hub.Page{}, err
		}
	}
	return e.Engine.Read(ctx, q)
}

func serveTroubled(t *testing.T) (*httptest.Server, *openHub, *troubled) {
	t.Helper()
	e := new(troubled)
	server, h := serveOn(t, api.Config{}, func(engine hub.Engine) hub.Engine {
		e.Engine = engine
		return e
	})
	return server, h, e
}

func publishMany(t *testing.T, h *openHub, channel string, n int) {
	t.Helper()
	for range n {
		if _, err := h.Publish(t.Context(), &hub.Message{Channel: channel, Data: []byte(`"x"`)}, hub.PublishOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}

// get streams a URL in the background of the test.
func get(t *testing.T, url string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		response.Body.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return response
}

// TestAPublisherThatHasEndedItsSideIsAnswered: 200 means stored, also for a
// client that sends FIN behind its request.
func TestAPublisherThatHasEndedItsSideIsAnswered(t *testing.T) {
	server, h := serve(t, api.Config{})
	const n = 50
	for range n {
		conn, err := net.Dial("tcp", strings.TrimPrefix(server.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		tcp, ok := conn.(*net.TCPConn)
		if !ok {
			t.Fatal("not a TCP connection")
		}
		fmt.Fprint(tcp, "POST /half HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello")
		if err := tcp.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(tcp)
		if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 200") || !strings.Contains(string(answer), `"message":"hello"`) {
			t.Fatalf("got %q, %v", answer, err)
		}
		tcp.Close()
	}
	page, err := h.History(t.Context(), hub.Query{Channel: "half", Limit: 2 * n})
	if err != nil || len(page.Messages) != n {
		t.Errorf("%d of %d are stored, %v", len(page.Messages), n, err)
	}
}

func TestAPollThatFailsMidwayDoesNotLookComplete(t *testing.T) {
	server, h, e := serveTroubled(t)
	publishMany(t, h, "a", 400) // more than a page
	pages := 0
	e.read = func(q hub.Query) error {
		if q.Limit > 0 {
			if pages++; pages == 2 {
				return hub.Errorf(hub.CodeUnavailable, "try again")
			}
		}
		return nil
	}
	response := get(t, server.URL+"/a/json?poll=1")
	if body, err := io.ReadAll(response.Body); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%d: got %d lines and %v, want an unexpected end", response.StatusCode, strings.Count(string(body), "\n"), err)
	}
}

func TestAnEmptyPollHasItsContentType(t *testing.T) {
	server, _ := serve(t, api.Config{})
	response := get(t, server.URL+"/a/json?poll=1")
	if body, err := io.ReadAll(response.Body); err != nil || len(body) != 0 || !strings.HasPrefix(response.Header.Get("Content-Type"), "application/x-ndjson") {
		t.Errorf("got %q, %v, %v", body, err, response.Header)
	}
}

func TestADisconnectEndsACatchUp(t *testing.T) {
	server, h, e := serveTroubled(t)
	publishMany(t, h, "a", 900)
	pages := 0
	e.read = func(q hub.Query) error {
		if q.Limit > 0 {
			if pages++; pages == 2 {
				h.Disconnect(hub.Target{AnyUser: true}, hub.Reason{Cause: hub.CauseServer})
			}
		}
		return nil
	}
	response := get(t, server.URL+"/a/json?since=all")
	body, err := io.ReadAll(response.Body)
	if lines := strings.Count(string(body), "\n"); err == nil || lines > 600 {
		t.Errorf("got %d lines and %v after a disconnect at the second page", lines, err)
	}
}

// TestAStreamTakesARequestWithABody: the body has a deadline, which ends with it.
func TestAStreamTakesARequestWithABody(t *testing.T) {
	server, h := serve(t, api.Config{})
	r, err := http.NewRequestWithContext(t.Context(), "GET", server.URL+"/a/raw", strings.NewReader("whatever"))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer response.Body.Close()
	publishMany(t, h, "a", 1)
	buf := make([]byte, 10)
	timer := time.AfterFunc(10*time.Second, func() { response.Body.Close() })
	defer timer.Stop()
	var got string
	for !strings.Contains(got, "x\n") {
		n, err := response.Body.Read(buf)
		if err != nil {
			t.Fatalf("got %q, then %v", got, err)
		}
		got += string(buf[:n])
	}
}

// TestAPanicEndsOneConnection: what goes wrong in serving one client harms no
// other.
func TestAPanicEndsOneConnection(t *testing.T) {
	server, _, e := serveTroubled(t)
	dial := func() *websocket.Conn {
		conn, _, err := websocket.DefaultDialer.DialContext(t.Context(), "ws"+strings.TrimPrefix(server.URL, "http")+"/connection/websocket", nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	say := func(conn *websocket.Conn, text string) error {
		if err := conn.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
			t.Fatal(err)
		}
		_, _, err := conn.ReadMessage()
		return err
	}
	victim, other := dial(), dial()
	for _, conn := range []*websocket.Conn{victim, other} {
		if err := say(conn, `{"id":1,"connect":{}}`); err != nil {
			t.Fatal(err)
		}
	}
	e.read = func(hub.Query) error { panic("boom") }
	if err := say(victim, `{"id":2,"subscribe":{"channel":"a"}}`); !websocket.IsCloseError(err, 3004) {
		t.Errorf("the victim: got %v, want close code 3004", err)
	}
	if response, body := do(t, "GET", server.URL+"/a/json", ""); response.StatusCode != 500 || strings.Contains(body, "boom") {
		t.Errorf("over HTTP: %d %s", response.StatusCode, body)
	}
	e.read = nil
	if err := say(other, `{"id":2,"subscribe":{"channel":"a"}}`); err != nil {
		t.Errorf("the other: %v", err)
	}
}
