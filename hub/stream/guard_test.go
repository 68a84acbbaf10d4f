package stream_test

import (
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"fanfold/hub"
	"fanfold/hub/stream"
)

// recorder is a listener that passes everything on.
type recorder struct {
	messages chan *hub.Message
	lost     chan struct{}
}

func newRecorder() recorder {
	return recorder{make(chan *hub.Message, 1000), make(chan struct{}, 1000)}
}

func (r recorder) Deliver(m *hub.Message) { r.messages <- m }
func (r recorder) Lost()                  { r.lost <- struct{}{} }

func TestAStoreThatStoppedIsStartedAnew(t *testing.T) {
	var lines log
	e, _ := open(t, stream.Config{Dir: t.TempDir(), Logger: lines.logger()})
	heard := newRecorder()
	stop, err := e.Listen("c", heard)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	first := text(t, e, "first")
	if got := <-heard.messages; got.ID != first.ID {
		t.Errorf("heard %s, want %s", got.ID, first.ID)
	}
	if err := e.Probe(t.Context()); err != nil {
		t.Errorf("a healthy store: %v", err)
	}

	stream.StopStore(t, e)
	began := time.Now()
	m := &hub.Message{Channel: "c", Data: []byte("1")}
	if _, err = e.Publish(t.Context(), m, hub.PublishOptions{}); hub.ErrorOf(err).Code != hub.CodeUnavailable {
		t.Errorf("publish: %v", err)
	}
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("the refusal took %v", took)
	}
	var last *hub.Message
	waitFor(t, "the store takes messages again", func() bool {
		m := &hub.Message{Channel: "c", Data: []byte("1")}
		_, err := e.Publish(t.Context(), m, hub.PublishOptions{})
		last = m
		return err == nil
	})
	<-heard.lost // before what follows
	if last.Position.Epoch != first.Position.Epoch || last.Position.Seq <= first.Position.Seq {
		t.Errorf("positions do not go on: %v, then %v", first.Position, last.Position)
	}
	for got := range heard.messages {
		if got.ID == last.ID {
			break
		}
	}
	if err := e.Probe(t.Context()); err != nil {
		t.Errorf("a mended store: %v", err)
	}
	if all := history(t, e, hub.Position{}); all[0].ID != first.ID {
		t.Errorf("history begins with %s, want %s", all[0].ID, first.ID)
	}
}

func TestProbesAreSeenByNobody(t *testing.T) {
	e, _ := open(t, stream.Config{})
	before, err := e.Read(t.Context(), hub.Query{Channel: "quiet"})
	if err != nil {
		t.Fatal(err)
	}
	heard := newRecorder()
	stop, err := e.Listen(">", heard)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	for range 3 {
		stream.ForgetProbe(e)
		if err := e.Probe(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	m := text(t, e, "x")
	if got := <-heard.messages; got.ID != m.ID {
		t.Errorf("heard %+v", got)
	}
	for _, q := range []hub.Query{{Channel: ">", Limit: 9}, {Channel: ">", Limit: 9, Reverse: true}} {
		if page, err := e.Read(t.Context(), q); err != nil || len(page.Messages) != 1 || page.Messages[0].ID != m.ID {
			t.Errorf("%+v: got %+v, %v", q, page, err)
		}
	}
	page, err := e.Read(t.Context(), hub.Query{Channel: "quiet", Limit: 9, After: before.Top})
	if err != nil || len(page.Messages) != 0 {
		t.Errorf("a position before the probes: %+v, %v", page, err)
	}
}

func TestAProbeSaysWhichStageFailed(t *testing.T) {
	e, _ := open(t, stream.Config{Inbox: 4})
	slow := blocker{release: make(chan struct{}), lost: make(chan struct{}, 64)}
	stop, err := e.Listen("c", slow)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	defer close(slow.release)
	text(t, e, "x") // holds the delivery up
	err = e.Probe(t.Context())
	var told *hub.Error
	if !errors.As(err, &told) || told.Code != hub.CodeUnavailable || told.Message != "a message was stored, but did not come back within 1s" {
		t.Errorf("got %v", err)
	}
	if again := e.Probe(t.Context()); again != err {
		t.Errorf("a second caller within a second: %v", again)
	}
}

func TestAListenerIsToldBeforeWhatIsBehindTheLoss(t *testing.T) {
	e, _ := open(t, stream.Config{Inbox: 1})
	stream.IgnoreClient(e) // whose own word of it may come too late
	o := &ordered{}
	stop, err := e.Listen("c", o)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	for range 1000 {
		o.begun.Add(1)
		text(t, e, "x")
	}
	o.ended.Store(true)
	waitFor(t, "the inbox is empty", func() bool { return stream.Idle(e) })
	if o.lost.Load() == 0 {
		t.Error("nothing was lost: the test tests nothing")
	}
	if n := o.silent.Load(); n != 0 {
		t.Errorf("%d times a message behind a loss came before the listener was told", n)
	}
}

// ordered is a listener that takes as long for each message as some publishes, and
// counts the gaps that it was not told of before.
type ordered struct {
	begun, covered, lost, silent atomic.Uint64 // publishes begun, of them before the last Lost; Losts; gaps
	ended                        atomic.Bool
	last, base                   uint64
}

func (o *ordered) Deliver(m *hub.Message) {
	if o.base == 0 { // the first publish's number is one more
		o.base = m.Position.Seq - 1
	}
	if o.last != 0 && m.Position.Seq != o.last+1 && m.Position.Seq-1-o.base > o.covered.Load() {
		o.silent.Add(1)
	}
	o.last = m.Position.Seq
	for until := o.begun.Load() + 4; o.begun.Load() < until && !o.ended.Load(); {
		runtime.Gosched()
	}
}

func (o *ordered) Lost() {
	o.covered.Store(o.begun.Load())
	o.lost.Add(1)
}

// waitFor polls until ok, for half a minute at most.
func waitFor(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline, tick := time.After(30*time.Second), time.NewTicker(5*time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}
