package hub

import "sync/atomic"

// Published counts what became of the messages that somebody gave to
// [Actor.Publish], each in one of the fields. What is scheduled is not among them.
type Published struct {
	Stored    int64
	Live      int64 // delivered without being stored
	Duplicate int64 // not stored again
	Refused   int64 // for something that the publisher can change, or has to wait for
	Failed    int64 // because the hub could not store or deliver them
}

// published has the counters behind [Published]. Any goroutine may count.
type published struct{ stored, live, duplicate, refused, failed atomic.Int64 }

// count counts one publish by what it returned.
func (p *published) count(live, duplicate bool, err error) {
	switch {
	case err != nil && isOwnFault(ErrorOf(err).Code):
		p.failed.Add(1)
	case err != nil:
		p.refused.Add(1)
	case duplicate:
		p.duplicate.Add(1)
	case live:
		p.live.Add(1)
	default:
		p.stored.Add(1)
	}
}

// isOwnFault reports whether an error is the hub's, and not the caller's.
func isOwnFault(c Code) bool {
	switch c {
	case CodeInternal, CodeUnavailable, CodeFull, CodeClosed:
		return true
	}
	return false
}

// snapshot returns the counters, which are not of one moment.
func (p *published) snapshot() Published {
	return Published{
		Stored: p.stored.Load(), Live: p.live.Load(), Duplicate: p.duplicate.Load(),
		Refused: p.refused.Load(), Failed: p.failed.Load(),
	}
}
