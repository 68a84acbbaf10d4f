package tests

import (
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// A hub that is stopped sends all its clients away to come back, and serves all
// of them when they do at once: each recovers what it missed.
func TestStormAfterARestart(t *testing.T) {
	t.Parallel()
	weather(t, 500)
}

// BenchmarkStorm is 10,000 clients that come back at once to a hub that has
// restarted, each missing ten messages; the clients run on the same machine.
//
//	go test ./tests -run '^$' -bench Storm -benchtime 3x
func BenchmarkStorm(b *testing.B) {
	const clients = 10_000
	var all time.Duration
	for range b.N {
		all += weather(b, clients)
	}
	b.ReportMetric(all.Seconds()/float64(b.N), "s/storm")
	b.ReportMetric(float64(all.Microseconds())/float64(b.N*clients), "us/client")
	b.ReportMetric(0, "ns/op")
}

// missed is how many messages each client of a storm has to recover.
const missed = 10

// weather connects clients, restarts the hub under them, publishes what they
// miss, and returns how long it takes them to come back and recover.
func weather(t testing.TB, clients int) time.Duration {
	h := startHub(t)
	all := make([]castaway, clients)
	each(all, func(c *castaway) error { return c.come(h, false) }, t)
	left := make(chan struct{})
	go func() {
		defer close(left)
		each(all, (*castaway).sentAway, t)
	}()
	h.signal(syscall.SIGTERM)
	h.wait()
	<-left
	if h.exitCode() != 0 {
		t.Errorf("the hub's exit code after SIGTERM is %d, not 0", h.exitCode())
	}
	h.startAgain()
	for i := range missed {
		h.publish("storm", fmt.Sprint(i))
	}
	began := time.Now()
	each(all, func(c *castaway) error { return c.come(h, true) }, t)
	took := time.Since(began)
	each(all, func(c *castaway) error { return c.conn.Close() }, t)
	return took
}

// each runs f for all clients at once and waits for them.
func each(all []castaway, f func(*castaway) error, t testing.TB) {
	var wg sync.WaitGroup
	for i := range all {
		wg.Go(func() {
			if err := f(&all[i]); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// castaway is a client that is sent away and comes back.
type castaway struct {
	conn   *websocket.Conn
	epoch  string
	offset uint64
}

var stormDialer = websocket.Dialer{ReadBufferSize: 1024, WriteBufferPool: &sync.Pool{}}

// come connects and subscribes; a client that comes again recovers.
func (c *castaway) come(h *hub, again bool) (err error) {
	if c.conn, _, err = stormDialer.Dial("ws://"+h.addr+"/connection/websocket", nil); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	frame := fmt.Sprintf(`{"id":1,"connect":{}}`+"\n"+`{"id":2,"subscribe":{"channel":"storm","recover":%v,"epoch":%q,"offset":%d}}`, again, c.epoch, c.offset)
	if err := c.conn.WriteMessage(websocket.TextMessage, []byte(frame)); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	got, err := c.reply()
	if err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	if again && (!got.Recovered || len(got.Publications) != missed) {
		return fmt.Errorf("recovered %v, %d messages of %d behind %d", got.Recovered, len(got.Publications), missed, c.offset)
	}
	for _, p := range got.Publications {
		if p.Offset <= c.offset {
			return fmt.Errorf("offset %d comes after %d", p.Offset, c.offset)
		}
		c.offset = p.Offset
	}
	if !again {
		c.epoch, c.offset = got.Epoch, got.Offset
	}
	return nil
}

// reply waits for the answer to the subscription.
func (c *castaway) reply() (*subscribed, error) {
	if err := c.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	for {
		_, text, err := c.conn.ReadMessage()
		if err != nil {
			return nil, err
		}
		if found, err := findSubscribed(string(text)); found != nil || err != nil {
			return found, err
		}
	}
}

// sentAway waits for the close frame that sends the client away.
func (c *castaway) sentAway() error {
	defer c.conn.Close()
	for {
		if _, _, err := c.conn.ReadMessage(); err != nil {
			if !websocket.IsCloseError(err, 3001) {
				return fmt.Errorf("sent away with %w, not with code 3001", err)
			}
			return nil
		}
	}
}
