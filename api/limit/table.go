package limit

import (
	"hash/maphash"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	shards      = 64      // so that cores seldom wait for each other
	maxAccounts = 1 << 16 // of a table; without those that have connections
	sweep       = 2       // accounts that an access forgets at most, so that it stays quick
)

// table has the accounts of which there is something to know. An account that is
// not in it has no connections and full budgets.
type table struct {
	seed   maphash.Seed  // static
	idle   time.Duration // static; an account may be forgotten after this time
	shards [shards]shard
}

// shard is a part of a table. Everything in it, and in its entries, is guarded by
// mu. No entry is used after mu was released.
type shard struct {
	mu      sync.Mutex
	entries map[Account]*entry
	idle    entry // ring of the entries that can be forgotten: next is the one used last
	size    int   // of the ring
	evicted int64 // forgotten for want of room, before they were idle for long
}

// entry is what there is to know of an account.
type entry struct {
	account     Account
	connections int
	idle        int // TCP connections on which nothing is asked
	trying      int // credentials that are being looked at
	buckets     [resources]*rate.Limiter
	used        time.Time
	prev, next  *entry // in the shard's ring; nil: not in it
}

// resource is what an account has a [Rate] of.
type resource int

const (
	connects resource = iota
	failures
	messages
	bytes
	resources int = iota
)

func newTable(idle time.Duration) *table {
	t := &table{seed: maphash.MakeSeed(), idle: idle}
	for i := range t.shards {
		s := &t.shards[i]
		s.entries = map[Account]*entry{}
		s.idle.prev, s.idle.next = &s.idle, &s.idle
	}
	return t
}

// lock returns the account's entry, in a shard that the caller must unlock with
// [shard.unlock]. It makes one if there is none.
func (t *table) lock(a Account, now time.Time) (*shard, *entry) {
	s := &t.shards[maphash.Comparable(t.seed, a)%shards]
	s.mu.Lock()
	e := s.entries[a]
	if e == nil {
		e = &entry{account: a}
		s.entries[a] = e
	} else {
		s.unlink(e)
	}
	e.used = now
	s.forget(now.Add(-t.idle))
	return s, e
}

// unlock puts the entry where it can be forgotten, if it can.
func (s *shard) unlock(e *entry) {
	if e.connections == 0 && e.idle == 0 && e.trying == 0 {
		e.prev, e.next = &s.idle, s.idle.next
		e.prev.next, e.next.prev = e, e
		s.size++
	}
	s.mu.Unlock()
}

// forget makes room for one entry, and drops a few that were not used since then.
func (s *shard) forget(since time.Time) {
	for range sweep {
		last := s.idle.prev
		old := last.used.Before(since)
		if last == &s.idle || !old && s.size < maxAccounts/shards {
			return
		}
		if !old {
			s.evicted++
		}
		s.unlink(last)
		delete(s.entries, last.account)
	}
}

func (s *shard) unlink(e *entry) {
	if e.next == nil {
		return
	}
	e.prev.next, e.next.prev = e.next, e.prev
	e.prev, e.next = nil, nil
	s.size--
}

// bucket returns the entry's bucket of a resource; nil: there is no limit.
func (e *entry) bucket(of resource, r Rate) *rate.Limiter {
	if e.buckets[of] == nil && r.limited() {
		e.buckets[of] = r.bucket()
	}
	return e.buckets[of]
}

// count returns how many accounts the table has, and how many it had no room for.
func (t *table) count() (accounts int, evicted int64) {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		accounts += len(s.entries)
		evicted += s.evicted
		s.mu.Unlock()
	}
	return accounts, evicted
}
