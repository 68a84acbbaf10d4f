package dialect

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"fanfold/hub"
	"fanfold/hub/stream"
)

// The stored texts that were asked for come first, then those published since
// the connection was asked for, none twice.
func TestEchoBringsStoredTexts(t *testing.T) {
	h := newEchoHub(t, hub.Config{})
	for i, channel := range []string{"news", "other", "news", "build.x"} {
		publishEcho(t, h, channel, fmt.Sprintf(`{"message":"%s %d"}`, channel, i))
	}
	page, err := h.History(t.Context(), hub.Query{Channel: "news", Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	echo := &Echo{Now: time.Now}
	for since, want := range map[string][]string{
		"all": {"news 0", "news 2", "build.x 3"}, "10m": {"news 0", "news 2", "build.x 3"}, "1": {"news 0", "news 2", "build.x 3"},
		"latest": {"news 2", "build.x 3"}, page.Messages[0].ID: {"news 2", "build.x 3"}, "none": nil, "": nil, "99999999999": nil,
		"0000000zzzzzzz": {"news 0", "news 2", "build.x 3"}, // of another store: what is kept
	} {
		conn := newEchoConn()
		peer, err := echo.Connect(t.Context(), h, conn, Request{Query: map[string][]string{"channel": {"news", "build.*", "news"}, "since": {since}}})
		if err != nil {
			t.Fatal(err)
		}
		live := "LIVE since=" + since
		if _, err := h.Publish(t.Context(), &hub.Message{Channel: "build.live", Data: []byte(`"` + live + `"`)}, hub.PublishOptions{Live: true}); err != nil {
			t.Fatal(err)
		}
		c := &echoClient{t, peer, conn}
		c.say("ECHO")
		c.expect("echo")
		peer.(Starter).Start(t.Context())
		for _, text := range append(want, live) {
			c.expect(text)
		}
		c.expectNothing()
		peer.Session().Detach()
	}
}

func TestEchoRefusesBadBeginnings(t *testing.T) {
	h := newEchoHub(t, hub.Config{})
	for _, row := range []struct{ channel, since, says string }{{"a", "10 parsecs", "a duration like 10m"}, {"", "all", "?channel="}} {
		query := map[string][]string{"since": {row.since}}
		if row.channel != "" {
			query["channel"] = []string{row.channel}
		}
		_, err := (&Echo{Now: time.Now}).Connect(t.Context(), h, newEchoConn(), Request{Query: query})
		if e := hub.ErrorOf(err); e.Code != hub.CodeBadRequest || !strings.Contains(e.Message, row.says) {
			t.Errorf("%+v: %v", row, err)
		}
	}
	if n, err := h.Disconnect(hub.Target{AnyUser: true}, hub.Reason{}); n != 0 || err != nil {
		t.Errorf("%d sessions of refused connections are open", n)
	}
}

// A client that reads slowly is waited for while history is sent, and for it alone.
func TestEchoSendsStoredTextsNoFasterThanTheyAreRead(t *testing.T) {
	h := newEchoHub(t, hub.Config{OutboxBytes: 1 << 10})
	const n = 50
	for i := range n {
		publishEcho(t, h, "a", fmt.Sprintf(`"%03d %s"`, i, strings.Repeat("x", 100)))
	}
	conn := newEchoConn()
	peer, err := (&Echo{Now: time.Now}).Connect(t.Context(), h, conn, Request{Query: map[string][]string{"channel": {"a"}, "since": {"all"}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(peer.Session().Detach)
	started := make(chan struct{})
	go func() { defer close(started); peer.(Starter).Start(t.Context()) }()
	c := &echoClient{t, peer, conn}
	for i := range n {
		if text := string(c.next()); !strings.HasPrefix(text, fmt.Sprintf("%03d ", i)) {
			t.Fatalf("text %d is %.10q", i, text)
		}
	}
	<-started
	if conn.reason() != nil {
		t.Errorf("the connection was closed: %+v", *conn.reason())
	}
}

// busyEngine is an engine to which a message is published just before each read
// of the newest position.
type busyEngine struct {
	hub.Engine
	publish func()
}

// Read implements [hub.Engine].
func (e *busyEngine) Read(ctx context.Context, q hub.Query) (hub.Page, error) {
	if q.Limit == 0 {
		e.publish()
	}
	return e.Engine.Read(ctx, q)
}

// A text published while the connection is being made is both stored and held
// for it: it comes once.
func TestEchoDoublesNothing(t *testing.T) {
	engine := newTestEngine(t, stream.Config{})
	published := 0
	busy := &busyEngine{Engine: engine, publish: func() {
		published++
		m := &hub.Message{Channel: "a", Data: fmt.Appendf(nil, `"between %d"`, published)}
		if _, err := engine.Publish(t.Context(), m, hub.PublishOptions{}); err != nil {
			t.Error(err)
		}
	}}
	h := newTestHub(t, hub.Config{Engine: busy})
	for range 5 {
		before := published
		c := dialEcho(t, h, &Echo{Now: time.Now}, map[string][]string{"channel": {"a"}, "since": {"all"}})
		if published == before {
			t.Fatal("nothing was published between")
		}
		for i := range published {
			c.expect(fmt.Sprintf("between %d", i+1))
		}
		publishEcho(t, h, "b", `"x"`)
		c.say("END")
		c.expect("end")
		c.expectNothing()
	}
}
