package client

import (
	"context"
	"errors"
	"time"

	"fanfold/hub"
)

// FollowOptions say what to follow.
type FollowOptions struct {
	// Keys are channels or patterns. A message that several match comes once.
	Keys []string
	// After is the position behind which to begin; the zero Position: from now on.
	After hub.Position
	// JoinLeave asks for who comes and goes too, see [hub.SubscribeOptions].
	JoinLeave bool
	// Ready, if not nil, is called once, when nothing that comes can be missed any more.
	Ready func()
}

// Follow hands handle each event of the keys, in order, every stored message behind
// o.After once, until ctx ends or handle fails. It runs handle in the caller's goroutine.
// Whatever the hub would send a client away for to come back, such as a full outbox, it comes
// back from by itself, behind the last stored message that handle took; who comes and goes
// meanwhile is not told. It returns ctx's error or handle's; a [hub.Error] of [hub.CodeUnrecoverable] if the
// messages behind that position are not all kept any more; or what Subscribe fails with.
func (c *Client) Follow(ctx context.Context, o FollowOptions, handle func(hub.Event) error) error {
	f := &follower{client: c, options: o, handle: handle, after: o.After}
	if f.after.IsZero() {
		now, err := c.Now(ctx)
		if err != nil {
			return err
		}
		f.after = now
	}
	for {
		err := f.run(ctx)
		if !errors.Is(err, errAgain) {
			return err
		}
		select {
		case <-time.After(comeBack):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// comeBack is how long a follower that was sent away waits.
const comeBack = 100 * time.Millisecond

// takeBytes is how much is taken out of the outbox at a time.
const takeBytes = 64 << 10

var errAgain = errors.New("the session ended, and another can go on")

// follower is the work of one [Client.Follow]. Its goroutine owns it.
type follower struct {
	client  *Client // static
	options FollowOptions
	handle  func(hub.Event) error

	after hub.Position // of the last stored message that was handled
}

// run follows on one session.
func (f *follower) run(ctx context.Context) error {
	conn := newConn()
	session, err := f.client.Open(hub.SessionConfig{Conn: conn, Codec: codec{}})
	if err != nil {
		return err
	}
	defer session.Detach()
	sub, err := session.Subscribe(ctx, hub.SubscribeOptions{Keys: f.options.Keys, JoinLeave: f.options.JoinLeave, Vital: true})
	if err != nil {
		return err
	}
	if f.options.Ready != nil {
		f.options.Ready()
		f.options.Ready = nil
	}
	if err := f.catchUp(ctx, sub); err != nil {
		return err
	}
	return f.pump(ctx, session, conn)
}

// catchUp handles what is stored, up to where the session goes on.
func (f *follower) catchUp(ctx context.Context, sub *hub.Subscription) error {
	until, err := f.client.Now(ctx)
	if err != nil {
		return err
	}
	for m, err := range f.client.Replay(ctx, f.options.Keys, hub.Query{After: f.after, Until: until}) {
		if err != nil {
			return err
		}
		if err := f.take(hub.Event{Kind: hub.KindMessage, Subscription: m.Channel, Message: m}); err != nil {
			return err
		}
	}
	f.after = until
	sub.Resume(until)
	return nil
}

func (f *follower) pump(ctx context.Context, session *hub.Session, conn *conn) error {
	var frames [][]byte
	for {
		frames = session.Take(frames[:0], takeBytes)
		for _, frame := range frames {
			if err := f.take(decode(frame)); err != nil {
				return err
			}
		}
		if len(frames) > 0 {
			continue
		}
		select {
		case <-conn.wake:
		case <-conn.closed:
			return ended(conn.reason)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// take handles an event and remembers its position.
func (f *follower) take(e hub.Event) error {
	if err := f.handle(e); err != nil {
		return err
	}
	if m := e.Message; m != nil && !m.Position.IsZero() && m.Position.Seq > f.after.Seq {
		f.after = m.Position
	}
	return nil
}

// ended is the error of a session that the hub has closed.
func ended(r hub.Reason) error {
	switch r.Cause {
	case hub.CauseSlow, hub.CauseGap, hub.CauseInternal, hub.CauseServer:
		return errAgain
	case hub.CauseShutdown:
		return hub.Errorf(hub.CodeUnavailable, "the hub stops")
	case hub.CauseExpired:
		return hub.Errorf(hub.CodeExpired, "%v", r.Cause)
	}
	return hub.Errorf(hub.CodeDenied, "%v", r.Cause)
}

// conn is a session's way to a [follower].
type conn struct {
	wake   chan struct{} // one slot
	closed chan struct{} // closed once, by Close
	reason hub.Reason    // set before closed is, by Close
}

func newConn() *conn { return &conn{wake: make(chan struct{}, 1), closed: make(chan struct{})} }

// Wake implements [hub.Conn].
func (c *conn) Wake() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Close implements [hub.Conn].
func (c *conn) Close(r hub.Reason) {
	c.reason = r
	close(c.closed)
}
