package access

import (
	"context"
	"net/http"

	"fanfold/hub"
)

// Authenticator finds out who asks. Nil fields accept nothing of their kind. It
// is static.
type Authenticator struct {
	Tokens  *Verifier
	Keys    *APIKeys
	Revoked *Revocations
	Cookie  string // that may hold a token; "": none
	// Anonymous is who comes without any credential; nil: nobody may.
	Anonymous *hub.Principal
	// Guard stands before every credential; nil: each is verified.
	Guard Guard
}

// Guard calls verify, to find out whose a secret is, or returns an error instead: somebody has
// come with too many that were wrong. ctx is that of the request or of the frame.
type Guard func(ctx context.Context, secret string, verify func() (*hub.Principal, error)) (*hub.Principal, error)

func (a *Authenticator) guarded(ctx context.Context, secret string, verify func() (*hub.Principal, error)) (*hub.Principal, error) {
	if a.Guard == nil {
		return verify()
	}
	return a.Guard(ctx, secret, verify)
}

// Request returns who sent a request, and what it presented: the zero Credential
// for Anonymous. The error is a [Refusal], or the Guard's. It blocks only while keys are fetched.
func (a *Authenticator) Request(ctx context.Context, r *http.Request) (*hub.Principal, Credential, error) {
	c, ok, err := FromRequest(r, a.Cookie)
	if err != nil {
		return nil, Credential{}, err
	}
	if !ok {
		if a.Anonymous == nil {
			return nil, Credential{}, a.missing()
		}
		return a.Anonymous, Credential{}, nil
	}
	p, err := a.guarded(ctx, c.Secret(), func() (*hub.Principal, error) { return a.credential(ctx, c) })
	return p, c, err
}

// missing says what to send.
func (a *Authenticator) missing() error {
	switch {
	case a.Tokens == nil:
		return refuse(CheckCredential, "a key is needed: send it as X-API-Key")
	case a.Keys == nil:
		return refuse(CheckCredential, "a token is needed: send it as Authorization: Bearer")
	}
	return refuse(CheckCredential, "a token or key is needed: send it as Authorization: Bearer")
}

func (a *Authenticator) credential(ctx context.Context, c Credential) (*hub.Principal, error) {
	if !c.Key {
		return a.token(ctx, c.Secret())
	}
	if a.Keys == nil {
		return nil, refuse(CheckCredential, "this server has no keys configured")
	}
	return a.Keys.Principal(c.Secret())
}

// Token returns who the bearer of a connection's token or a key is. The error is
// a [Refusal], or the Guard's. It blocks only while keys are fetched.
func (a *Authenticator) Token(ctx context.Context, token string) (*hub.Principal, error) {
	return a.guarded(ctx, token, func() (*hub.Principal, error) { return a.token(ctx, token) })
}

func (a *Authenticator) token(ctx context.Context, token string) (*hub.Principal, error) {
	switch {
	case IsKey(token) && a.Keys != nil:
		return a.Keys.Principal(token)
	case a.Tokens == nil:
		return nil, refuse(CheckCredential, "this server takes no tokens: it has no key to verify them with")
	}
	p, err := a.Tokens.Connection(ctx, token)
	if err != nil {
		return nil, err
	}
	if err := a.check(p); err != nil {
		return nil, err
	}
	return p, nil
}

// Subscription verifies the token of p's subscription; see
// [Verifier.Subscription]. The error may also be the Guard's.
func (a *Authenticator) Subscription(ctx context.Context, token string, p *hub.Principal, client, channel string) (*Subscription, error) {
	if a.Tokens == nil {
		return nil, refuse(CheckCredential, "this server takes no tokens: it has no key to verify them with")
	}
	var s *Subscription
	_, err := a.guarded(ctx, token, func() (_ *hub.Principal, err error) {
		if s, err = a.Tokens.Subscription(ctx, token, p, client, channel); err != nil {
			return nil, err
		}
		return p, a.check(s.Principal)
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (a *Authenticator) check(p *hub.Principal) error {
	if a.Revoked == nil {
		return nil
	}
	return a.Revoked.Check(p)
}
