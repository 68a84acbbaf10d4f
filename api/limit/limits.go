package limit

import (
	"log/slog"
	"sync/atomic"
	"time"

	"fanfold/hub"
)

// Limits are the limits of one hub and what was used of them.
type Limits struct {
	config Config // static

	networks *table // apart from the others, so that a flood of addresses pushes no user out
	holders  *table // of keys and users
	known    *known

	connections atomic.Int64
	report      report
}

// New returns the limits with nothing used. c must be valid. The logger hears of
// refusals, but not of each; nil: of none.
func New(c Config, logger *slog.Logger) *Limits {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return &Limits{
		config: c, networks: newTable(c.idle()), holders: newTable(c.idle()), known: newKnown(), report: report{logger: logger},
	}
}

func (l *Limits) table(a Account) *table {
	if a.kind == ofNetwork {
		return l.networks
	}
	return l.holders
}

// Publish charges an account for one message. The error is a [Refusal], and
// nothing is charged then.
func (l *Limits) Publish(a Account, size int) error {
	budget, perMessage, perByte := l.budget(a.kind)
	if !budget.Messages.limited() && !budget.Bytes.limited() {
		return nil
	}
	now := time.Now()
	s, e := l.table(a).lock(a, now)
	retryMessage, retryByte := e.spend(budget, size, now)
	s.unlock(e)
	switch {
	case retryMessage > 0:
		return l.refuse(tooFast(perMessage, a, budget.Messages, "messages", retryMessage))
	case retryByte > 0:
		return l.refuse(tooFast(perByte, a, budget.Bytes, "bytes", retryByte))
	}
	return nil
}

// budget is what accounts of a kind may publish, and how its limits are called.
func (l *Limits) budget(k kind) (b Budget, messages, bytes Name) {
	switch k {
	case ofKey:
		return l.config.Key, PublishesPerKey, BytesPerKey
	case ofUser, ofToken:
		return l.config.User, PublishesPerUser, BytesPerUser
	case ofNetwork:
		return l.config.IP, PublishesPerIP, BytesPerIP
	}
	return Budget{}, "", ""
}

// spend takes a message from both budgets, or from none and says how long to wait
// for each.
func (e *entry) spend(b Budget, size int, now time.Time) (forMessage, forByte time.Duration) {
	m, octets := e.bucket(messages, b.Messages), e.bucket(bytes, b.Bytes)
	if octets != nil {
		forByte = wait(octets, float64(size), now)
	}
	switch {
	case m != nil && (forByte > 0 || !m.AllowN(now, 1)):
		return wait(m, 1, now), forByte
	case forByte > 0:
		return 0, forByte
	case octets != nil:
		octets.AllowN(now, size)
	}
	return 0, 0
}

// Meter charges what comes from one place: the [hub.Meter] of its actors.
type Meter struct {
	Limits *Limits
	From   Account // of who shows no credential there
}

// Charge implements [hub.Meter].
func (m Meter) Charge(p *hub.Principal, size int) error { return m.Limits.Publish(Of(p, m.From), size) }

// Stats are the limits' counters.
type Stats struct {
	Connections int64          // that are open
	Accounts    int            // of which something is remembered
	Evicted     int64          // accounts that were forgotten before their budgets were full again
	Refused     map[Name]int64 // by each limit, since the start
}

// Stats returns the counters, which are not of one moment.
func (l *Limits) Stats() Stats {
	s := Stats{Connections: l.connections.Load(), Refused: make(map[Name]int64, len(names))}
	for _, t := range []*table{l.networks, l.holders} {
		accounts, evicted := t.count()
		s.Accounts += accounts
		s.Evicted += evicted
	}
	for i, name := range names {
		s.Refused[name] = l.report.refused[i].Load()
	}
	return s
}
