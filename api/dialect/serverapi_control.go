package dialect

import (
	"bytes"
	"context"
	"encoding/json"
	"time"
	"unicode/utf8"

	"fanfold/hub"
)

// apiTarget names sessions: all of a user, one by its client ID, or both.
type apiTarget struct {
	User    string `json:"user"`
	Client  string `json:"client"`
	Session string `json:"session"` // of Centrifugo's emulated transports
}

func (q apiTarget) target(method string) (hub.Target, error) {
	switch {
	case q.Session != "":
		return hub.Target{}, hub.Errorf(hub.CodeNotAvailable, "%s: \"session\" is not available here: give the client's ID", method)
	case q.User == "" && q.Client == "":
		return hub.Target{}, hub.Errorf(hub.CodeBadRequest, "%s: it is not said whom: give \"user\" or \"client\"", method)
	}
	return hub.Target{User: q.User, AnyUser: q.User == "", Client: q.Client}, nil
}

func apiUnsubscribe(_ context.Context, h APIHub, body []byte) ([]byte, error) {
	var q struct {
		channelRequest
		apiTarget
	}
	if err := decodeStrict("unsubscribe", body, &q); err != nil {
		return nil, err
	}
	if err := hub.CheckPattern(q.Channel); err != nil {
		return nil, err
	}
	target, err := q.target("unsubscribe")
	if err != nil {
		return nil, err
	}
	_, err = h.Unsubscribe(target, q.Channel, hub.Reason{Cause: hub.CauseServer})
	return emptyResult, err
}

func apiDisconnect(_ context.Context, h APIHub, body []byte) ([]byte, error) {
	var q struct {
		apiTarget
		Whitelist  []string `json:"whitelist"`
		Disconnect struct {
			Code   uint32 `json:"code"`
			Reason string `json:"reason"`
		} `json:"disconnect"`
	}
	if err := decodeStrict("disconnect", body, &q); err != nil {
		return nil, err
	}
	if len(q.Whitelist) > 0 {
		return nil, hub.Errorf(hub.CodeNotAvailable, `disconnect: "whitelist" is not available here: name the clients to disconnect`)
	}
	// Clients know no other range (RFC 6455 §7.4.2: for libraries and applications).
	if code := q.Disconnect.Code; code != 0 && (code < 3000 || code > 4999) {
		return nil, hub.Errorf(hub.CodeBadRequest, `disconnect: the code %d is not from 3000 to 4999`, code)
	}
	target, err := q.target("disconnect")
	if err != nil {
		return nil, err
	}
	_, err = h.Disconnect(target, hub.Reason{Cause: hub.CauseServer, Code: int(q.Disconnect.Code), Text: q.Disconnect.Reason})
	return emptyResult, err
}

// Revocation says which tokens shall not count any more: the one with an ID, or
// those that a user got before a time.
type Revocation struct {
	TokenID string
	User    string
	Before  time.Time // with User
	Until   time.Time // when they have expired by themselves; zero: never, or not known
}

// apiRevoke takes tokens back: from now on nobody may come with them, and who has
// is disconnected, on all nodes.
func apiRevoke(ctx context.Context, h APIHub, body []byte) (result []byte, err error) {
	var q struct {
		TokenID string  `json:"token_id"`
		User    string  `json:"user"`
		Before  apiText `json:"before"`
		Until   apiText `json:"until"`
	}
	if err := decodeStrict("revoke", body, &q); err != nil {
		return nil, err
	}
	r := Revocation{TokenID: q.TokenID, User: q.User}
	switch {
	case (q.TokenID == "") == (q.User == ""):
		return nil, hub.Errorf(hub.CodeBadRequest, `revoke: give one of "token_id" (the token's jti) and "user"`)
	case q.Before != "" && q.User == "":
		return nil, hub.Errorf(hub.CodeBadRequest, `revoke: "before" is for the tokens of a "user"`)
	case h.Revoke == nil:
		return nil, hub.Errorf(hub.CodeNotAvailable, "revoke: this hub has no token keys configured, so there are no tokens")
	}
	if r.Before, err = apiTime("before", q.Before); err != nil {
		return nil, err
	}
	if r.User != "" && r.Before.IsZero() {
		r.Before = h.Now
	}
	if r.Until, err = apiTime("until", q.Until); err != nil {
		return nil, err
	}
	n, err := h.Revoke(ctx, h.Actor, r)
	if err != nil {
		return nil, err
	}
	return append(appendNumber([]byte{'{'}, "disconnected", n), '}'), nil
}

// apiTime reads Unix seconds, or a time of RFC 3339; zero for "".
func apiTime(member string, text apiText) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if seconds, rest, ok := cutNumber(string(text)); ok && rest == "" {
		return time.Unix(seconds, 0), nil
	}
	t, err := time.Parse(time.RFC3339, string(text))
	if err != nil {
		return t, hub.Errorf(hub.CodeBadRequest, "revoke: %q is no time: give Unix seconds, or one like 2027-01-31T12:00:00Z", member)
	}
	return t, nil
}

// Bounds of a batch.
const (
	apiMaxCommands = 1000
	apiBatchBytes  = 16 << 20 // of replies; commands behind that are not done
)

// apiBatch does the commands in their order, also if they may run in parallel;
// one that fails does not stop the others.
func apiBatch(ctx context.Context, h APIHub, body []byte) ([]byte, error) {
	commands, err := readBatch(body)
	if err != nil {
		return nil, err
	}
	b := []byte(`{"replies":[`)
	pipe := h.Pipeline()
	done := func(r receipt, err error) { b = appendReceipt(b, "publish", r, err) }
	for _, c := range commands {
		if c.method == "publish" && len(b) <= apiBatchBytes {
			if p, err := readPublish(c.body, true, h.Now); err == nil {
				p.doIn(ctx, h.Actor, pipe, done)
				continue
			}
		}
		pipe.Flush(ctx)
		b = append(appendComma(b), '{')
		result, err := c.do(ctx, h, len(b))
		if err == nil {
			b = append(appendKey(b, c.method), result...)
		} else {
			b = appendAPIError(b, err)
		}
		b = append(b, '}')
	}
	pipe.Flush(ctx)
	return append(b, "]}"...), nil
}

// apiCommand is one of a batch.
type apiCommand struct {
	method  string // "": it has none, or several
	body    []byte
	members int
}

// readBatch reads what a batch is to do. The commands' bodies are valid JSON in UTF-8.
func readBatch(body []byte) ([]apiCommand, error) {
	if json.Valid(body) && utf8.Valid(body) {
		if commands, ok := plainBatch(body); ok {
			return commands, nil
		}
	}
	var q struct {
		Commands []json.RawMessage `json:"commands"`
		Parallel bool              `json:"parallel"`
	}
	if err := decodeStrict("batch", body, &q); err != nil {
		return nil, err
	}
	if n := len(q.Commands); n == 0 || n > apiMaxCommands {
		return nil, hub.Errorf(hub.CodeBadRequest, "batch: there are %d commands: give 1 to %d", n, apiMaxCommands)
	}
	commands := make([]apiCommand, len(q.Commands))
	for i, text := range q.Commands {
		if !commands[i].read(text) && !isNull(text) {
			var objects struct {
				Commands []map[string]json.RawMessage `json:"commands"`
				Parallel bool                         `json:"parallel"`
			}
			return nil, decodeStrict("batch", body, &objects) // for its error
		}
	}
	return commands, nil
}

// plainBatch reads a batch that has commands and no more, without reflection. body must
// be valid JSON. It is false for whatever else.
func plainBatch(body []byte) (commands []apiCommand, ok bool) {
	ok = jsonMembers(body, func(name, value []byte) bool {
		if string(name) != "commands" || commands != nil {
			return false
		}
		commands = make([]apiCommand, 0, min(bytes.Count(value, []byte(`":{`)), apiMaxCommands))
		return jsonElements(value, func(text []byte) bool {
			commands = append(commands, apiCommand{})
			return len(commands) <= apiMaxCommands && commands[len(commands)-1].read(text)
		})
	})
	return commands, ok && len(commands) > 0
}

// read is false if text, which is JSON, is no object.
func (c *apiCommand) read(text []byte) bool {
	return jsonMembers(text, func(name, value []byte) bool {
		if c.members++; c.members > 1 {
			c.method = ""
			return true
		}
		if c.method, c.body = "publish", value; string(name) != c.method {
			c.method = string(name)
		}
		return true
	})
}

// do does one command of a batch whose replies so far have size bytes.
func (c *apiCommand) do(ctx context.Context, h APIHub, size int) ([]byte, error) {
	if c.members != 1 {
		return nil, hub.Errorf(hub.CodeBadRequest, "batch: a command is an object with one member, its method: this has %d", c.members)
	}
	if size > apiBatchBytes {
		return nil, hub.Errorf(hub.CodeLimit, "batch: the replies take over %d bytes: this command was not done", apiBatchBytes)
	}
	return callAPI(ctx, h, c.method, c.body)
}
