package gallery

import (
	"context"
	"encoding/json"

	"fanfold/hub"
)

// settle says of each analysis that the hub's last run left behind that it is gone.
func (a *analyses) settle(ctx context.Context) {
	page, err := a.Client.History(ctx, hub.Query{Channel: analysisChannel, Limit: 100, Reverse: true})
	if err != nil {
		if ctx.Err() == nil {
			a.Logger.Warn("the list of analyses can't be read", "error", err)
		}
		return
	}
	for _, m := range page.Messages {
		var e analysisEntry
		if json.Unmarshal(m.Data, &e) != nil || e.State != stateWaiting && e.State != stateWorking {
			continue
		}
		if _, err := a.find(e.ID); err == nil {
			continue // started since
		}
		if err := a.bury(ctx, e); err != nil && ctx.Err() == nil {
			a.Logger.Warn("the end of an analysis is not published", "analysis", e.ID, "error", err)
		}
	}
}

// bury publishes the last part of an analysis that nobody works on, and its entry
// in the list.
func (a *analyses) bury(ctx context.Context, e analysisEntry) error {
	channel := analysisChannel + "." + e.ID
	if err := hub.CheckChannel(channel); err != nil {
		return err // somebody has published an entry of their own
	}
	var last struct {
		Part     int
		Progress float64
	}
	page, err := a.Client.History(ctx, hub.Query{Channel: channel, Limit: 1, Reverse: true})
	if err != nil {
		return err
	}
	for _, m := range page.Messages {
		if err := json.Unmarshal(m.Data, &last); err != nil {
			return err
		}
	}
	if _, err := a.Client.Send(ctx, channel, map[string]any{
		"part": last.Part + 1, "state": stateFailed, "progress": last.Progress, "reason": "the hub was stopped meanwhile; what it had found is still here",
	}); err != nil {
		return err
	}
	e.State = stateFailed
	return a.list(ctx, e)
}
