package access

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"fanfold/hub"
)

// A token with everything comes out of each algorithm, and each form of its key, as
// it went in.
func TestEveryAlgorithmAndKeyForm(t *testing.T) {
	said := Claims{
		Subject: "anna", Issuer: "me", Audience: []string{"hub", "other"}, ID: "7",
		Expires: now.Add(time.Hour), NotBefore: now.Add(-time.Minute), IssuedAt: now.Add(-time.Second),
		Info: []byte(`{"name":"Anna <3"}`), Channels: []string{"news", "user.anna"},
		Grant: hub.Grant{Subscribe: []string{"a.>"}, Publish: []string{"{user}"}, Presence: []string{"*"}, History: []string{"b"}},
	}
	for kind := range signers() {
		k := privateKey(t, "", kind)
		forms := map[string][2][]byte{"jwk": {marshal(t, toJWK(t, "id", kind, true)), marshal(t, map[string]any{"keys": []any{toJWK(t, "x", "ES384", false), toJWK(t, "id", kind, false)}})}}
		if kind == "HS256" {
			forms["text"] = [2][]byte{[]byte(secret + "\n"), []byte(secret)}
		} else {
			forms["pem"] = [2][]byte{privatePEM(t, kind), publicPEM(t, kind)}
		}
		for form, files := range forms {
			private, public := must[[]*Key](t)(ParseKeys(files[0])), must[[]*Key](t)(ParseKeys(files[1]))
			v := newVerifier(t, public)
			for _, algorithm := range k.Algorithms {
				p, err := v.Connection(t.Context(), must[string](t)(Sign(private[0], algorithm, said)))
				if err != nil {
					t.Errorf("%s, %s: %v", algorithm, form, err)
					continue
				}
				text := fmt.Sprintf("%s %s %s %v %v %s %v %v", p.User, p.Name, p.Info, p.Grant, p.Channels, p.TokenID, p.IssuedAt.Equal(said.IssuedAt), p.Expires.Equal(said.Expires.Add(30*time.Second)))
				if want := `anna anna {"name":"Anna <3"} {[a.> news user.anna] [{user}] [*] [b] false} [news user.anna] 7 true true`; text != want {
					t.Errorf("%s, %s: got %s, want %s", algorithm, form, text, want)
				}
			}
			if _, err := Sign(public[len(public)-1], k.Algorithms[0], said); kind != "HS256" && (err == nil || !strings.Contains(err.Error(), "can only verify")) {
				t.Errorf("%s, %s: a public key signs: %v", kind, form, err)
			}
		}
	}
}

func TestExpiryTellsWhen(t *testing.T) {
	v := hmacVerifier(t)
	for ago, says := range map[time.Duration]string{
		30 * time.Second: "expired 30 s ago, at 2030-01-02T03:03:35Z: get a new one",
		3 * time.Minute:  "expired 3 min ago, at 2030-01-02T03:01:05Z",
		5 * time.Hour:    "expired 5 h ago",
		72 * time.Hour:   "expired 3 days ago",
	} {
		_, err := v.Connection(t.Context(), hs256(t, fmt.Sprintf(`{"sub":"anna","jti":"7","exp":%d}`, now.Add(-ago).Unix())))
		refused(t, err, CheckExpiry, hub.CodeExpired, says)
		if r, ok := errors.AsType[*Refusal](err); !ok || !r.Expired() || r.Subject != "anna" || r.TokenID != "7" {
			t.Errorf("got %+v", r)
		}
	}
	for _, exp := range []string{"0", "0.5", "1893553415.5"} { // 29.5 s and less are within the leeway, that is 29.5 s
		_, err := v.Connection(t.Context(), hs256(t, `{"exp":`+exp+`}`))
		if within := exp == "1893553415.5"; (err == nil) != within {
			t.Errorf("exp %s: %v", exp, err)
		}
	}
	// The principal's end is the moment from which the token is refused.
	p := must[*hub.Principal](t)(v.Connection(t.Context(), hs256(t, fmt.Sprintf(`{"exp":%d}`, now.Unix()))))
	late := hmacVerifier(t, func(c *Config) { c.Now = func() time.Time { return p.Expires } })
	_, err := late.Connection(t.Context(), hs256(t, fmt.Sprintf(`{"exp":%d}`, now.Unix())))
	refused(t, err, CheckExpiry, hub.CodeExpired)
	if p.Expired(p.Expires.Add(-1)) || !p.Expired(p.Expires) {
		t.Error("the principal and the verifier differ")
	}
}

func TestNotYetValidTellsWhen(t *testing.T) {
	v := hmacVerifier(t)
	_, err := v.Connection(t.Context(), hs256(t, fmt.Sprintf(`{"nbf":%d}`, now.Add(31*time.Second).Unix())))
	refused(t, err, CheckNotBefore, hub.CodeUnauthenticated, "not valid yet: it will be in 31 s, at 2030-01-02T03:04:36Z; do the clocks differ?")
	if _, err := v.Connection(t.Context(), hs256(t, fmt.Sprintf(`{"nbf":%d}`, now.Add(30*time.Second).Unix()))); err != nil {
		t.Errorf("within the leeway: %v", err)
	}
}

func TestAudienceAndIssuerAreCheckedIfConfigured(t *testing.T) {
	v := hmacVerifier(t, func(c *Config) { c.Audience, c.Issuer = []string{"hub", "hub2"}, "boss" })
	for payload, says := range map[string]string{
		`{"iss":"boss","aud":["x","hub2"]}`: "",
		`{"iss":"boss","aud":"hub"}`:        "",
		`{"iss":"boss"}`:                    `the token says no audience (aud): it must be "hub", "hub2"`,
		`{"iss":"boss","aud":[]}`:           "says no audience",
		`{"iss":"boss","aud":"hu"}`:         `the token is for the audience "hu", but this server is "hub", "hub2"`,
		`{"iss":"boss","aud":"HUB"}`:        `audience "HUB"`,
		`{"iss":"boss2","aud":"hub"}`:       `the token is from the issuer "boss2", but this server takes those from "boss"`,
		`{"aud":"hub"}`:                     `the token says no issuer (iss): it must be "boss"`,
	} {
		_, err := v.Connection(t.Context(), hs256(t, payload))
		switch {
		case says == "" && err != nil:
			t.Errorf("%s: %v", payload, err)
		case strings.Contains(says, "iss"):
			refused(t, err, CheckIssuer, hub.CodeUnauthenticated, says)
		case says != "":
			refused(t, err, CheckAudience, hub.CodeUnauthenticated, says)
		}
	}
	if _, err := hmacVerifier(t).Connection(t.Context(), hs256(t, `{"aud":"x","iss":"y"}`)); err != nil {
		t.Errorf("none is configured: %v", err)
	}
}

func TestUnknownKeyIDs(t *testing.T) {
	v := newVerifier(t, []*Key{privateKey(t, "old", "ES256"), privateKey(t, "new", "EdDSA")})
	_, err := v.Connection(t.Context(), must[string](t)(Sign(privateKey(t, "newer", "ES256"), "", Claims{})))
	refused(t, err, CheckKey, hub.CodeUnauthenticated, `key ID (kid) "newer" is of no key that this server knows`)
	if text := err.Error(); !strings.Contains(text, `known are "old", "new"`) {
		t.Errorf("the log is told %s", text)
	}
	_, err = v.Connection(t.Context(), must[string](t)(Sign(privateKey(t, "new", "ES256"), "", Claims{})))
	refused(t, err, CheckAlgorithm, hub.CodeUnauthenticated, "that is for EdDSA")
	for _, id := range []string{"", "old"} {
		if _, err := v.Connection(t.Context(), must[string](t)(Sign(privateKey(t, id, "ES256"), "", Claims{}))); err != nil {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func TestClaimsOfAWrongKindAreNamed(t *testing.T) {
	v := hmacVerifier(t)
	for payload, says := range map[string]string{
		`{"sub":42}`:     "sub must be a string, and is a number",
		`{"sub":null}`:   "sub must be a string, and is null",
		`{"sub":"a\nb"}`: "sub has control characters",
		`{"sub":"` + strings.Repeat("a", 256) + `"}`: "sub is 256 bytes long",
		`{"exp":"soon"}`:              "exp must be a number of seconds since 1970, and is a string",
		`{"exp":null}`:                "exp must be a number of seconds since 1970, and is null",
		`{"exp":1893553415000}`:       "exp is no time: it must be in seconds, not in milliseconds",
		`{"exp":1e999}`:               "exp must be a number",
		`{"iat":-1}`:                  "iat is no time",
		`{"nbf":true}`:                "nbf must be a number of seconds since 1970, and is true or false",
		`{"info":"x"}`:                "info must be an object, and is a string",
		`{"info":[1]}`:                "info must be an object, and is a list",
		`{"channels":"a"}`:            "channels must be a list of strings, and is a string",
		`{"channels":["a",null]}`:     "channels must be a list of strings, and is a list with something else in it",
		`{"channels":["a b"]}`:        "channels: the channel name \"a b\"",
		`{"subs":["a"]}`:              "subs must be an object",
		`{"subs":{"a b":{}}}`:         "channels: the channel name",
		`{"subscribe":[">.a"]}`:       "subscribe: the pattern",
		`{"publish":"news"}`:          "publish must be a list of strings, and is a string",
		`{"presence":[1]}`:            "presence must be a list",
		`{"history":["user-{user}"]}`: "history: the pattern",
		`{"aud":{"a":1}}`:             "aud must be a list of strings, and is an object",
		`{"channel":"a..b"}`:          "channel: the channel name",
		`{"iss":1}`:                   "iss must be a string",
		`{"jti":1}`:                   "jti must be a string",
	} {
		_, err := v.Connection(t.Context(), hs256(t, payload))
		refused(t, err, CheckClaims, hub.CodeUnauthenticated, "the token's claim "+says)
	}
	p, err := v.Connection(t.Context(), hs256(t, `{"info":null,"subscribe":null,"channels":null,"admin":true,"meta":{"x":1},"expire_at":5}`))
	if err != nil || p.Info != nil || p.Grant.Admin || p.Grant.Allows(hub.ActionSubscribe, "", "a") {
		t.Errorf("got %+v, %v", p, err)
	}
}

// Centrifuge's connection tokens may name channels as an object with options.
func TestCentrifugeConnectionTokens(t *testing.T) {
	p := must[*hub.Principal](t)(hmacVerifier(t).Connection(t.Context(), hs256(t, `{"sub":"anna","exp":1893553500,"info":{
		"name": "Anna"},"channels":["b"],"subs":{"c":{"data":{"x":1}},"a":{},"b":{}}}`)))
	if !slices.Equal(p.Channels, []string{"b", "a", "c"}) || string(p.Info) != `{"name":"Anna"}` {
		t.Errorf("got %q, %s", p.Channels, p.Info)
	}
	if p.Check(hub.ActionSubscribe, "c") != nil || p.Check(hub.ActionPublish, "c") == nil || p.Check(hub.ActionHistory, "c") == nil {
		t.Error("its channels are for subscribing to")
	}
}

func TestSubscriptionTokens(t *testing.T) {
	v := hmacVerifier(t)
	anna := &hub.Principal{User: "anna"}
	s := must[*Subscription](t)(v.Subscription(t.Context(), hs256(t, `{"sub":"anna","channel":"a","exp":1893553500,"info":{"x":1},"client":"c1","jti":"7"}`), anna, "c1", "a"))
	if string(s.Info) != `{"x":1}` || !s.Expires.Equal(time.Unix(1893553530, 0)) || s.Principal.TokenID != "7" || s.Principal.Check(hub.ActionSubscribe, "a") != nil || s.Principal.Check(hub.ActionSubscribe, "b") == nil {
		t.Errorf("got %+v", s)
	}
	for payload, says := range map[string]string{
		`{"sub":"anna"}`:                             "this is a token for a connection",
		`{"sub":"anna","channel":"b"}`:               `is for the channel "b", not for "a"`,
		`{"sub":"bert","channel":"a"}`:               `is for the user (sub) "bert", but the connection is that of "anna"`,
		`{"channel":"a"}`:                            `the user (sub) ""`,
		`{"sub":"anna","channel":"a","client":"c2"}`: "another connection",
		`{"sub":"anna","channel":">"}`:               `is for the channel ">"`,
	} {
		_, err := v.Subscription(t.Context(), hs256(t, payload), anna, "c1", "a")
		refused(t, err, CheckPurpose, hub.CodeUnauthenticated, says)
	}
	_, err := v.Subscription(t.Context(), hs256(t, `{"sub":"anna","channel":"a","exp":5}`), anna, "c1", "a")
	refused(t, err, CheckExpiry, hub.CodeExpired)
	_, err = v.Connection(t.Context(), hs256(t, `{"sub":"anna","channel":"a"}`))
	refused(t, err, CheckPurpose, hub.CodeUnauthenticated, "this is a token for a subscription")
}

func TestAllTokensMayBeGrantedMore(t *testing.T) {
	v := hmacVerifier(t, func(c *Config) { c.Grant = hub.Grant{Subscribe: []string{"user.{user}.>"}} })
	p := must[*hub.Principal](t)(v.Connection(t.Context(), hs256(t, `{"sub":"anna","publish":["chat"]}`)))
	if p.Check(hub.ActionSubscribe, "user.anna.>") != nil || p.Check(hub.ActionSubscribe, "user.bert.x") == nil || p.Check(hub.ActionPublish, "chat") != nil {
		t.Errorf("got %+v", p.Grant)
	}
}

func TestExplainMakesEveryCheckThatItCan(t *testing.T) {
	c := DefaultConfig()
	c.Keys, c.Now, c.Audience, c.Issuer = []*Key{privateKey(t, "", "HS256")}, func() time.Time { return now }, []string{"hub"}, "boss"
	outcome := func(token string) string {
		var b strings.Builder
		for _, f := range Explain(t.Context(), c, token).Findings {
			switch {
			case f.OK:
				b.WriteByte('+')
			case f.Skipped:
				b.WriteByte('.')
			default:
				b.WriteByte('-')
			}
		}
		return b.String()
	}
	wrong := forge(t, []byte(strings.Repeat("x", 32)), "HS256", `{"alg":"HS256"}`, `{"exp":5,"nbf":1893553500,"aud":"x","iss":"y"}`)
	for token, want := range map[string]string{
		hs256(t, `{"aud":"hub","iss":"boss"}`): "+++++++++",
		hs256(t, `{"sub":1}`):                  "++++-....",
		wrong:                                  "+++-+----",
		b64([]byte(`{"alg":"none"}`)) + "." + b64([]byte(`{"exp":5}`)) + ".": "+--.+-+--",
		"x": "-........",
	} {
		if got := outcome(token); got != want {
			t.Errorf("%.40s: got %s, want %s", token, got, want)
		}
	}
	e := Explain(t.Context(), c, wrong)
	if e.OK() || !strings.Contains(e.Why(), "signature") || string(e.Header) != `{"alg":"HS256"}` || e.Claims.Issuer != "y" {
		t.Errorf("got %+v", e)
	}
	c.Keys = nil
	if e := Explain(t.Context(), c, wrong); e.OK() || !strings.Contains(e.Why(), "no key to check") {
		t.Errorf("without a key: %+v", e)
	}
}

func TestWrongConfigsAreNamed(t *testing.T) {
	for says, change := range map[string]func(*Config){
		"no key":                 func(c *Config) { c.Keys = nil },
		"too many":               func(c *Config) { c.Keys = make([]*Key, maxKeys+1) },
		"leeway must be":         func(c *Config) { c.Leeway = -1 },
		"grant publish: the pat": func(c *Config) { c.Grant.Publish = []string{"a.>.b"} },
	} {
		c := DefaultConfig()
		c.Keys = []*Key{privateKey(t, "", "HS256")}
		change(&c)
		if _, err := NewVerifier(c); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want an error that says %q", err, says)
		}
	}
}

func TestSignRefusesWhatCouldNotBeRead(t *testing.T) {
	k := privateKey(t, "", "HS256")
	for says, c := range map[string]Claims{
		"info must be an object":    {Info: []byte(`[]`)},
		"write the claims":          {Info: []byte(`{`)},
		"subscribe: the pattern":    {Grant: hub.Grant{Subscribe: []string{"a*"}}},
		"the admin grant":           {Grant: hub.Grant{Admin: true}},
		"at most 16384 are allowed": {Info: []byte(`{"a":"` + strings.Repeat("x", MaxTokenBytes) + `"}`)},
		"has \"a\" twice":           {Info: []byte(`{"a":1,"a":2}`)},
	} {
		if _, err := Sign(k, "", c); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want an error that says %q", err, says)
		}
	}
	if _, err := Sign(k, "RS256", Claims{}); err == nil || !strings.Contains(err.Error(), "is not for this key") {
		t.Errorf("got %v", err)
	}
}
