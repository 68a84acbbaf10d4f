package dialect

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	"fanfold/hub"
)

// command is one line of a client's frame.
type command struct {
	id     uint32 // 0: it has none
	method string // "": it is a pong
	params []byte // JSON
}

// parseCommand reads one line. Its error is for the close frame: a command that
// can't be read can't be answered.
func parseCommand(line []byte) (command, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(line, &fields); err != nil || fields == nil {
		return command{}, errors.New("a command must be a JSON object on one line")
	}
	if len(fields) == 0 {
		return command{}, nil
	}
	var c command
	var unknown string
	for name, value := range fields {
		switch _, known := commands[name]; {
		case name == "id" || isNull(value):
		case !known:
			unknown = name
		case c.method != "":
			return command{}, errors.New("a command must have one method, not several")
		default:
			c.method, c.params = name, value
		}
	}
	if c.method == "" {
		return command{}, badMethod(unknown)
	}
	return c, c.parseID(fields["id"])
}

func badMethod(unknown string) error {
	if unknown == "" {
		return errors.New("the command has no method")
	}
	return errors.New("unknown method " + strconv.Quote(cutText(unknown, 40)))
}

func (c *command) parseID(text []byte) error {
	id, err := strconv.ParseUint(string(text), 10, 32)
	if (err != nil || id == 0) && c.method != "send" {
		return errors.New(c.method + " needs an id from 1 to 4294967295")
	}
	c.id = uint32(id)
	return nil
}

// decode reads the parameters into a struct. Members that it does not know may
// be there, from a newer client.
func (c command) decode(into any) error {
	if err := json.Unmarshal(c.params, into); err != nil {
		return badParams(c.method, err)
	}
	return nil
}

// decodeStrict reads a request of the server API into a struct and refuses
// members that the struct does not have: a misspelt wish must not get lost. No body is an
// empty request.
func decodeStrict(method string, body []byte, into any) error {
	if !utf8.Valid(body) {
		return hub.Errorf(hub.CodeBadRequest, "%s: the request is not valid UTF-8", method)
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return badParams(method, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return hub.Errorf(hub.CodeBadRequest, "%s: the request is not one JSON object: there is more behind its end", method)
	}
	return nil
}

// goNames takes the names of embedded structs out of a path of encoding/json's.
var goNames = strings.NewReplacer("channelRequest.", "", "recovery.", "", "apiPublication.", "", "apiTarget.", "")

// badParams says which parameter of the method is wrong.
func badParams(method string, err error) error {
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		what := "the request"
		if e.Field != "" {
			what = strconv.Quote(cutText(goNames.Replace(e.Field), 80))
		}
		return hub.Errorf(hub.CodeBadRequest, "%s: %s has %s where %s is wanted", method, what, cutText(e.Value, 40), kindName(e.Type))
	}
	text := strings.TrimPrefix(cutText(err.Error(), 160), "json: ")
	if errors.Is(err, io.ErrUnexpectedEOF) {
		text = "the JSON ends too early"
	}
	return hub.Errorf(hub.CodeBadRequest, "%s: the request can't be read: %s", method, text)
}

// kindName describes in JSON's words what a Go type is read from.
func kindName(t reflect.Type) string {
	if t == reflect.TypeFor[apiText]() {
		return "a string or a whole number"
	}
	if t == reflect.TypeFor[lastSeen]() {
		return mustBeLast
	}
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice, reflect.Array:
		return "an array"
	case reflect.Int32:
		return "a whole number of 32 bits"
	case reflect.Int, reflect.Int64:
		return "a whole number of 64 bits"
	case reflect.Uint32:
		return "a whole number from 0 to 4294967295"
	case reflect.Uint64:
		return "a whole number from 0 to 18446744073709551615"
	}
	return "an object"
}

func isNull(value []byte) bool { return string(value) == "null" }

// checkData returns a publication's data as it is stored: JSON on one line.
func checkData(method string, data json.RawMessage) ([]byte, error) {
	if len(data) == 0 {
		return nil, hub.Errorf(hub.CodeBadRequest, "%s: there is no data: give any JSON value", method)
	}
	return oneLine(method, data)
}

// maxInfoBytes bounds how a client may describe itself, since presence and each
// of its publications show that to others.
const maxInfoBytes = 1 << 10

// checkInfo returns what a client tells others about itself, nil if nothing.
func checkInfo(method string, data json.RawMessage) ([]byte, error) {
	return checkObject(method, "data", data)
}

// checkObject returns the member that describes a client, nil if there is none.
func checkObject(method, member string, data json.RawMessage) ([]byte, error) {
	if len(data) == 0 || isNull(data) {
		return nil, nil
	}
	if data[0] != '{' {
		return nil, hub.Errorf(hub.CodeBadRequest, `%s: %q must be an object, which others see as the client's description`, method, member)
	}
	if !utf8.Valid(data) {
		return nil, hub.Errorf(hub.CodeBadRequest, `%s: %q is not valid UTF-8`, method, member)
	}
	info, err := compact(data)
	if err == nil && len(info) > maxInfoBytes {
		return nil, hub.Errorf(hub.CodeBadRequest, `%s: %q is %d bytes long: at most %d are allowed`, method, member, len(info), maxInfoBytes)
	}
	return info, err
}

// oneLine returns a publication's or call's data without line breaks, which
// separate frames, and refuses what is not UTF-8: a text frame with it would cut subscribers off
// (RFC 6455 §8.1).
func oneLine(method string, data json.RawMessage) ([]byte, error) {
	if !utf8.Valid(data) {
		return nil, hub.Errorf(hub.CodeBadRequest, `%s: "data" is not valid UTF-8`, method)
	}
	if !bytes.ContainsAny(data, "\r\n") {
		return data, nil
	}
	return compact(data)
}

func compact(data json.RawMessage) ([]byte, error) {
	var short bytes.Buffer
	if err := json.Compact(&short, data); err != nil {
		return nil, hub.Errorf(hub.CodeBadRequest, "the data is not JSON")
	}
	return short.Bytes(), nil
}
