package dialect

import (
	"strings"
	"time"
	_ "time/tzdata" // zones on machines that have none
)

// Bounds on how far ahead a message may be delayed. ntfy's own are 10 s and 3 days.
const (
	minDelay = time.Second
	maxDelay = 366 * day
)

// whenForms are what parseWhen reads, for its errors.
const whenForms = `give seconds since 1970, a duration like 30m or "2 days", a time of day like 10am or "tomorrow, 8:30pm" or "monday 10:00", or a date like 2026-12-24T18:00`

// parseWhen reads when a delayed message is due, from minDelay to maxDelay after
// now. All of the text must be in one of these forms, in any case:
//
//	when    = seconds | [ "in" ] duration | { day | clock }   a day and a clock, or one of them
//	seconds = digits                                          since 1970
//	day     = "today" | "tomorrow" | [ "on" ] weekday | date
//	weekday = "monday" | "mon" | …
//	date    = YYYY-MM-DD
//	clock   = [ "at" ] ( "noon" | "midnight" | hour [ minutes ] ( "am" | "pm" ) | hour minutes )
//	minutes = ":" MM [ ":" SS ]
//
// with commas and spaces between words, and the forms of RFC 3339, in which the offset may
// be left out. A clock alone is its next time, and a weekday its next day that is not over. A
// day alone is that day at the present time of day. Days and clocks are those of zone.
// Errors are [hub.Error]s for [NtfyError].
func parseWhen(text string, zone *time.Location, now time.Time) (time.Time, error) {
	at, ok := readWhen(text, zone, now)
	if !ok {
		return at, refuse(NtfyBadDelay, "the time %.60q can't be read: %s; the time zone is %s", text, whenForms, zone)
	}
	switch wait := at.Sub(now); {
	case wait < minDelay:
		return at, refuse(NtfySmallDelay, "the time %.60q is %s, now it is %s: it must be at least %v ahead; the time zone is %s, another is chosen by timezone",
			text, stamp(at, zone), stamp(now, zone), minDelay, zone)
	case wait > maxDelay:
		return at, refuse(NtfyLargeDelay, "the time %.60q is %s: at most %d days ahead are allowed", text, stamp(at, zone), maxDelay/day)
	}
	return at, nil
}

func stamp(t time.Time, zone *time.Location) string { return t.In(zone).Format(time.RFC3339) }

// parseZone finds a time zone by its IANA name; "" is UTC.
func parseZone(name string) (*time.Location, error) {
	zone, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		return nil, refuse(NtfyBadDelay, "the time zone %.60q is not known: give an IANA name like Europe/Berlin, or none for UTC", name)
	}
	return zone, nil
}

func readWhen(text string, zone *time.Location, now time.Time) (time.Time, bool) {
	text = strings.ToLower(strings.TrimSpace(text))
	if seconds, rest, ok := cutNumber(text); ok && rest == "" {
		return time.Unix(min(seconds, maxUnix), 0), true
	}
	if d, ok := parseDuration(strings.TrimPrefix(text, "in ")); ok {
		return now.Add(d), true
	}
	if at, ok := readStamp(text, zone); ok {
		return at, true
	}
	return readDayAndClock(text, zone, now)
}

// maxUnix is 9999-12-31: what comes after it overflows elsewhere.
const maxUnix = 253402300799

// readStamp reads a date with a time.
func readStamp(text string, zone *time.Location) (time.Time, bool) {
	text = strings.ToUpper(text)
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05", "2006-01-02T15:04"} {
		if at, err := time.ParseInLocation(layout, text, zone); err == nil {
			return at, true
		}
	}
	return time.Time{}, false
}

// dayAndClock is what was read of a day and a time of day.
type dayAndClock struct {
	now       time.Time // in the zone
	date      time.Time // only its date counts
	hasDay    bool
	isWeekday bool
	clock     time.Duration // since midnight
	hasClock  bool
}

func readDayAndClock(text string, zone *time.Location, now time.Time) (time.Time, bool) {
	r := dayAndClock{now: now.In(zone)}
	words := strings.Fields(strings.ReplaceAll(text, ",", " "))
	for len(words) > 0 {
		before := len(words)
		if words = r.take(words); len(words) == before {
			return time.Time{}, false
		}
	}
	return r.time(), r.hasDay || r.hasClock
}

// take takes a day or a clock off the words; none if they begin with neither.
func (r *dayAndClock) take(words []string) []string {
	preposition := ""
	rest := words
	if rest[0] == "on" || rest[0] == "at" {
		preposition, rest = rest[0], rest[1:]
	}
	if len(rest) == 0 {
		return words
	}
	if preposition != "at" && !r.hasDay && r.takeDay(rest[0]) {
		return rest[1:]
	}
	if preposition != "on" && !r.hasClock {
		if n := r.takeClock(rest); n > 0 {
			return rest[n:]
		}
	}
	return words
}

func (r *dayAndClock) takeDay(word string) bool {
	date, err := time.Parse(time.DateOnly, word)
	switch weekday, isWeekday := weekdays[word]; {
	case word == "today":
		date = r.now
	case word == "tomorrow":
		date = r.now.AddDate(0, 0, 1)
	case isWeekday:
		date = r.now.AddDate(0, 0, (int(weekday-r.now.Weekday())+7)%7)
		r.isWeekday = true
	case err != nil:
		return false
	}
	r.date, r.hasDay = date, true
	return true
}

var weekdays = namesOfWeekdays()

func namesOfWeekdays() map[string]time.Weekday {
	names := map[string]time.Weekday{"tues": time.Tuesday, "thur": time.Thursday, "thurs": time.Thursday}
	for day := time.Sunday; day <= time.Saturday; day++ {
		name := strings.ToLower(day.String())
		names[name], names[name[:3]] = day, day
	}
	return names
}

// takeClock returns of how many words the clock is made that they begin with.
func (r *dayAndClock) takeClock(words []string) (n int) {
	r.hasClock = true
	switch words[0] {
	case "noon":
		r.clock = 12 * time.Hour
		return 1
	case "midnight":
		r.clock = 0
		return 1
	}
	var ok bool
	if len(words) > 1 && (words[1] == "am" || words[1] == "pm") {
		if r.clock, ok = parseClock(words[0] + words[1]); ok {
			return 2
		}
	}
	if r.clock, ok = parseClock(words[0]); ok {
		return 1
	}
	r.hasClock = false
	return 0
}

// parseClock reads a time of day in one word.
func parseClock(word string) (time.Duration, bool) {
	layouts := []string{"15:04", "15:04:05"}
	if strings.HasSuffix(word, "m") {
		layouts = []string{"3pm", "3:04pm", "3:04:05pm"}
	}
	for _, layout := range layouts {
		if t, err := time.Parse(layout, word); err == nil && !strings.Contains(word, ".") { // Parse takes fractions too
			return sinceMidnight(t), true
		}
	}
	return 0, false
}

func sinceMidnight(t time.Time) time.Duration {
	hour, minute, second := t.Clock()
	return time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute + time.Duration(second)*time.Second
}

// time is the time that was meant.
func (r *dayAndClock) time() time.Time {
	if !r.hasClock {
		r.clock = sinceMidnight(r.now)
	}
	step := 1 // days to the next such time
	if r.isWeekday {
		step = 7
	}
	if !r.hasDay {
		r.date = r.now
	}
	at := r.on(r.date)
	if (r.isWeekday || !r.hasDay) && !at.After(r.now) {
		at = r.on(r.date.AddDate(0, 0, step))
	}
	return at
}

// on is the time on a date. A clock that a change to summer time leaves out is
// an hour off.
func (r *dayAndClock) on(date time.Time) time.Time {
	year, month, day := date.Date()
	return time.Date(year, month, day, 0, 0, int(r.clock/time.Second), 0, r.now.Location())
}
