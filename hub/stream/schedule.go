package stream

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"fanfold/hub"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	scheduleName = "fanfold-schedule"
	atPrefix     = "at."  // at.<id>.<channel>
	keyPrefix    = "key." // key.<id>

	scheduleHeader = "Fanfold-Schedule" // JSON of order
)

// scheduleBytes bounds the messages that wait for their time.
const scheduleBytes = 256 << 20

// order is what is stored with a message that waits.
type order struct {
	Next  time.Time     `json:"next"`
	At    time.Time     `json:"at,omitzero"`
	Every time.Duration `json:"every,omitempty"`
	Cron  string        `json:"cron,omitempty"`
	Zone  string        `json:"zone,omitempty"`
	Live  bool          `json:"live,omitempty"`
	TTL   time.Duration `json:"ttl,omitempty"`
	// Nonce tells this order from others that had the same ID.
	Nonce string `json:"nonce"`
}

func newOrder(s *hub.Scheduled, next time.Time) order {
	o := order{
		Next: next.UTC(), Every: s.When.Every, Cron: s.When.Cron, Zone: s.When.Zone,
		Live: s.Options.Live, TTL: s.Options.TTL, Nonce: rand.Text(),
	}
	if !s.When.At.IsZero() {
		o.At = o.Next
	}
	return o
}

func (o *order) timetable() hub.Timetable {
	return hub.Timetable{At: o.At, Every: o.Every, Cron: o.Cron, Zone: o.Zone}
}

// key is the idempotency key of the publish that is next. Nonce is random, so that no
// publisher's own key can be the same.
func (o *order) key() string { return "at " + o.Nonce + " " + o.Next.UTC().Format(time.RFC3339Nano) }

func (e *Engine) scheduleConfig() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:              scheduleName,
		Subjects:          []string{atPrefix + ">", keyPrefix + "*"},
		Storage:           e.storage(),
		MaxMsgsPerSubject: 1,
		MaxMsgs:           2 * int64(e.config.MaxSchedules), // each may have a key
		MaxBytes:          scheduleBytes,
		Discard:           jetstream.DiscardNew,
		Duplicates:        time.Second, // not used; the least that can be told from none
		AllowMsgTTL:       true,
		AllowDirect:       true,
	}
}

// Schedule implements [hub.Scheduler]. A key is remembered for the window, and
// for as long as its message waits. Next stays zero for a duplicate that was published
// already.
func (e *Engine) Schedule(ctx context.Context, s *hub.Scheduled) (duplicate bool, err error) {
	now := time.Now()
	p, err := newPlan(s.When, now)
	if err != nil {
		return false, err
	}
	done, err := e.alarms.turn(ctx)
	if err != nil {
		return false, err
	}
	defer done()
	key := s.Options.IdempotencyKey
	if s.ID = scheduleID(s.Message.Channel, key, now); key != "" {
		if used, next, err := e.keyUsed(ctx, s.ID); err != nil || used {
			s.Next = next
			return used, err
		}
	}
	if e.alarms.len() >= e.config.MaxSchedules {
		return false, hub.Errorf(hub.CodeLimit, "too many messages are scheduled: at most %d may wait; cancel some", e.config.MaxSchedules)
	}
	o := newOrder(s, p.first(now))
	s.Next = o.Next
	e.alarms.set(alarm{id: s.ID, channel: s.Message.Channel, next: o.Next})
	if err := e.storeOrder(ctx, s.ID, s.Message, &o); err != nil {
		if hub.ErrorOf(err).Code != hub.CodeUnavailable { // else it may be stored
			e.alarms.drop(s.ID)
		}
		return false, err
	}
	if key != "" {
		return false, e.rememberKey(ctx, s.ID)
	}
	return false, nil
}

// scheduleID is in the order of time, or with a key always the same one. Both
// are letters and digits.
func scheduleID(channel, key string, now time.Time) string {
	if key == "" {
		return hub.NewEpoch(now) + rand.Text()[:16]
	}
	sum := sha256.Sum256([]byte(channel + " " + key)) // a channel has no space
	return "key" + base32.StdEncoding.EncodeToString(sum[:15])
}

// keyUsed reports whether something was scheduled under a key's ID before, and
// if it still waits, until when.
func (e *Engine) keyUsed(ctx context.Context, id string) (used bool, next time.Time, err error) {
	if a, ok := e.alarms.get(id); ok {
		return true, a.next, nil
	}
	msg, err := e.last(ctx, scheduleName, keyPrefix+id)
	return msg != nil, time.Time{}, err
}

// rememberKey is called when the message is stored: a failure is answered by a
// repetition with the same key, which finds that message.
func (e *Engine) rememberKey(ctx context.Context, id string) error {
	window := max(time.Second, e.config.IdempotencyWindow.Round(time.Second))
	_, err := e.store(ctx, &nats.Msg{Subject: keyPrefix + id, Header: nats.Header{jetstream.MsgTTLHeader: {window.String()}}})
	return err
}

// storeOrder stores a message that waits, in place of the one with the same ID.
func (e *Engine) storeOrder(ctx context.Context, id string, m *hub.Message, o *order) error {
	msg := &nats.Msg{}
	if err := encode(msg, m, atPrefix+id+"."+m.Channel); err != nil {
		return err
	}
	text, err := json.Marshal(o)
	if err != nil {
		return fmt.Errorf("encode a timetable: %w", err)
	}
	if msg.Header == nil {
		msg.Header = nats.Header{}
	}
	msg.Header[scheduleHeader] = []string{string(text)}
	_, err = e.store(ctx, msg)
	if storeFailed(err) {
		return &hub.Error{Code: hub.CodeLimit, Message: fmt.Sprintf("the messages that are scheduled take too much room: %d bytes are allowed; cancel some", scheduleBytes), Err: err}
	}
	return err
}

// jsStoreFailed is JSStreamStoreFailedF of the server's error list: a stream that
// discards what is new has reached a bound.
const jsStoreFailed jetstream.ErrorCode = 10077

func storeFailed(err error) bool {
	api, ok := errors.AsType[*jetstream.APIError](err)
	return ok && api.ErrorCode == jsStoreFailed
}

// waiting is what [Engine.storeOrder] stored.
type waiting struct {
	seq     uint64
	id      string
	message *hub.Message
	order   order
}

// loadOrder returns what waits under an ID; nil: nothing.
func (e *Engine) loadOrder(ctx context.Context, id, channel string) (*waiting, error) {
	msg, err := e.last(ctx, scheduleName, atPrefix+id+"."+channel)
	if err != nil || msg == nil {
		return nil, err
	}
	return decodeOrder(msg)
}

// errUnreadable is in the error for a stored message that is not as storeOrder writes it.
var errUnreadable = errors.New("the scheduled message can't be read")

func decodeOrder(msg *nats.Msg) (*waiting, error) {
	subject := msg.Header.Get(jetstream.SubjectHeader)
	id, channel, _ := strings.Cut(strings.TrimPrefix(subject, atPrefix), ".")
	w := &waiting{seq: sequenceOf(msg), id: id, message: &hub.Message{Channel: channel, Data: msg.Data}}
	err := json.Unmarshal([]byte(msg.Header.Get(scheduleHeader)), &w.order)
	if text := msg.Header.Get(metaHeader); err == nil && text != "" {
		err = decodeMeta(w.message, text)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", errUnreadable, subject, err)
	}
	return w, nil
}

// sequenceOf is the number of a message that was read from the store; 0: the header
// is damaged.
func sequenceOf(msg *nats.Msg) uint64 {
	seq, _ := strconv.ParseUint(msg.Header.Get(jetstream.SequenceHeader), 10, 64)
	return seq
}

// Scheduled implements [hub.Scheduler]. A page has about pageBytes at most.
func (e *Engine) Scheduled(ctx context.Context, pattern, after string, limit int) (list []hub.Scheduled, more bool, err error) {
	found, err := e.alarms.matching(ctx, pattern, after)
	if err != nil {
		return nil, false, err
	}
	for bytes := 0; len(found) > 0; found = found[1:] {
		if len(list) >= limit || bytes >= pageBytes {
			return list, true, nil
		}
		w, err := e.loadOrder(ctx, found[0].id, found[0].channel)
		if err != nil {
			return nil, false, err
		}
		if w == nil {
			continue // published or cancelled meanwhile
		}
		bytes += len(w.message.Data)
		list = append(list, hub.Scheduled{
			ID: w.id, Message: w.message, When: w.order.timetable(), Next: w.order.Next,
			Options: hub.PublishOptions{Live: w.order.Live, TTL: w.order.TTL},
		})
	}
	return list, false, nil
}

// Cancel implements [hub.Scheduler]. When it has returned true, nothing more is
// published.
func (e *Engine) Cancel(ctx context.Context, id string) (bool, error) {
	if id == "" || strings.ContainsFunc(id, notIDRune) {
		return false, nil
	}
	done, err := e.alarms.turn(ctx)
	if err != nil {
		return false, err
	}
	defer done()
	purged, err := e.purge(ctx, scheduleName, purgeRequest{Filter: atPrefix + id + ".>"})
	if err != nil {
		return false, err
	}
	e.alarms.drop(id)
	return purged > 0, nil
}

func notIDRune(c rune) bool {
	return (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z')
}

// byID is the order of [Engine.Scheduled].
func byID(a, b alarm) int { return cmp.Compare(a.id, b.id) }
