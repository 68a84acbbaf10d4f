package hub

// mend is how a subscription gets whole again when its entries' fills are not
// enough: if it has several keys, whose fills know nothing of each other's order, or if
// messages were lost before the hub had heard anything of a key. It then reads all its keys
// from the store by itself. Owned by the shard.
type mend struct {
	// broken: of stored messages it gets none behind whole, because it will read them.
	broken bool
	whole  Position // nothing up to here is missing, as far as is known
	fills  int      // of its entries, under way
	busy   bool     // its goroutine reads

	from, to uint64 // what was read last: behind from, up to and with to
}

// mending returns the subscription's mend, made if need be.
func (sub *Subscription) mending() *mend {
	if sub.mend == nil {
		sub.mend = &mend{}
	}
	return sub.mend
}

func (sub *Subscription) broken() bool { return sub.mend != nil && sub.mend.broken }

// had reports whether a stored message was read or is not wanted.
func (sub *Subscription) had(seq uint64) bool {
	m := sub.mend
	return seq <= sub.after.Seq || m != nil && seq > m.from && seq <= m.to
}

// fillBegins is called when a loss was noticed, before anything behind it is
// delivered.
func (sub *Subscription) fillBegins() {
	if len(sub.parts) == 1 {
		return
	}
	m := sub.mending()
	m.fills++
	if m.broken {
		return
	}
	m.broken = true
	if !m.busy {
		m.whole = sub.shard.heard
		if m.whole.Seq <= sub.after.Seq {
			m.whole = sub.after
		}
		m.whole.Seq = max(m.whole.Seq, m.to)
	}
}

// fillEnds is called after the fill's last message.
func (sub *Subscription) fillEnds() {
	if len(sub.parts) == 1 {
		return
	}
	sub.mending().fills--
	sub.catchUp()
}

// catchUp starts to read what a broken subscription misses, unless it is not the
// time.
func (sub *Subscription) catchUp() {
	if !sub.broken() || !sub.resumed || sub.mend.busy || sub.mend.fills > 0 || sub.gone {
		return
	}
	if sub.mend.whole.IsZero() { // nothing says from where
		sub.session.forget(sub)
		sub.paused = false
		sub.shard.unsubscribe(sub, &Reason{Cause: CauseGap})
		return
	}
	sub.mend.broken, sub.mend.busy, sub.paused = false, true, true
	after := sub.mend.whole
	sub.shard.hub.goroutines.Go(func() { sub.readUp(after) })
}

// readUp is the goroutine of a catch-up. It ends with that or the hub.
func (sub *Subscription) readUp(after Position) {
	h := sub.shard.hub
	select {
	case h.fills <- struct{}{}:
		defer func() { <-h.fills }()
	case <-h.stop:
		return
	}
	end, err := sub.replay(after)
	sub.shard.post(op{call: func() { sub.caughtUp(after, end, err) }})
}

// caughtUp lets flow what was held, or reads on if messages were lost meanwhile.
func (sub *Subscription) caughtUp(after, end Position, err error) {
	m := sub.mend
	if m.busy = false; after.Seq != m.to { // else it goes on where the last one ended
		m.from = after.Seq
	}
	m.to = end.Seq
	if err != nil && !sub.gone {
		sub.session.forget(sub)
		sub.shard.unsubscribe(sub, &Reason{Cause: CauseGap})
	}
	if !m.broken || sub.gone {
		sub.flow()
		return
	}
	m.whole = end
	sub.catchUp()
}

// replay sends stored messages up to the present, no faster than the client
// reads. It returns where it ended.
func (sub *Subscription) replay(after Position) (end Position, err error) {
	h := sub.shard.hub
	if end, err = h.now(h.life); err != nil {
		return after, err
	}
	keys := make([]string, len(sub.parts))
	for i := range sub.parts {
		keys[i] = sub.parts[i].key
	}
	for m, err := range h.replay(h.life, keys, Query{After: after, Until: end}) {
		if err != nil {
			return after, err
		}
		if err := sub.session.Room(h.life); err != nil {
			return after, err
		}
		if err := sub.shard.do(h.life, func() { sub.bring(m) }); err != nil {
			return after, err
		}
		after = m.Position
	}
	return end, nil
}

// bring sends a message that was read from the store, ahead of all that is held.
func (sub *Subscription) bring(m *Message) {
	if sub.gone || m.Excludes(sub.client) || sub.filter != nil && !sub.filter(m) {
		return
	}
	h := sub.shard.hub
	for i := range sub.parts {
		part := &sub.parts[i]
		if !Match(part.key, m.Channel) {
			continue
		}
		h.filled.Add(1)
		frame := sub.session.codec.Encode(Event{Kind: KindMessage, Subscription: part.key, Message: m})
		if frame != nil {
			slow := h.config.Rules.For(m.Channel).Slow
			sub.shard.send(sub.session, parcel{frame, m.Position.Seq, slow, part, m.Channel}, false)
		}
		return
	}
}
