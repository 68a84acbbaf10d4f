package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"fanfold/hub"
)

// How long things take.
const (
	connectTimeout = 15 * time.Second       // for a connection with all that belongs to it
	connectFirst   = 500 * time.Millisecond // the first wait before another attempt to connect
	connectMost    = time.Minute            // and the longest
	steady         = 10 * time.Second       // a connection that stood so long begins anew with the first
	retryFirst     = 100 * time.Millisecond // the same for one message
	retryMost      = 30 * time.Second
	saveEvery      = time.Second     // between two writes of a position
	idleTicks      = 60              // so many of those until the position of a quiet route moves
	stopGrace      = 5 * time.Second // for what is under way when the hub stops
)

// Options of a [Set].
type Options struct {
	Hub      *hub.Hub     // required
	Recorder hub.Recorder // required; keeps positions
	Bridges  []Config
	// MaxMessageBytes is the hub's bound on a message's data.
	MaxMessageBytes int
	Logger          *slog.Logger // nil: silent
}

// Set is the bridges of one hub. Its methods may be called from any goroutine.
type Set struct{ bridges []*Bridge }

// Validate says what is wrong with bridges of one hub, and what to do.
func Validate(bridges []Config) error { return validateAll(bridges) }

// New returns bridges that [Set.Run] runs. It reads and keeps where they begin.
func New(ctx context.Context, o Options) (*Set, error) {
	if o.Hub == nil || o.Recorder == nil {
		return nil, errors.New("bridge: no hub or no recorder is configured")
	}
	if err := validateAll(o.Bridges); err != nil {
		return nil, err
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Set{}
	if len(o.Bridges) == 0 {
		return s, nil
	}
	records, err := loadRecords(ctx, o.Recorder)
	if err != nil {
		return nil, err
	}
	mark, err := markOf(ctx, o.Recorder, records)
	if err != nil {
		return nil, fmt.Errorf("keep the hub's mark for bridges: %w", err)
	}
	for i := range o.Bridges {
		b, err := newBridge(ctx, o, &o.Bridges[i], mark, records)
		if err != nil {
			return nil, fmt.Errorf("bridge %s: %w", o.Bridges[i].Name, err)
		}
		s.bridges = append(s.bridges, b)
	}
	return s, nil
}

// Run joins the hub to the brokers until ctx ends. Then it takes nothing more, waits a
// few seconds at most for what is under way, and keeps the positions. The hub must outlive it.
func (s *Set) Run(ctx context.Context) {
	var running sync.WaitGroup
	for _, b := range s.bridges {
		running.Go(func() { b.run(ctx) })
	}
	running.Wait()
}

// Status returns how each bridge does.
func (s *Set) Status() []Status {
	list := make([]Status, len(s.bridges))
	for i, b := range s.bridges {
		list[i] = b.status.snapshot()
	}
	return list
}

// Bridge joins the hub to one broker.
type Bridge struct {
	config     *Config // static, as all but saved
	actor      *hub.Actor
	recorder   hub.Recorder
	status     *status
	mark       string
	maxBytes   int
	in         []*inRoute
	out        []*route
	forwarders []*forwarder
	broker     broker

	saved map[string]hub.Position // owned by run and, while that waits for it, keepPositions
}

// broker is one kind of broker.
type broker interface {
	// connect returns a link on which everything is taken that the routes ask for. It does
	// not block longer than ctx.
	connect(ctx context.Context) (link, error)
}

// link is one connection to a broker.
type link interface {
	// next returns what is to be taken next, one at a time. It blocks until something comes,
	// the link ends or ctx does.
	next(ctx context.Context) (*delivery, error)
	// send sends a parcel, and has the parcel's window settle it when the broker has answered.
	// It blocks while too much is unanswered. The error is a [refusal] if the parcel can never
	// be sent, else the link's or ctx's.
	send(ctx context.Context, p *parcel) error
	// done is closed when the link has ended; err says why then.
	done() <-chan struct{}
	err() error
	// close ends the link in an orderly way and waits for its goroutines. What was not
	// acknowledged stays with the broker.
	close()
}

func newBridge(ctx context.Context, o Options, c *Config, mark string, records map[string]record) (*Bridge, error) {
	b := &Bridge{
		config: c, recorder: o.Recorder, mark: mark, maxBytes: o.MaxMessageBytes, status: newStatus(c, o.Logger),
		actor: o.Hub.As(&hub.Principal{Name: "bridge " + c.Name, Server: true, Grant: c.grant()}),
		saved: map[string]hub.Position{},
	}
	for _, in := range c.In {
		r, err := c.newIn(in)
		if err != nil {
			return nil, err
		}
		b.in = append(b.in, r)
	}
	for _, out := range c.Out {
		r, err := c.newOut(out)
		if err != nil {
			return nil, err
		}
		at, err := b.position(ctx, r, records)
		if err != nil {
			return nil, fmt.Errorf("where the route from %s begins: %w", out.From, err)
		}
		b.out, b.saved[r.id] = append(b.out, r), at
		b.forwarders = append(b.forwarders, b.newForwarder(r, at))
	}
	if c.isAMQP() {
		b.broker = &amqpBroker{bridge: b}
	} else {
		b.broker = newMQTT(b, records[c.Name].Filters)
	}
	return b, nil
}

// run connects again and again until ctx ends.
func (b *Bridge) run(ctx context.Context) {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(stopGrace, cancel) })()
	var keeper sync.WaitGroup
	keeper.Go(func() { b.keepPositions(ctx) })
	again := backoff{first: connectFirst, most: connectMost}
	for ctx.Err() == nil {
		began := time.Now()
		b.status.disconnected(b.join(ctx, work))
		if time.Since(began) > steady {
			again.reset()
		}
		if again.wait(ctx) != nil {
			break
		}
	}
	keeper.Wait()
	b.savePositions(work)
}

// join connects and carries messages until the connection or ctx ends. work is for what
// is under way then. nil: ctx has ended.
func (b *Bridge) join(ctx, work context.Context) error {
	dialing, cancel := context.WithTimeout(ctx, connectTimeout)
	l, err := b.broker.connect(dialing)
	cancel()
	if ctx.Err() != nil {
		if err == nil {
			l.close()
		}
		return nil
	}
	if err != nil {
		return err
	}
	b.status.connected()
	joined, leave := context.WithCancel(ctx)
	defer leave()
	var routes sync.WaitGroup
	for _, f := range b.forwarders {
		routes.Go(func() { f.run(joined, l) })
	}
	routes.Go(func() { b.receive(joined, work, l) })
	select {
	case <-l.done():
	case <-ctx.Done():
	}
	leave()
	routes.Wait()
	b.drain(work, l)
	l.close()
	if ctx.Err() != nil {
		return nil
	}
	return l.err()
}

// receive takes what the broker sends, one after the other, until ctx ends.
func (b *Bridge) receive(ctx, work context.Context, l link) {
	for {
		d, err := l.next(ctx)
		if err != nil {
			return
		}
		if err := b.take(ctx, work, d); err != nil {
			return
		}
	}
}

// drain waits until the broker has acknowledged what was sent, or the link or work
// ends.
func (b *Bridge) drain(work context.Context, l link) {
	timer := time.NewTimer(stopGrace / 2)
	defer timer.Stop()
	for _, f := range b.forwarders {
		for {
			_, waiting, failed := f.window.state()
			if waiting == 0 || failed != nil {
				break
			}
			select {
			case <-f.window.changed:
			case <-l.done():
				return
			case <-timer.C:
				return
			case <-work.Done():
				return
			}
		}
	}
}
