package stream

import (
	"errors"
	"log/slog"
	"time"
)

// Config of an [Engine].
type Config struct {
	// Dir is the folder that holds the store, made if missing. "" keeps everything
	// in memory.
	Dir string
	// Messages and Age bound what a channel keeps.
	Messages int
	Age      time.Duration
	// MaxMessageBytes is the largest Data that will be published.
	MaxMessageBytes int
	// Inbox is how many messages may wait to be handed to their listeners. What
	// comes when it is full is lost to them, and they are told so.
	Inbox  int
	Logger *slog.Logger // nil: silent
}

// DefaultConfig keeps 1,000 messages and 24 hours of each channel in memory.
func DefaultConfig() Config {
	return Config{Messages: 1000, Age: 24 * time.Hour, MaxMessageBytes: 64 << 10, Inbox: 16 << 10, Logger: slog.New(slog.DiscardHandler)}
}

// Validate says which field can't be used.
func (c Config) Validate() error {
	switch {
	case c.Messages < 1:
		return errors.New("stream: a channel must keep at least one message")
	case c.Age < time.Second:
		return errors.New("stream: messages must be kept for at least a second")
	case c.Inbox < 1:
		return errors.New("stream: the inbox must have room for a message")
	case c.MaxMessageBytes < 1:
		return errors.New("stream: the bound on a message's size must be positive")
	}
	return nil
}

func (c Config) withDefaults() Config {
	d := DefaultConfig()
	if c.Messages == 0 {
		c.Messages = d.Messages
	}
	if c.Age == 0 {
		c.Age = d.Age
	}
	if c.MaxMessageBytes == 0 {
		c.MaxMessageBytes = d.MaxMessageBytes
	}
	if c.Inbox == 0 {
		c.Inbox = d.Inbox
	}
	if c.Logger == nil {
		c.Logger = d.Logger
	}
	return c
}
