package limit

import "time"

// Idle takes a place for a TCP connection of an account on which nothing is asked:
// no request has come yet, or the next one has not. The error is a [Refusal]; otherwise
// the place is to be given back with Busy.
func (l *Limits) Idle(a Account) error {
	if a.kind != ofNetwork || l.config.IdlePerIP == 0 {
		return nil
	}
	s, e := l.networks.lock(a, time.Now())
	defer s.unlock(e)
	if e.idle >= l.config.IdlePerIP {
		return l.refuse(tooMany(IdlePerIP, a, l.config.IdlePerIP, " that ask for nothing from one address", someWhile()))
	}
	e.idle++
	return nil
}

// Busy gives back what Idle has taken.
func (l *Limits) Busy(a Account) {
	if a.kind != ofNetwork || l.config.IdlePerIP == 0 {
		return
	}
	s, e := l.networks.lock(a, time.Now())
	e.idle--
	s.unlock(e)
}
