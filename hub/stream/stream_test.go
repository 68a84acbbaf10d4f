package stream_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"fanfold/hub"
	"fanfold/hub/hubtest"
	"fanfold/hub/stream"
)

// open opens an engine that is closed after the test, unless close is called.
func open(t testing.TB, c stream.Config) (e *stream.Engine, close func()) {
	t.Helper()
	e, err := stream.Open(t.Context(), c)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	closed := false
	close = func() {
		if closed {
			return
		}
		closed = true
		if err := e.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	t.Cleanup(close)
	return e, close
}

// keep is the default rule with another number of messages.
func keep(messages int) hub.Rules {
	rule := hub.DefaultRule()
	rule.Messages = messages
	return hub.Rules{rule}
}

func TestEngineInMemory(t *testing.T) {
	hubtest.Engine(t, func(t *testing.T) hub.Engine {
		e, _ := open(t, stream.Config{Rules: keep(hubtest.Kept)})
		return e
	})
}

func TestEngineInFiles(t *testing.T) {
	hubtest.Engine(t, func(t *testing.T) hub.Engine {
		e, _ := open(t, stream.Config{Rules: keep(hubtest.Kept), Dir: t.TempDir()})
		return e
	})
}

func text(t testing.TB, e hub.Engine, text string) *hub.Message {
	t.Helper()
	m := &hub.Message{Channel: "c", Data: []byte(strconv.Quote(text))}
	if _, err := e.Publish(t.Context(), m, hub.PublishOptions{}); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestHistorySurvivesARestart(t *testing.T) {
	dir := t.TempDir()
	e, close := open(t, stream.Config{Dir: dir})
	first := text(t, e, "first")
	close()

	e, _ = open(t, stream.Config{Dir: dir, Rules: keep(7)}) // with other limits
	page, err := e.Read(t.Context(), hub.Query{Channel: "c", Limit: 9})
	if err != nil || len(page.Messages) != 1 || page.Messages[0].ID != first.ID {
		t.Fatalf("after the restart: %+v, %v", page, err)
	}
	second := text(t, e, "second")
	if second.Position.Epoch != first.Position.Epoch || second.Position.Seq != first.Position.Seq+1 {
		t.Errorf("positions do not go on: %v, then %v", first.Position, second.Position)
	}
	page, err = e.Read(t.Context(), hub.Query{Channel: "c", Limit: 9, After: first.Position})
	if err != nil || len(page.Messages) != 1 || page.Messages[0].ID != second.ID {
		t.Errorf("recovered %+v, %v", page, err)
	}
}

func TestANewStoreIsNoContinuation(t *testing.T) {
	e, close := open(t, stream.Config{})
	first := text(t, e, "first")
	close()
	later := hub.Position{Epoch: "00001", Seq: first.Position.Seq}
	e, _ = open(t, stream.Config{})
	if _, err := e.Read(t.Context(), hub.Query{Channel: "c", Limit: 9, After: later}); hub.ErrorOf(err).Code != hub.CodeUnrecoverable {
		t.Errorf("got %v, want CodeUnrecoverable", err)
	}
}

func TestADataFolderHasOneHub(t *testing.T) {
	dir := t.TempDir()
	open(t, stream.Config{Dir: dir})
	if _, err := stream.Open(t.Context(), stream.Config{Dir: dir}); !errors.Is(err, stream.ErrInUse) {
		t.Errorf("a second engine on the folder: got %v, want ErrInUse", err)
	}
}

func TestMemoryLeavesNothingBehind(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	e, close := open(t, stream.Config{})
	text(t, e, "x")
	close()
	left, err := os.ReadDir(tmp)
	if err != nil || len(left) != 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

func TestReadingBackwardsIsBoundedInBytes(t *testing.T) {
	e, _ := open(t, stream.Config{})
	big := make([]byte, 60<<10)
	for i := range big {
		big[i] = 'x'
	}
	var want []string
	for i := range 40 {
		want = append([]string{text(t, e, fmt.Sprint(i, string(big))).ID}, want...)
	}
	var got []string
	q := hub.Query{Channel: "c", Limit: 30, Reverse: true}
	for {
		page, err := e.Read(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		bytes := 0
		for _, m := range page.Messages {
			bytes += len(m.Data)
			got = append(got, m.ID)
		}
		if bytes > 1<<20 {
			t.Errorf("one page has %d bytes", bytes)
		}
		if !page.More {
			break
		}
		q.After = page.Messages[len(page.Messages)-1].Position
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %d messages %v\nwant %d %v", len(got), got, len(want), want)
	}
}

func TestReadingBackwardsBeginsWithTheNewest(t *testing.T) {
	e, _ := open(t, stream.Config{MaxMessageBytes: 2 << 20})
	big := strings.Repeat("x", 600<<10) // more than a page has
	var want, got []string
	for i := range 3 {
		want = append([]string{text(t, e, fmt.Sprint(i, big)).ID}, want...)
	}
	for q := (hub.Query{Channel: "c", Limit: 2, Reverse: true}); ; {
		page, err := e.Read(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range page.Messages {
			got = append(got, m.ID)
			q.After = m.Position
		}
		if !page.More {
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestAPageHasNoHoleWhileItsChannelIsTrimmed(t *testing.T) {
	e, _ := open(t, stream.Config{Rules: keep(50)})
	done := make(chan struct{})
	var publishers sync.WaitGroup
	for range 4 {
		publishers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if _, err := e.Publish(context.Background(), &hub.Message{Channel: "c", Data: []byte("1")}, hub.PublishOptions{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 400 {
		first, err := e.Read(t.Context(), hub.Query{Channel: "c", Limit: 1})
		if err != nil || len(first.Messages) == 0 {
			continue
		}
		after := first.Messages[0].Position
		after.Seq += 12 // about to be trimmed
		page, err := e.Read(t.Context(), hub.Query{Channel: "c", Limit: 5, After: after})
		if err == nil && len(page.Messages) > 0 && page.Messages[0].Position.Seq != after.Seq+1 {
			t.Errorf("behind %d comes %d", after.Seq, page.Messages[0].Position.Seq)
		}
	}
	close(done)
	publishers.Wait()
}

// blocker is a listener that takes nothing until it is released.
type blocker struct {
	release chan struct{}
	lost    chan struct{}
}

func (b blocker) Deliver(*hub.Message) { <-b.release }
func (b blocker) Lost()                { b.lost <- struct{}{} }

func TestAListenerIsToldWhatItMisses(t *testing.T) {
	e, _ := open(t, stream.Config{Inbox: 4})
	slow := blocker{release: make(chan struct{}), lost: make(chan struct{}, 64)}
	stop, err := e.Listen("c", slow)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	for range 20 {
		text(t, e, "x") // neither publishing nor reading waits for it
	}
	<-slow.lost
	close(slow.release)
	page, err := e.Read(t.Context(), hub.Query{Channel: "c", Limit: 50})
	if err != nil || len(page.Messages) != 20 {
		t.Errorf("history has %d messages, %v; want all 20", len(page.Messages), err)
	}
}
