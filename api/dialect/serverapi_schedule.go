package dialect

import (
	"context"
	"time"

	"fanfold/hub"
)

// apiMaxSchedules is how many scheduled messages one answer has at most, also
// if no limit is given.
const apiMaxSchedules = 1000

// apiSchedules lists what waits for the channels of a pattern, in the order of
// IDs. Where "more" is true, the reader goes on behind the last one's ID.
func apiSchedules(ctx context.Context, h APIHub, body []byte) ([]byte, error) {
	var q struct {
		channelRequest
		After string `json:"after"`
		Limit int32  `json:"limit"`
	}
	if err := decodeStrict("schedules", body, &q); err != nil {
		return nil, err
	}
	limit := int(q.Limit)
	if limit <= 0 || limit > apiMaxSchedules {
		limit = apiMaxSchedules
	}
	list, more, err := h.Scheduled(ctx, q.Channel, q.After, limit)
	if err != nil {
		return nil, err
	}
	b := []byte(`{"schedules":[`)
	for i := range list {
		if len(b) > apiHistoryBytes {
			more = true
			break
		}
		b = appendScheduled(appendComma(b), &list[i])
	}
	b = appendTrue(append(b, ']'), "more", more)
	return append(b, '}'), nil
}

// appendScheduled appends one scheduled message.
func appendScheduled(b []byte, s *hub.Scheduled) []byte {
	m := s.Message
	b = append(b, `{"id":`...)
	b = appendString(b, s.ID)
	b = appendString(appendKey(b, "channel"), m.Channel)
	b = appendNumber(b, "next", int(s.Next.Unix()))
	b = appendTimetable(b, s.When)
	if s.Options.TTL != 0 {
		b = appendNumber(b, "ttl", int(s.Options.TTL/time.Second))
	}
	if m.Sequence != "" {
		b = appendString(appendKey(b, "sequence_id"), m.Sequence)
	}
	if len(m.Tags) > 0 {
		b = appendTags(appendKey(b, "tags"), m.Tags)
	}
	b = append(appendKey(b, "data"), m.Data...)
	return append(b, '}')
}

// appendTimetable appends a schedule as it can be given again; nothing for what
// is published once.
func appendTimetable(b []byte, t hub.Timetable) []byte {
	switch {
	case t.Every != 0:
		b = appendString(appendKey(b, "schedule"), every+" "+t.Every.String())
	case t.Cron != "":
		b = appendString(appendKey(b, "schedule"), t.Cron)
		if t.Zone != "" {
			b = appendString(appendKey(b, "timezone"), t.Zone)
		}
	}
	return b
}

func apiScheduleCancel(ctx context.Context, h APIHub, body []byte) ([]byte, error) {
	var q struct {
		ID      string `json:"id"`
		Channel string `json:"channel"` // who names it needs no more than its publish grant
	}
	if err := decodeStrict("schedule_cancel", body, &q); err != nil {
		return nil, err
	}
	if q.ID == "" {
		return nil, hub.Errorf(hub.CodeBadRequest, `schedule_cancel: "id" is missing: give the ID that publish or schedules has told`)
	}
	if q.Channel != "" {
		_, n, err := cancel(ctx, h.Actor, q.Channel, q.ID, "")
		return apiCancelled(n > 0), err
	}
	was, err := h.CancelScheduled(ctx, q.ID)
	return apiCancelled(was), err
}

func apiCancelled(was bool) []byte {
	if !was {
		return []byte(`{"cancelled":false}`)
	}
	return []byte(`{"cancelled":true}`)
}

func apiMessageDelete(ctx context.Context, h APIHub, body []byte) ([]byte, error) {
	return apiSequenceEvent(ctx, h, eventDelete, body)
}

func apiMessageClear(ctx context.Context, h APIHub, body []byte) ([]byte, error) {
	return apiSequenceEvent(ctx, h, eventClear, body)
}

// apiSequenceEvent tells subscribers what happened to earlier messages. A
// deletion also cancels what is scheduled with the sequence ID; if it is the ID of a
// schedule, that is all.
func apiSequenceEvent(ctx context.Context, h APIHub, event string, body []byte) ([]byte, error) {
	var q struct {
		channelRequest
		Sequence string `json:"sequence_id"`
		Exclude  string `json:"exclude_client"`
	}
	if err := decodeStrict(event, body, &q); err != nil {
		return nil, err
	}
	m, err := newSequenceEvent(event, q.Channel, q.Sequence, q.Exclude)
	if err != nil {
		return nil, err
	}
	n := 0
	if event == eventDelete {
		var found *hub.Message
		if found, n, err = cancel(ctx, h.Actor, q.Channel, q.Sequence, ""); err != nil {
			return nil, err
		}
		if found != nil {
			return append(appendNumber([]byte{'{'}, "cancelled", n), '}'), nil
		}
	}
	r, err := Publish{Message: m}.publish(ctx, h.Actor)
	if err != nil {
		return nil, err
	}
	r.cancelled = n
	return append(r.appendMembers([]byte{'{'}), '}'), nil
}
