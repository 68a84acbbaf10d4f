package hub

import (
	"sync"
	"sync/atomic"
	"time"
)

// Bounds on what the log is told of denials: each kind once in denialEvery, and
// at most maxDenials of them, or somebody could fill it with names.
const (
	denialEvery = time.Minute
	maxDenials  = 1000
)

// denial is a kind of denial: who wanted what.
type denial struct{ user, name, action, key string }

// denials count what was denied, and remember what the log was told lately.
type denials struct {
	total atomic.Int64

	mu      sync.Mutex
	begun   time.Time           // guarded by mu; of the minute under way
	told    map[denial]struct{} // guarded by mu; in that minute; at most maxDenials
	omitted int                 // guarded by mu; kinds that found no room in it
}

// isNews counts a denial, and reports whether the log is to be told of it. omitted
// is how many the minute before had too many, once.
func (d *denials) isNews(kind denial, now time.Time) (news bool, omitted int) {
	d.total.Add(1)
	d.mu.Lock()
	defer d.mu.Unlock()
	if now.Sub(d.begun) >= denialEvery {
		omitted, d.omitted = d.omitted, 0
		d.begun, d.told = now, map[denial]struct{}{}
	}
	if _, ok := d.told[kind]; ok {
		return false, omitted
	}
	if len(d.told) >= maxDenials {
		d.omitted++
		return false, omitted
	}
	d.told[kind] = struct{}{}
	return true, omitted
}

// denied counts a denial, tells the log if it is news, and returns err.
func (h *Hub) denied(p *Principal, action, key string, err error) error {
	kind := denial{action: action, key: key}
	token := ""
	if p != nil {
		kind.user, kind.name, token = p.User, p.Name, p.TokenID
	}
	news, omitted := h.denials.isNews(kind, time.Now())
	if omitted > 0 {
		h.config.Logger.Warn("more was denied than is told", "kinds", omitted)
	}
	if news {
		h.config.Logger.Warn("denied", "user", kind.user, "name", kind.name, "token", token,
			"action", action, "on", key, "reason", ErrorOf(err).Message)
	}
	return err
}
