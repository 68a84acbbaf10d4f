//go:build linux

package stream

import (
	"os"
	"testing"
	"time"
)

// A start goes by the stamps, so that it takes no longer when there is more to read.
func TestAFileWithItsStampIsNotReadAgain(t *testing.T) {
	dir := t.TempDir()
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(blockPath(dir, 1), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	summed := func(known blocks, after time.Duration) blocks {
		t.Helper()
		b, err := listBlocks(dir)
		if err == nil {
			err = b.sum(dir, known, time.Now().Add(after))
		}
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	noted := func(b blocks) blocks { // as it comes out of the record
		return blocks{1: {Size: b[1].Size, Sum: b[1].Sum + 1, Stamp: b[1].Stamp}}
	}
	write("one")
	if b := summed(nil, 0); b[1].Stamp != "" || b[1].Sum == 0 {
		t.Errorf("of a file that has just changed it notes %+v", b[1])
	}
	old := summed(nil, young)
	if again := summed(noted(old), young); old[1].Stamp == "" || again[1].Sum != old[1].Sum+1 || len(again.unread(noted(old))) != 1 {
		t.Errorf("a file that is as it was noted, %+v, is read again: %+v", old[1], again[1])
	}
	if again := summed(noted(summed(nil, 0)), young); again[1].Sum != old[1].Sum || len(again.unread(noted(summed(nil, 0)))) != 0 {
		t.Errorf("a file that was noted without a stamp is not read again: %+v", again[1])
	}
	write("two")
	if again := summed(noted(old), young); again[1].Sum == old[1].Sum+1 {
		t.Error("a file that was written to is not read again")
	}
}
