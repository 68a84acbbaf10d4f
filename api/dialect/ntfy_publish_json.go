package dialect

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"fanfold/hub"
)

// publishFields are the fields of a message that is published as JSON. Their
// names count in any case.
type publishFields struct {
	Topic, Message, Title, Click, Icon, Attach, Filename json.RawMessage

	Priority, Tags, Actions, Markdown, Cache json.RawMessage

	Email, Call, Template json.RawMessage

	TTL, Delay, At, In, Schedule, Timezone json.RawMessage

	Key      json.RawMessage `json:"idempotency_key"`
	Sequence json.RawMessage `json:"sequence_id"`
	Exclude  json.RawMessage `json:"exclude_client"`
	RollUp   json.RawMessage `json:"rollup"`
	IfLast   json.RawMessage `json:"if_last"`
}

// ParsePublishJSON reads a message that is published as one JSON object with its
// channel as "topic". Parameters in the header and query count too, where the object has no
// such field: apprise sends the priority so. All else is as with [ParsePublish].
func ParsePublishJSON(r PublishRequest) (Publish, error) {
	var fields publishFields
	if err := json.Unmarshal(r.Body, &fields); err != nil {
		return Publish{}, refuse(NtfyBadJSON, "the body can't be read: %s; send an object like {\"topic\":\"news\",\"message\":\"hello\"}", bodyError(err))
	}
	topic, err := fields.topic()
	if err != nil {
		return Publish{}, err
	}
	draft, err := ntfyParams{header: r.Header, query: r.Query}.draft()
	if err != nil {
		return Publish{}, err
	}
	if err := draft.setFields(fields); err != nil {
		return Publish{}, err
	}
	if err := checkMessageBytes(len(draft.Message), r.MaxMessageBytes); err != nil {
		return Publish{}, err
	}
	return draft.publish(topic, r)
}

// topic is the channel to publish to, checked.
func (f publishFields) topic() (string, error) {
	if !isGiven(f.Topic) {
		return "", refuse(NtfyBadTopic, "the field \"topic\" is missing: name the channel to publish to")
	}
	var topic string
	if err := textField(storeIn(&topic))("topic", f.Topic); err != nil {
		return "", err
	}
	return topic, checkTopic(hub.CheckChannel, topic)
}

func isGiven(field json.RawMessage) bool { return len(field) > 0 && string(field) != "null" }

func bodyError(err error) string {
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return "it is a JSON " + e.Value + ", not an object"
	}
	return "it is not JSON (" + err.Error() + ")"
}

// setFields overwrites the draft with the fields that are given.
func (d *ntfyDraft) setFields(f publishFields) error {
	for _, field := range []struct {
		name string
		raw  json.RawMessage
		set  func(name string, raw json.RawMessage) error
	}{
		{"email", f.Email, refuseField},
		{"call", f.Call, refuseField},
		{"template", f.Template, refuseField},
		{"idempotency_key", f.Key, textField(storeIn(&d.wishes.key))},
		{"ttl", f.TTL, numberField(&d.wishes.ttl)},
		{"delay", f.Delay, numberField(&d.wishes.delay)},
		{"at", f.At, numberField(&d.wishes.delay)},
		{"in", f.In, numberField(&d.wishes.delay)},
		{"schedule", f.Schedule, textField(storeIn(&d.wishes.schedule))},
		{"timezone", f.Timezone, textField(storeIn(&d.wishes.zone))},
		{"sequence_id", f.Sequence, textField(storeIn(&d.wishes.sequence))},
		{"exclude_client", f.Exclude, textField(storeIn(&d.wishes.exclude))},
		{"rollup", f.RollUp, yesField(func(yes bool) { d.wishes.rollUp = strconv.FormatBool(yes) })},
		{"if_last", f.IfLast, d.setIfLast},
		{"message", f.Message, textField(func(text string) error {
			d.Message = strings.TrimSpace(text)
			return nil
		})},
		{"title", f.Title, textField(storeIn(&d.Title))},
		{"click", f.Click, textField(storeIn(&d.Click))},
		{"filename", f.Filename, textField(storeIn(&d.Filename))},
		{"icon", f.Icon, textField(d.setIcon)},
		{"attach", f.Attach, textField(d.setAttach)},
		{"priority", f.Priority, d.setPriorityField},
		{"tags", f.Tags, d.setTagsField},
		{"actions", f.Actions, d.setActionsField},
		{"markdown", f.Markdown, yesField(func(yes bool) { d.Markdown = yes })},
		{"cache", f.Cache, yesField(func(yes bool) { d.live = !yes })},
	} {
		if !isGiven(field.raw) {
			continue
		}
		if err := field.set(field.name, field.raw); err != nil {
			return err
		}
	}
	return nil
}

// refuseField refuses a field that is not offered, unless it asks for nothing.
func refuseField(name string, raw json.RawMessage) error {
	if !isAsked(strings.Trim(string(raw), `"`)) {
		return nil
	}
	for _, refused := range ntfyNotOffered {
		if refused.name == name {
			return refused.refuse()
		}
	}
	return nil
}

func textField(set func(string) error) func(string, json.RawMessage) error {
	return func(name string, raw json.RawMessage) error {
		var text string
		if json.Unmarshal(raw, &text) != nil {
			return badField(name, raw, "a string")
		}
		return set(text)
	}
}

func storeIn(text *string) func(string) error {
	return func(value string) error {
		*text = value
		return nil
	}
}

// numberField takes a string, or a whole number for its digits.
func numberField(text *string) func(string, json.RawMessage) error {
	return func(name string, raw json.RawMessage) error {
		value, ok := numberText(raw)
		if !ok {
			return badField(name, raw, "a string or a whole number")
		}
		*text = value
		return nil
	}
}

// numberText is what a JSON string says, or the digits of a whole number.
func numberText(raw []byte) (string, bool) {
	if raw[0] == '"' {
		return optional[string](raw), true
	}
	_, rest, ok := cutNumber(string(raw))
	return string(raw), ok && rest == ""
}

// yesField takes true and false, and the words for them.
func yesField(set func(bool)) func(string, json.RawMessage) error {
	return func(name string, raw json.RawMessage) error {
		word := string(raw)
		if word[0] == '"' {
			word = optional[string](raw)
		}
		yes, ok := parseYes(word)
		if !ok && word != "" {
			return badField(name, raw, `true or false, "yes" or "no"`)
		}
		if ok {
			set(yes)
		}
		return nil
	}
}

// setPriorityField takes a number or what the parameter takes; 0 is the default.
func (d *ntfyDraft) setPriorityField(name string, raw json.RawMessage) error {
	text := string(raw)
	switch raw[0] {
	case '"':
		text = optional[string](raw)
	case '{', '[', 't', 'f':
		return badField(name, raw, "a number from 1 to 5")
	case '0':
		if text == "0" {
			text = ""
		}
	}
	return d.setPriority(text)
}

func (d *ntfyDraft) setTagsField(name string, raw json.RawMessage) error {
	var tags []string
	if json.Unmarshal(raw, &tags) != nil {
		return badField(name, raw, "an array of strings")
	}
	d.Tags = tags
	return nil
}

func (d *ntfyDraft) setActionsField(name string, raw json.RawMessage) error {
	if raw[0] != '[' {
		return badField(name, raw, "an array of objects")
	}
	return d.setActions(parseActionsJSON(raw))
}

// setIfLast takes the place of what headers say.
func (d *ntfyDraft) setIfLast(name string, raw json.RawMessage) error {
	d.wishes.ifMatch, d.wishes.ifNone = "", ""
	if json.Unmarshal(raw, &d.wishes.ifLast) != nil {
		return badField(name, raw, mustBeLast)
	}
	return nil
}

func badField(name string, raw json.RawMessage, must string) error {
	return refuse(NtfyBadJSON, "the field %q is %.40s: it must be %s", name, raw, must)
}
