package dialect

import (
	"context"
	"encoding/json"
	"time"

	"fanfold/hub"
)

// flagRejectUnrecovered asks for an error where recovery fails.
const flagRejectUnrecovered = 2

// subscribeRequest leaves out what needs no answer: positioned and recoverable
// are always granted, delta and compaction never.
type subscribeRequest struct {
	recovery
	Channel   string          `json:"channel"`
	Token     string          `json:"token"`
	Data      json.RawMessage `json:"data"`
	JoinLeave bool            `json:"join_leave"`
	Filter    json.RawMessage `json:"tf"`
	Type      int32           `json:"type"`
}

// recovery is where a client was in a channel, if Recover is set.
type recovery struct {
	Recover bool   `json:"recover"`
	Offset  uint64 `json:"offset"`
	Epoch   string `json:"epoch"`
	Flag    int64  `json:"flag"`
}

func (q *subscribeRequest) options() (hub.SubscribeOptions, error) {
	o := hub.SubscribeOptions{Keys: []string{q.Channel}, JoinLeave: q.JoinLeave}
	if err := hub.CheckPattern(q.Channel); err != nil {
		return o, err
	}
	switch {
	case q.Type != 0:
		return o, hub.Errorf(hub.CodeNotAvailable, "subscribe: this hub has stream channels alone: leave out \"type\"")
	case len(q.Filter) > 0 && !isNull(q.Filter):
		return o, hub.Errorf(hub.CodeNotAvailable, "subscribe: filters by tag are not available: leave out \"tf\"")
	}
	var err error
	o.Info, err = checkInfo("subscribe", q.Data)
	return o, err
}

// subscribe holds the channel's messages, reads what the client missed, replies,
// sends the rest of what it missed, and lets the held ones flow.
func (p *centrifugePeer) subscribe(ctx context.Context, c command) error {
	var q subscribeRequest
	if err := c.decode(&q); err != nil {
		return err
	}
	options, err := q.options()
	if err != nil {
		return err
	}
	var expires time.Time
	if q.Token != "" {
		who, err := p.subscriber(ctx, q.Token, q.Channel)
		if err != nil {
			return p.refuse(err)
		}
		expires = who.Expires
		options.Principal, options.Info = withGrace(who), who.Info
	}
	begun, err := p.begin(ctx, options, q.recovery, p.dialect.config.RecoverBytes)
	if err != nil {
		return err
	}
	begun.result.ttl = p.dialect.appendTTL([]byte{'{'}, expires)[1:]
	p.session.Send(encodeReply(c.id, c.method, begun.result.append(nil)))
	if err := p.finish(ctx, begun); err != nil {
		p.abandon(ctx, q.Channel, err)
	}
	return nil
}

// begun is a subscription whose messages are held until the client knows of it.
type begun struct {
	sub    *hub.Subscription
	key    string
	result subscribeResult
	missed *backlog // what is to be sent behind the result
}

// begin subscribes, and collects what the client missed in at most about size
// bytes. What the subscription is for is undone if it returns an error.
func (p *centrifugePeer) begin(ctx context.Context, o hub.SubscribeOptions, r recovery, size int) (*begun, error) {
	sub, err := p.session.Subscribe(ctx, o)
	if err != nil {
		return nil, err
	}
	b := &begun{sub: sub, key: o.Keys[0]}
	if err := b.read(ctx, p, r, size); err != nil {
		p.session.Unsubscribe(b.key)
		return nil, err
	}
	return b, nil
}

// read finds the position that the client has, or else is given.
func (b *begun) read(ctx context.Context, p *centrifugePeer, r recovery, size int) error {
	if r.Recover {
		err := b.recover(ctx, p, r, size)
		if err == nil || hub.ErrorOf(err).Code != hub.CodeUnrecoverable || r.Flag&flagRejectUnrecovered != 0 {
			return err
		}
	}
	page, err := b.sub.Actor().Recover(ctx, hub.Query{Channel: b.key})
	b.result = subscribeResult{wasRecovering: r.Recover, offset: page.Top.Seq, epoch: page.Top.Epoch}
	b.missed = &backlog{top: page.Top}
	return err
}

func (b *begun) recover(ctx context.Context, p *centrifugePeer, r recovery, size int) (err error) {
	asked := streamPosition{Offset: r.Offset, Epoch: r.Epoch}
	if b.missed, err = openBacklog(ctx, b.sub.Actor(), p.session.Client().ID, b.key, asked.position()); err != nil {
		return err
	}
	b.result = subscribeResult{wasRecovering: true, recovered: true, offset: r.Offset, epoch: b.missed.top.Epoch}
	return b.result.collect(ctx, b.key, b.missed, size)
}

// finish sends the rest of what the client missed, no faster than it reads, then
// what was held, and lets the subscription flow.
func (p *centrifugePeer) finish(ctx context.Context, b *begun) error {
	for {
		messages, err := b.missed.next(ctx)
		if err != nil {
			return err
		}
		if len(messages) == 0 {
			break
		}
		for _, m := range messages {
			if err := p.session.Room(ctx); err != nil {
				return err
			}
			p.session.Send(encodePub(b.key, m))
		}
		b.missed.take(len(messages))
	}
	b.sub.Resume(b.missed.end())
	return nil
}

// abandon ends a subscription that could not catch up after its reply. The
// client subscribes again and recovers from the last message that it got.
func (p *centrifugePeer) abandon(ctx context.Context, key string, err error) {
	p.logInternal(ctx, "subscribe", err)
	p.session.Unsubscribe(key) // or it was ended meanwhile, and waits for Resume to say so
	p.session.Send(encodeUnsubscribe(key, hub.Reason{Cause: hub.CauseGap}))
}

// subscribeResult is the result of a subscribe.
type subscribeResult struct {
	ttl           []byte // the members that say when it expires; nil: it does not
	epoch         string
	offset        uint64
	recovered     bool
	wasRecovering bool
	publications  []byte // the array without its end; nil: none
}

// collect takes as many of the missed messages as fit into size bytes, but at
// least one if that is more than 0.
func (r *subscribeResult) collect(ctx context.Context, key string, missed *backlog, size int) error {
	for size > 0 {
		messages, err := missed.next(ctx)
		if err != nil || len(messages) == 0 {
			return err
		}
		if r.publications == nil {
			r.publications = []byte{'['}
		}
		var n int
		r.publications, n = appendElements(r.publications, key, messages, size)
		missed.take(n)
		if n < len(messages) {
			break
		}
	}
	return nil
}

func (r *subscribeResult) append(b []byte) []byte {
	b = append(append(b, '{'), r.ttl...)
	b = appendTrue(b, "recoverable", true)
	b = appendTrue(b, "positioned", true)
	b = appendPosition(b, r.epoch, r.offset)
	b = appendTrue(b, "recovered", r.recovered)
	b = appendTrue(b, "was_recovering", r.wasRecovering)
	if r.publications != nil {
		b = appendKey(b, "publications")
		b = append(append(b, r.publications...), ']')
	}
	return append(b, '}')
}
