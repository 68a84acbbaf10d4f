package dialect

import (
	"cmp"
	"context"
	"slices"
	"time"

	"fanfold/hub"
)

// CatchUp brings a subscriber into the present: it subscribes s, emits the open
// event, the stored messages that r asks for and the scheduled ones if it does, and lets
// the live ones flow, none lost and none doubled. For a poll it emits the stored messages alone, and s may be nil.
// emit writes a frame or puts it into the session's outbox, and may block; its error
// ends CatchUp. now is for the events' times.
//
// If a position can't be recovered, because it was trimmed or is of another store, it
// emits a gap event and then, if h may read history, all that is still kept of the keys and
// was not emitted yet.
//
// An error before the first emit is for the client (a limit, say). After a later
// one the session should be closed. ctx bounds the reading.
func CatchUp(ctx context.Context, h *hub.Actor, s *hub.Session, r SubscribeRequest, codec StreamCodec, now time.Time, emit func(frame []byte) error) error {
	c := &catchUp{hub: h, request: r, codec: codec, now: now, emit: emit}
	if err := r.check(h); err != nil {
		return err
	}
	var sub *hub.Subscription
	var err error
	if !r.Poll {
		if sub, err = s.Subscribe(ctx, hub.SubscribeOptions{Keys: r.Keys, Filter: r.Filter}); err != nil {
			return err
		}
	}
	if c.until, err = h.Now(ctx); err != nil {
		return err
	}
	if err := c.run(ctx); err != nil {
		return err
	}
	if sub != nil {
		sub.Resume(c.until)
	}
	return nil
}

// catchUp is the work of one [CatchUp].
type catchUp struct {
	hub     *hub.Actor
	request SubscribeRequest
	codec   StreamCodec
	now     time.Time
	emit    func([]byte) error
	until   hub.Position // the present: history ends here, and what is live begins
	last    hub.Position // of the last message read
}

// run emits everything up to until.
func (c *catchUp) run(ctx context.Context) error {
	if !c.request.Poll {
		if err := c.open(); err != nil {
			return err
		}
	}
	if err := c.history(ctx); err != nil || !c.request.Scheduled {
		return err
	}
	return c.scheduled(ctx)
}

func (c *catchUp) history(ctx context.Context) error {
	switch c.request.From {
	case FromLatest:
		return c.latest(ctx)
	case FromReplay:
		return c.replay(ctx, c.request.Replay)
	case FromLost:
		if err := c.gap("the position asked for is not known here"); err != nil {
			return err
		}
		return c.kept(ctx)
	}
	return nil
}

// kept emits all that is kept, after a gap, for who may read history: a position that
// was made up opens no more than none.
func (c *catchUp) kept(ctx context.Context) error {
	for _, key := range c.request.Keys {
		if !c.hub.Allows(hub.ActionHistory, key) {
			return nil
		}
	}
	return c.replay(ctx, hub.Query{})
}

// open emits the open event, with the position behind which the stream begins
// if no history comes first.
func (c *catchUp) open() error {
	var at hub.Position
	if c.request.From == FromNow {
		at = c.until
	}
	return c.put(c.codec.Open(c.request.Label, at, c.now))
}

// replay emits what q says. After a gap it goes on with what is kept.
func (c *catchUp) replay(ctx context.Context, q hub.Query) error {
	read, err := c.read(ctx, q)
	if err == nil || hub.ErrorOf(err).Code != hub.CodeUnrecoverable {
		return err
	}
	if read == 0 && q == (hub.Query{}) {
		return err // not even what is kept
	}
	if err := c.gap(hub.ErrorOf(err).Message); err != nil {
		return err
	}
	return c.kept(ctx)
}

// read emits the messages of one replay that were not emitted yet, and counts
// those that it read.
func (c *catchUp) read(ctx context.Context, q hub.Query) (n int, err error) {
	q.Until = c.until
	for m, err := range c.hub.Replay(ctx, c.request.Keys, q) {
		if err != nil {
			return n, err
		}
		n++
		if m.Position.Seq <= c.last.Seq {
			continue
		}
		if err := c.show(m); err != nil {
			return n, err
		}
	}
	return n, nil
}

// latest emits the last message of each key.
func (c *catchUp) latest(ctx context.Context) error {
	behind := hub.Position{Epoch: c.until.Epoch, Seq: c.until.Seq + 1}
	var found []*hub.Message
	for _, key := range c.request.Keys {
		page, err := c.hub.History(ctx, hub.Query{Channel: key, After: behind, Limit: 1, Reverse: true})
		if err != nil {
			return err
		}
		found = append(found, page.Messages...)
	}
	slices.SortFunc(found, func(a, b *hub.Message) int { return cmp.Compare(a.Position.Seq, b.Position.Seq) })
	found = slices.CompactFunc(found, func(a, b *hub.Message) bool { return a.Position == b.Position })
	for _, m := range found {
		if err := c.show(m); err != nil {
			return err
		}
	}
	return nil
}

// show emits a message, if it passes the filter.
func (c *catchUp) show(m *hub.Message) error {
	c.last = m.Position
	if c.request.Filter != nil && !c.request.Filter(m) {
		return nil
	}
	return c.put(c.codec.Encode(hub.Event{Kind: hub.KindMessage, Subscription: m.Channel, Message: m}))
}

// scheduled emits what waits for its time.
func (c *catchUp) scheduled(ctx context.Context) error {
	for i, key := range c.request.Keys {
		for s, err := range scheduled(ctx, c.hub, key) {
			if err != nil {
				return err
			}
			m := waiting(&s)
			if c.request.Filter != nil && !c.request.Filter(m) || matchesAny(c.request.Keys[:i], m.Channel) {
				continue
			}
			if err := c.put(c.codec.Waiting(m)); err != nil {
				return err
			}
		}
	}
	return nil
}

func matchesAny(keys []string, channel string) bool {
	return slices.ContainsFunc(keys, func(key string) bool { return hub.Match(key, channel) })
}

func (c *catchUp) gap(why string) error { return c.put(c.codec.Gap(c.request.Label, why, c.now)) }

// put emits a frame, if there is one.
func (c *catchUp) put(frame []byte) error {
	if frame == nil {
		return nil
	}
	return c.emit(frame)
}
