package tests

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// crashRounds is how often the hub is killed, and crashMessages how many messages
// are acknowledged at most between two kills: all together fit into a channel's history.
const (
	crashRounds   = 4
	crashMessages = 200
)

// A hub that is killed at any moment loses nothing that it acknowledged, and those
// who return to it get every message once, in order, and are told that nothing is missing.
func TestKillUnderLoad(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	h := startHub(t)
	socket, events := newReturning(), newReturning()
	h.rejoinSocket(socket)
	h.rejoinEvents(events)
	acked := map[string]stored{}
	for range crashRounds {
		h.publishUntilKilled(acked, 1+random.IntN(crashMessages))
		socket.ended(t)
		events.ended(t)
		h.startAgain()
		h.rejoinSocket(socket)
		h.rejoinEvents(events)
	}
	last := h.publish("crash", "the last")
	acked["the last"] = last

	kept := h.wholeHistory("crash")
	at := map[string]uint64{}
	for i, p := range kept {
		if i > 0 && p.offset <= kept[i-1].offset {
			t.Errorf("offset %d comes after %d", p.offset, kept[i-1].offset)
		}
		at[p.text] = p.offset
	}
	if len(at) != len(kept) {
		t.Errorf("history has %d messages, %d different ones", len(kept), len(at))
	}
	for text, s := range acked {
		if at[text] != s.Offset || s.Epoch != last.Epoch {
			t.Errorf("%q was acknowledged at %s/%d, and is at %s/%d", text, s.Epoch, s.Offset, last.Epoch, at[text])
		}
	}
	for name, r := range map[string]*returning{"Centrifuge": socket, "EventSource": events} {
		for i, want := range kept {
			got := receive(t, r.got, fmt.Sprintf("%s: message %d of %d", name, i+1, len(kept)))
			if got.text != want.text {
				t.Fatalf("%s: message %d is %q, want %q", name, i+1, got.text, want.text)
			}
		}
	}
}

// publishUntilKilled has several publishers at work, kills the hub when n messages were
// acknowledged, and notes all that were.
func (h *hub) publishUntilKilled(acked map[string]stored, n int) {
	h.t.Helper()
	var count atomic.Int64
	var mu sync.Mutex
	var publishers sync.WaitGroup
	enough := make(chan struct{})
	for p := range 4 {
		publishers.Go(func() {
			for i := 0; ; i++ {
				text := fmt.Sprintf("%d of publisher %d behind %d", i, p, len(h.stdout.String())+h.cmd.Process.Pid)
				res, err := h.try("POST", "/crash", text)
				var s stored
				if err != nil || res.status != http.StatusOK || json.Unmarshal([]byte(res.body), &s) != nil {
					return // the hub is gone; the message may be stored
				}
				mu.Lock()
				acked[text] = s
				mu.Unlock()
				if count.Add(1) == int64(n) {
					close(enough)
				}
			}
		})
	}
	receiveEnd(h.t, enough, "the messages are acknowledged")
	h.kill()
	publishers.Wait()
}

// returning is a client that comes back after each crash.
type returning struct {
	got  chan delivery // everything that it was shown
	last string        // SSE: the ID; Centrifuge: the epoch
	at   uint64        // Centrifuge: the offset
	done chan struct{} // closed when the connection has ended and all of it is in got
}

func newReturning() *returning { return &returning{got: make(chan delivery, 10_000)} }

// ended waits until the connection is gone.
func (r *returning) ended(t testing.TB) {
	t.Helper()
	receiveEnd(t, r.done, "the connection ends")
}

// receiveEnd waits until a channel is closed.
func receiveEnd(t testing.TB, done <-chan struct{}, what string) {
	t.Helper()
	eventually(t, what, func() bool {
		select {
		case <-done:
			return true
		default:
			return false
		}
	})
}

// rejoinSocket subscribes from where the client was, as the Centrifuge SDK does.
func (h *hub) rejoinSocket(r *returning) {
	h.t.Helper()
	s := h.dial("/connection/websocket")
	recover := ""
	if r.last != "" {
		recover = fmt.Sprintf(`,"recover":true,"offset":%d,"epoch":%q`, r.at, r.last)
	}
	s.send(`{"id":1,"connect":{}}` + "\n" + `{"id":2,"subscribe":{"channel":"crash","recoverable":true` + recover + `}}`)
	reply := receiveSubscribed(h.t, s)
	if recover != "" && !reply.Recovered {
		h.t.Errorf("not recovered from %s/%d", r.last, r.at)
	}
	r.last = reply.Epoch
	if recover == "" {
		r.at = reply.Offset
	}
	take := func(p publication) {
		r.got <- delivery{p.text(), p.Offset}
		r.at = p.Offset
	}
	for _, p := range reply.Publications {
		take(p)
	}
	r.done = make(chan struct{})
	go func(done chan struct{}) {
		defer close(done)
		for frame := range s.texts {
			for line := range strings.SplitSeq(frame, "\n") {
				var push struct{ Push struct{ Pub *publication } }
				if line == "{}" {
					s.send("{}")
				} else if json.Unmarshal([]byte(line), &push) == nil && push.Push.Pub != nil {
					take(*push.Push.Pub)
				}
			}
		}
	}(r.done)
}

// subscribed is the result of a Centrifuge subscribe.
type subscribed struct {
	Recovered    bool
	Epoch        string
	Offset       uint64
	Publications []publication
}

// receiveSubscribed returns the answer to the command with ID 2.
func receiveSubscribed(t testing.TB, s *socket) subscribed {
	t.Helper()
	for {
		reply, err := findSubscribed(receive(t, s.texts, "the answer to the subscription"))
		if err != nil {
			t.Fatal(err)
		}
		if reply != nil {
			return *reply
		}
	}
}

// findSubscribed returns the answer to the command with ID 2, nil if it is not in the
// frame.
func findSubscribed(frame string) (*subscribed, error) {
	for line := range strings.SplitSeq(frame, "\n") {
		var reply struct {
			ID        int
			Subscribe *subscribed
		}
		if err := json.Unmarshal([]byte(line), &reply); err != nil {
			return nil, fmt.Errorf("%w in %q", err, line)
		}
		switch {
		case reply.ID != 2:
		case reply.Subscribe == nil:
			return nil, fmt.Errorf("subscribe: %s", line)
		default:
			return reply.Subscribe, nil
		}
	}
	return nil, nil
}

// rejoinEvents opens an event stream from where the client was, as EventSource
// does.
func (h *hub) rejoinEvents(r *returning) {
	h.t.Helper()
	var headers []string
	if r.last != "" {
		headers = append(headers, "Last-Event-ID: "+r.last)
	}
	lines := h.opened(h.stream("/crash/sse", headers...))
	r.done = make(chan struct{})
	go func(done chan struct{}) {
		defer close(done)
		id := ""
		for line := range lines {
			switch at, isID := strings.CutPrefix(line, "id: "); {
			case isID:
				id = at
			case line == "event: gap":
				r.got <- delivery{text: "a gap"}
			case line == "":
				if id != "" { // the event is whole
					r.last = id
				}
			}
			if d, ok := sseDelivery(line); ok {
				r.got <- d
			}
		}
	}(r.done)
}

// wholeHistory reads all of a channel page by page.
func (h *hub) wholeHistory(channel string) (all []delivery) {
	h.t.Helper()
	since := ""
	for {
		page := api[struct {
			Publications []publication
			Epoch        string
		}](h, "history", fmt.Sprintf(`{"channel":%q,"limit":300%s}`, channel, since))
		for _, p := range page.Publications {
			all = append(all, delivery{p.text(), p.Offset})
		}
		if len(page.Publications) == 0 {
			return all
		}
		since = fmt.Sprintf(`,"since":{"offset":%d,"epoch":%q}`, all[len(all)-1].offset, page.Epoch)
	}
}
