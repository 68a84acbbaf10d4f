package api

import (
	"context"

	"fanfold/api/dialect"
	"fanfold/hub"
)

// frameTokens verifies tokens that come in a protocol's frames instead of a
// request, and logs what it refuses.
type frameTokens struct{ api *API }

var _ dialect.Tokens = frameTokens{}

// tokens returns nil if nobody is asked who they are.
func (a *API) tokens() dialect.Tokens {
	if a.config.Access == nil {
		return nil
	}
	return frameTokens{a}
}

// Connection implements [dialect.Tokens].
func (t frameTokens) Connection(ctx context.Context, token, client string) (*hub.Principal, error) {
	p, err := t.api.config.Access.Token(ctx, token)
	if err != nil {
		t.api.logRefusal(err, "for", "connection", "client", client)
	}
	return p, err
}

// Subscription implements [dialect.Tokens].
func (t frameTokens) Subscription(ctx context.Context, token string, p *hub.Principal, client, channel string) (*hub.Principal, error) {
	s, err := t.api.config.Access.Subscription(ctx, token, p, client, channel)
	if err != nil {
		t.api.logRefusal(err, "for", "subscription", "channel", channel, "client", client)
		return nil, err
	}
	who := *s.Principal
	who.Info = s.Info
	return &who, nil
}
