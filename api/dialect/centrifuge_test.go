package dialect

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"fanfold/hub"
	"fanfold/hub/stream"
)

var update = flag.Bool("update", false, "write the golden files anew")

// checkGolden compares text with a file in testdata.
func checkGolden(t *testing.T, file, text string) {
	t.Helper()
	path := "testdata/" + file
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if text != string(want) {
		t.Errorf("%s differs (-update writes it anew):\ngot:\n%s\nwant:\n%s", path, text, want)
	}
}

// newTestEngine starts an engine in memory that ends with the test.
func newTestEngine(t testing.TB, config stream.Config) *stream.Engine {
	t.Helper()
	engine, err := stream.Open(context.Background(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	})
	return engine
}

// newTestHub starts a hub that ends before the engine does.
func newTestHub(t testing.TB, config hub.Config) *hub.Actor {
	t.Helper()
	if config.Engine == nil {
		config.Engine = newTestEngine(t, stream.Config{})
	}
	return startTestHub(t, config).As(&hub.Principal{Grant: hub.Everything()})
}

func startTestHub(t testing.TB, config hub.Config) *hub.Hub {
	t.Helper()
	h, err := hub.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := h.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
	return h
}

// centrifugeClient is the far end of a connection. It reads at once, or, if lazy,
// frame by frame as the test looks at them.
type centrifugeClient struct {
	t       testing.TB
	dialect *Centrifuge
	peer    Peer
	ctx     context.Context

	mu     sync.Mutex
	frames []string    // guarded by mu; received and not yet looked at
	closed *hub.Reason // guarded by mu
	news   chan struct{}
	lazy   bool
}

// Wake implements [hub.Conn].
func (c *centrifugeClient) Wake() {
	if !c.lazy {
		for c.read(1 << 16) {
		}
	}
	c.tell()
}

// read takes what fits and is false if nothing waits.
func (c *centrifugeClient) read(maxBytes int) bool {
	taken := c.peer.Session().Take(nil, maxBytes)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, frame := range taken {
		c.frames = append(c.frames, string(frame))
	}
	return len(taken) > 0
}

// Close implements [hub.Conn].
func (c *centrifugeClient) Close(r hub.Reason) {
	c.mu.Lock()
	c.closed = &r
	c.mu.Unlock()
	c.tell()
}

func (c *centrifugeClient) tell() {
	select {
	case c.news <- struct{}{}:
	default:
	}
}

// dialCentrifuge opens a connection on which nothing was sent yet.
func dialCentrifuge(t testing.TB, h *hub.Actor, d *Centrifuge) *centrifugeClient {
	t.Helper()
	return dialCentrifugeAs(t, h, d, nil)
}

// connectCentrifuge is dialCentrifuge and a connect command with the given data.
func connectCentrifuge(t testing.TB, h *hub.Actor, d *Centrifuge, data string) *centrifugeClient {
	t.Helper()
	c := dialCentrifuge(t, h, d)
	c.say(`{"id":1,"connect":{"data":` + cmp.Or(data, "null") + `}}`)
	if reply := c.next(); !strings.HasPrefix(reply, `{"id":1,"connect":`) {
		t.Fatalf("connect was answered with %s", reply)
	}
	return c
}

func (c *centrifugeClient) say(frame string) { c.peer.Receive(c.ctx, []byte(frame)) }

// next waits for a frame or the end, which is shown as "close 3501 text".
func (c *centrifugeClient) next() string {
	c.t.Helper()
	late := time.After(10 * time.Second)
	for {
		if frame, ok := c.look(); ok {
			return c.plain(frame)
		}
		select {
		case <-c.news:
		case <-late:
			c.t.Fatal("nothing came in 10 s")
		}
	}
}

// look returns the next frame, or else the end, if there is one.
func (c *centrifugeClient) look() (frame string, ok bool) {
	if c.lazy {
		c.read(1)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.frames) > 0 {
		frame, c.frames = c.frames[0], c.frames[1:]
		return frame, true
	}
	if c.closed == nil {
		return "", false
	}
	code, text := c.dialect.CloseCode(*c.closed)
	return "close " + strconv.Itoa(code) + " " + text, true
}

var (
	someTime   = regexp.MustCompile(`"time":\d{13}`)
	someMoment = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`)
	someTTL    = regexp.MustCompile(`"ttl":(\d+)`)
	someEpoch  = regexp.MustCompile(`("epoch":|here it is \\)"[0-9A-Za-z]{7}`)
	someClient = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}`)
)

// plain replaces what differs from run to run.
func (c *centrifugeClient) plain(frame string) string {
	frame = strings.ReplaceAll(frame, c.peer.Session().Client().ID, "ME")
	frame = someClient.ReplaceAllString(frame, "OTHER")
	frame = someMoment.ReplaceAllString(frame, "MOMENT")
	frame = someTTL.ReplaceAllStringFunc(frame, func(ttl string) string {
		if n, _ := strconv.Atoi(ttl[len(`"ttl":`):]); n > 100 {
			return `"ttl":` + strconv.Itoa((n+99)/100*100) // the test takes its time
		}
		return ttl
	})
	frame = someTime.ReplaceAllString(frame, `"time":0`)
	return someEpoch.ReplaceAllString(frame, `$1"EPOCH`)
}

// expect checks the next frames.
func (c *centrifugeClient) expect(frames ...string) {
	c.t.Helper()
	for _, want := range frames {
		if got := c.next(); got != want {
			c.t.Fatalf("got  %s\nwant %s", got, want)
		}
	}
}

// expectNothing proves that nothing waits, by a call that is answered next.
func (c *centrifugeClient) expectNothing() {
	c.t.Helper()
	c.say(`{"id":4000,"unsubscribe":{}}`)
	c.expect(`{"id":4000,"unsubscribe":{}}`)
}

// publishTest publishes from the server.
func publishTest(t testing.TB, h *hub.Actor, channel, data string) *hub.Message {
	t.Helper()
	m := &hub.Message{Channel: channel, Data: []byte(data)}
	if _, err := h.Publish(t.Context(), m, hub.PublishOptions{}); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestCentrifugeCloseCodes(t *testing.T) {
	d := NewCentrifuge(CentrifugeConfig{})
	for cause := hub.CauseClosed; cause <= hub.CauseInternal; cause++ {
		code, text := d.CloseCode(hub.Reason{Cause: cause})
		if usual := closeTexts[code]; usual == "" || !strings.HasPrefix(text, usual) {
			t.Errorf("cause %d closes with %d %q, which is not in the table", cause, code, text)
		}
	}
	for _, row := range []struct {
		reason hub.Reason
		code   int
		text   string
	}{
		{hub.Reason{Cause: hub.CauseShutdown}, 3001, "shutdown"},
		{hub.Reason{Cause: hub.CauseSlow}, 3008, "slow"},
		{hub.Reason{Cause: hub.CauseNoPong}, 3012, "no pong"},
		{hub.Reason{Cause: hub.CauseStale}, 3502, "stale"},
		{hub.Reason{Cause: hub.CauseServer}, 3503, "force no reconnect"},
		{hub.Reason{Cause: hub.CauseServer, Code: 3011}, 3011, "force reconnect"},
		{hub.Reason{Cause: hub.CauseServer, Code: 4321}, 4321, "closed by the server"},
		{hub.Reason{Cause: hub.CauseServer, Code: 4321, Text: "bye"}, 4321, "bye"},
		{hub.Reason{Cause: hub.CauseServer, Text: `{"reconnect":true}`}, 3503, `reason: {"reconnect":true}`},
		{hub.Reason{Cause: hub.CauseServer, Text: "42"}, 3503, "reason: 42"},
		{hub.Reason{Cause: hub.CauseServer, Text: "a\xff"}, 3503, "a\uFFFD"},
		{hub.Reason{Cause: hub.CauseServer, Text: strings.Repeat("1", 123) + " x"}, 3503, "reason: " + strings.Repeat("1", 115)},
		{hub.Reason{Cause: hub.CauseServer, Text: strings.Repeat("é", 80)}, 3503, strings.Repeat("é", 61)},
	} {
		if code, text := d.CloseCode(row.reason); code != row.code || text != row.text {
			t.Errorf("CloseCode(%+v) = %d %q, want %d %q", row.reason, code, text, row.code, row.text)
		}
	}
}

// checkClose says what is wrong with how a session was closed.
func checkClose(t testing.TB, code int, text string) {
	t.Helper()
	if closeTexts[code] == "" || text == "" || len(text) > maxCloseText || json.Valid([]byte(text)) || !utf8.ValidString(text) {
		t.Errorf("closed with %d %q", code, text)
	}
}

func TestCentrifugeErrorCodes(t *testing.T) {
	for code := hub.CodeInternal; code <= hub.CodeClosed; code++ {
		if errorCodes[code] == 0 {
			t.Errorf("the hub's code %d has none here", code)
		}
	}
	for err, want := range map[error]wireError{
		hub.Errorf(hub.CodeDenied, "no"):       {103, "no", false},
		hub.Errorf(hub.CodeUnavailable, "now"): {100, "now", true},
		hub.Errorf(-1, "odd"):                  {100, "odd", true},
		context.Canceled:                       {100, "internal error: the hub's log has the cause", true},
	} {
		if got := wireErrorOf(err); got != want {
			t.Errorf("wireErrorOf(%v) = %+v, want %+v", err, got, want)
		}
	}
}
