package hub

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"hash/maphash"
	"log/slog"
	mathrand "math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Config of a [Hub]. Zero fields take the value of [DefaultConfig].
type Config struct {
	Engine           Engine // required
	Rules            Rules  // the engine's own; nil: [DefaultRule] alone
	Name             string // of this node, for operators
	Version          string
	Shards           int // goroutines that own channels
	OutboxBytes      int // bound on what waits for one session
	MaxMessageBytes  int // bound on a message's Data
	MaxSubscriptions int // of one session, counting each channel or pattern
	// Refuses says why a principal that was accepted once does not count any more: it was
	// revoked. The error is an [Error] of [CodeUnauthenticated] or [CodeExpired]. It must not
	// block; nil: all count. See [Hub.Recheck].
	Refuses func(*Principal) error
	Logger  *slog.Logger // nil: silent
}

// DefaultConfig is what a zero field stands for.
func DefaultConfig() Config {
	return Config{
		Name:             "fanfold",
		Version:          "dev",
		Shards:           runtime.GOMAXPROCS(0),
		OutboxBytes:      1 << 20,
		MaxMessageBytes:  64 << 10,
		MaxSubscriptions: 128,
		Logger:           slog.New(slog.DiscardHandler),
	}
}

// Validate says which field can't be used.
func (c Config) Validate() error {
	switch {
	case c.Engine == nil:
		return errors.New("hub: no engine is configured")
	case c.Rules != nil && c.Rules.Validate() != nil:
		return c.Rules.Validate()
	case c.Shards < 0 || c.OutboxBytes < 0 || c.MaxMessageBytes < 0 || c.MaxSubscriptions < 0:
		return errors.New("hub: a bound is negative")
	}
	return nil
}

func (c Config) withDefaults() Config {
	d := DefaultConfig()
	set := func(field *int, value int) {
		if *field == 0 {
			*field = value
		}
	}
	set(&c.Shards, d.Shards)
	set(&c.OutboxBytes, d.OutboxBytes)
	set(&c.MaxMessageBytes, d.MaxMessageBytes)
	set(&c.MaxSubscriptions, d.MaxSubscriptions)
	c.Rules = c.Rules.WithDefault()
	if c.Logger == nil {
		c.Logger = d.Logger
	}
	if c.Name == "" {
		c.Name = d.Name
	}
	if c.Version == "" {
		c.Version = d.Version
	}
	return c
}

// Hub is the set of sessions and their subscriptions. Its methods may be called
// from any goroutine.
type Hub struct {
	config  Config // static
	id      string
	started time.Time
	seed    maphash.Seed
	shards  []*shard

	life       context.Context // ended by end, which Shutdown calls
	end        context.CancelFunc
	stop       <-chan struct{} // of life
	fills      chan struct{}   // has one for each fill under way
	herds      chan *herd      // to be woken
	goroutines sync.WaitGroup

	slow       atomic.Int64 // see Info
	gaps       atomic.Int64
	filled     atomic.Int64
	lost       atomic.Int64
	drops      atomic.Int64
	overbooked atomic.Int64

	denials   denials
	published published

	mu       sync.Mutex
	sessions map[string]*Session // guarded by mu; key: Client.ID
	draining bool                // guarded by mu
	empty    chan struct{}       // guarded by mu; closed when draining and no session is left
}

// New starts a hub's goroutines, which run until [Hub.Shutdown]. It closes
// nothing of the engine's.
func New(config Config) (*Hub, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	h := &Hub{
		config:   config.withDefaults(),
		id:       newID(),
		started:  time.Now(),
		seed:     maphash.MakeSeed(),
		fills:    make(chan struct{}, maxFills),
		herds:    make(chan *herd, maxHerds),
		sessions: map[string]*Session{},
		empty:    make(chan struct{}),
	}
	h.life, h.end = context.WithCancel(context.Background())
	h.stop = h.life.Done()
	for range h.config.Shards {
		s := newShard(h)
		h.shards = append(h.shards, s)
		h.goroutines.Go(s.run)
		h.goroutines.Go(h.wakeHerds)
	}
	h.goroutines.Go(h.beat)
	return h, nil
}

// Ready returns nil if a message would be stored now, else what is wrong.
func (h *Hub) Ready(ctx context.Context) error {
	h.mu.Lock()
	draining := h.draining
	h.mu.Unlock()
	if draining {
		return ErrShutdown
	}
	if prober, ok := h.config.Engine.(Prober); ok {
		return prober.Probe(ctx)
	}
	return nil
}

// MaxMessageBytes is the bound on a message's Data.
func (h *Hub) MaxMessageBytes() int { return h.config.MaxMessageBytes }

// Info describes this node.
type Info struct {
	ID, Name, Version string
	Sessions          int
	Users             int // distinct; all anonymous sessions together count as one
	Channels          int // channels and patterns with a subscriber
	Uptime            time.Duration
	Slow              int64 // sessions closed because their outbox was full
	Gaps              int64 // times that stored messages were lost on the way to subscribers
	Filled            int64 // stored messages that were lost on the way and brought from the store
	Dropped           int64 // frames that slow sessions were spared, see SlowPolicy
	Lost              int64 // messages that were lost on the way and not stored
	Denied            int64 // times that somebody asked for what no grant covers
	Overbooked        int64 // times that a session asked for more channels than it may have
	Published         Published
}

// info returns a snapshot. It asks every shard and waits for the answers.
func (h *Hub) info(ctx context.Context) (Info, error) {
	channels, err := h.channels(ctx, "")
	if err != nil {
		return Info{}, err
	}
	info := Info{
		ID: h.id, Name: h.config.Name, Version: h.config.Version,
		Channels: len(channels), Uptime: time.Since(h.started), Slow: h.slow.Load(), Gaps: h.gaps.Load(),
		Filled: h.filled.Load(), Dropped: h.drops.Load(), Lost: h.lost.Load(), Denied: h.denials.total.Load(), Overbooked: h.overbooked.Load(),
		Published: h.published.snapshot(),
	}
	users := map[string]bool{}
	for _, s := range h.snapshot() {
		info.Sessions++
		users[s.Client().User] = true
	}
	info.Users = len(users)
	return info, nil
}

// Target selects sessions: all of a user, or the one with that client ID, or
// both conditions together.
type Target struct {
	User    string
	AnyUser bool   // User is no condition
	Client  string // "": any
}

func (t Target) matches(c *Client) bool {
	return (t.AnyUser || c.User == t.User) && (t.Client == "" || c.ID == t.Client)
}

// disconnect closes the sessions that t selects and returns their number.
func (h *Hub) disconnect(t Target, r Reason) int {
	n := 0
	for _, s := range h.snapshot() {
		if t.matches(s.Client()) {
			s.Close(r)
			n++
		}
	}
	return n
}

// unsubscribe ends a subscription of the sessions that t selects, tells them
// so, and returns their number.
func (h *Hub) unsubscribe(t Target, key string, r Reason) int {
	n := 0
	for _, s := range h.snapshot() {
		if t.matches(s.Client()) && s.unsubscribe(key, &r) {
			n++
		}
	}
	return n
}

func (h *Hub) snapshot() []*Session {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make([]*Session, 0, len(h.sessions))
	for _, s := range h.sessions {
		all = append(all, s)
	}
	return all
}

// Shutdown refuses new sessions, closes the present ones with [CauseShutdown],
// drainRate of them a second and each with another time to come back at, waits until
// their transports have let go of them, and stops the hub's goroutines. When ctx is done
// it stops waiting for sessions and returns ctx's error. A second call waits as the first.
func (h *Hub) Shutdown(ctx context.Context) error {
	h.mu.Lock()
	first := !h.draining
	h.draining = true
	if first && len(h.sessions) == 0 {
		close(h.empty)
	}
	h.mu.Unlock()

	h.closeAll(ctx)
	var err error
	select {
	case <-h.empty:
	case <-ctx.Done():
		err = ctx.Err()
	}
	h.end()
	h.goroutines.Wait()
	return err
}

// drainRate is how many sessions a second are told to come back later. They are
// told a time of returnSoonest to returnLatest, or later if more than returnRate a second
// would come.
const (
	drainRate     = 5000
	returnRate    = 2000
	returnSoonest = 500 * time.Millisecond
	returnLatest  = 5 * time.Second
)

func (h *Hub) closeAll(ctx context.Context) {
	const slices = 20 // of a second
	pause := time.NewTicker(time.Second / slices)
	defer pause.Stop()
	all := h.snapshot()
	for i, s := range all {
		if i > 0 && i%(drainRate/slices) == 0 {
			select {
			case <-pause.C:
			case <-ctx.Done():
			}
		}
		s.Close(Reason{Cause: CauseShutdown, Retry: returnIn(i, len(all))})
	}
}

// returnIn spreads the return of n sessions: each has a random time in a slot of
// its own, and a snapshot has them in no order.
func returnIn(i, n int) time.Duration {
	span := max(returnLatest-returnSoonest, time.Duration(n)*time.Second/returnRate)
	slot := span / time.Duration(n)
	return returnSoonest + time.Duration(i)*slot + mathrand.N(slot+1)
}

func (h *Hub) add(s *Session) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.draining {
		return ErrShutdown
	}
	id := s.Client().ID
	if h.sessions[id] != nil {
		return Errorf(CodeInternal, "the client ID %q is in use", id)
	}
	h.sessions[id] = s
	return nil
}

func (h *Hub) remove(s *Session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	before := len(h.sessions)
	delete(h.sessions, s.Client().ID)
	if h.draining && before > 0 && len(h.sessions) == 0 {
		close(h.empty)
	}
}

func (h *Hub) shardOf(key string) *shard {
	return h.shards[maphash.String(h.seed, key)%uint64(len(h.shards))]
}

// newID returns a random UUID (RFC 9562 §5.4).
func newID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
