package dialect

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"fanfold/hub"
)

// ntfyStreams are all codecs, as the golden file names them.
var ntfyStreams = []struct {
	name  string
	codec StreamCodec
}{
	{"json", NtfyJSON{}},
	{"sse", NtfySSE{}},
	{"raw", NtfyRaw{}},
	{"ws", NtfyWS{}},
}

// ntfyEvents are events that each codec is given.
var ntfyEvents = []struct {
	name  string
	event hub.Event
}{
	{"notification", hub.Event{Message: ntfyTestMessage(`{"message":"Disk <full>\nnow","title":"Low & slow","priority":4,"tags":["warning","cd"],` +
		`"click":"https://example.com/?a=1&b=2","icon":"https://example.com/i.png","attach":"https://example.com/c.jpg","markdown":true,` +
		`"actions":[{"action":"http","label":"Close","url":"https://example.com/","method":"PUT","headers":{"X-A":"b"},"body":"{}","clear":true}]}`)}},
	{"notification, named attachment", hub.Event{Message: ntfyTestMessage(`{"message":"","attach":"https://example.com/c.jpg","filename":"d.jpg"}`)}},
	{"bytes", hub.Event{Message: ntfyTestMessage(`{"message":"/wAg","encoding":"base64"}`)}},
	{"string", hub.Event{Message: ntfyTestMessage(`"one\r\ntwo\rthree\u2028four"`)}},
	{"other data", hub.Event{Message: ntfyTestMessage(`{"a":[1,"x\n"],"b":null}`)}},
	{"newest state", hub.Event{Message: ntfyState(`{"message":"80 %","sequence_id":"job-1"}`, "job-1")}},
	{"newest state without a notification", hub.Event{Message: ntfyState(`80`, "job-1")}},
	{"deleted", hub.Event{Message: ntfyState(string(sequenceEventData(eventDelete, "job-1")), "job-1")}},
	{"cleared", hub.Event{Message: ntfyTestMessage(string(sequenceEventData(eventClear, "job-1")))}},
	{"almost a deletion", hub.Event{Message: ntfyTestMessage(`{"event":"message_deleted","sequence_id":"job-1"}`)}},
	{"live message", hub.Event{Message: ntfyLiveMessage(`"x"`)}},
	{"ping", hub.Event{Kind: hub.KindPing, Subscription: "news.a,build.>", Time: time.Unix(1700000001, 0)}},
	{"join", hub.Event{Kind: hub.KindJoin, Subscription: "news.a", Client: &hub.Client{ID: "1"}}},
	{"leave", hub.Event{Kind: hub.KindLeave, Subscription: "news.a", Client: &hub.Client{ID: "1"}}},
	{"unsubscribed", hub.Event{Kind: hub.KindUnsubscribed, Subscription: "news.a"}},
}

func ntfyState(data, sequence string) *hub.Message {
	m := ntfyTestMessage(data)
	m.Sequence = sequence
	return m
}

func TestNtfyGoldenFrames(t *testing.T) {
	var out strings.Builder
	show := func(stream, event string, frame []byte) {
		fmt.Fprintf(&out, "--- %s: %s\n", stream, event)
		if frame == nil {
			out.WriteString("(nothing)\n")
		} else {
			fmt.Fprintf(&out, "%s|\n", frame) // the bar marks the frame's end
		}
	}
	now := time.Unix(1700000002, 0)
	for _, s := range ntfyStreams {
		show(s.name, "open", s.codec.Open("news.a,build.>", hub.Position{}, now))
		show(s.name, "open from now", s.codec.Open("news.a", hub.Position{Epoch: "0abcZ00", Seq: 16}, now))
		show(s.name, "gap", s.codec.Gap("news.a", "history does not reach back", now))
		for _, e := range ntfyEvents {
			show(s.name, e.name, s.codec.Encode(e.event))
		}
		show(s.name, "waiting", s.codec.Waiting(&hub.Message{
			ID: "0abcZ00ABCDEFGHIJKLMNOP", Channel: "news.a", Time: now.Add(time.Hour), Data: []byte(`{"message":"later"}`),
		}))
		show(s.name, "content type", []byte(s.codec.ContentType()))
	}
	show("sse", "come back later", NtfySSE{}.End("", hub.Reason{Cause: hub.CauseShutdown, Retry: 2500 * time.Millisecond}, time.Unix(0, 0)))
	checkGolden(t, "ntfy.golden", out.String())
}

func TestNtfyCodecsAreComparable(t *testing.T) {
	for i, s := range ntfyStreams {
		for j, other := range ntfyStreams {
			if (hub.Codec(s.codec) == hub.Codec(other.codec)) != (i == j) {
				t.Errorf("%s and %s: equal is %t", s.name, other.name, i != j)
			}
		}
	}
}

// ntfyUsual is a message of the usual kind.
func ntfyUsual() *hub.Message {
	return ntfyTestMessage(`{"message":"` + strings.Repeat("x", 100) + `","title":"a title","priority":4,"tags":["a"]}`)
}

func TestNtfyEncodesInFewAllocations(t *testing.T) {
	m := ntfyUsual()
	if n := testing.AllocsPerRun(100, func() { NtfySSE{}.Encode(hub.Event{Message: m}) }); n > ntfyBudget {
		t.Errorf("%v allocations, at most %d are allowed", n, ntfyBudget)
	}
}

func BenchmarkNtfyEncode(b *testing.B) {
	m := ntfyUsual()
	b.ReportAllocs()
	for b.Loop() {
		NtfySSE{}.Encode(hub.Event{Message: m})
	}
}
