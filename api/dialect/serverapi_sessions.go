package dialect

import (
	"context"
	"encoding/json"
	"time"

	"fanfold/hub"
)

// apiSubscribe subscribes a user's connections, or one client, to a channel from
// the present on, until they end; data comes to them with the news of it.
func apiSubscribe(ctx context.Context, h APIHub, body []byte) ([]byte, error) {
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
func apiRefresh(_ context.Context, h APIHub, body []byte) ([]byte, error) {
	var q struct {
		apiTarget
		Expired  bool  `json:"expired"`
		ExpireAt int64 `json:"expire_at"` // seconds since 1970; 0: never
	}
	if err := decodeStrict("refresh", body, &q); err != nil {
		return nil, err
	}
	if q.ExpireAt < 0 || q.ExpireAt > maxUnix {
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
