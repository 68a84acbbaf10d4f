package hub

import (
	"context"
	"slices"
)

// SubscribeOptions says what to subscribe to.
type SubscribeOptions struct {
	// Keys are channels or patterns. The first one names the subscription. A message
	// that several keys match comes once.
	Keys []string
	// JoinLeave asks for join and leave events of these channels; they come if the
	// principal may see who is subscribed.
	JoinLeave bool
	// Principal is whose grant counts and how long: the bearer of a token for this
	// subscription alone, say. nil: the session's.
	Principal *Principal
	// Vital: where else the hub would end it because messages were lost, it closes the
	// session with [CauseGap], since the client can't subscribe again by itself.
	Vital bool
	// Info is JSON that presence shows as this client's ChannelInfo.
	Info []byte
	// Filter, if not nil, says which messages to deliver. It runs in the shard: pure
	// and quick.
	Filter func(*Message) bool
}

// Subscription is a session's interest in some channels. It begins paused: what
// is published meanwhile is held for [Subscription.Resume].
type Subscription struct {
	session *Session // static
	shard   *shard
	client  *Client // as presence shows it
	filter  func(*Message) bool
	parts   []part  // one a key; owned by the shard but for the keys
	only    [1]part // room for parts, as most subscriptions have one key

	principal *Principal // guarded by the session's mu; nil: the session's counts

	// owned by the shard
	held  *queue   // nil: nothing
	after Position // stored messages up to here are not wanted
	mend  *mend    // nil: nothing was ever missing
	told  *Reason  // to tell the client at Resume; nil: nothing

	joinLeave, vital bool // static

	// owned by the shard
	resumed bool
	paused  bool // what comes is held: until resumed, and while catching up
	gone    bool
}

// part is a subscription's place among the subscribers of one key.
type part struct {
	sub   *Subscription // static
	key   string
	group *group // owned by the shard; nil until entered
	index int
}

// Subscribe registers a paused subscription. When it returns, every message
// that a later Read of the engine does not show will be held or delivered. It needs
// [ActionSubscribe] for each key, as long as the subscription lasts. Errors:
// [CodeBadRequest] for a bad name, [CodeDenied], [CodeUnauthenticated], [CodeExpired],
// [CodeAlreadySubscribed], [CodeLimit], [CodeClosed], [CodeUnavailable].
func (s *Session) Subscribe(ctx context.Context, o SubscribeOptions) (*Subscription, error) {
	if err := s.hub.checkKeys(o.Keys); err != nil {
		return nil, err
	}
	actor := s.Actor()
	if o.Principal != nil {
		actor = s.hub.As(o.Principal)
	}
	if err := actor.Check(ActionSubscribe, o.Keys...); err != nil {
		return nil, err
	}
	client := s.Client()
	if o.Info != nil {
		client = &Client{ID: client.ID, User: client.User, Info: client.Info, ChannelInfo: o.Info}
	}
	sub := &Subscription{
		session: s, shard: s.hub.shardOf(o.Keys[0]), client: client,
		joinLeave: o.JoinLeave, filter: o.Filter, paused: true, principal: o.Principal, vital: o.Vital,
	}
	sub.parts = sub.only[:0]
	for i, key := range o.Keys {
		sub.joinLeave = sub.joinLeave && (actor.Allows(ActionPresence, key) || s.Actor().Allows(ActionPresence, key))
		if !slices.Contains(o.Keys[:i], key) {
			sub.parts = append(sub.parts, part{sub: sub, key: key})
		}
	}
	if err := s.enter(sub); err != nil {
		return nil, err
	}
	if err := sub.register(ctx); err != nil {
		s.Unsubscribe(sub.name())
		return nil, err
	}
	return sub, nil
}

// checkKeys bounds the number before anything looks at each key.
func (h *Hub) checkKeys(keys []string) error {
	switch n := len(keys); {
	case n == 0:
		return Errorf(CodeBadRequest, "no channel was named to subscribe to")
	case n > h.config.MaxSubscriptions:
		return h.tooManySubscriptions()
	}
	for _, key := range keys {
		if err := CheckPattern(key); err != nil {
			return err
		}
	}
	return nil
}

func (h *Hub) tooManySubscriptions() error {
	h.overbooked.Add(1)
	return Errorf(CodeLimit, "at most %d channels can be subscribed to on one connection", h.config.MaxSubscriptions)
}

// register waits until the shard has entered sub and the engine listens for it.
func (sub *Subscription) register(ctx context.Context) error {
	var entered error
	if err := sub.shard.do(ctx, func() { entered = sub.shard.subscribe(sub) }); err != nil {
		return err // entered may still be written: it is not read
	}
	return entered
}

func (sub *Subscription) name() string { return sub.parts[0].key }

func (s *Session) enter(sub *Subscription) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.gone:
		return Errorf(CodeClosed, "the session is closed")
	case s.subs.get(sub.name()) != nil:
		return Errorf(CodeAlreadySubscribed, "already subscribed to %q", sub.name())
	case s.channels+len(sub.parts) > s.hub.config.MaxSubscriptions:
		return s.hub.tooManySubscriptions()
	}
	if err := s.covers(sub); err != nil { // the principal was replaced since it was asked
		return err
	}
	s.subs.add(sub)
	s.channels += len(sub.parts)
	s.setExpiryLocked()
	return nil
}

// Subscribed reports whether there is a subscription of that name.
func (s *Session) Subscribed(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.subs.get(key) != nil
}

// ClientIn is who the session is for those who see the subscription of that name,
// or else who it is. The result is shared and must not be changed.
func (s *Session) ClientIn(key string) *Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sub := s.subs.get(key); sub != nil {
		return sub.client
	}
	return s.Client()
}

// Unsubscribe ends the subscription of that name and waits for its shard:
// nothing of it comes into the outbox afterwards. It is false if there is none.
func (s *Session) Unsubscribe(key string) bool {
	if !s.unsubscribe(key, nil) {
		return false
	}
	// An error means that the hub has stopped, and delivers nothing any more.
	_ = s.hub.shardOf(key).do(context.Background(), func() {})
	return true
}

// unsubscribe tells the client why, if told is not nil.
func (s *Session) unsubscribe(key string, told *Reason) bool {
	s.mu.Lock()
	sub := s.subs.get(key)
	s.mu.Unlock()
	if sub == nil || !s.forget(sub) {
		return false
	}
	sub.shard.post(op{call: func() { sub.shard.unsubscribe(sub, told) }})
	return true
}

// forget takes a subscription out of the session's list. It is false if it was
// not there any more.
func (s *Session) forget(sub *Subscription) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.subs.remove(sub) {
		return false
	}
	s.channels -= len(sub.parts)
	return true
}

// Resume sends what was held but for stored messages up to after, and lets the
// rest flow: every stored message behind after, unless that is the zero Position, which
// asks for what comes from now on. It is called once and does not wait.
func (sub *Subscription) Resume(after Position) {
	sub.shard.post(op{call: func() { sub.resume(after) }})
}

func (sub *Subscription) resume(after Position) {
	sub.resumed, sub.after = true, after
	for i := range sub.parts {
		if g := sub.parts[i].group; g != nil && !g.entry.trail.resume(after) {
			sub.mending().broken = true
		}
	}
	if !sub.broken() || sub.gone {
		sub.flow()
		return
	}
	if !after.IsZero() {
		sub.mend.whole = after
	}
	sub.catchUp()
}

// flow ends the pause.
func (sub *Subscription) flow() {
	sub.paused = false
	if sub.told != nil {
		sub.tellUnsubscribed(*sub.told)
		sub.told = nil
	}
	held := sub.held
	if sub.held = nil; held == nil {
		return
	}
	for p, ok := held.pop(); ok; p, ok = held.pop() {
		if p.seq != 0 && sub.had(p.seq) {
			sub.session.outbox.release(cost(p.frame))
		} else {
			sub.shard.send(sub.session, p, true)
		}
	}
}

// offer hands a message to the subscriber if it is meant for it. The parcel is
// what all members of the group get.
func (p *part) offer(m *Message, parcel parcel) {
	sub := p.sub
	if m.Position.Seq != 0 && sub.had(m.Position.Seq) || m.Excludes(sub.client) {
		return
	}
	if len(sub.parts) > 1 && p.isDouble(m.Channel) {
		return
	}
	if sub.filter != nil && !sub.filter(m) {
		return
	}
	parcel.part = p
	sub.give(parcel)
}

// isDouble: an earlier key of the same subscription has brought the message.
func (p *part) isDouble(channel string) bool {
	for i := range p.sub.parts {
		earlier := &p.sub.parts[i]
		if earlier == p {
			return false
		}
		if Match(earlier.key, channel) {
			return true
		}
	}
	return false
}

// give queues a frame, or holds it while paused.
func (sub *Subscription) give(p parcel) {
	switch {
	case p.seq != 0 && sub.broken():
		if sub.resumed && p.seq <= sub.mend.whole.Seq { // it comes late, but only now
			sub.shard.send(sub.session, p, false)
		}
	case sub.paused:
		sub.hold(p)
	default:
		sub.shard.send(sub.session, p, false)
	}
}

// hold keeps a frame for later. It counts against the outbox, by its channel's
// policy.
func (sub *Subscription) hold(p parcel) {
	if sub.held == nil {
		sub.held = &queue{}
	}
	outbox, h := &sub.session.outbox, sub.shard.hub
	if freed, ok := sub.held.replace(p); ok {
		h.drops.Add(1)
		outbox.release(freed)
		for outbox.over() && sub.evictHeld() {
		}
		return
	}
	for {
		ok, dropped := outbox.reserve(p.frame)
		h.drops.Add(int64(dropped))
		if ok {
			sub.held.add(p)
			return
		}
		if !sub.evictHeld() {
			break
		}
	}
	if p.slow == SlowDisconnect {
		sub.session.Close(Reason{Cause: CauseSlow})
	} else {
		h.drops.Add(1)
	}
}

// evictHeld drops the oldest loose frame that is held. It is false if there is
// none.
func (sub *Subscription) evictHeld() bool {
	freed := sub.held.evict()
	if freed == 0 {
		return false
	}
	sub.session.outbox.release(freed)
	sub.shard.hub.drops.Add(1)
	return true
}
