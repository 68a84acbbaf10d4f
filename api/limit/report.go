package limit

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Bounds on what the log is told of refusals: each account at each limit once in
// tellEvery, and at most maxTold of them.
const (
	tellEvery = time.Minute
	maxTold   = 100
)

// report counts refusals and tells the log of some.
type report struct {
	logger  *slog.Logger // static
	refused [len(names)]atomic.Int64

	mu      sync.Mutex
	begun   time.Time            // guarded by mu; of the minute under way
	told    map[refusalKind]bool // guarded by mu; in that minute; at most maxTold
	omitted int                  // guarded by mu; refusals that the log was not told of, since the last one that it was
}

type refusalKind struct {
	limit   Name
	account Account
}

// refuse counts a refusal, tells the log if it is news, and returns it.
func (l *Limits) refuse(r *Refusal) error {
	for i, name := range names {
		if name == r.Limit {
			l.report.refused[i].Add(1)
		}
	}
	if news, omitted := l.report.isNews(refusalKind{r.Limit, r.Account}, time.Now()); news {
		l.report.logger.Warn("limit reached", "limit", r.Limit, "of", r.Account.String(), "reason", r.Message, "omitted", omitted)
	}
	return r
}

func (r *report) isNews(kind refusalKind, now time.Time) (news bool, omitted int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.begun) >= tellEvery {
		r.begun, r.told = now, map[refusalKind]bool{}
	}
	if r.told[kind] || len(r.told) >= maxTold {
		r.omitted++
		return false, 0
	}
	r.told[kind] = true
	omitted, r.omitted = r.omitted, 0
	return true, omitted
}
