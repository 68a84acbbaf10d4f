package dialect

import (
	"bytes"
	"encoding/json"
	"iter"
	"net/url"
	"path"
	"strings"
	"unicode/utf8"

	"fanfold/hub/foreign"
)

// Notification is message data meant for a person: a JSON object with a string
// "message" and ntfy's optional fields. All else that is published is data for
// programs.
type Notification struct {
	Message  string   `json:"message"`
	Title    string   `json:"title,omitempty"`
	Priority int      `json:"priority,omitempty"` // 1 to 5; 0: not given, which counts as 3
	Tags     []string `json:"tags,omitempty"`
	Click    string   `json:"click,omitempty"` // URL of any scheme, unchecked
	Icon     string   `json:"icon,omitempty"`  // URL
	Actions  []Action `json:"actions,omitempty"`
	Attach   string   `json:"attach,omitempty"`   // URL of a file
	Filename string   `json:"filename,omitempty"` // of that file
	Markdown bool     `json:"markdown,omitempty"`
	Encoding string   `json:"encoding,omitempty"` // encodingBase64: Message holds bytes
	// SequenceID, if not "", names what this is the newest state of.
	SequenceID string `json:"sequence_id,omitempty"`
}

// encodingBase64 is the Encoding of a Message that is not UTF-8.
const encodingBase64 = "base64"

const jsonSpaces = " \t\r\n" // RFC 8259 §2

// ParseNotification reads message data. It is false if data is not an object
// with a string "message". Other publishers may use the optional names in their own
// way: a field of another type, or out of its range, is left out.
func ParseNotification(data []byte) (Notification, bool) {
	data = bytes.TrimLeft(data, jsonSpaces)
	if len(data) == 0 || data[0] != '{' || !json.Valid(data) {
		return Notification{}, false
	}
	var n Notification
	found := false
	for name, value := range members(data) {
		if name == "message" {
			n.Message, found = optionalText(value), value[0] == '"'
		} else {
			n.set(name, value)
		}
	}
	if !found {
		return Notification{}, false
	}
	n.drop()
	return n, true
}

// set takes an optional field.
func (n *Notification) set(name string, value []byte) {
	switch name {
	case "title":
		n.Title = optionalText(value)
	case "priority":
		n.Priority = optional[int](value)
	case "tags":
		n.Tags = optional[[]string](value)
	case "click":
		n.Click = optionalText(value)
	case "icon":
		n.Icon = optionalText(value)
	case "actions":
		n.Actions = optional[[]Action](value)
	case "attach":
		n.Attach = optionalText(value)
	case "filename":
		n.Filename = optionalText(value)
	case "markdown":
		n.Markdown = optional[bool](value)
	case "encoding":
		n.Encoding = optionalText(value)
	case "sequence_id":
		n.SequenceID = optionalText(value)
	}
}

// drop empties the fields whose values mean nothing.
func (n *Notification) drop() {
	if n.Priority < minPriority || n.Priority > maxPriority {
		n.Priority = 0
	}
	if completeActions(n.Actions) != nil {
		n.Actions = nil
	}
	if n.Encoding != encodingBase64 {
		n.Encoding = ""
	}
}

// optional decodes a value, or returns the zero value if it is of another type.
func optional[T any](raw []byte) T {
	var value, none T
	if json.Unmarshal(raw, &value) != nil {
		return none
	}
	return value
}

// optionalText is optional[string]. It is quick for the usual string, without a
// backslash: notifications are read once for each stream that shows them.
func optionalText(raw []byte) string {
	if raw[0] == '"' && bytes.IndexByte(raw, '\\') < 0 && utf8.Valid(raw) {
		return string(raw[1 : len(raw)-1])
	}
	return optional[string](raw)
}

// members yields the names and values of a valid JSON object. Decoding into a
// map instead doubles the cost of a whole frame, and into a struct would take
// "Message" for "message".
func members(object []byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		rest := bytes.TrimLeft(object[1:], jsonSpaces+",")
		for rest[0] != '}' {
			n := valueLen(rest)
			name := optionalText(rest[:n])
			rest = bytes.TrimLeft(rest[n:], jsonSpaces+":")
			n = valueLen(rest)
			if !yield(name, rest[:n]) {
				return
			}
			rest = bytes.TrimLeft(rest[n:], jsonSpaces+",")
		}
	}
}

// valueLen is the length of the JSON value that valid JSON begins with.
func valueLen(text []byte) int {
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
		case depth > 0 && (c == '}' || c == ']'):
			depth--
		case depth == 0 && strings.IndexByte(jsonSpaces+",:}]", c) >= 0:
			return i // a number, true, false or null ends before it
		default:
			continue
		}
		if depth == 0 && !quoted {
			return i + 1
		}
	}
	return len(text)
}

// AsNotification shows any message data to a person: a notification as it is, a
// JSON string as the message, other data as a message that holds its JSON.
func AsNotification(data []byte) Notification {
	if n, ok := ParseNotification(data); ok {
		return n
	}
	data = bytes.TrimLeft(data, jsonSpaces)
	var text string
	if bytes.HasPrefix(data, []byte(`"`)) && json.Unmarshal(data, &text) == nil {
		return Notification{Message: text}
	}
	return Notification{Message: string(bytes.ToValidUTF8(data, []byte("\uFFFD")))}
}

// Data returns the notification as message data: JSON without line breaks.
func (n Notification) Data() []byte { return foreign.CompactJSON(n) }

// attachmentName is the name to show for the attached file: the one given, or
// the last part of its URL's path.
func (n Notification) attachmentName() string {
	if n.Filename != "" {
		return n.Filename
	}
	if u, err := url.Parse(n.Attach); err == nil {
		if base := path.Base(u.Path); base != "." && base != "/" {
			return base
		}
	}
	return "attachment"
}
