package web

import (
	"sync"
	"testing"
)

// The hub is ready before any file is rendered or compressed.
func TestNoFileIsMadeBeforeItIsAskedFor(t *testing.T) {
	const perFile = 20 // rendering one page takes thousands
	if got, most := testing.AllocsPerRun(1, func() { Handler() }), float64(perFile*len(names())); got > most {
		t.Errorf("the handler takes %v allocations, more than %v", got, most)
	}
}

func TestAFileIsMadeOnce(t *testing.T) {
	t.Parallel()
	made := 0
	f := newLazyFile("a.css", func() []byte { made++; return []byte("p {}") })
	if made > 0 {
		t.Error("it was made before anybody asked for it")
	}
	var readers sync.WaitGroup
	for range 8 {
		readers.Go(func() {
			if got := string(f().plain.content); got != "p {}" {
				t.Errorf("it has %q", got)
			}
		})
	}
	readers.Wait()
	if made != 1 {
		t.Errorf("it was made %d times", made)
	}
}
