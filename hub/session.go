package hub

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// SessionConfig describes a session to open.
type SessionConfig struct {
	Conn     Conn
	Codec    Codec
	ClientID string // "": a random one
	Label    string // given to the codec with each ping
	// PingEvery is the time between pings; 0: none. Pongs: each must be answered,
	// see [Session.Pong], before the next one is due.
	PingEvery time.Duration
	Pongs     bool
	// IdentifyWithin closes the session as stale if [Session.Identify] was not called
	// by then; 0: it need not be.
	IdentifyWithin time.Duration
	// Unannounced: the client does not know that it is connected before the server says
	// so, see [Session.Greeted].
	Unannounced bool
}

// Session is one connected client: who it is, what it is subscribed to and what
// waits to be sent to it. Its transport opens it, pumps it with Take and ends
// it with Detach. Methods may be called from any goroutine.
type Session struct {
	hub    *Hub // static
	meter  Meter
	conn   Conn
	codec  Codec
	label  string
	opened time.Time

	client    atomic.Pointer[Client]    // replaced by Identify
	principal atomic.Pointer[Principal] // replaced under mu by Identify and Renew
	expires   atomic.Int64              // see setExpiry

	pingOpen atomic.Bool // a ping was sent and not answered
	known    atomic.Bool // Identify was called, or need not be
	greeted  atomic.Bool // Greeted was called, or need not be

	nextPing       time.Time // owned by the heart
	pingEvery      time.Duration
	pongs          bool
	identifyWithin time.Duration

	outbox outbox

	mu       sync.Mutex
	subs     subscriptions // guarded by mu
	channels int           // guarded by mu; keys over all subs
	gone     bool          // guarded by mu; Detach was called
}

// open registers a session; see [Actor.Open].
func (h *Hub) open(p *Principal, m Meter, c SessionConfig) (*Session, error) {
	if c.ClientID == "" {
		c.ClientID = newID()
	}
	now := time.Now()
	s := &Session{
		hub: h, meter: m, conn: c.Conn, codec: c.Codec, label: c.Label, opened: now,
		pingEvery: c.PingEvery, pongs: c.Pongs, identifyWithin: c.IdentifyWithin,
		outbox: outbox{limit: h.config.OutboxBytes},
	}
	if c.PingEvery > 0 {
		s.nextPing = now.Add(jitter(c.PingEvery))
	}
	s.client.Store(newClient(c.ClientID, p))
	s.principal.Store(p)
	s.setExpiry()
	s.known.Store(c.IdentifyWithin == 0)
	s.greeted.Store(!c.Unannounced)
	if err := h.add(s); err != nil {
		return nil, err
	}
	s.recheck(now) // it may have been revoked when no Recheck saw the session yet
	return s, nil
}

// Client is who the session is. The result is shared and must not be changed.
func (s *Session) Client() *Client { return s.client.Load() }

// Pong takes note that the client answered a ping. It is false if none was open.
func (s *Session) Pong() bool { return s.pingOpen.Swap(false) }

// Send puts a frame for this client alone into its outbox. It never blocks: if
// the outbox is full, the session is closed as slow. After Close it does nothing.
func (s *Session) Send(frame []byte) {
	r := s.outbox.push(parcel{frame: frame}, false)
	if r.dropped > 0 {
		s.hub.drops.Add(int64(r.dropped))
	}
	if r.full {
		s.Close(Reason{Cause: CauseSlow})
	} else if r.wake {
		s.conn.Wake()
	}
}

// Room blocks until at most half of the outbox is in use. It returns an [Error]
// of [CodeClosed] when the session ends first, or ctx's error.
func (s *Session) Room(ctx context.Context) error { return s.outbox.waitRoom(ctx) }

// Take moves frames from the outbox to the end of dst: as many as fit into
// maxBytes, but one at least if there is one. If there is none the transport goes
// idle, until the next [Conn.Wake]; a session that is to be closed closes its Conn then.
func (s *Session) Take(dst [][]byte, maxBytes int) [][]byte {
	dst, reason := s.outbox.take(dst, maxBytes)
	if reason != nil {
		s.conn.Close(*reason)
	}
	return dst
}

// Close ends the session: what is in the outbox goes out first, unless the cause
// is [CauseSlow], then the Conn is closed with the reason. It does not block. Only the
// first call counts.
func (s *Session) Close(r Reason) {
	first, now := s.outbox.end(r)
	if first && r.Cause == CauseSlow {
		s.hub.slow.Add(1)
	}
	if now {
		s.conn.Close(r)
	} else if w, ok := s.conn.(Withholder); first && ok {
		w.Ending()
	}
}

// Ended reports whether the session is closed, or is to be once its outbox is
// empty.
func (s *Session) Ended() bool { return s.outbox.ended() }

// Detach is the transport's last call: the connection is gone. It ends all
// subscriptions and forgets the session.
func (s *Session) Detach() {
	s.outbox.end(Reason{})
	s.mu.Lock()
	subs := s.subs
	s.subs, s.gone = nil, true
	s.mu.Unlock()
	for _, sub := range subs {
		sub.shard.post(op{call: func() { sub.shard.unsubscribe(sub, nil) }})
	}
	s.hub.remove(s)
}
