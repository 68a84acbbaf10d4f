package tests

import (
	"encoding/json"
	"fmt"
	"strings"
)

// delivery is a message as a subscriber saw it. The offset is 0 where the
// protocol does not show it.
type delivery struct {
	text   string
	offset uint64
}

// subscriber is a client of one of the hub's protocols.
type subscriber struct {
	name       string
	deliveries <-chan delivery // closed once the connection has ended
}

// subscribers opens one subscriber of each protocol to a channel and returns
// once each of them will get what is published from now on. All protocols but
// the echo tell their clients so.
func (h *hub) subscribers(channel string) []subscriber {
	h.t.Helper()
	before := h.sessions(channel)
	all := []subscriber{
		{"echo", convert(h.dial("/?channel="+channel).texts, plainDelivery)},
		{"centrifuge", h.centrifuge(channel)},
		{"ntfy json", convert(h.opened(h.stream("/"+channel+"/json")), ntfyDelivery)},
		{"ntfy sse", convert(h.opened(h.stream("/"+channel+"/sse")), sseDelivery)},
		{"ntfy raw", convert(h.opened(h.stream("/"+channel+"/raw")), plainDelivery)},
		{"ntfy ws", convert(h.opened(h.dial("/"+channel+"/ws").texts), ntfyDelivery)},
	}
	eventually(h.t, "all subscriptions to "+channel, func() bool {
		return h.sessions(channel) == before+len(all)
	})
	return all
}

// opened waits for the first line of an ntfy subscription, which says that it
// stands.
func (h *hub) opened(lines <-chan string) <-chan string {
	h.t.Helper()
	receive(h.t, lines, "the open event")
	return lines
}

// next fails the test if the subscriber's next message is not text.
func (s subscriber) next(h *hub, text string) {
	h.t.Helper()
	got := receive(h.t, s.deliveries, fmt.Sprintf("the message %.80q over %s", text, s.name))
	if got.text != text {
		h.t.Errorf("%s: got the message %.80q, not %.80q", s.name, got.text, text)
	}
}

// convert passes on what read makes of each line, leaving out the lines that
// hold no message. It ends when lines does.
func convert(lines <-chan string, read func(line string) (delivery, bool)) <-chan delivery {
	out := make(chan delivery, cap(lines))
	go func() {
		defer close(out)
		for line := range lines {
			if d, ok := read(line); ok {
				out <- d
			}
		}
	}()
	return out
}

// plainDelivery reads a bare text. An empty one is a sign of life.
func plainDelivery(line string) (delivery, bool) { return delivery{text: line}, line != "" }

// ntfyDelivery reads ntfy's JSON message.
func ntfyDelivery(line string) (delivery, bool) {
	var m struct {
		Event, Message string
		Offset         uint64
	}
	ok := json.Unmarshal([]byte(line), &m) == nil && m.Event == "message"
	return delivery{m.Message, m.Offset}, ok
}

// sseDelivery reads the data line of an event.
func sseDelivery(line string) (delivery, bool) {
	data, ok := strings.CutPrefix(line, "data: ")
	if !ok {
		return delivery{}, false
	}
	return ntfyDelivery(data)
}

// centrifuge subscribes to a channel as a Centrifuge client does, and returns
// once the hub has confirmed that.
func (h *hub) centrifuge(channel string) <-chan delivery {
	h.t.Helper()
	s := h.dial("/connection/websocket")
	s.send(fmt.Sprintf("{\"id\":1,\"connect\":{}}\n{\"id\":2,\"subscribe\":{\"channel\":%q}}", channel))
	if code := errorOf(h.t, s, 2); code != 0 {
		h.t.Fatalf("subscribe to %s: error %d", channel, code)
	}
	out := make(chan delivery, cap(s.texts))
	go func() {
		defer close(out)
		for frame := range s.texts {
			for line := range strings.SplitSeq(frame, "\n") {
				if line == "{}" {
					s.send("{}") // a ping, and its pong
				} else if d, ok := centrifugeDelivery(line); ok {
					out <- d
				}
			}
		}
	}()
	return out
}

// centrifugeDelivery reads a Centrifuge push.
func centrifugeDelivery(line string) (delivery, bool) {
	var reply struct {
		Push struct{ Pub *publication }
	}
	if json.Unmarshal([]byte(line), &reply) != nil || reply.Push.Pub == nil {
		return delivery{}, false
	}
	return delivery{reply.Push.Pub.text(), reply.Push.Pub.Offset}, true
}
