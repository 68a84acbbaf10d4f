package dialect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"fanfold/hub"
	"fanfold/hub/stream"
)

func TestCatchUpFromNow(t *testing.T) {
	h := newTestHub(t, hub.Config{})
	publishNtfy(t, h, "a", "old")
	r := subscribeNtfy(t, h, "a")
	r.expect("<open>")
	publishNtfy(t, h, "b", "elsewhere")
	publishNtfy(t, h, "a", "new")
	r.expect("new")
	live := &hub.Message{Channel: "a", Data: []byte(`"live"`)}
	if _, err := h.Publish(t.Context(), live, hub.PublishOptions{Live: true}); err != nil {
		t.Fatal(err)
	}
	r.expect("live")
	r.expectNothing()
}

// A browser that lost its connection before the first message goes on behind
// the id of the open event.
func TestCatchUpOpenSaysWhereTheStreamBegins(t *testing.T) {
	h := newTestHub(t, hub.Config{})
	for _, before := range []bool{false, true} {
		if before {
			publishNtfy(t, h, "a", "old")
		}
		r := openNtfy(t, h, NtfySSE{})
		if err := CatchUp(t.Context(), h, r.session, ntfyWish(t, "a"), NtfySSE{}, ntfyNow, r.send); err != nil {
			t.Fatal(err)
		}
		id, kind, _, _ := readEvent(r.next())
		if kind != eventOpen || id == "" {
			t.Fatalf("the first event is %q with the id %q", kind, id)
		}
		r.session.Close(hub.Reason{})
		publishNtfy(t, h, "a", "missed", "too")
		again := subscribeNtfy(t, h, "a?last_event_id="+id)
		again.expect("<open>", "missed", "too")
		again.expectNothing()
	}
}

func TestCatchUpWithHistory(t *testing.T) {
	h := newTestHub(t, hub.Config{})
	publishNtfy(t, h, "a", "1")
	second := publishNtfy(t, h, "a", "2")
	publishNtfy(t, h, "b", "other")
	last := publishNtfy(t, h, "a", "3")
	for wish, want := range map[string][]string{
		"a?since=all":              {"1", "2", "3"},
		"a?since=10m":              {"1", "2", "3"},
		"a?since=0":                {"1", "2", "3"},
		"a?since=9999999999":       {},
		"a?since=" + second.ID:     {"3"},
		"a?since=" + last.ID:       {},
		"a?since=latest":           {"3"},
		"a,b?since=latest":         {"other", "3"},
		"b,a?since=all":            {"1", "2", "other", "3"},
		"*,a?since=all":            {"1", "2", "other", "3"},
		"a,>,b?since=latest":       {"other", "3"},
		"empty?since=all":          {},
		"empty?since=latest":       {},
		"a?since=all&message=2":    {"2"},
		"a?since=latest&message=2": {},
	} {
		r := subscribeNtfy(t, h, wish)
		r.expect("<open>")
		r.expect(want...)
		r.expectNothing()
		r.session.Close(hub.Reason{})
		if got := pollNtfy(t, h, wish+"&poll=1"); !slices.Equal(got, want) {
			t.Errorf("a poll of %s brings %v, want %v", wish, got, want)
		}
	}
	if got := pollNtfy(t, h, "a?poll=1"); !slices.Equal(got, []string{"1", "2", "3"}) {
		t.Errorf("a poll brings %v", got)
	}
	if got := pollNtfy(t, h, "a?poll=1&since=none"); len(got) != 0 {
		t.Errorf("a poll of nothing brings %v", got)
	}
}

func TestCatchUpFiltersLiveMessagesToo(t *testing.T) {
	h := newTestHub(t, hub.Config{})
	publishNtfy(t, h, "a", "yes", "no", "yes", "no")
	r := subscribeNtfy(t, h, "a?since=all&message=yes")
	publishNtfy(t, h, "a", "no", "yes", "no")
	r.expect("<open>", "yes", "yes", "yes")
	r.expectNothing()
}

func TestCatchUpSaysWhatIsMissing(t *testing.T) {
	engine := newTestEngine(t, stream.Config{Rules: hub.Rules{{Name: "few", Channels: ">", Messages: 3, Age: time.Hour}}})
	h := newTestHub(t, hub.Config{Engine: engine})
	trimmed := publishNtfy(t, h, "a", "1")
	kept := publishNtfy(t, h, "a", "2", "3", "4", "5")
	foreign := hub.Position{Epoch: "ZZZZZ", Seq: kept.Position.Seq + 100}
	ahead := hub.Position{Epoch: kept.Position.Epoch, Seq: kept.Position.Seq + 100}
	for _, id := range []string{trimmed.ID, foreign.String(), ahead.String(), hub.LiveID(), "from-another-server"} {
		r := subscribeNtfy(t, h, "a?last_event_id="+id)
		r.expect("<open>", "<gap>", "3", "4", "5")
		publishNtfy(t, h, "b", "x")
		r.expectNothing()
		r.session.Close(hub.Reason{})
		if got := pollNtfy(t, h, "a?poll=1&since="+id); !slices.Equal(got, []string{"<gap>", "3", "4", "5"}) {
			t.Errorf("a poll since %s brings %v", id, got)
		}
		r = subscribeNtfy(t, h, "empty?last_event_id="+foreign.String())
		publishNtfy(t, h, "empty", "new")
		r.expect("<open>", "<gap>", "new")
		r.session.Close(hub.Reason{})
		if err := h.RemoveHistory(t.Context(), "empty"); err != nil {
			t.Fatal(err)
		}
	}
	raw := openNtfy(t, h, NtfyRaw{})
	if err := CatchUp(t.Context(), h, raw.session, ntfyWish(t, "a?since="+trimmed.ID), NtfyRaw{}, ntfyNow, raw.send); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"\n", "3\n", "4\n", "5\n"} {
		if got := raw.next(); got != want {
			t.Errorf("raw: %q, want %q", got, want)
		}
	}
}

// TestCatchUpBesidePublishers subscribes while others publish: from the
// beginning that was asked for on, every message comes once and in order. The last ones are
// published when all have subscribed.
func TestCatchUpBesidePublishers(t *testing.T) {
	const messages = 400
	h := newTestHub(t, hub.Config{OutboxBytes: 1 << 20})
	var publishers, subscribed sync.WaitGroup
	wishes := []string{"a,b", "a,b?since=all", "a,b?since=latest", "a,*?since=10m", "a,b?since="}
	subscribed.Add(len(wishes))
	middle := make(chan string, 1) // the ID of a's message 100
	for _, channel := range []string{"a", "b"} {
		publishers.Go(func() {
			for i := range messages {
				if i == messages-1 {
					subscribed.Wait()
				}
				m := &hub.Message{Channel: channel, Data: fmt.Appendf(nil, `"%s %d"`, channel, i)}
				if _, err := h.Publish(t.Context(), m, hub.PublishOptions{}); err != nil {
					t.Error(err)
				}
				if channel == "a" && i == 100 {
					middle <- m.ID
				}
			}
		})
	}
	var readers sync.WaitGroup
	id := <-middle
	for i, wish := range wishes {
		if i == len(wishes)-1 {
			wish += id
		}
		readers.Go(func() { readBeside(t, h, wish, messages, subscribed.Done) })
	}
	publishers.Wait()
	readers.Wait()
}

// readBeside reads until the last message of a and of b.
func readBeside(t *testing.T, h *hub.Actor, wish string, messages int, subscribed func()) {
	r := subscribeNtfy(t, h, wish)
	subscribed()
	next := map[string]int{}
	var at uint64
	for ended := 0; ended < 2; {
		e := r.nextEvent()
		if e.Event != eventMessage {
			continue
		}
		var i int
		if _, err := fmt.Sscanf(e.Message, e.Topic+" %d", &i); err != nil {
			t.Errorf("%s: %v", e.Message, err)
		}
		if want, known := next[e.Topic]; known && i != want || e.Offset <= at {
			t.Errorf("%s: message %s at %d comes after %d, want %d", wish, e.Message, e.Offset, at, want)
			return
		}
		if next[e.Topic], at = i+1, e.Offset; i == messages-1 {
			ended++
		}
	}
	r.expectNothing()
}

func TestCatchUpErrorsBeforeTheFirstFrame(t *testing.T) {
	h := newTestHub(t, hub.Config{MaxSubscriptions: 1})
	r := openNtfy(t, h, NtfyJSON{})
	emitted := 0
	err := CatchUp(t.Context(), h, r.session, ntfyWish(t, "a,b"), NtfyJSON{}, ntfyNow, func([]byte) error { emitted++; return nil })
	if status, _ := NtfyError(err); status != 429 || emitted != 0 {
		t.Errorf("%d frames, then %v", emitted, err)
	}
}

func TestCatchUpStopsWhenEmitFails(t *testing.T) {
	h := newTestHub(t, hub.Config{})
	publishNtfy(t, h, "a", "1", "2", "3")
	gone := errors.New("gone")
	for limit := range 4 {
		r := openNtfy(t, h, NtfyJSON{})
		emitted := 0
		err := CatchUp(t.Context(), h, r.session, ntfyWish(t, "a?since=all"), NtfyJSON{}, ntfyNow, func([]byte) error {
			if emitted == limit {
				return gone
			}
			emitted++
			return nil
		})
		if !errors.Is(err, gone) || emitted != limit {
			t.Errorf("after %d frames: %v", emitted, err)
		}
	}
}

// ntfyScript is an engine whose reads are written down.
type ntfyScript struct {
	hub.Engine
	reads []func(hub.Query) (hub.Page, error)
}

// Read implements [hub.Engine].
func (s *ntfyScript) Read(_ context.Context, q hub.Query) (hub.Page, error) {
	if q.Limit == 0 {
		return hub.Page{Top: hub.Position{Epoch: "0abcZ00", Seq: 100}}, nil
	}
	read := s.reads[0]
	s.reads = s.reads[1:]
	return read(q)
}

func ntfyPage(more bool, seqs ...uint64) func(hub.Query) (hub.Page, error) {
	page := hub.Page{More: more}
	for _, seq := range seqs {
		at := hub.Position{Epoch: "0abcZ00", Seq: seq}
		page.Messages = append(page.Messages, &hub.Message{ID: at.String(), Channel: "a", Position: at, Data: fmt.Appendf(nil, "%d", seq)})
	}
	return func(hub.Query) (hub.Page, error) { return page, nil }
}

func ntfyTrimmed(hub.Query) (hub.Page, error) {
	return hub.Page{}, hub.Errorf(hub.CodeUnrecoverable, "trimmed")
}

// History can be trimmed while it is read.
func TestCatchUpGoesOnBehindAGapWithinHistory(t *testing.T) {
	engine := &ntfyScript{reads: []func(hub.Query) (hub.Page, error){
		ntfyPage(true, 1, 2, 3), ntfyTrimmed, ntfyPage(true, 2, 3, 7), ntfyTrimmed, ntfyPage(false, 7, 9, 10),
	}}
	h := newTestHub(t, hub.Config{Engine: engine})
	if got, want := pollNtfy(t, h, "a?poll=1"), []string{"1", "2", "3", "<gap>", "7", "<gap>", "9", "10"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	engine.reads = []func(hub.Query) (hub.Page, error){ntfyTrimmed}
	err := CatchUp(t.Context(), h, nil, ntfyWish(t, "a?poll=1"), NtfyJSON{}, ntfyNow, func([]byte) error { return nil })
	if hub.ErrorOf(err).Code != hub.CodeUnrecoverable {
		t.Errorf("a history that can't be read at all: %v", err)
	}
}
