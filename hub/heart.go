package hub

import (
	"math/rand/v2"
	"time"
)

// beatEvery is how often the heart looks at every session.
const beatEvery = time.Second

// beat is the heart: it pings sessions that are due and closes those that did
// not answer, did not say who they are, or whose principal has expired.
func (h *Hub) beat() {
	ticker := time.NewTicker(beatEvery)
	defer ticker.Stop()
	for {
		select {
		case now := <-ticker.C:
			for _, s := range h.snapshot() {
				s.beat(now)
			}
		case <-h.stop:
			return
		}
	}
}

func (s *Session) beat(now time.Time) {
	if at := s.expires.Load(); at != 0 && now.UnixNano() >= at {
		s.recheck(now)
	}
	switch {
	case !s.known.Load():
		if now.Sub(s.opened) >= s.identifyWithin {
			s.Close(Reason{Cause: CauseStale})
		}
	case s.pingEvery == 0 || now.Before(s.nextPing):
	case s.pongs && s.pingOpen.Load():
		s.Close(Reason{Cause: CauseNoPong})
	default:
		s.nextPing = s.nextPing.Add(s.pingEvery)
		if s.pongs {
			s.pingOpen.Store(true)
		}
		s.tell(Event{Kind: KindPing, Subscription: s.label, Time: now})
	}
}

// jitter is a random time of half to the whole of d.
func jitter(d time.Duration) time.Duration { return d/2 + rand.N(d/2+1) }
