package api_test

import (
	"fmt"
	"strings"
	"testing"

	"fanfold/api/access"
	"fanfold/api/limit"

	"github.com/gorilla/websocket"
)

// say sends a text over a WebSocket and returns the next that comes, or the close.
func say(t *testing.T, conn *websocket.Conn, text string) string {
	t.Helper()
	if err := conn.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		t.Fatal(err)
	}
	_, reply, err := conn.ReadMessage()
	if err != nil {
		return err.Error()
	}
	return string(reply)
}

func hello(token string) string { return fmt.Sprintf(`{"id":1,"connect":{"token":%q}}`, token) }

// A connection is its network's until its first frame says whose it is. What it
// publishes then is charged to that user.
func TestWhoConnectsByAFrameIsLimitedAsThatUser(t *testing.T) {
	l := serveLimited(t, limit.Config{
		ConnectionsPerIP: 1, ConnectionsPerUser: 2,
		User: limit.Budget{Messages: limit.Rate{PerSecond: 0.1, Burst: 2}}, IP: limit.Budget{Messages: limit.Rate{PerSecond: 0.1, Burst: 1}},
	})
	ann := tokenOf(t, "ann")
	open := func() *websocket.Conn {
		t.Helper()
		conn, _, refusal := l.dial(t, "/connection/websocket", at(here)...)
		if conn == nil {
			t.Fatal(refusal)
		}
		return conn
	}
	var anns []*websocket.Conn
	for range 2 {
		conn := open()
		if reply := say(t, conn, hello(ann)); !strings.Contains(reply, `"connect":{`) {
			t.Fatal(reply)
		}
		anns = append(anns, conn)
	}
	third := open()
	if reply := say(t, third, hello(ann)); !strings.Contains(reply, `"code":111`) || !strings.Contains(reply, "limit-connections-per-user is 2") {
		t.Errorf("a third connection of a user's: %s", reply)
	}
	_, response, body := l.dial(t, "/connection/websocket", at(here)...)
	wantLimited(t, response, body, 42903, limit.ConnectionsPerIP) // the third is still the network's
	for i, want := range []string{`"publish":{}`, `"publish":{}`, "limit-publishes-per-user is 0.1"} {
		if reply := say(t, anns[i%2], fmt.Sprintf(`{"id":%d,"publish":{"channel":"news","data":1}}`, i+2)); !strings.Contains(reply, want) {
			t.Errorf("publish %d: %s", i, reply)
		}
	}
	for _, conn := range append(anns, third) {
		conn.Close()
	}
	eventually(t, "all places are free", func() bool { return l.limits.Stats().Connections == 0 })
	if reply := say(t, open(), hello(ann)); !strings.Contains(reply, `"connect":{`) {
		t.Error(reply)
	}
}

// Tokens are guessed no better in frames.
func TestGuessingInFramesIsSlowedDown(t *testing.T) {
	l := serveLimited(t, limit.Config{FailuresPerIP: limit.Rate{PerSecond: 0.1, Burst: 3}})
	heard := 0
	for i := range 10 {
		conn, _, refusal := l.dial(t, "/connection/websocket", at(here)...)
		if conn == nil {
			t.Fatal(refusal)
		}
		reply := say(t, conn, hello(access.NewKey()))
		if strings.Contains(reply, "3500") {
			heard++
		} else if !strings.Contains(reply, `"code":111`) || !strings.Contains(reply, "limit-failures-per-ip is 0.1") {
			t.Errorf("guess %d: %s", i, reply)
		}
	}
	if heard != 3 {
		t.Errorf("%d guesses were heard", heard)
	}
}
