package limit

import (
	"math"
	"time"

	"golang.org/x/time/rate"
)

// Rate is how much may happen: PerSecond in the long run, Burst at once. The zero
// Rate is no limit.
type Rate struct {
	PerSecond float64
	Burst     int
}

func (r Rate) limited() bool { return r != Rate{} }

// valid: what is so slow that no Duration holds the wait would never be allowed again.
func (r Rate) valid() bool {
	return !r.limited() || r.PerSecond >= slowest && r.PerSecond <= fastest && r.Burst >= 1
}

const (
	slowest = 1.0 / (24 * 60 * 60)
	fastest = 1e12
)

// refill is how long an empty bucket takes until it is full.
func (r Rate) refill() time.Duration {
	if !r.limited() {
		return 0
	}
	return seconds(min(float64(r.Burst)/r.PerSecond, longest.Seconds()))
}

// longest bounds times that are computed from a rate.
const longest = 365 * 24 * time.Hour

// bucket returns a full one.
func (r Rate) bucket() *rate.Limiter { return rate.NewLimiter(rate.Limit(r.PerSecond), r.Burst) }

// wait is the time after now until b will have n tokens if nobody takes any; 0:
// it has them. More than the burst is never there: it is waited for in vain.
func wait(b *rate.Limiter, n float64, now time.Time) time.Duration {
	if missing := n - b.TokensAt(now); missing > 0 {
		return seconds(min(missing/float64(b.Limit()), longest.Seconds()))
	}
	return 0
}

// seconds rounds up, so that what is waited for is there then.
func seconds(s float64) time.Duration { return time.Duration(math.Ceil(s * float64(time.Second))) }
