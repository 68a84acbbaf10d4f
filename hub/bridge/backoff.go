package bridge

import (
	"context"
	"math/rand/v2"
	"time"
)

// backoff is a series of growing random waits. The zero value is not usable.
type backoff struct {
	first, most time.Duration // static
	tries       int
}

// wait blocks for the next wait, and returns ctx's error if that ends first.
func (b *backoff) wait(ctx context.Context) error {
	timer := time.NewTimer(b.next())
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// next returns between half and all of the wait that is due, which doubles each time.
func (b *backoff) next() time.Duration {
	wait := b.most
	if b.tries < 30 {
		wait = min(b.most, b.first<<b.tries)
	}
	b.tries++
	return wait/2 + rand.N(wait/2+1)
}

func (b *backoff) reset() { b.tries = 0 }
