package dialect

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"fanfold/hub"
)

// testMessage has everything that a publication can show.
func testMessage() *hub.Message {
	return &hub.Message{
		ID: "Abc120000001", Channel: "news.today", Position: hub.Position{Epoch: "Abc12", Seq: 9007199254740991},
		Time: time.UnixMilli(1700000000123), Data: []byte(`{"message":"<b>\u2028é</b>"}`),
		Tags:      map[string]string{"b": "line\nbreak", "a": `"quoted\"`},
		Publisher: &hub.Client{ID: "c1", User: "ann \"the\x00\xff", Info: []byte(`{"name":"Ann"}`), ChannelInfo: []byte(`{"role":"host"}`)},
	}
}

func TestCentrifugeGoldenFrames(t *testing.T) {
	d := NewCentrifuge(CentrifugeConfig{})
	live := &hub.Message{Channel: "news", Data: []byte(`null`), Time: time.UnixMilli(1)}
	full, anonymous := testMessage(), &hub.Client{ID: "c2"}
	var text strings.Builder
	for _, row := range []struct {
		what  string
		event hub.Event
	}{
		{"a stored message", hub.Event{Subscription: full.Channel, Message: full}},
		{"the same by a pattern", hub.Event{Subscription: "news.*", Message: full}},
		{"a live message", hub.Event{Subscription: "news", Message: live}},
		{"a join", hub.Event{Kind: hub.KindJoin, Subscription: "news", Client: full.Publisher}},
		{"an anonymous leave", hub.Event{Kind: hub.KindLeave, Subscription: "news", Client: anonymous}},
		{"a subscription made for it", hub.Event{Kind: hub.KindSubscribed, Subscription: "news", Position: full.Position, Data: []byte(`{"a":"b"}`)}},
		{"one without data, of an empty channel", hub.Event{Kind: hub.KindSubscribed, Subscription: "news.*", Position: hub.Position{Epoch: "0000001"}}},
		{"an order to unsubscribe", hub.Event{Kind: hub.KindUnsubscribed, Subscription: "news", Reason: hub.Reason{Cause: hub.CauseServer}}},
		{"one with code and text", hub.Event{Kind: hub.KindUnsubscribed, Subscription: "news", Reason: hub.Reason{Code: 2502, Text: "odd \"one\""}}},
		{"one with a code of the application", hub.Event{Kind: hub.KindUnsubscribed, Subscription: "news", Reason: hub.Reason{Code: 2999}}},
		{"a gap", hub.Event{Kind: hub.KindUnsubscribed, Subscription: "news", Reason: hub.Reason{Cause: hub.CauseGap}}},
		{"an expired token", hub.Event{Kind: hub.KindUnsubscribed, Subscription: "news", Reason: hub.Reason{Cause: hub.CauseExpired}}},
		{"a revoked one", hub.Event{Kind: hub.KindUnsubscribed, Subscription: "news", Reason: hub.Reason{Cause: hub.CauseRevoked}}},
		{"a grant that was lost", hub.Event{Kind: hub.KindUnsubscribed, Subscription: "news", Reason: hub.Reason{Cause: hub.CauseDenied}}},
		{"a ping", hub.Event{Kind: hub.KindPing, Time: time.UnixMilli(1)}},
	} {
		frame := d.Encode(row.event)
		checkLine(t, frame)
		fmt.Fprintf(&text, "%s:\n%s\n", row.what, frame)
	}
	if frame := d.Encode(hub.Event{Kind: -1}); frame != nil {
		t.Errorf("an unknown event is shown as %s", frame)
	}
	checkGolden(t, "centrifuge_frames.golden", text.String())
}

// checkLine says if a frame is not a JSON object on one line.
func checkLine(t testing.TB, frame []byte) {
	t.Helper()
	var object map[string]json.RawMessage
	if err := json.Unmarshal(frame, &object); err != nil || strings.ContainsAny(string(frame), "\r\n") {
		t.Errorf("the frame %q is not a JSON object on one line (%v)", frame, err)
	}
}

func TestCentrifugeStringsReadBackAsTheyWere(t *testing.T) {
	for r := range rune(0x3000) {
		checkString(t, "a"+string(r)+"b")
	}
	for _, text := range []string{"", "\x00", "\xff", "é\xc3", "\xc3\xa9\xed\xa0\x80", "\uFFFD", "🎉\u2028\u2029", `\u0041"`} {
		checkString(t, text)
	}
}

func checkString(t testing.TB, text string) {
	t.Helper()
	var got string
	written := appendString(nil, text)
	if err := json.Unmarshal(written, &got); err != nil {
		t.Errorf("%q is written as %s: %v", text, written, err)
	}
	if want := string([]rune(text)); got != want {
		t.Errorf("%q is read back as %q", text, got)
	}
}

func TestCentrifugeEncodesAMessageInOneAllocation(t *testing.T) {
	d := NewCentrifuge(CentrifugeConfig{})
	message := testMessage()
	message.Publisher.User = strings.Repeat("long", 100)
	for _, key := range []string{message.Channel, "news.*"} {
		event := hub.Event{Subscription: key, Message: message}
		if n := testing.AllocsPerRun(100, func() { d.Encode(event) }); n > 1 {
			t.Errorf("a message for %s takes %v allocations", key, n)
		}
	}
	if n := testing.AllocsPerRun(100, func() { d.Encode(hub.Event{Kind: hub.KindPing}) }); n > 0 {
		t.Errorf("a ping takes %v allocations", n)
	}
}

func BenchmarkCentrifugeEncode(b *testing.B) {
	d := NewCentrifuge(CentrifugeConfig{})
	data, _ := json.Marshal(strings.Repeat("x", 126))
	event := hub.Event{Subscription: "news", Message: &hub.Message{
		Channel: "news", Data: data, Position: hub.Position{Epoch: "Abc12", Seq: 1234567}, Time: time.UnixMilli(1700000000123),
	}}
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		d.Encode(event)
	}
}
