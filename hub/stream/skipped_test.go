package stream_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fanfold/hub"
	"fanfold/hub/stream"
)

// overwrite changes a file of an open store.
func overwrite(t testing.TB, dir, name string, at int64) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b [1]byte
	if _, err := f.ReadAt(b[:], at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 1
	if _, err := f.WriteAt(b[:], at); err != nil {
		t.Fatal(err)
	}
}

func TestAMessageThatCantBeReadIsToldOf(t *testing.T) {
	left := leave(t, false)
	f, all := left.original(), left.all
	name := f.blockFiles(t)[1]
	for _, limit := range []int{1, 3, 50, 1000} {
		t.Run(fmt.Sprint("pages of ", limit), func(t *testing.T) {
			t.Parallel()
			var lines log
			c := stream.Config{Dir: f.write(t), Logger: lines.logger()}
			e, _ := open(t, c)
			overwrite(t, c.Dir, name, 9000) // the server has not read the file yet
			if seen := readToDamage(t, e, limit, all); len(seen) < 10 || len(seen) > len(all)-10 {
				t.Errorf("%d messages were read before the damage", len(seen))
			}
			waitFor(t, "what was before is told not to be recovered", func() bool {
				_, err := e.Read(t.Context(), hub.Query{Channel: "c", Limit: 1, After: all[0].Position})
				return err != nil && hub.ErrorOf(err).Code == hub.CodeUnrecoverable
			})
			waitFor(t, "the store takes messages again", func() bool {
				_, err := e.Publish(t.Context(), &hub.Message{Channel: "other", Data: []byte("1")}, hub.PublishOptions{})
				return err == nil
			})
			if got := history(t, e, hub.Position{}); len(got) != len(all)-1 {
				t.Errorf("%d of %d messages are left, want all but one", len(got), len(all))
			}
			if !strings.Contains(lines.String(), "can't be read") {
				t.Errorf("the log is\n%s", lines.String())
			}
		})
	}
}

// readToDamage reads page by page until the engine refuses, and fails the test if it leaves
// anything out before.
func readToDamage(t *testing.T, e hub.Engine, limit int, all []*hub.Message) (seen []*hub.Message) {
	t.Helper()
	q := hub.Query{Channel: "c", Limit: limit, After: all[0].Position}
	for {
		page, err := e.Read(t.Context(), q)
		if err != nil {
			return seen
		}
		if len(page.Messages) == 0 {
			t.Fatalf("after %d of %d messages nothing more comes, and no error", len(seen), len(all)-1)
		}
		for _, m := range page.Messages {
			seen = append(seen, m)
			if m.ID != all[len(seen)].ID {
				t.Fatalf("message %d is %s, want %s", len(seen), m.ID, all[len(seen)].ID)
			}
		}
		q.After = seen[len(seen)-1].Position
	}
}

func TestDamageFoundWhileRunningBeginsAnEpoch(t *testing.T) {
	left := leave(t, false)
	f := left.original()
	var lines log
	c := stream.Config{Dir: f.write(t), Logger: lines.logger()}
	e, _ := open(t, c)
	overwrite(t, c.Dir, f.blockFiles(t)[1], 1)            // a length: the server will cut the file off there
	q := hub.Query{Channel: "c", Limit: 3, Reverse: true} // which is not checked
	for !strings.Contains(lines.String(), "corrupt record") {
		page, err := e.Read(t.Context(), q)
		if err != nil || len(page.Messages) == 0 {
			break // it has met the damage, and the server's word for it is on its way
		}
		q.After = page.Messages[len(page.Messages)-1].Position
	}
	waitFor(t, "another epoch has begun", func() bool {
		m := &hub.Message{Channel: "other", Data: []byte("1")}
		_, err := e.Publish(t.Context(), m, hub.PublishOptions{})
		return err == nil && m.Position.Epoch != left.all[0].Position.Epoch
	})
	if _, err := e.Read(t.Context(), hub.Query{Channel: "c", Limit: 1, After: left.all[0].Position}); err == nil || hub.ErrorOf(err).Code != hub.CodeUnrecoverable {
		t.Errorf("a position of before: %v", err)
	}
	if !strings.Contains(lines.String(), "damaged while the hub was running") {
		t.Errorf("the log is\n%s", lines.String())
	}
}
