package bridge

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"fanfold/hub"
)

// direction is which way messages go.
type direction int

const (
	inward  direction = iota // from the broker to the hub
	outward                  // from the hub to the broker
)

var directionTexts = [...]string{inward: "in", outward: "out"}

// Status is how a bridge does.
type Status struct {
	Name      string
	Broker    string // its address
	Connected bool
	Since     time.Time // when it was connected, or when it was not any more
	Error     string    // the last one since it last went well; "": none
	In, Out   int64     // messages that were taken, and acknowledged
	// Refused are messages that either side will never take.
	RefusedIn, RefusedOut int64
	// Lag is the age of the oldest stored message that the broker has not acknowledged.
	Lag time.Duration
}

// logEvery is how often the log is told of refusals, and of an error that stays the
// same.
const logEvery = time.Minute

// status counts and tells. Its methods may be called from any goroutine.
type status struct {
	logger *slog.Logger // static

	mu        sync.Mutex
	state     Status             // guarded by mu, as all else; without its Error
	troubles  map[string]trouble // by what does not go well: the connection, what comes in, each out route
	refusedAt time.Time          // when the log was told of a refusal
	untold    int                // refusals since
}

// trouble is an error that is tried again, and when the log was told of it.
type trouble struct {
	text string
	told time.Time
}

// What may not go well beside the out routes, which go by their IDs.
const (
	connection = ""
	arrivals   = "in"
	keeping    = "positions"
)

func newStatus(c *Config, logger *slog.Logger) *status {
	return &status{
		logger:   logger.With("bridge", c.Name, "broker", c.URL.Scheme+"://"+c.addr()),
		troubles: map[string]trouble{},
		state:    Status{Name: c.Name, Broker: c.URL.Scheme + "://" + c.addr(), Since: time.Now()},
	}
}

func (s *status) snapshot() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	state := s.state
	for _, what := range slices.Sorted(maps.Keys(s.troubles)) {
		if state.Error = s.troubles[what].text; state.Error != "" {
			break
		}
	}
	return state
}

func (s *status) connected() {
	s.mu.Lock()
	s.state.Connected, s.state.Since = true, time.Now()
	delete(s.troubles, connection)
	s.mu.Unlock()
	s.logger.Info("bridge connected")
}

// disconnected takes note of why the connection ended or did not come about; nil: the
// hub stops.
func (s *status) disconnected(err error) {
	s.mu.Lock()
	was := s.state.Connected
	if s.state.Connected = false; was {
		s.state.Since = time.Now()
	}
	s.mu.Unlock()
	switch {
	case err != nil && was:
		s.tell(connection, "bridge disconnected: trying again", err)
	case err != nil:
		s.tell(connection, "bridge not connected: trying again", err)
	case was:
		s.logger.Info("bridge disconnected: the hub stops")
	}
}

// trouble takes note of something that is tried again.
func (s *status) trouble(what string, err error) { s.tell(what, "bridge waits: trying again", err) }

// tell keeps an error, and tells the log unless it knows that one.
func (s *status) tell(what, text string, err error) {
	now := time.Now()
	t := trouble{err.Error(), now}
	level := slog.LevelWarn
	s.mu.Lock()
	if before := s.troubles[what]; before.text == t.text && now.Sub(before.told) < logEvery {
		level, t.told = slog.LevelDebug, before.told
	}
	s.troubles[what] = t
	s.mu.Unlock()
	s.logger.Log(context.Background(), level, text, "error", err)
}

// count takes note of a message that went all the way, and so of what goes well.
func (s *status) count(d direction, what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d == inward {
		s.state.In++
	} else {
		s.state.Out++
	}
	delete(s.troubles, what)
}

// well takes note of something that goes well again.
func (s *status) well(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.troubles, what)
}

// refuse takes note of a message that will never be taken.
func (s *status) refuse(d direction, name string, err error) {
	now := time.Now()
	s.mu.Lock()
	if d == inward {
		s.state.RefusedIn++
	} else {
		s.state.RefusedOut++
	}
	tell, omitted := now.Sub(s.refusedAt) >= logEvery, s.untold
	if s.untold++; tell {
		s.refusedAt, s.untold = now, 0
	}
	s.mu.Unlock()
	reason := err.Error()
	if e, ok := errors.AsType[*hub.Error](err); ok {
		reason = e.Message
	}
	if tell {
		s.logger.Warn("bridge: a message was refused for good", "direction", directionTexts[d], "name", name, "reason", reason, "omitted", omitted)
	}
}

// lose tells that messages may have been forgotten before they were sent.
func (s *status) lose(from string, err error) {
	s.logger.Warn("bridge: the store does not reach back to what was sent last, so that messages may be missing: going on with what is kept", "from", from, "error", err)
}

func (s *status) lag(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.Lag = d
}
