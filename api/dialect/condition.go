package dialect

import (
	"encoding/json"
	"reflect"
	"strings"

	"fanfold/hub"
)

// lastSeen is the member "if_last": the message that a publisher knows as the newest of the
// channel, by its ID, "" for none, or by its offset and epoch.
type lastSeen struct {
	id string
	at *streamPosition // nil: id says it
}

// mustBeLast describes it in JSON's words.
const mustBeLast = "a message's id or an object with offset and epoch"

// UnmarshalJSON implements [json.Unmarshaler].
func (l *lastSeen) UnmarshalJSON(raw []byte) error {
	switch raw[0] {
	case '"':
		return json.Unmarshal(raw, &l.id)
	case '{':
		return decodePosition(raw, &l.at)
	}
	return &json.UnmarshalTypeError{Value: jsonKind(raw), Type: reflect.TypeFor[lastSeen]()}
}

// decodePosition refuses an object with other members, which would leave a condition out.
func decodePosition(raw []byte, at **streamPosition) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return err
	}
	if _, ok := members["offset"]; !ok || len(members) > 2 || len(members) == 2 && members["epoch"] == nil {
		return &json.UnmarshalTypeError{Value: "object", Type: reflect.TypeFor[lastSeen]()}
	}
	return json.Unmarshal(raw, at)
}

// position is what it stands for; nil: there is no condition.
func (l *lastSeen) position() (*hub.Position, error) {
	switch {
	case l == nil:
		return nil, nil
	case l.at != nil:
		p := l.at.position()
		return &p, nil
	case l.id == "":
		return &hub.Position{}, nil
	}
	p, ok := hub.ParsePosition(l.id)
	if !ok {
		return nil, hub.Errorf(hub.CodeBadRequest, "the newest message is said to be %.40q, which is no id of a stored message: give the id that a reader of the channel is shown", l.id)
	}
	return &p, nil
}

// setCondition reads which message must be the newest one. An If-Match holds one entity tag
// here, the ID of that message with or without quotes, and an If-None-Match is "*": there must
// be no message (RFC 9110 §13.1).
func (p *Publish) setCondition(w wishes) (err error) {
	last := w.ifLast
	switch {
	case w.ifMatch == "" && w.ifNone == "":
	case w.ifMatch != "" && w.ifNone != "":
		return refuse(NtfyBadRequest, "If-Match and If-None-Match can't both hold: give one of them")
	case w.ifNone != "" && w.ifNone != "*":
		return refuse(NtfyBadRequest, "the If-None-Match %.40q can't be obeyed: give * for a channel without a message, or If-Match with the id of the newest one", w.ifNone)
	case w.ifNone != "":
		last = &lastSeen{}
	case strings.ContainsAny(w.ifMatch, "*/, "):
		return refuse(NtfyBadRequest, "the If-Match %.40q can't be obeyed: give the id of the newest message alone, in quotes or without", w.ifMatch)
	default:
		last = &lastSeen{id: unquote(w.ifMatch)}
	}
	p.Options.IfLast, err = last.position()
	return err
}

// setRollUp reads whether the message takes the place of all earlier ones.
func (p *Publish) setRollUp(word string) error {
	yes, ok := parseYes(word)
	if !ok && word != "" {
		return refuse(NtfyBadRequest, "the rollup %.40q can't be read: give true to have the message take the place of all earlier ones, or false", word)
	}
	p.Options.RollUp = yes
	return nil
}
