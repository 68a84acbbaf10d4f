package stream

import (
	"fmt"
	"testing"

	"fanfold/hub"
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
			wait := e.Send(m, hub.PublishOptions{})
			if wait == nil {
				t.Fatalf("message %d is not sent", i)
			}
			waits = append(waits, func() (*hub.Message, error) {
				_, err := wait(t.Context())
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
