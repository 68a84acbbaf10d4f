package dialect

import (
	"context"
	"encoding/json"
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

// apiMethods are the methods of the server API but for batch, which calls them.
// Each returns its result as JSON on one line.
var apiMethods = map[string]func(context.Context, *hub.Hub, []byte) ([]byte, error){
	"publish":        apiPublish,
	"broadcast":      apiBroadcast,
	"history":        apiHistory,
	"history_remove": apiHistoryRemove,
	"presence":       apiPresence,
	"presence_stats": apiPresenceStats,
	"channels":       apiChannels,
	"info":           apiInfo,
	"unsubscribe":    apiUnsubscribe,
	"disconnect":     apiDisconnect,
	"subscribe":      apiNotAvailable("subscribe: clients subscribe themselves here"),
	"refresh":        apiNotAvailable("refresh: connections do not expire here"),
	"rpc":            apiNotAvailable("rpc: this hub offers no methods to servers"),
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
// It blocks on the engine for each publication. Unlike Centrifugo it refuses
// members of a request that it does not know, so that a misspelt wish is not lost.
func ServerAPI(ctx context.Context, h *hub.Hub, method string, body []byte) (reply []byte, err error) {
	if method == "batch" {
		reply, err = apiBatch(ctx, h, body)
	} else if reply, err = callAPI(ctx, h, method, body); err == nil {
		reply = append(append([]byte(`{"result":`), reply...), '}')
	}
	if err != nil {
		return ServerAPIError(err), hub.ErrorOf(err)
	}
	return reply, nil
}

// ServerAPIError is the whole answer to a call that failed with err.
func ServerAPIError(err error) []byte { return append(appendAPIError([]byte{'{'}, err), '}') }

func callAPI(ctx context.Context, h *hub.Hub, method string, body []byte) ([]byte, error) {
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
func apiNotAvailable(text string) func(context.Context, *hub.Hub, []byte) ([]byte, error) {
	return func(context.Context, *hub.Hub, []byte) ([]byte, error) {
		return nil, hub.Errorf(hub.CodeNotAvailable, "%s", text)
	}
}

// apiPublication is what publish and broadcast have in common.
type apiPublication struct {
	Data           json.RawMessage   `json:"data"`
	SkipHistory    bool              `json:"skip_history"`
	Tags           map[string]string `json:"tags"`
	Delta          bool              `json:"delta"` // saves traffic only, so ignoring it loses nothing
	B64Data        string            `json:"b64data"`
	IdempotencyKey string            `json:"idempotency_key"`
	Version        uint64            `json:"version"`
	VersionEpoch   string            `json:"version_epoch"`
}

// notAvailable names a member that asks for what this hub does not do, or "".
func (q *apiPublication) notAvailable() string {
	switch {
	case q.B64Data != "":
		return "b64data"
	case q.IdempotencyKey != "":
		return "idempotency_key"
	case q.Version != 0 || q.VersionEpoch != "":
		return "version"
	}
	return ""
}

// message returns what is to be published, without its channel.
func (q *apiPublication) message(method string) (hub.Message, error) {
	if name := q.notAvailable(); name != "" {
		return hub.Message{}, hub.Errorf(hub.CodeNotAvailable, "%s: %q is not available here: leave it out", method, name)
	}
	size := 0
	for key, value := range q.Tags {
		size += len(key) + len(value)
	}
	if len(q.Tags) > apiMaxTags || size > apiTagsBytes {
		return hub.Message{}, hub.Errorf(hub.CodeTooLarge, "%s: there are %d tags of %d bytes: at most %d of %d bytes are allowed",
			method, len(q.Tags), size, apiMaxTags, apiTagsBytes)
	}
	data, err := checkData(method, q.Data)
	return hub.Message{Data: data, Tags: q.Tags}, err
}

// publish publishes m to a channel and appends the result.
func (q *apiPublication) publish(ctx context.Context, h *hub.Hub, b []byte, m hub.Message, channel string) ([]byte, error) {
	m.Channel = channel
	if _, err := h.Publish(ctx, &m, hub.PublishOptions{Live: q.SkipHistory}); err != nil {
		return b, err
	}
	b = append(b, '{')
	if m.Position.Seq != 0 {
		b = appendPosition(b, m.Position.Epoch, m.Position.Seq)
	}
	b = appendKey(b, "id")
	b = appendString(b, m.ID)
	return append(b, '}'), nil
}

func apiPublish(ctx context.Context, h *hub.Hub, body []byte) ([]byte, error) {
	var q struct {
		channelRequest
		apiPublication
	}
	if err := decodeStrict("publish", body, &q); err != nil {
		return nil, err
	}
	m, err := q.message("publish")
	if err != nil {
		return nil, err
	}
	return q.publish(ctx, h, nil, m, q.Channel)
}

// apiBroadcast publishes to several channels, one after the other; one that
// fails does not stop the others.
func apiBroadcast(ctx context.Context, h *hub.Hub, body []byte) ([]byte, error) {
	var q struct {
		Channels []string `json:"channels"`
		apiPublication
	}
	if err := decodeStrict("broadcast", body, &q); err != nil {
		return nil, err
	}
	if n := len(q.Channels); n == 0 || n > apiMaxChannels {
		return nil, hub.Errorf(hub.CodeBadRequest, "broadcast: there are %d channels: give 1 to %d", n, apiMaxChannels)
	}
	m, err := q.message("broadcast")
	if err != nil {
		return nil, err
	}
	b := []byte(`{"responses":[`)
	for _, channel := range q.Channels {
		b = append(appendComma(b), '{')
		if next, err := q.publish(ctx, h, appendKey(b, "result"), m, channel); err == nil {
			b = next
		} else {
			b = appendAPIError(b, err)
		}
		b = append(b, '}')
	}
	return append(b, "]}"...), nil
}

func apiHistory(ctx context.Context, h *hub.Hub, body []byte) ([]byte, error) {
	var q historyRequest
	if err := decodeStrict("history", body, &q); err != nil {
		return nil, err
	}
	return q.read(ctx, h, apiMaxHistory, apiHistoryBytes)
}

func apiHistoryRemove(ctx context.Context, h *hub.Hub, body []byte) ([]byte, error) {
	var q channelRequest
	if err := decodeStrict("history_remove", body, &q); err != nil {
		return nil, err
	}
	return emptyResult, h.RemoveHistory(ctx, q.Channel)
}

func apiPresence(ctx context.Context, h *hub.Hub, body []byte) ([]byte, error) {
	clients, err := apiClients(ctx, h, "presence", body)
	return appendPresence(nil, clients), err
}

func apiPresenceStats(ctx context.Context, h *hub.Hub, body []byte) ([]byte, error) {
	clients, err := apiClients(ctx, h, "presence_stats", body)
	return appendPresenceStats(nil, clients), err
}

func apiClients(ctx context.Context, h *hub.Hub, method string, body []byte) ([]hub.Client, error) {
	var q channelRequest
	if err := decodeStrict(method, body, &q); err != nil {
		return nil, err
	}
	return h.Presence(ctx, q.Channel)
}

// apiChannels takes a pattern of the hub's own kind, with * and >.
func apiChannels(ctx context.Context, h *hub.Hub, body []byte) ([]byte, error) {
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

func apiInfo(ctx context.Context, h *hub.Hub, body []byte) ([]byte, error) {
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
