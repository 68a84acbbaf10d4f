package dialect

import (
	"context"

	"fanfold/hub"
	"fanfold/hub/foreign"
)

// SequenceRequest is what ntfy's API is told of earlier messages.
type SequenceRequest struct {
	Channel  string
	Sequence string              // of the path: a sequence ID, or a message's or schedule's ID
	Header   map[string][]string // canonical names
	Query    map[string][]string
}

// publish returns the event to publish, with the options that make sense for it.
func (r SequenceRequest) publish(event string) (Publish, error) {
	w := ntfyParams{header: r.Header, query: r.Query}.wishes()
	m, err := newSequenceEvent(event, r.Channel, r.Sequence, w.exclude)
	if err != nil {
		return Publish{}, err
	}
	if w.delay != "" || w.schedule != "" || w.ttl != "" {
		return Publish{}, refuse(NtfyBadRequest, "a message is deleted or cleared at once and for good: leave out the delay, schedule or TTL")
	}
	if w.rollUp != "" || w.ifMatch != "" || w.ifNone != "" {
		return Publish{}, refuse(NtfyBadRequest, "a message is deleted or cleared whatever came after it, and takes no other's place: leave out the condition or rollup")
	}
	return Publish{Message: m, Options: hub.PublishOptions{IdempotencyKey: unquote(w.key)}}, nil
}

// NtfyClear tells subscribers that the messages with a sequence ID, or the one
// with that ID, were read. It returns the event, as they see it. It blocks on the
// engine.
func NtfyClear(ctx context.Context, h *hub.Actor, r SequenceRequest) (reply []byte, err error) {
	p, err := r.publish(eventClear)
	if err != nil {
		return nil, err
	}
	return p.sendEvent(ctx, h)
}

// NtfyDelete takes the messages with a sequence ID, or the one with that ID, out
// of the store, cancels what is scheduled with it, and tells subscribers. It returns that
// event; if the ID is a schedule's, which no subscriber has seen, the cancelled message
// instead. It blocks on the engine.
func NtfyDelete(ctx context.Context, h *hub.Actor, r SequenceRequest) (reply []byte, err error) {
	p, err := r.publish(eventDelete)
	if err != nil {
		return nil, err
	}
	found, _, err := cancel(ctx, h, r.Channel, r.Sequence, "")
	if err != nil {
		return nil, err
	}
	if found != nil {
		out := ntfyMessageOf(found)
		out.Cancelled = true
		return foreign.CompactJSON(out), nil
	}
	return p.sendEvent(ctx, h)
}

func (p Publish) sendEvent(ctx context.Context, h *hub.Actor) ([]byte, error) {
	if _, err := p.publish(ctx, h); err != nil {
		return nil, err
	}
	return NtfyMessage(p.Message), nil
}
