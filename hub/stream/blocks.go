package stream

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// block is what is known of one of the files that hold the stored messages.
type block struct {
	Size int64 `json:"size"`
	// Sum is the checksum of a store that was closed.
	Sum uint32 `json:"sum,omitempty"`
	// Stamp goes with Sum: a file that has the same one still is what was summed.
	// "": its content alone can tell.
	Stamp string `json:"stamp,omitempty"`

	changed time.Time
	info    os.FileInfo // nil if it is from a record
}

// blocks are the files by their number. The store appends to the one with the
// highest number alone; an older one it only removes, or replaces by a smaller one with
// what is left of its messages.
type blocks map[int]block

const blockSuffix = ".blk"

// young is how long ago a file must have changed for its stamp to count: the next change
// could leave the same stamp, where a file system's times are as coarse as this.
const (
	young     = 2 * time.Second
	youngFine = 100 * time.Millisecond // where it is not
)

// stampAt returns the file's stamp if it counts for whoever looks at the file at now
// or later.
func (b block) stampAt(now time.Time) string {
	stamp, changed := stampOf(b.info)
	least := young
	if changed.Nanosecond() != 0 { // the file system keeps them as the kernel's clock has them, which ticks each 10 ms at least
		least = youngFine
	}
	if stamp == "" || now.Sub(changed) < least {
		return ""
	}
	return stamp
}

// listBlocks returns the files in dir, none if there is no such folder.
func listBlocks(dir string) (blocks, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	found := blocks{}
	for _, entry := range entries {
		n, err := strconv.Atoi(strings.TrimSuffix(entry.Name(), blockSuffix))
		if err != nil || !strings.HasSuffix(entry.Name(), blockSuffix) {
			continue
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed meanwhile
		}
		if err != nil {
			return nil, err
		}
		found[n] = block{Size: info.Size(), changed: info.ModTime(), info: info}
	}
	return found, nil
}

// newest is the number of the file that is appended to; 0: there is none.
func (b blocks) newest() int {
	newest := 0
	for n := range b {
		newest = max(newest, n)
	}
	return newest
}

func blockPath(dir string, n int) string {
	return filepath.Join(dir, strconv.Itoa(n)+blockSuffix)
}

// sum fills in the checksums and stamps, taking the checksums of files that have not changed
// from known; the others it reads. now is when the files were listed, or before.
func (b blocks) sum(dir string, known blocks, now time.Time) error {
	for n, one := range b {
		one.Stamp = one.stampAt(now)
		if k := known[n]; one.isStill(k) {
			one.Sum = k.Sum
		} else {
			var err error
			if one.Sum, err = sumFile(blockPath(dir, n)); err != nil {
				return err
			}
		}
		b[n] = one
	}
	return nil
}

// isStill reports whether the file is known to be what was summed.
func (b block) isStill(summed block) bool {
	if summed.Sum == 0 || summed.Size != b.Size {
		return false
	}
	inUse := summed.info != nil && summed.changed.Equal(b.changed) // since this process has summed it
	return inUse || b.Stamp != "" && b.Stamp == summed.Stamp
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli) // which processors have an instruction for

func sumFile(path string) (uint32, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close() // nothing was written
	h := crc32.New(castagnoli)
	_, err = io.Copy(h, f)
	return h.Sum32(), err
}

// differ says how the files differ from those of the store when it was closed;
// "": they do not.
func (b blocks) differ(closed blocks) string {
	for _, n := range slices.Sorted(maps.Keys(closed)) {
		was := closed[n]
		switch now, there := b[n]; {
		case !there:
			return fmt.Sprintf("the file %d%s is missing", n, blockSuffix)
		case now.Size < was.Size:
			return fmt.Sprintf("the file %d%s is cut off: it has %d of %d bytes", n, blockSuffix, now.Size, was.Size)
		case now.Sum != was.Sum || now.Size != was.Size:
			return fmt.Sprintf("the file %d%s is not what was written: its checksum differs", n, blockSuffix)
		}
	}
	for n := range b {
		if _, there := closed[n]; !there {
			return fmt.Sprintf("the file %d%s was not there when the hub was stopped", n, blockSuffix)
		}
	}
	return ""
}

// shrunk says which file is missing or shorter than a store that was not closed had
// written it; "": none is. The oldest may be gone: their messages were too old.
func (b blocks) shrunk(least blocks) string {
	older := false // one that is older is there
	for _, n := range slices.Sorted(maps.Keys(least)) {
		now, there := b[n]
		switch {
		case there && now.Size < least[n].Size:
			return fmt.Sprintf("the file %d%s is cut off: it has %d of at least %d bytes", n, blockSuffix, now.Size, least[n].Size)
		case !there && (older || n > b.newest()):
			return fmt.Sprintf("the file %d%s is missing", n, blockSuffix)
		}
		older = older || there
	}
	return ""
}

// blockList is a list of the files in a folder that is kept up to date.
type blockList struct {
	dir     string
	blocks  blocks
	changed time.Time // the folder, by its own word
}

// update lists the files anew if one was made, removed or replaced; else only the newest
// one can have changed.
func (l *blockList) update() (err error) {
	info, err := os.Stat(l.dir)
	if errors.Is(err, fs.ErrNotExist) {
		l.blocks, l.changed = blocks{}, time.Time{}
		return nil
	}
	if err != nil {
		return err
	}
	n := l.blocks.newest()
	if n == 0 || !info.ModTime().Equal(l.changed) {
		l.blocks, err = listBlocks(l.dir)
		l.changed = info.ModTime()
		return err
	}
	file, err := os.Stat(blockPath(l.dir, n))
	if err != nil {
		l.changed = time.Time{}
		return err
	}
	l.blocks[n] = block{Size: file.Size(), changed: file.ModTime(), info: file}
	return nil
}

// cutInUse says which file the server has cut off since; "": none. One that it has
// replaced is another file, and the newest may have had half a record.
func (l *blockList) cutInUse() (string, error) {
	now, err := listBlocks(l.dir)
	if err != nil {
		return "", err
	}
	for n, was := range l.blocks {
		b, there := now[n]
		if there && n != l.blocks.newest() && b.Size < was.Size && os.SameFile(b.info, was.info) {
			return fmt.Sprintf("the file %d%s was damaged while the hub was running: of its %d bytes %d were left", n, blockSuffix, was.Size, b.Size), nil
		}
	}
	return "", nil
}

// heldBlocks are files held open while the server takes the store over: it cuts a
// file off where it finds damage, and may remove what is left.
type heldBlocks map[int]*os.File

func holdBlocks(dir string, b blocks) (heldBlocks, error) {
	held := heldBlocks{}
	for n := range b {
		f, err := os.Open(blockPath(dir, n))
		if err != nil {
			held.close()
			return nil, fmt.Errorf("open a file of the store: %w", err)
		}
		held[n] = f
	}
	return held, nil
}

// cut says which of the files was cut off to less than it had; "": none was.
func (h heldBlocks) cut(least blocks) (string, error) {
	for _, n := range slices.Sorted(maps.Keys(h)) {
		info, err := h[n].Stat()
		if err != nil {
			return "", err
		}
		if info.Size() < least[n].Size {
			return fmt.Sprintf("the file %d%s is damaged: of its %d bytes %d were left", n, blockSuffix, least[n].Size, info.Size()), nil
		}
	}
	return "", nil
}

func (h heldBlocks) close() {
	for _, f := range h {
		_ = f.Close() // nothing was written
	}
}
