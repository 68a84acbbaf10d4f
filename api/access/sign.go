package access

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"fanfold/hub"
)

// Sign returns a token that says c, signed with k. algorithm "" is the first of
// the key's. What a verifier would not read is an error.
func Sign(k *Key, algorithm string, c Claims) (string, error) {
	if algorithm == "" {
		algorithm = k.Algorithms[0]
	}
	header := map[string]any{"alg": algorithm, "typ": "JWT"}
	set(header, "kid", k.ID, k.ID != "")
	payload, err := c.json()
	if err != nil {
		return "", err
	}
	head, err := compact(header)
	if err != nil {
		return "", err
	}
	text := base64.RawURLEncoding.EncodeToString(head) + "." + base64.RawURLEncoding.EncodeToString(payload)
	signature, err := k.sign(algorithm, text)
	if err != nil {
		return "", err
	}
	token := text + "." + base64.RawURLEncoding.EncodeToString(signature)
	if len(token) > MaxTokenBytes {
		return "", fmt.Errorf("the token would be %d bytes long: at most %d are allowed", len(token), MaxTokenBytes)
	}
	return token, nil
}

// json writes the claims, and reads them again to see that they can be.
func (c *Claims) json() ([]byte, error) {
	claims := map[string]any{}
	set(claims, "sub", c.Subject, c.Subject != "")
	set(claims, "iss", c.Issuer, c.Issuer != "")
	set(claims, "aud", c.Audience, len(c.Audience) > 0)
	set(claims, "jti", c.ID, c.ID != "")
	set(claims, "exp", seconds(c.Expires), !c.Expires.IsZero())
	set(claims, "nbf", seconds(c.NotBefore), !c.NotBefore.IsZero())
	set(claims, "iat", seconds(c.IssuedAt), !c.IssuedAt.IsZero())
	set(claims, "info", json.RawMessage(c.Info), c.Info != nil)
	set(claims, "channels", c.Channels, len(c.Channels) > 0)
	for a := hub.ActionSubscribe; a <= hub.ActionHistory; a++ {
		set(claims, a.String(), c.Grant.Patterns(a), len(c.Grant.Patterns(a)) > 0)
	}
	set(claims, "channel", c.Channel, c.Channel != "")
	set(claims, "client", c.Client, c.Client != "")
	if c.Grant.Admin {
		return nil, errors.New("a token can't have the admin grant: keys can")
	}
	data, err := compact(claims)
	if err != nil {
		return nil, fmt.Errorf("write the claims: %w", err)
	}
	fields, err := readObject(data)
	if err != nil {
		return nil, fmt.Errorf("the payload %w", err)
	}
	if _, err = readClaims(fields); err != nil {
		return nil, err
	}
	return data, nil
}

// compact writes JSON as short as it can be: > as it is.
func compact(value any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(value)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

func set(fields map[string]any, name string, value any, wanted bool) {
	if wanted {
		fields[name] = value
	}
}

func seconds(t time.Time) int64 { return t.Unix() }
