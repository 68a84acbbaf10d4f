package hub

import (
	"context"
	"time"
)

// Enlistment is a subscription that a server makes for others.
type Enlistment struct {
	Target Target
	Key    string // a channel or pattern
	Info   []byte // JSON that presence shows as their ChannelInfo; nil: none
	Data   []byte // JSON that they are told with it; nil: none
}

// Subscribe subscribes the sessions of a target to a channel or pattern, whatever
// their own grants say, as long as they last, and tells them so, from the present on. It returns
// how many are subscribed then: sessions whose protocol has no word for it are left
// alone. It needs the admin grant and [ActionSubscribe] for the key. The error is of
// [CodeBadRequest] or [CodeDenied], or what kept one session from being subscribed. It waits
// for the engine.
func (a *Actor) Subscribe(ctx context.Context, e Enlistment) (n int, err error) {
	if err := a.CheckAdmin("subscribe for others"); err != nil {
		return 0, err
	}
	if err := a.checkPattern(ActionSubscribe, e.Key); err != nil {
		return 0, err
	}
	for _, s := range a.hub.snapshot() {
		if !s.greeted.Load() || !e.Target.matches(s.Client()) {
			continue
		}
		switch ok, failed := s.enlist(ctx, &e); {
		case failed != nil:
			err = failed
		case ok:
			n++
		}
	}
	return n, err
}

// enlist makes a session's part of an enlistment. It is true if the session is
// subscribed then.
func (s *Session) enlist(ctx context.Context, e *Enlistment) (bool, error) {
	sub, err := s.Subscribe(ctx, SubscribeOptions{
		Keys: []string{e.Key}, Info: e.Info, Vital: true,
		Principal: &Principal{Grant: Grant{Subscribe: []string{e.Key}}}, // whatever becomes of the session's own
	})
	switch {
	case err == nil:
	case ErrorOf(err).Code == CodeAlreadySubscribed:
		return true, nil
	case ErrorOf(err).Code == CodeClosed:
		return false, nil
	default:
		return false, err
	}
	page, err := s.hub.history(ctx, Query{Channel: e.Key})
	if err != nil || !s.tell(Event{Kind: KindSubscribed, Subscription: e.Key, Position: page.Top, Data: e.Data}) {
		s.Unsubscribe(e.Key)
		return false, err
	}
	sub.Resume(page.Top)
	return true, nil
}

// Extend sets when the sessions of a target end unless they come with new tokens;
// the zero time is never. It returns their number. It needs the admin grant.
func (a *Actor) Extend(t Target, expires time.Time) (n int, err error) {
	if err := a.CheckAdmin("refresh for others"); err != nil {
		return 0, err
	}
	for _, s := range a.hub.snapshot() {
		if t.matches(s.Client()) && s.extend(expires) {
			n++
		}
	}
	return n, nil
}

// extend is false if the session is nobody's yet.
func (s *Session) extend(expires time.Time) bool {
	s.mu.Lock()
	own := s.principal.Load()
	if own != nil {
		p := *own
		p.Expires = expires
		s.principal.Store(&p)
		s.setExpiryLocked()
	}
	s.mu.Unlock()
	if own == nil {
		return false
	}
	s.recheck(time.Now())
	return true
}

// Actor is the hub as whoever's grant the subscription stands on may use it: its
// own principal, or else the session's.
func (sub *Subscription) Actor() *Actor {
	s := sub.session
	s.mu.Lock()
	defer s.mu.Unlock()
	if sub.principal != nil {
		return s.hub.As(sub.principal)
	}
	return s.Actor()
}

// Greeted says that the client was told that it is connected: from now on the
// server may tell it of subscriptions that others make for it.
func (s *Session) Greeted() { s.greeted.Store(true) }
