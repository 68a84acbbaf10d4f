package device

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"fanfold/api/dialect"
	"fanfold/hub"
)

// Config of [Sessions].
type Config struct {
	// Hub is the hub as somebody may use it who may keep records.
	Hub *hub.Actor // required
	// MaxSessions bounds those that are kept; 0: 10,000.
	MaxSessions int
	Logger      *slog.Logger // nil: silent
	Now         func() time.Time
}

// Times of the sessions.
const (
	tickEvery   = time.Second
	leaveWithin = 15 * time.Second // for a connection whose client has come again
	saveWithin  = 5 * time.Second
)

// Sessions are those of all clients. Its methods may be called from any goroutine.
type Sessions struct {
	config Config // static
	node   string // tells this process's records from those of others
	stop   func() // ends the hearing of records

	mu      sync.Mutex
	entries map[string]*entry // guarded by mu; by record ID
	kept    int               // guarded by mu; entries with an expiry
}

var _ dialect.MQTTSessions = (*Sessions)(nil)

// entry is one client's session.
type entry struct {
	sessions *Sessions // static
	id       string

	saving sync.Mutex // held while the record is written, so that the newest is the last

	// guarded by the Sessions' mu
	client  dialect.MQTTClient // the connection; nil: there is none
	gone    chan struct{}      // closed when client is nil again
	expiry  time.Duration      // 0: it ends with the connection
	state   *dialect.MQTTState // without a client
	expires time.Time          // without a client
	will    *dialect.MQTTWill  // nil: none waits
	willAt  time.Time
	written time.Time // the record was
	counted bool      // among kept
}

// Open takes over the sessions that are kept.
func Open(ctx context.Context, h *hub.Hub, c Config) (*Sessions, error) {
	c.MaxSessions = cmp.Or(c.MaxSessions, 10_000)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	s := &Sessions{config: c, node: hub.LiveID(), entries: map[string]*entry{}}
	stop, err := h.Records(ctx, sessionKind, s.hear)
	s.stop = sync.OnceFunc(func() { stop() })
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Close ends the hearing of other hubs.
func (s *Sessions) Close() { s.stop() }

// Attach implements [dialect.MQTTSessions].
func (s *Sessions) Attach(ctx context.Context, c dialect.MQTTConnect, client dialect.MQTTClient) (dialect.MQTTSession, *dialect.MQTTState, error) {
	id := recordID(c.Owner, c.ClientID)
	ctx, cancel := context.WithTimeout(ctx, leaveWithin)
	defer cancel()
	for {
		e, state, will, err := s.take(id, c, client)
		switch {
		case err != nil:
			return nil, nil, err
		case e != nil:
			if will != nil {
				will.Publish(ctx)
			}
			return hold{e}, state, s.begin(ctx, e, c, state)
		}
		if err := s.leave(ctx, id); err != nil {
			return nil, nil, err
		}
	}
}

// begin forgets what was kept of a session that begins anew.
func (s *Sessions) begin(ctx context.Context, e *entry, c dialect.MQTTConnect, state *dialect.MQTTState) error {
	if state != nil || c.Expiry > 0 || e.written.IsZero() {
		return nil
	}
	if err := e.forget(ctx); err != nil {
		hold{e}.Detach(ctx, dialect.MQTTState{}, 0, nil)
		return err
	}
	return nil
}

// take gives the session to a client if nobody has it, else e is nil. will is one to publish now,
// because its session has ended.
func (s *Sessions) take(id string, c dialect.MQTTConnect, client dialect.MQTTClient) (e *entry, state *dialect.MQTTState, will *dialect.MQTTWill, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e = s.entries[id]
	if e == nil {
		e = &entry{sessions: s, id: id}
	}
	if e.client != nil {
		return nil, nil, nil, nil
	}
	if c.Expiry > 0 && !e.counted && s.kept >= s.config.MaxSessions {
		return nil, nil, nil, hub.Errorf(hub.CodeLimit, "this hub keeps %d sessions, and has no room for more: connect with a clean session", s.config.MaxSessions)
	}
	if over := !s.config.Now().Before(e.expires); c.Clean || over {
		e.state = nil
		will = e.will // [MQTT-3.1.3-9]: else the client is back in time
	}
	state = e.state
	e.client, e.gone, e.expiry = client, make(chan struct{}), c.Expiry
	e.state, e.will = nil, nil
	s.entries[id] = e
	s.count(e)
	return e, state, will, nil
}

// count keeps the number of sessions that are kept.
func (s *Sessions) count(e *entry) {
	if keep := e.expiry > 0; keep != e.counted {
		e.counted = keep
		if keep {
			s.kept++
		} else {
			s.kept--
		}
	}
}

// leave ends the connection that has the session, and waits until it has let go.
func (s *Sessions) leave(ctx context.Context, id string) error {
	s.mu.Lock()
	e := s.entries[id]
	if e == nil || e.client == nil {
		s.mu.Unlock()
		return nil
	}
	client, gone := e.client, e.gone
	s.mu.Unlock()
	client.TakenOver()
	select {
	case <-gone:
		return nil
	case <-ctx.Done():
		return hub.Errorf(hub.CodeUnavailable, "the client's other connection has not ended yet: try again in a moment")
	}
}

// hold is a connection's [dialect.MQTTSession].
type hold struct{ *entry }

// Save implements [dialect.MQTTSession].
func (h hold) Save(ctx context.Context) error { return h.save(ctx, true) }

// save writes the client's state down, if it is another or that is due.
func (e *entry) save(ctx context.Context, always bool) error {
	s := e.sessions
	e.saving.Lock()
	defer e.saving.Unlock()
	s.mu.Lock()
	client, expiry, written := e.client, e.expiry, e.written
	s.mu.Unlock()
	if client == nil || expiry == 0 {
		return nil
	}
	state, changed := client.State()
	if !always && !changed && s.config.Now().Sub(written) < expiry/4 {
		return nil
	}
	return e.write(ctx, &state, expiry)
}

// Detach implements [dialect.MQTTSession].
func (h hold) Detach(ctx context.Context, state dialect.MQTTState, keep time.Duration, will *dialect.MQTTWill) {
	s, e := h.sessions, h.entry
	if will != nil && will.Delay == 0 {
		will.Publish(ctx)
		will = nil
	}
	e.saving.Lock()
	defer e.saving.Unlock()
	if err := e.writeEnd(ctx, &state, keep); err != nil {
		s.config.Logger.Warn("a device's session can't be written down", "error", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.config.Now()
	e.client, e.expiry, e.state, e.expires = nil, keep, &state, now.Add(keep)
	s.count(e)
	if will != nil {
		e.will, e.willAt = will, now.Add(will.Delay)
	}
	if keep == 0 {
		delete(s.entries, e.id)
	}
	close(e.gone)
}

// writeEnd writes down the state with which a connection ends.
func (e *entry) writeEnd(ctx context.Context, state *dialect.MQTTState, keep time.Duration) error {
	switch {
	case keep > 0:
		return e.write(ctx, state, keep)
	case !e.written.IsZero():
		return e.forget(ctx)
	}
	return nil
}

// Run looks after the sessions until ctx ends: then wills that wait are published, since
// nobody would later.
func (s *Sessions) Run(ctx context.Context) {
	ticker := time.NewTicker(tickEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			s.tick(ctx, s.config.Now())
		case <-ctx.Done():
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveWithin)
			defer cancel()
			for _, will := range s.due(time.Time{}) {
				will.Publish(ctx)
			}
			return
		}
	}
}

func (s *Sessions) tick(ctx context.Context, now time.Time) {
	ctx, cancel := context.WithTimeout(ctx, saveWithin)
	defer cancel()
	all := s.attached()
	for _, client := range all {
		client.Tick(now)
	}
	for _, will := range s.due(now) {
		will.Publish(ctx)
	}
	for e := range all {
		if err := e.save(ctx, false); err != nil && !errors.Is(err, context.Canceled) {
			s.config.Logger.Warn("a device's session can't be written down: trying again", "error", err)
			return
		}
	}
}

func (s *Sessions) attached() map[*entry]dialect.MQTTClient {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make(map[*entry]dialect.MQTTClient, len(s.entries))
	for _, e := range s.entries {
		if e.client != nil {
			all[e] = e.client
		}
	}
	return all
}

// due takes out the wills whose time has come, and forgets sessions that are over, whose
// records end by themselves. The zero time takes all wills.
func (s *Sessions) due(now time.Time) (wills []*dialect.MQTTWill) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, e := range s.entries {
		if e.client != nil {
			continue
		}
		over := !now.IsZero() && !now.Before(e.expires)
		if e.will != nil && (now.IsZero() || over || !now.Before(e.willAt)) {
			wills = append(wills, e.will)
			e.will = nil
		}
		if over {
			e.expiry = 0
			s.count(e)
			delete(s.entries, id)
		}
	}
	return wills
}

// Stats are how many sessions there are.
type Stats struct{ Connected, Kept int }

// Stats returns the counters.
func (s *Sessions) Stats() (st Stats) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.entries {
		if e.client != nil {
			st.Connected++
		}
	}
	st.Kept = s.kept
	return st
}
