package stream

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"

	"fanfold/hub"
)

// slowStoreReader reads once a turn, and counts.
type slowStoreReader struct {
	turn  chan error
	mu    sync.Mutex
	reads int // guarded by mu
}

func (s *slowStoreReader) read(context.Context, hub.Query) (hub.Page, error) {
	s.mu.Lock()
	s.reads++
	n := s.reads
	s.mu.Unlock()
	err := <-s.turn
	return hub.Page{Messages: []*hub.Message{{}, {}}, Top: hub.Position{Seq: uint64(n)}}, err
}

func TestReadersOfTheSameShareTheReadThatBeginsAfterThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, pages := &slowStoreReader{turn: make(chan error)}, make(chan hub.Page, 200)
		var group sync.WaitGroup
		c := newCoalescer(store.read, group.Go)
		ask := func(channel string) {
			group.Go(func() {
				page, err := c.get(t.Context(), hub.Query{Channel: channel})
				if err != nil {
					t.Error(err)
				}
				pages <- page
			})
			synctest.Wait()
		}
		ask("a")
		for range 99 {
			ask("a")
		}
		ask("b") // is no concern of theirs
		for range 2 {
			store.turn <- nil
		}
		synctest.Wait()
		ask("a") // the shared read is under way: it is too old for this one
		store.turn <- nil
		store.turn <- nil
		group.Wait()
		if store.reads != 4 {
			t.Errorf("the store was read %d times: want 2 for a, 1 for a late reader, 1 for b", store.reads)
		}
		if len(pages) != 102 || len(c.busy) != 0 {
			t.Errorf("%d pages came, %d reads are left", len(pages), len(c.busy))
		}
		for range len(pages) {
			page := <-pages
			if page.Messages[0] == nil {
				t.Fatal("two readers have the same slice")
			}
			page.Messages[0] = nil
		}
	})
}

func TestAReaderThatGoesAwayEndsNobodyElsesRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &slowStoreReader{turn: make(chan error)}
		var group sync.WaitGroup
		c := newCoalescer(store.read, group.Go)
		group.Go(func() { _, _ = c.get(t.Context(), hub.Query{}) })
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		var left, stayed error
		group.Go(func() { _, left = c.get(ctx, hub.Query{}) })
		synctest.Wait()
		group.Go(func() { _, stayed = c.get(t.Context(), hub.Query{}) })
		synctest.Wait()
		cancel()
		synctest.Wait()
		store.turn <- nil
		broken := errors.New("the disk is broken")
		store.turn <- broken
		group.Wait()
		if !errors.Is(left, context.Canceled) || !errors.Is(stayed, broken) {
			t.Errorf("the one who left got %v, the one who stayed %v", left, stayed)
		}
	})
}
