package stream

import (
	"context"
	"slices"
	"sync"

	"fanfold/hub"
)

// coalescer lets readers that ask for the same share one read of the store: when a
// thousand clients come back at once, they ask for the same page of the same channel. A
// reader never gets what was read before it asked, since it relies on everything that was
// stored until then; it waits for the read under way, and shares the next.
type coalescer struct {
	read func(context.Context, hub.Query) (hub.Page, error) // static
	run  func(func())                                       // static; starts a goroutine

	mu   sync.Mutex
	busy map[hub.Query]*sharedRead // guarded by mu; nil while one reads and none waits
}

// sharedRead is one that begins when the read under way has ended.
type sharedRead struct {
	done chan struct{} // closed when page and err are set
	page hub.Page
	err  error
}

func newCoalescer(read func(context.Context, hub.Query) (hub.Page, error), run func(func())) *coalescer {
	return &coalescer{read: read, run: run, busy: map[hub.Query]*sharedRead{}}
}

// get returns a page whose messages are shared and must not be changed.
func (c *coalescer) get(ctx context.Context, q hub.Query) (hub.Page, error) {
	c.mu.Lock()
	next, busy := c.busy[q]
	if !busy {
		c.busy[q] = nil
		c.mu.Unlock()
		defer c.finish(q)
		return c.read(ctx, q)
	}
	if next == nil {
		next = &sharedRead{done: make(chan struct{})}
		c.busy[q] = next
	}
	c.mu.Unlock()
	select {
	case <-next.done:
		page := next.page
		page.Messages = slices.Clone(page.Messages)
		return page, next.err
	case <-ctx.Done():
		return hub.Page{}, unavailable("read history", ctx.Err())
	}
}

// finish ends a read and begins the next if somebody waits for it.
func (c *coalescer) finish(q hub.Query) {
	c.mu.Lock()
	defer c.mu.Unlock()
	next := c.busy[q]
	if next == nil {
		delete(c.busy, q)
		return
	}
	c.busy[q] = nil
	c.run(func() {
		defer c.finish(q)
		ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
		defer cancel()
		next.page, next.err = c.read(ctx, q)
		close(next.done)
	})
}
