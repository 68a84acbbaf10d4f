package dialect

import (
	"mime"
	"strings"
	"unicode/utf8"
)

// ntfyParam is a parameter of ntfy's API by all its names. The first one that has
// a value counts, headers before queries.
type ntfyParam struct {
	queries []string
	headers []string // the same names, canonical
}

func newNtfyParam(names ...string) ntfyParam {
	p := ntfyParam{queries: names}
	for _, name := range names {
		p.headers = append(p.headers, canonicalHeader(name))
	}
	return p
}

// canonicalHeader returns a lower-case header name in the case of net/http's
// Header keys.
func canonicalHeader(name string) string {
	words := strings.Split(name, "-")
	for i, word := range words {
		words[i] = strings.ToUpper(word[:1]) + word[1:]
	}
	return strings.Join(words, "-")
}

// The parameters, under ntfy's names for them.
var (
	paramMessage   = newNtfyParam("x-message", "message", "m")
	paramTitle     = newNtfyParam("x-title", "title", "t")
	paramPriority  = newNtfyParam("x-priority", "priority", "prio", "p")
	paramTags      = newNtfyParam("x-tags", "tags", "tag", "ta")
	paramClick     = newNtfyParam("x-click", "click")
	paramIcon      = newNtfyParam("x-icon", "icon")
	paramAttach    = newNtfyParam("x-attach", "attach", "a")
	paramFilename  = newNtfyParam("x-filename", "filename", "file", "f")
	paramActions   = newNtfyParam("x-actions", "actions", "action")
	paramMarkdown  = newNtfyParam("x-markdown", "markdown", "md")
	paramCache     = newNtfyParam("x-cache", "cache")
	paramDelay     = newNtfyParam("x-delay", "delay", "x-at", "at", "x-in", "in")
	paramEmail     = newNtfyParam("x-email", "x-e-mail", "email", "e-mail", "mail", "e")
	paramCall      = newNtfyParam("x-call", "call")
	paramTemplate  = newNtfyParam("x-template", "template", "tpl")
	paramSequence  = newNtfyParam("x-sequence-id", "sequence-id", "sequence_id", "sid")
	paramKey       = newNtfyParam("x-idempotency-key", "idempotency-key", "idempotency_key")
	paramTTL       = newNtfyParam("x-ttl", "ttl")
	paramSchedule  = newNtfyParam("x-schedule", "schedule")
	paramZone      = newNtfyParam("x-timezone", "timezone")
	paramExclude   = newNtfyParam("x-exclude-client", "exclude-client", "exclude_client")
	paramRollUp    = newNtfyParam("x-rollup", "rollup")
	paramIfMatch   = newNtfyParam("x-if-match", "if-match", "if_match", "x-if-last", "if-last", "if_last")
	paramIfNone    = newNtfyParam("x-if-none-match", "if-none-match", "if_none_match")
	paramUnchanged = newNtfyParam("x-unifiedpush", "unifiedpush", "up")
	paramLines     = newNtfyParam("x-lines", "lines")

	paramSince = newNtfyParam("x-since", "since", "si")
	paramPoll  = newNtfyParam("x-poll", "poll", "po")
	paramID    = newNtfyParam("x-id", "id")
	paramLast  = newNtfyParam("last-event-id", "last_event_id")

	paramScheduled = newNtfyParam("x-scheduled", "scheduled", "sched")
)

// ntfyParams are the parameters of one request: headers with canonical names,
// and the query.
type ntfyParams struct {
	header, query map[string][]string
}

// text returns a parameter's value without the spaces around it; "" if it is
// not given.
func (p ntfyParams) text(param ntfyParam) string {
	for _, name := range param.headers {
		value := headerText(first(p.header[name]))
		if value != "" && !(name == "Priority" && isHTTPPriority(value)) {
			return value
		}
	}
	for _, name := range param.queries {
		if value := strings.TrimSpace(first(p.query[name])); value != "" {
			return strings.ToValidUTF8(value, "\uFFFD")
		}
	}
	return ""
}

// yes returns a parameter's yes or no, or fallback if it is neither.
func (p ntfyParams) yes(param ntfyParam, fallback bool) bool {
	if yes, ok := parseYes(p.text(param)); ok {
		return yes
	}
	return fallback
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

// parseYes reads the words for yes and no; ok is false for any other word.
func parseYes(word string) (yes, ok bool) {
	switch strings.ToLower(word) {
	case "1", "yes", "true":
		return true, true
	case "0", "no", "false":
		return false, true
	}
	return false, false
}

// headerText decodes a header's value: encoded words (RFC 2047), and bytes that
// are not UTF-8 as Latin-1, which is how browsers and Node send them.
func headerText(value string) string {
	if !utf8.ValidString(value) {
		runes := make([]rune, len(value))
		for i := range len(value) {
			runes[i] = rune(value[i])
		}
		value = string(runes)
	}
	if strings.Contains(value, "=?") {
		if decoded, err := new(mime.WordDecoder).DecodeHeader(value); err == nil {
			value = decoded
		}
	}
	return strings.TrimSpace(value)
}

// isHTTPPriority reports whether the value of a Priority header is the one that
// browsers send about the request itself (RFC 9218 §4), such as "u=1, i".
func isHTTPPriority(value string) bool {
	for part := range strings.SplitSeq(value, ",") {
		name, _, _ := strings.Cut(strings.TrimSpace(part), "=")
		if name != "u" && name != "i" {
			return false
		}
	}
	return true
}

// splitList splits a comma separated list and leaves out empty elements.
func splitList(text string) []string {
	var list []string
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, part)
		}
	}
	return list
}
