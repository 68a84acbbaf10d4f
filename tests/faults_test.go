package tests

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// refused publishes until the hub refuses, which must be with that status and
// reason, and then again, which must be refused at once.
func (h *hub) refused(acked map[string]stored, status int, reason string) {
	h.t.Helper()
	filler := strings.Repeat("x", 3000)
	var res answer
	for i := 0; ; i++ {
		text := fmt.Sprint("while it breaks ", i, filler)
		if res = h.do("POST", "/news", text); res.status != http.StatusOK {
			break
		}
		if acked[text] = decode[stored](h.t, res.body); i == 1000 {
			h.t.Fatal("1,000 messages were taken all the same")
		}
	}
	began := time.Now()
	again := h.do("POST", "/news", "again")
	took := time.Since(began)
	for _, res := range []answer{res, again} {
		if res.status != status || !strings.Contains(res.body, reason) {
			h.t.Errorf("a publish: status %d, %s; want %d and %q", res.status, res.body, status, reason)
		}
	}
	if took > 2*time.Second {
		h.t.Errorf("a publish to a broken store was refused after %v", took)
	}
	h.ready(http.StatusServiceUnavailable, reason)
}

// ready fails the test if /ready does not say that.
func (h *hub) ready(status int, says string) {
	h.t.Helper()
	if res := h.do("GET", "/ready", ""); res.status != status || !strings.Contains(res.body, says) {
		h.t.Errorf("/ready: status %d, %s; want %d and %q", res.status, res.body, status, says)
	}
	if res := h.do("GET", "/health", ""); res.status != http.StatusOK {
		h.t.Errorf("/health: status %d, %s", res.status, res.body)
	}
}

// mended waits until publishes work again, without a restart, and checks that all that was
// acknowledged is there.
func (h *hub) mended(acked map[string]stored) {
	h.t.Helper()
	eventually(h.t, "publishes work again", func() bool {
		res := h.do("POST", "/news", "mended")
		return res.status == http.StatusOK
	})
	h.ready(http.StatusOK, "true")
	h.holds(acked)
}

// holds fails the test if the history of news has not all that was acknowledged.
func (h *hub) holds(acked map[string]stored) {
	h.t.Helper()
	at := map[string]uint64{}
	for _, d := range h.wholeHistory("news") {
		at[d.text] = d.offset
	}
	for text, s := range acked {
		if at[text] != s.Offset {
			h.t.Errorf("%.40q was acknowledged at %d, and is at %d", text, s.Offset, at[text])
		}
	}
}

func TestFullDisk(t *testing.T) {
	t.Parallel()
	d := newDisk(t, 16<<20)
	h := d.start()
	acked := map[string]stored{}
	for i := range 20 {
		text := fmt.Sprint("before ", i)
		acked[text] = h.publish("news", text)
	}
	all := h.subscribers("news")
	h.ready(http.StatusOK, "true")

	d.fill()
	h.refused(acked, http.StatusInsufficientStorage, "the disk is full")
	h.holds(acked)
	for _, s := range all { // what was stored, and then what is not
		for range len(acked) - 20 {
			receive(t, s.deliveries, "a message stored before the disk was full, over "+s.name)
		}
	}
	if res := h.do("POST", "/news", "live", "Cache: no"); res.status != http.StatusOK {
		t.Errorf("publish without storing: status %d, %s", res.status, res.body)
	}
	for _, s := range all {
		s.next(h, "live")
	}

	d.empty()
	h.mended(acked)
	for _, s := range all {
		s.next(h, "mended")
	}
	h.kill()
	h.startAgain()
	h.faulty = false
	h.holds(acked)
}

func TestDiskMadeReadOnly(t *testing.T) {
	t.Parallel()
	d := newDisk(t, 16<<20)
	h := d.start()
	acked := map[string]stored{"before": h.publish("news", "before")}
	h.restart() // so that it has no file open for writing, which would forbid the remount
	all := h.subscribers("news")

	d.remount("ro")
	h.refused(acked, http.StatusServiceUnavailable, "can't be written to: read-only file system")
	h.holds(acked)
	if res := h.do("POST", "/news", "live", "Cache: no"); res.status != http.StatusOK {
		t.Errorf("publish without storing: status %d, %s", res.status, res.body)
	}
	for _, s := range all {
		s.next(h, "live")
	}

	d.remount("rw")
	h.mended(acked)
	for _, s := range all {
		s.next(h, "mended")
	}
}

// What a start can't find or can't trust is logged, and told to those who return.
func TestStoreThatLacksSomething(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		killed bool
		damage func(t *testing.T, dir string)
	}{
		{"a bit flipped", false, func(t *testing.T, dir string) {
			edit(t, blockOf(t, dir), func(b []byte) []byte { b[len(b)/2] ^= 4; return b })
		}},
		{"a bit flipped after a kill", true, func(t *testing.T, dir string) {
			edit(t, blockOf(t, dir), func(b []byte) []byte { b[len(b)/2] ^= 4; return b })
		}},
		{"a file cut off", false, func(t *testing.T, dir string) {
			edit(t, blockOf(t, dir), func(b []byte) []byte { return b[:len(b)-100] })
		}},
		{"a file cut off after a kill", true, func(t *testing.T, dir string) {
			edit(t, blockOf(t, dir), func(b []byte) []byte { return b[:len(b)-100] })
		}},
		{"a power cut", true, func(t *testing.T, dir string) {
			edit(t, filepath.Join(dir, "state.json"), func(b []byte) []byte {
				return regexp.MustCompile(`"boot":"[^"]*"`).ReplaceAll(b, []byte(`"boot":"before the cut"`))
			})
		}},
		{"an emptied store", false, func(t *testing.T, dir string) {
			if err := os.RemoveAll(filepath.Join(dir, "store")); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			testLacking(t, row.killed, row.damage)
		})
	}
}

func testLacking(t *testing.T, killed bool, damage func(*testing.T, string)) {
	dir := t.TempDir()
	h := startHub(t, "--data", dir)
	first := h.publish("crash", "first")
	for i := range 30 {
		h.publish("crash", fmt.Sprint("message ", i))
	}
	if killed {
		eventually(t, "the hub has written down what it stored", func() bool {
			text, err := os.ReadFile(filepath.Join(dir, "state.json"))
			return err == nil && strings.Contains(string(text), `"last":31`)
		})
		h.kill()
	} else {
		h.stop()
	}
	damage(t, dir)
	h.faulty = true
	h.startAgain()

	if log := h.stderr.String(); !strings.Contains(log, "level=ERROR") || !strings.Contains(log, "stored messages are missing or may be") {
		t.Errorf("the log says nothing of what is missing:\n%s", log)
	}
	s := h.dial("/connection/websocket")
	s.send(fmt.Sprintf(`{"id":1,"connect":{}}`+"\n"+`{"id":2,"subscribe":{"channel":"crash","recover":true,"offset":%d,"epoch":%q}}`, first.Offset, first.Epoch))
	if reply := receiveSubscribed(t, s); reply.Recovered || reply.Epoch == first.Epoch {
		t.Errorf("Centrifuge: recovered %v in epoch %s; it was %s", reply.Recovered, reply.Epoch, first.Epoch)
	}
	lines := h.stream("/crash/sse", "Last-Event-ID: "+first.ID)
	eventually(t, "event: gap", func() bool {
		return slices.Contains([]string{"event: gap"}, receive(t, lines, "event: gap"))
	})
	next := h.publish("crash", "next")
	s = h.dial("/connection/websocket")
	s.send(fmt.Sprintf(`{"id":1,"connect":{}}`+"\n"+`{"id":2,"subscribe":{"channel":"crash","recover":true,"offset":%d,"epoch":%q}}`, next.Offset, next.Epoch))
	if reply := receiveSubscribed(t, s); !reply.Recovered {
		t.Error("what was published since can't be recovered from")
	}
}

// blockOf returns the file that holds the messages.
func blockOf(t *testing.T, dir string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "store", "jetstream", "*", "streams", "fanfold-main", "msgs", "*.blk"))
	if err != nil || len(found) != 1 {
		t.Fatalf("the store's files are %v, %v", found, err)
	}
	return found[0]
}

// edit changes a file.
func edit(t *testing.T, path string, change func([]byte) []byte) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, change(text), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
