package stream

import (
	"errors"
	"fmt"
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
	a, began := &acks{}, time.Now()
	id, w := a.expect(0)
	for _, step := range []struct {
		after time.Duration
		slow  bool
	}{{0, false}, {slowStore / 2, false}, {slowStore, true}, {2 * slowStore, false}} {
		if got := a.overdue(began.Add(step.after)); got != step.slow {
			t.Errorf("after %v: slow is %v", step.after, got)
		}
	}
	a.overdue(began.Add(callTimeout))
	if got := <-w.done; !errors.Is(got.err, errNoAnswer) {
		t.Errorf("the wait ends with %v", got.err)
	}
	if a.answered(id) != nil {
		t.Error("it is still waited for")
	}
}

// A place is used again once its answer has come, and not before: an answer that nobody
// waits for any more is not taken for another's.
func TestPlacesOfAnswers(t *testing.T) {
	t.Parallel()
	a := &acks{prefix: "x."}
	first, w := a.expect(0)
	a.giveUp(first, w)
	second, other := a.expect(0)
	if second == first {
		t.Fatal("a place whose answer may still come is used again")
	}
	a.giveUp(second, w) // who has given up elsewhere
	answer := func(id int, seq uint64) {
		a.hear(&nats.Msg{Subject: a.places[id].subject, Data: fmt.Append(nil, string(ackStart), seq, "}")})
	}
	answer(first, 1)
	answer(second, 2)
	answer(second, 3) // which nobody gives
	if got := <-other.done; got.ack.Sequence != 2 || len(other.done) > 0 || len(w.done) > 0 {
		t.Errorf("the answer is %+v, and there are %d and %d more", got, len(other.done), len(w.done))
	}
	for _, want := range []int{second, first, 2} {
		if id, _ := a.expect(0); id != want {
			t.Errorf("the next place is %d, want %d", id, want)
		}
	}
	for _, subject := range []string{"x.", "x.-1", "x.7", "x.99999999999999999999", "y"} {
		a.hear(&nats.Msg{Subject: subject})
	}
}
