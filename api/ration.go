package api

import (
	"sync"
	"time"
)

// Bounds on what the log is told of things of one kind that anybody can bring about,
// as often as they like: refused credentials, and requests to a store that is broken.
const (
	rationEvery = time.Minute
	maxRation   = 100 // in that time
)

// ration is what the log was told lately of things of one kind. Its zero value is
// ready.
type ration struct {
	mu      sync.Mutex
	begun   time.Time // guarded by mu; of the minute under way
	told    int       // guarded by mu; in it
	omitted int       // guarded by mu; since the last one told
}

// next counts one, and reports whether to tell of it, and of how many not told
// before.
func (r *ration) next(now time.Time) (tell bool, omitted int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.begun) >= rationEvery {
		r.begun, r.told = now, 0
	}
	if r.told >= maxRation {
		r.omitted++
		return false, 0
	}
	r.told++
	omitted, r.omitted = r.omitted, 0
	return true, omitted
}
