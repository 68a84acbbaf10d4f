package hub

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Rule says how the channels of a pattern are kept and who may publish there.
// It is static.
type Rule struct {
	// Name is one token of letters, digits, - and _, under which the store files what it
	// keeps. Renaming a rule loses nothing, see [Rules].
	Name string
	// Channels is the pattern of the channels that the rule is for.
	Channels string
	// Live channels are delivered and never stored; the next three fields do not matter then.
	Live bool
	// Messages is how many of a channel's newest messages are kept, 1 or more.
	Messages int
	// Age is how long a message is kept, a second or more.
	Age time.Duration
	// Bytes bounds what all of the rule's channels together take in the store; beyond it
	// the oldest go. 0: no bound of its own.
	Bytes int64
	// NoPresence hides who is subscribed, and NoJoinLeave tells nobody who comes and goes.
	NoPresence, NoJoinLeave bool
	// Publishers says who may publish.
	Publishers Publishers
	// Slow says what happens when a subscriber's outbox is full.
	Slow SlowPolicy
}

// Publishers says who may publish to a channel.
type Publishers int

// The publishers.
const (
	PublishersAll    Publishers = iota // everybody
	PublishersServer                   // servers, over HTTP: with a key, or where nobody is asked for one
	PublishersNobody                   // what is published is refused
)

// SlowPolicy says what happens to a message that a subscriber's outbox has no
// room for.
type SlowPolicy int

// The policies.
const (
	// SlowDisconnect closes the session with [CauseSlow]; the client recovers.
	SlowDisconnect SlowPolicy = iota
	// SlowDropOldest drops the oldest waiting messages of channels with this policy.
	SlowDropOldest
	// SlowKeepLatest lets only the newest message of a channel wait: a new one takes the
	// place of the one before it, whether or not the outbox is full.
	SlowKeepLatest
)

// MainRule is the name of the rule for channels that no other rule is for.
const MainRule = "main"

// DefaultRule keeps 1,000 messages of each channel for 24 hours. It is for all
// channels.
func DefaultRule() Rule {
	return Rule{Name: MainRule, Channels: anyRest, Messages: 1000, Age: 24 * time.Hour}
}

// Rules are what a hub goes by: the first whose pattern matches a channel counts.
// The last one is for all channels. They may be changed between two runs of a hub: what is
// stored stays, and is trimmed by the rule that has the name of the one that it was stored
// by; if there is none, by the last rule.
type Rules []Rule

// WithDefault returns the rules with [DefaultRule] behind them, unless the last one
// is for all channels already.
func (r Rules) WithDefault() Rules {
	if n := len(r); n > 0 && r[n-1].Channels == anyRest {
		return r
	}
	return append(r[:len(r):len(r)], DefaultRule())
}

// For returns the rule of a channel. The rules must be valid.
func (r Rules) For(channel string) *Rule {
	for i := range r {
		if r[i].Channels == anyRest || Match(r[i].Channels, channel) {
			return &r[i]
		}
	}
	panic("hub: no rule is for the channel " + channel)
}

// Validate says which rule can't be used.
func (r Rules) Validate() error {
	if n := len(r); n == 0 || r[n-1].Channels != anyRest {
		return errors.New("hub: the last rule must be for all channels")
	}
	names := map[string]bool{}
	for i := range r {
		if err := r[i].validate(); err != nil {
			return fmt.Errorf("hub: rule %q: %w", r[i].Name, err)
		}
		if names[r[i].Name] {
			return fmt.Errorf("hub: rule %q: there are two of that name", r[i].Name)
		}
		names[r[i].Name] = true
	}
	return nil
}

func (r *Rule) validate() error {
	if r.Name == "" || strings.ContainsFunc(r.Name, notRuleRune) {
		return errors.New("its name must be letters, digits, - and _")
	}
	if err := CheckPattern(r.Channels); err != nil {
		return fmt.Errorf("its channels: %w", err)
	}
	switch {
	case r.Live:
	case r.Messages < 1:
		return errors.New("it must keep at least one message of a channel, or be live")
	case r.Age < time.Second:
		return errors.New("it must keep messages for at least a second, or be live")
	case r.Bytes < 0:
		return errors.New("its bound on bytes is negative")
	}
	return nil
}

func notRuleRune(c rune) bool {
	return c != '-' && c != '_' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z')
}
