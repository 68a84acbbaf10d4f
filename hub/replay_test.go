package hub_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"

	"fanfold/hub"
)

func TestReplayMergesKeysAndStopsWhereItIsTold(t *testing.T) {
	h := newHub(t, hub.Config{})
	var want []string
	var until hub.Position
	for i := range 700 { // more than a page
		m := publish(t, h, fmt.Sprintf("c.%d", i%3), "1")
		if i < 600 && i%3 != 2 {
			want = append(want, m.ID)
			until = m.Position
		}
	}
	var got []string
	for m, err := range h.Replay(t.Context(), []string{"c.0", "c.1", "c.*1", "*.0"}[:2], hub.Query{Until: until}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, m.ID)
	}
	same(t, "two channels", got, want...)
	n := 0
	for range h.Replay(t.Context(), []string{"c.0", "c.>"}, hub.Query{}) {
		n++
	}
	if n != 700 {
		t.Errorf("overlapping keys: got %d messages, want 700", n)
	}
	if now, err := h.Now(t.Context()); err != nil || now.Seq != 700 {
		t.Errorf("now: %+v, %v", now, err)
	}
}

// TestClientsThatComeAndGoMissNothing: subscribers that drop and return at
// random, while publishers run, see every message once and in order.
func TestClientsThatComeAndGoMissNothing(t *testing.T) {
	const publishers, messages, clients = 3, 200, 6
	h := newHub(t, hub.Config{Shards: 2})
	var publishing, reading sync.WaitGroup
	for p := range publishers {
		publishing.Go(func() {
			for i := range messages {
				m := &hub.Message{Channel: fmt.Sprintf("soak.%d", p), Data: []byte(strconv.Itoa(i))}
				if _, err := h.Publish(context.Background(), m, hub.PublishOptions{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	keys := [][]string{{"soak.0"}, {"soak.>"}, {"soak.0", "soak.1", "soak.2"}}
	for i := range clients {
		reading.Go(func() { follow(t, h, keys[i%len(keys)], uint64(i), messages) })
	}
	publishing.Wait()
	reading.Wait()
}

// follow reads as a client does, with a new session after a random number of
// frames, until it has the last message of each channel.
func follow(t *testing.T, h *hub.Hub, keys []string, seed uint64, messages int) {
	random := rand.New(rand.NewPCG(seed, 1))
	next := map[string]int{}
	channels := len(keys)
	if keys[0] == "soak.>" {
		channels = 3
	}
	var position hub.Position
	for done := 0; done < channels; {
		c := connect(t, h, hub.SessionConfig{Codec: positions{}})
		sub, err := c.Subscribe(t.Context(), hub.SubscribeOptions{Keys: keys})
		if err != nil {
			t.Error(err)
			return
		}
		now, err := h.Now(t.Context())
		if err != nil {
			t.Error(err)
			return
		}
		var frames []string
		for m, err := range h.Replay(t.Context(), keys, hub.Query{After: position, Until: now}) {
			if err != nil {
				t.Error(err)
				return
			}
			frames = append(frames, string(positions{}.Encode(hub.Event{Message: m})))
		}
		sub.Resume(now)
		frames = append(frames, c.wait(t, 1-min(1, len(frames)))...)
		for _, frame := range frames[:1+random.IntN(len(frames))] {
			var channel string
			channel, position = check(t, next, frame)
			if next[channel] == messages {
				done++
			}
		}
		c.leave()
	}
}

// positions is a codec of channel, position and data.
type positions struct{}

func (positions) Encode(e hub.Event) []byte {
	if e.Message == nil {
		return nil
	}
	return []byte(e.Message.Channel + " " + e.Message.ID + " " + string(e.Message.Data))
}

func check(t *testing.T, next map[string]int, frame string) (string, hub.Position) {
	t.Helper()
	part := strings.Fields(frame)
	if want := strconv.Itoa(next[part[0]]); part[2] != want {
		t.Errorf("%s: got message %s, want %s", part[0], part[2], want)
	}
	next[part[0]]++
	position, ok := hub.ParsePosition(part[1])
	if !ok {
		t.Errorf("no position: %q", frame)
	}
	return part[0], position
}
