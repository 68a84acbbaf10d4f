package stream

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"fanfold/hub"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// What is sent ahead is bounded over all publishers, and what was answered makes room.
func TestWhatIsSentAheadIsBounded(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		bytes int64
		most  int
	}{{1, maxSentAhead}, {maxSentAheadBytes / 4, 4}} {
		a := &acks{}
		for i := range row.most {
			if _, w := a.expectAhead(row.bytes); w == nil {
				t.Fatalf("only %d messages of %d bytes are sent ahead", i, row.bytes)
			}
		}
		if _, w := a.expectAhead(row.bytes); w != nil {
			t.Errorf("more than %d messages of %d bytes are sent ahead", row.most, row.bytes)
		}
		own, _ := a.expect(0)
		a.answered(own)
		if _, w := a.expectAhead(row.bytes); w != nil {
			t.Error("a message that was not sent ahead made room")
		}
		a.answered(1)
		a.answered(1)
		_, w := a.expectAhead(row.bytes)
		if _, more := a.expectAhead(row.bytes); w == nil || more != nil {
			t.Error("one answer did not make room for one message")
		}
		for id := range a.places {
			a.answered(id)
		}
		if a.ahead != (size{}) {
			t.Errorf("with nothing under way there is %+v ahead", a.ahead)
		}
	}
}

// An engine sends until too much is under way, and what it has sent is stored in order.
func TestAnEngineSendsAhead(t *testing.T) {
	e, err := Open(t.Context(), Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}()
	var last uint64
	for range 3 {
		var waits []func() (*hub.Message, error)
		for i := range 500 {
			m := &hub.Message{Channel: "c", Data: fmt.Append(nil, i)}
			sending := e.Send(m, hub.PublishOptions{})
			if sending == nil {
				t.Fatalf("message %d is not sent", i)
			}
			waits = append(waits, func() (*hub.Message, error) {
				_, err := sending.Wait(t.Context())
				return m, err
			})
		}
		for i, wait := range waits {
			m, err := wait()
			if err != nil || m.Position.Seq <= last || m.ID != e.idOf(m.Position.Seq) {
				t.Fatalf("message %d is stored as %+v, after %d (%v)", i, m, last, err)
			}
			last = m.Position.Seq
		}
	}
	for _, o := range []hub.PublishOptions{{Live: true}, {RollUp: true}, {IfLast: &hub.Position{}}, {TTL: 1e9}} {
		if e.Send(&hub.Message{Channel: "c", Data: []byte("1")}, o) != nil {
			t.Errorf("%+v is sent ahead", o)
		}
	}
}

// What a rule asks the store for is said by one header for all messages that have no
// other, and stays as it is whatever else is published.
func TestAHeaderIsShared(t *testing.T) {
	rules := hub.Rules{
		{Name: "brief", Channels: "brief", Messages: 1000, Age: time.Hour},
		{Name: "latest", Channels: "latest", Messages: 1, Age: time.Hour},
	}.WithDefault()
	e, err := Open(t.Context(), Config{Rules: rules})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}()
	for channel, want := range map[string]nats.Header{
		"brief":  {jetstream.MsgTTLHeader: {"1h0m0s"}},
		"latest": {jetstream.MsgTTLHeader: {"1h0m0s"}, jetstream.MsgRollup: {jetstream.MsgRollupSubject}},
		"c":      nil,
	} {
		var last hub.Position
		for _, o := range []hub.PublishOptions{{}, {IdempotencyKey: "k"}, {TTL: time.Minute}, {IfLast: &last}, {RollUp: true}, {RollUp: true, IfLast: &last}} {
			for _, tags := range []map[string]string{nil, {"a": "b"}} {
				m := &hub.Message{Channel: channel, Data: []byte("1"), Tags: tags}
				if o.IdempotencyKey != "" {
					o.IdempotencyKey += "k" // another one
				}
				if sending := e.Send(m, o); sending != nil {
					_, err = sending.Wait(t.Context())
				} else {
					_, err = e.Publish(t.Context(), m, o)
				}
				if err != nil {
					t.Fatalf("%s, %+v: %v", channel, o, err)
				}
				last = m.Position
			}
		}
		if got := e.filing(channel).header; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: the header is %v, want %v", channel, got, want)
		}
		if channel != "c" {
			msg := &nats.Msg{}
			if e.filing(channel).setOptions(msg, &hub.Message{}, hub.PublishOptions{}); len(msg.Header) != len(want) {
				t.Errorf("%s: a message has the header %v", channel, msg.Header)
			}
		}
	}
}

// An age of half a day or more takes no header, also if another rule keeps for longer.
func TestALongAgeIsTheJanitors(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	rules := hub.Rules{
		{Name: "brief", Channels: "brief", Messages: 1, Age: time.Hour},
		{Name: "documents", Channels: "documents.>", Messages: 1000, Age: 30 * day},
	}.WithDefault()
	for name, want := range map[string]nats.Header{
		"brief":      {jetstream.MsgTTLHeader: {"1h0m0s"}, jetstream.MsgRollup: {jetstream.MsgRollupSubject}},
		"documents":  nil,
		hub.MainRule: nil,
	} {
		if got := newFilings(rules, sweepFrom)[name].header; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: the header is %v, want %v", name, got, want)
		}
	}
	h := &history{sweepFrom: sweepFrom}
	for _, rules := range []hub.Rules{rules, rules[2:], rules} {
		h.begin(rules, 1)
		want := []aging{{name: hub.MainRule, age: day}}
		if len(rules) == 1 {
			want = nil // the store sees to its largest age itself
		}
		if got := h.aging(time.Time{}); !reflect.DeepEqual(got, want) {
			t.Errorf("with %d rules %+v is watched, want %+v", len(rules), got, want)
		}
	}
}
