package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"fanfold/api/access"
)

// claimWords say what the claims mean that count for the hub.
var claimWords = map[string]string{
	"sub": "the user", "exp": "expires", "nbf": "not good before", "iat": "issued", "jti": "its ID, to revoke it by",
	"aud": "the audience", "iss": "the issuer", "info": "what others see", "channels": "subscribed to at connect", "subs": "subscribed to at connect",
	"subscribe": "may subscribe to", "publish": "may publish to", "presence": "may see who is subscribed to", "history": "may read the history of",
	"channel": "a subscription's token, for", "client": "for the connection",
}

// writeExplanation writes what a token says and how it fares, for a terminal.
func writeExplanation(out io.Writer, e *access.Explanation, now time.Time) {
	if e.Header != nil {
		fmt.Fprintf(out, "Header\n  %s\n", printable(string(e.Header)))
		fmt.Fprintln(out, "Claims")
		writeClaims(out, e.Payload, now)
	}
	fmt.Fprintln(out, "Checks")
	for _, f := range e.Findings {
		mark := "no"
		if f.OK {
			mark = "ok"
		} else if f.Skipped {
			mark = "-"
		}
		fmt.Fprintf(out, "  %-3s %-11s %s\n", mark, f.Check, printable(f.Text))
	}
}

func writeClaims(out io.Writer, payload []byte, now time.Time) {
	var claims map[string]json.RawMessage
	if json.Unmarshal(payload, &claims) != nil {
		return // what can be read at all was read before
	}
	for _, name := range slices.Sorted(maps.Keys(claims)) {
		words := claimWords[name]
		if words == "" {
			words = "does not count here"
		}
		fmt.Fprintf(out, "  %-10s %s%s (%s)\n", printable(name), printable(string(claims[name])), inWords(name, claims[name], now), words)
	}
}

// inWords says what a date means now.
func inWords(name string, value []byte, now time.Time) string {
	if !slices.Contains([]string{"exp", "nbf", "iat"}, name) {
		return ""
	}
	var seconds float64
	if json.Unmarshal(value, &seconds) != nil || seconds < 0 || seconds > 253402300799 {
		return ", which is no time"
	}
	at := time.Unix(int64(seconds), 0)
	return fmt.Sprintf(" = %s, %s", at.UTC().Format(time.RFC3339), access.Relative(at, now))
}

// printable writes what a terminal must not see in another way, and shortens.
func printable(text string) string {
	const most = 2000
	var b strings.Builder
	for _, r := range text {
		if b.Len() > most {
			b.WriteString("…")
			break
		}
		if unicode.IsPrint(r) {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

func trimLine(text string) string { return strings.TrimRight(text, "\r\n") }
