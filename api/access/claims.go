package access

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"

	"fanfold/hub"
)

// Bounds on what a token says, so that each check against it is quick.
const (
	maxPatterns = 256 // of one action
	maxChannels = 128
)

// Claims are what a token says (RFC 7519 §4), in what they mean here. Zero fields
// were not said.
type Claims struct {
	Subject  string
	Issuer   string
	Audience []string
	ID       string // jti

	Expires, NotBefore, IssuedAt time.Time // of whole or broken seconds

	Info     []byte    // a JSON object without line breaks
	Channels []string  // to subscribe a connection to: channels, and the names in subs
	Grant    hub.Grant // subscribe, publish, presence, history; never Admin

	Channel, Client string // of a subscription's token
}

// readClaims reads a token's payload. The error names the claim that is wrong.
func readClaims(fields map[string]json.RawMessage) (*Claims, error) {
	r := &claimReader{fields: fields}
	c := &Claims{
		Subject:   r.text("sub"),
		Issuer:    r.text("iss"),
		Audience:  r.audience(),
		ID:        r.text("jti"),
		Expires:   r.date("exp"),
		NotBefore: r.date("nbf"),
		IssuedAt:  r.date("iat"),
		Info:      r.object("info"),
		Channels:  r.channels(),
		Grant: hub.Grant{
			Subscribe: r.patterns("subscribe"),
			Publish:   r.patterns("publish"),
			Presence:  r.patterns("presence"),
			History:   r.patterns("history"),
		},
		Channel: r.text("channel"),
		Client:  r.text("client"),
	}
	if c.Channel != "" {
		r.name("channel", c.Channel, hub.CheckPattern)
	}
	if r.err != nil {
		return nil, refuse(CheckClaims, "the token's claim %v", r.err)
	}
	return c, nil
}

// claimReader reads claims and keeps the first error.
type claimReader struct {
	fields map[string]json.RawMessage
	err    error
}

func (r *claimReader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
}

// text reads a string for people's logs too: without control characters.
func (r *claimReader) text(name string) string {
	text, err := readText(r.fields, name)
	if err != nil {
		r.fail("%w", err)
	}
	if strings.ContainsFunc(text, unicode.IsControl) {
		r.fail("%s has control characters", name)
	}
	return text
}

// date reads seconds since 1970 (RFC 7519 §2, NumericDate). null is no date: it
// is what some programs write for one that they got wrong.
func (r *claimReader) date(name string) time.Time {
	raw, ok := r.fields[name]
	if !ok {
		return time.Time{}
	}
	const year9999 = 253402300799
	var seconds *float64
	if json.Unmarshal(raw, &seconds) != nil || seconds == nil {
		r.fail("%s must be a number of seconds since 1970, and is %s", name, kindOf(raw))
		return time.Time{}
	}
	if *seconds < 0 || *seconds > year9999 {
		r.fail("%s is no time: it must be in seconds, not in milliseconds, say", name)
		return time.Time{}
	}
	whole, part := math.Modf(*seconds)
	return time.Unix(int64(whole), int64(part*1e9))
}

// present returns a claim that is there and not null.
func (r *claimReader) present(name string) (json.RawMessage, bool) {
	raw, ok := r.fields[name]
	return raw, ok && kindOf(raw) != "null"
}

func (r *claimReader) texts(name string, most int) []string {
	raw, ok := r.present(name)
	if !ok {
		return nil
	}
	var list []*string
	if json.Unmarshal(raw, &list) != nil || slices.Contains(list, nil) {
		r.fail("%s must be a list of strings, and is %s", name, listKind(raw))
		return nil
	}
	if len(list) > most {
		r.fail("%s has %d entries: at most %d are allowed", name, len(list), most)
		return nil
	}
	texts := make([]string, len(list))
	for i, text := range list {
		texts[i] = *text
	}
	return texts
}

func listKind(raw []byte) string {
	if kind := kindOf(raw); kind != "a list" {
		return kind
	}
	return "a list with something else in it"
}

func (r *claimReader) audience() []string {
	if raw, ok := r.fields["aud"]; ok && kindOf(raw) == "a string" {
		return []string{r.text("aud")}
	}
	return r.texts("aud", maxPatterns)
}

func (r *claimReader) patterns(name string) []string {
	list := r.texts(name, maxPatterns)
	for _, pattern := range list {
		r.name(name, pattern, hub.CheckGrant)
	}
	return list
}

func (r *claimReader) name(claim, name string, check func(string) error) {
	if err := check(name); err != nil {
		r.fail("%s: %s", claim, hub.ErrorOf(err).Message)
	}
}

// channels joins channels with the names in subs, which is Centrifuge's form with
// options for each.
func (r *claimReader) channels() []string {
	list := r.texts("channels", maxChannels)
	if raw, ok := r.present("subs"); ok {
		var subs map[string]json.RawMessage
		if json.Unmarshal(raw, &subs) != nil {
			r.fail("subs must be an object, and is %s", kindOf(raw))
		}
		for _, name := range slices.Sorted(maps.Keys(subs)) {
			if !slices.Contains(list, name) {
				list = append(list, name)
			}
		}
	}
	if len(list) > maxChannels {
		r.fail("channels and subs name %d channels: at most %d are allowed", len(list), maxChannels)
	}
	for _, name := range list {
		r.name("channels", name, hub.CheckPattern)
	}
	return list
}

func (r *claimReader) object(name string) []byte {
	raw, ok := r.present(name)
	if !ok {
		return nil
	}
	if kindOf(raw) != "an object" {
		r.fail("%s must be an object, and is %s", name, kindOf(raw))
		return nil
	}
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil {
		r.fail("%s can't be read: %w", name, err)
	}
	return b.Bytes()
}
