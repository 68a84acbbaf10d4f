package dialect

import (
	"context"
	"time"

	"fanfold/hub"
)

// Tokens finds out who presents a token in a frame. An error says to the client
// why not: an [hub.Error] of [hub.CodeExpired] if a new token would be accepted, of
// [hub.CodeUnauthenticated], or of [hub.CodeUnavailable] if that can't be told now. Whoever
// implements it logs what it refuses.
type Tokens interface {
	// Connection returns who the bearer of a connection's token is. client is for the log.
	Connection(ctx context.Context, token, client string) (*hub.Principal, error)
	// Subscription returns what the token of p's subscription to a channel or pattern
	// allows on the connection with a client ID: its grant covers that channel, and its
	// Info is what others see in it.
	Subscription(ctx context.Context, token string, p *hub.Principal, client, channel string) (*hub.Principal, error)
}

// expiryGrace is how long after a token's time a client may bring the next one,
// and go on as before. It is told to do so when that time is over, and may have to ask
// somebody for it.
const expiryGrace = 25 * time.Second

// withGrace is who with that much more time.
func withGrace(who *hub.Principal) *hub.Principal {
	if who.Expires.IsZero() {
		return who
	}
	p := *who
	p.Expires = p.Expires.Add(expiryGrace)
	return &p
}

// appendTTL appends when to come with a new token, if ever.
func (d *Centrifuge) appendTTL(b []byte, expires time.Time) []byte {
	if expires.IsZero() {
		return b
	}
	left := expires.Sub(d.config.Now())
	seconds := max(1, (left+time.Second-1)/time.Second) // 0 would mean: at once, again and again
	b = appendTrue(b, "expires", true)
	return appendNumber(b, "ttl", int(seconds))
}

// bearer is who a connection's token belongs to.
func (p *centrifugePeer) bearer(ctx context.Context, token string) (*hub.Principal, error) {
	tokens := p.dialect.config.Tokens
	if tokens == nil {
		return nil, errNoTokens
	}
	return tokens.Connection(ctx, token, p.session.Client().ID)
}

// subscriber is what the token of the client's subscription allows.
func (p *centrifugePeer) subscriber(ctx context.Context, token, channel string) (*hub.Principal, error) {
	tokens := p.dialect.config.Tokens
	if tokens == nil {
		return nil, errNoTokens
	}
	return tokens.Subscription(ctx, token, p.session.Principal(), p.session.Client().ID, channel)
}

var errNoTokens = hub.Errorf(hub.CodeUnauthenticated, "this hub has no token keys configured: come without a token")

// refuse closes the connection of a client whose token is not good and never will
// be. Any other error is one to reply with.
func (p *centrifugePeer) refuse(err error) error {
	e := hub.ErrorOf(err)
	if e.Code != hub.CodeUnauthenticated {
		return err
	}
	p.close(closeInvalidToken, "invalid token: "+e.Message)
	return nil
}

type refreshRequest struct {
	Channel string `json:"channel"` // of sub_refresh
	Token   string `json:"token"`
}

func (q *refreshRequest) decode(c command) error {
	if err := c.decode(q); err != nil {
		return err
	}
	if q.Token == "" {
		return hub.Errorf(hub.CodeBadRequest, "%s: there is no token", c.method)
	}
	return nil
}

// refresh puts a new token in the place of the connection's. Subscriptions that
// only the old one allowed end.
func (p *centrifugePeer) refresh(ctx context.Context, c command) error {
	var q refreshRequest
	if err := q.decode(c); err != nil {
		return err
	}
	who, err := p.bearer(ctx, q.Token)
	if err != nil {
		return p.refuse(err)
	}
	if me := p.session.Client(); who.User != me.User {
		err := hub.Errorf(hub.CodeUnauthenticated, "the token is for the user (sub) %.64q, but the connection is that of %.64q", who.User, me.User)
		p.dialect.config.Logger.Warn("token refused", "user", me.User, "client", me.ID, "reason", err.Message)
		return p.refuse(err)
	}
	p.session.Renew(withGrace(who))
	b := appendKey([]byte{'{'}, "client")
	b = appendString(b, p.session.Client().ID)
	b = appendKey(b, "version")
	b = appendString(b, p.dialect.config.Version)
	b = p.dialect.appendTTL(b, who.Expires)
	return p.reply(c, append(b, '}'))
}

// subRefresh puts a new token in the place of a subscription's.
func (p *centrifugePeer) subRefresh(ctx context.Context, c command) error {
	var q refreshRequest
	if err := q.decode(c); err != nil {
		return err
	}
	name := cutText(q.Channel, hub.MaxChannelBytes)
	if !p.session.Subscribed(q.Channel) {
		return hub.Errorf(hub.CodeDenied, "sub_refresh: not subscribed to %q", name)
	}
	who, err := p.subscriber(ctx, q.Token, q.Channel)
	if err != nil {
		return p.refuse(err)
	}
	if !p.session.RenewSubscription(q.Channel, withGrace(who)) {
		return hub.Errorf(hub.CodeNotAvailable, "sub_refresh: the subscription to %q was made without a token: it lasts as long as the connection", name)
	}
	return p.reply(c, append(p.dialect.appendTTL([]byte{'{'}, who.Expires), '}'))
}
