package limit

import (
	"math/rand/v2"
	"sync"
	"time"
)

// Lease is one connection's place among those that its account may have.
type Lease struct {
	limits *Limits // static

	mu       sync.Mutex
	account  Account // guarded by mu
	released bool    // guarded by mu
}

// Connect takes an attempt and a place for a connection of an account. Who gets
// the Lease must release it. The error is a [Refusal].
func (l *Limits) Connect(a Account) (*Lease, error) {
	if err := l.admit(a, true); err != nil {
		return nil, err
	}
	if n := l.connections.Add(1); l.config.Connections > 0 && n > int64(l.config.Connections) {
		l.connections.Add(-1)
		l.leave(a)
		return nil, l.refuse(tooMany(Connections, Account{}, l.config.Connections, " to this hub", someWhile()))
	}
	return &Lease{limits: l, account: a}, nil
}

// Move gives the place to the account of who the client has turned out to be. The
// error is a [Refusal]; the Lease then stays as it was.
func (s *Lease) Move(a Account) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.released || s.account == a {
		return nil
	}
	if err := s.limits.admit(a, false); err != nil {
		return err
	}
	s.limits.leave(s.account)
	s.account = a
	return nil
}

// Release gives the place back. Only the first call counts.
func (s *Lease) Release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.released {
		return
	}
	s.released = true
	s.limits.leave(s.account)
	s.limits.connections.Add(-1)
}

// bound is how many connections an account may have, 0 for any number, and how
// the limit is called.
func (l *Limits) bound(k kind) (most int, name Name, of string) {
	switch k {
	case ofUser, ofToken:
		return l.config.ConnectionsPerUser, ConnectionsPerUser, " of one user"
	case ofNetwork:
		return l.config.ConnectionsPerIP, ConnectionsPerIP, " from one address"
	}
	return 0, "", ""
}

// admit counts a connection to an account that has room for it. attempt: it costs
// one of those too, whatever comes of it.
func (l *Limits) admit(a Account, attempt bool) error {
	most, name, of := l.bound(a.kind)
	if name == "" {
		return nil
	}
	now := time.Now()
	s, e := l.table(a).lock(a, now)
	defer s.unlock(e)
	if b := e.bucket(connects, l.config.Connects); b != nil && attempt {
		if retry := wait(b, 1, now); retry > 0 {
			return l.refuse(tooFast(Connects, a, l.config.Connects, "attempts to connect", retry))
		}
		b.AllowN(now, 1)
	}
	if most > 0 && e.connections >= most {
		return l.refuse(tooMany(name, a, most, of, someWhile()))
	}
	e.connections++
	return nil
}

// leave undoes admit.
func (l *Limits) leave(a Account) {
	if _, name, _ := l.bound(a.kind); name == "" {
		return
	}
	s, e := l.table(a).lock(a, time.Now())
	e.connections--
	s.unlock(e)
}

// someWhile is when to try again for a place: each client at a time of its own.
func someWhile() time.Duration { return 5*time.Second + rand.N(10*time.Second) }
