package access

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"fanfold/hub"
)

// MaxRevocations bounds a list of revocations; an entry takes some 100 bytes and
// its names.
const MaxRevocations = 100_000

// Revocation takes back one token, or all that a user got before a time.
type Revocation struct {
	TokenID string `json:"jti,omitempty"`  // of the one token
	User    string `json:"user,omitempty"` // else: the tokens of this user
	// Before: the user's tokens that were issued before this time, or do not say when.
	// A token says it in whole seconds, so that one of the same second counts as before.
	Before time.Time `json:"before,omitzero"`
	// Until is when the revoked have expired by themselves, and this can be forgotten; zero:
	// never.
	Until time.Time `json:"until,omitzero"`
}

// Validate says what is missing.
func (r Revocation) Validate() error {
	switch {
	case r.TokenID == "" && r.User == "":
		return errors.New("the revocation names neither a token (jti) nor a user")
	case r.TokenID != "" && (r.User != "" || !r.Before.IsZero()):
		return errors.New("the revocation names a token and a user: make two of it")
	case r.User != "" && r.Before.IsZero():
		return errors.New("the revocation of a user's tokens has no time before which they were issued")
	case len(r.TokenID) > maxNameBytes || len(r.User) > maxNameBytes:
		return fmt.Errorf("the revocation's name is longer than %d bytes", maxNameBytes)
	}
	return nil
}

// Revocations are the tokens that no longer count. The zero value is empty.
type Revocations struct {
	mu      sync.RWMutex
	tokens  map[string]time.Time  // guarded by mu; by jti: until
	users   map[string]Revocation // guarded by mu
	sweepAt int                   // guarded by mu; the number of entries at which to look for old ones
}

// Add takes back what r says, at once. Of two for the same user the later time
// counts. Errors are of [hub.CodeBadRequest], and of [hub.CodeLimit] if the list is full.
func (l *Revocations) Add(r Revocation) error { return l.add(r, time.Now()) }

func (l *Revocations) add(r Revocation, now time.Time) error {
	if err := r.Validate(); err != nil {
		return hub.Errorf(hub.CodeBadRequest, "%v", err)
	}
	if over(r.Until, now) {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.knows(r) && !l.hasRoom(now) {
		return hub.Errorf(hub.CodeLimit, "the list of revocations is full with %d: replace the key that signs tokens, or wait until some have expired", MaxRevocations)
	}
	if l.tokens == nil {
		l.tokens, l.users = map[string]time.Time{}, map[string]Revocation{}
	}
	if r.TokenID != "" {
		l.tokens[r.TokenID] = later(l.tokens, r.TokenID, r.Until)
	} else {
		l.users[r.User] = r.joined(l.users)
	}
	return nil
}

// later keeps an entry as long as the longer of the two times; zero is for ever.
func later(tokens map[string]time.Time, id string, until time.Time) time.Time {
	if old, ok := tokens[id]; ok && (old.IsZero() || !until.IsZero() && old.After(until)) {
		return old
	}
	return until
}

// joined is r, or what is stricter than both it and the user's old one.
func (r Revocation) joined(users map[string]Revocation) Revocation {
	old, ok := users[r.User]
	if !ok {
		return r
	}
	if old.Before.After(r.Before) {
		r.Before = old.Before
	}
	if old.Until.IsZero() || !r.Until.IsZero() && old.Until.After(r.Until) {
		r.Until = old.Until
	}
	return r
}

func (l *Revocations) knows(r Revocation) bool {
	_, token := l.tokens[r.TokenID]
	_, user := l.users[r.User]
	return token && r.TokenID != "" || user && r.User != ""
}

// hasRoom sweeps out what has expired whenever the list has doubled since the last
// time, and when it is full.
func (l *Revocations) hasRoom(now time.Time) bool {
	if n := len(l.tokens) + len(l.users); n < l.sweepAt {
		return true
	}
	for id, until := range l.tokens {
		if over(until, now) {
			delete(l.tokens, id)
		}
	}
	for user, r := range l.users {
		if over(r.Until, now) {
			delete(l.users, user)
		}
	}
	n := len(l.tokens) + len(l.users)
	l.sweepAt = min(max(2*n, 1024), MaxRevocations)
	return n < MaxRevocations
}

func over(until, now time.Time) bool { return !until.IsZero() && now.After(until) }

// Check returns nil unless p's token was revoked; then a [Refusal], which has
// [hub.CodeExpired] if a new token of the same user would count.
func (l *Revocations) Check(p *hub.Principal) error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if _, ok := l.tokens[p.TokenID]; ok && p.TokenID != "" {
		return revoked(p, hub.CodeUnauthenticated, "the token was revoked")
	}
	r, ok := l.users[p.User]
	if ok && p.User != "" && p.IssuedAt.Before(r.Before) { // the zero time too
		return revoked(p, hub.CodeExpired, "the user's tokens from before %s were revoked: get a new one", moment(r.Before))
	}
	return nil
}

func revoked(p *hub.Principal, code hub.Code, format string, args ...any) error {
	r := refuse(CheckRevoked, format, args...).as(code)
	r.Subject, r.TokenID = p.User, p.TokenID
	return r
}

// Len is the number of entries.
func (l *Revocations) Len() int {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return len(l.tokens) + len(l.users)
}

// All returns the entries in no order.
func (l *Revocations) All() []Revocation {
	l.mu.RLock()
	defer l.mu.RUnlock()
	all := make([]Revocation, 0, len(l.tokens)+len(l.users))
	for id, until := range l.tokens {
		all = append(all, Revocation{TokenID: id, Until: until})
	}
	for _, r := range l.users {
		all = append(all, r)
	}
	return all
}

// MarshalJSON writes the list of entries.
func (l *Revocations) MarshalJSON() ([]byte, error) { return json.Marshal(l.All()) }

// UnmarshalJSON adds the entries of a list to those there are.
func (l *Revocations) UnmarshalJSON(data []byte) error {
	var all []Revocation
	if err := json.Unmarshal(data, &all); err != nil {
		return err
	}
	for i, r := range all {
		if err := l.Add(r); err != nil {
			return fmt.Errorf("revocation %d of %d: %w", i+1, len(all), err)
		}
	}
	return nil
}
