package limit

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// The log hears of each account once a minute, of so many, and of how many it was
// not told.
func TestTheLogIsNotFlooded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		l := New(Config{User: Budget{Messages: Rate{0.001, 1}}, IP: Budget{Messages: Rate{0.001, 1}}}, slog.New(slog.NewTextHandler(&log, nil)))
		for range 10 {
			_ = l.Publish(User("a\nb"), 1)
		}
		for i := range 2 * maxTold {
			for range 3 {
				_ = l.Publish(networkOf(i), 1)
			}
		}
		if n := strings.Count(log.String(), "\n"); n != maxTold {
			t.Errorf("%d lines in a minute", n)
		}
		if !strings.Contains(log.String(), `msg="limit reached" limit=limit-publishes-per-user of="user a\nb" reason="too many messages: limit-publishes-per-user is 0.001 a second`) {
			t.Errorf("the first line is %.300q", log.String())
		}
		log.Reset()
		time.Sleep(tellEvery)
		_ = l.Publish(User("a\nb"), 1)
		if omitted := 1 + 2*(maxTold+1); !strings.Contains(log.String(), fmt.Sprint("omitted=", omitted)) {
			t.Errorf("a minute later: %q, want %d omitted", log.String(), omitted)
		}
		if n := l.Stats().Refused[PublishesPerIP]; n != 4*maxTold {
			t.Errorf("%d refusals were counted", n)
		}
	})
}
