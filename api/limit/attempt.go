package limit

import (
	"hash/maphash"
	"sync"
	"time"
)

// Outcome is what became of a credential.
type Outcome int

// The outcomes.
const (
	Undecided Outcome = iota // it could not be verified now, or was good once
	Accepted
	Wrong
)

// Attempt is a credential that is being looked at.
type Attempt struct {
	limits  *Limits // nil: of an exempt account
	account Account
	hash    uint64
	charged bool // the account has it among those that may fail
}

// Try begins to look at a secret that came from a network's account. If it is
// nil, the Attempt must be ended. The error is a [Refusal]: the network has failed too often
// to be heard now.
func (l *Limits) Try(a Account, secret string) (Attempt, error) {
	if a.kind != ofNetwork || !l.config.FailuresPerIP.limited() {
		return Attempt{}, nil
	}
	try := Attempt{limits: l, account: a, hash: l.known.hash(secret), charged: true}
	now := time.Now()
	s, e := l.networks.lock(a, now)
	retry := wait(e.bucket(failures, l.config.FailuresPerIP), float64(e.trying+1), now)
	if retry == 0 {
		e.trying++
	}
	s.unlock(e)
	switch {
	case retry == 0:
		return try, nil
	case l.known.has(try.hash):
		try.charged = false
		return try, nil
	}
	return Attempt{}, l.refuse(tooFast(FailuresPerIP, a, l.config.FailuresPerIP, "credentials that were not accepted", retry))
}

// End says what became of the attempt. It is called once.
func (t Attempt) End(o Outcome) {
	if t.limits == nil {
		return
	}
	if t.charged {
		now := time.Now()
		s, e := t.limits.networks.lock(t.account, now)
		e.trying--
		if o == Wrong {
			e.bucket(failures, t.limits.config.FailuresPerIP).AllowN(now, 1)
		}
		s.unlock(e)
	}
	if o == Accepted {
		t.limits.known.add(t.hash)
	}
}

// maxKnown bounds one generation of credentials that are remembered.
const maxKnown = 1 << 15

// known remembers credentials that were good lately, in two generations: when the
// newer is full the older is forgotten. A hash that meets another's by chance lets a
// credential be verified, no more.
type known struct {
	seed maphash.Seed // static

	mu           sync.RWMutex
	newer, older map[uint64]struct{} // guarded by mu
}

func newKnown() *known { return &known{seed: maphash.MakeSeed(), newer: map[uint64]struct{}{}} }

func (k *known) hash(secret string) uint64 { return maphash.String(k.seed, secret) }

func (k *known) has(hash uint64) bool {
	k.mu.RLock()
	defer k.mu.RUnlock()
	_, newer := k.newer[hash]
	_, older := k.older[hash]
	return newer || older
}

func (k *known) add(hash uint64) {
	k.mu.RLock()
	_, there := k.newer[hash]
	k.mu.RUnlock()
	if there {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.newer) >= maxKnown {
		k.newer, k.older = map[uint64]struct{}{}, k.newer
	}
	k.newer[hash] = struct{}{}
}
