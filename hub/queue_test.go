package hub

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// model is what a queue should be, in the simplest way.
type model []parcel

func (m *model) replace(p parcel) bool {
	for i, old := range *m {
		if p.slow == SlowKeepLatest && old.slow == SlowKeepLatest && old.part == p.part && old.channel == p.channel {
			(*m)[i] = p
			return true
		}
	}
	return false
}

func (m *model) evict() bool {
	i := slices.IndexFunc(*m, func(p parcel) bool { return p.slow != SlowDisconnect })
	if i >= 0 {
		*m = slices.Delete(*m, i, i+1)
	}
	return i >= 0
}

func (m *model) bytes() (n int) {
	for _, p := range *m {
		n += cost(p.frame)
	}
	return n
}

// TestAQueueDoesAsItsModel does random things to a queue and a model of it.
func TestAQueueDoesAsItsModel(t *testing.T) {
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 3))
		var q queue
		var m model
		parts := make([]part, 3)
		for step := range 20_000 {
			switch what := random.IntN(100); {
			case what < 48:
				p := parcel{frame: fmt.Appendf(nil, "%0*d", 1+random.IntN(20), step), seq: uint64(step), slow: SlowPolicy(random.IntN(3))}
				if p.slow == SlowKeepLatest {
					p.part, p.channel = &parts[random.IntN(3)], fmt.Sprint(random.IntN(1+int(seed)*10))
				}
				_, got := q.replace(p)
				if want := m.replace(p); got != want {
					t.Fatalf("seed %d, step %d: replaced %v, want %v", seed, step, got, want)
				}
				if !got {
					q.add(p)
					m = append(m, p)
				}
			case what < 70:
				if got, want := q.evict() > 0, m.evict(); got != want {
					t.Fatalf("seed %d, step %d: evicted %v, want %v", seed, step, got, want)
				}
			default:
				got, ok := q.pop()
				if ok != (len(m) > 0) {
					t.Fatalf("seed %d, step %d: popped %v of %d", seed, step, ok, len(m))
				}
				if ok {
					if want := m[0]; string(got.frame) != string(want.frame) || got.slow != want.slow || got.channel != want.channel || got.part != want.part || got.seq != want.seq {
						t.Fatalf("seed %d, step %d: popped %+v, want %+v", seed, step, got, want)
					}
					m = m[1:]
				}
				q.tidy()
			}
			if q.bytes != m.bytes() {
				t.Fatalf("seed %d, step %d: %d bytes, want %d", seed, step, q.bytes, m.bytes())
			}
		}
	}
}

func TestAQueueThatNobodyReadsStaysSmall(t *testing.T) {
	var q queue
	q.add(parcel{frame: []byte("stays")})
	for i := range 100_000 {
		if i >= 10 {
			q.evict()
		}
		q.add(parcel{frame: []byte("x"), slow: SlowDropOldest})
	}
	if cap(q.waiting) > 100 || cap(q.loose.all) > 100 {
		t.Errorf("11 frames wait in %d and %d places", cap(q.waiting), cap(q.loose.all))
	}
}

func TestAReaderThatKeepsUpCostsNothing(t *testing.T) {
	for _, slow := range []SlowPolicy{SlowDisconnect, SlowDropOldest, SlowKeepLatest} {
		o, p := &outbox{limit: 1 << 20}, parcel{frame: []byte("x"), slow: slow, part: &part{}, channel: "c"}
		dst := make([][]byte, 0, 10)
		n := testing.AllocsPerRun(1000, func() {
			for range 3 {
				o.push(p, false)
			}
			dst, _ = o.take(dst[:0], 1000)
		})
		if n != 0 {
			t.Errorf("policy %d: %v allocations a message", slow, n)
		}
	}
}
