//go:build linux

package stream_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fanfold/hub"
	"fanfold/hub/hubtest"
	"fanfold/hub/stream"
)

// aged is a folder whose hub was stopped when its files, but for the newest, had not
// changed for a while, so that it has noted their stamps.
func aged(t *testing.T) (dir string, all []*hub.Message) {
	t.Helper()
	c := stream.Config{Dir: t.TempDir()}
	e, close := open(t, c)
	all = many(t, e, 220)
	untilTime(t, all[len(all)-1].Time.Add(stream.Young))
	all = append(all, text(t, e, "newest"))
	close()
	return c.Dir, all
}

// touch flips a bit in a file in the middle as if nobody had done so: its size and
// its time are as they were.
func touch(t *testing.T, dir string) (name string) {
	t.Helper()
	f := snapshot(t, dir)
	b := f.blockFiles(t)
	path := filepath.Join(dir, b[len(b)/2])
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	f.flip(b[len(b)/2], 9000)
	if err := os.WriteFile(path, f[b[len(b)/2]], 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, time.Time{}, info.ModTime()); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAFileWithTheSameSizeAndTimeIsNoticed(t *testing.T) {
	t.Parallel()
	dir, all := aged(t)
	touch(t, dir)
	var lines log
	e, _ := open(t, stream.Config{Dir: dir, Logger: lines.logger()})
	checkAfter(t, e, all[0].Position, all, false)
	if !strings.Contains(lines.String(), "its checksum differs") {
		t.Errorf("the log is\n%s", lines.String())
	}
}

// What the disk itself has changed leaves the stamp as it was.
func TestAFileThatTheDiskHasChangedIsFoundAfterTheStart(t *testing.T) {
	t.Parallel()
	dir, all := aged(t)
	restamp(t, dir, touch(t, dir))
	untilTime(t, time.Now().Add(stream.Young))
	var lines log
	e, _ := open(t, stream.Config{Dir: dir, Logger: lines.logger()})
	hubtest.Eventually(t, "another epoch begins, and the store serves", func() bool {
		_, err := e.Read(t.Context(), hub.Query{Channel: "c", Limit: 1, After: all[0].Position})
		_, serves := e.Read(t.Context(), hub.Query{Channel: "c", Limit: 1})
		return err != nil && hub.ErrorOf(err).Code == hub.CodeUnrecoverable && serves == nil
	})
	checkAfter(t, e, all[0].Position, all, false)
	if !strings.Contains(lines.String(), "although nobody has changed it") {
		t.Errorf("the log is\n%s", lines.String())
	}
}

// restamp notes the file's present stamp in the place of the former one.
func restamp(t *testing.T, dir, path string) {
	t.Helper()
	record := filepath.Join(dir, "state.json")
	content, err := os.ReadFile(record)
	if err != nil {
		t.Fatal(err)
	}
	var r map[string]json.RawMessage
	var blocks map[string]map[string]any
	if err := json.Unmarshal(content, &r); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(r["blocks"], &blocks); err != nil {
		t.Fatal(err)
	}
	b := blocks[strings.TrimSuffix(filepath.Base(path), ".blk")]
	if b["stamp"] == nil {
		t.Fatalf("the record has no stamp: %v", b)
	}
	b["stamp"] = stream.Stamp(t, path)
	if r["blocks"], err = json.Marshal(blocks); err != nil {
		t.Fatal(err)
	}
	if content, err = json.Marshal(r); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(record, content, 0o600); err != nil {
		t.Fatal(err)
	}
}
