package dialect

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"fanfold/hub"
)

// linesOf is a request whose lines are messages.
func linesOf(body string, headers ...string) PublishRequest {
	r := PublishRequest{Channel: "a", Header: map[string][]string{"Lines": {"yes"}}, Body: []byte(body), MaxMessageBytes: 100, Now: time.Now()}
	for i := 0; i < len(headers); i += 2 {
		r.Header[headers[i]] = []string{headers[i+1]}
	}
	return r
}

// lineReply is what is told of one.
type lineReply struct {
	ID, Epoch string
	Offset    uint64
	Duplicate bool
	Scheduled bool
	Code      int
}

func sendLines(t *testing.T, h *hub.Actor, r PublishRequest) (replies []lineReply, failed error) {
	t.Helper()
	if !AsksForLines(r) {
		t.Fatal("the request asks for no lines")
	}
	lines, err := ParseLines(r)
	if err != nil {
		t.Fatal(err)
	}
	text, failed := lines.Send(t.Context(), h, func(err error) error { return err })
	for line := range strings.Lines(string(text)) {
		var one lineReply
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		replies = append(replies, one)
	}
	return replies, failed
}

// Each line is the message that it is when it is sent alone, in their order.
func TestLinesAreMessages(t *testing.T) {
	for name, row := range map[string]struct {
		body    string
		headers []string
		want    []string
	}{
		"plain":          {"one\ntwo\nthree", nil, []string{`{"message":"one"}`, `{"message":"two"}`, `{"message":"three"}`}},
		"ends with one":  {"one\n", nil, []string{`{"message":"one"}`}},
		"empty ones":     {"\n\n one \r\n \t \r\ntwo\r\n\n", nil, []string{`{"message":"one"}`, `{"message":"two"}`}},
		"with spaces":    {"  one \r\n \r\n", []string{"X-Unifiedpush", "1"}, []string{`{"message":"  one "}`}},
		"to be escaped":  {"\"-\" \\ \x01\n{\"a\":1}", nil, []string{`{"message":"\"-\" \\ \u0001"}`, `{"message":"{\"a\":1}"}`}},
		"not only ASCII": {"ẞ €\U0001F600", nil, []string{"{\"message\":\"ẞ €\U0001F600\"}"}},
		"with a title": {"one\ntwo", []string{"Title", `"message":"-"`, "Priority", "high"}, []string{
			`{"message":"one","title":"\"message\":\"-\"","priority":4}`, `{"message":"two","title":"\"message\":\"-\"","priority":4}`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newTestHub(t, hub.Config{})
			replies, err := sendLines(t, h, linesOf(row.body, row.headers...))
			if err != nil || len(replies) != len(row.want) {
				t.Fatalf("%d replies, %v", len(replies), err)
			}
			page, err := h.History(t.Context(), hub.Query{Channel: "a", Limit: 100})
			if err != nil || len(page.Messages) != len(row.want) {
				t.Fatalf("%d messages are stored, %v", len(page.Messages), err)
			}
			for i, m := range page.Messages {
				alone, err := ParsePublish(linesOf(strings.TrimRight(strings.Split(strings.TrimLeft(row.body, "\n"), "\n")[0], "\r"), row.headers...))
				if i == 0 && (err != nil || string(alone.Message.Data) != string(m.Data)) {
					t.Errorf("alone the first line is %s, %v", alone.Message.Data, err)
				}
				if string(m.Data) != row.want[i] || replies[i].Offset != m.Position.Seq || replies[i].ID != m.ID || replies[i].Epoch != m.Position.Epoch {
					t.Errorf("line %d is stored as %s at %v, want %s; the reply is %+v", i+1, m.Data, m.Position, row.want[i], replies[i])
				}
			}
		})
	}
}

// A request that is repeated with its key stores what is missing.
func TestLinesOnce(t *testing.T) {
	h := newTestHub(t, hub.Config{})
	first, err := sendLines(t, h, linesOf("one\n\ntwo", "Idempotency-Key", "k"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := sendLines(t, h, linesOf("one\n\ntwo\nthree", "Idempotency-Key", "k"))
	if err != nil || len(again) != 3 {
		t.Fatalf("%+v, %v", again, err)
	}
	for i, r := range again {
		if r.Duplicate != (i < 2) || i < 2 && r.ID != first[i].ID {
			t.Errorf("line %d is answered with %+v", i+1, r)
		}
	}
	if alone := sendNtfy(t, h, "Idempotency-Key", "k-1"); alone.Duplicate {
		t.Error("a key is another channel's too")
	}
}

func TestLinesWait(t *testing.T) {
	h := newTestHub(t, hub.Config{})
	replies, err := sendLines(t, h, linesOf("one\ntwo", "In", "1h"))
	if err != nil || len(replies) != 2 || !replies[0].Scheduled || !replies[1].Scheduled || replies[0].ID == replies[1].ID {
		t.Errorf("%+v, %v", replies, err)
	}
}

// One that fails takes nothing from the others.
func TestALineFails(t *testing.T) {
	h := newTestHub(t, hub.Config{MaxMessageBytes: 40})
	replies, err := sendLines(t, h, linesOf("one\n"+strings.Repeat("x", 60)+"\nthree"))
	if hub.ErrorOf(err).Code != hub.CodeTooLarge || len(replies) != 3 {
		t.Fatalf("%+v, %v", replies, err)
	}
	for i, want := range []int{0, int(NtfyTooLarge), 0} {
		if r := replies[i]; r.Code != want || (r.Offset == 0) != (want != 0) {
			t.Errorf("line %d is answered with %+v", i+1, r)
		}
	}
}

func TestLinesThatAreRefused(t *testing.T) {
	for name, row := range map[string]struct {
		r    PublishRequest
		code NtfyCode
		text string
	}{
		"nothing":          {linesOf(""), NtfyBadRequest, "no line"},
		"no text":          {linesOf(" \r\n\n\t"), NtfyBadRequest, "no line"},
		"too many":         {linesOf(strings.Repeat("x\n", maxLines+1)), NtfyTooLarge, fmt.Sprint("more than ", maxLines)},
		"too long":         {linesOf("x\n\n" + strings.Repeat("y", 101)), NtfyTooLarge, "line 3 is 101 bytes"},
		"not UTF-8":        {linesOf("x\n\xff"), NtfyBadRequest, "line 2 is not UTF-8"},
		"a message":        {linesOf("x", "Message", "y"), NtfyBadRequest, "a message beside the body"},
		"a sequence":       {linesOf("x", "Sid", "no"), NtfyBadRequest, "a sequence ID"},
		"a rollup":         {linesOf("x", "Rollup", "yes"), NtfyBadRequest, "a rollup"},
		"a condition":      {linesOf("x", "If-Match", "y"), NtfyBadRequest, "If-Match"},
		"another one":      {linesOf("x", "If-None-Match", "*"), NtfyBadRequest, "If-None-Match"},
		"a bad priority":   {linesOf("x", "Priority", "9"), NtfyBadPriority, "priority"},
		"a file to upload": {linesOf("x", "Filename", "y"), NtfyNoUpload, "file"},
	} {
		_, err := ParseLines(row.r)
		ntfyRefused(t, name, err, row.code, row.text)
	}
	path := linesOf("x")
	path.Sequence = "s"
	if _, err := ParseLines(path); !errors.Is(err, NtfyBadRequest) {
		t.Errorf("with a sequence ID in the path: %v", err)
	}
	if _, err := ParseLines(linesOf("x", "Rollup", "no")); err != nil {
		t.Error(err)
	}
	if _, err := ParseLines(linesOf(strings.Repeat("x\n", maxLines))); err != nil {
		t.Error(err)
	}
}
