package bridge

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"fanfold/hub"
)

func at(seq uint64) hub.Position { return hub.Position{Epoch: "epochee", Seq: seq} }

func filled(t *testing.T, seqs ...uint64) (*window, []*parcel) {
	t.Helper()
	w := newWindow(at(0))
	var list []*parcel
	for _, seq := range seqs {
		p := &parcel{position: at(seq), payload: make([]byte, 10)}
		if err := w.add(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
	return w, list
}

func wantDone(t *testing.T, w *window, done uint64, waiting int) {
	t.Helper()
	if got, n, _ := w.state(); got.Seq != done || n != waiting {
		t.Errorf("done up to %d with %d waiting, want %d and %d", got.Seq, n, done, waiting)
	}
}

// A position moves only over what is acknowledged without a gap, in whatever order that
// comes.
func TestPositionsMoveInOrder(t *testing.T) {
	t.Parallel()
	w, p := filled(t, 3, 5, 9)
	w.pass(at(12))
	w.settle(p[2], nil)
	w.settle(p[1], nil)
	wantDone(t, w, 0, 4)
	if !w.settle(p[0], nil) || w.settle(p[0], nil) {
		t.Error("an acknowledgement counts once")
	}
	wantDone(t, w, 12, 0)
	w.pass(at(13))
	wantDone(t, w, 13, 0)
	w.pass(hub.Position{}) // it was not stored
	wantDone(t, w, 13, 0)
	if w.skip(at(12), at(20)) || !w.skip(at(13), at(20)) {
		t.Error("a position was skipped that had moved meanwhile, or was not")
	}
	wantDone(t, w, 20, 0)
}

// What was refused is sent again, and what is on its way is not.
func TestWhatFailedIsOpen(t *testing.T) {
	t.Parallel()
	w, p := filled(t, 1, 2, 3)
	link := &fakeLink{}
	for _, p := range p {
		p.link = link
	}
	w.settle(p[0], nil)
	bad := errors.New("no queue")
	w.settle(p[1], bad)
	if err := w.add(t.Context(), &parcel{}); !errors.Is(err, bad) {
		t.Errorf("behind a failed parcel: %v", err)
	}
	if open := w.open(link); len(open) != 1 || open[0] != p[1] {
		t.Errorf("over the same link %v are sent again", open)
	}
	if open := w.open(&fakeLink{}); len(open) != 2 || open[0] != p[1] || open[1] != p[2] {
		t.Errorf("over another link %v are sent again", open)
	}
}

// A window that is full makes the route wait, in messages and in bytes.
func TestAWindowIsBounded(t *testing.T) {
	t.Parallel()
	for name, size := range map[string]int{"messages": 1, "bytes": windowBytes / 4} {
		synctest.Test(t, func(t *testing.T) {
			w := newWindow(at(0))
			most := min(windowParcels, windowBytes/size)
			var first *parcel
			added := 0
			go func() {
				for i := range most + 1 {
					p := &parcel{position: at(uint64(i + 1)), payload: make([]byte, size)}
					if i == 0 {
						first = p
					}
					_ = w.add(context.Background(), p)
					added++
				}
			}()
			synctest.Wait()
			if added != most {
				t.Errorf("%s: %d parcels fit, want %d", name, added, most)
			}
			w.settle(first, nil)
			synctest.Wait()
			if added != most+1 {
				t.Errorf("%s: room does not help", name)
			}
		})
	}
	w, _ := filled(t, 1)
	if err := w.add(t.Context(), &parcel{payload: make([]byte, windowBytes-10)}); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.add(ctx, &parcel{payload: make([]byte, 1)}); !errors.Is(err, context.Canceled) {
		t.Errorf("it does not wait for room: %v", err)
	}
}

// Waits double up to a bound, and no two are sure to be the same.
func TestWaitsGrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := backoff{first: time.Second, most: 10 * time.Second}
		for _, most := range []time.Duration{1, 2, 4, 8, 10, 10} {
			began := time.Now()
			if err := b.wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took < most*time.Second/2 || took > most*time.Second {
				t.Errorf("waited %v, want half of %v or more", took, most*time.Second)
			}
		}
		b.tries = 1000
		if wait := b.next(); wait < 5*time.Second || wait > 10*time.Second {
			t.Errorf("after a thousand tries it waits %v", wait)
		}
		b.reset()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := b.wait(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}
