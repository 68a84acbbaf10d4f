package stream

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// phase says what a [record] was written for.
type phase string

const (
	phaseOpening phase = "opening" // the store is being opened; Blocks has what its files must keep
	phaseOpen    phase = "open"    // it is in use; likewise
	phaseClosed  phase = "closed"  // Blocks has all of its files
)

// record is what the data folder says about its store, beside it. By it the next start
// knows whether the store is the one that was left.
type record struct {
	Phase  phase  `json:"phase"`
	Sync   Sync   `json:"sync"`
	Boot   string `json:"boot"`   // of the machine; "" if it has none
	Folder uint64 `json:"folder"` // identity of the store's folder
	Epochs spans  `json:"epochs"`
	// Last is a number that the store had reached: that of the newest message, or
	// of one some markEvery before.
	Last   uint64    `json:"last"`
	Probes intervals `json:"probes,omitempty"`
	Blocks blocks    `json:"blocks"`
}

// recordName is the record's file in the data folder.
const recordName = "state.json"

// ledger watches over the store from outside of it: whether it has all that was
// acknowledged, and which epoch its numbers belong to.
type ledger struct {
	folder string // static; "": the store is in memory
	blocks string // static; the folder of the store's files
	sync   Sync   // static
	logger *slog.Logger

	mark   atomic.Uint64          // the highest number that is known to be stored
	epochs atomic.Pointer[spans]  // set before the engine is used
	noted  atomic.Pointer[string] // see note

	mu      sync.Mutex
	record  record    // guarded by mu; as it was written last, but for Probes
	changed bool      // guarded by mu; Probes differ
	sums    blocks    // guarded by mu; of files that were read
	list    blockList // guarded by mu

	held  heldBlocks // owned by who opens the store, from before to after
	doubt string     // likewise: why the store may lack something

	unread blocks // set before the engine is used; files whose stamp alone was looked at
}

// newLedger returns the ledger of a data folder; folder "" is for a store in memory.
func newLedger(folder, store string, s Sync, logger *slog.Logger) *ledger {
	files := filepath.Join(store, "jetstream", "$G", "streams", streamName, "msgs")
	return &ledger{folder: folder, sync: s, logger: logger, blocks: files, list: blockList{dir: files}}
}

// before looks at the store's files before the server opens them.
func (l *ledger) before() error {
	if l.folder == "" {
		return nil
	}
	began := time.Now()
	now, err := listBlocks(l.blocks)
	if err != nil {
		return fmt.Errorf("look at the store's files: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if noted := l.noted.Swap(nil); noted != nil {
		l.doubt = *noted
	}
	if l.doubt == "" {
		if l.doubt, err = l.compare(now, began); err != nil {
			return err
		}
	}
	if l.held, err = holdBlocks(l.blocks, now); err != nil {
		return err
	}
	least := l.record.Blocks
	l.record.Blocks = blocks{}
	for n, b := range now {
		if n == now.newest() { // its end may be half a record, which the server cuts off
			b.Size = min(b.Size, least[n].Size)
		}
		l.record.Blocks[n] = b
	}
	if len(l.record.Epochs) == 0 {
		return nil // there is nothing to say yet
	}
	l.record.Phase = phaseOpening
	return l.write(true)
}

// compare reads the record if that was not done yet, and says why the store may lack
// something, "" if there is no reason to think so. now was listed at began or later.
func (l *ledger) compare(now blocks, began time.Time) (doubt string, err error) {
	if len(l.record.Epochs) == 0 {
		doubt, err = l.read(len(now) > 0)
	}
	r := &l.record
	switch {
	case err != nil || doubt != "" || len(r.Epochs) == 0:
		return doubt, err
	case r.Folder != 0 && len(now) > 0 && r.Folder != identity(l.blocks):
		return "the data folder is a copy, or was restored from one", nil
	case r.Phase == phaseClosed:
		if err := now.sum(l.blocks, r.Blocks, began); err != nil {
			return "", fmt.Errorf("read the store's files: %w", err)
		}
		l.sums, l.unread = now, now.unread(r.Blocks)
		return now.differ(r.Blocks), nil
	case r.Sync == SyncInterval && r.Boot != bootID():
		return "the machine went down while the hub was running, and what came in the last two seconds was not yet on its disk", nil
	}
	return now.shrunk(r.Blocks), nil
}

// read reads the record. stored: there is a store, so that there should be one.
func (l *ledger) read(stored bool) (doubt string, err error) {
	text, err := os.ReadFile(filepath.Join(l.folder, recordName))
	switch {
	case errors.Is(err, fs.ErrNotExist) && stored:
		return recordName + " is missing, which says what was stored", nil
	case errors.Is(err, fs.ErrNotExist):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("read what was stored: %w", err)
	}
	var r record
	if err := json.Unmarshal(text, &r); err != nil || len(r.Epochs) == 0 {
		return recordName + " can't be read, which says what was stored", nil
	}
	l.record = r
	return "", nil
}

// after looks at the store that the server has opened, and decides which epoch goes on. first
// and last are the stream's numbers, made is the epoch in which the stream was made.
func (l *ledger) after(first, last uint64, made string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	r, doubt, err := &l.record, l.doubt, error(nil)
	if doubt == "" {
		doubt, err = l.held.cut(r.Blocks)
	}
	l.held.close()
	l.held = nil
	if err != nil {
		return fmt.Errorf("look at the store's files: %w", err)
	}
	fresh := len(r.Epochs) == 0
	if fresh {
		r.Epochs = spans{{made, 1}}
	}
	if reached := max(r.Last, l.mark.Load()); last < reached || doubt != "" {
		l.tell(doubt, last, reached)
		r.Epochs = r.Epochs.begin(last + 1)
	}
	l.doubt = ""
	r.Epochs, r.Probes = r.Epochs.trim(first), r.Probes.trim(first)
	l.mark.Store(last)
	epochs := r.Epochs
	l.epochs.Store(&epochs)
	return l.save(true)
}

// note says from any goroutine that the store lacks something: the next before begins
// with it.
func (l *ledger) note(doubt string) { l.noted.Store(&doubt) }

// first is the number that the current epoch began with.
func (l *ledger) first() uint64 {
	epochs := *l.epochs.Load()
	return epochs[len(epochs)-1].First
}

// release lets go of the files, if after did not come.
func (l *ledger) release() {
	l.held.close()
	l.held = nil
}

// tell logs what is missing and what that means.
func (l *ledger) tell(doubt string, last, reached uint64) {
	var why []string
	if doubt != "" {
		why = append(why, doubt)
	}
	missing := "unknown"
	if last < reached {
		missing = fmt.Sprintf("%d messages, numbers %d to %d", reached-last, last+1, reached)
		why = append(why, "the store ends before what was acknowledged")
	}
	l.logger.Error("stored messages are missing or may be: every client that returns is told that it was not recovered, and reads what is left",
		"why", strings.Join(why, "; "), "missing", missing, "left_up_to", last)
}

// save writes the record of a store in use. durable: through to the disk.
func (l *ledger) save(durable bool) error {
	if l.folder == "" {
		return nil
	}
	if err := l.list.update(); err != nil {
		return fmt.Errorf("look at the store's files: %w", err)
	}
	r := &l.record
	r.Phase, r.Sync, r.Boot, r.Folder = phaseOpen, l.sync, bootID(), identity(l.blocks)
	r.Last, r.Blocks = l.mark.Load(), l.list.blocks
	return l.write(durable)
}

// keep writes the record if the store has gone on since.
func (l *ledger) keep() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mark.Load() == l.record.Last && !l.changed {
		return nil
	}
	return l.save(l.sync == SyncAlways)
}

// check looks for damage that the server has found while it was running, and notes what
// there is.
func (l *ledger) check() (doubt string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.folder == "" {
		return "", nil
	}
	if doubt, err = l.list.cutInUse(); doubt != "" {
		l.note(doubt)
	}
	return doubt, err
}

// close writes the record of a store that the server has closed.
func (l *ledger) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.folder == "" || l.epochs.Load() == nil {
		return nil
	}
	began := time.Now()
	now, err := listBlocks(l.blocks)
	if err == nil {
		err = now.sum(l.blocks, l.sums, began)
	}
	if err != nil {
		return fmt.Errorf("look at the store's files: %w", err)
	}
	r := &l.record
	r.Phase, r.Last, r.Blocks = phaseClosed, l.mark.Load(), now
	return l.write(true)
}

// write puts the record in the place of the one before, whole or not at all.
func (l *ledger) write(durable bool) error {
	text, err := json.Marshal(l.record)
	if err != nil {
		return err
	}
	path := filepath.Join(l.folder, recordName)
	if err := writeFile(path+".new", text, durable); err != nil {
		return fmt.Errorf("write down what was stored: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("write down what was stored: %w", err)
	}
	l.changed = false
	if durable {
		return syncFolder(l.folder)
	}
	return nil
}

// raise notes that seq is stored.
func (l *ledger) raise(seq uint64) {
	for {
		mark := l.mark.Load()
		if seq <= mark || l.mark.CompareAndSwap(mark, seq) {
			return
		}
	}
}

// probed notes that seq is no user's message.
func (l *ledger) probed(seq uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.record.Probes, l.changed = l.record.Probes.add(seq), true
}

// whole reports whether a store that begins at first has lost nothing of a user's
// behind seq from its head.
func (l *ledger) whole(seq, first uint64) bool {
	if seq+1 >= first {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.record.Probes.cover(seq+1, first)
}

// bootID is drawn by the machine when it starts; "" where there is none.
func bootID() string {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

func writeFile(path string, text []byte, durable bool) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil && durable {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// syncFolder makes what was renamed in a folder durable.
func syncFolder(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close() // nothing was written
	return f.Sync()
}
