package stream_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fanfold/hub"
	"fanfold/hub/stream"
)

// files are the contents of a folder by path.
type files map[string][]byte

// snapshot reads all files of a data folder as they are now.
func snapshot(t testing.TB, dir string) files {
	t.Helper()
	found := files{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		found[name], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// write makes a data folder with the contents of a snapshot.
func (f files) write(t testing.TB) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range f {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

var folderField = regexp.MustCompile(`"folder":\d+`)

// original lets the record say nothing of which folder it is in.
func (f files) original() files {
	f = maps.Clone(f)
	f["state.json"] = folderField.ReplaceAll(f["state.json"], []byte(`"folder":0`))
	return f
}

// blockFiles returns the files that hold messages, oldest first.
func (f files) blockFiles(t testing.TB) (paths []string) {
	t.Helper()
	for path := range f {
		if strings.HasSuffix(path, ".blk") && strings.Contains(path, "fanfold-main") {
			paths = append(paths, path)
		}
	}
	slices.SortFunc(paths, func(a, b string) int {
		if len(a) != len(b) {
			return len(a) - len(b)
		}
		return strings.Compare(a, b)
	})
	if len(paths) < 3 {
		t.Fatalf("the store has %d files, want 3 or more", len(paths))
	}
	return paths
}

func (f files) named(t testing.TB, name string) string {
	t.Helper()
	for path := range f {
		if filepath.Base(path) == name && (name != "index.db" || strings.Contains(path, "fanfold-main")) {
			return path
		}
	}
	t.Fatalf("there is no %s", name)
	return ""
}

// records is the length of the last n messages of a file, which begin with their
// length, in little-endian order with the highest bit set if there are headers.
func records(file []byte, n int) int {
	var starts []int
	for at := 0; at < len(file); {
		starts = append(starts, at)
		at += int(binary.LittleEndian.Uint32(file[at:]) &^ (1 << 31))
	}
	return len(file) - starts[len(starts)-n]
}

func (f files) flip(path string, at int) {
	f[path] = bytes.Clone(f[path])
	f[path][at] ^= 1
}

// log collects a logger's lines.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *log) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// many publishes messages that fill several files of a store.
func many(t testing.TB, e hub.Engine, n int) (all []*hub.Message) {
	t.Helper()
	filler := strings.Repeat("x", 60_000)
	for i := range n {
		all = append(all, text(t, e, fmt.Sprint(i, filler)))
	}
	return all
}

// leftStore is what a hub leaves behind.
type leftStore struct {
	files
	all []*hub.Message // that were acknowledged
}

// leave has a hub store messages in two runs. The second ends as told.
func leave(t testing.TB, kill bool) (left leftStore) {
	t.Helper()
	c := stream.Config{Dir: t.TempDir()}
	e, close := open(t, c)
	left.all = many(t, e, 130)
	close()
	e, close = open(t, c)
	left.all = append(left.all, many(t, e, 90)...)
	if !kill {
		close()
	}
	stream.Keep(t, e, kill)
	left.files = snapshot(t, c.Dir)
	close()
	// What is younger the server reads at its next start, for the idempotency keys.
	<-time.After(time.Until(left.all[len(left.all)-1].Time.Add(2 * stream.IdleWindow)))
	return left
}

func TestDamageIsNeverARecovery(t *testing.T) {
	middle := func(t testing.TB, f files) string { b := f.blockFiles(t); return b[len(b)/2] }
	newest := func(t testing.TB, f files) string { b := f.blockFiles(t); return b[len(b)-1] }
	none := func(testing.TB, files) {}
	left := map[string]leftStore{"stopped": leave(t, false), "killed": leave(t, true)}
	for _, test := range []struct {
		name    string
		damage  func(testing.TB, files)
		recover bool // with a clean stop and after a kill alike
	}{
		{"none", none, true},
		{"index damaged", func(t testing.TB, f files) { f.flip(f.named(t, "index.db"), 20) }, true},
		{"index missing", func(t testing.TB, f files) { delete(f, f.named(t, "index.db")) }, true},
		{"newest file cut off", func(t testing.TB, f files) { p := newest(t, f); f[p] = f[p][:len(f[p])-2500] }, false},
		{"newest file cut off inside its last message", func(t testing.TB, f files) { p := newest(t, f); f[p] = f[p][:len(f[p])-5] }, false},
		{"newest file emptied", func(t testing.TB, f files) { f[newest(t, f)] = nil }, false},
		{"newest file missing", func(t testing.TB, f files) { delete(f, newest(t, f)) }, false},
		{"bit of a text in the newest file", func(t testing.TB, f files) { p := newest(t, f); f.flip(p, len(f[p])-1000) }, false},
		{"bit of a text in the middle", func(t testing.TB, f files) { f.flip(middle(t, f), 9000) }, false},
		{"bit of a length in the middle", func(t testing.TB, f files) { f.flip(middle(t, f), 1) }, false},
		{"bit of a number in the middle", func(t testing.TB, f files) { f.flip(middle(t, f), 6) }, false},
		{"middle file cut off", func(t testing.TB, f files) { p := middle(t, f); f[p] = f[p][:len(f[p])/2] }, false},
		{"middle file cut off between two messages", func(t testing.TB, f files) {
			b := f.blockFiles(t)
			f[b[1]] = f[b[1]][:len(f[b[1]])-records(f[b[1]], 3)]
		}, false},
		{"middle file missing", func(t testing.TB, f files) { delete(f, middle(t, f)) }, false},
		{"whole stream missing", func(t testing.TB, f files) {
			for path := range f {
				if strings.Contains(path, "fanfold-main") {
					delete(f, path)
				}
			}
		}, false},
		{"record missing", func(t testing.TB, f files) { delete(f, f.named(t, "state.json")) }, false},
		{"record unreadable", func(t testing.TB, f files) { p := f.named(t, "state.json"); f[p] = f[p][:len(f[p])/2] }, false},
	} {
		for _, stop := range []string{"stopped", "killed"} {
			t.Run(test.name+", "+stop, func(t *testing.T) {
				t.Parallel()
				testDamage(t, left[stop], test.damage, test.recover)
			})
		}
	}
}

func testDamage(t *testing.T, left leftStore, damage func(testing.TB, files), recover bool) {
	f, all := left.original(), left.all
	damage(t, f)
	var lines log
	c := stream.Config{Dir: f.write(t), Logger: lines.logger()}
	e, close := open(t, c)
	first, newest := all[0].Position, all[len(all)-1].Position // all of the damage is behind the first
	checkAfter(t, e, first, all, recover)
	if told := strings.Contains(lines.String(), "stored messages are missing or may be"); told == recover {
		t.Errorf("recover %v, but the log is\n%s", recover, lines.String())
	}
	last := text(t, e, "last")
	if same := last.Position.Epoch == first.Epoch; same != recover || same && last.Position.Seq != newest.Seq+1 {
		t.Errorf("goes on at %v; before was %v", last.Position, newest)
	}
	close()
	e, _ = open(t, c) // what was told once stays so
	checkAfter(t, e, first, append(slices.Clone(all), last), recover)
}

func checkAfter(t *testing.T, e *stream.Engine, first hub.Position, all []*hub.Message, recover bool) {
	t.Helper()
	_, err := e.Read(t.Context(), hub.Query{Channel: "c", Limit: 1, After: first})
	if recover && err != nil || !recover && hub.ErrorOf(err).Code != hub.CodeUnrecoverable {
		t.Errorf("recovered: %v", err)
	}
	ids := map[string]bool{}
	for _, m := range all {
		ids[m.ID] = true
	}
	seen := history(t, e, hub.Position{})
	for _, m := range seen {
		if !ids[m.ID] {
			t.Errorf("the message %s has got another ID", m.ID)
		}
	}
	if recover && len(seen) != len(all) {
		t.Errorf("history has %d of %d messages", len(seen), len(all))
	}
}

// history reads all of the channel's messages behind a position page by page.
func history(t testing.TB, e hub.Engine, after hub.Position) (all []*hub.Message) {
	t.Helper()
	for q := (hub.Query{Channel: "c", Limit: 100, After: after}); ; {
		page, err := e.Read(context.Background(), q)
		if err != nil {
			t.Fatalf("after %d messages: %v", len(all), err)
		}
		all = append(all, page.Messages...)
		if !page.More || len(page.Messages) == 0 {
			return all
		}
		q.After = page.Messages[len(page.Messages)-1].Position
	}
}

func TestWhatIsNotTheStoreThatWasLeft(t *testing.T) {
	stopped, killed := leave(t, false), leave(t, true)
	boot := func(f files) files { // as if the machine had gone down
		f["state.json"] = regexp.MustCompile(`"boot":"[^"]*"`).ReplaceAll(f["state.json"], []byte(`"boot":"another"`))
		return f
	}
	always := func(f files) files {
		f["state.json"] = bytes.Replace(f["state.json"], []byte(`"sync":0`), []byte(`"sync":1`), 1)
		return f
	}
	further := func(f files) files { // as if its last messages were elsewhere
		f["state.json"] = regexp.MustCompile(`"last":\d+`).ReplaceAll(f["state.json"], []byte(`"last":1000`))
		return f
	}
	earlier := leave(t, true).original()
	earlier["state.json"] = killed.original()["state.json"] // which had reached as much
	b := earlier.blockFiles(t)
	delete(earlier, b[len(b)-1])
	for _, test := range []struct {
		name    string
		files   files
		recover bool
	}{
		{"the machine went down after a stop", boot(stopped.original()), true},
		{"the machine went down while the hub ran", boot(killed.original()), false},
		{"the machine went down, but all was synced", always(boot(killed.original())), true},
		{"a copy of a stopped hub's folder", stopped.files, false},
		{"a copy of a killed hub's folder", killed.files, false},
		{"the last writes are missing", earlier, false},
		{"the store ends before what was acknowledged", further(killed.original()), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			var lines log
			e, _ := open(t, stream.Config{Dir: test.files.write(t), Logger: lines.logger()})
			epochs := killed.all[0].Position.Epoch + stopped.all[0].Position.Epoch
			last := text(t, e, "last")
			if same := strings.Contains(epochs, last.Position.Epoch); same != test.recover {
				t.Errorf("goes on in epoch %s; before were %s", last.Position.Epoch, epochs)
			}
			if told := strings.Contains(lines.String(), "missing"); told == test.recover {
				t.Errorf("the log is\n%s", lines.String())
			}
		})
	}
}
