package stream_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"fanfold/hub/stream"
)

// heardRecords are what a listener heard, each once.
type heardRecords struct {
	mu    sync.Mutex
	heard []string // guarded by mu
	news  chan struct{}
}

func (r *heardRecords) hear(record []byte) {
	r.mu.Lock()
	if !slices.Contains(r.heard, string(record)) {
		r.heard = append(r.heard, string(record))
	}
	r.mu.Unlock()
	select {
	case r.news <- struct{}{}:
	default:
	}
}

func (r *heardRecords) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(slices.Values(r.heard))
}

func (r *heardRecords) wait(t *testing.T, n int) {
	t.Helper()
	late := time.After(20 * time.Second)
	for len(r.all()) < n {
		select {
		case <-r.news:
		case <-late:
			t.Fatalf("%d records were heard, want %d", len(r.all()), n)
		}
	}
}

func hearRecords(t *testing.T, e *stream.Engine, kind string) *heardRecords {
	t.Helper()
	r := &heardRecords{news: make(chan struct{}, 1)}
	stop, err := e.Records(t.Context(), kind, r.hear)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return r
}

func TestRecordsReachAllListenersAndOutliveARestart(t *testing.T) {
	dir := t.TempDir()
	e, err := stream.Open(t.Context(), stream.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	record := func(e *stream.Engine, kind, id, text string, ttl time.Duration) {
		t.Helper()
		if err := e.Record(t.Context(), kind, id, []byte(text), ttl); err != nil {
			t.Fatal(err)
		}
	}
	a := hearRecords(t, e, "revoked")
	record(e, "revoked", "x", "old", 0)
	b := hearRecords(t, e, "revoked") // begins with what is kept
	if got := b.all(); !slices.Equal(got, []string{"old"}) {
		t.Errorf("the second listener begins with %q", got)
	}
	record(e, "revoked", "x", "new", 0)
	record(e, "other", "x", "of another kind", 0)
	const many = 1000 // more than the inbox and a page
	for i := range many {
		record(e, "revoked", fmt.Sprint("id", i), fmt.Sprintf("r%03d", i), time.Hour)
	}
	a.wait(t, many+2)
	b.wait(t, many+2)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}

	e, err = stream.Open(t.Context(), stream.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	c := hearRecords(t, e, "revoked")
	got := c.all()
	if len(got) != many+1 || slices.Contains(got, "old") || !slices.Contains(got, "new") {
		t.Errorf("after a restart %d records are there", len(got))
	}
}
