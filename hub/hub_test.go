package hub

import (
	"slices"
	"testing"
	"time"
)

func TestManySessionsReturnNoFasterThanTheyCanBeServed(t *testing.T) {
	const n = 100_000
	var all []time.Duration
	for i := range n {
		all = append(all, returnIn(i, n))
	}
	slices.Sort(all)
	for i := returnRate; i < n; i += returnRate {
		if took := all[i] - all[i-returnRate]; took < 990*time.Millisecond {
			t.Fatalf("%d sessions return within %v", returnRate, took)
		}
	}
}
