package stream

import (
	"slices"
	"sort"
	"time"

	"fanfold/hub"
)

// span is a run of the store's numbers that belong to one epoch: those from First on,
// up to the next span's.
type span struct {
	Epoch string `json:"epoch"`
	First uint64 `json:"first"`
}

// spans are all that the stored messages lie in, oldest first. They are static: a
// new epoch makes new ones.
type spans []span

// current is the epoch of what is stored next, and of every position that can be
// recovered from.
func (s spans) current() string { return s[len(s)-1].Epoch }

// of returns the epoch that a message got its ID in.
func (s spans) of(seq uint64) string {
	i := sort.Search(len(s), func(i int) bool { return s[i].First > seq })
	return s[max(0, i-1)].Epoch
}

// begin returns the spans with a new one from first on.
func (s spans) begin(first uint64) spans {
	epoch := hub.NewEpoch(time.Now())
	if n := len(s); n > 0 && epoch <= s[n-1].Epoch { // the clock was set back, or it is the same millisecond
		epoch = after(s[n-1].Epoch)
	}
	return append(s[:len(s):len(s)], span{epoch, first})
}

// trim returns the spans without those that no message is left of.
func (s spans) trim(first uint64) spans {
	i := sort.Search(len(s), func(i int) bool { return s[i].First > first })
	return slices.Clone(s[max(0, i-1):])
}

// after returns an epoch of the same length that sorts behind another.
func after(epoch string) string {
	b := []byte(epoch)
	for i := len(b) - 1; i >= 0; i-- {
		switch {
		case b[i] >= 'a' && b[i] < 'z', b[i] >= 'A' && b[i] < 'Z', b[i] >= '0' && b[i] < '9':
			b[i]++
			return string(b)
		case b[i] == '9':
			b[i] = 'A'
			return string(b)
		case b[i] == 'Z':
			b[i] = 'a'
			return string(b)
		}
		b[i] = '0'
	}
	return string(b)
}

// interval is a run of numbers, both ends included.
type interval struct {
	First uint64 `json:"first"`
	Last  uint64 `json:"last"`
}

// maxIntervals bounds [intervals]; beyond it the oldest are forgotten, so that
// positions before them count as not recovered.
const maxIntervals = 1024

// intervals are numbers of the store that no user's message had, in ascending order:
// when they are gone from its head, nothing is missing.
type intervals []interval

// add returns the intervals with seq, which is higher than all of them.
func (v intervals) add(seq uint64) intervals {
	if n := len(v); n > 0 && v[n-1].Last+1 >= seq {
		v = slices.Clone(v)
		v[n-1].Last = max(v[n-1].Last, seq)
		return v
	}
	v = append(v[:len(v):len(v)], interval{seq, seq})
	return v[max(0, len(v)-maxIntervals):]
}

// cover reports whether all numbers from first up to before end are in the
// intervals.
func (v intervals) cover(first, end uint64) bool {
	if first >= end {
		return true
	}
	i := sort.Search(len(v), func(i int) bool { return v[i].Last >= first })
	return i < len(v) && v[i].First <= first && v[i].Last >= end-1
}

// trim returns the intervals that can still matter for a store that begins at
// first: also the one right before it.
func (v intervals) trim(first uint64) intervals {
	i := sort.Search(len(v), func(i int) bool { return v[i].Last+1 >= first })
	return v[i:]
}
