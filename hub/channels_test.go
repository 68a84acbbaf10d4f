package hub_test

import (
	"fmt"
	"runtime"
	"testing"

	"fanfold/hub"
)

// nowhere is a connection that nothing is sent to.
type nowhere struct{}

func (nowhere) Wake()            {}
func (nowhere) Close(hub.Reason) {}

// TestMemoryOfAChannel bounds what a channel with one subscriber takes, from the
// session to the engine's server. Of that, 225 bytes are for the engine's buckets, of which
// there are no more with more channels.
func TestMemoryOfAChannel(t *testing.T) {
	const (
		channels   = 20_000
		perSession = 125
		budget     = 920 // bytes
	)
	h := newHub(t, hub.Config{})
	var sessions []*hub.Session
	for range channels / perSession {
		s, err := h.Open(hub.SessionConfig{Conn: nowhere{}, Codec: positions{}})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Detach()
		sessions = append(sessions, s)
	}
	before := heap()
	for i := range channels {
		key := fmt.Sprint("c.", i)
		sub, err := sessions[i/perSession].Subscribe(t.Context(), hub.SubscribeOptions{Keys: []string{key}})
		if err != nil {
			t.Fatal(err)
		}
		sub.Resume(hub.Position{})
	}
	publish(t, h, "c.0", `1`) // the server has every subscription by then
	if bytes := (heap() - before) / channels; bytes > budget {
		t.Errorf("a channel with one subscriber takes %d bytes, more than %d", bytes, budget)
	}
}

// heap is how many bytes are in use.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what the first one has put aside
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
