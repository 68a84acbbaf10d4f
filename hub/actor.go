package hub

import (
	"context"
	"iter"
	"time"
)

// Actor is the hub as one [Principal] may use it: the only way in for whoever is
// outside, and the one place where grants count. What no grant covers is an [Error] of
// [CodeDenied] with [ErrNotGranted] in its chain; it goes to the log once a minute, and is
// counted in [Info]. A principal that is revoked or whose time is over gets
// [CodeUnauthenticated] or [CodeExpired]. Methods may be called from any goroutine.
type Actor struct {
	hub       *Hub // static
	principal *Principal
	meter     Meter // nil: nothing is charged
}

// As returns the hub as p may use it. nil may do nothing.
func (h *Hub) As(p *Principal) *Actor { return &Actor{hub: h, principal: p} }

// Timeless returns a for what the principal has left to be done when its time is over.
// If it is revoked it does not count all the same.
func (a *Actor) Timeless() *Actor {
	if a.principal == nil {
		return a
	}
	p := *a.principal
	p.Expires = time.Time{}
	return &Actor{hub: a.hub, principal: &p, meter: a.meter}
}

// Principal is who acts; nil if nobody is known.
func (a *Actor) Principal() *Principal { return a.principal }

// Check returns nil if a may do this on all keys, which are valid channels or
// patterns.
func (a *Actor) Check(action Action, keys ...string) error {
	if err := a.hub.checkValid(a.principal, time.Now()); err != nil {
		return err
	}
	for _, key := range keys {
		if err := a.principal.Check(action, key); err != nil {
			return a.hub.denied(a.principal, action.String(), key, err)
		}
	}
	return nil
}

// CheckAdmin returns nil if a may do what is not about one channel, which is
// named for the error.
func (a *Actor) CheckAdmin(what string) error {
	if err := a.hub.checkValid(a.principal, time.Now()); err != nil {
		return err
	}
	if err := a.principal.CheckAdmin(what); err != nil {
		return a.hub.denied(a.principal, "admin", what, err)
	}
	return nil
}

// Allows reports whether Check would return nil for this key. It tells nobody.
func (a *Actor) Allows(action Action, key string) bool {
	return a.hub.checkValid(a.principal, time.Now()) == nil && a.principal.Check(action, key) == nil
}

// Open registers a session of the principal's, which needs no grant. The error is
// an [Error] of [CodeUnavailable] while the hub shuts down, or says that the principal does
// not count any more. A session that was opened must be detached.
func (a *Actor) Open(c SessionConfig) (*Session, error) {
	if err := a.hub.checkValid(a.principal, time.Now()); err != nil {
		return nil, err
	}
	return a.hub.open(a.principal, a.meter, c)
}

// Publish gives m to the engine: stored and then delivered, or delivered
// without being stored if its channel's rule or o says so. It needs [ActionPublish], and to
// roll up what RemoveHistory needs. It fills in m's ID, Position and Time. duplicate: o's key had
// been used before, and m has the first one's ID. The error is an [Error] of [CodeBadRequest],
// [CodeTooLarge], [CodeDenied], [CodeBusy], [CodeFull], [CodeUnavailable] or, if o has a
// condition, [CodeConflict]. Data must be JSON: the caller has checked that.
func (a *Actor) Publish(ctx context.Context, m *Message, o PublishOptions) (duplicate bool, err error) {
	duplicate, err = a.publish(ctx, m, o)
	a.hub.published.count(m.Position.IsZero(), duplicate, err)
	return duplicate, err
}

// publish is Publish without the counting.
func (a *Actor) publish(ctx context.Context, m *Message, o PublishOptions) (duplicate bool, err error) {
	if err := a.admit(m, &o); err != nil {
		return false, err
	}
	return a.hub.config.Engine.Publish(ctx, m, o)
}

// admit charges a publish, refuses what is not allowed, signs m, and brings o in line with
// the channel's rule.
func (a *Actor) admit(m *Message, o *PublishOptions) error {
	if err := a.charge(m); err != nil {
		return err
	}
	if err := a.checkChannel(ActionPublish, m.Channel); err != nil {
		return err
	}
	if o.RollUp {
		if err := a.Check(ActionHistory, m.Channel); err != nil {
			e := ErrorOf(err)
			return &Error{Code: e.Code, Message: "a rollup takes history away: " + e.Message, Err: err}
		}
	}
	return a.hub.checkPublish(m, o, a.sign(m))
}

// Stores reports whether what is published to a channel is stored. It needs no grant.
func (a *Actor) Stores(channel string) bool { return !a.hub.config.Rules.For(channel).Live }

// Schedule has a message published later, or again and again; see [Scheduler].
// It needs [ActionPublish]; the grant counts now, not when the time comes. Errors are those of
// Publish, and [CodeNotAvailable].
func (a *Actor) Schedule(ctx context.Context, s *Scheduled) (duplicate bool, err error) {
	if err := a.charge(s.Message); err != nil {
		return false, err
	}
	if err := a.checkChannel(ActionPublish, s.Message.Channel); err != nil {
		return false, err
	}
	return a.hub.schedule(ctx, s, a.sign(s.Message))
}

// sign says in m who publishes it, unless its session is said already: the user of a
// token. server: it comes from a server, or from anybody where nobody is asked who they are.
func (a *Actor) sign(m *Message) (server bool) {
	p := a.principal
	if m.Publisher == nil && p.User != "" {
		m.Publisher = &Client{User: p.User, Info: p.Info}
	}
	return m.Publisher == nil && (p.Server || p.Grant.Admin)
}

// Scheduled returns what waits for its time; see [Scheduler]. It needs
// [ActionHistory].
func (a *Actor) Scheduled(ctx context.Context, pattern, after string, limit int) (list []Scheduled, more bool, err error) {
	if err := a.checkPattern(ActionHistory, pattern); err != nil {
		return nil, false, err
	}
	return a.hub.scheduled(ctx, pattern, after, limit)
}

// CancelScheduled forgets what is scheduled under an ID, whatever its channel. It
// needs the admin grant. It is false if that is not there any more.
func (a *Actor) CancelScheduled(ctx context.Context, id string) (bool, error) {
	if err := a.CheckAdmin("schedule_cancel without a channel"); err != nil {
		return false, err
	}
	return a.hub.cancelScheduled(ctx, id)
}

// Supersede forgets what is scheduled for a channel under an ID, or with it as the
// Sequence, but for the one with the ID kept. It needs [ActionPublish]. It returns what was
// forgotten, without an error if nothing can be scheduled here.
func (a *Actor) Supersede(ctx context.Context, channel, id, kept string) ([]Scheduled, error) {
	if err := a.checkChannel(ActionPublish, channel); err != nil {
		return nil, err
	}
	return a.hub.supersede(ctx, channel, id, kept)
}

// RemoveHistory forgets a channel's stored messages. It needs [ActionPublish],
// because who may publish can push them out anyway, and [ActionHistory].
func (a *Actor) RemoveHistory(ctx context.Context, channel string) error {
	if err := a.checkChannel(ActionPublish, channel); err != nil {
		return err
	}
	if err := a.Check(ActionHistory, channel); err != nil {
		return err
	}
	return a.hub.removeHistory(ctx, channel)
}

// History returns one page of a channel's or pattern's stored messages; see
// [Engine]. It needs [ActionHistory].
func (a *Actor) History(ctx context.Context, q Query) (Page, error) {
	if err := a.checkPattern(ActionHistory, q.Channel); err != nil {
		return Page{}, err
	}
	return a.hub.history(ctx, q)
}

// Recover is History for a subscriber that goes on behind a position that it has
// seen, or asks for Top alone: it needs [ActionSubscribe] only. Without a position it needs
// [ActionHistory].
func (a *Actor) Recover(ctx context.Context, q Query) (Page, error) {
	if err := a.checkPattern(readAction(q), q.Channel); err != nil {
		return Page{}, err
	}
	return a.hub.history(ctx, q)
}

// Now returns the position of the newest message in the whole store. A replay up
// to it and a subscription resumed from it meet without a gap or a double, if the subscription
// was made first. It needs no grant.
func (a *Actor) Now(ctx context.Context) (Position, error) {
	if err := a.hub.checkValid(a.principal, time.Now()); err != nil {
		return Position{}, err
	}
	return a.hub.now(ctx)
}

// Replay yields the stored messages of all keys behind q.After or since q.Since,
// up to q.Until, each once, in the order in which they were stored. It reads in pages, as
// far ahead as the caller asks for. q's Channel, Limit and Reverse are ignored. An error
// ends it. It needs what Recover needs, for each key.
func (a *Actor) Replay(ctx context.Context, keys []string, q Query) iter.Seq2[*Message, error] {
	q.Limit, q.Reverse = replayPage, false
	for _, key := range keys {
		if err := a.checkPattern(readAction(q), key); err != nil {
			return func(yield func(*Message, error) bool) { yield(nil, err) }
		}
	}
	return a.hub.replay(ctx, keys, q)
}

// readAction is what a query needs: who goes on where it was gets no more than a
// subscriber that never left.
func readAction(q Query) Action {
	if q.Limit == 0 || !q.After.IsZero() && !q.Reverse {
		return ActionSubscribe
	}
	return ActionHistory
}

// Presence returns the clients subscribed to exactly this channel, sorted by ID.
// Those who reach it through a pattern are not in it. It needs [ActionPresence]. The error is
// an [Error] of [CodeNotAvailable] if the channel's rule hides presence.
func (a *Actor) Presence(ctx context.Context, channel string) ([]Client, error) {
	if err := a.checkChannel(ActionPresence, channel); err != nil {
		return nil, err
	}
	return a.hub.presence(ctx, channel)
}

// Channels returns the channels and patterns that have subscribers, with how
// many. A pattern selects the channels that it matches; "" all channels and patterns. It
// needs the admin grant.
func (a *Actor) Channels(ctx context.Context, pattern string) (map[string]int, error) {
	if err := a.CheckAdmin("channels"); err != nil {
		return nil, err
	}
	return a.hub.channels(ctx, pattern)
}

// Info returns a snapshot. It asks every shard and waits for the answers. It
// needs the admin grant.
func (a *Actor) Info(ctx context.Context) (Info, error) {
	if err := a.CheckAdmin("info"); err != nil {
		return Info{}, err
	}
	return a.hub.info(ctx)
}

// Disconnect closes the sessions that t selects and returns their number. It
// needs the admin grant.
func (a *Actor) Disconnect(t Target, r Reason) (int, error) {
	if err := a.CheckAdmin("disconnect"); err != nil {
		return 0, err
	}
	return a.hub.disconnect(t, r), nil
}

// Unsubscribe ends a subscription of the sessions that t selects, tells them
// so, and returns their number. It needs the admin grant.
func (a *Actor) Unsubscribe(t Target, key string, r Reason) (int, error) {
	if err := a.CheckAdmin("unsubscribe"); err != nil {
		return 0, err
	}
	return a.hub.unsubscribe(t, key, r), nil
}

// checkChannel checks a name, so that nothing odd gets further, and then the
// grant.
func (a *Actor) checkChannel(action Action, channel string) error {
	if err := CheckChannel(channel); err != nil {
		return err
	}
	return a.Check(action, channel)
}

// checkPattern is checkChannel for a pattern.
func (a *Actor) checkPattern(action Action, pattern string) error {
	if err := CheckPattern(pattern); err != nil {
		return err
	}
	return a.Check(action, pattern)
}
