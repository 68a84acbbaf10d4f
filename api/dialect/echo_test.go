package dialect

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"fanfold/hub"
	"fanfold/hub/stream"
)

func TestEchoGoldenFrames(t *testing.T) {
	golden, err := os.ReadFile("testdata/echo.golden")
	if err != nil {
		t.Fatal(err)
	}
	lines := slices.DeleteFunc(strings.Split(strings.TrimSpace(string(golden)), "\n"), func(line string) bool {
		return strings.HasPrefix(line, "#")
	})
	for pair := range slices.Chunk(lines, 2) {
		want, err := strconv.Unquote(strings.TrimPrefix(pair[1], "> "))
		if err != nil {
			t.Fatalf("the frame of %s: %v", pair[0], err)
		}
		frame := (&Echo{}).Encode(hub.Event{Message: &hub.Message{Data: []byte(pair[0])}})
		if frame == nil || string(frame) != want {
			t.Errorf("Encode(%s) = %+q (nil: %t), want %+q", pair[0], frame, frame == nil, want)
		}
	}
}

func TestEchoShowsMessagesAlone(t *testing.T) {
	client := &hub.Client{ID: "1"}
	for _, ev := range []hub.Event{
		{Kind: hub.KindJoin, Client: client},
		{Kind: hub.KindLeave, Client: client},
		{Kind: hub.KindUnsubscribed},
		{Kind: hub.KindPing, Time: time.Unix(1, 0)},
		{Message: &hub.Message{Data: sequenceEventData(eventDelete, "a")}},
		{Message: &hub.Message{Data: sequenceEventData(eventClear, "a")}},
	} {
		if frame := (&Echo{}).Encode(ev); frame != nil {
			t.Errorf("kind %d is shown as %q", ev.Kind, frame)
		}
	}
}

func FuzzEchoEncode(f *testing.F) {
	for _, data := range []string{`"x"`, `{"message":"x"}`, `{"message":"\ud800"}`, "\"\xff\"", "[\"\xff\"]", "", " ", `{`} {
		f.Add([]byte(data))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		frame := (&Echo{}).Encode(hub.Event{Message: &hub.Message{Data: data}})
		if event, _ := parseSequenceEvent(data); event != "" && frame == nil {
			return
		}
		if frame == nil || !utf8.Valid(frame) {
			t.Errorf("Encode(%q) = %q (nil: %t), want valid UTF-8", data, frame, frame == nil)
		}
		if message := AsNotification(data).Message; string(frame) != message {
			t.Errorf("Encode(%q) = %q, as a notification its message is %q", data, frame, message)
		}
	})
}

func TestEchoCloseCodes(t *testing.T) {
	const maxText = 123 // bytes, RFC 6455 §5.5 less the code
	for cause := hub.CauseClosed; cause <= hub.CauseInternal; cause++ {
		if _, ok := echoCloses[cause]; !ok {
			t.Errorf("cause %d has no code", cause)
		}
		code, text := (&Echo{}).CloseCode(hub.Reason{Cause: cause})
		if code < 1000 || code > 1011 || text == "" || len(text) > maxText {
			t.Errorf("cause %d closes with %d %q", cause, code, text)
		}
	}
	if code, text := (&Echo{}).CloseCode(hub.Reason{Cause: hub.CauseShutdown}); code != 1001 || !strings.Contains(text, "come back") {
		t.Errorf("a shutdown closes with %d %q", code, text)
	}
	if _, text := (&Echo{}).CloseCode(hub.Reason{Cause: hub.CauseShutdown, Retry: 2100 * time.Millisecond}); !strings.Contains(text, "come back in 3 s") {
		t.Errorf("a shutdown with a time to come back closes with %q", text)
	}
	if code, text := (&Echo{}).CloseCode(hub.Reason{Cause: hub.CauseServer, Code: 4000, Text: "bye"}); code != 4000 || text != "bye" {
		t.Errorf("an order to close with 4000 bye closes with %d %q", code, text)
	}
	if code, _ := (&Echo{}).CloseCode(hub.Reason{Cause: -1}); code != 1011 {
		t.Errorf("an unknown cause closes with %d", code)
	}
}

func TestEchoAnswersInOrderToTheSenderAlone(t *testing.T) {
	h := newEchoHub(t, hub.Config{})
	echo := &Echo{}
	alice, bob := dialEcho(t, h, echo, nil), dialEcho(t, h, echo, nil)
	var want []string
	for i := range 100 {
		alice.say(fmt.Sprintf("STRASSE %d ẞ", i), "", "日本")
		want = append(want, fmt.Sprintf("strasse %d ss", i), "", "日本")
	}
	for _, text := range want {
		alice.expect(text)
	}
	if s := echo.Separator(); s != "" {
		t.Errorf("frames may be joined by %q: then one text is not one frame", s)
	}
	bob.say("BOB")
	bob.expect("bob")
	bob.expectNothing()
	alice.expectNothing()
}

func TestEchoASCIILeavesOtherTextsUnanswered(t *testing.T) {
	h := newEchoHub(t, hub.Config{})
	texts := []string{"É", "a\u212A", "🎉", "PLAIN", "ab\u0080", "END"}
	for name, c := range map[string]*echoClient{
		"chosen by URL": dialEcho(t, h, &Echo{}, map[string][]string{"fold": {"ascii"}}),
		"the default":   dialEcho(t, h, &Echo{Fold: FoldASCII}, nil),
	} {
		t.Log(name)
		c.say(texts...)
		c.expect("plain")
		c.expect("end")
		c.expectNothing()
	}
	c := dialEcho(t, h, &Echo{Fold: FoldASCII}, map[string][]string{"fold": {"unicode"}})
	c.say("É")
	c.expect("é")
}

func TestEchoRefusesBadURLs(t *testing.T) {
	h := newEchoHub(t, hub.Config{})
	for _, row := range []struct {
		query map[string][]string
		says  string
	}{
		{map[string][]string{"fold": {""}}, "unicode or ascii"},
		{map[string][]string{"fold": {"ascii", "latin1"}}, `"latin1"`},
		{map[string][]string{"channel": {""}}, "empty"},
		{map[string][]string{"channel": {"news", "no spaces"}}, `"no spaces"`},
		{map[string][]string{"channel": {">.a"}}, "must be the last"},
	} {
		peer, err := (&Echo{}).Connect(t.Context(), h, newEchoConn(), Request{Query: row.query})
		refused, ok := errors.AsType[*hub.Error](err)
		if peer != nil || !ok || refused.Code != hub.CodeBadRequest || !strings.Contains(refused.Message, row.says) {
			t.Errorf("Connect(%v) = %v, %v, want a bad request that says %s", row.query, peer, err, row.says)
		}
	}
	if n, err := h.Disconnect(hub.Target{AnyUser: true}, hub.Reason{}); n != 0 || err != nil {
		t.Errorf("%d sessions of refused connections are open", n)
	}
}

func TestEchoPushesChannelsAsPlainText(t *testing.T) {
	h := newEchoHub(t, hub.Config{})
	publishEcho(t, h, "news", `"not for latecomers"`)
	c := dialEcho(t, h, &Echo{}, map[string][]string{"channel": {"news", "build.*", "news", "build.>"}})
	publishEcho(t, h, "news", `{"message":"Extra!","title":"Paper"}`)
	publishEcho(t, h, "other", `"not for this one"`)
	publishEcho(t, h, "build.x", `"MATCHED twice"`)
	publishEcho(t, h, "build.x.y", `{"ok":true}`)
	c.expect("Extra!")
	c.expect("MATCHED twice")
	c.expect(`{"ok":true}`)
	c.say("STILL an Echo")
	c.expect("still an echo")
	c.expectNothing()
}

func TestEchoConnectionsShareFrames(t *testing.T) {
	h := newEchoHub(t, hub.Config{})
	echo := &Echo{}
	a := dialEcho(t, h, echo, map[string][]string{"channel": {"news"}, "fold": {"ascii"}})
	b := dialEcho(t, h, echo, map[string][]string{"channel": {"news"}, "fold": {"unicode"}})
	publishEcho(t, h, "news", `"x"`)
	if frameA, frameB := a.next(), b.next(); &frameA[0] != &frameB[0] {
		t.Errorf("a message was encoded twice, as %q and %q", frameA, frameB)
	}
}

func TestEchoWaitsForRoom(t *testing.T) {
	h := newEchoHub(t, hub.Config{OutboxBytes: 1000})
	c := dialEcho(t, h, &Echo{}, nil)
	long := strings.Repeat("x", 600)
	c.say(long)
	given, giveUp := context.WithCancel(t.Context())
	giveUp()
	c.peer.Receive(given, []byte("UNANSWERED"))

	answered := make(chan struct{})
	go func() { defer close(answered); c.say("PATIENT") }()
	c.expect(long)
	c.expect("patient")
	<-answered
	c.expectNothing()
	if c.conn.reason() != nil {
		t.Errorf("the connection was closed: %+v", *c.conn.reason())
	}
}

func TestEchoRefusesChannelsThatCannotBeHad(t *testing.T) {
	h := newEchoHub(t, hub.Config{MaxSubscriptions: 1})
	peer, err := (&Echo{}).Connect(t.Context(), h, newEchoConn(), Request{Query: map[string][]string{"channel": {"a", "b"}}})
	if refused, ok := errors.AsType[*hub.Error](err); peer != nil || !ok || refused.Code != hub.CodeLimit {
		t.Errorf("Connect = %v, %v, want the limit's error", peer, err)
	}
	if n, err := h.Disconnect(hub.Target{AnyUser: true}, hub.Reason{}); n != 0 || err != nil {
		t.Errorf("%d sessions are left open", n)
	}
}

func TestEchoHoldsMessagesUntilStart(t *testing.T) {
	h := newEchoHub(t, hub.Config{})
	conn := newEchoConn()
	peer, err := (&Echo{}).Connect(t.Context(), h, conn, Request{Query: map[string][]string{"channel": {"news"}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(peer.Session().Detach)
	witness := dialEcho(t, h, &Echo{}, map[string][]string{"channel": {"news"}})
	publishEcho(t, h, "news", `"early"`)
	witness.expect("early")
	c := &echoClient{t, peer, conn}
	c.expectNothing()
	peer.(Starter).Start(t.Context())
	c.expect("early")
}

func TestEchoLogsTextsAtDebugLevelOnly(t *testing.T) {
	h := newEchoHub(t, hub.Config{})
	logged := func(level slog.Level) string {
		var out strings.Builder
		logger := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: level}))
		c := dialEcho(t, h, &Echo{Logger: logger}, nil)
		c.say("SECRET")
		c.expect("secret")
		return out.String()
	}
	if got := logged(slog.LevelInfo); got != "" {
		t.Errorf("at info level: %s", got)
	}
	got := logged(slog.LevelDebug)
	if in, out := strings.Index(got, "msg=<"), strings.Index(got, "msg=>"); in < 0 || out < in ||
		!strings.Contains(got, "text=SECRET") || !strings.Contains(got, "text=secret") {
		t.Errorf("at debug level: %s", got)
	}
}

func BenchmarkEchoReceive(b *testing.B) {
	h := newEchoHub(b, hub.Config{})
	c := dialEcho(b, h, &Echo{}, nil)
	text := []byte(strings.Repeat("Hello, WORLD 123", 8))
	var frames [][]byte
	b.ReportAllocs()
	for b.Loop() {
		c.peer.Receive(b.Context(), text)
		frames = c.session().Take(frames[:0], 1<<16)
	}
}

// newEchoHub starts a hub on an engine in memory, both stopped at the test's end.
func newEchoHub(t testing.TB, config hub.Config) *hub.Actor {
	t.Helper()
	engine, err := stream.Open(t.Context(), stream.Config{})
	if err != nil {
		t.Fatal(err)
	}
	config.Engine = engine
	h, err := hub.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), echoPatience)
		defer cancel()
		if err := errors.Join(h.Shutdown(ctx), engine.Close()); err != nil {
			t.Error(err)
		}
	})
	return h.As(&hub.Principal{Grant: hub.Everything()})
}

// echoPatience is how long a test waits for what must come.
const echoPatience = 10 * time.Second

// echoConn is a [hub.Conn] whose client reads when the test does.
type echoConn struct {
	woken  chan struct{}
	closed chan hub.Reason
}

func newEchoConn() *echoConn {
	return &echoConn{woken: make(chan struct{}, 1), closed: make(chan hub.Reason, 1)}
}

func (c *echoConn) Wake() {
	select {
	case c.woken <- struct{}{}:
	default: // the last wake was not looked at
	}
}

func (c *echoConn) Close(r hub.Reason) { c.closed <- r }

// reason is why the connection was closed, nil if it is open.
func (c *echoConn) reason() *hub.Reason {
	select {
	case r := <-c.closed:
		c.closed <- r
		return &r
	default:
		return nil
	}
}

// echoClient is the far end of an [echoPeer].
type echoClient struct {
	t    testing.TB
	peer Peer
	conn *echoConn
}

func dialEcho(t testing.TB, h *hub.Actor, echo *Echo, query map[string][]string) *echoClient {
	t.Helper()
	conn := newEchoConn()
	peer, err := echo.Connect(t.Context(), h, conn, Request{Path: "/", Query: query})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(peer.Session().Detach)
	peer.(Starter).Start(t.Context())
	return &echoClient{t, peer, conn}
}

func (c *echoClient) session() *hub.Session { return c.peer.Session() }

// say sends texts.
func (c *echoClient) say(texts ...string) {
	for _, text := range texts {
		c.peer.Receive(c.t.Context(), []byte(text))
	}
}

// next waits for the next frame.
func (c *echoClient) next() []byte {
	c.t.Helper()
	deadline := time.After(echoPatience)
	for {
		if frames := c.session().Take(nil, 1); len(frames) > 0 {
			return frames[0]
		}
		select {
		case <-c.conn.woken:
		case <-deadline:
			c.t.Fatal("no frame came in time")
		}
	}
}

func (c *echoClient) expect(text string) {
	c.t.Helper()
	if frame := c.next(); string(frame) != text {
		c.t.Fatalf("the next frame is %q, want %q", frame, text)
	}
}

// expectNothing fails the test if a frame waits.
func (c *echoClient) expectNothing() {
	c.t.Helper()
	if frames := c.session().Take(nil, 1); len(frames) > 0 {
		c.t.Errorf("there is a frame %q too many", frames[0])
	}
}

// publishEcho publishes data and returns when it is stored.
func publishEcho(t *testing.T, h *hub.Actor, channel, data string) {
	t.Helper()
	if _, err := h.Publish(t.Context(), &hub.Message{Channel: channel, Data: []byte(data)}, hub.PublishOptions{}); err != nil {
		t.Fatal(err)
	}
}
