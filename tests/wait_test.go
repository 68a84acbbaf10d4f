package tests

import (
	"testing"
	"time"
)

// within polls cond until it is true or limit has passed, and returns the last
// answer.
func within(limit time.Duration, cond func() bool) bool {
	deadline := time.After(limit)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-deadline:
			return cond()
		case <-tick.C:
		}
	}
	return true
}

// eventually waits until cond is true, and fails the test if that takes longer
// than patience.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	if !within(patience, cond) {
		t.Fatalf("waited %v in vain: %s", patience, what)
	}
}

// receive returns the next value of a channel. It fails the test if none comes
// within patience, or if the channel is closed.
func receive[T any](t testing.TB, ch <-chan T, what string) T {
	t.Helper()
	select {
	case v, ok := <-ch:
		if !ok {
			t.Fatalf("ended before it came: %s", what)
		}
		return v
	case <-time.After(patience):
		t.Fatalf("waited %v in vain: %s", patience, what)
	}
	panic("unreachable")
}
