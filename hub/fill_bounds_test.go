package hub_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"fanfold/hub"
	"fanfold/hub/hubtest"
)

func TestALiveMessageWithoutRoomIsDroppedAndCounted(t *testing.T) {
	engine := loopback{map[string]hub.Listener{}}
	h := startHub(t, hub.Config{Engine: engine, Shards: 1, OutboxBytes: 200 << 20})
	g := gate{make(chan struct{})}
	c := connect(t, h, hub.SessionConfig{Codec: g}).follow(t, "c")
	const sent = 20_000
	for range sent {
		if _, err := h.Publish(t.Context(), &hub.Message{Channel: "c", Data: []byte("1")}, hub.PublishOptions{Live: true}); err != nil {
			t.Fatal(err)
		}
	}
	close(g.open)
	hubtest.Eventually(t, "all has come or was dropped", func() bool {
		info, err := h.Info(t.Context())
		return err == nil && info.Lost > 0 && int64(len(c.wait(t, 0)))+info.Lost == sent
	})
}

func TestLiveMessagesComeAllTheSameDuringAFill(t *testing.T) {
	h, engine := lossyHub(t, hub.Config{}, func(_ string, m *hub.Message) bool { return string(m.Data) == "lost" })
	c := connect(t, h, hub.SessionConfig{}).follow(t, "c")
	var want, wantLive []string
	for i := range 50 {
		data := []string{"a", "lost", "b", fmt.Sprint("live ", i)}[i%4]
		live := strings.HasPrefix(data, "live")
		m := &hub.Message{Channel: "c", Data: []byte(data)}
		if _, err := h.Publish(t.Context(), m, hub.PublishOptions{Live: live}); err != nil {
			t.Fatal(err)
		}
		if live {
			wantLive = append(wantLive, "c:"+data)
		} else {
			want = append(want, "c:"+data)
		}
		if data == "b" {
			c.wait(t, i+1) // so that there are as many fills
		}
	}
	engine.faithful.Store(true)
	publish(t, h, "c", "end")
	isLive := func(frame string) bool { return strings.HasPrefix(frame, "c:live") }
	got := c.wait(t, 51)
	same(t, "stored", slices.DeleteFunc(slices.Clone(got), isLive), append(want, "c:end")...)
	same(t, "live", slices.DeleteFunc(got, func(frame string) bool { return !isLive(frame) }), wantLive...)
	if info, err := h.Info(t.Context()); err != nil || info.Gaps == 0 || info.Lost != 0 {
		t.Errorf("info %+v, %v", info, err)
	}
}

// TestWhatComesDuringTheEndOfAFillIsBounded: the door is opened again before the
// last page is read. More than can be held comes then.
func TestWhatComesDuringTheEndOfAFillIsBounded(t *testing.T) {
	const many = 10_000
	engine := newKeeper()
	h := startHub(t, hub.Config{Engine: engine, OutboxBytes: 100 << 20})
	c := connect(t, h, hub.SessionConfig{}).follow(t, "c")
	publish(t, h, "c", "0")
	c.wait(t, 1)
	want := []string{"c:0"}
	read := 0
	engine.afterRead = func() {
		if read++; read != 2 {
			return
		}
		for i := range many {
			m := &hub.Message{Channel: "c", Data: fmt.Append(nil, i)}
			live := i%2 == 1
			if _, err := h.Publish(context.Background(), m, hub.PublishOptions{Live: live}); err != nil {
				t.Error(err)
			}
			if !live {
				want = append(want, fmt.Sprint("c:", i))
			}
			if i%1000 == 0 { // so that they are in the shard's hands
				if _, err := h.Channels(context.Background(), ""); err != nil {
					t.Error(err)
				}
			}
		}
	}
	engine.lose()
	hubtest.Eventually(t, "all has come or was dropped", func() bool {
		info, err := h.Info(t.Context())
		return err == nil && info.Lost > 0 && int64(len(c.wait(t, 0)))+info.Lost == many+1
	})
	got := slices.DeleteFunc(c.wait(t, 0), func(frame string) bool { return (frame[len(frame)-1]-'0')%2 == 1 })
	same(t, "stored", got, want...)
	if info, err := h.Info(t.Context()); err != nil || info.Filled < many/2-heldMessages {
		t.Errorf("only %d messages were brought from the store: too many were held (%v)", info.Filled, err)
	}
}

// heldMessages is the hub's bound.
const heldMessages = 4096

// stuck is an engine that loses a message and does not answer reads.
type stuck struct {
	*keeper
	asked chan struct{}
}

func (s stuck) Read(ctx context.Context, _ hub.Query) (hub.Page, error) {
	close(s.asked)
	<-ctx.Done()
	return hub.Page{}, ctx.Err()
}

func TestShutdownEndsAFill(t *testing.T) {
	engine := stuck{newKeeper(), make(chan struct{})}
	started, err := hub.New(hub.Config{Engine: engine})
	if err != nil {
		t.Fatal(err)
	}
	h := openToAll(started)
	c := connect(t, h, hub.SessionConfig{}).follow(t, "c")
	publish(t, h, "c", "1")
	c.wait(t, 1)
	engine.lose()
	<-engine.asked
	end(t, h, c)
}
