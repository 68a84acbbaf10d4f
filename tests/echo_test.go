package tests

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
)

// Each text comes back folded, one for one and in order, to its sender alone.
func TestEcho(t *testing.T) {
	t.Parallel()
	const texts = 500
	h := startHub(t)
	a, b := h.dial("/"), h.dial("/")
	for i := range texts {
		a.send(fmt.Sprintf("A Straße %d", i))
		b.send(fmt.Sprintf("B ΣΊΣΥΦΟΣ %d", i))
	}
	for i := range texts {
		a.wantText(fmt.Sprintf("a strasse %d", i))
		b.wantText(fmt.Sprintf("b σίσυφοσ %d", i))
	}
	a.send("")
	a.wantText("")
	a.send("\x00NUL\r\n")
	a.wantText("\x00nul\r\n")
	select {
	case extra := <-b.texts:
		t.Errorf("the other client got %q", extra)
	default:
	}
}

func TestEchoIgnoresBinary(t *testing.T) {
	t.Parallel()
	s := startHub(t).dial("/")
	s.sendAs(websocket.BinaryMessage, "BINARY")
	s.send("TEXT")
	s.wantText("text")
}

func TestEchoFoldASCII(t *testing.T) {
	t.Parallel()
	unicode, ascii := startHub(t), startHub(t, "--fold", "ascii")
	for _, s := range []*socket{unicode.dial("/?fold=ascii"), ascii.dial("/")} {
		s.send("Grüße")
		s.send("HELLO")
		s.wantText("hello")
	}
	s := ascii.dial("/?fold=unicode")
	s.send("Grüße")
	s.wantText("grüsse")
	if status := unicode.dialRefused("/?fold=swiss"); status != 400 {
		t.Errorf("?fold=swiss: status %d", status)
	}
}

// A message of exactly the limit is served, one more byte closes with 1009, in
// one frame or in many.
func TestEchoTooLong(t *testing.T) {
	t.Parallel()
	h := startHub(t, "--max-message-bytes", "1000")
	limit := strings.Repeat("A", 1000)
	s := h.dial("/")
	s.send(limit)
	s.wantText(strings.ToLower(limit))
	s.send(limit + "A")
	s.wantClosed(websocket.CloseMessageTooBig)

	fragmented := h.dial("/")
	w, err := fragmented.conn.NextWriter(websocket.TextMessage)
	if err != nil {
		t.Fatal(err)
	}
	for range 10_000 { // the writer makes a frame of each bufferful
		if _, err := w.Write([]byte(limit)); err != nil {
			break // the hub has closed
		}
	}
	fragmented.wantClosed(websocket.CloseMessageTooBig)
}

func TestEchoInvalidUTF8(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	for _, text := range []string{"\xff", "a\xc3", "\xed\xa0\x80", "\xf4\x90\x80\x80"} {
		s := h.dial("/")
		s.send("FINE")
		s.wantText("fine")
		s.send(text)
		s.wantClosed(websocket.CloseInvalidFramePayloadData)
	}
}

// ?channel= pushes the messages of channels and patterns between the echoes.
func TestEchoPushesChannels(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	s := h.dial("/?channel=news&channel=sensor.*")
	eventually(t, "the subscriptions", func() bool {
		return h.sessions("news") == 1 && h.sessions("sensor.*") == 1
	})
	h.publish("news", "Plain", "Title: not shown")
	s.wantText("Plain")
	h.publish("sensor.kitchen", "21 °C")
	s.wantText("21 °C")
	h.publish("sensor.kitchen.oven", "not matched")
	s.send("ECHO")
	s.wantText("echo")
	if status := h.dialRefused("/?channel=no%20spaces"); status != 400 {
		t.Errorf("?channel= with an illegal name: status %d", status)
	}
}

// The log tells of connections as the article's program does, and of the texts
// only at debug level.
func TestEchoLog(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		level string
		texts bool
	}{{"info", false}, {"debug", true}} {
		t.Run(row.level, func(t *testing.T) {
			t.Parallel()
			h := startHub(t, "--log-level", row.level, "--log-format", "json")
			s := h.dial("/?fold=unicode")
			s.send("SeCrEt")
			s.wantText("secret")
			if err := s.conn.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(1000, "")); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the connection's end in the log", func() bool {
				return strings.Contains(strings.ToLower(h.stderr.String()), "connection closed")
			})
			log := h.stderr.String()
			if !strings.Contains(strings.ToLower(log), "connection established") {
				t.Errorf("no established connection in the log")
			}
			for line := range strings.Lines(log) {
				decode[map[string]any](t, line)
			}
			if strings.Contains(log, "SeCrEt") != row.texts || strings.Contains(log, "secret") != row.texts {
				t.Errorf("at level %s, texts in the log must be %v", row.level, row.texts)
			}
		})
	}
}
