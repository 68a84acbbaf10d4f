package gallery

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fanfold/hub"
	"fanfold/hub/client"
	"fanfold/hub/stream"
)

const testDocument = "gallery.document.test"

// documentHub is a hub whose shared documents are watched.
type documentHub struct {
	*hub.Hub
	documents *documents
	stop      func() // may be called twice
	log       *lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// startDocuments runs a hub with its store in a folder, until the test's end.
func startDocuments(t *testing.T, dir string, maxMessageBytes int) *documentHub {
	t.Helper()
	h := startUnwatched(t, dir, maxMessageBytes)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { h.documents.run(ctx); close(done) }()
	stopHub := h.stop
	h.stop = sync.OnceFunc(func() { cancel(); <-done; stopHub() })
	t.Cleanup(h.stop)
	h.eventually(t, "the documents are watched", func() bool {
		n, err := h.user("reader").Channels(t.Context(), "")
		return err == nil && n[documentChannels] == 1
	})
	return h
}

// startUnwatched is startDocuments without the gallery's side.
func startUnwatched(t *testing.T, dir string, maxMessageBytes int) *documentHub {
	t.Helper()
	rules := Rules().WithDefault()
	engine, err := stream.Open(t.Context(), stream.Config{Dir: dir, Rules: rules, MaxMessageBytes: maxMessageBytes})
	if err != nil {
		t.Fatal(err)
	}
	h, err := hub.New(hub.Config{Engine: engine, Rules: rules, MaxMessageBytes: maxMessageBytes})
	if err != nil {
		t.Fatal(err)
	}
	d := &documentHub{Hub: h, log: &lockedBuffer{}}
	side := client.New(h.As(&hub.Principal{Name: "gallery", Server: true, Grant: Grant()}))
	d.documents = newDocuments(Config{Client: side, Logger: slog.New(slog.NewTextHandler(d.log, nil))})
	d.stop = sync.OnceFunc(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := errors.Join(h.Shutdown(ctx), engine.Close()); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(d.stop)
	return d
}

// user is one who edits documents.
func (h *documentHub) user(name string) *client.Client {
	return client.New(h.As(&hub.Principal{Name: name, User: name, Grant: hub.Everything()}))
}

// folded is what the channel's history leads to, how many messages that are, and
// the last one's place.
func (h *documentHub) folded(t *testing.T) (d *document, n int, last uint64) {
	t.Helper()
	for {
		d, n, last = newDocument(), 0, 0
		var failed error
		for m, err := range h.user("reader").Replay(t.Context(), []string{testDocument}, hub.Query{}) {
			if failed = err; err != nil {
				break
			}
			d.apply(m.Data, m.Publisher == nil)
			n++
			last = m.Position.Seq
		}
		if failed == nil {
			return d, n, last
		}
		if hub.ErrorOf(failed).Code != hub.CodeUnrecoverable { // it was replaced while it was read
			t.Fatal(failed)
		}
	}
}

// eventually waits for a condition.
func (h *documentHub) eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !holds(); {
		if time.Now().After(deadline) {
			t.Fatalf("it never came that %s\n%s", what, h.log.String())
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-t.Context().Done():
		}
	}
}

// wantShort waits until the log is as short as promised.
func (h *documentHub) wantShort(t *testing.T) (d *document, last uint64) {
	t.Helper()
	h.eventually(t, "the log is short", func() bool {
		var n int
		d, n, last = h.folded(t)
		return n <= maxLogOperations
	})
	return d, last
}

// operation is one that was acknowledged.
type operation struct {
	seq  uint64
	data string
}

// publish publishes operations of one replica, no faster than a busy reader makes
// them, and returns them with their places.
func (h *documentHub) publish(t *testing.T, by string, n int) (all []operation) {
	c := h.user(by)
	pace := time.NewTicker(3 * time.Millisecond)
	defer pace.Stop()
	for i := range n {
		<-pace.C
		data := fmt.Sprintf(`{"by":%q,"n":%d,"make":{"o%d":{"v":0}},"set":{"o%d":{"v":%d,"by":%q}},"drop":["o%d"]}`,
			by, i+1, rand.N(40), rand.N(40), i, by, rand.N(40))
		m := &hub.Message{Channel: testDocument, Data: []byte(data)}
		if _, err := c.Publish(t.Context(), m, hub.PublishOptions{}); err != nil {
			t.Error(err)
			return all
		}
		all = append(all, operation{m.Position.Seq, data})
	}
	return all
}

// replayed applies operations in order. Its zero value has applied none.
type replayed struct{ document *document }

// upTo is the snapshot after all operations up to a place, of which it takes those
// that it applies.
func (r *replayed) upTo(all *[]operation, last uint64) string {
	if r.document == nil {
		r.document = newDocument()
	}
	for len(*all) > 0 && (*all)[0].seq <= last {
		r.document.apply([]byte((*all)[0].data), false)
		*all = (*all)[1:]
	}
	return string(r.document.snapshot())
}

// Several write while the log is made shorter again and again:
// whoever reads it, at any moment, gets what all operations until then lead to; and so after a
// restart.
func TestDocumentsKeepLogsShortAndLoseNothing(t *testing.T) {
	t.Parallel()
	const writers, each, pauses = 4, 500, 2
	dir := t.TempDir()
	h := startDocuments(t, dir, 256<<10)
	var mu sync.Mutex
	var all []operation
	type view struct {
		last     uint64
		snapshot string
	}
	var views []view
	for round := range pauses {
		var writing sync.WaitGroup
		for i := range writers {
			writing.Go(func() {
				own := h.publish(t, fmt.Sprintf("W%d-%d", round, i), each)
				mu.Lock()
				defer mu.Unlock()
				all = append(all, own...)
			})
		}
		done := make(chan struct{})
		go func() { writing.Wait(); close(done) }()
		for running := true; running; {
			d, _, last := h.folded(t)
			views = append(views, view{last, string(d.snapshot())})
			select {
			case <-done:
				running = false
			default:
			}
		}
		h.wantShort(t) // at the latest when they pause
	}
	slices.SortFunc(all, func(a, b operation) int { return cmp.Compare(a.seq, b.seq) })
	var reference replayed
	rest := all
	for _, v := range views {
		if want := reference.upTo(&rest, v.last); v.snapshot != want {
			t.Fatalf("up to %d the log leads to\n%s\nwant\n%s", v.last, v.snapshot, want)
		}
	}
	d, last := h.wantShort(t)
	if want := reference.upTo(&rest, last); string(d.snapshot()) != want || len(all) != pauses*writers*each || len(rest) > 0 {
		t.Fatalf("after %d operations, without the last %d, it is\n%s\nwant\n%s", len(all), len(rest), d.snapshot(), want)
	}
	snapshots := int(all[len(all)-1].seq) - len(all) // before the last operation
	t.Logf("read %d times while %d operations came and %d snapshots", len(views), len(all), snapshots)
	if snapshots == 0 {
		t.Error("the log was not made shorter when they paused")
	}

	h.stop()
	h = startDocuments(t, dir, 256<<10)
	rest = h.publish(t, "Later", 2*maxLogOperations)
	d, last = h.wantShort(t)
	if want := reference.upTo(&rest, last); string(d.snapshot()) != want {
		t.Fatalf("after a restart it is\n%s\nwant\n%s", d.snapshot(), want)
	}
}

// A log that was long before the hub started is made shorter with its next
// operation.
func TestDocumentsThatWereLongBefore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	h := startUnwatched(t, dir, 256<<10)
	all := h.publish(t, "Early", 3*maxLogOperations)
	if _, n, _ := h.folded(t); n != len(all) {
		t.Fatalf("the log has %d messages, want %d", n, len(all))
	}
	h.stop()
	h = startDocuments(t, dir, 256<<10)
	all = append(all, h.publish(t, "Late", 1)...)
	d, last := h.wantShort(t)
	if want := new(replayed).upTo(&all, last); string(d.snapshot()) != want {
		t.Errorf("it is\n%s\nwant\n%s", d.snapshot(), want)
	}
}

// Where a snapshot does not fit into a message, the log says so and stays as it is.
func TestDocumentsTooLargeForAMessage(t *testing.T) {
	t.Parallel()
	h := startDocuments(t, t.TempDir(), 512)
	c := h.user("A")
	for i := range 2 * maxLogOperations {
		if _, err := c.Send(t.Context(), testDocument, map[string]any{"by": "A", "n": i + 1, "make": map[string]any{fmt.Sprint("o", i): map[string]int{}}}); err != nil {
			t.Fatal(err)
		}
	}
	h.eventually(t, "the log says so", func() bool { return strings.Contains(h.log.String(), "could not be made shorter") })
	if d, n, _ := h.folded(t); n != 2*maxLogOperations || len(d.objects) != n {
		t.Errorf("the log has %d messages, which make %d objects\n%s", n, len(d.objects), h.log.String())
	}
}

func TestLogsAreDue(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for name, row := range map[string]struct {
		tally tally
		want  bool
	}{
		"unknown":         {tally{}, true},
		"short":           {tally{operations: 199, bytes: 1000, since: now.Add(-23 * time.Hour)}, false},
		"many operations": {tally{operations: 200, since: now}, true},
		"many bytes":      {tally{bytes: 256 << 10, since: now}, true},
		"an old snapshot": {tally{operations: 1, since: now.Add(-24 * time.Hour)}, true},
	} {
		if got := row.tally.due(now); got != row.want {
			t.Errorf("%s: due is %t", name, got)
		}
	}
}

// However many documents there are, so many are watched, those that changed last;
// and so many wait to be looked at.
func TestDocumentsWatchedAreBounded(t *testing.T) {
	t.Parallel()
	d := newDocuments(Config{})
	message := func(i int) hub.Event {
		return hub.Event{Message: &hub.Message{Channel: fmt.Sprint("gallery.document.", i), Position: hub.Position{Seq: uint64(i + 1)}, Data: []byte(`{}`), Time: time.Now()}}
	}
	for i := range 2 * maxDocuments {
		_ = d.hear(message(i))
	}
	if len(d.logs) != maxDocuments || d.logs["gallery.document.0"] != nil || d.logs[fmt.Sprint("gallery.document.", 2*maxDocuments-1)] == nil {
		t.Errorf("%d documents are watched", len(d.logs))
	}
	if len(d.due) != maxDue {
		t.Errorf("%d wait", len(d.due))
	}
	<-d.due
	_ = d.hear(message(2*maxDocuments - 1))
	if len(d.due) != maxDue {
		t.Error("one that found no room is not due again with its next message")
	}
	live := message(3 * maxDocuments)
	live.Message.Position = hub.Position{}
	_ = d.hear(live)
	if d.logs[live.Message.Channel] != nil {
		t.Error("what is not stored counts")
	}
}
