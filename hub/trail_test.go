package hub

import (
	"fmt"
	"testing"
	"time"
)

func stored(channel string, prev, seq uint64) *Message {
	return &Message{Channel: channel, Prev: prev, Position: Position{Seq: seq, Epoch: "0000001"}, Time: time.Unix(int64(seq), 0)}
}

func TestAChannelsTrailCostsNothing(t *testing.T) {
	trail, m := newTrail("c"), stored("c", 0, 0)
	n := testing.AllocsPerRun(1000, func() {
		m.Prev, m.Position.Seq = m.Position.Seq, m.Position.Seq+1
		if trail.follow(m) != fresh {
			t.Error("not fresh")
		}
	})
	if n != 0 {
		t.Errorf("%v allocations a message", n)
	}
}

func TestATrailJudges(t *testing.T) {
	for _, test := range []struct {
		name string
		key  string
		base uint64 // a subscription relies on what is behind; 0: none does
		came []*Message
		want verdict // of the last
	}{
		{"the first message", "c", 0, []*Message{stored("c", 7, 9)}, fresh},
		{"the first message behind a position", "c", 8, []*Message{stored("c", 7, 9)}, fresh},
		{"a hole behind a position", "c", 6, []*Message{stored("c", 7, 9)}, hole},
		{"a hole", "c", 0, []*Message{stored("c", 7, 9), stored("c", 10, 11)}, hole},
		{"no hole, the one between is gone", "c", 0, []*Message{stored("c", 7, 9), stored("c", 0, 11)}, fresh},
		{"a double", "c", 0, []*Message{stored("c", 7, 9), stored("c", 7, 9)}, double},
		{"what is in flight before a position", "c", 20, []*Message{stored("c", 7, 9)}, fresh},
		{"of another channel", "*", 8, []*Message{stored("c", 7, 9), stored("d", 8, 10)}, fresh},
		{"a hole of another channel", "*", 7, []*Message{stored("c", 7, 9), stored("d", 8, 10)}, hole},
		{"a double of one channel", "*", 0, []*Message{stored("c", 7, 9), stored("d", 0, 10), stored("c", 7, 9)}, double},
		{"late for the pattern, not for its channel", "*", 0, []*Message{stored("c", 7, 9), stored("d", 7, 8)}, fresh},
	} {
		trail := newTrail(test.key)
		if test.base > 0 {
			trail.resume(Position{Seq: test.base})
		}
		var got verdict
		for _, m := range test.came {
			got = trail.follow(m)
		}
		if got != test.want {
			t.Errorf("%s: got %d, want %d", test.name, got, test.want)
		}
	}
}

func TestAPatternsTrailIsBounded(t *testing.T) {
	trail := newTrail(">")
	const channels = 500_000
	for i := range uint64(channels) {
		if trail.follow(stored(fmt.Sprint("channel.", i), 0, i+1)) != fresh {
			t.Fatalf("message %d is not fresh", i)
		}
	}
	c := trail.channels
	if n := len(c.recent) + len(c.older); n > 2*channelTrailBytes/64 || n < channelTrailBytes/100 {
		t.Errorf("%d channels are remembered", n)
	}
	if trail.follow(stored("channel.499999", channels+5, channels+10)) != hole {
		t.Error("a hole of a channel that is remembered is not seen")
	}
	if trail.follow(stored("channel.0", channels-1, channels+11)) != hole {
		t.Error("a recent hole of a channel that is forgotten is not seen")
	}
	if trail.follow(stored("channel.1", 2, channels+12)) != fresh {
		t.Error("what a forgotten channel had is a hole")
	}
}

func TestAPatternIsSettledAfterAWhile(t *testing.T) {
	trail := newTrail(">")
	for i := range uint64(10) {
		trail.follow(stored("c", i, i+1)) // a second apart
	}
	if from, _ := trail.from(true); from.Seq < 6 || from.Seq > 9 {
		t.Errorf("settled at %d of 10", from.Seq)
	}
	if from, _ := trail.from(false); from.Seq != 10 {
		t.Errorf("delivered up to %d of 10", from.Seq)
	}
}
