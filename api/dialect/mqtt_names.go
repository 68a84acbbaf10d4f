package dialect

import (
	"encoding/hex"
	"strings"
	"unicode/utf8"

	"fanfold/hub"
)

// # Topics and channels
//
// Each MQTT topic is one channel and each channel one topic: a/b/c is a.b.c. What
// only one of them can have in a level is escaped in the other by = and the character's UTF-8
// in upper case hexadecimal:
//
//	topic                      channel
//	sensors/room/temp          sensors.room.temp
//	v1.2/my room               v1=2E2.my=20room
//	büro/°C                    b=C3BCro.=C2B0C
//	/a//b                      =.a.=.b               an empty level is =
//	a/=23b                     a.#b                  # can't be in a topic
//
// So that nothing is meant by two names, a level that would read as an escape has 3D
// behind its =, once more than the other name: the topic a=20b is the channel a=3D20b. A level
// of = alone has one more of them as a token, unless it is the whole name. The filters + and #
// are the patterns * and >.

// escape is an escaped character: =, "3D" some times, and hexadecimal digits.
type escape struct {
	char   rune
	shifts int // how often 3D is there
	length int // of all of it in bytes; 0: there is no escape
}

// parseEscape reads the escape that text, which begins with =, begins with. Of
// characters that are never escaped there is none.
func parseEscape(text string) (e escape) {
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
		if r == utf8.RuneError && size < 2 || !isEscaped(r) {
			return escape{}
		}
		e.char, e.length = r, len(text)-len(rest)+2*size
		return e
	}
	return escape{}
}

func notUpperHex(r rune) bool { return (r < '0' || r > '9') && (r < 'A' || r > 'F') }

// isEscaped reports whether a character can be in a topic's level or in a channel's
// token, but not in both.
func isEscaped(r rune) bool { return r == '#' || isInTopic(r) && !isInChannel(r) }

func isInTopic(r rune) bool { return r != 0 && r != '/' && r != '+' && r != '#' }

func isInChannel(r rune) bool {
	return r < utf8.RuneSelf && r != '.' && r != '*' && r != '>' && hub.CheckChannel(string(r)) == nil
}

// translate appends a level of a topic as a token of a channel, or the other way
// round. own says which characters the text can have, and its new form can't.
func translate(b []byte, text string, own func(rune) bool) []byte {
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		var e escape
		if r == '=' {
			e = parseEscape(text)
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

func onlyInTopic(r rune) bool   { return isInTopic(r) && !isInChannel(r) }
func onlyInChannel(r rune) bool { return r == '#' }

// appendToken appends a level as a token. alone: it is the whole topic.
func appendToken(b []byte, level string, alone bool) []byte {
	if !alone && strings.Trim(level, "=") == "" {
		return append(append(b, level...), '=')
	}
	return translate(b, level, onlyInTopic)
}

// mqttTopic returns the topic of a channel.
func mqttTopic(channel string) string {
	if !strings.ContainsAny(channel, "=#") {
		return strings.ReplaceAll(channel, ".", "/")
	}
	tokens := strings.Split(channel, ".")
	var b []byte
	for i, token := range tokens {
		if i > 0 {
			b = append(b, '/')
		}
		if len(tokens) > 1 && strings.Trim(token, "=") == "" {
			b = append(b, token[1:]...)
		} else {
			b = translate(b, token, onlyInChannel)
		}
	}
	return string(b)
}

// mqttChannel returns the channel of a topic name. The error is an [hub.Error] of
// [hub.CodeBadRequest].
func mqttChannel(topic string) (string, error) {
	switch {
	case topic == "":
		return "", hub.Errorf(hub.CodeBadRequest, "the topic is empty") // [MQTT-4.7.3-1]
	case strings.ContainsAny(topic, "+#\x00") || !utf8.ValidString(topic):
		// [MQTT-3.3.2-2] [MQTT-4.7.3-2] [MQTT-1.5.4-1]
		return "", hub.Errorf(hub.CodeBadRequest, "the topic %.80q has a wildcard or no character in it: + and # are for filters", topic)
	}
	return checkedName(topic, joinTokens(strings.Split(topic, "/")))
}

// mqttKeys returns the patterns of what a topic filter matches.
func mqttKeys(filter string) ([]string, error) {
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
	key, err := checkedName(filter, joinTokens(levels))
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
			b = appendToken(b, level, len(levels) == 1)
		}
	}
	return string(b)
}

// checkedName refuses a name that is too long for a channel.
func checkedName(topic, name string) (string, error) {
	if len(name) > hub.MaxChannelBytes {
		return "", hub.Errorf(hub.CodeBadRequest, "the topic %.80q is too long: its channel would have %d bytes, and at most %d are allowed", topic, len(name), hub.MaxChannelBytes)
	}
	return name, nil
}

// beginsWithWildcard: such a filter does not match topics that begin with $
// [MQTT-4.7.2-1].
func beginsWithWildcard(filter string) bool { return filter[0] == '+' || filter[0] == '#' }
