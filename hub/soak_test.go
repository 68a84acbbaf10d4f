package hub_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"fanfold/hub"
)

var (
	soakTime = flag.Duration("soak", 2*time.Second, "how long TestSoak publishes")
	soakSeed = flag.Uint64("soak.seed", 0, "seed of TestSoak's choices; 0: a new one")
)

// soakLog knows what was published and what each client has seen. After each
// step it checks that every client sees every message once and in order, with none missing
// and its position rising.
type soakLog struct {
	mu        sync.Mutex
	moved     *sync.Cond     // a client saw something, or the soak failed
	published map[string]int // guarded by mu; number of messages of each channel
	clients   []*soakClient  // static
	failed    error          // guarded by mu; the first broken promise
}

// soakClient is what one client is and has seen, over all its connections.
type soakClient struct {
	name     string // static
	keys     []string
	channels []string

	next        map[string]int // guarded by the log's mu; number of each channel's next message
	ended       int            // channels of which it saw the last message
	position    hub.Position   // of what it saw last
	connections int
	recovered   int // messages that came by replay
}

// fail notes a broken promise and ends the soak.
func (l *soakLog) fail(format string, v ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failLocked(format, v...)
}

func (l *soakLog) failLocked(format string, v ...any) {
	if l.failed == nil {
		l.failed = fmt.Errorf(format, v...)
	}
	l.moved.Broadcast()
}

// publish is called before a message is published. It waits while a client is so
// far behind that the store would forget what that is to recover. It is false if the soak
// failed.
func (l *soakLog) publish(channel string) (number int, ok bool) {
	const window = 3000 // of the 5000 that are kept
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.failed == nil && l.published[channel]-l.slowest(channel) >= window {
		l.moved.Wait()
	}
	number = l.published[channel]
	l.published[channel]++
	return number, l.failed == nil
}

func (l *soakLog) slowest(channel string) int {
	slowest := l.published[channel]
	for _, c := range l.clients {
		if next, ok := c.next[channel]; ok {
			slowest = min(slowest, next)
		}
	}
	return slowest
}

// saw is the step that a client makes with each frame. It is false if the soak
// failed.
func (l *soakLog) saw(c *soakClient, frame string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	part := strings.Fields(frame)
	channel := part[0]
	position, ok := hub.ParsePosition(part[1])
	number, err := strconv.Atoi(part[2])
	next, follows := c.next[channel]
	switch {
	case !ok || err != nil || !follows:
		l.failLocked("%s: can't be: %q", c.name, frame)
	case number != next:
		l.failLocked("%s: got message %d of %s, want %d, after %+v", c.name, number, channel, next, c.position)
	case number >= l.published[channel]:
		l.failLocked("%s: message %d of %s was not published", c.name, number, channel)
	case position.Epoch == c.position.Epoch && position.Seq <= c.position.Seq:
		l.failLocked("%s: after position %d comes %d", c.name, c.position.Seq, position.Seq)
	}
	c.next[channel]++
	c.position = position
	if len(part) > 3 {
		c.ended++
	}
	l.moved.Broadcast()
	return l.failed == nil
}

// finish checks what holds when all is over.
func (l *soakLog) finish(t *testing.T) {
	if l.failed != nil {
		t.Error(l.failed)
	}
	for _, c := range l.clients {
		for channel, next := range c.next {
			if next != l.published[channel] {
				t.Errorf("%s has %d of the %d messages of %s", c.name, next, l.published[channel], channel)
			}
		}
	}
}

// TestSoak has clients that drop and return at random, while publishers run flat
// out and copies are lost on their way. Losses of channels that are followed by themselves
// alone are silent; a pattern is told of them, or it could not keep its positions rising.
func TestSoak(t *testing.T) {
	seed := *soakSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("replay with -soak.seed %d", seed)
	channels := []string{"soak.0", "soak.1", "soak.2", "solo"}
	l := newSoakLog(channels)
	h, engine := lossyHub(t, hub.Config{Shards: 2}, soakLosses(seed))
	engine.confess = func(pattern string) bool { return pattern != "solo" }
	begin, err := h.Now(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	for i, c := range l.clients {
		c.position = begin
		running.Go(func() { soakFollow(t, h, l, c, rand.New(rand.NewPCG(seed, uint64(i)))) })
	}
	deadline := time.Now().Add(*soakTime)
	for _, channel := range channels {
		running.Go(func() { soakPublish(h, l, channel, deadline) })
	}
	running.Wait()
	l.finish(t)
	info, err := h.Info(t.Context())
	if err != nil || info.Gaps == 0 || info.Filled == 0 {
		t.Errorf("no holes: %+v, %v", info, err)
	}
	t.Logf("published %v; %d copies dropped, %d holes, %d filled", l.published, engine.dropped.Load(), info.Gaps, info.Filled)
	for _, c := range l.clients {
		t.Logf("%s: %d connections, %d messages recovered", c.name, c.connections, c.recovered)
	}
}

func newSoakLog(channels []string) *soakLog {
	l := &soakLog{published: map[string]int{}}
	l.moved = sync.NewCond(&l.mu)
	for _, keys := range [][]string{{"soak.0"}, {"soak.*"}, {"soak.0", "soak.1"}, {"soak.2", "soak.>"}, {"solo"}} {
		for n := range 3 {
			c := &soakClient{name: fmt.Sprint(keys, " ", n), keys: keys, next: map[string]int{}}
			for _, channel := range channels {
				if slices.ContainsFunc(keys, func(key string) bool { return hub.Match(key, channel) }) {
					c.channels, c.next[channel] = append(c.channels, channel), 0
				}
			}
			l.clients = append(l.clients, c)
		}
	}
	return l
}

// soakLosses drops copies now and then, in rows of any length, but not the last
// ones that nothing follows.
func soakLosses(seed uint64) func(string, *hub.Message) bool {
	random := rand.New(rand.NewPCG(seed, 1<<32))
	row := map[string]int{}
	return func(pattern string, m *hub.Message) bool {
		if pattern == "solo" && strings.HasSuffix(string(m.Data), "end") {
			return false
		}
		if row[pattern] == 0 && random.IntN(300) == 0 {
			row[pattern] = 1 + random.IntN(1+random.IntN(200))
		}
		if row[pattern] == 0 {
			return false
		}
		row[pattern]--
		return true
	}
}

func soakPublish(h *openHub, l *soakLog, channel string, deadline time.Time) {
	for last := false; !last; {
		last = time.Now().After(deadline)
		number, ok := l.publish(channel)
		if !ok {
			return
		}
		m := &hub.Message{Channel: channel, Data: strconv.AppendInt(nil, int64(number), 10)}
		if last {
			m.Data = append(m.Data, " end"...)
		}
		if _, err := h.Publish(context.Background(), m, hub.PublishOptions{}); err != nil {
			l.fail("publish %d to %s: %v", number, channel, err)
		}
	}
}

// soakFollow is a client's life: one connection after the other.
func soakFollow(t *testing.T, h *openHub, l *soakLog, c *soakClient, random *rand.Rand) {
	for c.ended < len(c.channels) {
		conn := connect(t, h, hub.SessionConfig{Codec: positions{}})
		ok := soakConnection(h, l, c, conn, random)
		conn.leave()
		c.connections++
		if !ok {
			return
		}
	}
}

// soakConnection recovers, reads on and leaves after a random number of frames. It
// is false if the soak failed.
func soakConnection(h *openHub, l *soakLog, c *soakClient, conn *client, random *rand.Rand) bool {
	ctx := context.Background()
	sub, err := conn.Subscribe(ctx, hub.SubscribeOptions{Keys: c.keys})
	if err != nil {
		l.fail("%s: subscribe: %v", c.name, err)
		return false
	}
	now, err := h.Now(ctx)
	if err != nil {
		l.fail("%s: %v", c.name, err)
		return false
	}
	left := 1 + random.IntN(1+random.IntN(2000)) // frames
	for m, err := range h.Replay(ctx, c.keys, hub.Query{After: c.position, Until: now}) {
		if err != nil {
			l.fail("%s: recover: %v", c.name, err)
			return false
		}
		c.recovered++
		if !l.saw(c, string(positions{}.Encode(hub.Event{Message: m}))) {
			return false
		}
		if left--; left == 0 {
			return true // in the middle of it
		}
	}
	sub.Resume(now)
	return soakLive(l, c, conn, left)
}

// soakLive reads up to left live frames. It returns as soakConnection.
func soakLive(l *soakLog, c *soakClient, conn *client, left int) bool {
	timeout := time.NewTimer(20 * time.Second)
	defer timeout.Stop()
	for read := 0; read < left && c.ended < len(c.channels); {
		conn.mu.Lock()
		fresh, closed := slices.Clone(conn.got[read:min(len(conn.got), left)]), conn.closed
		conn.mu.Unlock()
		for _, frame := range fresh {
			if !l.saw(c, frame) {
				return false
			}
		}
		read += len(fresh)
		switch {
		case len(fresh) > 0:
			continue
		case closed != nil:
			return true // it was told, and comes back
		}
		select {
		case <-conn.changed:
		case <-timeout.C:
			l.fail("%s: nothing comes behind %+v", c.name, c.position)
			return false
		}
	}
	return true
}
