package tests

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// A message that nobody was there to hear is in the history afterwards.
func TestUnheardMessageIsKept(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	sent := h.publish("news", "anybody there?")
	if sent.ID == "" || sent.Offset == 0 || sent.Epoch == "" {
		t.Errorf("the reply %+v lacks the id, the offset or the epoch", sent)
	}
	kept := h.history("news")
	if len(kept) != 1 || kept[0].text() != "anybody there?" || kept[0].Offset != sent.Offset {
		t.Errorf("the history is %+v, want the one message at offset %d", kept, sent.Offset)
	}
	lines := h.stream("/news/raw?poll=1")
	if got := receive(t, lines, "the message by poll"); got != "anybody there?" {
		t.Errorf("poll returned %q", got)
	}
}

// Whatever publishers do at once, all subscribers of a channel see one order,
// which is the history's, with rising offsets and each publisher's own order in it.
func TestOneOrderForAll(t *testing.T) {
	t.Parallel()
	const publishers, each = 4, 50
	h := startHub(t)
	all := slices.Concat(h.subscribers("busy"), h.subscribers("busy"))
	var working sync.WaitGroup
	for p := range publishers {
		working.Go(func() {
			for i := range each {
				if res, err := h.try("POST", "/busy", fmt.Sprintf("%d %d", p, i)); err != nil || res.status != 200 {
					t.Errorf("publish: status %d: %v", res.status, err)
				}
			}
		})
	}
	working.Wait()
	var want []delivery
	for _, p := range h.history("busy") {
		want = append(want, delivery{p.text(), p.Offset})
	}
	if len(want) != publishers*each {
		t.Fatalf("the history holds %d messages of %d", len(want), publishers*each)
	}
	checkOrder(t, want, publishers)
	for _, s := range all {
		for i, w := range want {
			got := receive(t, s.deliveries, fmt.Sprintf("message %d over %s", i, s.name))
			if got.text != w.text || got.offset != 0 && got.offset != w.offset {
				t.Fatalf("%s: message %d is %v, in the history %v", s.name, i, got, w)
			}
		}
	}
}

// checkOrder fails the test if offsets do not rise, or if one publisher's
// messages, each "publisher number", are not in their order.
func checkOrder(t *testing.T, messages []delivery, publishers int) {
	t.Helper()
	next := make([]int, publishers)
	last := uint64(0)
	for _, m := range messages {
		if m.offset <= last {
			t.Errorf("offset %d comes after %d", m.offset, last)
		}
		last = m.offset
		publisher, number, _ := strings.Cut(m.text, " ")
		p, _ := strconv.Atoi(publisher)
		if number != strconv.Itoa(next[p]) {
			t.Errorf("publisher %d: message %s comes where %d belongs", p, number, next[p])
		}
		next[p]++
	}
}

// After a stop, and after a crash, the history is there as it was and offsets
// go on from where they were.
func TestHistoryOutlivesTheHub(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	var want []publication
	for i := range 20 {
		h.publish("news", fmt.Sprintf("message %d", i))
		h.publish("other", "in between")
	}
	want = h.history("news")
	for name, end := range map[string]func(){"stop": h.stop, "kill": h.kill} {
		end()
		h.startAgain()
		got := h.history("news")
		if fmt.Sprint(got) != fmt.Sprint(want) || len(got) < 20 {
			t.Errorf("after %s the history is %v, was %v", name, got, want)
		}
		last := want[len(want)-1].Offset
		sent := h.publish("news", "after "+name)
		if sent.Offset <= last {
			t.Errorf("after %s an offset is %d, was %d", name, sent.Offset, last)
		}
		want = h.history("news")
	}
}

// Every message that was acknowledged before a crash is there after it.
func TestCrashUnderLoadLosesNothingAcknowledged(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	acknowledged := make(chan string, 100_000)
	var working sync.WaitGroup
	for p := range 4 {
		working.Go(func() {
			for i := 0; ; i++ {
				text := fmt.Sprintf("%d-%d", p, i)
				res, err := h.try("POST", "/load", text)
				if err != nil {
					return
				}
				if res.status == 200 {
					acknowledged <- text
				}
			}
		})
	}
	eventually(t, "a hundred acknowledged messages", func() bool { return len(acknowledged) >= 100 })
	h.kill()
	working.Wait()
	close(acknowledged)
	h.startAgain()
	kept := map[string]int{}
	for line := range h.stream("/load/raw?poll=1") {
		kept[line]++
	}
	for text := range acknowledged {
		if kept[text] != 1 {
			t.Errorf("the acknowledged message %s is there %d times", text, kept[text])
		}
	}
}

// A hub in memory starts anew each time, however soon: positions of its last
// runs must not look like a continuation.
func TestMemoryStartsANewEpoch(t *testing.T) {
	t.Parallel()
	h := startHub(t, "--memory")
	seen := map[string]bool{}
	for range 5 {
		sent := h.publish("news", "the only message of this run")
		if seen[sent.Epoch] {
			t.Errorf("two runs have the epoch %s", sent.Epoch)
		}
		seen[sent.Epoch] = true
		if kept := h.history("news"); len(kept) != 1 {
			t.Errorf("the history holds %d messages, want the new one alone", len(kept))
		}
		h.restart()
	}
}
