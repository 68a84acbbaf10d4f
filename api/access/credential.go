package access

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
)

// Where a request may carry its credential, in order of precedence.
const (
	keyHeader  = "X-API-Key"
	authHeader = "Authorization"
	authQuery  = "auth"
)

// Credential is a token or a key, and where it was. Printed, it shows no secret.
type Credential struct {
	secret *string // not the text itself: fmt shows the fields of what is in another's unexported field
	// Source is where it was, for the log: "cookie", say.
	Source string
	// Ambient: a browser may have sent it of its own accord (a cookie, or Basic, which
	// it remembers), so that a page of another site may be behind the request.
	Ambient bool
	// Key: it is for servers. Otherwise it is a token.
	Key bool
}

// Secret returns the token or key itself.
func (c Credential) Secret() string {
	if c.secret == nil {
		return ""
	}
	return *c.secret
}

// String says what it is and where it was.
func (c Credential) String() string {
	kind := "token"
	if c.Key {
		kind = "key"
	}
	return kind + " from " + c.Source
}

// GoString is String, so that no way of printing shows the secret.
func (c Credential) GoString() string { return c.String() }

// FromRequest takes the credential out of a request; ok is false if there is
// none. The first of these places that has one counts, and a bad one there is an error, a
// [Refusal], whatever the others have:
//
//	X-API-Key: KEY
//	Authorization: Bearer TOKEN or KEY
//	Authorization: apikey KEY
//	Authorization: Basic, whose password is a TOKEN or KEY, whatever its user
//	?auth=            one of these values of Authorization in base64url, as ntfy has it
//	Cookie: COOKIE=   a TOKEN; cookie "" reads none
func FromRequest(r *http.Request, cookie string) (c Credential, ok bool, err error) {
	if values := r.Header.Values(keyHeader); len(values) > 0 {
		secret := strings.TrimSpace(values[0])
		if len(values) > 1 || secret == "" {
			return Credential{}, false, refuse(CheckCredential, "%s is empty, or there are several: send one", keyHeader)
		}
		return Credential{secret: &secret, Source: keyHeader, Key: true}, true, nil
	}
	if values := r.Header.Values(authHeader); len(values) > 0 {
		if len(values) > 1 {
			return Credential{}, false, refuse(CheckCredential, "there are several %s headers: send one", authHeader)
		}
		c, err := fromAuthorization(values[0], authHeader)
		return c, err == nil, err
	}
	if value := r.URL.Query().Get(authQuery); value != "" {
		c, err := fromQuery(value)
		return c, err == nil, err
	}
	if cookie == "" {
		return Credential{}, false, nil
	}
	return fromCookie(r, cookie)
}

// fromAuthorization reads the value of the header (RFC 9110 §11.6.2).
func fromAuthorization(value, source string) (Credential, error) {
	scheme, rest, _ := strings.Cut(strings.TrimSpace(value), " ")
	secret := strings.TrimSpace(rest)
	c := Credential{Source: source + " " + strings.ToLower(scheme)}
	switch strings.ToLower(scheme) {
	case "bearer":
	case "apikey":
		c.Key = true
	case "basic":
		c.Ambient = source == authHeader
		var err error
		if secret, err = basicPassword(secret); err != nil {
			return Credential{}, err
		}
	default: // which may be a secret that somebody forgot the scheme of
		return Credential{}, refuse(CheckCredential, "%s must begin with Bearer, Basic or apikey, and a space", source)
	}
	if secret == "" {
		return Credential{}, refuse(CheckCredential, "%s has no credential behind its scheme", source)
	}
	c.secret, c.Key = &secret, c.Key || IsKey(secret)
	return c, nil
}

// basicPassword reads a user and a password (RFC 7617 §2).
func basicPassword(text string) (string, error) {
	data, err := base64.StdEncoding.DecodeString(text)
	_, password, ok := strings.Cut(string(data), ":")
	if err != nil || !ok {
		return "", refuse(CheckCredential, "the Basic credential can't be read: it must be base64 of user:password")
	}
	if password == "" {
		return "", refuse(CheckCredential, "the Basic credential has no password: that must be the token or key, whatever the user")
	}
	return password, nil
}

// fromQuery reads what stands for the header where none can be set.
func fromQuery(value string) (Credential, error) {
	header, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(value, "="))
	if err != nil {
		return Credential{}, refuse(CheckCredential, "?%s can't be read: it must be base64url of what the header Authorization would have", authQuery)
	}
	return fromAuthorization(string(header), "?"+authQuery)
}

func fromCookie(r *http.Request, name string) (Credential, bool, error) {
	cookies := r.CookiesNamed(name)
	switch {
	case len(cookies) == 0 || len(cookies) == 1 && cookies[0].Value == "":
		return Credential{}, false, nil
	case len(cookies) > 1: // one may come from a page of another host of the domain
		return Credential{}, false, refuse(CheckCredential, "there are several cookies of the name %.64q", name)
	}
	secret, err := url.PathUnescape(cookies[0].Value)
	if err != nil || IsKey(secret) {
		return Credential{}, false, refuse(CheckCredential, "the cookie %.64q must hold a token", name)
	}
	return Credential{secret: &secret, Source: "cookie", Ambient: true}, true, nil
}
