package access

import (
	"context"
	"slices"
	"time"

	"fanfold/hub"
)

// Connection returns who the bearer of a token is. The error is a [Refusal]. It
// blocks only while keys are fetched.
func (v *Verifier) Connection(ctx context.Context, token string) (*hub.Principal, error) {
	c, err := v.verify(ctx, token)
	if err != nil {
		return nil, err
	}
	if c.Channel != "" {
		return nil, c.refuse(CheckPurpose, "this is a token for a subscription to %q: a connection takes one without the claim channel", c.Channel)
	}
	return &hub.Principal{
		User:     c.Subject,
		Name:     c.Subject,
		Info:     c.Info,
		Grant:    v.config.Grant.With(c.Grant).With(hub.Grant{Subscribe: c.Channels}),
		Channels: c.Channels,
		Expires:  v.expires(c),
		TokenID:  c.ID,
		IssuedAt: c.IssuedAt,
	}, nil
}

// Subscription is what a subscription's token allows: to subscribe to the
// channel that it was asked for.
type Subscription struct {
	Info    []byte    // JSON that others see in this channel; nil: none
	Expires time.Time // zero: never
	// Principal has what revocations look at, and a grant to subscribe to the channel.
	Principal *hub.Principal
}

// Subscription verifies a token for p's subscription to a channel or pattern, on
// the connection with a client ID. The error is a [Refusal]. It blocks only while keys are
// fetched.
func (v *Verifier) Subscription(ctx context.Context, token string, p *hub.Principal, client, channel string) (*Subscription, error) {
	c, err := v.verify(ctx, token)
	if err != nil {
		return nil, err
	}
	switch {
	case c.Channel == "":
		return nil, c.refuse(CheckPurpose, "this is a token for a connection: a subscription's has the claim channel")
	case c.Channel != channel:
		return nil, c.refuse(CheckPurpose, "the token is for the channel %q, not for %.255q", c.Channel, channel)
	case c.Subject != p.User:
		return nil, c.refuse(CheckPurpose, "the token is for the user (sub) %q, but the connection is that of %q", c.Subject, p.User)
	case c.Client != "" && c.Client != client:
		return nil, c.refuse(CheckPurpose, "the token is for another connection of the user than this one (client)")
	}
	return &Subscription{Info: c.Info, Expires: v.expires(c), Principal: &hub.Principal{
		User: c.Subject, Name: c.Subject, Grant: hub.Grant{Subscribe: []string{channel}},
		Expires: v.expires(c), TokenID: c.ID, IssuedAt: c.IssuedAt,
	}}, nil
}

// expires is when a token is refused from, by this verifier's clock.
func (v *Verifier) expires(c *Claims) time.Time {
	if c.Expires.IsZero() {
		return time.Time{}
	}
	return c.Expires.Add(v.config.Leeway)
}

// refuse is for a token whose signature is good.
func (c *Claims) refuse(check Check, format string, args ...any) *Refusal {
	r := refuse(check, format, args...)
	r.Subject, r.TokenID = c.Subject, c.ID
	return r
}

// Finding is the outcome of one [Check].
type Finding struct {
	Check Check
	OK    bool
	// Skipped: the check could not be made, because one before it failed.
	Skipped bool
	Text    string // what is in order, or why not
}

// Explanation is what [Explain] found out. Claims are as the token says
// them, whether or not it is to be believed.
type Explanation struct {
	Header, Payload []byte  // JSON; nil if it can't be read
	Claims          *Claims // nil if they can't be read
	Findings        []Finding
}

// OK reports whether the token would be accepted.
func (e *Explanation) OK() bool {
	return !slices.ContainsFunc(e.Findings, func(f Finding) bool { return !f.OK })
}

// Why is what the first check says that the token does not pass, or "".
func (e *Explanation) Why() string {
	for _, f := range e.Findings {
		if !f.OK {
			return f.Text
		}
	}
	return ""
}

// Explain makes every check of a connection's or subscription's token that can
// be made, for the eyes of whoever set up the keys: it tells about a token's claims even if
// its signature is wrong. c may be without keys, and is otherwise valid.
func Explain(ctx context.Context, c Config, token string) *Explanation {
	v := &Verifier{c.withClock()}
	e := &Explanation{}
	t := &examined{text: token}
	for _, s := range steps {
		if t.lacks(s.check) {
			e.Findings = append(e.Findings, Finding{Check: s.check, Skipped: true, Text: "not checked: what comes before it is wrong"})
			continue
		}
		says, err := s.run(v, ctx, t)
		if err != nil {
			says = err.Error()
		}
		e.Findings = append(e.Findings, Finding{Check: s.check, OK: err == nil, Text: says})
	}
	if t.jws != nil {
		e.Header, e.Payload = t.header, t.payload
	}
	e.Claims = t.claims
	return e
}

// lacks reports whether a check can't be made after what failed before it.
func (t *examined) lacks(check Check) bool {
	switch check {
	case CheckFormat:
		return false
	case CheckAlgorithm, CheckKey, CheckClaims:
		return t.jws == nil
	case CheckSignature:
		return len(t.candidates) == 0
	default:
		return t.claims == nil
	}
}
