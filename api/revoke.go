package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"fanfold/api/access"
	"fanfold/api/dialect"
	"fanfold/hub"

	"github.com/gin-gonic/gin"
)

// revokedKind is the kind of the engine's records that are revocations.
const revokedKind = "revoked"

// apiHub is the hub as the sender of a call of the server API may use it.
func (a *API) apiHub(c *gin.Context) dialect.APIHub {
	h := dialect.APIHub{Actor: a.actor(c), Now: time.Now()}
	if a.revocations() != nil {
		h.Revoke = a.revoke
	}
	return h
}

// revocations are the tokens that do not count any more; nil: there are no tokens.
func (a *API) revocations() *access.Revocations {
	if a.config.Access == nil || a.config.Access.Tokens == nil {
		return nil
	}
	return a.config.Access.Revoked
}

// hearRevocations takes over what was revoked before the hub was started, and
// from now on what other nodes revoke.
func (a *API) hearRevocations(ctx context.Context) (err error) {
	a.deafen = func() {}
	list := a.revocations()
	if list == nil {
		return nil
	}
	stop, err := a.config.Hub.Records(ctx, revokedKind, func(record []byte) {
		var r access.Revocation
		err := json.Unmarshal(record, &r)
		if err == nil {
			err = list.Add(r)
		}
		if err != nil {
			a.config.Logger.Error("a revocation can't be obeyed", "error", err)
			return
		}
		a.config.Hub.Recheck()
	})
	if err != nil {
		return fmt.Errorf("load what tokens were revoked: %w", err)
	}
	a.deafen = sync.OnceFunc(stop)
	return nil
}

// revoke takes tokens back: on this node before anything else, so that an error
// never leaves more allowed than before; then for all nodes and the time after a restart. It
// returns how many connections that has ended here.
func (a *API) revoke(ctx context.Context, actor *hub.Actor, wanted dialect.Revocation) (disconnected int, err error) {
	if err := actor.CheckAdmin("revoke"); err != nil {
		return 0, err
	}
	r := access.Revocation{TokenID: wanted.TokenID, User: wanted.User, Before: wanted.Before.UTC(), Until: wanted.Until.UTC()}
	var ttl time.Duration
	if !r.Until.IsZero() {
		if ttl = time.Until(r.Until); ttl <= 0 {
			return 0, hub.Errorf(hub.CodeBadRequest, `revoke: "until" is over already, so there is nothing left to revoke`)
		}
	}
	if err := a.revocations().Add(r); err != nil {
		return 0, err
	}
	disconnected = a.config.Hub.Recheck()
	record, err := json.Marshal(r)
	if err != nil {
		return disconnected, err
	}
	a.config.Logger.Info("tokens were revoked", "token", r.TokenID, "user", r.User, "before", r.Before, "by", actor.Principal().Name, "disconnected", disconnected)
	return disconnected, actor.Record(ctx, revokedKind, recordID(r), record, ttl)
}

// recordID is another for each token, user and pair of times: a revocation never
// takes the place of one that is stricter.
func recordID(r access.Revocation) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %d %d", r.TokenID, r.User, r.Before.UnixNano(), r.Until.UnixNano()))
	return hex.EncodeToString(sum[:])
}
