package dialect

import (
	"strings"
	"time"
)

// durationUnits are the units of a duration by all their names.
var durationUnits = map[string]time.Duration{
	"s": time.Second, "sec": time.Second, "secs": time.Second, "second": time.Second, "seconds": time.Second,
	"m": time.Minute, "min": time.Minute, "mins": time.Minute, "minute": time.Minute, "minutes": time.Minute,
	"h": time.Hour, "hr": time.Hour, "hrs": time.Hour, "hour": time.Hour, "hours": time.Hour,
	"d": day, "day": day, "days": day,
	"w": week, "week": week, "weeks": week,
}

const (
	day  = 24 * time.Hour
	week = 7 * day
)

// maxDuration is the longest duration that is read, so that sums can't overflow.
const maxDuration = 100 * 366 * day

// parseDuration reads a duration of whole numbers with units, in any case, such
// as "90s", "1h30m", "2 days" or "1 week 12 hours":
//
//	duration = number unit { [ "," | "and" ] number unit }
//
// Spaces may stand anywhere but within a number or unit. ok is false for any other text,
// and for a duration over maxDuration.
func parseDuration(text string) (d time.Duration, ok bool) {
	rest := strings.ToLower(strings.TrimSpace(text))
	for rest != "" {
		number, after, found := cutNumber(rest)
		if !found {
			return 0, false
		}
		word, after := cutWord(strings.TrimLeft(after, " "))
		unit := durationUnits[word]
		if unit == 0 || number > int64(maxDuration/unit) {
			return 0, false
		}
		if d += time.Duration(number) * unit; d > maxDuration {
			return 0, false
		}
		if after = strings.TrimLeft(after, " "); after == "" {
			return d, true
		}
		rest = cutLink(after)
	}
	return 0, false
}

// cutLink cuts off what may stand between two parts of a duration.
func cutLink(text string) string {
	text = strings.TrimPrefix(text, ",")
	if word, rest := cutWord(strings.TrimLeft(text, " ")); word == "and" {
		text = rest
	}
	return strings.TrimLeft(text, " ")
}

// maxDigits is the length of the numbers that are read, which fit an int64.
const maxDigits = 18

// cutNumber cuts off the whole number that text begins with.
func cutNumber(text string) (number int64, rest string, ok bool) {
	n := 0
	for n < len(text) && '0' <= text[n] && text[n] <= '9' {
		number = number*10 + int64(text[n]-'0')
		if n++; n > maxDigits {
			return 0, text, false
		}
	}
	return number, text[n:], n > 0
}

// cutWord cuts off the small letters that text begins with.
func cutWord(text string) (word, rest string) {
	n := 0
	for n < len(text) && 'a' <= text[n] && text[n] <= 'z' {
		n++
	}
	return text[:n], text[n:]
}
