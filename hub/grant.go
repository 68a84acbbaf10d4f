package hub

import (
	"errors"
	"slices"
	"strings"
	"time"
)

// Action is what a [Grant] allows on channels.
type Action int

// The actions.
const (
	ActionSubscribe Action = iota
	ActionPublish
	ActionPresence // see who is subscribed
	ActionHistory
)

var (
	actionNames = [...]string{ActionSubscribe: "subscribe", ActionPublish: "publish", ActionPresence: "presence", ActionHistory: "history"}
	actionTexts = [...]string{
		ActionSubscribe: "subscribe to",
		ActionPublish:   "publish to",
		ActionPresence:  "see who is subscribed to",
		ActionHistory:   "read the history of",
	}
)

// String returns the action as grants name it, for the log.
func (a Action) String() string { return actionNames[a] }

// UserToken is the token of a grant's pattern that stands for the user who asks.
const UserToken = "{user}"

// Grant says what a [Principal] may do. The zero Grant allows nothing, and
// [Everything] all there is. It is static.
type Grant struct {
	// The patterns of the channels that each action is allowed on. A token [UserToken]
	// stands for the user; for one whose name is no token of a channel, such a pattern
	// matches nothing.
	Subscribe, Publish, Presence, History []string
	// Admin allows what is not about one channel: to list channels, disconnect users,
	// revoke tokens and the like.
	Admin bool
}

// Everything is the grant of a hub that asks nobody who they are.
func Everything() Grant {
	all := []string{anyRest}
	return Grant{Subscribe: all, Publish: all, Presence: all, History: all, Admin: true}
}

// With returns a grant that allows what g or o allows.
func (g Grant) With(o Grant) Grant {
	return Grant{
		Subscribe: slices.Concat(g.Subscribe, o.Subscribe),
		Publish:   slices.Concat(g.Publish, o.Publish),
		Presence:  slices.Concat(g.Presence, o.Presence),
		History:   slices.Concat(g.History, o.History),
		Admin:     g.Admin || o.Admin,
	}
}

// Validate says which pattern can't be used.
func (g Grant) Validate() error {
	for a := ActionSubscribe; a <= ActionHistory; a++ {
		for _, pattern := range g.Patterns(a) {
			if err := CheckGrant(pattern); err != nil {
				return Errorf(CodeBadRequest, "grant %s: %s", a, ErrorOf(err).Message)
			}
		}
	}
	return nil
}

// Patterns returns the patterns of an action. The result is shared and must not
// be changed.
func (g Grant) Patterns(a Action) []string {
	switch a {
	case ActionSubscribe:
		return g.Subscribe
	case ActionPublish:
		return g.Publish
	case ActionPresence:
		return g.Presence
	case ActionHistory:
		return g.History
	}
	return nil
}

// Allows reports whether the user may do this on a valid channel or pattern. A
// pattern is allowed if one pattern of the grant covers it entirely, see [Covers].
func (g Grant) Allows(a Action, user, key string) bool {
	for _, pattern := range g.Patterns(a) {
		if covers(pattern, user, key) {
			return true
		}
	}
	return false
}

// CheckGrant is [CheckPattern] for a pattern of a [Grant], in which the token
// [UserToken] may stand for the user.
func CheckGrant(pattern string) error {
	const anyUser = "u"
	if len(pattern) > MaxChannelBytes || !strings.Contains(pattern, "{") {
		return CheckPattern(pattern)
	}
	tokens := strings.Split(pattern, ".")
	for i, token := range tokens {
		if token == UserToken {
			tokens[i] = anyUser
		} else if strings.Contains(token, "{") {
			return Errorf(CodeBadRequest, "the pattern %q: %s must stand alone between dots, and nothing else goes in braces", pattern, UserToken)
		}
	}
	return CheckPattern(strings.Join(tokens, "."))
}

// Covers reports whether every channel that key matches, a valid channel or
// pattern, is one that the valid pattern matches too.
func Covers(pattern, key string) bool { return covers(pattern, "", key) }

// covers is [Covers] with user in the place of each [UserToken].
func covers(pattern, user, key string) bool {
	for {
		p, morePattern, moreP := strings.Cut(pattern, ".")
		k, moreKey, moreK := strings.Cut(key, ".")
		switch {
		case p == anyRest:
			return true
		case k == anyRest: // matches names that are longer than this pattern's
			return false
		case p == UserToken:
			if k != user || !isToken(user) { // a user named * is nobody
				return false
			}
		case p != anyToken && p != k:
			return false
		}
		if !moreP || !moreK {
			return moreP == moreK
		}
		pattern, key = morePattern, moreKey
	}
}

// isToken reports whether a text can be a token of a channel.
func isToken(text string) bool { return text != "" && strings.IndexFunc(text, notChannelRune) < 0 }

// Principal is who asks: the bearer of a token or key, or anybody. The zero
// Principal, and nil, may do nothing. It is static.
type Principal struct {
	User string // whom it speaks for; "": anonymous, or a server
	// Name is for the log: the name of the key, or the user.
	Name   string
	Server bool   // it showed a server's key, of that name
	Info   []byte // JSON that others see of its connections; nil: none
	Grant  Grant
	// Channels are what the server subscribes its connections to.
	Channels []string
	// Expires is when the hub no longer honours what it presented; zero: never.
	Expires time.Time
	// TokenID and IssuedAt are its token's; "" and zero if it said neither, or is a key.
	TokenID  string
	IssuedAt time.Time
}

// Check returns nil if p may do this on a valid channel or pattern, else an
// [Error] of [CodeDenied].
func (p *Principal) Check(a Action, key string) error {
	if p != nil && p.Grant.Allows(a, p.User, key) {
		return nil
	}
	return notGranted("you may not %s %q: no %s grant of yours covers it", actionTexts[a], key, a)
}

// CheckAdmin returns nil if p may do what is not about one channel, else an
// [Error] of [CodeDenied] that says what it was.
func (p *Principal) CheckAdmin(what string) error {
	if p != nil && p.Grant.Admin {
		return nil
	}
	return notGranted("you may not use %s: it needs the admin grant", what)
}

// ErrNotGranted is in the chain of each error of [Principal.Check] and
// [Principal.CheckAdmin], so that they are told from what nobody may do.
var ErrNotGranted = errors.New("not granted")

func notGranted(format string, args ...any) *Error {
	e := Errorf(CodeDenied, format, args...)
	e.Err = ErrNotGranted
	return e
}

// Expired reports whether p's time is over.
func (p *Principal) Expired(now time.Time) bool {
	return !p.Expires.IsZero() && !now.Before(p.Expires)
}
