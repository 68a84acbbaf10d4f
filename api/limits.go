package api

import (
	"context"
	"errors"
	"net/http"

	"fanfold/api/dialect"
	"fanfold/api/limit"
	"fanfold/hub"

	"github.com/gin-gonic/gin"
)

// limitCodes are ntfy's codes of the limits.
var limitCodes = map[limit.Name]dialect.NtfyCode{
	limit.Connections:        dialect.NtfyUnavailable,
	limit.ConnectionsPerUser: dialect.NtfyTooManyTopics,
	limit.ConnectionsPerIP:   dialect.NtfyTooManyTopics,
	limit.Connects:           dialect.NtfyTooMany,
	limit.FailuresPerIP:      dialect.NtfyTooManyFailures,
	limit.PublishesPerKey:    dialect.NtfyTooMany,
	limit.PublishesPerUser:   dialect.NtfyTooMany,
	limit.PublishesPerIP:     dialect.NtfyTooMany,
	limit.BytesPerKey:        dialect.NtfyTooManyBytes,
	limit.BytesPerUser:       dialect.NtfyTooManyBytes,
	limit.BytesPerIP:         dialect.NtfyTooManyBytes,
}

// proxyHeaders are what proxies add to requests that they pass on.
var proxyHeaders = []string{"X-Forwarded-For", "Forwarded", "X-Real-Ip", "Via"}

// from is the account of where a request comes from: that of its network, if it is
// not this machine itself. Whatever runs there shares one address, and has other ways to do
// harm. A proxy there that is not trusted speaks for the world, so what bears the marks of
// one is charged, all of it together.
func (a *API) from(r *http.Request) limit.Account {
	who := a.caller(r)
	local := who.ip.IsLoopback()
	for _, name := range proxyHeaders {
		local = local && r.Header[name] == nil
	}
	if local {
		return limit.Account{}
	}
	return limit.Network(who.network())
}

// place is where a request or frame comes from, in its context.
type place struct {
	from  limit.Account
	lease *limit.Lease // of the connection that it came on; nil: it came on none
}

type placeKey struct{}

func (p place) within(ctx context.Context) context.Context {
	return context.WithValue(ctx, placeKey{}, p)
}

// guard is the [access.Guard]: it does not hear those who have failed too often,
// and gives the connection's place to whom it turns out to be.
func (a *API) guard(ctx context.Context, secret string, verify func() (*hub.Principal, error)) (*hub.Principal, error) {
	at, _ := ctx.Value(placeKey{}).(place)
	try, err := a.config.Limits.Try(at.from, secret)
	if err != nil {
		return nil, err
	}
	is := limit.Undecided
	defer func() { try.End(is) }()
	p, err := verify()
	is = outcome(err)
	if err == nil && at.lease != nil {
		err = at.lease.Move(limit.Of(p, at.from))
	}
	return p, err
}

// outcome is what became of a credential. Whoever comes with one that was good once
// does not guess.
func outcome(err error) limit.Outcome {
	switch {
	case err == nil:
		return limit.Accepted
	case hub.ErrorOf(err).Code == hub.CodeUnauthenticated:
		return limit.Wrong
	}
	return limit.Undecided
}

// connect takes a place for a connection of the visitor's. If there is none, it
// answers the request and returns nil.
func (a *API) connect(c *gin.Context) *limit.Lease {
	v := a.visitor(c)
	if isLimited(v.refused) {
		a.writeError(c, v.refused)
		return nil
	}
	lease, err := a.config.Limits.Connect(limit.Of(v.actor.Principal(), v.from))
	if err != nil {
		a.writeError(c, err)
		return nil
	}
	return lease
}

func isLimited(err error) bool {
	_, ok := errors.AsType[*limit.Refusal](err)
	return ok
}

// limited tells the client when to come back if err says that a limit was reached.
// It returns err with the limit's code.
func (a *API) limited(c *gin.Context, err error) error {
	refusal, ok := errors.AsType[*limit.Refusal](err)
	if !ok {
		return err
	}
	c.Header("Retry-After", refusal.RetryAfter())
	return &hub.Error{Code: hub.CodeBusy, Message: refusal.Message, Err: limitCodes[refusal.Limit]}
}
