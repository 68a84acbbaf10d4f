package stream

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"time"

	"fanfold/hub"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
)

// history is which rules were in force when, as far back as there are messages. It is
// kept as a mark.
type history struct {
	sweepFrom time.Duration // static; see Config.sweepFrom

	mu   sync.RWMutex
	eras []era // guarded by mu, its elements are static; oldest first, the last is the present
}

// era is a time with the same rules.
type era struct {
	Since uint64 // the store's last sequence number before it
	Rules hub.Rules
}

// maxEras bounds them; positions from before the oldest one can't be recovered from.
const maxEras = 64

// storing returns the rules with what the store depends on alone.
func storing(rules hub.Rules) (all hub.Rules) {
	for _, r := range rules {
		all = append(all, hub.Rule{Name: r.Name, Channels: r.Channels, Live: r.Live, Messages: r.Messages, Age: r.Age, Bytes: r.Bytes})
	}
	return all
}

// begin starts a new era if the rules are others than before. last is the store's last
// sequence number.
func (h *history) begin(rules hub.Rules, last uint64) (changed bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	rules = storing(rules)
	if n := len(h.eras); n > 0 && reflect.DeepEqual(h.eras[n-1].Rules, rules) {
		return false
	}
	h.eras = append(h.eras, era{Since: last, Rules: rules})
	h.eras = h.eras[max(0, len(h.eras)-maxEras):]
	return true
}

// forget leaves out the eras of which nothing is left in a store that begins at
// first.
func (h *history) forget(first uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(h.eras) > 1 && h.eras[1].Since < first {
		h.eras = h.eras[1:]
	}
}

// behind returns the eras of the messages behind seq. whole: no era is missing.
func (h *history) behind(seq uint64) (eras []era, whole bool) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	eras = h.eras
	for len(eras) > 1 && eras[1].Since <= seq {
		eras = eras[1:]
	}
	return eras, seq >= eras[0].Since
}

// names are those that messages of a channel or pattern were filed under.
func names(eras []era, channel string) (all []string) {
	for _, era := range eras {
		for _, name := range era.names(channel) {
			if !slices.Contains(all, name) {
				all = append(all, name)
			}
		}
	}
	return all
}

func (e era) names(channel string) (all []string) {
	if !hub.IsPattern(channel) {
		return []string{e.Rules.For(channel).Name}
	}
	for _, r := range e.Rules {
		if server.SubjectsCollide(r.Channels, channel) {
			all = append(all, r.Name)
		}
	}
	return all
}

// bounds are what messages filed under a name have been kept within. Age is 0 if only the
// stream's own limit was in force.
func bounds(eras []era, name string) (least limits) {
	for i, era := range eras {
		l := limitsOfName(era.Rules, name)
		if i == 0 || l.Messages < least.Messages {
			least.Messages = l.Messages
		}
		if l.Age < largest(era.Rules).Age && (least.Age == 0 || l.Age < least.Age) {
			least.Age = l.Age
		}
	}
	return least
}

// aging is a name under which there may be messages that the store would keep for longer
// than they may be: its rule's age is the janitor's, or they are from before the rules were changed.
type aging struct {
	name  string
	age   time.Duration
	until time.Time // none is left then; zero: more come
	// from says that there is none before it, in an epoch: numbers may come again in another.
	from  uint64
	epoch string
}

// aging returns what the janitor must watch.
func (h *history) aging(now time.Time) (all []aging) {
	eras, _ := h.behind(0)
	present := eras[len(eras)-1].Rules
	most := largest(present).Age
	for _, name := range names(eras, ">") {
		age := limitsOfName(present, name).Age
		outlived := func(e era) bool { return min(e.life(name, h.sweepFrom), most) > wholeSeconds(age) }
		last := len(eras) - 1
		switch {
		case outlived(eras[last]):
			all = append(all, aging{name: name, age: age})
		case slices.ContainsFunc(eras[:last], outlived):
			all = append(all, aging{name: name, age: age, until: now.Add(age)})
		}
	}
	return all
}

// life is how long a message that was filed under a name in that era is kept if
// nobody removes it.
func (e era) life(name string, sweepFrom time.Duration) time.Duration {
	f := newFilings(e.Rules, sweepFrom)[name]
	switch {
	case f == nil || f.rule.Live:
		return 0 // there was none
	case f.ttl == 0:
		return 1<<63 - 1
	}
	return f.ttl
}

// openHistory reads the history of the rules and brings it up to date. found is the
// stream, nil if it is new.
func (e *Engine) openHistory(ctx context.Context, found *jetstream.StreamInfo) error {
	var first, last uint64
	if found != nil { // else whatever is known is of another one
		if _, err := e.mark(ctx, rulesMark, &e.rules.eras); err != nil {
			return fmt.Errorf("look up the rules so far: %w", err)
		}
		first, last = found.State.FirstSeq, found.State.LastSeq
		if len(e.rules.eras) == 0 { // it had one rule, whose limits are the stream's
			rule := hub.DefaultRule()
			rule.Messages, rule.Age = int(found.Config.MaxMsgsPerSubject), found.Config.MaxAge
			e.rules.begin(hub.Rules{rule}, 0)
		}
	}
	e.rules.forget(first)
	if changed := e.rules.begin(e.config.Rules, last); changed {
		if err := e.setMark(ctx, rulesMark, e.rules.eras); err != nil {
			return err
		}
	}
	return e.loadFloors(ctx, last)
}

// loadFloors reads up to where bytes were trimmed. A floor beyond the store's last
// number is of another store.
func (e *Engine) loadFloors(ctx context.Context, last uint64) error {
	for _, name := range names(e.rules.eras, ">") {
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
