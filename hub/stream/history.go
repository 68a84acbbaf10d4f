package stream

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"fanfold/hub"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
)

// history is what there is to know about the rules that the store has been filled by. It
// is static but for settled, and kept as a mark.
type history struct {
	// Rules are the present ones.
	Rules []pastRule `json:"rules"`
	// Changed is the last sequence number before they came into force.
	Changed uint64 `json:"changed"`
	// Past are all names that messages may be filed under.
	Past map[string]*past `json:"past"`

	// settled: no message from before the change is left.
	settled atomic.Bool
}

// pastRule is the part of a rule that the store depends on.
type pastRule struct {
	Name     string        `json:"name"`
	Channels string        `json:"channels"`
	Live     bool          `json:"live,omitempty"`
	Messages int           `json:"messages,omitempty"`
	Age      time.Duration `json:"age,omitempty"`
	Bytes    int64         `json:"bytes,omitempty"`
}

// past is what the rules of one name have said over time.
type past struct {
	Channels []string `json:"channels"`
	Messages int      `json:"messages"` // the least
	// Shortest and Life are the least and the longest TTL by rule that its messages were
	// stored with. Shortest 0: all had none. Life 0: some had none.
	Shortest time.Duration `json:"shortest"`
	Life     time.Duration `json:"life"`
}

func pastRules(rules hub.Rules) (all []pastRule) {
	for _, r := range rules {
		all = append(all, pastRule{r.Name, r.Channels, r.Live, r.Messages, r.Age, r.Bytes})
	}
	return all
}

// add takes rules into account.
func (h *history) add(rules hub.Rules) {
	for name, f := range newFilings(rules) {
		l := limitsOf(rules, f.rule)
		p := h.Past[name]
		if p == nil {
			p = &past{Messages: l.Messages, Shortest: f.ttl, Life: f.ttl}
			h.Past[name] = p
		}
		p.Messages = min(p.Messages, l.Messages)
		if !slices.Contains(p.Channels, f.rule.Channels) {
			p.Channels = append(p.Channels, f.rule.Channels)
		}
		p.addTTL(f)
	}
}

func (p *past) addTTL(f *filing) {
	switch {
	case f.rule.Live:
	case f.ttl == 0:
		p.Life = 0
	default:
		if p.Life != 0 {
			p.Life = max(p.Life, f.ttl)
		}
		if p.Shortest == 0 || f.ttl < p.Shortest {
			p.Shortest = f.ttl
		}
	}
}

// change brings h up to date with the rules now. first and last are the store's
// sequence numbers.
func (h *history) change(rules hub.Rules, first, last uint64) {
	now := pastRules(rules)
	if h.Changed != 0 && h.Changed < first { // what came before the last change is gone
		h.Past = map[string]*past{}
		h.add(h.present())
	}
	if !slices.Equal(h.Rules, now) {
		h.Rules, h.Changed = now, last
		h.add(rules)
	}
	h.settle(first)
}

// present are the present rules, as far as the store depends on them.
func (h *history) present() (rules hub.Rules) {
	for _, r := range h.Rules {
		rules = append(rules, hub.Rule{Name: r.Name, Channels: r.Channels, Live: r.Live, Messages: r.Messages, Age: r.Age, Bytes: r.Bytes})
	}
	return rules
}

// settle notes that the store begins at first now.
func (h *history) settle(first uint64) { h.settled.Store(h.Changed == 0 || h.Changed < first) }

// onlyName is the one name that everything is filed under; "": there are several.
func (h *history) onlyName() string {
	if len(h.Past) == 1 && len(h.Rules) == 1 {
		return h.Rules[0].Name
	}
	return ""
}

// names are those that messages of a channel or pattern may be filed under, behind the
// sequence number seq.
func (e *Engine) names(channel string, seq uint64) (names []string) {
	h := e.rules
	if seq < h.Changed {
		for name, p := range h.Past {
			if slices.ContainsFunc(p.Channels, func(pattern string) bool { return server.SubjectsCollide(pattern, channel) }) {
				names = append(names, name)
			}
		}
		return names
	}
	if !hub.IsPattern(channel) {
		return []string{e.filing(channel).rule.Name}
	}
	for _, r := range h.Rules {
		if server.SubjectsCollide(r.Channels, channel) {
			names = append(names, r.Name)
		}
	}
	return names
}

// bounds are what messages filed under a name behind seq were kept within.
func (e *Engine) bounds(name string, seq uint64) limits {
	l := e.limitsOfName(name)
	if p := e.rules.Past[name]; p != nil && seq < e.rules.Changed {
		l.Messages = min(l.Messages, p.Messages)
		if p.Shortest != 0 {
			l.Age = min(l.Age, p.Shortest)
		}
	}
	return l
}

// openHistory reads the history of the rules and brings it up to date. old is the
// stream as it was found, nil if it is new.
func (e *Engine) openHistory(ctx context.Context, old *jetstream.StreamInfo) error {
	h := &history{Past: map[string]*past{}}
	known, err := e.mark(ctx, rulesMark, h)
	if err != nil {
		return fmt.Errorf("look up the rules so far: %w", err)
	}
	var first, last uint64
	if old != nil {
		first, last = old.State.FirstSeq, old.State.LastSeq
	}
	switch {
	case old == nil: // whatever is known was of another one
		*h = history{Past: map[string]*past{}}
	case !known: // made when there was one rule, which the stream's limits were those of
		rule := hub.DefaultRule()
		rule.Messages, rule.Age = int(old.Config.MaxMsgsPerSubject), old.Config.MaxAge
		h.Rules = pastRules(hub.Rules{rule})
		h.add(hub.Rules{rule})
	}
	if e.rules = h; old != nil {
		if err := e.loadFloors(ctx, last); err != nil {
			return err
		}
	}
	before := h.Changed
	same := slices.Equal(h.Rules, pastRules(e.config.Rules))
	h.change(e.config.Rules, first, last)
	if same && before == h.Changed && known {
		return nil
	}
	return e.setMark(ctx, rulesMark, h)
}

// loadFloors reads up to where bytes were trimmed. A floor beyond the store's last
// number is of another store.
func (e *Engine) loadFloors(ctx context.Context, last uint64) error {
	for name := range e.rules.Past {
		var floor uint64
		if _, err := e.mark(ctx, floorPrefix+name, &floor); err != nil {
			return fmt.Errorf("look up what was trimmed: %w", err)
		}
		if floor <= last+1 {
			e.floors.set(name, floor)
		}
	}
	return nil
}
