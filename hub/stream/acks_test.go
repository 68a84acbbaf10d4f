package stream

import (
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// The usual answer is read by hand, any other as the protocol says.
func TestAnswersOfTheStore(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`{"stream":"` + streamName + `","seq":17}`, `{"stream":"` + streamName + `","seq": 17}`, `{"seq":17,"stream":"` + streamName + `"}`} {
		if got := readAnswer(&nats.Msg{Data: []byte(text)}); got.err != nil || got.ack.Sequence != 17 || got.ack.Stream != streamName || got.ack.Duplicate {
			t.Errorf("%s is read as %+v", text, got)
		}
	}
	if got := readAnswer(&nats.Msg{Data: []byte(`{"stream":"` + streamName + `","seq":3,"duplicate":true}`)}); !got.ack.Duplicate || got.ack.Sequence != 3 {
		t.Errorf("a duplicate is read as %+v", got)
	}
	full := readAnswer(&nats.Msg{Data: []byte(`{"error":{"code":503,"err_code":10023,"description":"insufficient resources"},"stream":"x","seq":0}`)})
	if e, ok := errors.AsType[*jetstream.APIError](full.err); !ok || e.ErrorCode != jsStorageFull {
		t.Errorf("a full store is read as %v", full.err)
	}
	if got := readAnswer(&nats.Msg{Header: nats.Header{"Status": {"503"}}}); !errors.Is(got.err, nats.ErrNoResponders) {
		t.Errorf("nobody is read as %v", got.err)
	}
	for _, text := range []string{"", "+OK", `{"stream":"x"}`, `{"stream":"` + streamName + `","seq":-1}`, `{"stream":"` + streamName + `","seq":99999999999999999999}`} {
		if got := readAnswer(&nats.Msg{Data: []byte(text)}); got.err == nil {
			t.Errorf("%q is read as %+v", text, got)
		}
	}
}

// A slow answer is told of once, and one that never comes ends the wait.
func TestAnswersThatAreLate(t *testing.T) {
	t.Parallel()
	a := &acks{waiting: map[uint64]*waiter{}}
	id, w := a.expect()
	for _, step := range []struct {
		after time.Duration
		slow  bool
	}{{slowStore / 2, false}, {slowStore, true}, {2 * slowStore, false}} {
		if got := a.overdue(w.since.Add(step.after)); got != step.slow {
			t.Errorf("after %v: slow is %v", step.after, got)
		}
	}
	if a.overdue(w.since.Add(callTimeout)); a.forget(id) != nil {
		t.Error("it is still waited for")
	}
	if got := <-w.done; !errors.Is(got.err, errNoAnswer) {
		t.Errorf("the wait ends with %v", got.err)
	}
}
