package bridge

import (
	"context"
	"log/slog"
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
	state     Status    // guarded by mu, as all else
	told      time.Time // when the log was told of state.Error
	toldOf    string
	refusedAt time.Time // when the log was told of a refusal
	untold    int       // refusals since
}

func newStatus(c *Config, logger *slog.Logger) *status {
	return &status{
		logger: logger.With("bridge", c.Name, "broker", c.URL.Scheme+"://"+c.addr()),
		state:  Status{Name: c.Name, Broker: c.URL.Scheme + "://" + c.addr(), Since: time.Now()},
	}
}

func (s *status) snapshot() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

func (s *status) connected() {
	s.mu.Lock()
	s.state.Connected, s.state.Since, s.state.Error, s.toldOf = true, time.Now(), "", ""
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
		s.tell("bridge disconnected: trying again", err)
	case err != nil:
		s.tell("bridge not connected: trying again", err)
	case was:
		s.logger.Info("bridge disconnected: the hub stops")
	}
}

// trouble takes note of something that is tried again.
func (s *status) trouble(err error) { s.tell("bridge waits: trying again", err) }

// tell keeps an error, and tells the log unless it knows that one.
func (s *status) tell(what string, err error) {
	now := time.Now()
	s.mu.Lock()
	s.state.Error = err.Error()
	level := slog.LevelWarn
	if s.toldOf == what+s.state.Error && now.Sub(s.told) < logEvery {
		level = slog.LevelDebug
	} else {
		s.told, s.toldOf = now, what+s.state.Error
	}
	s.mu.Unlock()
	s.logger.Log(context.Background(), level, what, "error", err)
}

// count takes note of a message that went all the way.
func (s *status) count(d direction) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d == inward {
		s.state.In++
	} else {
		s.state.Out++
	}
	if s.state.Connected {
		s.state.Error = ""
	}
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
	if tell {
		s.logger.Warn("bridge: a message was refused for good", "direction", directionTexts[d], "name", name, "reason", hub.ErrorOf(err).Message, "omitted", omitted)
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
