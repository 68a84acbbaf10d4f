package stream

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// verify is the goroutine that reads the files that the start did not, so that a large
// store does not make it wait. It ends when it has.
func (e *Engine) verify() {
	if doubt := e.ledger.verify(e.stop); doubt != "" {
		e.ledger.note(doubt)
		e.fail(damaged(doubt))
	}
}

// verify reads the files that before went by the stamps of, until stop. It says which of
// them the disk has changed, "": none.
func (l *ledger) verify(stop <-chan struct{}) (doubt string) {
	for n, b := range l.unread {
		select {
		case <-stop:
			return ""
		default:
		}
		if doubt := b.verify(l.blocks, n); doubt != "" {
			return doubt
		}
	}
	return ""
}

// unread are the files whose sums were taken from the record of a store that was closed.
func (b blocks) unread(closed blocks) blocks {
	unread := blocks{}
	for n, one := range b {
		if one.isStill(closed[n]) {
			unread[n] = one
		}
	}
	return unread
}

// verify reads the file, and says how it is not what was summed, "" if it is, or if it was
// removed or changed meanwhile.
func (b block) verify(dir string, n int) (doubt string) {
	path := blockPath(dir, n)
	sum, err := sumFile(path)
	info, gone := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) || gone != nil:
		return ""
	case err != nil:
		return fmt.Sprintf("the file %d%s can't be read: %v", n, blockSuffix, err)
	}
	if stamp, _ := stampOf(info); stamp == b.Stamp && sum != b.Sum {
		return fmt.Sprintf("the file %d%s is not what was written, although nobody has changed it: its checksum differs", n, blockSuffix)
	}
	return ""
}
