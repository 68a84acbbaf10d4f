package dialect

import (
	"strings"
	"testing"
	"time"

	"fanfold/hub"
)

func TestDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"1s": time.Second, "90s": 90 * time.Second, "30m": 30 * time.Minute, "12h": 12 * time.Hour, "2d": 2 * day, "1w": week,
		"30 min": 30 * time.Minute, "1 hour": time.Hour, "2 days": 2 * day, "3 Weeks": 3 * week, " 5 MINS ": 5 * time.Minute,
		"1h30m": 90 * time.Minute, "1h 30m": 90 * time.Minute, "1 hour 30 minutes": 90 * time.Minute, "0h": 0,
		"1 day, 2 hours and 3 seconds": day + 2*time.Hour + 3*time.Second, "1h, and 1m": 61 * time.Minute,
	} {
		if got, ok := parseDuration(text); !ok || got != want {
			t.Errorf("%q is %v, %t, want %v", text, got, ok, want)
		}
	}
	for _, text := range []string{
		"", " ", "s", "30", "1.5h", "-1h", "1h-", "1h 30", "1 fortnight", "1h,", "1h and", "and 1h", "1ms", "1µs",
		"9999999999999999999s", "999999999999999999w", "36601d", "36600d 1s",
	} {
		if got, ok := parseDuration(text); ok {
			t.Errorf("%q is read as %v", text, got)
		}
	}
}

// whenNow is a Thursday; in New York it is 09:26:40.
var whenNow = time.Date(2026, 3, 5, 14, 26, 40, 500e6, time.UTC)

func zoneOf(t testing.TB, name string) *time.Location {
	t.Helper()
	zone, err := parseZone(name)
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

func TestWhen(t *testing.T) {
	for _, row := range []struct{ text, zone, want string }{
		{"1772720861", "", "2026-03-05T14:27:41Z"},
		{"30m", "", "2026-03-05T14:56:40.5Z"},
		{"in 30m", "", "2026-03-05T14:56:40.5Z"},
		{"In 2 days", "America/New_York", "2026-03-07T14:26:40.5Z"},
		{"1 hour", "", "2026-03-05T15:26:40.5Z"},
		{"366 days", "", "2027-03-06T14:26:40.5Z"},
		{"10am", "", "2026-03-06T10:00:00Z"}, // over for today
		{"3pm", "", "2026-03-05T15:00:00Z"},
		{"3 PM", "", "2026-03-05T15:00:00Z"},
		{"12am", "", "2026-03-06T00:00:00Z"},
		{"12pm", "", "2026-03-06T12:00:00Z"},
		{"noon", "America/New_York", "2026-03-05T17:00:00Z"},
		{"midnight", "", "2026-03-06T00:00:00Z"},
		{"14:26:41", "", "2026-03-05T14:26:41Z"}, // less than a second ahead: see below
		{"8:30am", "America/New_York", "2026-03-06T13:30:00Z"},
		{"9:30am", "America/New_York", "2026-03-05T14:30:00Z"},
		{"at 15:00", "", "2026-03-05T15:00:00Z"},
		{"tomorrow", "", "2026-03-06T14:26:40Z"},
		{"tomorrow, 10am", "", "2026-03-06T10:00:00Z"},
		{"Tomorrow at 3:30pm", "", "2026-03-06T15:30:00Z"},
		{"10am tomorrow", "", "2026-03-06T10:00:00Z"},
		{"today 18:00", "", "2026-03-05T18:00:00Z"},
		{"monday, 8:30am", "", "2026-03-09T08:30:00Z"},
		{"on Mon 8:30", "", "2026-03-09T08:30:00Z"},
		{"thursday, 10am", "", "2026-03-12T10:00:00Z"}, // today's is over
		{"thu 3pm", "", "2026-03-05T15:00:00Z"},
		{"thursday", "", "2026-03-12T14:26:40Z"},
		{"sunday", "", "2026-03-08T14:26:40Z"},
		{"2026-12-24", "", "2026-12-24T14:26:40Z"},
		{"2026-12-24 18:00", "Europe/Berlin", "2026-12-24T17:00:00Z"},
		{"6pm on 2026-12-24", "Europe/Berlin", "2026-12-24T17:00:00Z"},
		{"2026-12-24T18:00", "Europe/Berlin", "2026-12-24T17:00:00Z"},
		{"2026-12-24t18:00:01", "Europe/Berlin", "2026-12-24T17:00:01Z"},
		{"2026-12-24T18:00:00+05:00", "Europe/Berlin", "2026-12-24T13:00:00Z"},
		{"2026-12-24T18:00z", "", "2026-12-24T18:00:00Z"},
		{"sunday 3am", "America/New_York", "2026-03-08T07:00:00Z"},
		{"tomorrow 00:30", "Pacific/Kiritimati", "2026-03-06T10:30:00Z"}, // there it is the 6th
	} {
		got, ok := readWhen(row.text, zoneOf(t, row.zone), whenNow)
		if want, err := time.Parse(time.RFC3339, row.want); err != nil || !ok || !got.Equal(want) {
			t.Errorf("%q in %q is %v, %t, want %v", row.text, row.zone, got.UTC(), ok, row.want)
		}
	}
}

func TestWhenRefuses(t *testing.T) {
	for text, code := range map[string]NtfyCode{
		"": NtfyBadDelay, "soon": NtfyBadDelay, "10": NtfySmallDelay, "next monday": NtfyBadDelay, "10 am pm": NtfyBadDelay, "25:00": NtfyBadDelay,
		"13pm": NtfyBadDelay, "8:61am": NtfyBadDelay, "tomorrow tomorrow": NtfyBadDelay, "10am 11am": NtfyBadDelay, "at tomorrow": NtfyBadDelay,
		"on 10am": NtfyBadDelay, "at": NtfyBadDelay, "tomorrow at": NtfyBadDelay, "2026-02-30": NtfyBadDelay, "10am please": NtfyBadDelay, "10:00:00.5": NtfyBadDelay,
		"in": NtfyBadDelay, "in tomorrow": NtfyBadDelay, "-30m": NtfyBadDelay, "yes": NtfyBadDelay,
		"today 10am": NtfySmallDelay, "0s": NtfySmallDelay, "14:26:41": NtfySmallDelay, "2026-03-01": NtfySmallDelay, "1772720800": NtfySmallDelay,
		"367 days": NtfyLargeDelay, "2028-01-01": NtfyLargeDelay, "99999999999999999": NtfyLargeDelay, "9999-12-31T23:59": NtfyLargeDelay,
	} {
		_, err := parseWhen(text, time.UTC, whenNow)
		ntfyRefused(t, text, err, code, "")
	}
	_, err := parseWhen("today 9am", zoneOf(t, "America/New_York"), whenNow)
	ntfyRefused(t, "today 9am", err, NtfySmallDelay, "is 2026-03-05T09:00:00-05:00, now it is 2026-03-05T09:26:40-05:00")
	for _, name := range []string{"Local", "Mars/Olympus", "../UTC", "EST5EDT4", " "} {
		_, err := parseZone(name)
		ntfyRefused(t, name, err, NtfyBadDelay, "Europe/Berlin")
	}
}

// FuzzWhen reads any text: what is read is within the bounds, and an error is
// the client's to mend.
func FuzzWhen(f *testing.F) {
	for _, text := range []string{"1772720861", "in 2 days", "1h30m", "tomorrow, 10am", "monday at 8:30 pm", "2026-12-24T18:00:00+05:00", "noon on sunday"} {
		f.Add(text, "Europe/Berlin", whenNow.Unix())
	}
	f.Fuzz(func(t *testing.T, text, name string, unix int64) {
		now := time.Unix(unix%maxUnix, 0)
		zone, err := parseZone(name)
		if err != nil {
			checkNtfyError(t, err)
			zone = time.UTC
		}
		at, err := parseWhen(text, zone, now)
		if err != nil {
			checkNtfyError(t, err)
			return
		}
		if wait := at.Sub(now); wait < minDelay || wait > maxDelay {
			t.Errorf("%q is %v ahead", text, wait)
		}
		if d, ok := parseDuration(text); ok && !at.Equal(now.Add(d)) {
			t.Errorf("the duration %q is %v ahead, not %v", text, at.Sub(now), d)
		}
	})
}

// FuzzSchedule reads any schedule: it has one meaning, without line breaks.
func FuzzSchedule(f *testing.F) {
	for _, text := range []string{"@every 1h", "@Every 2 days", "@daily", "0 30 8 * * MON-FRI", "*/5 * * * *", "@"} {
		f.Add(text, "Europe/Berlin")
	}
	f.Fuzz(func(t *testing.T, text, zone string) {
		p, err := newPublish(&hub.Message{}, false, wishes{schedule: text, zone: zone}, whenNow)
		if err != nil {
			checkNtfyError(t, err)
			return
		}
		w := p.When
		if text == "" {
			if w != nil {
				t.Errorf("no schedule is %+v", *w)
			}
			return
		}
		if !w.At.IsZero() || (w.Every != 0) == (w.Cron != "") || w.Every%time.Second != 0 || strings.ContainsAny(w.Cron, "\r\n") {
			t.Errorf("%q is %+v", text, *w)
		}
	})
}

// FuzzSequenceEvent: only what was written is read, and as it was written.
func FuzzSequenceEvent(f *testing.F) {
	f.Add([]byte(`{"event":"message_delete","sequence_id":"a"}`), "backup-1")
	f.Add([]byte(`{"event":"message_clear","sequence_id":"a\"}"}`), "json")
	f.Fuzz(func(t *testing.T, data []byte, id string) {
		if event, id := parseSequenceEvent(data); event != "" && string(sequenceEventData(event, id)) != string(data) {
			t.Errorf("%q is read as %s of %q", data, event, id)
		}
		for _, event := range []string{eventDelete, eventClear} {
			m, err := newSequenceEvent(event, "c", id, "")
			if err != nil {
				checkNtfyError(t, err)
				continue
			}
			if gotEvent, gotID := parseSequenceEvent(m.Data); gotEvent != event || gotID != id {
				t.Errorf("%s of %q is read as %q of %q", event, id, gotEvent, gotID)
			}
			checkNtfyLine(t, NtfyMessage(m))
		}
	})
}
