package dialect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"fanfold/hub"
	"fanfold/hub/stream"
)

// TestCentrifugeDialogues says what testdata/centrifuge_dialogues.txt has behind
// ">" and compares the answers with what it has behind "<". An empty line starts a new
// connection to the same hub; "#" begins a comment.
func TestCentrifugeDialogues(t *testing.T) {
	const file = "centrifuge_dialogues.txt"
	script, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	h := newTestHub(t, hub.Config{MaxSubscriptions: 3})
	d := NewCentrifuge(CentrifugeConfig{Version: "1.2.3"})
	var heard strings.Builder
	var c *centrifugeClient
	for line := range strings.Lines(string(script)) {
		said, ok := strings.CutPrefix(line, "> ")
		switch {
		case ok:
			heard.WriteString(line)
			c.say(strings.ReplaceAll(strings.TrimSpace(said), "⏎", "\n"))
			c.hear(&heard)
		case strings.HasPrefix(line, "< "):
		default:
			heard.WriteString(line)
			c = dialCentrifuge(t, h, d)
		}
	}
	checkGolden(t, file, heard.String())
}

// hear writes what has been received.
func (c *centrifugeClient) hear(out *strings.Builder) {
	c.mu.Lock()
	waiting := len(c.frames)
	if c.closed != nil {
		waiting++
	}
	c.mu.Unlock()
	for range waiting {
		frame := c.next()
		if !strings.HasPrefix(frame, "close") {
			checkLine(c.t, []byte(frame))
		}
		fmt.Fprintf(out, "< %s\n", frame)
	}
}

func TestCentrifugeBreachesCloseTheConnection(t *testing.T) {
	h := newTestHub(t, hub.Config{})
	d := NewCentrifuge(CentrifugeConfig{})
	const connect = `{"id":1,"connect":{}}` + "\n"
	for _, row := range []struct {
		frame string
		code  int
		says  string
	}{
		{"", 3501, "empty"},
		{" \r\n\t\n", 3501, "empty"},
		{"{", 3501, "JSON object"},
		{"null", 3501, "JSON object"},
		{`[{"id":1,"connect":{}}]`, 3501, "JSON object"},
		{`{"id":1,"connect":{}} {}`, 3501, "JSON object"},
		{strings.Repeat("[", 20000), 3501, "JSON object"},
		{`{}`, 3501, "pong"},
		{`{"id":1,"subscribe":{"channel":"a"}}`, 3501, "subscribe came before connect"},
		{`{"send":{"data":1}}`, 3501, "send came before connect"},
		{`{"id":1,"connect":{"token":"x"}}`, 3500, "come without a token"},
		{`{"connect":{}}`, 3501, "connect needs an id"},
		{`{"id":0,"connect":{}}`, 3501, "connect needs an id"},
		{`{"id":-1,"connect":{}}`, 3501, "connect needs an id"},
		{`{"id":1.5,"connect":{}}`, 3501, "connect needs an id"},
		{`{"id":"1","connect":{}}`, 3501, "connect needs an id"},
		{`{"id":4294967296,"connect":{}}`, 3501, "connect needs an id"},
		{connect + connect, 3501, "connect came twice"},
		{connect + `{}`, 3501, "pong"},
		{connect + `{"id":2}`, 3501, "no method"},
		{connect + `{"id":2,"subscribe":null}`, 3501, "no method"},
		{connect + `{"id":2,"dance":{}}`, 3501, `unknown method "dance"`},
		{connect + `{"id":2,"ping":{}}`, 3501, `unknown method "ping"`},
		{connect + `{"id":2,"` + strings.Repeat("é", 90) + `":{}}`, 3501, "unknown method"},
		{connect + `{"id":2,"publish":{},"history":{}}`, 3501, "several"},
		{connect + `{"publish":{"channel":"a","data":1}}`, 3501, "publish needs an id"},
		{connect + `{"send":{"data":1}}`, 3508, "send is not available"},
		{connect + `{"id":9,"send":{}}`, 3508, "send is not available"},
		{`{"id":1,"connect":{"data":5}}` + "\n" + `{"id":2,"publish":{}}`, 0, ""},
	} {
		c := dialCentrifuge(t, h, d)
		c.say(row.frame)
		var last string
		for _, ok := c.look(); ok && !strings.HasPrefix(last, "close"); {
			last, ok = c.look()
		}
		c.mu.Lock()
		reason := c.closed
		c.mu.Unlock()
		if row.code == 0 {
			if reason != nil {
				t.Errorf("%q closes with %+v", row.frame, *reason)
			}
			continue
		}
		if reason == nil {
			t.Errorf("%q leaves the connection open", row.frame)
			continue
		}
		code, text := d.CloseCode(*reason)
		checkClose(t, code, text)
		if code != row.code || !strings.Contains(text, row.says) {
			t.Errorf("%.80q closes with %d %q, want %d that says %q", row.frame, code, text, row.code, row.says)
		}
	}
}

func TestCentrifugeIgnoresWhatComesAfterTheEnd(t *testing.T) {
	h := newTestHub(t, hub.Config{})
	c := connectCentrifuge(t, h, NewCentrifuge(CentrifugeConfig{}), "")
	publish := `{"id":5,"publish":{"channel":"a","data":1}}`
	c.say("{\n" + publish)
	c.say(publish)
	c.expect("close 3501 bad request: a command must be a JSON object on one line")

	kicked := connectCentrifuge(t, h, NewCentrifuge(CentrifugeConfig{}), "")
	kicked.peer.Session().Close(hub.Reason{Cause: hub.CauseServer})
	kicked.say(publish)
	kicked.expect("close 3503 force no reconnect")

	page, err := h.History(t.Context(), hub.Query{Channel: "a", Limit: 10})
	if err != nil || len(page.Messages) != 0 {
		t.Errorf("%d messages were published after the end (%v)", len(page.Messages), err)
	}
}

func TestCentrifugeFailedConnectEndsTheFrame(t *testing.T) {
	h := newTestHub(t, hub.Config{})
	c := dialCentrifuge(t, h, NewCentrifuge(CentrifugeConfig{}))
	c.say(`{"id":1,"connect":{"data":"a text"}}` + "\n" + `{"id":2,"history":{"channel":"a"}}`)
	c.expect(`{"id":1,"error":{"code":107,"message":"connect: \"data\" must be an object, which others see as the client's description"}}`)
	c.say(`{"id":3,"connect":{}}`)
	c.expect("close 3501 bad request: connect came after connect had failed")
}

func TestCentrifugeShowsWhoPublished(t *testing.T) {
	h := newTestHub(t, hub.Config{})
	d := NewCentrifuge(CentrifugeConfig{})
	reader := connectCentrifuge(t, h, d, "")
	reader.say(`{"id":2,"subscribe":{"channel":"chat"}}`)
	reader.next()
	ann := connectCentrifuge(t, h, d, ` {"name": "Ann"} `)
	ann.say("{\"id\":2,\"publish\":{\"channel\":\"chat\",\"data\":[1,\r\"a b\"]}}")
	ann.expect(`{"id":2,"publish":{}}`)
	reader.expect(`{"push":{"channel":"chat","pub":{"data":[1,"a b"],"offset":1,"info":{"client":"OTHER","user":"","conn_info":{"name":"Ann"}},"time":0}}}`)

	ann.say(`{"id":3,"subscribe":{"channel":"chat","data":{"role":"host"}}}`)
	ann.next()
	ann.say(`{"id":4,"publish":{"channel":"chat","data":null}}`)
	reader.expect(`{"push":{"channel":"chat","pub":{"data":null,"offset":2,"info":{"client":"OTHER","user":"","conn_info":{"name":"Ann"},"chan_info":{"role":"host"}},"time":0}}}`)
	ann.say(`{"id":5,"unsubscribe":{"channel":"chat"}}`)
	ann.say(`{"id":6,"publish":{"channel":"chat","data":6}}`)
	reader.expect(`{"push":{"channel":"chat","pub":{"data":6,"offset":3,"info":{"client":"OTHER","user":"","conn_info":{"name":"Ann"}},"time":0}}}`)
}

func TestCentrifugePongs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newTestHub(t, hub.Config{Engine: noEngine{}})
		d := NewCentrifuge(CentrifugeConfig{})
		stale := dialCentrifuge(t, h, d)
		good := connectCentrifuge(t, h, d, "")
		silent := connectCentrifuge(t, h, d, "")
		for range 3 {
			good.expectPing(30 * time.Second)
			good.say(`{}`)
		}
		stale.expect("close 3502 stale")
		silent.expect(`{}`, "close 3012 no pong")
		good.say(`{}`)
		good.expect("close 3501 bad request: a pong came that no ping asked for")
	})
}

func (c *centrifugeClient) expectPing(within time.Duration) {
	c.t.Helper()
	late := time.After(within)
	for {
		if frame, ok := c.look(); ok {
			if frame != "{}" {
				c.t.Fatalf("%s instead of a ping", frame)
			}
			return
		}
		select {
		case <-c.news:
		case <-late:
			c.t.Fatalf("no ping in %s", within)
		}
	}
}

// noEngine does nothing.
type noEngine struct{}

func (noEngine) Publish(context.Context, *hub.Message, hub.PublishOptions) (bool, error) {
	return false, nil
}
func (noEngine) Read(context.Context, hub.Query) (hub.Page, error) { return hub.Page{}, nil }
func (noEngine) Listen(string, hub.Listener) (func(), error)       { return func() {}, nil }

func TestCentrifugeCalls(t *testing.T) {
	h := newTestHub(t, hub.Config{})
	broken := errors.New("the disk is at home")
	var log strings.Builder
	d := NewCentrifuge(CentrifugeConfig{
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
		Methods: map[string]Method{
			"whoami": {Call: func(_ context.Context, c *hub.Client, data []byte) ([]byte, error) {
				return json.Marshal([]string{c.ID, string(data)})
			}},
			"nothing": {Call: func(context.Context, *hub.Client, []byte) ([]byte, error) { return nil, nil }},
			"broken":  {Call: func(context.Context, *hub.Client, []byte) ([]byte, error) { return nil, broken }},
		},
	})
	c := connectCentrifuge(t, h, d, "")
	c.say(`{"id":2,"rpc":{"method":"whoami","data":{"a":1}}}`)
	c.expect(`{"id":2,"rpc":{"data":["ME","{\"a\":1}"]}}`)
	c.say(`{"id":3,"rpc":{"method":"nothing"}}`)
	c.expect(`{"id":3,"rpc":{}}`)
	if log.Len() > 0 {
		t.Errorf("logged: %s", &log)
	}
	c.say(`{"id":4,"rpc":{"method":"broken"}}`)
	c.expect(`{"id":4,"error":{"code":100,"message":"internal error: the hub's log has the cause","temporary":true}}`)
	if got := log.String(); !strings.Contains(got, "the disk is at home") || !strings.Contains(got, "rpc") {
		t.Errorf("logged: %s", got)
	}
	c.say(`{"id":5,"rpc":{"method":"casefold","data":"A"}}`)
	c.expect(`{"id":5,"rpc":{"data":"a"}}`)
}

// A method may be for those alone who may publish to its channel.
func TestCentrifugeCallsNeedAGrant(t *testing.T) {
	t.Parallel()
	h := startTestHub(t, hub.Config{Engine: newTestEngine(t, stream.Config{})})
	d := NewCentrifuge(CentrifugeConfig{Methods: map[string]Method{
		"guarded": {Channel: "lab.one", Call: func(context.Context, *hub.Client, []byte) ([]byte, error) { return []byte("1"), nil }},
	}})
	for _, may := range []string{"lab.*", "lab.two"} {
		c := connectCentrifuge(t, h.As(&hub.Principal{Grant: hub.Grant{Publish: []string{may}}}), d, "")
		c.say(`{"id":2,"rpc":{"method":"guarded"}}`)
		if may == "lab.*" {
			c.expect(`{"id":2,"rpc":{"data":1}}`)
		} else if reply := c.next(); !strings.Contains(reply, `"code":103`) {
			t.Errorf("without a grant: %s", reply)
		}
	}
}

func TestCentrifugeBoundsReplies(t *testing.T) {
	h := newTestHub(t, hub.Config{})
	d := NewCentrifuge(CentrifugeConfig{RecoverBytes: 150})
	c := connectCentrifuge(t, h, d, "")
	for i := range 10 {
		publishTest(t, h, "a", fmt.Sprintf(`"message number %d"`, i))
	}
	c.say(`{"id":2,"history":{"channel":"a","limit":10}}`)
	c.expect(`{"id":2,"history":{"publications":[{"data":"message number 0","offset":1,"time":0},{"data":"message number 1","offset":2,"time":0}],"epoch":"EPOCH","offset":10}}`)
	publishTest(t, h, "b", `"`+strings.Repeat("x", 1000)+`"`)
	c.say(`{"id":3,"history":{"channel":"b","limit":1}}`)
	if frame := c.next(); len(frame) < 1000 {
		t.Errorf("a message over the bound is not in the history: %s", frame)
	}
	for i := range 3 {
		other := connectCentrifuge(t, h, d, "")
		other.say(`{"id":2,"subscribe":{"channel":"c"}}`)
		c.say(fmt.Sprintf(`{"id":%d,"presence":{"channel":"c"}}`, 4+i))
	}
	c.expect(`{"id":4,"presence":{"presence":{"OTHER":{"client":"OTHER","user":""}}}}`)
	if frame := c.next(); !strings.HasPrefix(frame, `{"id":5,"error":{"code":106,"message":"presence: the list of 2 clients`) {
		t.Error(frame)
	}
}
