package dialect

import (
	"bytes"
	"context"
	"iter"
	"strconv"
	"strings"
	"time"

	"fanfold/hub"
)

// wishes are the options of a publish as a client wrote them, the same in every
// form of the APIs. "" is not asked for.
type wishes struct {
	key      string // idempotency key
	ttl      string // seconds, or a duration
	delay    string // what parseWhen reads
	schedule string // "@every" and a duration, or cron
	zone     string // of delay and schedule
	sequence string // what the message is the newest state of
	exclude  string // the client that is not told of it
	rollUp   string // yes or no: it takes the place of all earlier messages
	ifMatch  string // the entity tag of the newest message
	ifNone   string // "*": there is no message
	ifLast   *lastSeen
}

// Publish is a message to hand to the hub.
type Publish struct {
	Message *hub.Message // Channel is checked, if the dialect names it; Data is JSON
	Options hub.PublishOptions
	When    *hub.Timetable // nil: at once
}

// newPublish brings a message and the wishes for it together. live: it is not to
// be stored. now is the present. Errors are [hub.Error]s for [NtfyError].
func newPublish(m *hub.Message, live bool, w wishes, now time.Time) (Publish, error) {
	p := Publish{Message: m, Options: hub.PublishOptions{Live: live, IdempotencyKey: unquote(w.key)}}
	m.Sequence, m.Exclude = w.sequence, w.exclude
	if err := checkSequence(m.Sequence); err != nil {
		return Publish{}, err
	}
	if err := checkExclude(m.Exclude); err != nil {
		return Publish{}, err
	}
	if err := p.setTTL(w.ttl); err != nil {
		return Publish{}, err
	}
	if err := p.setRollUp(w.rollUp); err != nil {
		return Publish{}, err
	}
	if err := p.setCondition(w); err != nil {
		return Publish{}, err
	}
	if err := p.setWhen(w, now); err != nil {
		return Publish{}, err
	}
	if p.When != nil && p.Options.Live {
		return Publish{}, refuse(NtfyDelayNoCache, "a message that is not stored can't be delayed or repeated: leave out the delay or schedule, or let the message be stored")
	}
	return p, nil
}

// unquote takes the quotes off an Idempotency-Key, which is a quoted string
// where its definition is followed to the letter (RFC 9651 §3.3.3).
func unquote(key string) string {
	if len(key) > 1 && key[0] == '"' && key[len(key)-1] == '"' {
		return key[1 : len(key)-1]
	}
	return key
}

// setTTL reads a TTL: whole seconds, in which 0 means that the message is not
// stored (RFC 8030 §5.2), or a duration.
func (p *Publish) setTTL(text string) error {
	if text == "" {
		return nil
	}
	d, ok := parseDuration(text)
	if seconds, rest, isNumber := cutNumber(text); isNumber && rest == "" {
		d, ok = time.Duration(seconds)*time.Second, seconds <= int64(maxDuration/time.Second)
	}
	if !ok {
		return refuse(NtfyBadRequest, "the TTL %.40q can't be read: give seconds, or a duration like 30m, 12h or 2d", text)
	}
	p.Options.TTL = d
	p.Options.Live = p.Options.Live || d == 0
	return nil
}

// setWhen reads when the message is published, if that is not at once.
func (p *Publish) setWhen(w wishes, now time.Time) error {
	if w.delay == "" && w.schedule == "" {
		return nil
	}
	if w.delay != "" && w.schedule != "" {
		return refuse(NtfyBadDelay, "a message can't be both delayed and repeated: give a delay or a schedule")
	}
	zone, err := parseZone(w.zone)
	if err != nil {
		return err
	}
	p.When = &hub.Timetable{}
	if w.delay != "" {
		p.When.At, err = parseWhen(w.delay, zone, now)
		return err
	}
	return p.setSchedule(w.schedule, w.zone)
}

// every begins a schedule of equal steps.
const every = "@every"

// maxSchedule is the longest schedule that is read, in bytes.
const maxSchedule = 200

// setSchedule reads a repeating schedule. Cron is the engine's to read, but for
// its outer form.
func (p *Publish) setSchedule(text, zone string) error {
	fields := strings.Fields(text)
	if len(fields) > 0 && strings.EqualFold(fields[0], every) {
		d, ok := parseDuration(strings.Join(fields[1:], " "))
		if !ok || d < time.Second {
			return refuse(NtfyBadDelay, "the schedule %.60q can't be read: give @every and a duration of a second or more, like @every 30m or @every 1 hour", text)
		}
		p.When.Every = d
		return nil
	}
	named := len(fields) == 1 && fields[0][0] == '@'
	if n := len(fields); n != 5 && n != 6 && !named || len(text) > maxSchedule {
		return refuse(NtfyBadDelay, "the schedule %.60q can't be read: give @every and a duration, @hourly, @daily, @weekly, @monthly, @yearly, or the five or six fields of cron, [second] minute hour day month weekday", text)
	}
	p.When.Cron, p.When.Zone = strings.Join(fields, " "), zone
	return nil
}

// maxSequence is the longest sequence ID, in bytes; as ntfy has it.
const maxSequence = 64

// sequenceRoutes are the last parts of paths that would hide a sequence ID.
const sequenceRoutes = " json sse raw ws publish send trigger auth "

// checkSequence refuses a sequence ID that can't stand in a path behind its
// channel.
func checkSequence(id string) error {
	switch {
	case strings.Contains(sequenceRoutes, " "+id+" "):
		return refuse(NtfyBadSequence, "the sequence ID %q is taken by the route /{channel}/%[1]s: choose another", id)
	case len(id) > maxSequence:
		return refuse(NtfyBadSequence, "the sequence ID is %d bytes long: at most %d are allowed", len(id), maxSequence)
	}
	for _, r := range id {
		if r != '-' && r != '_' && !isLetterOrDigit(r) {
			return refuse(NtfyBadSequence, "the sequence ID %.80q has %q in it: allowed are letters A-Z a-z, digits, _ and -", id, r)
		}
	}
	return nil
}

func checkExclude(client string) error {
	if len(client) > hub.MaxKeyBytes {
		return refuse(NtfyBadRequest, "the client to exclude is named by %d bytes: at most %d are allowed", len(client), hub.MaxKeyBytes)
	}
	return nil
}

func isLetterOrDigit(r rune) bool {
	return '0' <= r && r <= '9' || 'A' <= r && r <= 'Z' || 'a' <= r && r <= 'z'
}

// receipt is what became of a publish.
type receipt struct {
	message   *hub.Message // with its ID and time; of what waits, the schedule's ID and next time
	duplicate bool         // of an earlier one, whose ID this is
	scheduled bool         // it waits for its time
	cancelled int          // how many that waited for their time it has taken the place of
	expires   time.Time    // zero: no TTL, or not known
}

// do publishes or schedules, and blocks until the hub has done it. The newest
// state of a sequence takes the place of states that wait for their time too.
func (p Publish) do(ctx context.Context, h *hub.Actor) (r receipt, err error) {
	if p.When != nil {
		r, err = p.plan(ctx, h)
	} else {
		r, err = p.publish(ctx, h)
	}
	if err != nil || r.duplicate || p.Message.Sequence == "" {
		return r, err
	}
	_, r.cancelled, err = cancel(ctx, h, p.Message.Channel, p.Message.Sequence, r.message.ID)
	return r, err
}

func (p Publish) publish(ctx context.Context, h *hub.Actor) (r receipt, err error) {
	r.message = p.Message
	if r.duplicate, err = h.Publish(ctx, p.Message, p.Options); err != nil {
		return r, err
	}
	return published(p.Message, p.Options.TTL, r.duplicate), nil
}

// published is the receipt of a message that was published at once.
func published(m *hub.Message, ttl time.Duration, duplicate bool) receipt {
	r := receipt{message: m, duplicate: duplicate}
	if ttl > 0 && !duplicate { // the first one's TTL may have been another
		r.expires = m.Time.Add(ttl)
	}
	return r
}

// doIn is do in a pipeline: done is told what became of it, as [hub.Pipeline] tells it, after
// all that was published before.
func (p Publish) doIn(ctx context.Context, h *hub.Actor, pipe *hub.Pipeline, done func(receipt, error)) {
	if p.When != nil || p.Message.Sequence != "" {
		pipe.Flush(ctx)
		done(p.do(ctx, h))
		return
	}
	m, ttl := p.Message, p.Options.TTL
	pipe.Publish(ctx, m, p.Options, func(duplicate bool, err error) {
		done(published(m, ttl, duplicate), err)
	})
}

// plan schedules the message.
func (p Publish) plan(ctx context.Context, h *hub.Actor) (r receipt, err error) {
	s := &hub.Scheduled{Message: p.Message, When: *p.When, Options: p.Options}
	if r.duplicate, err = h.Schedule(ctx, s); err != nil {
		return r, err
	}
	if s.Next.IsZero() { // the first one came already
		s.Next = p.When.At
	} else {
		r.scheduled = true
	}
	r.message = waiting(s)
	if p.Options.TTL > 0 && !r.duplicate {
		r.expires = s.Next.Add(p.Options.TTL)
	}
	return r, nil
}

// waiting is a scheduled message as it is shown: with the schedule's ID, at the
// time when it comes next.
func waiting(s *hub.Scheduled) *hub.Message {
	m := *s.Message
	m.ID, m.Time, m.Position = s.ID, s.Next, hub.Position{}
	return &m
}

// cancel forgets what is scheduled for a channel under an ID, or with it as the
// sequence ID, but for the one with the ID kept. It returns the message with that ID, nil if
// there is none, and how many were forgotten.
func cancel(ctx context.Context, h *hub.Actor, channel, id, kept string) (found *hub.Message, n int, err error) {
	forgotten, err := h.Supersede(ctx, channel, id, kept)
	for i := range forgotten {
		if forgotten[i].ID == id {
			found = waiting(&forgotten[i])
		}
	}
	return found, len(forgotten), err
}

// schedulePage is how many scheduled messages are read at a time.
const schedulePage = 256

// scheduled yields what waits for the channels of a pattern, page by page.
func scheduled(ctx context.Context, h *hub.Actor, pattern string) iter.Seq2[hub.Scheduled, error] {
	return func(yield func(hub.Scheduled, error) bool) {
		for after, more := "", true; more; {
			var list []hub.Scheduled
			var err error
			if list, more, err = h.Scheduled(ctx, pattern, after, schedulePage); err != nil {
				yield(hub.Scheduled{}, err)
				return
			}
			for _, s := range list {
				if after = s.ID; !yield(s, nil) {
					return
				}
			}
			more = more && len(list) > 0
		}
	}
}

// Events that concern an earlier message of the channel, by its sequence ID.
const (
	eventDelete = "message_delete" // it is gone
	eventClear  = "message_clear"  // it was read, or is of no interest any more
)

// newSequenceEvent returns what tells subscribers that an event happened to the
// messages with a sequence ID; exclude, if not "", is not told. A deletion takes them out of
// the store. Errors are
// [hub.Error]s for [NtfyError].
func newSequenceEvent(event, channel, id, exclude string) (*hub.Message, error) {
	if id == "" {
		return nil, refuse(NtfyBadSequence, "the sequence ID is missing: name the message by its sequence ID or its id")
	}
	if err := checkSequence(id); err != nil {
		return nil, err
	}
	if err := checkTopic(hub.CheckChannel, channel); err != nil {
		return nil, err
	}
	if err := checkExclude(exclude); err != nil {
		return nil, err
	}
	m := &hub.Message{Channel: channel, Data: sequenceEventData(event, id), Exclude: exclude}
	if event == eventDelete {
		m.Sequence = id
	}
	return m, nil
}

func sequenceEventData(event, id string) []byte {
	b := []byte(sequenceEventPrefix + event[len("message_"):] + `","sequence_id":`)
	return append(strconv.AppendQuote(b, id), '}')
}

// sequenceEventPrefix begins the data of each such event, and of nothing else
// that is often published: the rest need not be read.
const sequenceEventPrefix = `{"event":"message_`

// parseSequenceEvent reads what sequenceEventData wrote; "" if it is other data.
func parseSequenceEvent(data []byte) (event, id string) {
	rest, ok := bytes.CutPrefix(data, []byte(sequenceEventPrefix))
	if !ok || len(data) > maxSequenceEvent {
		return "", ""
	}
	kind, more, _ := strings.Cut(string(rest), `","sequence_id":"`)
	id, ok = strings.CutSuffix(more, `"}`)
	event = "message_" + kind
	if !ok || id == "" || event != eventDelete && event != eventClear || checkSequence(id) != nil {
		return "", ""
	}
	return event, id
}

// maxSequenceEvent is the length of the longest such data.
const maxSequenceEvent = len(`{"event":"message_delete","sequence_id":""}`) + maxSequence
