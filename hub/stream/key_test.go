package stream_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"fanfold/hub"
	"fanfold/hub/stream"
)

func keyed(t testing.TB, e *stream.Engine, channel string) (m *hub.Message, duplicate bool) {
	t.Helper()
	m = &hub.Message{Channel: channel, Data: []byte(`"x"`)}
	duplicate, err := e.Publish(context.WithoutCancel(t.Context()), m, hub.PublishOptions{IdempotencyKey: "k"})
	if err != nil {
		t.Error(err)
	}
	return m, duplicate
}

func TestARepeatedPublishIsAnsweredByTheFirst(t *testing.T) {
	c := stream.Config{Dir: t.TempDir(), IdempotencyWindow: 3 * time.Second}
	e, close := open(t, c)
	var mu sync.Mutex
	firsts, seen := 0, map[string]bool{}
	var publishers sync.WaitGroup
	for range 20 {
		publishers.Go(func() {
			m, duplicate := keyed(t, e, "c")
			mu.Lock()
			defer mu.Unlock()
			if seen[m.ID] = true; !duplicate {
				firsts++
			}
		})
	}
	publishers.Wait()
	first := stored(t, e, "c")
	if len(first) != 1 || firsts != 1 || len(seen) != 1 || !seen[first[0].ID] {
		t.Fatalf("%d are stored; %d were no duplicates; IDs %v", len(first), firsts, seen)
	}
	if m, duplicate := keyed(t, e, "d"); duplicate || m.ID == first[0].ID {
		t.Error("another channel has no key of its own")
	}
	close()

	e, _ = open(t, c)
	if m, duplicate := keyed(t, e, "c"); !duplicate || m.Position != first[0].Position || m.ID != first[0].ID {
		t.Errorf("after a restart: duplicate %v, %s; the first was %s", duplicate, m.ID, first[0].ID)
	}
	untilTime(t, first[0].Time.Add(c.IdempotencyWindow+time.Second))
	if _, duplicate := keyed(t, e, "c"); duplicate {
		t.Error("the key is remembered for longer than the window")
	}
	if n := len(stored(t, e, "c")); n != 2 {
		t.Errorf("%d are stored", n)
	}
}
