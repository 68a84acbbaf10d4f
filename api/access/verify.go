package access

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"fanfold/hub"
)

// Config of a [Verifier].
type Config struct {
	Keys   []*Key      // that tokens may be signed with
	Remote *RemoteKeys // more of them; nil: none. Somebody should Run it.
	// Audience and Issuer are what a token must be for, one of them, and from. Empty:
	// whatever it says.
	Audience []string
	Issuer   string
	// Leeway is how far the clocks of who signs and who verifies may differ.
	Leeway time.Duration
	// Grant is what the bearer of any good token may do, beside what it says.
	Grant hub.Grant
	// Now is the clock; nil: [time.Now].
	Now func() time.Time
}

// DefaultConfig is a Config without keys.
func DefaultConfig() Config { return Config{Leeway: 30 * time.Second} }

// Validate says which field can't be used.
func (c Config) Validate() error {
	switch {
	case len(c.Keys) == 0 && c.Remote == nil:
		return errors.New("access: there is no key to verify tokens with")
	case len(c.Keys) > maxKeys:
		return errors.New("access: there are too many keys")
	case c.Leeway < 0 || c.Leeway > time.Hour:
		return errors.New("access: the leeway must be from 0 to an hour")
	}
	return c.Grant.Validate()
}

// Verifier says whose a token is, or why it refuses it. It is static.
type Verifier struct{ config Config }

// NewVerifier returns a verifier.
func NewVerifier(c Config) (*Verifier, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return &Verifier{c.withClock()}, nil
}

func (c Config) withClock() Config {
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// examined is a token on its way through the checks.
type examined struct {
	*jws
	text       string
	candidates []*Key  // that may have signed it
	claims     *Claims // nil before CheckClaims
}

// step is one check: says is what is in order.
type step struct {
	check Check
	run   func(v *Verifier, ctx context.Context, t *examined) (says string, err error)
}

// steps are all checks of a token, in order.
var steps = []step{
	{CheckFormat, (*Verifier).checkFormat},
	{CheckAlgorithm, (*Verifier).checkAlgorithm},
	{CheckKey, (*Verifier).checkKey},
	{CheckSignature, (*Verifier).checkSignature},
	{CheckClaims, (*Verifier).checkClaims},
	{CheckExpiry, (*Verifier).checkExpiry},
	{CheckNotBefore, (*Verifier).checkNotBefore},
	{CheckAudience, (*Verifier).checkAudience},
	{CheckIssuer, (*Verifier).checkIssuer},
}

// verify returns what a good token says. The error is a [Refusal]. It blocks only
// while keys are fetched.
func (v *Verifier) verify(ctx context.Context, token string) (*Claims, error) {
	t := &examined{text: token}
	for _, s := range steps {
		if _, err := s.run(v, ctx, t); err != nil {
			return nil, t.sign(err)
		}
	}
	return t.claims, nil
}

// sign writes down whose token was refused, once that is known.
func (t *examined) sign(err error) error {
	if r, ok := errors.AsType[*Refusal](err); ok && t.claims != nil {
		r.Subject, r.TokenID = t.claims.Subject, t.claims.ID
	}
	return err
}

func (v *Verifier) checkFormat(_ context.Context, t *examined) (string, error) {
	var err error
	t.jws, err = parse(t.text)
	return "three parts, of which two are JSON objects", err
}

func (v *Verifier) checkAlgorithm(_ context.Context, t *examined) (string, error) {
	if !slices.Contains(Algorithms(), t.algorithm) {
		return "", refuse(CheckAlgorithm, "the algorithm %.32q is not allowed: use one of %s", t.algorithm, strings.Join(Algorithms(), ", "))
	}
	return t.algorithm, nil
}

// checkKey finds the keys that may have signed the token.
func (v *Verifier) checkKey(ctx context.Context, t *examined) (string, error) {
	if len(v.config.Keys) == 0 && v.config.Remote == nil {
		return "", refuse(CheckKey, "there is no key to check the signature with")
	}
	found := candidates(v.config.Keys, t.keyID)
	if v.config.Remote != nil {
		remote, err := v.config.Remote.find(ctx, t.keyID)
		if err != nil && len(found) == 0 {
			r := refuse(CheckKey, "tokens can't be checked now, because the keys for that can't be had: try again in a moment").as(hub.CodeUnavailable)
			r.cause = err
			return "", r
		}
		found = slices.Concat(found, remote)
	}
	if len(found) == 0 {
		return "", refuse(CheckKey, "the token's key ID (kid) %.64q is of no key that this server knows", t.keyID).detail("%s", v.knownIDs())
	}
	for _, key := range found {
		if slices.Contains(key.Algorithms, t.algorithm) {
			t.candidates = append(t.candidates, key)
		}
	}
	if len(t.candidates) == 0 {
		return "", refuse(CheckAlgorithm, "the algorithm %s is not one that this server's key is for: that is for %s", t.algorithm, strings.Join(algorithmsOfAll(found), ", "))
	}
	if len(t.candidates) == 1 {
		return t.candidates[0].String(), nil
	}
	return "several keys may have signed it", nil
}

// knownIDs is for the log: the IDs of keys are no secret, but nobody's business.
func (v *Verifier) knownIDs() string {
	keys := v.config.Keys
	if v.config.Remote != nil {
		keys = slices.Concat(keys, v.config.Remote.known())
	}
	var ids []string
	for _, key := range keys {
		ids = append(ids, key.ID)
	}
	return "known are " + quoted(ids)
}

// algorithmsOfAll returns what any of the keys is for, in the usual order.
func algorithmsOfAll(keys []*Key) []string {
	return slices.DeleteFunc(Algorithms(), func(algorithm string) bool {
		return !slices.ContainsFunc(keys, func(k *Key) bool { return slices.Contains(k.Algorithms, algorithm) })
	})
}

func (v *Verifier) checkSignature(_ context.Context, t *examined) (string, error) {
	if len(t.signature) == 0 {
		return "", refuse(CheckSignature, "the token has no signature")
	}
	for _, key := range t.candidates {
		if key.verify(t.algorithm, t.signed, t.signature) {
			return "made with " + key.String(), nil
		}
	}
	return "", refuse(CheckSignature, "the token's signature is not of this server's key: it was signed with another one, or changed since").
		detail("tried %d, algorithm %s, key ID %.64q", len(t.candidates), t.algorithm, t.keyID)
}

func (v *Verifier) checkClaims(_ context.Context, t *examined) (string, error) {
	var err error
	t.claims, err = readClaims(t.claimFields)
	return "those that count here can be read", err
}

func (v *Verifier) checkExpiry(_ context.Context, t *examined) (string, error) {
	expires, now := t.claims.Expires, v.config.Now()
	switch {
	case expires.IsZero():
		return "it never expires (no exp)", nil
	case !now.Before(expires.Add(v.config.Leeway)):
		return "", refuse(CheckExpiry, "the token expired %s ago, at %s: get a new one", span(now.Sub(expires)), moment(expires)).
			detail("the leeway is %v", v.config.Leeway).as(hub.CodeExpired)
	case !now.Before(expires):
		return "it expired " + span(now.Sub(expires)) + " ago, which is within the leeway", nil
	}
	return "it expires in " + span(expires.Sub(now)) + ", at " + moment(expires), nil
}

func (v *Verifier) checkNotBefore(_ context.Context, t *examined) (string, error) {
	from, now := t.claims.NotBefore, v.config.Now()
	if from.IsZero() {
		return "it is good from the beginning (no nbf)", nil
	}
	if now.Before(from.Add(-v.config.Leeway)) {
		return "", refuse(CheckNotBefore, "the token is not valid yet: it will be in %s, at %s; do the clocks differ?", span(from.Sub(now)), moment(from)).
			detail("the leeway is %v", v.config.Leeway)
	}
	return "it is good since " + moment(from), nil
}

func (v *Verifier) checkAudience(_ context.Context, t *examined) (string, error) {
	want, has := v.config.Audience, t.claims.Audience
	switch {
	case len(want) == 0:
		return "any, as none is configured", nil
	case len(has) == 0:
		return "", refuse(CheckAudience, "the token says no audience (aud): it must be %s", quoted(want))
	case !slices.ContainsFunc(has, func(a string) bool { return slices.Contains(want, a) }):
		return "", refuse(CheckAudience, "the token is for the audience %s, but this server is %s", quoted(has), quoted(want))
	}
	return "it is for " + quoted(has), nil
}

func (v *Verifier) checkIssuer(_ context.Context, t *examined) (string, error) {
	switch want, has := v.config.Issuer, t.claims.Issuer; {
	case want == "":
		return "any, as none is configured", nil
	case has == "":
		return "", refuse(CheckIssuer, "the token says no issuer (iss): it must be %q", want)
	case has != want:
		return "", refuse(CheckIssuer, "the token is from the issuer %q, but this server takes those from %q", has, want)
	default:
		return "it is from " + quoted([]string{has}), nil
	}
}
