package stream

import (
	"errors"
	"log/slog"
	"time"

	"fanfold/hub"
)

// Config of an [Engine].
type Config struct {
	// Dir is the folder that holds the store, made if missing. "" keeps everything
	// in memory.
	Dir string
	// Rules say how long each channel's messages are kept. nil: [hub.DefaultRule].
	Rules hub.Rules
	// MaxBytes bounds the store; beyond it the oldest messages go, whatever their
	// channel. 0: no bound.
	MaxBytes int64
	// Sync says when stored messages are safe from a power cut.
	Sync Sync
	// IdempotencyWindow is how long an idempotency key is remembered, by the channel.
	IdempotencyWindow time.Duration
	// MaxMessageBytes is the largest Data that will be published.
	MaxMessageBytes int
	// MaxSchedules is how many messages may wait for their time.
	MaxSchedules int
	// Inbox is how many messages may wait to be handed to their listeners. What
	// comes when it is full is lost to them, and they are told so.
	Inbox  int
	Logger *slog.Logger // nil: silent

	// sweepFrom is the least age of a rule's that the janitor sees to.
	sweepFrom time.Duration
}

// sweepFrom is the usual Config.sweepFrom. A TTL is exact to a second, but the store keeps a
// header and an entry in memory for each message that has one, which is a sixth of the CPU of a
// publish. Of an age like this few messages reach the end, as against those that their channel
// has too many of, and a minute more is no matter.
const sweepFrom = 12 * time.Hour

// Sync says when what is stored is written through to the disk. A killed process
// loses nothing either way.
type Sync int

// The choices.
const (
	// SyncInterval: every second, so that a power cut may take the last two.
	SyncInterval Sync = iota
	// SyncAlways: before a publish is acknowledged.
	SyncAlways
)

// syncEvery is the time between two writes of [SyncInterval].
const syncEvery = time.Second

// DefaultConfig keeps messages in memory, by the default rule.
func DefaultConfig() Config {
	return Config{Rules: hub.Rules{hub.DefaultRule()}, IdempotencyWindow: 5 * time.Minute, MaxMessageBytes: 64 << 10, MaxSchedules: 100_000, Inbox: 16 << 10, Logger: slog.New(slog.DiscardHandler)}
}

// Validate says which field can't be used.
func (c Config) Validate() error {
	switch {
	case c.Rules.Validate() != nil:
		return c.Rules.Validate()
	case c.MaxBytes < 0:
		return errors.New("stream: the bound on the store's size is negative")
	case c.IdempotencyWindow < time.Second:
		return errors.New("stream: idempotency keys must be remembered for at least a second")
	case c.Inbox < 1:
		return errors.New("stream: the inbox must have room for a message")
	case c.MaxSchedules < 1:
		return errors.New("stream: the number of messages that may be scheduled must be positive")
	case c.MaxMessageBytes < 1:
		return errors.New("stream: the bound on a message's size must be positive")
	}
	return nil
}

func (c Config) withDefaults() Config {
	d := DefaultConfig()
	c.Rules = c.Rules.WithDefault()
	if c.IdempotencyWindow == 0 {
		c.IdempotencyWindow = d.IdempotencyWindow
	}
	if c.sweepFrom == 0 {
		c.sweepFrom = sweepFrom
	}
	if c.MaxMessageBytes == 0 {
		c.MaxMessageBytes = d.MaxMessageBytes
	}
	if c.MaxSchedules == 0 {
		c.MaxSchedules = d.MaxSchedules
	}
	if c.Inbox == 0 {
		c.Inbox = d.Inbox
	}
	if c.Logger == nil {
		c.Logger = d.Logger
	}
	return c
}
