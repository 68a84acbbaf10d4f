package hub

import (
	"context"
	"time"
)

// checkValid says why a principal does not count any more; nobody has no time
// that could be over.
func (h *Hub) checkValid(p *Principal, now time.Time) error {
	if p == nil {
		return nil
	}
	if p.Expired(now) {
		return Errorf(CodeExpired, "your time here is over since %s: come with a new token", p.Expires.UTC().Format(time.RFC3339))
	}
	if h.config.Refuses == nil {
		return nil
	}
	return h.config.Refuses(p)
}

// Recheck asks again of every session and subscription whether its principal
// counts, and ends those whose does not: after Config.Refuses has changed its mind. It returns
// the number of sessions that it closed.
func (h *Hub) Recheck() int {
	n, now := 0, time.Now()
	for _, s := range h.snapshot() {
		if s.recheck(now) {
			n++
		}
	}
	return n
}

// Record keeps a record; see [Recorder]. It needs the admin grant.
func (a *Actor) Record(ctx context.Context, kind, id string, record []byte, ttl time.Duration) error {
	if err := a.CheckAdmin("records"); err != nil {
		return err
	}
	recorder, ok := a.hub.config.Engine.(Recorder)
	if !ok {
		return Errorf(CodeNotAvailable, "this hub's store can't keep records")
	}
	return recorder.Record(ctx, kind, id, record, ttl)
}

// Records hands the records of a kind to hear; see [Recorder]. If the engine keeps
// none, there are none.
func (h *Hub) Records(ctx context.Context, kind string, hear func(record []byte)) (stop func(), err error) {
	recorder, ok := h.config.Engine.(Recorder)
	if !ok {
		return func() {}, nil
	}
	return recorder.Records(ctx, kind, hear)
}

func newClient(id string, p *Principal) *Client {
	if p == nil {
		return &Client{ID: id}
	}
	return &Client{ID: id, User: p.User, Info: p.Info}
}

// Principal is whom the session speaks for; nil: nobody.
func (s *Session) Principal() *Principal { return s.principal.Load() }

// Actor is the hub as the session's principal of the moment may use it.
func (s *Session) Actor() *Actor {
	return &Actor{hub: s.hub, principal: s.principal.Load(), meter: s.meter}
}

// Identify says who the session is, what others may see of it and what it may do
// from now on. It comes before the first Subscribe; earlier subscriptions would keep the old
// name. If p does not count any more, the session is closed.
func (s *Session) Identify(p *Principal) {
	s.client.Store(newClient(s.Client().ID, p))
	s.Renew(p)
	s.known.Store(true)
}

// Renew puts p in the place of the session's principal, of the same user: it
// came with a new token. Subscriptions that p's grant does not cover end.
func (s *Session) Renew(p *Principal) {
	s.mu.Lock()
	s.principal.Store(p)
	s.setExpiryLocked()
	s.mu.Unlock()
	s.recheck(time.Now())
}

// RenewSubscription is Renew for a subscription that has a principal of its own,
// by its name. It is false if there is none.
func (s *Session) RenewSubscription(key string, p *Principal) bool {
	s.mu.Lock()
	sub := s.subs.get(key)
	ok := sub != nil && sub.principal != nil
	if ok {
		sub.principal = p
		s.setExpiryLocked()
	}
	s.mu.Unlock()
	if ok {
		s.recheck(time.Now())
	}
	return ok
}

// recheck closes the session if its principal does not count any more, which it
// reports, and ends the subscriptions that nobody who counts may have.
func (s *Session) recheck(now time.Time) (closed bool) {
	if s.Ended() {
		return false
	}
	if err := s.hub.checkValid(s.principal.Load(), now); err != nil {
		s.Close(reasonOf(err))
		return true
	}
	type loss struct {
		key    string
		reason Reason
	}
	var lost []loss
	s.mu.Lock()
	for _, sub := range s.subs {
		err := s.covers(sub)
		if sub.principal != nil && err == nil {
			err = s.hub.checkValid(sub.principal, now)
		}
		if err != nil {
			lost = append(lost, loss{sub.name(), reasonOf(err)})
		}
	}
	s.mu.Unlock()
	for _, l := range lost {
		s.unsubscribe(l.key, &l.reason)
	}
	s.setExpiry()
	return false
}

// covers returns nil if the grant that counts for a subscription covers it. The
// caller holds mu.
func (s *Session) covers(sub *Subscription) error {
	p := sub.principal
	if p == nil {
		p = s.principal.Load()
	}
	for i := range sub.parts {
		if err := p.Check(ActionSubscribe, sub.parts[i].key); err != nil {
			return err
		}
	}
	return nil
}

// reasonOf is why a session or subscription ends whose principal err is about.
func reasonOf(err error) Reason {
	e := ErrorOf(err)
	switch e.Code {
	case CodeExpired:
		return Reason{Cause: CauseExpired}
	case CodeUnauthenticated:
		return Reason{Cause: CauseRevoked}
	}
	return Reason{Cause: CauseDenied}
}

// setExpiry keeps the time from which the heart must look: when the session's
// principal or the first one of its subscriptions' expires, in Unix nanoseconds; 0: never.
func (s *Session) setExpiry() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.setExpiryLocked()
}

func (s *Session) setExpiryLocked() {
	first := expiryOf(s.principal.Load())
	for _, sub := range s.subs {
		if at := expiryOf(sub.principal); at != 0 && (first == 0 || at < first) {
			first = at
		}
	}
	s.expires.Store(first)
}

func expiryOf(p *Principal) int64 {
	if p == nil || p.Expires.IsZero() {
		return 0
	}
	return p.Expires.UnixNano()
}
