package stream

import (
	"errors"
	"strings"
	"time"

	"fanfold/hub"

	"github.com/robfig/cron/v3"
)

// plan is a timetable that can be reckoned with. It is static.
type plan struct {
	at    time.Time
	every time.Duration
	cron  cron.Schedule
}

// maxAhead bounds how far in the future a time may be, so that each fits into
// what the clock can count.
const maxAhead = 100 * 365 * 24 * time.Hour

// newPlan reads a timetable. Errors: [hub.CodeBadRequest].
func newPlan(t hub.Timetable, now time.Time) (plan, error) {
	given := 0
	for _, set := range []bool{!t.At.IsZero(), t.Every != 0, t.Cron != ""} {
		if set {
			given++
		}
	}
	switch {
	case given != 1:
		return plan{}, hub.Errorf(hub.CodeBadRequest, "give one time to publish at: a point in time, an interval or a cron pattern")
	case t.Zone != "" && t.Cron == "":
		return plan{}, hub.Errorf(hub.CodeBadRequest, "the time zone %.40q is for a cron pattern: leave it out", t.Zone)
	case t.Cron != "":
		return newCron(t.Cron, t.Zone, now)
	case t.Every != 0 && (t.Every < time.Second || t.Every%time.Second != 0):
		return plan{}, hub.Errorf(hub.CodeBadRequest, "the interval %v can't be kept: give whole seconds, 1s or more, as in 90s or 1h", t.Every)
	case t.Every > maxAhead || t.At.After(now.Add(maxAhead)):
		return plan{}, hub.Errorf(hub.CodeBadRequest, "the time is more than a hundred years ahead")
	}
	return plan{at: t.At, every: t.Every}, nil
}

// cronFields takes what a user may write as a cron pattern.
var cronFields = cron.NewParser(cron.SecondOptional | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor)

func newCron(pattern, zone string, now time.Time) (plan, error) {
	location, err := loadZone(zone)
	if err != nil {
		return plan{}, err
	}
	schedule, err := parseCron(pattern)
	if err != nil {
		return plan{}, hub.Errorf(hub.CodeBadRequest, `the cron pattern %.60q can't be read: %v. Give [second] minute hour day month weekday, as in "30 8 * * 1-5" for 8:30 from Monday to Friday, or @hourly, @daily, @weekly, @monthly, @yearly`, pattern, err)
	}
	schedule.Location = location
	if schedule.Next(now).IsZero() {
		return plan{}, hub.Errorf(hub.CodeBadRequest, "the cron pattern %.60q is for a time that does not come within five years", pattern)
	}
	return plan{cron: schedule}, nil
}

func parseCron(pattern string) (*cron.SpecSchedule, error) {
	if strings.Contains(pattern, "=") { // the parser's own way to name a time zone
		return nil, errors.New("the time zone is given apart from it")
	}
	schedule, err := cronFields.Parse(strings.TrimSpace(pattern))
	if err != nil {
		return nil, err
	}
	if spec, ok := schedule.(*cron.SpecSchedule); ok {
		return spec, nil
	}
	return nil, errors.New("@every is an interval, which is given as such")
}

func loadZone(name string) (*time.Location, error) {
	location, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		return nil, hub.Errorf(hub.CodeBadRequest, "the time zone %.40q is not known: give an IANA name like Europe/Berlin, or none for UTC", name)
	}
	return location, nil
}

// repeats reports whether there is a time after the first.
func (p plan) repeats() bool { return p.at.IsZero() }

// first returns the first time to publish. That of a single time may be past.
func (p plan) first(now time.Time) time.Time {
	switch {
	case !p.at.IsZero():
		return p.at
	case p.every != 0:
		return now.Add(p.every)
	}
	return p.cron.Next(now)
}

// following returns the next time after one that was due and after now: times that
// were missed are not made up for. It is zero if there is none.
func (p plan) following(due, now time.Time) time.Time {
	switch {
	case !p.repeats():
		return time.Time{}
	case p.every == 0:
		if due.After(now) {
			now = due
		}
		return p.cron.Next(now)
	case due.After(now):
		return due.Add(p.every)
	}
	return due.Add((now.Sub(due)/p.every + 1) * p.every)
}
