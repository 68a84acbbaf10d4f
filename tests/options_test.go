package tests

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fanfold/tests/need"
)

// message is what curl shows of a publish or of a stored message.
type message struct {
	ID, Event, Message   string
	SequenceID           string `json:"sequence_id"`
	Time                 int64
	Offset               uint64
	Duplicate, Scheduled bool
	Cancelled            bool
}

// curl runs curl against a path of the hub and returns the objects that it prints,
// one a line.
func (h *hub) curl(path string, args ...string) (all []message) {
	h.t.Helper()
	program := need.Program(h.t, "curl")
	out, err := exec.Command(program, append([]string{"-sS", "--fail-with-body", h.url + path}, args...)...).CombinedOutput()
	if err != nil {
		h.t.Fatalf("curl %s %q: %v: %s", path, args, err, out)
	}
	for line := range strings.Lines(string(out)) {
		all = append(all, decode[message](h.t, line))
	}
	return all
}

// Who does not know whether a publish has arrived sends it again with the same
// key: it is stored once, also across a restart.
func TestCurlPublishesOnce(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	publish := func() message { return h.curl("/orders", "-H", "Idempotency-Key: order-66", "-d", "execute")[0] }
	first, second := publish(), publish()
	h.restart()
	third := publish()
	if first.Duplicate || !second.Duplicate || second.ID != first.ID || second.Offset != first.Offset || !third.Duplicate || third.ID != first.ID {
		t.Errorf("three publishes with a key: %+v, %+v, %+v", first, second, third)
	}
	if all := h.curl("/orders/json?poll=1"); len(all) != 1 || all[0].ID != first.ID {
		t.Errorf("stored is %+v", all)
	}
}

// The lines of a file are messages, in its order; sent again with the same key, what is
// missing is stored, also across a restart.
func TestCurlPublishesLines(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	file := filepath.Join(t.TempDir(), "access.log")
	publish := func(lines ...string) []message {
		if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return h.curl("/access?lines=yes", "-H", "Idempotency-Key: log-7", "--data-binary", "@"+file)
	}
	lines := []string{"GET /", "", "  GET /\"b\"  ", "POST /c"}
	first := publish(lines...)
	for _, again := range []func(){func() {}, h.restart, func() { h.kill(); h.startAgain() }} {
		again()
		lines = append(lines, fmt.Sprint("GET /", len(lines)))
		replies := publish(lines...)
		for i, m := range replies {
			if old := i < len(replies)-1; m.Duplicate != old || i < len(first) && m.ID != first[i].ID {
				t.Errorf("message %d of %d is answered with %+v", i+1, len(replies), m)
			}
		}
		all := h.curl("/access/json?poll=1")
		if len(all) != len(lines)-1 || all[1].Message != `GET /"b"` || all[len(all)-1].Message != lines[len(lines)-1] {
			t.Errorf("of %q %+v are stored", lines, all)
		}
	}
}

// A delayed message waits through a restart and comes at its time; one that was
// cancelled does not come.
func TestCurlPublishesLater(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	never := h.curl("/later", "-H", "In: 2 seconds", "-d", "never")[0]
	due := h.curl("/later", "-H", "In: 3 seconds", "-d", "in time")[0]
	if !due.Scheduled || due.Offset != 0 {
		t.Errorf("the answer is %+v", due)
	}
	if gone := h.curl("/later/"+never.ID, "-X", "DELETE")[0]; !gone.Cancelled || gone.ID != never.ID {
		t.Errorf("the answer to a cancel is %+v", gone)
	}
	h.restart()
	if waiting := h.curl("/later/json?poll=1&scheduled=1"); len(waiting) != 1 || waiting[0].ID != due.ID || !waiting[0].Scheduled {
		t.Errorf("after a restart there waits %+v", waiting)
	}
	line := nextLine(t, h.opened(h.stream("/later/json")))
	if m := decode[message](t, line); m.Message != "in time" || time.Now().Before(time.Unix(due.Time, 0)) {
		t.Errorf("%s came, due %d, now it is %d", line, due.Time, time.Now().Unix())
	}
	if all := h.curl("/later/json?poll=1&scheduled=1"); len(all) != 1 || all[0].Scheduled {
		t.Errorf("in the end there is %+v", all)
	}
}

// A channel is a compacted log: a snapshot, made only if nothing came since what it was made
// from, and what followed it. That survives being killed.
func TestCurlKeepsACompactedLog(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	first := h.curl("/board", "-H", "If-None-Match: *", "-d", "circle")[0]
	second := h.curl("/board", "-H", `If-Match: "`+first.ID+`"`, "-d", "square")[0]
	late := h.do("POST", "/board", "circle alone", `If-Match: "`+first.ID+`"`, "Rollup: true")
	if late.status != 412 || !strings.Contains(late.body, `"http":412`) || !strings.Contains(late.body, "try again") {
		t.Errorf("a snapshot of less than there is: %d %s", late.status, late.body)
	}
	snapshot := func() message {
		return h.curl("/board?idempotency_key=s1", "-H", `If-Match: "`+second.ID+`"`, "-H", "Rollup: true", "-d", "circle and square")[0]
	}
	third := snapshot()
	fourth := h.curl("/board", "-H", `If-Match: "`+third.ID+`"`, "-d", "line")[0]
	for _, again := range []func(){func() {}, h.restart, func() { h.kill(); h.startAgain() }} {
		again()
		if m := snapshot(); !m.Duplicate || m.ID != third.ID {
			t.Errorf("repeated: %+v, want %s", m, third.ID)
		}
		if all := h.curl("/board/json?poll=1"); len(all) != 2 || all[0].ID != third.ID || all[1].ID != fourth.ID {
			t.Errorf("stored is %+v", all)
		}
		if all := h.curl("/board/json?poll=1&since=" + second.ID); len(all) != 2 || all[0].ID != third.ID {
			t.Errorf("who has seen all before the snapshot gets %+v", all)
		}
		if all := h.curl("/board/json?poll=1&since=" + first.ID); len(all) == 0 || all[0].Event != "gap" {
			t.Errorf("who has not gets %+v", all)
		}
	}
}

// A message is replaced and deleted by the ID that its publish had answered.
func TestCurlUpdatesAndDeletes(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	first := h.curl("/jobs", "-d", "10 %")[0]
	h.curl("/jobs/"+first.ID, "-d", "90 %")
	if all := h.curl("/jobs/json?poll=1"); len(all) != 1 || all[0].Message != "90 %" || all[0].SequenceID != first.ID {
		t.Errorf("after an update there is %+v", all)
	}
	lines := h.opened(h.stream("/jobs/json"))
	h.curl("/jobs/"+first.ID+"/clear", "-X", "PUT")
	h.curl("/jobs/"+first.ID, "-X", "DELETE")
	for _, event := range []string{"message_clear", "message_delete"} {
		if m := decode[message](t, nextLine(t, lines)); m.Event != event || m.SequenceID != first.ID {
			t.Errorf("subscribers are told %+v, want %s", m, event)
		}
	}
	if text := h.do("GET", "/jobs/raw?poll=1", "").body; text != "" {
		t.Errorf("after the deletion there is %q", text)
	}
}

// The echo socket brings stored texts first, each once.
func TestEchoSince(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	h.publish("door", "one")
	two := h.publish("door", "two")
	h.publish("door", "three")
	for since, want := range map[string]string{"all": "one two three", two.ID: "three", "latest": "three", "10m": "one two three", "none": ""} {
		s := h.dial("/?channel=door&since=" + since)
		for text := range strings.FieldsSeq(want) {
			if got := receive(t, s.texts, "a stored text"); got != text {
				t.Errorf("since=%s: got %q, want %q", since, got, text)
			}
		}
		s.send("ECHO")
		if got := receive(t, s.texts, "the echo"); got != "echo" {
			t.Errorf("since=%s: got %q, want the echo", since, got)
		}
	}
}
