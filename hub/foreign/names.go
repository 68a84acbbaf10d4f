package foreign

import (
	"encoding/hex"
	"strings"
	"unicode/utf8"

	"fanfold/hub"
)

// escape is an escaped character: =, "3D" some times, and hexadecimal digits.
type escape struct {
	char   rune
	shifts int // how often 3D is there
	length int // of all of it in bytes; 0: there is no escape
}

// parseEscape reads the escape that text, which begins with =, begins with. Of
// characters that are never escaped there is none.
func (a alphabet) parseEscape(text string) (e escape) {
	rest := text[1:]
	for strings.HasPrefix(rest, "3D") {
		rest = rest[2:]
		e.shifts++
	}
	var char [utf8.UTFMax]byte
	for n := range char {
		if len(rest) < 2*(n+1) || strings.ContainsFunc(rest[2*n:2*n+2], notUpperHex) {
			return escape{}
		}
		_, _ = hex.Decode(char[n:], []byte(rest[2*n:2*n+2]))
		if !utf8.FullRune(char[:n+1]) {
			continue
		}
		r, size := utf8.DecodeRune(char[:n+1])
		if r == utf8.RuneError && size < 2 || !a.escapes(r) {
			return escape{}
		}
		e.char, e.length = r, len(text)-len(rest)+2*size
		return e
	}
	return escape{}
}

func notUpperHex(r rune) bool { return (r < '0' || r > '9') && (r < 'A' || r > 'F') }

// alphabet is how a broker writes names: levels with a separator between them.
type alphabet struct {
	separator string
	has       func(rune) bool // whether a level can have the character in it
}

var (
	topics = alphabet{"/", func(r rune) bool { return r != 0 && r != '/' && r != '+' && r != '#' }}
	keys   = alphabet{".", func(r rune) bool { return r != '.' }}
)

// escapes reports whether a character can be in a level or in a channel's token, but
// not in both.
func (a alphabet) escapes(r rune) bool { return a.has(r) != isInChannel(r) }

func (a alphabet) onlyInLevel(r rune) bool { return a.has(r) && !isInChannel(r) }
func (a alphabet) onlyInToken(r rune) bool { return !a.has(r) && isInChannel(r) }

func isInChannel(r rune) bool {
	return r < utf8.RuneSelf && r != '.' && r != '*' && r != '>' && hub.CheckChannel(string(r)) == nil
}

// translate appends a level as a token of a channel, or the other way round. own says which characters the text can have, and its new form can't.
func (a alphabet) translate(b []byte, text string, own func(rune) bool) []byte {
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		var e escape
		if r == '=' {
			e = a.parseEscape(text)
		}
		switch {
		case own(r):
			b = append(b, '=')
			b = append(b, strings.ToUpper(hex.EncodeToString([]byte(text[:size])))...)
		case e.length == 0:
			b = append(b, text[:size]...)
		case own(e.char): // it only looks like one
			size = e.length
			b = append(append(b, "=3D"...), text[1:size]...)
		case e.shifts > 0: // it looked like one
			size = e.length
			b = append(append(b, '='), text[1+len("3D"):size]...)
		default:
			size = e.length
			b = utf8.AppendRune(b, e.char)
		}
		text = text[size:]
	}
	return b
}

// appendToken appends a level as a token. alone: it is the whole name.
func (a alphabet) appendToken(b []byte, level string, alone bool) []byte {
	if !alone && strings.Trim(level, "=") == "" {
		return append(append(b, level...), '=')
	}
	return a.translate(b, level, a.onlyInLevel)
}

// Topic returns the topic of a channel.
func Topic(channel string) string { return topics.name(channel) }

// RoutingKey returns the routing key of a channel.
func RoutingKey(channel string) string { return keys.name(channel) }

// name returns the broker's name of a channel.
func (a alphabet) name(channel string) string {
	if !strings.ContainsAny(channel, "=#") {
		return strings.ReplaceAll(channel, ".", a.separator)
	}
	tokens := strings.Split(channel, ".")
	var b []byte
	for i, token := range tokens {
		if i > 0 {
			b = append(b, a.separator...)
		}
		if len(tokens) > 1 && strings.Trim(token, "=") == "" {
			b = append(b, token[1:]...)
		} else {
			b = a.translate(b, token, a.onlyInToken)
		}
	}
	return string(b)
}

// channel returns the channel of a broker's name.
func (a alphabet) channel(name string) string {
	levels := strings.Split(name, a.separator)
	var b []byte
	for i, level := range levels {
		if i > 0 {
			b = append(b, '.')
		}
		b = a.appendToken(b, level, len(levels) == 1)
	}
	return string(b)
}

// Channel returns the channel of a topic. The error is an [hub.Error] of
// [hub.CodeBadRequest].
func Channel(topic string) (string, error) {
	switch {
	case topic == "":
		return "", hub.Errorf(hub.CodeBadRequest, "the topic is empty") // [MQTT-4.7.3-1]
	case strings.ContainsAny(topic, "+#\x00") || !utf8.ValidString(topic):
		// [MQTT-3.3.2-2] [MQTT-4.7.3-2] [MQTT-1.5.4-1]
		return "", hub.Errorf(hub.CodeBadRequest, "the topic %.80q has a wildcard or no character in it: + and # are for filters", topic)
	}
	return checkedName("topic", topic, topics.channel(topic))
}

// ChannelOfKey returns the channel of a routing key. The error is an [hub.Error] of
// [hub.CodeBadRequest].
func ChannelOfKey(key string) (string, error) {
	if key == "" || !utf8.ValidString(key) {
		return "", hub.Errorf(hub.CodeBadRequest, "the routing key %.80q is empty, or no text", key)
	}
	return checkedName("routing key", key, keys.channel(key))
}

// Keys returns the patterns of what a topic filter matches.
func Keys(filter string) ([]string, error) {
	levels := strings.Split(filter, "/")
	last := len(levels) - 1
	for i, level := range levels {
		if strings.Contains(level, "#") && (level != "#" || i != last) || strings.Contains(level, "+") && level != "+" {
			// [MQTT-4.7.1-2] [MQTT-4.7.1-3]
			return nil, hub.Errorf(hub.CodeBadRequest, "the topic filter %.80q is not valid: + stands for a whole level, and # for all levels that are left", filter)
		}
	}
	if filter == "" || strings.Contains(filter, "\x00") || !utf8.ValidString(filter) {
		return nil, hub.Errorf(hub.CodeBadRequest, "the topic filter is empty, or has no character in it")
	}
	key, err := checkedName("topic filter", filter, joinTokens(levels))
	if err != nil || levels[last] != "#" || last == 0 || last == 1 && levels[0] == "" {
		return []string{key}, err
	}
	return []string{key, joinTokens(levels[:last])}, nil // a/# matches a too (§4.7.1.2)
}

// joinTokens returns the pattern of a filter's levels.
func joinTokens(levels []string) string {
	var b []byte
	for i, level := range levels {
		if i > 0 {
			b = append(b, '.')
		}
		switch level {
		case "+":
			b = append(b, '*')
		case "#":
			b = append(b, '>')
		default:
			b = topics.appendToken(b, level, len(levels) == 1)
		}
	}
	return string(b)
}

// checkedName refuses a name that is too long for a channel.
func checkedName(what, name, channel string) (string, error) {
	if len(channel) > hub.MaxChannelBytes {
		return "", hub.Errorf(hub.CodeBadRequest, "the %s %.80q is too long: its channel would have %d bytes, and at most %d are allowed", what, name, len(channel), hub.MaxChannelBytes)
	}
	return channel, nil
}
