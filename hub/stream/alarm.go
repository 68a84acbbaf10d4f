package stream

import (
	"container/heap"
	"context"
	"slices"
	"sync"
	"time"

	"fanfold/hub"
)

// alarm says when a message that waits in the store is published.
type alarm struct {
	id, channel string
	next        time.Time
	// doubtful: it may have been published for this time already.
	doubtful bool
	index    int // in the heap
}

// alarms are all messages that wait, by time: Config.MaxSchedules of them at most.
type alarms struct {
	loaded chan struct{} // closed when all that the store has are here
	wake   chan struct{} // one slot: the earliest may be another
	// one holds who changes what waits: a store and what is here change together
	one chan struct{}

	mu   sync.Mutex
	byID map[string]*alarm // guarded by mu
	heap alarmHeap         // guarded by mu
}

func newAlarms() *alarms {
	return &alarms{
		loaded: make(chan struct{}), wake: make(chan struct{}, 1), one: make(chan struct{}, 1),
		byID: map[string]*alarm{},
	}
}

// turn waits until all alarms are loaded and nobody else changes what waits; done
// lets the next one do so.
func (a *alarms) turn(ctx context.Context) (done func(), err error) {
	select {
	case <-a.loaded:
	case <-ctx.Done():
		return nil, unavailable("wait for what is scheduled", ctx.Err())
	}
	select {
	case a.one <- struct{}{}:
		return func() { <-a.one }, nil
	case <-ctx.Done():
		return nil, unavailable("wait for a turn to schedule", ctx.Err())
	}
}

// set enters an alarm, in place of the one with its ID.
func (a *alarms) set(n alarm) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if old := a.byID[n.id]; old != nil {
		heap.Remove(&a.heap, old.index)
	}
	a.byID[n.id] = &n
	heap.Push(&a.heap, &n)
	if n.index == 0 {
		select {
		case a.wake <- struct{}{}:
		default:
		}
	}
}

func (a *alarms) drop(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if old := a.byID[id]; old != nil {
		heap.Remove(&a.heap, old.index)
		delete(a.byID, id)
	}
}

func (a *alarms) get(id string) (alarm, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if found := a.byID[id]; found != nil {
		return *found, true
	}
	return alarm{}, false
}

func (a *alarms) len() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.heap)
}

// earliest returns the alarm that is next.
func (a *alarms) earliest() (alarm, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.heap) == 0 {
		return alarm{}, false
	}
	return *a.heap[0], true
}

// matching returns the alarms for channels of a pattern behind an ID, in the order of
// IDs. It waits until they are loaded.
func (a *alarms) matching(ctx context.Context, pattern, after string) (found []alarm, err error) {
	done, err := a.turn(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	a.mu.Lock()
	for _, one := range a.heap {
		if one.id > after && hub.Match(pattern, one.channel) {
			found = append(found, *one)
		}
	}
	a.mu.Unlock()
	slices.SortFunc(found, byID)
	return found, nil
}

// alarmHeap implements [heap.Interface]. What is due at one time is in the order
// of IDs.
type alarmHeap []*alarm

func (h alarmHeap) Len() int { return len(h) }

func (h alarmHeap) Less(i, j int) bool {
	if !h[i].next.Equal(h[j].next) {
		return h[i].next.Before(h[j].next)
	}
	return h[i].id < h[j].id
}

func (h alarmHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push implements [heap.Interface].
func (h *alarmHeap) Push(x any) {
	one := x.(*alarm)
	one.index = len(*h)
	*h = append(*h, one)
}

// Pop implements [heap.Interface].
func (h *alarmHeap) Pop() any {
	last := len(*h) - 1
	one := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return one
}
