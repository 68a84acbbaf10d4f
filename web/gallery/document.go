package gallery

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"math"
	"slices"
	"unicode/utf8"
)

// document is what a sequence of messages leads to: objects by id, each with named
// fields. The rules are those of document.js, and both keep to them alike.
type document struct {
	objects map[string]fields
	seen    map[string]sighting // by replica, maxSeen at most
	turn    uint64              // of the last sighting
	bytes   int                 // of the objects, as sizeOfObject has it
}

// fields are values as encoding/json makes them, without nil. Nobody changes them.
type fields map[string]any

// sighting is the last operation of a replica.
type sighting struct {
	n    int64
	turn uint64 // rises with each operation
}

// change is an operation that was checked.
type change struct {
	by        string
	n         int64
	make, set map[string]fields // values may be nil
	drop      map[string]bool
}

// Bounds of a document. Its snapshot fits into one message of a hub with the
// default limits.
const (
	maxObjects   = 2000
	maxBytes     = 112 << 10
	maxSeen      = 500
	maxDepth     = 8  // levels within a value
	maxName      = 32 // bytes of an object's or field's name,
	maxReplica   = 22 // and of a replica's
	maxSafeCount = 1<<53 - 1
)

func newDocument() *document {
	return &document{objects: map[string]fields{}, seen: map[string]sighting{}}
}

// apply applies a message. server: a server has published it, as only that can
// replace everything. It reports whether the message was a snapshot that did so.
func (d *document) apply(data []byte, server bool) (replaced bool) {
	parts, ok := objectOf(data)
	if !ok {
		return false
	}
	if snapshot, ok := parts["snapshot"]; ok {
		return server && d.restore(snapshot)
	}
	if c, ok := changeOf(parts); ok && c.n > d.seen[c.by].n {
		d.see(c.by, c.n)
		d.change(c)
	}
	return false
}

// see remembers an operation, and forgets the replica that was silent longest if
// there are too many.
func (d *document) see(by string, n int64) {
	d.turn++
	d.seen[by] = sighting{n, d.turn}
	if len(d.seen) > maxSeen {
		delete(d.seen, d.replicas()[0])
	}
}

// replicas are those seen, in the order of their last operations.
func (d *document) replicas() []string {
	all := make([]string, 0, len(d.seen))
	for by := range d.seen {
		all = append(all, by)
	}
	slices.SortFunc(all, func(a, b string) int { return cmp.Compare(d.seen[a].turn, d.seen[b].turn) })
	return all
}

// change makes a change, or nothing if the document would grow beyond its bounds.
func (d *document) change(c change) {
	after := map[string]fields{} // nil: the object is not there
	count, grown := 0, 0
	for _, id := range c.ids() {
		before := d.objects[id]
		after[id] = c.step(id, before)
		count += there(after[id]) - there(before)
		grown += sizeOfObject(id, after[id]) - sizeOfObject(id, before)
	}
	if count > 0 && len(d.objects)+count > maxObjects || grown > 0 && d.bytes+grown > maxBytes {
		return
	}
	d.bytes += grown
	for id, f := range after {
		if d.objects[id] = f; f == nil {
			delete(d.objects, id)
		}
	}
}

func there(f fields) int {
	if f == nil {
		return 0
	}
	return 1
}

// ids are those of all objects that the change is about, each once.
func (c *change) ids() []string {
	ids := slices.Concat(slices.Collect(maps.Keys(c.make)), slices.Collect(maps.Keys(c.set)), slices.Collect(maps.Keys(c.drop)))
	slices.Sort(ids)
	return slices.Compact(ids)
}

// step is what the change makes of an object; nil: there is none.
func (c *change) step(id string, f fields) fields {
	if made, ok := c.make[id]; ok && f == nil {
		f = merged(fields{}, made)
	}
	if set, ok := c.set[id]; ok && f != nil {
		f = merged(f, set)
	}
	if c.drop[id] {
		return nil
	}
	return f
}

func merged(f, changes fields) fields {
	after := make(fields, len(f)+len(changes))
	for _, some := range []fields{f, changes} {
		for name, value := range some {
			if after[name] = value; value == nil {
				delete(after, name)
			}
		}
	}
	return after
}

// snapshotMessage is on the wire. Each of Seen is a replica and its n.
type snapshotMessage struct {
	Snapshot struct {
		Objects map[string]fields `json:"objects"`
		Seen    [][2]any          `json:"seen"`
	} `json:"snapshot"`
}

// snapshot is the message that takes the place of all that came before.
func (d *document) snapshot() []byte {
	var m snapshotMessage
	m.Snapshot.Objects, m.Snapshot.Seen = d.objects, make([][2]any, 0, len(d.seen))
	for _, by := range d.replicas() {
		m.Snapshot.Seen = append(m.Snapshot.Seen, [2]any{by, d.seen[by].n})
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(m); err != nil {
		panic("gallery: a document holds what is no JSON: " + err.Error()) // all of it was JSON
	}
	return bytes.TrimSpace(b.Bytes())
}

// restore puts a snapshot in the place of everything, unless it is malformed.
func (d *document) restore(data []byte) bool {
	parts, ok := objectOf(data)
	if !ok {
		return false
	}
	objects, ok := objectsOf(parts["objects"])
	if !ok || len(objects) > maxObjects {
		return false
	}
	next := newDocument()
	for id, f := range objects {
		next.objects[id] = merged(fields{}, f)
		next.bytes += sizeOfObject(id, next.objects[id])
	}
	if next.bytes > maxBytes || !next.restoreSeen(parts["seen"]) {
		return false
	}
	*d = *next
	return true
}

func (d *document) restoreSeen(data []byte) bool {
	var pairs [][]json.RawMessage
	if !isArray(data) || json.Unmarshal(data, &pairs) != nil || len(pairs) > maxSeen {
		return false
	}
	for _, pair := range pairs {
		if len(pair) != 2 {
			return false
		}
		by, known := textOf(pair[0])
		n, counted := countOf(pair[1])
		if !known || !counted || !isName(by, maxReplica) {
			return false
		}
		d.see(by, n)
	}
	return len(d.seen) == len(pairs)
}

// changeOf checks an operation.
func changeOf(parts map[string]json.RawMessage) (c change, ok bool) {
	var named, counted, made, set, dropped bool
	c.by, named = textOf(parts["by"])
	c.n, counted = countOf(parts["n"])
	c.make, made = objectsOf(orElse(parts["make"], "{}"))
	c.set, set = objectsOf(orElse(parts["set"], "{}"))
	c.drop, dropped = namesOf(orElse(parts["drop"], "[]"))
	return c, named && isName(c.by, maxReplica) && counted && made && set && dropped
}

func orElse(part json.RawMessage, other string) []byte {
	if part == nil {
		return []byte(other)
	}
	return part
}

// objectOf reads an object. Unlike a struct, a map has its names exactly as they are, and
// of names that come twice the last.
func objectOf(data []byte) (parts map[string]json.RawMessage, ok bool) {
	if !bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) {
		return nil, false // null too is no error otherwise
	}
	return parts, json.Unmarshal(data, &parts) == nil
}

func isArray(data []byte) bool { return bytes.HasPrefix(bytes.TrimSpace(data), []byte("[")) }

// objectsOf reads and checks objects by their ids.
func objectsOf(data []byte) (map[string]fields, bool) {
	parts, ok := objectOf(data)
	if !ok {
		return nil, false
	}
	objects := make(map[string]fields, len(parts))
	for id, part := range parts {
		var f any
		if !isName(id, maxName) || json.Unmarshal(part, &f) != nil || !isValue(f, 0) {
			return nil, false
		}
		values, ok := f.(map[string]any)
		if !ok {
			return nil, false
		}
		objects[id] = values
	}
	return objects, true
}

func namesOf(data []byte) (names map[string]bool, ok bool) {
	names = map[string]bool{}
	var items []any
	if !isArray(data) || json.Unmarshal(data, &items) != nil {
		return nil, false
	}
	for _, item := range items {
		name, ok := item.(string)
		if !ok || !isName(name, maxName) {
			return nil, false
		}
		names[name] = true
	}
	return names, true
}

func textOf(data []byte) (text string, ok bool) {
	var value any
	if json.Unmarshal(data, &value) != nil {
		return "", false
	}
	text, ok = value.(string)
	return text, ok
}

func countOf(data []byte) (n int64, ok bool) {
	var value any
	if json.Unmarshal(data, &value) != nil {
		return 0, false
	}
	f, ok := value.(float64)
	return int64(f), ok && f == math.Trunc(f) && f > 0 && f <= maxSafeCount
}

// isName: letters, digits, - and _, a letter first.
func isName(name string, most int) bool {
	for i, c := range []byte(name) {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (i == 0 || c != '-' && c != '_' && (c < '0' || c > '9')) {
			return false
		}
	}
	return name != "" && len(name) <= most
}

// isValue checks the depth of a value and the names in it.
func isValue(value any, depth int) bool {
	switch v := value.(type) {
	case []any:
		return depth <= maxDepth && !slices.ContainsFunc(v, func(item any) bool { return !isValue(item, depth+1) })
	case map[string]any:
		for name, item := range v {
			if !isName(name, maxName) || !isValue(item, depth+1) {
				return false
			}
		}
		return depth <= maxDepth
	}
	return true
}

// sizeOfObject is 0 for one that is not there.
func sizeOfObject(id string, f fields) int {
	if f == nil {
		return 0
	}
	return len(id) + 4 + sizeOf(map[string]any(f))
}

// sizeOf is how many bytes a checked value takes as JSON, at most and everywhere
// alike.
func sizeOf(value any) int {
	size := 2 // of quotes or brackets
	switch v := value.(type) {
	case string:
		for _, r := range v {
			size += sizeOfRune(r)
		}
	case []any:
		for _, item := range v {
			size += sizeOf(item) + 1
		}
	case map[string]any:
		for name, item := range v {
			size += len(name) + 4 + sizeOf(item)
		}
	default:
		return sizeOfWord(value)
	}
	return size
}

// sizeOfWord is that of a number, true, false or null. encoding/json writes numbers
// as JavaScript does.
func sizeOfWord(value any) int {
	if value == 0.0 {
		return 1 // also of -0
	}
	word, err := json.Marshal(value)
	if err != nil {
		panic("gallery: a value is no JSON: " + err.Error()) // it was read from JSON
	}
	return len(word)
}

func sizeOfRune(r rune) int {
	switch {
	case r < 0x20 || r == 0x2028 || r == 0x2029:
		return 6
	case r == '"' || r == '\\':
		return 2
	}
	return utf8.RuneLen(r)
}
