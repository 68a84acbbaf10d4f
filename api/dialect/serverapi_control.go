package dialect

import (
	"context"
	"encoding/json"
	"time"

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

// apiSubscribe subscribes a user's connections, or one client, to a channel from
// the present on, until they end; data comes to them with the news of it.
func apiSubscribe(ctx context.Context, h apiHub, body []byte) ([]byte, error) {
	var q struct {
		channelRequest
		apiTarget
		Info json.RawMessage `json:"info"`
		Data json.RawMessage `json:"data"`
	}
	if err := decodeStrict("subscribe", body, &q); err != nil {
		return nil, err
	}
	e := hub.Enlistment{Key: q.Channel}
	var err error
	if e.Target, err = q.target("subscribe"); err != nil {
		return nil, err
	}
	if e.Info, err = checkObject("subscribe", "info", q.Info); err != nil {
		return nil, err
	}
	if len(q.Data) > 0 {
		if e.Data, err = oneLine("subscribe", q.Data); err != nil {
			return nil, err
		}
	}
	_, err = h.Subscribe(ctx, e)
	return emptyResult, err
}

// apiRefresh says when a user's connections, or one client's, expire; or that they
// have, which sends them for new tokens. Clients know only of what their tokens say, so they
// come with new ones by those.
func apiRefresh(_ context.Context, h apiHub, body []byte) ([]byte, error) {
	var q struct {
		apiTarget
		Expired  bool  `json:"expired"`
		ExpireAt int64 `json:"expire_at"` // seconds since 1970; 0: never
	}
	if err := decodeStrict("refresh", body, &q); err != nil {
		return nil, err
	}
	if q.ExpireAt < 0 || q.ExpireAt > apiLastSecond {
		return nil, hub.Errorf(hub.CodeBadRequest, `refresh: "expire_at" is no time: give seconds since 1970, or 0 for never`)
	}
	target, err := q.target("refresh")
	switch {
	case err != nil:
		return nil, err
	case q.Expired:
		_, err = h.Disconnect(target, hub.Reason{Cause: hub.CauseExpired})
	case q.ExpireAt == 0:
		_, err = h.Extend(target, time.Time{})
	default:
		_, err = h.Extend(target, time.Unix(q.ExpireAt, 0))
	}
	return emptyResult, err
}

// apiLastSecond is the end of the year 9999: a number behind it is not of seconds.
const apiLastSecond = 253402300799

func apiUnsubscribe(_ context.Context, h apiHub, body []byte) ([]byte, error) {
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

func apiDisconnect(_ context.Context, h apiHub, body []byte) ([]byte, error) {
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

// Bounds of a batch.
const (
	apiMaxCommands = 1000
	apiBatchBytes  = 16 << 20 // of replies; commands behind that are not done
)

// apiBatch does the commands in their order, also if they may run in parallel;
// one that fails does not stop the others.
func apiBatch(ctx context.Context, h apiHub, body []byte) ([]byte, error) {
	var q struct {
		Commands []map[string]json.RawMessage `json:"commands"`
		Parallel bool                         `json:"parallel"`
	}
	if err := decodeStrict("batch", body, &q); err != nil {
		return nil, err
	}
	if n := len(q.Commands); n == 0 || n > apiMaxCommands {
		return nil, hub.Errorf(hub.CodeBadRequest, "batch: there are %d commands: give 1 to %d", n, apiMaxCommands)
	}
	b := []byte(`{"replies":[`)
	for _, c := range q.Commands {
		b = append(appendComma(b), '{')
		method, result, err := apiCommand(ctx, h, c, len(b))
		if err == nil {
			b = append(appendKey(b, method), result...)
		} else {
			b = appendAPIError(b, err)
		}
		b = append(b, '}')
	}
	return append(b, "]}"...), nil
}

// apiCommand does one command of a batch whose replies so far have size bytes.
func apiCommand(ctx context.Context, h apiHub, c map[string]json.RawMessage, size int) (method string, result []byte, err error) {
	if len(c) != 1 {
		return "", nil, hub.Errorf(hub.CodeBadRequest, "batch: a command is an object with one member, its method: this has %d", len(c))
	}
	if size > apiBatchBytes {
		return "", nil, hub.Errorf(hub.CodeLimit, "batch: the replies take over %d bytes: this command was not done", apiBatchBytes)
	}
	for method = range c { // the only one
	}
	result, err = callAPI(ctx, h, method, c[method])
	return method, result, err
}
