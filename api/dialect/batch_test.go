package dialect

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"fanfold/hub"
	"fanfold/hub/stream"
)

// heard collects what an engine delivers.
type heard chan *hub.Message

func (h heard) Deliver(m *hub.Message) { h <- m }
func (heard) Lost()                    {}

// listen hears all that comes to the channel a.
func listen(t *testing.T, e hub.Engine) heard {
	t.Helper()
	h := make(heard, 10_000)
	stop, err := e.Listen("a", h)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return h
}

// expect waits for messages, in this order.
func (h heard) expect(t *testing.T, want []string) {
	t.Helper()
	var got []string
	deadline := time.After(10 * time.Second)
	for len(got) < len(want) {
		select {
		case m := <-h:
			if m.Data != nil {
				got = append(got, string(m.Data))
			}
		case <-deadline:
			t.Fatalf("%d of %d messages came: %.300q", len(got), len(want), got)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("delivered are %.600q, want %.600q", got, want)
	}
}

type batchReply struct {
	Publish *struct {
		Offset    uint64
		Duplicate bool
	}
	Error   *struct{ Code int }
	History *struct {
		Publications []struct{ Data json.RawMessage }
	}
}

// doBatch does commands, each the members of a publish to a, or a whole command.
func doBatch(t *testing.T, h *hub.Actor, commands ...string) []batchReply {
	t.Helper()
	for i, c := range commands {
		if !strings.HasPrefix(c, "{") {
			commands[i] = `{"publish":{"channel":"a",` + c + `}}`
		}
	}
	var answer struct{ Replies []batchReply }
	reply := callAPITest(t, h, "batch", `{"commands":[`+strings.Join(commands, ",")+`]}`)
	if err := json.Unmarshal([]byte(reply), &answer); err != nil || len(answer.Replies) != len(commands) {
		t.Fatalf("%d commands are answered with %.300s (%v)", len(commands), reply, err)
	}
	return answer.Replies
}

// What depends on the messages before it finds them stored, and nothing overtakes anything.
func TestABatchKeepsTheOrderOfAllKinds(t *testing.T) {
	e := newTestEngine(t, stream.Config{})
	h := newTestHub(t, hub.Config{Engine: e})
	first := doBatch(t, h, `"data":0`)[0].Publish.Offset
	heard := listen(t, e)
	replies := doBatch(t, h,
		`"data":1`, `"data":2`,
		fmt.Sprintf(`"data":3,"if_last":{"offset":%d}`, first+2),
		fmt.Sprintf(`"data":4,"if_last":{"offset":%d}`, first), // is not there any more
		`"data":5,"skip_history":true`,
		`"data":6,"idempotency_key":"k"`, `"data":7,"idempotency_key":"k"`,
		`"data":8,"sequence_id":"s"`, `"data":9,"ttl":1000`, `"data":10,"sequence_id":"s"`,
		`"data":11`, `"data":12,"rollup":true`, `"data":13`, `"data":14,"skip_history":true`, `"data":15`,
		`{"history":{"channel":"a","limit":100}}`, `"data":16`,
	)
	heard.expect(t, []string{"1", "2", "3", "5", "6", "8", "9", "10", "11", "12", "13", "14", "15", "16"})
	last := first
	for i, r := range replies {
		data := i + 1
		switch {
		case data == 4:
			if r.Error == nil || r.Error.Code != wireErrorOf(hub.Errorf(hub.CodeConflict, "")).code {
				t.Errorf("a condition that does not hold is answered with %+v", r)
			}
		case data == 16:
			if r.History == nil || len(r.History.Publications) != 3 {
				t.Errorf("the history in the middle is %+v", r.History)
			}
		case r.Publish == nil:
			t.Errorf("message %d is answered with %+v", data, r.Error)
		case data == 5 || data == 14:
			if r.Publish.Offset != 0 {
				t.Errorf("message %d, which is live, is at %d", data, r.Publish.Offset)
			}
		case r.Publish.Duplicate != (data == 7) || data != 7 && r.Publish.Offset <= last:
			t.Errorf("message %d is answered with %+v after %d", data, *r.Publish, last)
		default:
			last = r.Publish.Offset
		}
	}
	info, err := h.Info(t.Context())
	if want := (hub.Published{Stored: 13, Live: 2, Duplicate: 1, Refused: 1}); err != nil || info.Published != want {
		t.Errorf("counted are %+v (%v), want %+v", info.Published, err, want)
	}
}

// More than may be under way at a time, with some that are refused among them.
func TestAFailureLeavesTheOthersOfABatch(t *testing.T) {
	e := newTestEngine(t, stream.Config{})
	h := newTestHub(t, hub.Config{Engine: e})
	heard := listen(t, e)
	var commands, want []string
	for i := range apiMaxCommands {
		switch {
		case i%50 == 7:
			commands = append(commands, `{"publish":{"channel":"no channel","data":1}}`)
		case i%50 == 9:
			commands = append(commands, `"data":1,"tll":1`)
		default:
			commands = append(commands, fmt.Sprintf(`"data":%d`, i))
			want = append(want, fmt.Sprint(i))
		}
	}
	var last uint64
	for i, r := range doBatch(t, h, commands...) {
		if refused := i%50 == 7 || i%50 == 9; refused != (r.Error != nil) {
			t.Fatalf("command %d is answered with %+v", i, r)
		}
		if r.Publish != nil && r.Publish.Offset <= last {
			t.Fatalf("command %d is stored at %d, after %d", i, r.Publish.Offset, last)
		}
		if r.Publish != nil {
			last = r.Publish.Offset
		}
	}
	heard.expect(t, want)
	info, err := h.Info(t.Context())
	if want := (hub.Published{Stored: 960, Refused: 20}); err != nil || info.Published != want {
		t.Errorf("counted are %+v (%v), want %+v", info.Published, err, want)
	}
}

func TestABroadcastAnswersInTheOrderOfItsChannels(t *testing.T) {
	h := newTestHub(t, hub.Config{})
	got := callAPITest(t, h, "broadcast", `{"channels":["a","no channel","b","a"],"data":1}`)
	var answer struct {
		Result struct {
			Responses []struct {
				Result *struct{ Offset uint64 }
				Error  *struct{ Code int }
			}
		}
	}
	if err := json.Unmarshal([]byte(got), &answer); err != nil || len(answer.Result.Responses) != 4 {
		t.Fatalf("the answer is %s (%v)", got, err)
	}
	r := answer.Result.Responses
	if r[0].Result == nil || r[1].Error == nil || r[2].Result == nil || r[3].Result == nil ||
		r[0].Result.Offset >= r[2].Result.Offset || r[2].Result.Offset >= r[3].Result.Offset {
		t.Errorf("the answer is %s", got)
	}
}
