package access

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"unicode"

	"fanfold/hub"
)

// FuzzToken takes any text for a token. Only what was signed here passes, to the
// letter; a refusal can be shown to a client.
func FuzzToken(f *testing.F) {
	keys := []*Key{privateKey(f, "", "HS256"), privateKey(f, "1", "ES256")}
	signed := []string{must[string](f)(Sign(keys[0], "", Claims{Subject: "anna"}))}
	for _, payload := range []string{`{"sub":"anna","exp":1893553500,"subscribe":["a.>"]}`, `{}`, `{"info":{"a":[1,{"b":null}]},"aud":["x"]}`} {
		signed = append(signed, hs256(f, payload))
	}
	for _, token := range signed {
		f.Add(token)
		f.Add(strings.Replace(token, ".", "", 1))
	}
	f.Add(b64([]byte(`{"alg":"none"}`)) + "." + b64([]byte(`{"sub":"root"}`)) + ".")
	v := newVerifier(f, keys)
	f.Fuzz(func(t *testing.T, token string) {
		_, err := v.Connection(t.Context(), token)
		if err == nil {
			if !slices.Contains(signed, token) {
				t.Errorf("%q passes", token)
			}
			return
		}
		r, ok := errors.AsType[*Refusal](err)
		if !ok || r.Message == "" || strings.ContainsFunc(r.Message, unicode.IsControl) || len(r.Message) > 1000 || strings.Contains(err.Error(), secret) {
			t.Errorf("%q: refused with %q", token, err)
		}
		Explain(t.Context(), v.config, token)
	})
}

// FuzzPayload signs any payload. What is accepted is good for the hub: names that
// are channels, info that is one line of JSON, no rights that a token can't have.
func FuzzPayload(f *testing.F) {
	for _, payload := range []string{
		`{"sub":"anna","exp":1893553500,"nbf":1.5,"iat":1e9,"aud":"x","iss":"y","jti":"z"}`,
		`{"info":{"a":"b\n"},"channels":["a","b.*"],"subs":{"c":{}}}`,
		`{"subscribe":["{user}"],"publish":[],"presence":null,"history":["a.>"]}`,
		`{"sub":"a","sub":"b"}`, `{"exp":1e400}`, `{"sub":"\ud800"}`, `{"channel":"a","client":"b"}`, "{\"info\":\n{\"a\":1}}",
	} {
		f.Add([]byte(payload))
	}
	v := hmacVerifier(f)
	f.Fuzz(func(t *testing.T, payload []byte) {
		p, err := v.Connection(t.Context(), hs256(t, string(payload)))
		if err != nil {
			if _, ok := errors.AsType[*Refusal](err); !ok {
				t.Errorf("%q: %v", payload, err)
			}
			return
		}
		if p.Grant.Validate() != nil || p.Grant.Admin || strings.ContainsFunc(p.User+p.TokenID, unicode.IsControl) || len(p.User) > maxNameBytes {
			t.Errorf("%q becomes %+v", payload, p)
		}
		for _, channel := range p.Channels {
			if hub.CheckPattern(channel) != nil || p.Check(hub.ActionSubscribe, channel) != nil {
				t.Errorf("%q: its channel %q", payload, channel)
			}
		}
		if p.Info != nil && (!json.Valid(p.Info) || p.Info[0] != '{' || bytes.ContainsAny(p.Info, "\r\n")) {
			t.Errorf("%q: its info %q", payload, p.Info)
		}
	})
}

// FuzzKeys reads any text as keys. What looks like PEM or JSON is never taken for a
// secret as it stands, and no key is weaker than allowed.
func FuzzKeys(f *testing.F) {
	f.Add([]byte(secret))
	f.Add(publicPEM(f, "ES256"))
	for kind := range signers() {
		f.Add(marshal(f, toJWK(f, "k", kind, true)))
	}
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"AQAB","e":"Aw"},{}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		keys, err := ParseKeys(text)
		if err != nil {
			return
		}
		formed := bytes.Contains(text, []byte("-----BEGIN ")) || bytes.HasPrefix(bytes.TrimSpace(text), []byte("{"))
		for _, k := range keys {
			raw, isSecret := k.public().([]byte)
			if len(k.Algorithms) == 0 || isSecret && (len(raw) < minSecretBytes || formed && bytes.Contains(raw, bytes.TrimSpace(text))) {
				t.Errorf("%q becomes %v", text, k)
			}
		}
	})
}

// FuzzRequest puts any text where a credential may be. The error never shows what
// was there, as it may be a secret in the wrong place.
func FuzzRequest(f *testing.F) {
	for _, value := range []string{"Bearer a.b.c", "Basic OmEuYi5j", "apikey ffk_x", "Basic", "bearer  ", "hush-hush-hush"} {
		f.Add(value, value, b64([]byte(value)))
	}
	f.Fuzz(func(t *testing.T, key, authorization, query string) {
		r := httptest.NewRequest("GET", "/", nil)
		if key != "" {
			r.Header.Set("X-API-Key", key)
		}
		if authorization != "" {
			r.Header.Set("Authorization", authorization)
		}
		r.URL.RawQuery = "auth=" + query
		c, ok, err := FromRequest(r, "token")
		if ok && (c.Secret() == "" || err != nil) || !ok && c.Secret() != "" {
			t.Errorf("got %v, %v, %v", c, ok, err)
		}
		for _, text := range []string{key, authorization, query} {
			if err != nil && len(text) > 12 && strings.Contains(err.Error(), text) {
				t.Errorf("the error shows what was sent: %v", err)
			}
		}
	})
}
