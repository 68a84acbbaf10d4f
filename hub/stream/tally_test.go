package stream

import (
	"fmt"
	"testing"

	"fanfold/hub"

	"github.com/nats-io/nats.go"
)

func TestATallyIsOfEachMessageOnce(t *testing.T) {
	tally := newTally(&hub.Rule{Bytes: 1000}, false)
	tally.add("c", 1, 10)
	tally.startMeasure()
	tally.add("c", 2, 10)                 // is scanned
	tally.add("c", 4, 10)                 // is not
	tally.endMeasure(&size{30, 3}, 3)     // 1 to 3
	tally.add("c", 3, 10)                 // was scanned, and is acknowledged now
	if due := tally.add("c", 5, 5); due { // five messages
		t.Error("it is to be trimmed before it is full")
	}
	if want := (size{45, 5}); tally.total != want {
		t.Errorf("the total is %v, want %v", tally.total, want)
	}
	tally.startMeasure()
	tally.add("c", 6, 5)
	tally.endMeasure(nil, 0) // the scan failed
	if want := (size{50, 6}); tally.total != want {
		t.Errorf("after a scan that failed the total is %v, want %v", tally.total, want)
	}
	if !tally.add("c", 7, 951) || tally.excess() != 1001-1000/16*15 {
		t.Error("it is over its limit, and not to be trimmed to fifteen sixteenths")
	}
	if tally.add("c", 8, 1) || !tally.add("c", 9, 62) {
		t.Error("it is to be trimmed again after a sixteenth of the limit")
	}
}

func TestAMessageThatIsLateReplacesNone(t *testing.T) {
	e, err := Open(t.Context(), Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	var both []*hub.Message
	for range 2 {
		m := &hub.Message{Channel: "c", Data: []byte("1"), Sequence: "s"}
		msg := &nats.Msg{}
		if err := encode(msg, m, e.filing("c").prefix+"c"); err != nil {
			t.Fatal(err)
		}
		ack, err := e.store(t.Context(), msg)
		if err != nil {
			t.Fatal(err)
		}
		m.Position.Seq = ack.Sequence
		both = append(both, m)
	}
	e.sequences.channels["c"] = e.sequences.recent.PushFront(&newest{channel: "c", seqs: map[string]uint64{}})
	e.replace(t.Context(), both[1])
	e.replace(t.Context(), both[0])
	page, err := e.Read(t.Context(), hub.Query{Channel: "c", Limit: 9})
	if err != nil || len(page.Messages) != 1 || page.Messages[0].Position.Seq != both[1].Position.Seq {
		t.Errorf("left are %+v, %v", page.Messages, err)
	}
}

func TestSequencesInMemoryAreBounded(t *testing.T) {
	s := newSequences()
	for _, channel := range []string{"old", "new"} {
		known := &newest{channel: channel, seqs: map[string]uint64{}}
		s.channels[channel] = s.recent.PushFront(known)
		for i := range uint64(maxSequences - 1) {
			known.seqs[fmt.Sprint(i)] = i
			s.size++
		}
	}
	s.trim()
	if s.channels["old"] != nil || s.channels["new"] == nil || s.size > maxSequences {
		t.Errorf("%d are known; of the old channel: %v", s.size, s.channels["old"] != nil)
	}
}
