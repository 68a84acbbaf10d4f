package dialect

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"fanfold/hub"
)

var (
	someID     = regexp.MustCompile(`"id":"[0-9A-Za-z]{7}([0-9A-Za-z]{7})"`)
	someLater  = regexp.MustCompile(`"(next|expires)":[1-9][0-9]*`)
	someWait   = regexp.MustCompile(`"id":"[0-9A-Za-z]{23,}"`)
	someLiveID = regexp.MustCompile(`"id":"live-[0-9A-Z]+"`)
)

// callAPITest returns the answer with what differs from run to run replaced. The
// error must be the one that the answer tells.
func callAPITest(t testing.TB, h *hub.Actor, method, body string) string {
	t.Helper()
	reply, err := ServerAPI(t.Context(), APIHub{Actor: h, Now: time.Now()}, method, []byte(body))
	checkLine(t, reply)
	var told struct {
		Error *struct {
			Code    int
			Message string
		}
	}
	if json.Unmarshal(reply, &told); (told.Error != nil) != (err != nil) ||
		err != nil && (hub.ErrorOf(err).Message != told.Error.Message || wireErrorOf(err).code != told.Error.Code) {
		t.Errorf("%s %s answers %s with the error %v", method, body, reply, err)
	}
	text := someClient.ReplaceAllString(string(reply), "ID")
	text = someID.ReplaceAllString(text, `"id":"EPOCH$1"`)
	text = someLiveID.ReplaceAllString(text, `"id":"live-ID"`)
	text = someLater.ReplaceAllString(text, `"$1":0`)
	text = someWait.ReplaceAllString(text, `"id":"WAITING"`)
	text = someTime.ReplaceAllString(text, `"time":0`)
	return someEpoch.ReplaceAllString(text, `$1"EPOCH`)
}

// TestServerAPIDialogues sends what testdata/serverapi.txt has behind ">", a
// method and a body, and compares the answers with what it has behind "<".
func TestServerAPIDialogues(t *testing.T) {
	const file = "serverapi.txt"
	script, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	h := newTestHub(t, hub.Config{Name: "one", Version: "1.2.3"})
	reader := connectCentrifuge(t, h, NewCentrifuge(CentrifugeConfig{}), `{"name":"Ann"}`)
	reader.say(`{"id":2,"subscribe":{"channel":"here","data":{"seat":1}}}` + "\n" + `{"id":3,"subscribe":{"channel":"rooms.*"}}`)
	var heard strings.Builder
	for line := range strings.Lines(string(script)) {
		request, ok := strings.CutPrefix(line, "> ")
		switch {
		case ok:
			method, body, _ := strings.Cut(strings.TrimSpace(request), " ")
			fmt.Fprintf(&heard, "%s< %s\n", line, callAPITest(t, h, method, body))
		case !strings.HasPrefix(line, "< "):
			heard.WriteString(line)
		}
	}
	checkGolden(t, file, heard.String())
}

func TestServerAPIPublishesToSubscribers(t *testing.T) {
	h := newTestHub(t, hub.Config{})
	c := connectCentrifuge(t, h, NewCentrifuge(CentrifugeConfig{}), "")
	c.say(`{"id":2,"subscribe":{"channel":"a"}}`)
	c.next()
	callAPITest(t, h, "publish", "{\"channel\":\"a\",\"data\":{\r\n\"x\": [1,\n 2]},\"tags\":{\"lang\":\"en\"}}")
	c.expect(`{"push":{"channel":"a","pub":{"data":{"x":[1,2]},"offset":1,"tags":{"lang":"en"},"time":0}}}`)
	callAPITest(t, h, "broadcast", `{"channels":["b","a"],"data":"all","skip_history":true}`)
	c.expect(`{"push":{"channel":"a","pub":{"data":"all","time":0}}}`)
	c.expectNothing()
}

func TestServerAPIEndsSubscriptionsAndSessions(t *testing.T) {
	h := newTestHub(t, hub.Config{})
	d := NewCentrifuge(CentrifugeConfig{})
	one, other := connectCentrifuge(t, h, d, ""), connectCentrifuge(t, h, d, "")
	for _, c := range []*centrifugeClient{one, other} {
		c.say(`{"id":2,"subscribe":{"channel":"a"}}`)
		c.next()
	}
	order := func(method, more string) {
		t.Helper()
		body := fmt.Sprintf(`{"client":%q%s}`, one.peer.Session().Client().ID, more)
		if got := callAPITest(t, h, method, body); got != `{"result":{}}` {
			t.Errorf("%s %s answers %s", method, body, got)
		}
	}
	order("unsubscribe", `,"user":"","channel":"a"`)
	one.expect(`{"push":{"channel":"a","unsubscribe":{"code":2000,"reason":"server unsubscribe"}}}`)
	order("disconnect", `,"disconnect":{"code":4000,"reason":"maintenance"}`)
	one.expect("close 4000 maintenance")
	one.peer.Session().Detach()
	order("disconnect", ``)
	other.expectNothing()
	if got := callAPITest(t, h, "presence_stats", `{"channel":"a"}`); got != `{"result":{"num_clients":1,"num_users":1}}` {
		t.Errorf("presence_stats answers %s", got)
	}
}

func TestServerAPIBounds(t *testing.T) {
	h := newTestHub(t, hub.Config{})
	many := func(n int, text string) string { return strings.TrimSuffix(strings.Repeat(text+",", n), ",") }
	tags := `"` + strings.Repeat("k", apiTagsBytes) + `":"v"`
	var sixtyFive []string
	for i := range apiMaxTags + 1 {
		sixtyFive = append(sixtyFive, fmt.Sprintf(`"%d":""`, i))
	}
	for _, row := range []struct{ method, body, want string }{
		{"broadcast", `{"data":1,"channels":[` + many(apiMaxChannels+1, `"a"`) + `]}`, `"code":107`},
		{"batch", `{"commands":[` + many(apiMaxCommands+1, `{"info":{}}`) + `]}`, `"code":107`},
		{"publish", `{"channel":"a","data":1,"tags":{` + tags + `}}`, `"code":106`},
		{"publish", `{"channel":"a","data":1,"tags":{` + strings.Join(sixtyFive, ",") + `}}`, `"code":106`},
		{"publish", `{"channel":"a","data":"` + strings.Repeat("x", 64<<10) + `"}`, `"code":106`},
		{"publish", `{"channel":"a","data":` + strings.Repeat("[", 20000) + `}`, `"code":107`},
		{"publish", "{\"channel\":\"a\",\"data\":\"\xff\"}", `not valid UTF-8`},
		{strings.Repeat("m", 1000), ``, `"code":104`},
	} {
		if got := callAPITest(t, h, row.method, row.body); !strings.Contains(got, row.want) || len(got) > 300 {
			t.Errorf("%.20s answers %.400s, want %s", row.method, got, row.want)
		}
	}
	if got := callAPITest(t, h, "history", `{"channel":"a","limit":10}`); !strings.Contains(got, `"publications":[]`) {
		t.Errorf("something was published: %s", got)
	}
}

func TestServerAPIBatchStopsWhenItsRepliesGrowTooLong(t *testing.T) {
	h := newTestHub(t, hub.Config{})
	for range 64 {
		publishTest(t, h, "a", `"`+strings.Repeat("x", 60<<10)+`"`)
	}
	history := strings.TrimSuffix(strings.Repeat(`{"history":{"channel":"a","limit":-1}},`, 40), ",")
	reply, err := ServerAPI(t.Context(), APIHub{Actor: h, Now: time.Now()}, "batch", []byte(`{"commands":[`+history+`,{"publish":{"channel":"b","data":1}}]}`))
	if err != nil || len(reply) > apiBatchBytes+2*apiHistoryBytes {
		t.Fatalf("the batch takes %d bytes (%v)", len(reply), err)
	}
	var answer struct {
		Replies []struct{ Error *struct{ Code int } }
	}
	if err := json.Unmarshal(reply, &answer); err != nil || len(answer.Replies) != 41 {
		t.Fatalf("%d replies came (%v)", len(answer.Replies), err)
	}
	if e := answer.Replies[40].Error; e == nil || e.Code != 106 || answer.Replies[0].Error != nil {
		t.Errorf("the first reply is %+v, the last %+v", answer.Replies[0], answer.Replies[40])
	}
	if got := callAPITest(t, h, "history", `{"channel":"b","limit":1}`); !strings.Contains(got, `"publications":[]`) {
		t.Errorf("a command that was refused is done: %s", got)
	}
}

func TestServerAPITellsNothingOfTheInside(t *testing.T) {
	h := newTestHub(t, hub.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	reply, err := ServerAPI(ctx, APIHub{Actor: h, Now: time.Now()}, "presence", []byte(`{"channel":"a"}`))
	if err == nil || string(reply) != `{"error":{"code":100,"message":"internal error: the hub's log has the cause"}}` {
		t.Errorf("a request given up is answered with %s (%v)", reply, err)
	}
}

// FuzzServerAPI sends any body to each method: the answer is JSON on one line.
func FuzzServerAPI(f *testing.F) {
	script, err := os.ReadFile("testdata/serverapi.txt")
	if err != nil {
		f.Fatal(err)
	}
	for line := range strings.Lines(string(script)) {
		if request, ok := strings.CutPrefix(line, "> "); ok {
			method, body, _ := strings.Cut(strings.TrimSpace(request), " ")
			f.Add(method, []byte(body))
		}
	}
	h := newTestHub(f, hub.Config{})
	f.Fuzz(func(t *testing.T, method string, body []byte) {
		callAPITest(t, h, method, string(body))
	})
}
