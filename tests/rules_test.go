package tests

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const rulesFile = `
rules:
  - name: game
    channels: game.>
    live: true
    slow: keep-latest
  - name: ticker
    channels: ticker
    slow: drop-oldest
  - name: orders
    channels: orders.>
    messages: 3
    presence: false
    publish: server
`

// What the configuration file says of a channel holds for every client, and may be
// changed by a restart that loses nothing.
func TestRulesOfChannels(t *testing.T) {
	t.Parallel()
	config := filepath.Join(t.TempDir(), "fanfold.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(rulesFile)
	h := startHub(t, "--config", config)

	all := h.subscribers("game.1")
	moved := h.publish("game.1", "moved")
	for _, s := range all {
		s.next(h, "moved")
	}
	if kept := h.history("game.1"); moved.Offset != 0 || len(kept) != 0 {
		t.Errorf("a live channel keeps %v", kept)
	}
	for i := range 20 {
		h.publish("orders.1", fmt.Sprint(i))
	}
	eventually(t, "the rule's limit is kept to", func() bool { return len(h.history("orders.1")) < 20 })
	s := h.dial("/connection/websocket")
	s.send(`{"id":1,"connect":{}}` + "\n" + `{"id":2,"publish":{"channel":"orders.1","data":1}}`)
	if code := errorOf(t, s, 2); code != 103 {
		t.Errorf("a client's publish where a server may: error %d, not 103", code)
	}
	s.send(`{"id":3,"presence":{"channel":"orders.1"}}`)
	if code := errorOf(t, s, 3); code != 108 {
		t.Errorf("presence that is off: error %d, not 108", code)
	}

	before := h.history("orders.1")
	write(strings.ReplaceAll(rulesFile, "orders", "sales"))
	h.restart()
	after := h.history("orders.1")
	if fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("with other rules orders.1 has %v, and had %v", after, before)
	}
	next := h.publish("orders.1", "of the main rule")
	if last := before[len(before)-1].Offset; next.Offset <= last {
		t.Errorf("offsets go from %d to %d", last, next.Offset)
	}
}

// A reader that reads nothing delays no other by a message. What it gets when it
// reads again is what its channel's rule says: the newest, some of the newer, or the end
// of the connection.
func TestSlowReadersByRule(t *testing.T) {
	t.Parallel()
	config := filepath.Join(t.TempDir(), "fanfold.yaml")
	if err := os.WriteFile(config, []byte(rulesFile), 0o600); err != nil {
		t.Fatal(err)
	}
	h := startHub(t, "--config", config, "--outbox-bytes", "300000")
	// More than the sockets' buffers and the outbox hold, in less time than a reader has
	// before its connection ends.
	const messages = 120
	filler := strings.Repeat("x", 60_000)
	for _, row := range []struct {
		channel string
		whole   func(got []int) bool // what the stalled reader got, of a connection that stands
	}{
		{"game.2", func(got []int) bool { return len(got) < messages && got[len(got)-1] == messages }},
		{"ticker", func(got []int) bool { return len(got) < messages && got[len(got)-1] == messages }},
		{"plain", nil},
	} {
		t.Run(row.channel, func(t *testing.T) {
			h := h.as(t)
			quick := h.dial("/?channel=" + row.channel)
			conn := h.rawDial()
			fmt.Fprintf(conn, "GET /%s/json HTTP/1.1\r\nHost: localhost\r\n\r\n", row.channel)
			eventually(t, "the subscriptions", func() bool { return h.sessions(row.channel) == 2 })
			for i := 1; i <= messages; i++ {
				text := fmt.Sprint(i, " ", filler)
				h.publish(row.channel, text)
				quick.wantText(text)
			}
			if row.whole == nil {
				eventually(t, "the stalled reader is let go", func() bool { return h.sessions(row.channel) == 1 })
				return
			}
			if got := numbersUpTo(t, conn, messages); !row.whole(got) {
				t.Errorf("the stalled reader got %v", got)
			}
			if n := h.sessions(row.channel); n != 2 {
				t.Errorf("%d subscribers are left of 2", n)
			}
		})
	}
}

// numbersUpTo reads a stream of messages that begin with a number, which must rise,
// up to last.
func numbersUpTo(t *testing.T, conn net.Conn, last int) (got []int) {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil) // whose body does not end
	if err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewReaderSize(response.Body, 1<<20); ; {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("behind %v: %v", got, err)
		}
		message := decode[struct{ Event, Message string }](t, line)
		if message.Event != "message" {
			continue
		}
		var n int
		if _, err := fmt.Sscan(message.Message, &n); err != nil {
			t.Fatal(err)
		}
		if len(got) > 0 && n <= got[len(got)-1] {
			t.Errorf("%d comes behind %v", n, got)
		}
		if got = append(got, n); n == last {
			return got
		}
	}
}
