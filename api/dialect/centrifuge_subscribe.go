package dialect

import (
	"context"
	"encoding/json"

	"fanfold/hub"
)

// flagRejectUnrecovered asks for an error where recovery fails.
const flagRejectUnrecovered = 2

// subscribeRequest leaves out what needs no answer: positioned and recoverable
// are always granted, delta and compaction never.
type subscribeRequest struct {
	Channel   string          `json:"channel"`
	Token     string          `json:"token"`
	Recover   bool            `json:"recover"`
	Offset    uint64          `json:"offset"`
	Epoch     string          `json:"epoch"`
	Data      json.RawMessage `json:"data"`
	JoinLeave bool            `json:"join_leave"`
	Filter    json.RawMessage `json:"tf"`
	Flag      int64           `json:"flag"`
	Type      int32           `json:"type"`
}

func (q *subscribeRequest) options() (hub.SubscribeOptions, error) {
	o := hub.SubscribeOptions{Keys: []string{q.Channel}, JoinLeave: q.JoinLeave}
	if err := hub.CheckPattern(q.Channel); err != nil {
		return o, err
	}
	switch {
	case q.Type != 0:
		return o, hub.Errorf(hub.CodeNotAvailable, "subscribe: this hub has stream channels alone: leave out \"type\"")
	case q.Token != "":
		return o, hub.Errorf(hub.CodeDenied, "subscribe: this hub has no token keys configured: subscribe without a token")
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
	sub, err := p.session.Subscribe(ctx, options)
	if err != nil {
		return err
	}
	missed, err := p.confirm(ctx, c, &q)
	if err != nil {
		p.session.Unsubscribe(q.Channel)
		return err
	}
	p.keepInfo(q.Channel, options.Info)
	if err := p.catchUp(ctx, q.Channel, missed); err != nil {
		p.abandon(ctx, q.Channel, err)
		return nil
	}
	sub.Resume(missed.end())
	return nil
}

// confirm replies to a subscribe. It returns what of the history is still to be
// sent after the reply.
func (p *centrifugePeer) confirm(ctx context.Context, c command, q *subscribeRequest) (*backlog, error) {
	result := subscribeResult{wasRecovering: q.Recover}
	asked := streamPosition{Offset: q.Offset, Epoch: q.Epoch}
	if q.Recover {
		missed, err := openBacklog(ctx, p.session.Actor(), p.session.Client().ID, q.Channel, asked.position())
		if err == nil {
			result.recovered = true
			result.offset, result.epoch = q.Offset, missed.top.Epoch
			err = result.collect(ctx, q.Channel, missed, p.dialect.config.RecoverBytes)
		}
		if err == nil {
			return missed, p.reply(c, result.append(nil))
		}
		if hub.ErrorOf(err).Code != hub.CodeUnrecoverable || q.Flag&flagRejectUnrecovered != 0 {
			return nil, err
		}
	}
	page, err := p.session.Actor().Recover(ctx, hub.Query{Channel: q.Channel})
	if err != nil {
		return nil, err
	}
	result = subscribeResult{wasRecovering: q.Recover, offset: page.Top.Seq, epoch: page.Top.Epoch}
	return &backlog{top: page.Top}, p.reply(c, result.append(nil))
}

// catchUp sends the rest of what the client missed, no faster than it reads.
func (p *centrifugePeer) catchUp(ctx context.Context, key string, missed *backlog) error {
	for {
		messages, err := missed.next(ctx)
		if err != nil || len(messages) == 0 {
			return err
		}
		for _, m := range messages {
			if err := p.session.Room(ctx); err != nil {
				return err
			}
			p.session.Send(encodePub(key, m))
		}
		missed.take(len(messages))
	}
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
	epoch         string
	offset        uint64
	recovered     bool
	wasRecovering bool
	publications  []byte // the array without its end; nil: none
}

// collect takes as many of the missed messages as fit into size bytes.
func (r *subscribeResult) collect(ctx context.Context, key string, missed *backlog, size int) error {
	for {
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
			return nil
		}
	}
}

func (r *subscribeResult) append(b []byte) []byte {
	b = append(b, '{')
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
