package hub

import (
	"strings"
)

// MaxChannelBytes bounds the length of a channel name or pattern.
const MaxChannelBytes = 255

// Wildcards of a pattern: anyToken stands for exactly one token, anyRest for
// one or more tokens and may only be the last.
const (
	anyToken = "*"
	anyRest  = ">"
)

// CheckChannel returns nil if name is a channel: 1 to [MaxChannelBytes] bytes,
// tokens of ASCII letters, digits and _ - : # $ @ = , ; joined by single dots.
// Otherwise it returns an [Error] with [CodeBadRequest] that says what is wrong.
func CheckChannel(name string) error { return checkName(name, false) }

// CheckPattern is [CheckChannel] for a name in which the token * may stand for
// any one token and a last token > for any rest of one or more.
func CheckPattern(name string) error { return checkName(name, true) }

// IsPattern reports whether a valid pattern holds a wildcard.
func IsPattern(name string) bool { return strings.ContainsAny(name, anyToken+anyRest) }

func checkName(name string, wildcards bool) error {
	if name == "" {
		return Errorf(CodeBadRequest, "the channel name is empty: give 1 to %d bytes", MaxChannelBytes)
	}
	if len(name) > MaxChannelBytes {
		return Errorf(CodeBadRequest, "the channel name is %d bytes long: at most %d are allowed", len(name), MaxChannelBytes)
	}
	last := false
	for token := range strings.SplitSeq(name, ".") {
		switch {
		case last:
			return Errorf(CodeBadRequest, "the pattern %q has tokens after >, which must be the last", name)
		case token == "":
			return Errorf(CodeBadRequest, "the channel name %q has an empty token: names are tokens joined by single dots", name)
		case wildcards && token == anyToken:
		case wildcards && token == anyRest:
			last = true
		default:
			if i := strings.IndexFunc(token, notChannelRune); i >= 0 {
				return badRune(name, []rune(token[i:])[0], wildcards)
			}
		}
	}
	return nil
}

func badRune(name string, r rune, wildcards bool) error {
	switch {
	case r != '*' && r != '>':
		return Errorf(CodeBadRequest, "the channel name %q has %q in it: allowed are letters A-Z a-z, digits and _ - : # $ @ = , ; and dots between tokens", name, r)
	case wildcards:
		return Errorf(CodeBadRequest, "the pattern %q mixes the wildcard %c with other characters in one token: it must stand alone", name, r)
	default:
		return Errorf(CodeBadRequest, "%q is a pattern: patterns can be subscribed to, but a message goes to one channel", name)
	}
}

func notChannelRune(r rune) bool {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
		return false
	}
	return !strings.ContainsRune("_-:#$@=,;", r)
}

// Match reports whether a valid pattern (or plain channel name) matches the
// channel.
func Match(pattern, channel string) bool {
	if c := pattern[0]; channel != "" && c != channel[0] && c != anyToken[0] && c != anyRest[0] {
		return false // most rules are for other channels
	}
	for {
		p, morePattern, moreP := strings.Cut(pattern, ".")
		c, moreChannel, moreC := strings.Cut(channel, ".")
		switch {
		case p == anyRest:
			return true
		case p != anyToken && p != c:
			return false
		case !moreP || !moreC:
			return moreP == moreC
		}
		pattern, channel = morePattern, moreChannel
	}
}
