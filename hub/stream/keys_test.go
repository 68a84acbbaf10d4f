package stream_test

import (
	"testing"
	"time"

	"fanfold/hub"
	"fanfold/hub/stream"
)

func TestAStoreWithoutKeysIsLeftWithTheShortestWindow(t *testing.T) {
	t.Parallel()
	c := stream.Config{Dir: t.TempDir(), IdempotencyWindow: time.Hour}
	window := func(want time.Duration) {
		t.Helper()
		if got := stream.LeftWindow(t, c); got != want {
			t.Errorf("the stream is left with a window of %v, want %v", got, want)
		}
	}
	e, close := open(t, c)
	text(t, e, "no key")
	close()
	window(stream.IdleWindow)

	e, close = open(t, c)
	if got := stream.Window(t, e); got != c.IdempotencyWindow {
		t.Errorf("the window is %v in a hub that runs", got)
	}
	first, _ := keyed(t, e, "c")
	close()
	window(time.Hour)

	for range 2 { // one that uses no key of its own remembers too
		_, close = open(t, c)
		close()
		window(time.Hour)
	}
	e, _ = open(t, c)
	if m, duplicate := keyed(t, e, "c"); !duplicate || m.ID != first.ID {
		t.Errorf("after restarts: duplicate %v, %s; the first was %s", duplicate, m.ID, first.ID)
	}
}

func TestAKeySentAheadIsRememberedToo(t *testing.T) {
	t.Parallel()
	c := stream.Config{Dir: t.TempDir(), IdempotencyWindow: time.Hour}
	e, close := open(t, c)
	sending := e.Send(&hub.Message{Channel: "c", Data: []byte("1")}, hub.PublishOptions{IdempotencyKey: "k"})
	if sending == nil {
		t.Fatal("it was not sent")
	}
	if _, err := sending.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	close()
	if got := stream.LeftWindow(t, c); got != time.Hour {
		t.Errorf("the stream is left with a window of %v", got)
	}
}
