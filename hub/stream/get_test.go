package stream

import (
	"testing"

	"fanfold/hub"

	"github.com/nats-io/nats.go"
)

func TestAnAnswerThatLostAPartIsNone(t *testing.T) {
	e, err := Open(t.Context(), Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	part := func(seq, last string) nats.Header {
		return nats.Header{"Nats-Sequence": {seq}, "Nats-Last-Sequence": {last}}
	}
	end := nats.Header{"Status": {"204"}, "Nats-Num-Pending": {"0"}, "Nats-Last-Sequence": {"7"}}
	for _, test := range []struct {
		name  string
		parts []nats.Header
		whole bool
	}{
		{"nothing", []nats.Header{part("3", "0"), part("7", "3"), end}, true},
		{"the first message", []nats.Header{part("7", "3"), end}, false},
		{"the last message", []nats.Header{part("3", "0"), end}, false},
	} {
		sub, err := e.conn.Subscribe(getRequest{Stream: "zz"}.subject(), func(m *nats.Msg) {
			for _, h := range test.parts {
				if err := m.RespondMsg(&nats.Msg{Header: h}); err != nil {
					t.Error(err)
				}
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		found, _, err := e.get(t.Context(), getRequest{Stream: "zz", Next: "c", Batch: 5})
		refused := err != nil && hub.ErrorOf(err).Code == hub.CodeUnavailable
		if test.whole && (err != nil || len(found) != 2) || !test.whole && !refused {
			t.Errorf("lost %s: got %d messages, %v", test.name, len(found), err)
		}
		if err := sub.Unsubscribe(); err != nil {
			t.Fatal(err)
		}
	}
}
