package bridge

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"fanfold/hub"
	"fanfold/hub/client"
	"fanfold/hub/foreign"
)

// Tags and properties of messages that cross a bridge.
const (
	bridgeTag = "fanfold-bridge" // the bridge that a message came in over: it does not go out there
	hubTag    = "fanfold-hub"    // the marks of the hubs that have sent it to a broker, with blanks between
	idTag     = "fanfold-id"     // out: the message's ID in the hub
)

// forwarder sends the messages of one route. Its goroutine is [Bridge.forward]'s.
type forwarder struct {
	bridge *Bridge // static
	route  *route
	window *window

	// owned by the goroutine
	taken  hub.Position // everything up to here is in the window, or was
	replay bool         // begin with whatever is kept
	again  backoff
}

func (b *Bridge) newForwarder(r *route, at hub.Position) *forwarder {
	return &forwarder{bridge: b, route: r, window: newWindow(at), taken: at, again: backoff{first: retryFirst, most: retryMost}}
}

// run sends over a link until that or ctx ends.
func (f *forwarder) run(ctx context.Context, l link) {
	for {
		before, _, _ := f.window.state()
		err := f.attempt(ctx, l)
		select {
		case <-ctx.Done():
			return
		case <-l.done(): // which says itself why
			return
		default:
		}
		if now, _, _ := f.window.state(); now != before {
			f.again.reset()
		}
		if err = f.recover(err); err != nil {
			f.bridge.status.trouble(f.route.id, fmt.Errorf("the route from %s: %w", f.route.From, err))
		}
		if f.again.wait(ctx) != nil {
			return
		}
	}
}

// attempt sends what the window has and then what comes, until something fails.
func (f *forwarder) attempt(ctx context.Context, l link) error {
	for _, p := range f.window.open(l) {
		if err := f.send(ctx, l, p); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	watched := make(chan struct{})
	go func() { defer close(watched); f.watch(ctx, cancel) }()
	defer func() { cancel(nil); <-watched }()
	err := f.follow(ctx, func(m *hub.Message) error { return f.take(ctx, l, m) })
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return err
}

// watch ends an attempt when the broker refuses a parcel, also while nothing comes.
func (f *forwarder) watch(ctx context.Context, cancel context.CancelCauseFunc) {
	select {
	case <-f.window.fails:
		_, _, failed := f.window.state()
		cancel(failed)
	case <-ctx.Done():
	}
}

// follow hands on the messages behind those that were taken.
func (f *forwarder) follow(ctx context.Context, take func(*hub.Message) error) error {
	c := client.New(f.bridge.actor)
	keys := []string{f.route.From}
	if done, waiting, _ := f.window.state(); waiting == 0 {
		f.taken = done
	}
	after := f.taken
	if f.replay {
		now, err := c.Now(ctx)
		if err != nil {
			return err
		}
		for m, err := range c.Replay(ctx, keys, hub.Query{Until: now}) {
			if err != nil {
				return err
			}
			if err := take(m); err != nil {
				return err
			}
		}
		f.replay, after = false, now
	}
	return c.Follow(ctx, client.FollowOptions{Keys: keys, After: after}, func(e hub.Event) error {
		if e.Kind != hub.KindMessage {
			return nil
		}
		return take(e.Message)
	})
}

// take sends a message, if it is one for the broker.
func (f *forwarder) take(ctx context.Context, l link, m *hub.Message) error {
	if !f.isNew(m.Position) {
		return nil
	}
	p, err := f.parcel(m)
	switch {
	case err != nil:
		f.bridge.status.refuse(outward, m.Channel, err)
		f.window.pass(m.Position)
	case p == nil:
		f.window.pass(m.Position)
	default:
		if err := f.window.add(ctx, p); err != nil {
			return err
		}
	}
	if !m.Position.IsZero() {
		f.taken = m.Position
	}
	if p == nil || err != nil {
		return nil
	}
	return f.send(ctx, l, p)
}

// isNew is false for what was taken already. What is not stored is always new.
func (f *forwarder) isNew(at hub.Position) bool {
	return at.IsZero() || at.Epoch != f.taken.Epoch || at.Seq > f.taken.Seq
}

func (f *forwarder) send(ctx context.Context, l link, p *parcel) error {
	p.link = l
	err := l.send(ctx, p)
	if refused, ok := errors.AsType[*refusal](err); ok {
		f.bridge.refuseParcel(p, refused)
		return nil
	}
	return err
}

// refusal says why the other side can never take a message.
type refusal struct{ reason string }

// Error implements error.
func (r *refusal) Error() string { return r.reason }

// parcel returns what to send of a message; nil: nothing. The error says why it can't
// be sent.
func (f *forwarder) parcel(m *hub.Message) (*parcel, error) {
	if m.Tags[bridgeTag] == f.bridge.config.Name {
		return nil, nil
	}
	seen, ok := foreign.Read(m)
	if !ok || seen.About.Expires != 0 && time.Now().Unix() >= seen.About.Expires {
		return nil, nil
	}
	p := &parcel{route: f.route, position: m.Position, id: m.ID, time: m.Time, payload: seen.Payload}
	if f.route.JSON {
		p.payload = m.Data
	}
	p.about = about{
		contentType: seen.About.ContentType, isText: seen.About.IsText, replyTo: seen.About.ReplyTo, correlation: seen.About.Correlation,
		expires: seen.About.Expires, user: f.properties(m, seen.User),
	}
	var err error
	if f.bridge.config.isAMQP() {
		p.to, err = f.route.key(m.Channel)
	} else {
		p.to, err = f.route.topic(m.Channel)
	}
	return p, err
}

// properties returns a message's own, and the hub's.
func (f *forwarder) properties(m *hub.Message, own [][2]string) [][2]string {
	list := make([][2]string, 0, len(own)+2)
	trail := f.bridge.mark
	for _, p := range own {
		switch p[0] {
		case bridgeTag, idTag:
		case hubTag:
			trail = p[1] + " " + f.bridge.mark
		default:
			list = append(list, p)
		}
	}
	return append(list, [2]string{hubTag, trail}, [2]string{idTag, m.ID})
}

// passed reports whether a message with such a trail was sent out by the hub itself.
func (b *Bridge) passed(trail string) bool {
	for mark := range strings.FieldsSeq(trail) {
		if mark == b.mark {
			return true
		}
	}
	return false
}

// recover begins with what is left when the messages behind the position are not all
// kept any more, and says so. Other errors it returns.
func (f *forwarder) recover(err error) error {
	if err == nil || hub.ErrorOf(err).Code != hub.CodeUnrecoverable {
		return err
	}
	f.bridge.status.lose(f.route.From, err)
	f.replay = true
	return nil
}

// settle takes note of the broker's answer to a parcel; nil acknowledges it.
func (b *Bridge) settle(p *parcel, err error) {
	for _, f := range b.forwarders {
		if f.route == p.route && f.window.settle(p, err) && err == nil {
			b.status.count(outward, f.route.id)
		}
	}
}

// refuseParcel passes over a parcel that the broker will never take.
func (b *Bridge) refuseParcel(p *parcel, err error) {
	for _, f := range b.forwarders {
		if f.route == p.route && f.window.settle(p, nil) {
			b.status.refuse(outward, p.to, err)
		}
	}
}
