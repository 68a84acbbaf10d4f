package dialect

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// Action is a button of a [Notification].
type Action struct {
	ID      string            `json:"id"`               // "1", "2", …: distinct within the notification
	Action  string            `json:"action"`           // "view", "http" or "broadcast"
	Label   string            `json:"label"`            // the button's text
	Clear   bool              `json:"clear"`            // take the notification away afterwards
	URL     string            `json:"url,omitempty"`    // view, http: of any scheme, unchecked
	Method  string            `json:"method,omitempty"` // http; clients take "" for POST
	Headers map[string]string `json:"headers,omitempty"`
	Body    string            `json:"body,omitempty"`
	Intent  string            `json:"intent,omitempty"` // broadcast
	Extras  map[string]string `json:"extras,omitempty"`
}

// What an action does.
const (
	actionView      = "view"
	actionHTTP      = "http"
	actionBroadcast = "broadcast"
)

// maxActions is how many buttons phones show.
const maxActions = 3

// parseActions reads the actions of a header or query parameter: a JSON array,
// or the short form
//
//	view, Label, https://example.com; http, Label, https://example.com, method=PUT,
//	headers.X-Key=value, body='a, b', clear=true; broadcast, Label, extras.key=value
//
// A value in single or double quotes may hold commas and semicolons, and its own
// quote behind a backslash. What follows the URL of an http action without a key is its
// body, up to the semicolon: that is how the npm package ntfy writes it. The error is for
// the client.
func parseActions(text string) ([]Action, error) {
	text = strings.TrimSpace(text)
	if strings.HasPrefix(text, "[") {
		return parseActionsJSON([]byte(text))
	}
	s := actionScanner{rest: text}
	var actions []Action
	for s.more() {
		if len(actions) == maxActions {
			return nil, errTooManyActions
		}
		a, err := s.action()
		if err != nil {
			return nil, fmt.Errorf("action %d: %w", len(actions)+1, err)
		}
		actions = append(actions, a)
	}
	return actions, completeActions(actions)
}

// parseActionsJSON reads a JSON array of actions.
func parseActionsJSON(text []byte) ([]Action, error) {
	var raw []json.RawMessage
	if err := json.Unmarshal(text, &raw); err != nil {
		return nil, errors.New("they are not a JSON array: send [{\"action\":\"view\",\"label\":\"Open\",\"url\":\"https://example.com\"}]")
	}
	if len(raw) > maxActions {
		return nil, errTooManyActions
	}
	actions := make([]Action, len(raw))
	for i := range raw {
		if err := json.Unmarshal(raw[i], &actions[i]); err != nil {
			return nil, fmt.Errorf("action %d: %w", i+1, typeError(err))
		}
	}
	return actions, completeActions(actions)
}

// typeError words the error of decoding a JSON object for the client.
func typeError(err error) error {
	e, ok := errors.AsType[*json.UnmarshalTypeError](err)
	switch {
	case !ok:
		return errors.New("it is not JSON")
	case e.Field == "":
		return fmt.Errorf("it is a JSON %s: it must be an object", e.Value)
	}
	must := "a string"
	switch e.Type.Kind() {
	case reflect.Bool:
		must = "true or false"
	case reflect.Map:
		must = "an object of strings"
	}
	return fmt.Errorf("%q is a JSON %s: it must be %s", e.Field, e.Value, must)
}

var errTooManyActions = fmt.Errorf("there are more than %d: send %d at most", maxActions, maxActions)

// completeActions brings action and method into their usual case, numbers the
// actions and says what one of them lacks.
func completeActions(actions []Action) error {
	if len(actions) > maxActions {
		return errTooManyActions
	}
	for i := range actions {
		a := &actions[i]
		a.ID = strconv.Itoa(i + 1)
		a.Action = strings.ToLower(a.Action)
		a.Method = strings.ToUpper(a.Method)
		if err := a.check(); err != nil {
			return fmt.Errorf("action %d: %w", i+1, err)
		}
	}
	return nil
}

func (a *Action) check() error {
	switch {
	case a.Action != actionView && a.Action != actionHTTP && a.Action != actionBroadcast:
		return fmt.Errorf("the kind %.40q is unknown: use view, http or broadcast", a.Action)
	case a.Label == "":
		return fmt.Errorf("it has no label: write %s, Label, …", a.Action)
	case a.URL == "" && a.Action != actionBroadcast:
		return fmt.Errorf("it has no url: write %s, Label, https://…", a.Action)
	case a.Body != "" && (a.Method == "GET" || a.Method == "HEAD"):
		return fmt.Errorf("a %s request has no body: leave out the body or the method", a.Method)
	}
	return nil
}

// set gives the action the value of a named field.
func (a *Action) set(key, value string) error {
	if name, ok := strings.CutPrefix(key, "headers."); ok && name != "" {
		put(&a.Headers, name, value)
		return nil
	}
	if name, ok := strings.CutPrefix(key, "extras."); ok && name != "" {
		put(&a.Extras, name, value)
		return nil
	}
	switch strings.ToLower(key) {
	case "action":
		a.Action = strings.ToLower(value)
	case "label":
		a.Label = value
	case "url":
		a.URL = value
	case "method":
		a.Method = value
	case "body":
		a.Body = value
	case "intent":
		a.Intent = value
	case "clear":
		clear, ok := parseYes(value)
		if !ok {
			return fmt.Errorf("clear=%.40q is neither true nor false", value)
		}
		a.Clear = clear
	default:
		return fmt.Errorf("the key %.40q is unknown: use url, clear, method, headers.…, body, intent, extras.…, and put values with a comma or = in quotes", key)
	}
	return nil
}

func put(m *map[string]string, key, value string) {
	if *m == nil {
		*m = map[string]string{}
	}
	(*m)[key] = value
}

// actionScanner reads the short form from left to right.
type actionScanner struct {
	rest string
}

// more skips to the next action and reports whether there is one.
func (s *actionScanner) more() bool {
	s.rest = strings.TrimLeft(s.rest, actionSpaces+";")
	return s.rest != ""
}

const actionSpaces = " \t\r\n"

// positional are the keys of the fields that may come without one.
var positional = [...]string{"action", "label", "url"}

// action reads one action and the semicolon behind it.
func (s *actionScanner) action() (a Action, err error) {
	for i := 0; ; i++ {
		key := s.key()
		if key == "" && i >= len(positional) && a.Action == actionHTTP {
			a.Body = s.tail()
			return a, nil
		}
		value, last, err := s.value()
		if err != nil {
			return a, err
		}
		if key == "" && i < len(positional) && !(i == 2 && a.Action == actionBroadcast) {
			key = positional[i]
		}
		if key == "" && value != "" {
			return a, fmt.Errorf("%.40q has no key: write key=value, and put values with a comma in quotes", value)
		}
		if key != "" {
			if err := a.set(key, value); err != nil {
				return a, err
			}
		}
		if last {
			return a, nil
		}
	}
}

// key takes "key =" from the front, if it is there.
func (s *actionScanner) key() string {
	s.rest = strings.TrimLeft(s.rest, actionSpaces)
	end := strings.IndexFunc(s.rest, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("-_.", r))
	})
	if end <= 0 {
		return ""
	}
	behind, ok := strings.CutPrefix(strings.TrimLeft(s.rest[end:], actionSpaces), "=")
	if !ok {
		return ""
	}
	key := s.rest[:end]
	s.rest = behind
	return key
}

// value takes a value and the comma or semicolon behind it. last: it was the
// action's last one.
func (s *actionScanner) value() (value string, last bool, err error) {
	s.rest = strings.TrimLeft(s.rest, actionSpaces)
	if value, ok, err := s.quoted(); ok || err != nil {
		last, found := s.separator()
		if err == nil && !found {
			err = fmt.Errorf("behind the quoted %.40q there is %.10q: put a comma or semicolon between values", value, s.rest)
		}
		return value, last, err
	}
	end := strings.IndexAny(s.rest, ",;")
	if end < 0 {
		end = len(s.rest)
	}
	value = strings.TrimRight(s.rest[:end], actionSpaces)
	s.rest = s.rest[end:]
	last, _ = s.separator()
	return value, last, nil
}

// separator takes the comma or semicolon, or sees the end of the text.
func (s *actionScanner) separator() (last, found bool) {
	s.rest = strings.TrimLeft(s.rest, actionSpaces)
	if s.rest == "" {
		return true, true
	}
	c := s.rest[0]
	if c != ',' && c != ';' {
		return false, false
	}
	s.rest = s.rest[1:]
	return c == ';', true
}

// quoted takes a quoted text, if there is one.
func (s *actionScanner) quoted() (text string, ok bool, err error) {
	if s.rest == "" || s.rest[0] != '"' && s.rest[0] != '\'' {
		return "", false, nil
	}
	quote, all := s.rest[:1], s.rest
	for from := 1; ; {
		n := strings.Index(all[from:], quote)
		if n < 0 {
			return "", false, fmt.Errorf("the quote before %.40q is not closed", all[1:])
		}
		end := from + n
		if all[end-1] != '\\' {
			s.rest = all[end+1:]
			return strings.ReplaceAll(all[1:end], `\`+quote, quote), true, nil
		}
		from = end + 1
	}
}

// tail takes the rest of the action as one value, commas and all; or a quoted
// text, if that is the rest.
func (s *actionScanner) tail() string {
	probe := *s
	if text, ok, _ := probe.quoted(); ok {
		if last, _ := probe.separator(); last {
			*s = probe
			return text
		}
	}
	text, rest, _ := strings.Cut(s.rest, ";")
	s.rest = rest
	return strings.TrimRight(text, actionSpaces)
}
