package dialect

import (
	"strings"
	"testing"
)

func TestEventStreamFraming(t *testing.T) {
	for _, row := range []struct{ id, kind, data, want string }{
		{"", "", "x", "data: x\n\n"},
		{"1", "gap", "x", "id: 1\nevent: gap\ndata: x\n\n"},
		{"", "", "", "data: \n\n"},
		{"", "", "a\nb\r\nc\rd", "data: a\ndata: b\ndata: c\ndata: d\n\n"},
		{"", "", "a\n\n\r\n", "data: a\ndata: \ndata: \ndata: \n\n"},
		{"", "", " id: 1", "data:  id: 1\n\n"},
		{"1\nid: 2", "a\rb", "x", "data: x\n\n"},
		{"1\x002", "a\x00", "x", "data: x\n\n"},
	} {
		if got := string(appendEvent(nil, row.id, row.kind, []byte(row.data))); got != row.want {
			t.Errorf("id %q, event %q, data %q: %q, want %q", row.id, row.kind, row.data, got, row.want)
		}
	}
}

// readEvent reads one event as the HTML Standard §9.2.6 tells browsers to.
func readEvent(stream string) (id, kind, data string, n int) {
	stream = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(stream)
	for line := range strings.SplitSeq(stream, "\n") {
		if line == "" {
			n++
			continue
		}
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "id":
			id = value
		case "event":
			kind = value
		case "data":
			data += value + "\n"
		}
	}
	return id, kind, strings.TrimSuffix(data, "\n"), n - 1
}

func FuzzNtfyEventStream(f *testing.F) {
	f.Add("0abcZ00000000H", "message", "{}\r\n\n")
	f.Add("a\r", "b\n", "\rdata: x")
	f.Fuzz(func(t *testing.T, id, kind, data string) {
		frame := string(appendEvent(nil, id, kind, []byte(data)))
		gotID, gotKind, gotData, n := readEvent(frame)
		want := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(data)
		if gotData != want || n != 1 {
			t.Errorf("%q brings %d events with the data %q, want %q", frame, n, gotData, want)
		}
		if gotID != "" && gotID != id || gotKind != "" && gotKind != kind || strings.Contains(gotID, "\x00") {
			t.Errorf("%q has the id %q and the event %q", frame, gotID, gotKind)
		}
	})
}
