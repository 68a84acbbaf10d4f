package bridge

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// amqpLink is a connection to an AMQP broker. Its goroutines hand on what the library
// tells of: of each in route the deliveries, of each out route the confirms, and that something
// was closed.
type amqpLink struct {
	bridge *Bridge // static, as the next two
	conn   *amqp.Connection
	outs   map[*route]*amqpOut // made by open

	*ending
	deliveries chan *delivery // never closed
	closed     chan struct{}  // closed by end when the connection is
	goroutines sync.WaitGroup
}

// amqpOut is a route's own channel, so that its confirms tell of nothing else.
type amqpOut struct {
	channel *amqp.Channel // static

	mu      sync.Mutex
	sent    []*parcel         // guarded by mu: those that are not confirmed, in the order of their delivery tags
	returns map[string]string // guarded by mu: message IDs that no queue took, and why
}

func newAMQPLink(b *Bridge, conn *amqp.Connection) *amqpLink {
	return &amqpLink{bridge: b, conn: conn, outs: map[*route]*amqpOut{}, deliveries: make(chan *delivery), ending: newEnding(), closed: make(chan struct{})}
}

// open sets up the channels of all routes.
func (l *amqpLink) open() error {
	l.watch(l.conn.NotifyClose(make(chan *amqp.Error, 1)), "the connection")
	for _, f := range l.bridge.forwarders {
		if err := l.openOut(f.route); err != nil {
			return err
		}
	}
	if len(l.bridge.in) == 0 {
		return nil
	}
	ch, err := l.conn.Channel()
	if err != nil {
		return during("open a channel", err)
	}
	l.watch(ch.NotifyClose(make(chan *amqp.Error, 1)), "the channel")
	if err := ch.Qos(amqpPrefetch, 0, true); err != nil { // the consumers share it
		return during("bound what is in flight", err)
	}
	for _, r := range l.bridge.in {
		if err := l.consume(ch, r); err != nil {
			return err
		}
	}
	return nil
}

// watch ends the link when the library says that something was closed.
func (l *amqpLink) watch(closed <-chan *amqp.Error, what string) {
	l.goroutines.Go(func() {
		if err := <-closed; err != nil {
			l.end(fmt.Errorf("%s was closed: %w", what, brokerError(err)))
		} else {
			l.end(errors.New(what + " was closed"))
		}
	})
}

func (l *amqpLink) openOut(r *route) error {
	ch, err := l.conn.Channel()
	if err != nil {
		return during("open a channel", err)
	}
	l.watch(ch.NotifyClose(make(chan *amqp.Error, 1)), "the channel of the route from "+r.From)
	if err := r.declare(ch); err != nil {
		return err
	}
	if err := ch.Confirm(false); err != nil {
		return during("ask for confirms", err)
	}
	out := &amqpOut{channel: ch, returns: map[string]string{}}
	l.outs[r] = out
	// Unbuffered, so that a message's return was taken when its confirm comes.
	returns, confirms := ch.NotifyReturn(make(chan amqp.Return)), ch.NotifyPublish(make(chan amqp.Confirmation))
	l.goroutines.Go(func() { l.confirm(out, returns, confirms) })
	return nil
}

// confirm settles the parcels of a route until its channel is closed.
func (l *amqpLink) confirm(out *amqpOut, returns <-chan amqp.Return, confirms <-chan amqp.Confirmation) {
	for returns != nil || confirms != nil {
		select {
		case m, ok := <-returns:
			if !ok {
				returns = nil
				continue
			}
			out.mu.Lock()
			out.returns[m.MessageId] = m.ReplyText
			out.mu.Unlock()
		case c, ok := <-confirms:
			if !ok {
				confirms = nil
				continue
			}
			if p, why := out.confirmed(); p != nil {
				l.settle(p, c.Ack, why)
			}
		}
	}
}

// confirmed returns the parcel that the next confirm is about, and why it came back; "":
// it did not. The library brings confirms in order.
func (o *amqpOut) confirmed() (p *parcel, why string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.sent) == 0 {
		return nil, ""
	}
	p, o.sent[0] = o.sent[0], nil
	o.sent = o.sent[1:]
	why = o.returns[p.id]
	delete(o.returns, p.id)
	return p, why
}

func (l *amqpLink) settle(p *parcel, ack bool, returned string) {
	switch {
	case returned != "" && p.route.DropUnroutable:
		l.bridge.refuseParcel(p, &refusal{fmt.Sprintf("no queue takes it: %s", returned)})
	case returned != "":
		l.bridge.settle(p, fmt.Errorf("no queue takes what is sent to the exchange %q with the key %q (%s): bind one, or say unroutable: drop", p.route.Exchange, p.to, returned))
	case !ack:
		l.bridge.settle(p, errors.New("the broker could not take a message"))
	default:
		l.bridge.settle(p, nil)
	}
}

// consume begins to take what is in a route's queue.
func (l *amqpLink) consume(ch *amqp.Channel, r *inRoute) error {
	if err := r.declare(ch); err != nil {
		return err
	}
	messages, err := ch.Consume(r.Queue, "", false, false, false, false, nil)
	if err != nil {
		return during("take from the queue "+r.Queue, err)
	}
	l.goroutines.Go(func() {
		for m := range messages {
			select {
			case l.deliveries <- r.delivery(&m, l.bridge.maxBytes):
			case <-l.ended: // the library has an end only when somebody hears it out
			}
		}
		l.end(fmt.Errorf("the broker gives no more of the queue %s: it may be gone", r.Queue))
	})
	return nil
}

// next implements link.
func (l *amqpLink) next(ctx context.Context) (*delivery, error) {
	select {
	case d := <-l.deliveries:
		return d, nil
	case <-l.ended:
		return nil, l.err()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// send implements link. What is unanswered is bounded by the window.
func (l *amqpLink) send(_ context.Context, p *parcel) error {
	out, m := l.outs[p.route], publishing(p, time.Now())
	out.mu.Lock()
	out.sent = append(out.sent, p)
	delete(out.returns, p.id)
	out.mu.Unlock()
	if err := out.channel.Publish(p.route.Exchange, p.to, true, false, m); err != nil {
		l.end(fmt.Errorf("publish: %w", brokerError(err)))
		return err
	}
	return nil
}

// end closes the connection, for the first reason that comes. Who brings that waits until
// the broker agrees, or closePatience is over.
func (l *amqpLink) end(err error) {
	if l.begin(err) {
		_ = l.conn.CloseDeadline(time.Now().Add(closePatience))
		close(l.closed)
	}
}

// closePatience is how long the broker may take to agree to an end.
const closePatience = 2 * time.Second

// close implements link.
func (l *amqpLink) close() {
	l.end(errors.New("the hub ends the connection"))
	<-l.closed
	l.goroutines.Wait()
}
