package gallery

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"fanfold/hub"
	"fanfold/web/gallery/characters"
)

// searchFor calls the method as a page does.
func searchFor(t *testing.T, c *completion, text string) (completionAnswer, error) {
	t.Helper()
	question, err := json.Marshal(completionQuestion{Text: text})
	if err != nil {
		t.Fatal(err)
	}
	result, err := c.methods()["gallery.completion.search"].Call(t.Context(), nil, question)
	if err != nil {
		return completionAnswer{}, err
	}
	var a completionAnswer
	if err := json.Unmarshal(result, &a); err != nil {
		t.Fatal(err)
	}
	return a, nil
}

// running runs the example until the test's end, or until stop is called.
func (c *completion) running(t *testing.T) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var runs sync.WaitGroup
	runs.Go(func() { c.run(ctx) })
	stop = func() { cancel(); runs.Wait() }
	t.Cleanup(stop)
	return stop
}

// The first call is answered at once with how much of the index is made; later ones with
// what they look for, on the real index.
func TestCompletionIsBuiltByTheFirstCall(t *testing.T) {
	t.Parallel()
	c := newCompletion(buildIndex, slog.New(slog.DiscardHandler))
	if a, err := searchFor(t, c, "snow"); err != nil || a.Building == nil || *a.Building != 0 {
		t.Fatalf("before it runs: %+v %v", a, err)
	}
	c.running(t)
	deadline := time.After(time.Minute)
	for {
		a, err := searchFor(t, c, "snow")
		if err != nil {
			t.Fatal(err)
		}
		if a.Building == nil {
			if first := a.Results[0]; first.Name != "SNOWMAN" || first.Char != "☃" || first.Code != "U+2603" || first.Hits[0] != [2]int{0, 4} || a.Total < 9 {
				t.Errorf("snow is %+v", a)
			}
			return
		}
		select {
		case <-deadline:
			t.Fatalf("it is still building: %v", *a.Building)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// fakeSearcher counts itself, and finds nothing once it is let.
type fakeSearcher struct {
	made *made
	hold chan struct{}
}

// made counts fake searchers.
type made struct{ built, closed, searching, most atomic.Int32 }

func (f *fakeSearcher) Search(ctx context.Context, _ characters.Query) (characters.Answer, error) {
	if n := f.made.searching.Add(1); n > f.made.most.Load() {
		f.made.most.Store(n)
	}
	defer f.made.searching.Add(-1)
	select {
	case <-f.hold:
		return characters.Answer{Total: 1}, nil
	case <-ctx.Done():
		return characters.Answer{}, hub.Errorf(hub.CodeBusy, "slow")
	}
}

func (f *fakeSearcher) Close() error { f.made.closed.Add(1); return nil }

// fakeCompletion takes a second to build and closes hold to let its searches end.
func fakeCompletion(t *testing.T) (c *completion, counts *made, hold chan struct{}, stop func()) {
	counts, hold = &made{}, make(chan struct{})
	c = newCompletion(func(ctx context.Context, progress func(float64)) (characters.Searcher, error) {
		counts.built.Add(1)
		progress(0.5)
		select {
		case <-time.After(time.Second):
			return &fakeSearcher{counts, hold}, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}, slog.New(slog.DiscardHandler))
	return c, counts, hold, c.running(t)
}

// However many call, one index is made; it stays as long as calls come, is dropped after ten
// minutes without one, and is made again by the next.
func TestCompletionIsDroppedWhenNobodyCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, counts, hold, stop := fakeCompletion(t)
		close(hold)
		wantBuilding := func(fraction float64) {
			t.Helper()
			if a, err := searchFor(t, c, "x"); err != nil || a.Building == nil || *a.Building != fraction {
				t.Fatalf("want building %v, got %+v %v", fraction, a, err)
			}
		}
		wantFound := func() {
			t.Helper()
			if a, err := searchFor(t, c, "x"); err != nil || a.Building != nil || a.Total != 1 {
				t.Fatalf("want a result, got %+v %v", a, err)
			}
		}
		synctest.Wait()
		if counts.built.Load() != 0 {
			t.Fatal("it is made before anybody calls")
		}
		wantBuilding(0)
		synctest.Wait()
		wantBuilding(0.5)
		pass(time.Second)
		for range 3 {
			wantFound()
			pass(completionIdle - time.Second)
		}
		wantFound()
		if pass(completionIdle - 1); counts.closed.Load() != 0 {
			t.Error("it is dropped too early")
		}
		if pass(1); counts.closed.Load() != 1 || counts.built.Load() != 1 {
			t.Errorf("after a pause: %d made, %d dropped", counts.built.Load(), counts.closed.Load())
		}
		wantBuilding(0)
		pass(time.Second)
		wantFound()
		stop()
		if counts.built.Load() != 2 || counts.closed.Load() != 2 {
			t.Errorf("at the end: %d made, %d dropped", counts.built.Load(), counts.closed.Load())
		}
		if _, err := searchFor(t, c, "x"); hub.ErrorOf(err).Code != hub.CodeUnavailable {
			t.Errorf("after the end: %v", err)
		}
	})
}

// pass lets time go by in a bubble.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// Few search at a time; who waits too long is told, and so is who asks for too much.
func TestCompletionIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, counts, _, _ := fakeCompletion(t)
		_, _ = searchFor(t, c, "x")
		pass(time.Second)
		var calls sync.WaitGroup
		for range 3 * completionSearches {
			calls.Go(func() {
				if _, err := searchFor(t, c, "x"); hub.ErrorOf(err).Code != hub.CodeBusy {
					t.Errorf("an endless search: %v", err)
				}
			})
		}
		calls.Wait()
		if n := counts.most.Load(); n != completionSearches {
			t.Errorf("%d searched at a time", n)
		}
		_, err := searchFor(t, c, strings.Repeat("x", characters.MaxText+1))
		if hub.ErrorOf(err).Code != hub.CodeBadRequest {
			t.Errorf("a long text: %v", err)
		}
	})
}

// An index that can't be made is an error to who asks, and is tried again.
func TestCompletionSaysThatItFailed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		failing := errors.New("no memory")
		c := newCompletion(func(context.Context, func(float64)) (characters.Searcher, error) { return nil, failing }, slog.New(slog.DiscardHandler))
		c.running(t)
		for i := range 3 {
			_, err := searchFor(t, c, "x")
			if i > 0 && !errors.Is(err, failing) {
				t.Errorf("call %d: %v", i, err)
			}
			synctest.Wait()
		}
	})
}
