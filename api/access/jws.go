package access

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// MaxTokenBytes bounds a token. It fits with room into the headers that a
// server takes.
const MaxTokenBytes = 16 << 10

// maxDepth bounds how deep a token's objects and lists lie in each other.
const maxDepth = 16

// maxNameBytes bounds a key ID, a subject, a token ID and an issuer.
const maxNameBytes = 255

// jws is a token taken apart (RFC 7515 §7.1). Nothing in it is to be believed
// before its signature was verified.
type jws struct {
	signed    string // what the signature is for
	signature []byte
	algorithm string
	keyID     string // "": none was named

	header, payload           []byte // JSON
	headerFields, claimFields map[string]json.RawMessage
}

// parse takes a token apart. What it refuses can't be a token, or asks for
// something that this package does not do.
func parse(token string) (*jws, error) {
	if err := checkShape(token); err != nil {
		return nil, err
	}
	signed, signature, _ := cutLast(token)
	header, payload, _ := strings.Cut(signed, ".")
	t := &jws{signed: signed}
	var err error
	if t.header, t.headerFields, err = decodeObject("header", header); err != nil {
		return nil, err
	}
	if t.payload, t.claimFields, err = decodeObject("payload", payload); err != nil {
		return nil, err
	}
	if t.signature, err = decodePart("signature", signature); err != nil {
		return nil, err
	}
	if err = t.readHeader(); err != nil {
		return nil, err
	}
	return t, nil
}

// checkShape finds what people paste instead of a token.
func checkShape(token string) error {
	dots := strings.Count(token, ".")
	switch {
	case token == "":
		return refuse(CheckFormat, "the token is empty")
	case len(token) > MaxTokenBytes:
		return refuse(CheckFormat, "the token is %d bytes long: at most %d are allowed", len(token), MaxTokenBytes)
	case strings.HasPrefix(strings.ToLower(token), "bearer "):
		return refuse(CheckFormat, `the token begins with the word Bearer: leave that out`)
	case strings.ContainsAny(token, " \t\r\n\"'"):
		return refuse(CheckFormat, "the token has spaces, line breaks or quotes in or around it: take them out")
	case IsKey(token):
		return refuse(CheckFormat, "this is a server's key, not a token")
	case dots == 4:
		return refuse(CheckFormat, "the token has five parts, so it is encrypted (JWE): this server takes signed tokens (JWS) alone")
	case dots != 2:
		return refuse(CheckFormat, "the token has %d parts: a JWT has three, joined by dots", dots+1)
	}
	return nil
}

func cutLast(token string) (before, after string, ok bool) {
	i := strings.LastIndexByte(token, '.')
	if i < 0 {
		return token, "", false
	}
	return token[:i], token[i+1:], true
}

// strict refuses bits behind the last byte, so that each part can be written in
// one way alone.
var strict = base64.RawURLEncoding.Strict()

// decodePart reads base64url without padding (RFC 7515 §2).
func decodePart(part, text string) ([]byte, error) {
	data, err := strict.DecodeString(text)
	switch {
	case err == nil:
		return data, nil
	case strings.ContainsAny(text, "+/"):
		return nil, refuse(CheckFormat, "the token's %s is base64 with + and /: it must be base64url, with - and _", part)
	case strings.Contains(text, "="):
		return nil, refuse(CheckFormat, "the token's %s has = at its end: base64url is without padding here", part)
	}
	return nil, refuse(CheckFormat, "the token's %s is not base64url: has the token been cut off or changed?", part)
}

func decodeObject(part, text string) ([]byte, map[string]json.RawMessage, error) {
	data, err := decodePart(part, text)
	if err != nil {
		return nil, nil, err
	}
	fields, err := readObject(data)
	if err != nil {
		return nil, nil, refuse(CheckFormat, "the token's %s %v", part, err)
	}
	return data, fields, nil
}

// readObject reads a JSON object whose names, at any depth, are unique: readers
// differ in which one of two they take (RFC 7519 §4). Names are told apart by case,
// as encoding/json does not when it fills a struct.
func readObject(data []byte) (map[string]json.RawMessage, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("is not UTF-8")
	}
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal(data, &fields); err != nil || fields == nil {
		return nil, errors.New("is not a JSON object")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	return fields, walk(d, maxDepth)
}

// walk reads one value of valid JSON.
func walk(d *json.Decoder, depth int) error {
	token, err := d.Token()
	open, nests := token.(json.Delim)
	if err != nil || !nests {
		return err
	}
	if depth == 0 {
		return fmt.Errorf("is nested more than %d deep", maxDepth)
	}
	names := map[json.Token]bool{}
	for d.More() {
		if open == '{' {
			name, err := d.Token()
			if err != nil {
				return err
			}
			if names[name] {
				return fmt.Errorf("has %.64q twice", name)
			}
			names[name] = true
		}
		if err := walk(d, depth-1); err != nil {
			return err
		}
	}
	_, err = d.Token()
	return err
}

// readHeader takes the algorithm and the key ID. Other fields do not matter,
// unless they are critical (RFC 7515 §4.1.11).
func (t *jws) readHeader() error {
	if _, ok := t.headerFields["crit"]; ok {
		return refuse(CheckFormat, "the token's header has crit: this server knows no extensions that are critical")
	}
	var err error
	if t.algorithm, err = readText(t.headerFields, "alg"); err != nil {
		return refuse(CheckFormat, "the token's header: %v", err)
	}
	if t.algorithm == "" {
		return refuse(CheckFormat, "the token's header has no alg")
	}
	if t.keyID, err = readText(t.headerFields, "kid"); err != nil {
		return refuse(CheckFormat, "the token's header: %v", err)
	}
	return nil
}

// readText returns a string, "" if there is none of that name.
func readText(fields map[string]json.RawMessage, name string) (string, error) {
	raw, ok := fields[name]
	if !ok {
		return "", nil
	}
	var text *string
	if json.Unmarshal(raw, &text) != nil || text == nil {
		return "", fmt.Errorf("%s must be a string, and is %s", name, kindOf(raw))
	}
	if len(*text) > maxNameBytes {
		return "", fmt.Errorf("%s is %d bytes long: at most %d are allowed", name, len(*text), maxNameBytes)
	}
	return *text, nil
}

// kindOf says what valid JSON is.
func kindOf(raw []byte) string {
	switch raw[0] {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case '"':
		return "a string"
	case 't', 'f':
		return "true or false"
	case 'n':
		return "null"
	}
	return "a number"
}
