package dialect

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"time"

	"fanfold/hub"
)

// Bounds of the server API.
const (
	apiMaxChannels  = 1000    // of one broadcast
	apiMaxHistory   = 1000    // publications of one answer; also for a negative limit
	apiHistoryBytes = 4 << 20 // of publications in one answer
	apiMaxTags      = 64      // of one publication
	apiTagsBytes    = 4 << 10 // of keys and values together
)

// APIHub is the hub as the sender of a request may use it.
type APIHub struct {
	*hub.Actor
	Now time.Time // the present, for delays
	// Revoke has tokens not count any more, and returns how many connections that has ended.
	// nil: there are none to revoke.
	Revoke func(context.Context, *hub.Actor, Revocation) (int, error)
}

// apiMethod returns its result as JSON on one line.
type apiMethod func(context.Context, APIHub, []byte) ([]byte, error)

// apiMethods are the methods of the server API but for batch, which calls them.
var apiMethods = map[string]apiMethod{
	"publish":         apiPublish,
	"broadcast":       apiBroadcast,
	"history":         apiHistory,
	"history_remove":  apiHistoryRemove,
	"presence":        apiPresence,
	"presence_stats":  apiPresenceStats,
	"channels":        apiChannels,
	"info":            apiInfo,
	"unsubscribe":     apiUnsubscribe,
	"disconnect":      apiDisconnect,
	"subscribe":       apiSubscribe,
	"schedules":       apiSchedules,
	"schedule_cancel": apiScheduleCancel,
	"message_delete":  apiMessageDelete,
	"message_clear":   apiMessageClear,
	"revoke":          apiRevoke,
	"refresh":         apiRefresh,
	"rpc":             apiNotAvailable("rpc: this hub offers no methods to servers"),
}

// ServerAPI answers a request of Centrifugo's server API: the JSON body of a
// POST to /api/<method>. The answer is one line of JSON:
//
//	{"result":{…}}                                  done
//	{"error":{"code":107,"message":"…"}}            not done
//	{"replies":[{"publish":{…}},{"error":{…}},…]}   batch, a reply for each command
//
// The reply is the whole answer in each case. err repeats an error in it, for
// the HTTP status and the log: a [hub.Error], with [hub.CodeUnknownMethod] if there is no
// such method. It is nil if commands in a batch or broadcast failed, each of which says so.
//
// It blocks until the engine has answered for all publications. Unlike Centrifugo it refuses
// members of a request that it does not know, so that a misspelt wish is not lost.
//
// Beyond Centrifugo's own it has the members of apiPublication that say so, and the
// methods schedules {channel, after, limit}, schedule_cancel {id, channel}, message_delete and
// message_clear {channel, sequence_id, exclude_client}, and revoke {token_id, until} or
// {user, before, until}.
func ServerAPI(ctx context.Context, h APIHub, method string, body []byte) (reply []byte, err error) {
	if method == "batch" {
		reply, err = apiBatch(ctx, h, body)
	} else if reply, err = callAPI(ctx, h, method, body); err == nil {
		reply = append(append([]byte(`{"result":`), reply...), '}')
	}
	if err != nil {
		return ServerAPIError(err), err
	}
	return reply, nil
}

// ServerAPIError is the whole answer to a call that failed with err.
func ServerAPIError(err error) []byte { return append(appendAPIError([]byte{'{'}, err), '}') }

func callAPI(ctx context.Context, h APIHub, method string, body []byte) ([]byte, error) {
	call, ok := apiMethods[method]
	if !ok {
		return nil, hub.Errorf(hub.CodeUnknownMethod, "there is no method %q here", cutText(method, 80))
	}
	return call(ctx, h, body)
}

// appendAPIError appends the member error to an object.
func appendAPIError(b []byte, err error) []byte {
	e := wireErrorOf(err)
	b = appendKey(b, "error")
	b = append(b, '{')
	b = appendNumber(b, "code", e.code)
	b = appendKey(b, "message")
	b = appendString(b, e.message)
	return append(b, '}')
}

// apiNotAvailable is a method of Centrifugo's that this hub does not have.
func apiNotAvailable(text string) apiMethod {
	return func(context.Context, APIHub, []byte) ([]byte, error) {
		return nil, hub.Errorf(hub.CodeNotAvailable, "%s", text)
	}
}

func apiHistory(ctx context.Context, h APIHub, body []byte) ([]byte, error) {
	var q historyRequest
	if err := decodeStrict("history", body, &q); err != nil {
		return nil, err
	}
	return q.read(ctx, h.Actor, apiMaxHistory, apiHistoryBytes)
}

func apiHistoryRemove(ctx context.Context, h APIHub, body []byte) ([]byte, error) {
	var q channelRequest
	if err := decodeStrict("history_remove", body, &q); err != nil {
		return nil, err
	}
	return emptyResult, h.RemoveHistory(ctx, q.Channel)
}

func apiPresence(ctx context.Context, h APIHub, body []byte) ([]byte, error) {
	clients, err := apiClients(ctx, h, "presence", body)
	return appendPresence(nil, clients), err
}

func apiPresenceStats(ctx context.Context, h APIHub, body []byte) ([]byte, error) {
	clients, err := apiClients(ctx, h, "presence_stats", body)
	return appendPresenceStats(nil, clients), err
}

func apiClients(ctx context.Context, h APIHub, method string, body []byte) ([]hub.Client, error) {
	var q channelRequest
	if err := decodeStrict(method, body, &q); err != nil {
		return nil, err
	}
	return h.Presence(ctx, q.Channel)
}

// apiChannels takes a pattern of the hub's own kind, with * and >.
func apiChannels(ctx context.Context, h APIHub, body []byte) ([]byte, error) {
	var q struct {
		Pattern string `json:"pattern"`
	}
	if err := decodeStrict("channels", body, &q); err != nil {
		return nil, err
	}
	channels, err := h.Channels(ctx, q.Pattern)
	if err != nil {
		return nil, err
	}
	b := []byte(`{"channels":{`)
	for _, name := range slices.Sorted(maps.Keys(channels)) {
		b = appendString(appendComma(b), name)
		b = append(b, `:{"num_clients":`...)
		b = strconv.AppendInt(b, int64(channels[name]), 10)
		b = append(b, '}')
	}
	return append(b, "}}"...), nil
}

func apiInfo(ctx context.Context, h APIHub, body []byte) ([]byte, error) {
	if err := decodeStrict("info", body, &struct{}{}); err != nil {
		return nil, err
	}
	info, err := h.Info(ctx)
	if err != nil {
		return nil, err
	}
	b := []byte(`{"nodes":[{"uid":`)
	b = appendString(b, info.ID)
	b = appendKey(b, "name")
	b = appendString(b, info.Name)
	b = appendKey(b, "version")
	b = appendString(b, info.Version)
	b = appendNumber(b, "num_clients", info.Sessions)
	b = appendNumber(b, "num_users", info.Users)
	b = appendNumber(b, "num_channels", info.Channels)
	b = appendNumber(b, "uptime", int(info.Uptime/time.Second))
	return append(b, "}]}"...), nil
}

// ServerMethods are the names of all methods, in order.
func ServerMethods() []string {
	return append(slices.Sorted(maps.Keys(apiMethods)), "batch")
}
