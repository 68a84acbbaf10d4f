package hub_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"fanfold/hub"
)

// purse is a meter that pays for a number of messages.
type purse struct {
	mu   sync.Mutex
	left int
	paid []string // by whom, and for how many bytes
}

func (p *purse) Charge(who *hub.Principal, size int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left == 0 {
		return hub.Errorf(hub.CodeBusy, "the purse is empty")
	}
	p.left--
	p.paid = append(p.paid, fmt.Sprint(who.User, " ", size))
	return nil
}

// Whatever publishes is charged to who acts at that moment, and what is not paid
// for is not published.
func TestAMeterIsAskedBeforeEachMessage(t *testing.T) {
	h := newHub(t, hub.Config{})
	ann := &hub.Principal{User: "ann", Grant: hub.Grant{Publish: []string{"news"}}}
	meter := &purse{left: 4}
	actor := h.As(ann).Metered(meter)
	message := func(channel, text string) *hub.Message { return &hub.Message{Channel: channel, Data: []byte(text)} }

	listener := connect(t, h, hub.SessionConfig{}).follow(t, "news")
	if _, err := actor.Publish(t.Context(), message("news", "1"), hub.PublishOptions{}); err != nil {
		t.Fatal(err)
	}
	_, err := actor.Publish(t.Context(), message("other", "22"), hub.PublishOptions{})
	if hub.ErrorOf(err).Code != hub.CodeDenied {
		t.Errorf("a channel that no grant covers: %v", err)
	}
	later := &hub.Scheduled{Message: message("news", "333"), When: hub.Timetable{At: time.Now().Add(time.Hour)}}
	if _, err := actor.Schedule(t.Context(), later); err != nil {
		t.Fatal(err)
	}
	session := connect(t, &openHub{h.Hub, actor}, hub.SessionConfig{})
	session.Identify(&hub.Principal{User: "bob", Grant: hub.Everything()})
	if _, err := session.Actor().Publish(t.Context(), message("news", "4444"), hub.PublishOptions{}); err != nil {
		t.Fatal(err)
	}
	same(t, "paid", meter.paid, "ann 1", "ann 2", "ann 3", "bob 4")

	for name, try := range map[string]func() (bool, error){
		"publish":  func() (bool, error) { return actor.Publish(t.Context(), message("news", "5"), hub.PublishOptions{}) },
		"schedule": func() (bool, error) { return actor.Schedule(t.Context(), later) },
		"a session's": func() (bool, error) {
			return session.Actor().Publish(t.Context(), message("news", "6"), hub.PublishOptions{})
		},
		"live": func() (bool, error) {
			return actor.Publish(t.Context(), message("news", "7"), hub.PublishOptions{Live: true})
		},
	} {
		if _, err := try(); hub.ErrorOf(err).Code != hub.CodeBusy {
			t.Errorf("%s: %v", name, err)
		}
	}
	publish(t, h, "news", "8") // not metered
	same(t, "delivered", listener.wait(t, 3), "news:1", "news:4444", "news:8")
}
