package access

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"fanfold/hub"
)

func basic(text string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(text)) }

// request has the lines of a header, of which "?" is the query.
func request(lines ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/news/json", nil)
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		if name == "?" {
			r.URL.RawQuery = value
		} else {
			r.Header.Add(name, value)
		}
	}
	return r
}

func TestWhereACredentialMayBe(t *testing.T) {
	key := NewKey()
	query := func(header string) string { return "?: auth=" + b64([]byte(header)) }
	for _, c := range []struct {
		lines                []string
		secret, kind, source string
		ambient              bool
	}{
		{[]string{"X-API-Key: " + key}, key, "key", "X-API-Key", false},
		{[]string{"X-Api-Key:  odd "}, "odd", "key", "X-API-Key", false},
		{[]string{"Authorization: apikey " + key}, key, "key", "Authorization apikey", false},
		{[]string{"Authorization: Bearer " + key}, key, "key", "Authorization bearer", false},
		{[]string{"Authorization: Bearer a.b.c"}, "a.b.c", "token", "Authorization bearer", false},
		{[]string{"Authorization:   bEARER   a.b.c  "}, "a.b.c", "token", "Authorization bearer", false},
		{[]string{"Authorization: " + basic("anna:a.b.c")}, "a.b.c", "token", "Authorization basic", true},
		{[]string{"Authorization: " + basic(":"+key)}, key, "key", "Authorization basic", true},
		{[]string{"Authorization: " + basic("anna:with:colons")}, "with:colons", "token", "Authorization basic", true},
		{[]string{query("Bearer a.b.c")}, "a.b.c", "token", "?auth bearer", false},
		{[]string{query("Bearer a.b.c") + "="}, "a.b.c", "token", "?auth bearer", false},
		{[]string{query(basic(":a.b.c"))}, "a.b.c", "token", "?auth basic", false},
		{[]string{"Cookie: x=1; token=a.b.c"}, "a.b.c", "token", "cookie", true},
		{[]string{"Cookie: token=a.b.c", query("Bearer q"), "Authorization: Bearer h", "X-API-Key: " + key}, key, "key", "X-API-Key", false},
		{[]string{"Cookie: token=a.b.c", query("Bearer q"), "Authorization: Bearer h"}, "h", "token", "Authorization bearer", false},
		{[]string{"Cookie: token=a.b.c", query("Bearer q")}, "q", "token", "?auth bearer", false},
	} {
		got, ok, err := FromRequest(request(c.lines...), "token")
		if !ok || err != nil || got.Secret() != c.secret || got.String() != c.kind+" from "+c.source || got.Ambient != c.ambient {
			t.Errorf("%v: got %v %q, ambient %v, %v, %v", c.lines, got, got.Secret(), got.Ambient, ok, err)
		}
	}
}

func TestRequestsWithoutACredential(t *testing.T) {
	for _, lines := range [][]string{nil, {"Cookie: other=1"}, {"Cookie: token="}, {"?: since=all&auth="}} {
		if c, ok, err := FromRequest(request(lines...), "token"); ok || err != nil {
			t.Errorf("%v: got %v, %v", lines, c, err)
		}
	}
	if c, ok, err := FromRequest(request("Cookie: token=a.b.c; =a.b.c"), ""); ok || err != nil {
		t.Errorf("no cookie is configured: got %v, %v", c, err)
	}
}

// What can't be read is an error, and not another credential's or nobody's turn.
func TestBadCredentialsAreNamed(t *testing.T) {
	for _, c := range []struct {
		says  string
		lines []string
	}{
		{"X-API-Key is empty", []string{"X-API-Key: ", "Authorization: Bearer a.b.c"}},
		{"there are several: send one", []string{"X-API-Key: a", "X-API-Key: b"}},
		{"several Authorization headers", []string{"Authorization: Bearer a", "Authorization: Bearer b"}},
		{"must begin with Bearer", []string{"Authorization: hush-hush", "Cookie: token=a.b.c"}},
		{"must begin with Bearer", []string{"Authorization: Digest hush"}},
		{"must begin with Bearer", []string{"Authorization: "}},
		{"no credential behind its scheme", []string{"Authorization: Bearer "}},
		{"must be base64 of user:password", []string{"Authorization: Basic hush"}},
		{"must be base64 of user:password", []string{"Authorization: " + basic("hush")}},
		{"has no password", []string{"Authorization: " + basic("hush:")}},
		{"?auth can't be read", []string{"?: auth=h%20ush"}},
		{"?auth must begin with Bearer", []string{"?: auth=" + b64([]byte("hush"))}},
		{"several cookies", []string{"Cookie: token=hush; token=b"}},
		{"must hold a token", []string{"Cookie: token=" + KeyPrefix + "hush"}},
	} {
		got, ok, err := FromRequest(request(c.lines...), "token")
		refused(t, err, CheckCredential, hub.CodeUnauthenticated, c.says)
		if ok || got.Secret() != "" || strings.Contains(err.Error(), "hush") {
			t.Errorf("%v: got %v, %v", c.lines, got, err)
		}
	}
}

func TestAuthenticator(t *testing.T) {
	keys, texts := apiKeys(t, map[string]hub.Grant{"shop": {Publish: []string{">"}}})
	a := &Authenticator{Tokens: hmacVerifier(t), Keys: keys, Revoked: &Revocations{}, Cookie: "token"}
	token := hs256(t, `{"sub":"anna","jti":"7"}`)
	who := func(lines ...string) string {
		p, _, err := a.Request(t.Context(), request(lines...))
		if err != nil {
			return err.Error()
		}
		return p.Name
	}
	for line, want := range map[string]string{
		"Authorization: Bearer " + token:         "anna",
		"Authorization: " + basic("x:"+token):    "anna",
		"Cookie: token=" + token:                 "anna",
		"X-API-Key: " + texts["shop"]:            "shop",
		"Authorization: Bearer " + texts["shop"]: "shop",
		"X-API-Key: " + token:                    "this is no key of this hub: those begin with ffk_",
		"Accept: */*":                            "a token or key is needed: send it as Authorization: Bearer",
	} {
		if got := who(line); got != want {
			t.Errorf("%.30s: %s", line, got)
		}
	}
	if p, err := a.Token(t.Context(), texts["shop"]); err != nil || p.Name != "shop" {
		t.Errorf("a key in the place of a token: %+v, %v", p, err)
	}
	if err := a.Revoked.Add(Revocation{TokenID: "7"}); err != nil {
		t.Fatal(err)
	}
	_, c, err := a.Request(t.Context(), request("Cookie: token="+token))
	refused(t, err, CheckRevoked, hub.CodeUnauthenticated, "the token was revoked")
	if c.Source != "cookie" {
		t.Errorf("the log needs to know that it was from %q", c.Source)
	}
	_, err = a.Subscription(t.Context(), hs256(t, `{"sub":"anna","jti":"7","channel":"a"}`), &hub.Principal{User: "anna"}, "c", "a")
	refused(t, err, CheckRevoked, hub.CodeUnauthenticated)
	if s, err := a.Subscription(t.Context(), hs256(t, `{"sub":"anna","jti":"8","channel":"a"}`), &hub.Principal{User: "anna"}, "c", "a"); err != nil || s.Principal.User != "anna" {
		t.Errorf("got %+v, %v", s, err)
	}
}

func TestAnAuthenticatorOfNothingAcceptsNobody(t *testing.T) {
	a := &Authenticator{}
	for line, says := range map[string]string{
		"Authorization: Bearer a.b.c": "takes no tokens",
		"X-API-Key: " + NewKey():      "no keys configured",
		"Accept: */*":                 "a key is needed",
	} {
		p, _, err := a.Request(t.Context(), request(line))
		refused(t, err, CheckCredential, hub.CodeUnauthenticated, says)
		if p != nil {
			t.Errorf("got %+v", p)
		}
	}
	if _, err := a.Token(t.Context(), NewKey()); err == nil {
		t.Error("a key passes")
	}
	if _, err := a.Subscription(t.Context(), "a.b.c", &hub.Principal{}, "", "a"); err == nil {
		t.Error("a subscription's token passes")
	}
	a.Tokens = hmacVerifier(t)
	_, err := a.Token(t.Context(), NewKey())
	refused(t, err, CheckFormat, hub.CodeUnauthenticated, "a server's key, not a token")
	a.Anonymous = &hub.Principal{Name: "anybody"}
	if p, _, err := a.Request(t.Context(), request()); err != nil || p != a.Anonymous {
		t.Errorf("got %+v, %v", p, err)
	}
	_, _, err = a.Request(t.Context(), request("Authorization: Bearer x"))
	refused(t, err, CheckFormat, hub.CodeUnauthenticated)
}
