package hub_test

import (
	"context"
	"sync"
	"time"

	"fanfold/hub"
)

// keeper is an engine in a slice. It delivers in the publisher's goroutine, so
// that a test knows what was offered to the hub.
type keeper struct {
	mu        sync.Mutex
	all       []*hub.Message          // guarded by mu
	last      map[string]uint64       // guarded by mu; of each channel
	listeners map[hub.Listener]string // guarded by mu
	afterRead func()                  // nil: nothing
}

// lose tells all listeners of a loss.
func (k *keeper) lose() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for l := range k.listeners {
		l.Lost()
	}
}

func newKeeper() *keeper {
	return &keeper{last: map[string]uint64{}, listeners: map[hub.Listener]string{}}
}

const keeperEpoch = "0000001"

func (k *keeper) Publish(_ context.Context, m *hub.Message, o hub.PublishOptions) (bool, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	m.ID, m.Time = hub.LiveID(), time.Now()
	if !o.Live {
		m.Position = hub.Position{Epoch: keeperEpoch, Seq: uint64(len(k.all) + 1)}
		m.ID, m.Prev = m.Position.String(), k.last[m.Channel]
		k.last[m.Channel] = m.Position.Seq
		k.all = append(k.all, m)
	}
	for listener, pattern := range k.listeners {
		if hub.Match(pattern, m.Channel) {
			listener.Deliver(m)
		}
	}
	return false, nil
}

func (k *keeper) Read(_ context.Context, q hub.Query) (page hub.Page, err error) {
	if k.afterRead != nil {
		defer k.afterRead()
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	page.Top = hub.Position{Epoch: keeperEpoch, Seq: uint64(len(k.all))}
	for _, m := range k.all[q.After.Seq:] {
		switch {
		case !hub.Match(q.Channel, m.Channel) || !q.Until.IsZero() && m.Position.Seq > q.Until.Seq:
		case len(page.Messages) == q.Limit:
			page.More = true
			return page, nil
		default:
			page.Messages = append(page.Messages, m)
		}
	}
	return page, nil
}

func (k *keeper) Listen(pattern string, l hub.Listener) (func(), error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.listeners[l] = pattern
	return func() { k.mu.Lock(); delete(k.listeners, l); k.mu.Unlock() }, nil
}
