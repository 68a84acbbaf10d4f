package main

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// row is one kind of work and who does it.
type row struct {
	name, what string
	servers    []string // the hub is one of them
	metrics    []metric // the first is the one that ratios are of
	measure    func(ctx context.Context, b *bench, s server, folder string) (values, error)
}

// metric is something that was measured, and how it is shown.
type metric struct {
	name, unit string
	digits     int
	more       bool // more of it is better
}

// values are by the names of metrics.
type values map[string]float64

var (
	perDelivery = metric{"CPU a delivery", "µs", 2, false}
	deliveries  = metric{"deliveries", "1000/s", 0, true}
	p50         = metric{"p50", "ms", 1, false}
	p99         = metric{"p99", "ms", 1, false}
	peak        = metric{"memory at the peak", "MiB", 0, false}
	later       = metric{"memory 3 s later", "MiB", 0, false}
	perMessage  = metric{"CPU a publish", "µs", 1, false}
	publishes   = metric{"publishes", "1000/s", 1, true}
	perConn     = metric{"memory a connection", "KiB", 1, false}
	connectCPU  = metric{"CPU a connect", "µs", 0, false}
	trips       = metric{"round trips", "1000/s", 1, true}
	perTrip     = metric{"CPU a round trip", "µs", 1, false}
	took        = metric{"time for all", "s", 2, false}
	perChannel  = metric{"memory a channel", "KiB", 2, false}
	startTime   = metric{"ready after", "ms", 0, false}
)

// lost counts what did not come, publishes that failed and connections that the server
// has ended.
const lost = "lost"

// size is the payload of all rows but one.
const size = 128

// table is everything that is measured, in the order of the report.
func table() []row {
	return []row{
		{"memory", "10,000 connections, each subscribed, nothing to do",
			[]string{fanfold, broadcast, nchan}, []metric{perConn, connectCPU}, idle(10_000)},
		{"flat", "2,000 messages to 1,000 subscribers, as fast as they go",
			[]string{fanfold, broadcast, nchan, socketio}, []metric{perDelivery, deliveries, peak, later}, flooded(flood{messages: 2000, publishers: 4, size: size, rest: 3 * time.Second}, 1000)},
		{"paced", "100 messages a second to 1,000 subscribers",
			[]string{fanfold, broadcast, nchan}, []metric{perDelivery, p50, p99}, flooded(flood{messages: 500, publishers: 8, rate: 100, size: size}, 1000)},
		{"one", "16 publishers over HTTP to one subscriber; Fanfold answers when the message is stored",
			[]string{fanfold, nchan, socketio}, []metric{perMessage, publishes, p99}, flooded(flood{messages: 60_000, publishers: 16, size: size}, 1)},
		{"batch", "4 publishers to one subscriber through /api/batch, 100 messages a request",
			[]string{fanfold}, []metric{perMessage, publishes}, batched(400_000, 100, func(t *target) {
				t.publishPath, t.publishBody = "/api/batch", `{"publish":{"channel":"a","data":"{payload}"}}`
				t.open, t.separator, t.close = `{"commands":[`, ",", "]}"
			})},
		{"broadcast", "the same through /api/broadcast, one message to 100 channels a request; the subscriber has all of them",
			[]string{fanfold}, []metric{perMessage, publishes}, batched(400_000, 100, func(t *target) {
				t.hello = says(greeting, `{"id":2,"subscribe":{"channel":"b.*"}}`)
				t.publishPath, t.publishBody = "/api/broadcast", `"b.{n}"`
				t.open, t.separator, t.close = `{"data":"{payload}","channels":[`, ",", "]}"
			})},
		{"lines", "the same as 100 lines of text in a request",
			[]string{fanfold}, []metric{perMessage, publishes}, batched(400_000, 100, func(t *target) {
				t.publishPath, t.publishType, t.publishBody = "/a?lines=1", "text/plain", "{payload}\n"
			})},
		{"echo", "50 connections, each with one text under way",
			[]string{fanfold, bareEcho, article}, []metric{perTrip, trips}, echoed(50, 200_000)},
		{"storm", "10,000 clients connect at once and recover 10 messages each",
			[]string{fanfold}, []metric{took, connectCPU}, stormed(10_000)},
		{"channels", "100,000 channels with one subscriber each, and a message to each",
			[]string{fanfold}, []metric{perChannel, perMessage, publishes}, spread(100_000)},
		{"few channels", "as many messages to 10 channels with one subscriber each",
			[]string{fanfold}, []metric{perMessage, publishes}, spread(10)},
		{"start", "until it is ready with 1 GB of history, stopped in order before",
			[]string{fanfold}, []metric{startTime}, restarted(1 << 30)},
	}
}

// with runs a server for one measurement.
func with(ctx context.Context, s server, folder string, do func(p *process, t target) (values, error)) (values, error) {
	p, t, err := s.start(ctx, folder)
	defer p.stop()
	if err != nil {
		return nil, err
	}
	return do(p, t)
}

// settle gives a server time to be as it will stay.
func settle(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

func idle(clients int) func(context.Context, *bench, server, string) (values, error) {
	return func(ctx context.Context, b *bench, s server, folder string) (values, error) {
		n := b.scaled(clients, 500)
		return with(ctx, s, folder, func(p *process, t target) (values, error) {
			settle(ctx, time.Second)
			memory, cpu := p.memory(), p.cpu()
			c, err := gather(ctx, t, n)
			if err != nil {
				return nil, err
			}
			defer c.leave()
			used := p.cpu() - cpu
			settle(ctx, 3*time.Second)
			return values{
				perConn.name:    float64(p.memory()-memory) / 1024 / float64(n),
				connectCPU.name: float64(used.Microseconds()) / float64(n),
			}, nil
		})
	}
}

func flooded(f flood, subscribers int) func(context.Context, *bench, server, string) (values, error) {
	return func(ctx context.Context, b *bench, s server, folder string) (values, error) {
		f := f
		f.fan, f.messages = subscribers, b.scaled(f.messages, 200)
		return with(ctx, s, folder, func(p *process, t target) (values, error) {
			return b.flood(ctx, p, t, f, subscribers)
		})
	}
}

// flood measures one flood.
func (b *bench) flood(ctx context.Context, p *process, t target, f flood, subscribers int) (values, error) {
	c, err := gather(ctx, t, subscribers)
	if err != nil {
		return nil, err
	}
	defer c.leave()
	settle(ctx, time.Second)
	top := watch(p)
	cpu := p.cpu()
	h, err := c.run(ctx, t, f)
	used := p.cpu() - cpu
	memory := top()
	if err != nil {
		return nil, err
	}
	settle(ctx, f.rest)
	return values{
		later.name:       float64(p.memory()) / (1 << 20),
		lost:             float64(f.messages*f.fan-h.deliveries) + float64(h.failed) + float64(h.closed),
		perDelivery.name: float64(used.Microseconds()) / float64(h.deliveries),
		deliveries.name:  float64(h.deliveries) / h.seconds / 1000,
		perMessage.name:  float64(used.Microseconds()) / float64(f.messages),
		publishes.name:   float64(f.messages) / h.elapsed.Seconds() / 1000,
		p50.name:         h.quantile(0.5), p99.name: h.quantile(0.99),
		peak.name: float64(memory) / (1 << 20),
	}, nil
}

// watch notes the most memory that a process has, until the function that it returns
// is called.
func watch(p *process) (most func() int64) {
	stop, done := make(chan struct{}), make(chan int64)
	go func() {
		top := p.memory()
		for {
			select {
			case <-time.After(20 * time.Millisecond):
				top = max(top, p.memory())
			case <-stop:
				done <- max(top, p.memory())
				return
			}
		}
	}()
	return func() int64 { close(stop); return <-done }
}

func batched(messages, batch int, by func(*target)) func(context.Context, *bench, server, string) (values, error) {
	return func(ctx context.Context, b *bench, s server, folder string) (values, error) {
		f := flood{messages: b.scaled(messages, 10_000), publishers: 4, size: size, fan: 1, batch: batch}
		return with(ctx, s, folder, func(p *process, t target) (values, error) {
			by(&t)
			return b.flood(ctx, p, t, f, 1)
		})
	}
}

func echoed(clients, texts int) func(context.Context, *bench, server, string) (values, error) {
	return func(ctx context.Context, b *bench, s server, folder string) (values, error) {
		texts := b.scaled(texts, 20_000)
		return with(ctx, s, folder, func(p *process, t target) (values, error) {
			if t.publishPath != "/publish" { // the hub's echo is at its root
				t.path, t.hello = "/", nil
			}
			c, err := gather(ctx, t, clients)
			if err != nil {
				return nil, err
			}
			defer c.leave()
			settle(ctx, 500*time.Millisecond)
			cpu := p.cpu()
			h := c.echo(ctx, texts, size)
			used := p.cpu() - cpu
			if h.silence {
				return nil, fmt.Errorf("%d of %d answers came", h.deliveries, texts)
			}
			return values{perTrip.name: float64(used.Microseconds()) / float64(texts), trips.name: float64(texts) / h.seconds / 1000}, nil
		})
	}
}

// missed is how many messages each client of a storm recovers.
const missed = 10

func stormed(clients int) func(context.Context, *bench, server, string) (values, error) {
	return func(ctx context.Context, b *bench, s server, folder string) (values, error) {
		n := b.scaled(clients, 1000)
		return with(ctx, s, folder, func(p *process, t target) (values, error) {
			epoch, offset, err := history(ctx, t)
			if err != nil {
				return nil, err
			}
			t.hello = says(greeting + "\n" + fmt.Sprintf(`{"id":2,"subscribe":{"channel":"a","recover":true,"epoch":%q,"offset":%d}}`, epoch, offset))
			t.marks = missed
			cpu, began := p.cpu(), time.Now()
			c, err := gather(ctx, t, n)
			if err != nil {
				return nil, err
			}
			defer c.leave()
			elapsed := time.Since(began)
			return values{took.name: elapsed.Seconds() * float64(clients) / float64(n), connectCPU.name: float64((p.cpu() - cpu).Microseconds()) / float64(n)}, nil
		})
	}
}

// history publishes one message and those that are missed behind it, and returns
// where the first is.
func history(ctx context.Context, t target) (epoch string, offset int, err error) {
	p, err := newPublisher(ctx, t)
	if err != nil {
		return "", 0, err
	}
	defer p.close()
	for range 1 + missed {
		if ok, err := p.post(0, size, 1); !ok || err != nil {
			return "", 0, fmt.Errorf("publish what is missed: %v, %w", ok, err)
		}
	}
	return position(ctx, t.addr)
}

// perClient is how many channels a client subscribes to.
const perClient = 128

func spread(channels int) func(context.Context, *bench, server, string) (values, error) {
	return func(ctx context.Context, b *bench, s server, folder string) (values, error) {
		n := channels
		if n > perClient {
			n = b.scaled(channels/perClient, 20) * perClient
		}
		clients := (n + perClient - 1) / perClient
		return with(ctx, s, folder, func(p *process, t target) (values, error) {
			before, err := connections(ctx, p, t, clients)
			if err != nil {
				return nil, err
			}
			t.hello = func(i int) []string { return subscriptions(i*perClient, min((i+1)*perClient, n)) }
			t.publishBody = strings.Replace(t.publishBody, `"a"`, `"c.{i}"`, 1)
			c, err := gather(ctx, t, clients)
			if err != nil {
				return nil, err
			}
			defer c.leave()
			settle(ctx, 3*time.Second)
			memory := p.memory() - before
			messages := b.scaled(100_000, 10_000)
			cpu := p.cpu()
			h, err := c.run(ctx, t, flood{messages: messages, publishers: 16, size: size, fan: 1, channels: n})
			if err == nil && h.silence {
				err = fmt.Errorf("%d of %d deliveries came", h.deliveries, messages)
			}
			if err != nil {
				return nil, err
			}
			return values{
				perChannel.name: float64(memory) / 1024 / float64(n),
				perMessage.name: float64((p.cpu() - cpu).Microseconds()) / float64(messages),
				publishes.name:  float64(messages) / h.elapsed.Seconds() / 1000,
			}, nil
		})
	}
}

// connections is what as many connections without channels take.
func connections(ctx context.Context, p *process, t target, n int) (memory int64, err error) {
	t.hello = says(greeting)
	c, err := gather(ctx, t, n)
	if err != nil {
		return 0, err
	}
	defer c.leave()
	settle(ctx, 2*time.Second)
	return p.memory(), nil
}

// subscriptions are the frames of a client that subscribes to channels of these
// numbers.
func subscriptions(from, to int) []string {
	lines := []string{greeting}
	for k := from; k < to; k++ {
		lines = append(lines, fmt.Sprintf(`{"id":%d,"subscribe":{"channel":"c.%d"}}`, k-from+2, k))
	}
	return lines
}
