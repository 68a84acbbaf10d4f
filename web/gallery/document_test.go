package gallery

import (
	"encoding/json"
	"os"
	"reflect"
	"testing"
)

// story is messages, and what they lead to here and on the page, whose tests read the
// same file.
type story struct {
	Name     string
	Messages []storyMessage
	Objects  any
	Seen     [][2]any
	Bytes    int
}

// storyMessage is a client's text, or {"server": text}.
type storyMessage struct {
	text   string
	server bool
}

func (m *storyMessage) UnmarshalJSON(data []byte) error {
	if err := json.Unmarshal(data, &m.text); err == nil {
		return nil
	}
	var server struct{ Server string }
	err := json.Unmarshal(data, &server)
	m.text, m.server = server.Server, true
	return err
}

func TestDocumentIsAsOnThePage(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("../testdata/document.json")
	if err != nil {
		t.Fatal(err)
	}
	var stories []story
	if err := json.Unmarshal(content, &stories); err != nil || len(stories) == 0 {
		t.Fatal(err)
	}
	for _, s := range stories {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			d := newDocument()
			for _, m := range s.Messages {
				d.apply([]byte(m.text), m.server)
			}
			wantDocument(t, d, s)
			again := newDocument()
			if !again.apply(d.snapshot(), true) {
				t.Fatalf("its snapshot does not count: %s", d.snapshot())
			}
			wantDocument(t, again, s)
		})
	}
}

func wantDocument(t *testing.T, d *document, s story) {
	t.Helper()
	var got struct {
		Snapshot struct {
			Objects any
			Seen    [][2]any
		}
	}
	snapshot := d.snapshot()
	if err := json.Unmarshal(snapshot, &got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got.Snapshot.Objects, s.Objects) {
		t.Errorf("it has the objects %v, want %v", got.Snapshot.Objects, s.Objects)
	}
	if !reflect.DeepEqual(got.Snapshot.Seen, s.Seen) {
		t.Errorf("it has seen %v, want %v", got.Snapshot.Seen, s.Seen)
	}
	if d.bytes != s.Bytes {
		t.Errorf("it has %d bytes, want %d", d.bytes, s.Bytes)
	}
	const most = maxBytes + maxSeen*(maxReplica+20) + 100
	if len(snapshot) > most {
		t.Errorf("its snapshot has %d bytes, more than %d", len(snapshot), most)
	}
}

// A document at its bounds fits into a message of a hub with default limits.
func TestLargestSnapshotFits(t *testing.T) {
	t.Parallel()
	const defaultMessageBytes = 2*65536 + 8<<10 // of cmd/fanfold
	if most := maxBytes + maxSeen*(maxReplica+len(`["",9007199254740991],`)) + 100; most > defaultMessageBytes {
		t.Errorf("a snapshot can have %d bytes, and a message only %d", most, defaultMessageBytes)
	}
}

// Whatever comes, the document stays within its bounds, and its snapshot leads to
// the same one.
func FuzzDocument(f *testing.F) {
	f.Add([]byte(`{"by":"A","n":1,"make":{"o":{"a":1}}}`), []byte(`{"by":"B","n":1,"set":{"o":{"a":null,"b":"x"}},"drop":["p"]}`))
	f.Add([]byte(`{"snapshot":{"objects":{"o":{"a":[1,{"b":2}]}},"seen":[["A",1]]}}`), []byte(`{"by":"A","n":2,"drop":["o"]}`))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		d := newDocument()
		for _, data := range [][]byte{a, b, a} {
			d.apply(data, true)
		}
		if d.bytes > maxBytes || len(d.objects) > maxObjects || len(d.seen) > maxSeen {
			t.Fatalf("it has %d bytes, %d objects and %d replicas", d.bytes, len(d.objects), len(d.seen))
		}
		again := newDocument()
		if !again.apply(d.snapshot(), true) || string(again.snapshot()) != string(d.snapshot()) || again.bytes != d.bytes {
			t.Errorf("%s became %s, or %d bytes %d", d.snapshot(), again.snapshot(), d.bytes, again.bytes)
		}
	})
}
