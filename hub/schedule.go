package hub

import (
	"context"
	"time"
)

// PublishOptions say how a message is published. The zero value stores it as its
// channel's [Rule] says.
type PublishOptions struct {
	// Live delivers without storing. Channels whose rule is live always do.
	Live bool
	// IdempotencyKey names the publish: another one to the same channel with the same
	// key, within the engine's window, stores nothing and answers with the first one's
	// position. "" is no key. Not for live messages.
	IdempotencyKey string
	// TTL is how long the message is kept if the rule does not forget it sooner, a second or
	// more; 0: as long as the rule says. Not for live messages.
	TTL time.Duration
	// RollUp: the message takes the place of all earlier stored ones of its channel, as a
	// snapshot does. It stays as long as the rule says, and has neither a TTL nor a
	// Sequence. Not for live or scheduled messages.
	RollUp bool
	// IfLast, if not nil: the message is stored only if the newest one that the channel's
	// history shows is at this position, and else nothing is: [CodeConflict]. Seq 0: only
	// if it shows none. A message that is gone does not count, whether it was removed,
	// replaced or too old. An Epoch other than the present one and that of the message's ID
	// is a conflict; "" is the present one. Nothing comes in between; with RollUp, nothing is
	// replaced that was not there at that position. Not for live or scheduled messages.
	IfLast *Position
}

// MaxKeyBytes bounds an idempotency key and a message's Sequence, which are
// printable ASCII.
const MaxKeyBytes = 128

// Timetable says when a message is published. One of At, Every and Cron is set.
type Timetable struct {
	At    time.Time     // once, then
	Every time.Duration // again and again, in whole seconds
	// Cron is five or six fields: [second] minute hour day month weekday; or @hourly and
	// its kind. Zone is the IANA name of its time zone; "": UTC.
	Cron, Zone string
}

// Scheduled is a message that waits for its time.
type Scheduled struct {
	ID      string // unique; what [Scheduler.Cancel] takes
	Message *Message
	When    Timetable
	Options PublishOptions // for each publish; without IdempotencyKey, which is for the scheduling itself
	Next    time.Time      // when it is published next
}

// Scheduler is an [Engine] that publishes messages later. What is scheduled
// survives a restart; what came due meanwhile is published at the start, a
// repeated one once.
type Scheduler interface {
	// Schedule stores s, which has Message, When and Options, and fills in ID and Next.
	// duplicate: its Options' key has been used before, and ID is that of the first. Errors:
	// [CodeBadRequest] for a timetable that can't be read, [CodeLimit], [CodeFull],
	// [CodeUnavailable].
	Schedule(ctx context.Context, s *Scheduled) (duplicate bool, err error)
	// Scheduled returns what waits for channels of a pattern, in the order of IDs, behind
	// the ID after, limit of them at most.
	Scheduled(ctx context.Context, pattern, after string, limit int) (list []Scheduled, more bool, err error)
	// Cancel forgets what is scheduled. It is false if that is not there any more.
	Cancel(ctx context.Context, id string) (bool, error)
}
