package dialect

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"fanfold/hub"
)

// SubscribeRequest is what a subscriber of ntfy's API asks for.
type SubscribeRequest struct {
	Keys  []string // distinct channels and patterns
	Label string   // Keys, as open and keepalive events name them
	// From says which stored messages come first; Replay says it for FromReplay.
	From   From
	Replay hub.Query
	Poll   bool // only stored messages; nothing live
	// Scheduled: what waits for its time is shown too, behind the stored messages.
	Scheduled bool
	Filter    func(*hub.Message) bool // which messages to show; nil: all
}

// check says whether h may have all that is asked for, before anything is done.
func (r SubscribeRequest) check(h *hub.Actor) error {
	if !r.Poll {
		if err := h.Check(hub.ActionSubscribe, r.Keys...); err != nil {
			return err
		}
	}
	if !r.Poll && !r.Scheduled && (r.From == FromNow || r.From == FromLost || r.From == FromReplay && !r.Replay.After.IsZero()) {
		return nil // to go on where it was, it need be no more than a subscriber
	}
	return h.Check(hub.ActionHistory, r.Keys...)
}

// From is where a subscriber's messages begin.
type From int

// The beginnings.
const (
	FromNow    From = iota
	FromLatest      // the last message of each key
	FromReplay      // what a query says
	FromLost        // all that is kept, after a gap: the position asked for is no position
)

// maxSubscribeKeys bounds the histories that one request can have read.
const maxSubscribeKeys = 256

// ParseSubscribe reads what GET /{channels}/json and its kind ask for. channels is
// the path's segment as it stood in the URL: commas separate names there, %2C is
// part of one. header has canonical names; now is the present.
//
// A position to go on behind is taken from the Last-Event-ID header, which browsers
// send when they connect again, or the query's last_event_id, before "since" is looked at.
// Errors are [hub.Error]s for [NtfyError].
func ParseSubscribe(channels string, header, query map[string][]string, now time.Time) (SubscribeRequest, error) {
	keys, err := ParseKeys(channels)
	if err != nil {
		return SubscribeRequest{}, err
	}
	params := ntfyParams{header: header, query: query}
	r := SubscribeRequest{
		Keys: keys, Label: strings.Join(keys, ","),
		Poll: params.yes(paramPoll, false), Scheduled: params.yes(paramScheduled, false),
	}
	if err := r.setFrom(params, now); err != nil {
		return SubscribeRequest{}, err
	}
	filter, err := params.filter()
	if err != nil {
		return SubscribeRequest{}, err
	}
	if !filter.isEmpty() {
		r.Filter = filter.pass
	}
	return r, nil
}

// ParseKeys reads the channels and patterns of a path's segment as [ParseSubscribe]
// does.
func ParseKeys(channels string) ([]string, error) {
	var keys []string
	for _, escaped := range splitList(channels) {
		key, err := url.PathUnescape(escaped)
		if err != nil {
			return nil, refuse(NtfyBadTopic, "the channel name %.60q has a bad percent escape", escaped)
		}
		if err := checkTopic(hub.CheckPattern, key); err != nil {
			return nil, err
		}
		if slices.Contains(keys, key) {
			continue
		}
		if len(keys) == maxSubscribeKeys {
			return nil, refuse(NtfyTooManyTopics, "there are more than %d channels: subscribe to fewer, or to a pattern", maxSubscribeKeys)
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, refuse(NtfyBadTopic, "no channel was named to subscribe to: put names, separated by commas, into the path")
	}
	return keys, nil
}

func (r *SubscribeRequest) setFrom(params ntfyParams, now time.Time) error {
	if id := params.text(paramLast); id != "" {
		r.setAfter(id)
		return nil
	}
	since := params.text(paramSince)
	if since == "" && r.Poll {
		since = "all"
	}
	return r.setSince(since, now)
}

// setAfter goes on behind the message with that ID.
func (r *SubscribeRequest) setAfter(id string) {
	if after, ok := hub.ParsePosition(id); ok {
		r.From, r.Replay = FromReplay, hub.Query{After: after}
		return
	}
	r.From = FromLost
}

// setSince reads the parameter "since". An ID goes before a number or duration of
// the same letters: there are none of its length in practice.
func (r *SubscribeRequest) setSince(since string, now time.Time) error {
	switch since {
	case "", "none":
		r.From = FromNow
		return nil
	case "all":
		r.From = FromReplay
		return nil
	case "latest":
		r.From = FromLatest
		return nil
	}
	if _, ok := hub.ParsePosition(since); ok {
		r.setAfter(since)
		return nil
	}
	if seconds, err := strconv.ParseInt(since, 10, 64); err == nil && seconds >= 0 {
		if seconds > now.Unix() { // nothing is stored yet; and stores count nanoseconds up to 2262
			r.From = FromNow
			return nil
		}
		r.From, r.Replay = FromReplay, hub.Query{Since: time.Unix(seconds, 0)}
		return nil
	}
	if age, err := time.ParseDuration(since); err == nil && age >= 0 {
		r.From, r.Replay = FromReplay, hub.Query{Since: now.Add(-age)}
		return nil
	}
	if isForeignID(since) {
		r.setAfter(since)
		return nil
	}
	return refuse(NtfyBadSince, "since=%.40s can't be read: give all, latest, none, a duration like 10m, Unix seconds or a message id", strconv.Quote(since))
}

// isForeignID reports whether text can be the ID of a message that is not stored
// here: a live one, or one of another server.
func isForeignID(text string) bool {
	const shortest = 12 // letters, of an ID of ntfy's
	return len(text) >= shortest && !strings.ContainsFunc(text, func(r rune) bool {
		return r != '-' && !isLetterOrDigit(r)
	})
}

// ntfyFilter selects messages; empty fields select all. All conditions must hold.
type ntfyFilter struct {
	id, message, title string
	priorities         []int    // any of them
	tags               []string // all of them
}

func (p ntfyParams) filter() (ntfyFilter, error) {
	f := ntfyFilter{
		id:      p.text(paramID),
		message: p.text(paramMessage),
		title:   p.text(paramTitle),
		tags:    splitList(p.text(paramTags)),
	}
	for _, word := range splitList(p.text(paramPriority)) {
		priority, err := parsePriority(word)
		if err != nil {
			return f, err
		}
		f.priorities = append(f.priorities, priority)
	}
	return f, nil
}

func (f ntfyFilter) isEmpty() bool {
	return f.id == "" && f.message == "" && f.title == "" && len(f.priorities) == 0 && len(f.tags) == 0
}

// pass lets through whatever happened to earlier messages: it may have been to one
// that had passed.
func (f ntfyFilter) pass(m *hub.Message) bool {
	if event, _ := parseSequenceEvent(m.Data); event != "" {
		return true
	}
	if f.id != "" && f.id != m.ID {
		return false
	}
	n := AsNotification(m.Data)
	if n.Priority == 0 {
		n.Priority = defaultPriority
	}
	switch {
	case f.message != "" && f.message != n.Message,
		f.title != "" && f.title != n.Title,
		len(f.priorities) > 0 && !slices.Contains(f.priorities, n.Priority):
		return false
	}
	return !slices.ContainsFunc(f.tags, func(tag string) bool { return !slices.Contains(n.Tags, tag) })
}
