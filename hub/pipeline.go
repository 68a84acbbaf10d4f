package hub

import "context"

// Bounds of what a [Pipeline] sends before it waits.
const (
	pipelineMessages = 1024
	pipelineBytes    = 4 << 20
)

// Pipeline publishes one message after another without waiting for the store in between, if
// the engine is a [Sender]. Its methods are for one goroutine. What was published is known
// for certain after Flush, which must come last.
type Pipeline struct {
	actor *Actor
	sent  []sent // in the order of Publish; pipelineMessages at most
	bytes int    // of the messages in sent
}

// sent is a publish whose outcome was not told yet.
type sent struct {
	message *Message
	sending Sending
	done    func(duplicate bool, err error)
}

// later is a [Sending] that has yet to begin.
type later func(ctx context.Context) (duplicate bool, err error)

func (l later) Wait(ctx context.Context) (duplicate bool, err error) { return l(ctx) }

// Pipeline returns one that publishes as a.
func (a *Actor) Pipeline() *Pipeline { return &Pipeline{actor: a} }

// Publish is [Actor.Publish], the results of which it hands to done: before it returns or in
// a later Publish or Flush, from the same goroutine, in the order of the calls. Messages are
// stored and delivered in that order too. It blocks if too much is under way, or if m is
// such that the engine wants to have all others first. m belongs to the engine until done.
func (p *Pipeline) Publish(ctx context.Context, m *Message, o PublishOptions, done func(duplicate bool, err error)) {
	if len(p.sent) == pipelineMessages || p.bytes+len(m.Data) > pipelineBytes {
		p.Flush(ctx)
	}
	if err := p.actor.admit(m, &o); err != nil {
		p.push(m, later(func(context.Context) (bool, error) { return false, err }), done)
		return
	}
	engine := p.actor.hub.config.Engine
	if sender, ok := engine.(Sender); ok {
		if sending := sender.Send(m, o); sending != nil {
			p.push(m, sending, done)
			return
		}
	}
	p.publishAlone(ctx, engine, m, o, done)
}

// publishAlone publishes after all that was sent, and before anything else is.
func (p *Pipeline) publishAlone(ctx context.Context, engine Engine, m *Message, o PublishOptions, done func(duplicate bool, err error)) {
	p.Flush(ctx)
	p.push(m, later(func(ctx context.Context) (bool, error) { return engine.Publish(ctx, m, o) }), done)
	p.Flush(ctx)
}

func (p *Pipeline) push(m *Message, sending Sending, done func(bool, error)) {
	p.sent = append(p.sent, sent{m, sending, done})
	p.bytes += len(m.Data)
}

// Flush waits until all that was published has its results. It blocks until the store has
// answered or ctx is done.
func (p *Pipeline) Flush(ctx context.Context) {
	for _, s := range p.sent {
		duplicate, err := s.sending.Wait(ctx)
		p.actor.hub.published.count(s.message.Position.IsZero(), duplicate, err)
		s.done(duplicate, err)
	}
	clear(p.sent)
	p.sent, p.bytes = p.sent[:0], 0
}
