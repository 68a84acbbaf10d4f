package limit

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// guess tries a secret that is wrong.
func guess(l *Limits, a Account, secret string) error {
	try, err := l.Try(a, secret)
	if err == nil {
		try.End(Wrong)
	}
	return err
}

// Who guesses gets as many guesses as the rate has, and locks out neither others
// nor those at the same address who were there before.
func TestGuessing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Config{FailuresPerIP: Rate{1, 5}}, nil)
		here := address("192.0.2.1")
		good, err := l.Try(here, "the key")
		if err != nil {
			t.Fatal(err)
		}
		good.End(Accepted)

		guesses := 0
		for i := range 1000 {
			if guess(l, here, fmt.Sprint(i)) == nil {
				guesses++
			}
			time.Sleep(10 * time.Millisecond)
		}
		if guesses != 5+9 {
			t.Errorf("%d guesses were heard in ten seconds", guesses)
		}
		again, err := l.Try(here, "the key")
		if err != nil {
			t.Fatalf("who was there before: %v", err)
		}
		again.End(Accepted)
		if err := guess(l, address("192.0.2.2"), "x"); err != nil {
			t.Errorf("another address: %v", err)
		}
		r := refusal(t, guess(l, here, "y"), FailuresPerIP)
		time.Sleep(r.Retry)
		if try, err := l.Try(here, "a new key"); err != nil {
			t.Errorf("after %v: %v", r.Retry, err)
		} else {
			try.End(Accepted)
		}
	})
}

// Guesses at once count before it is known that they are wrong.
func TestGuessingAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Config{FailuresPerIP: Rate{1, 5}}, nil)
		here := address("192.0.2.1")
		var tries []Attempt
		for i := range 5 {
			try, err := l.Try(here, fmt.Sprint(i))
			if err != nil {
				t.Fatal(err)
			}
			tries = append(tries, try)
		}
		refusal(t, guess(l, here, "5"), FailuresPerIP)
		for _, try := range tries {
			try.End(Undecided)
		}
		for i := range 5 {
			if err := guess(l, here, fmt.Sprint(i)); err != nil {
				t.Errorf("what was not decided was charged: %v", err)
			}
		}
		refusal(t, guess(l, here, "0"), FailuresPerIP)
	})
}

func TestGuessingOfExempt(t *testing.T) {
	for _, l := range []*Limits{New(Config{}, nil), New(DefaultConfig(), nil)} {
		for i := range 100 {
			a := Account{}
			if l.config == (Config{}) {
				a = address("192.0.2.1")
			}
			if err := guess(l, a, fmt.Sprint(i)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// What is remembered of good credentials is bounded, and the latest are kept.
func TestKnownIsBounded(t *testing.T) {
	k := newKnown()
	for i := range 5 * maxKnown {
		k.add(uint64(i))
	}
	if n := len(k.newer) + len(k.older); n > 2*maxKnown {
		t.Errorf("%d are remembered", n)
	}
	if !k.has(5*maxKnown-1) || !k.has(4*maxKnown) || k.has(0) {
		t.Error("the latest are forgotten, or the first is not")
	}
}
