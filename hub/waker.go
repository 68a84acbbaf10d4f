package hub

import "sync"

const (
	// fewWoken are woken by the shard itself.
	fewWoken = 8
	// herdSize is how many a waker takes at a time.
	herdSize = 32
	// maxHerds wait for wakers; when there are more, a shard wakes sessions itself.
	maxHerds = 1 << 10
)

// herd is sessions to be woken. A waker gives it back to herds.
type herd struct {
	sessions [herdSize]*Session
	n        int
}

var herds = sync.Pool{New: func() any { return new(herd) }}

// wakeHerds is a waker: it wakes what the shards leave to it. A wake may be a write to the
// network, so that a channel with many subscribers would have one processor at work, and its
// shard nothing else to do.
func (h *Hub) wakeHerds() {
	for {
		select {
		case herd := <-h.herds:
			herd.wake()
		case <-h.stop:
			return
		}
	}
}

func (h *herd) wake() {
	for i := range h.n {
		h.sessions[i].conn.Wake()
		h.sessions[i] = nil
	}
	h.n = 0
	herds.Put(h)
}

// wakeAll wakes the sessions that were sent something. It does not wait.
func (s *shard) wakeAll() {
	s.offered, s.offeredBytes = 0, 0
	left := s.woken
	for len(left) > fewWoken {
		herd, _ := herds.Get().(*herd)
		herd.n = copy(herd.sessions[:], left)
		left = left[herd.n:]
		select {
		case s.hub.herds <- herd:
		default:
			herd.wake()
		}
	}
	for _, session := range left {
		session.conn.Wake()
	}
	clear(s.woken)
	s.woken = s.woken[:0]
}
