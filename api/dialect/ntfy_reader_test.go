package dialect

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"fanfold/hub"
)

// ntfyReader is a subscriber that reads when the test does.
type ntfyReader struct {
	t       testing.TB
	session *hub.Session
	woken   chan struct{}
	closed  chan hub.Reason
}

func newNtfyReader(t testing.TB) *ntfyReader {
	return &ntfyReader{t: t, woken: make(chan struct{}, 1), closed: make(chan hub.Reason, 1)}
}

// Wake implements [hub.Conn].
func (r *ntfyReader) Wake() {
	select {
	case r.woken <- struct{}{}:
	default: // the last wake was not looked at
	}
}

// Close implements [hub.Conn].
func (r *ntfyReader) Close(reason hub.Reason) { r.closed <- reason }

// send is the emit of a [CatchUp].
func (r *ntfyReader) send(frame []byte) error {
	if err := r.session.Room(r.t.Context()); err != nil {
		return err
	}
	r.session.Send(frame)
	return nil
}

func (r *ntfyReader) next() string {
	r.t.Helper()
	return string(r.nextFrame())
}

// nextFrame waits for the next frame.
func (r *ntfyReader) nextFrame() []byte {
	r.t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		if frames := r.session.Take(nil, 1); len(frames) > 0 {
			return frames[0]
		}
		select {
		case <-r.woken:
		case <-deadline:
			r.t.Fatal("no frame came in time")
		}
	}
}

// nextEvent waits for the next object.
func (r *ntfyReader) nextEvent() (e ntfyMessage) {
	r.t.Helper()
	frame := r.next()
	if err := json.Unmarshal([]byte(frame), &e); err != nil {
		r.t.Fatalf("%q: %v", frame, err)
	}
	return e
}

// expect compares the next objects: a message by its text, others as "<event>".
func (r *ntfyReader) expect(want ...string) {
	r.t.Helper()
	for _, text := range want {
		e := r.nextEvent()
		if got := ntfyWord(e); got != text {
			r.t.Fatalf("the next is %s, want %s of %v", got, text, want)
		}
	}
}

func (r *ntfyReader) expectNothing() {
	r.t.Helper()
	if frames := r.session.Take(nil, 1); len(frames) > 0 {
		r.t.Errorf("there is a frame %q too many", frames[0])
	}
}

func ntfyWord(e ntfyMessage) string {
	if e.Event != eventMessage {
		return "<" + e.Event + ">"
	}
	return e.Message
}

// openNtfy opens a session without subscribing it.
func openNtfy(t testing.TB, h *hub.Actor, codec StreamCodec) *ntfyReader {
	t.Helper()
	r := newNtfyReader(t)
	session, err := h.Open(hub.SessionConfig{Conn: r, Codec: codec})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(session.Detach)
	r.session = session
	return r
}

// ntfyWish parses a subscription like "a,b?since=all".
func ntfyWish(t testing.TB, wish string) SubscribeRequest {
	t.Helper()
	channels, query, _ := strings.Cut(wish, "?")
	values := map[string][]string{}
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		values[name] = []string{value}
	}
	r, err := ParseSubscribe(channels, nil, values, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// subscribeNtfy brings a JSON reader up to date.
func subscribeNtfy(t testing.TB, h *hub.Actor, wish string) *ntfyReader {
	t.Helper()
	r := openNtfy(t, h, NtfyJSON{})
	if err := CatchUp(t.Context(), h, r.session, ntfyWish(t, wish), NtfyJSON{}, ntfyNow, r.send); err != nil {
		t.Fatal(err)
	}
	return r
}

// pollNtfy returns what a poll brings.
func pollNtfy(t testing.TB, h *hub.Actor, wish string) (got []string) {
	t.Helper()
	err := CatchUp(t.Context(), h, nil, ntfyWish(t, wish), NtfyJSON{}, ntfyNow, func(frame []byte) error {
		var e ntfyMessage
		got = append(got, "")
		defer func() { got[len(got)-1] = ntfyWord(e) }()
		return json.Unmarshal(frame, &e)
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// publishNtfy publishes each text as a notification.
func publishNtfy(t testing.TB, h *hub.Actor, channel string, texts ...string) (last *hub.Message) {
	t.Helper()
	for _, text := range texts {
		last = &hub.Message{Channel: channel, Data: Notification{Message: text}.Data()}
		if _, err := h.Publish(t.Context(), last, hub.PublishOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	return last
}
