package dialect

import (
	"errors"
	"fmt"
	"time"

	"fanfold/hub"
	"fanfold/hub/foreign"
)

// ntfy's API, spoken so that its clients (phones, curl scripts, apprise) work
// unchanged: ParsePublish and ParsePublishJSON read what they publish, NtfyDelete and
// NtfyClear what becomes of that, ParseSubscribe what they ask for, and NtfyJSON, NtfySSE,
// NtfyRaw and NtfySocket write what they are sent. CatchUp joins history and live messages.

// KeepaliveEvery is the time between two keepalives to a subscriber.
const KeepaliveEvery = 45 * time.Second

// What a message object's "event" can be.
const (
	eventMessage   = "message"
	eventOpen      = "open"
	eventKeepalive = "keepalive"
	eventGap       = "gap" // not ntfy's own; its clients pass over events they don't know
	eventEnd       = "end" // neither
)

// NtfyCode is the number by which ntfy's API calls an error: the HTTP status and
// two digits. In the chain of a [hub.Error] it says more than the [hub.Code] does.
type NtfyCode int

// The codes in use.
const (
	NtfyBadRequest      NtfyCode = 40000
	NtfyNoEmail         NtfyCode = 40001
	NtfyDelayNoCache    NtfyCode = 40002
	NtfyBadDelay        NtfyCode = 40004
	NtfySmallDelay      NtfyCode = 40005
	NtfyLargeDelay      NtfyCode = 40006
	NtfyBadPriority     NtfyCode = 40007
	NtfyBadSince        NtfyCode = 40008
	NtfyBadTopic        NtfyCode = 40009
	NtfyTakenTopic      NtfyCode = 40010 // the name is one of the server's own paths
	NtfyBadAttach       NtfyCode = 40013
	NtfyNoUpload        NtfyCode = 40014
	NtfyBadActions      NtfyCode = 40018
	NtfyBadIcon         NtfyCode = 40021
	NtfyBadJSON         NtfyCode = 40024
	NtfyNoCall          NtfyCode = 40032
	NtfyBadSequence     NtfyCode = 40049
	NtfyUnauthorized    NtfyCode = 40101
	NtfyForbidden       NtfyCode = 40301
	NtfyNotFound        NtfyCode = 40401
	NtfyConflict        NtfyCode = 41201 // a condition does not hold; not ntfy's own
	NtfyTooLarge        NtfyCode = 41301
	NtfyTooMany         NtfyCode = 42901
	NtfyTooManyTopics   NtfyCode = 42903 // or subscriptions
	NtfyTooManyBytes    NtfyCode = 42905
	NtfyTooManyFailures NtfyCode = 42909 // to authenticate
	NtfyInternal        NtfyCode = 50001
	NtfyUnavailable     NtfyCode = 50301
	NtfyFull            NtfyCode = 50702
)

// Error makes a code part of an error chain.
func (c NtfyCode) Error() string { return fmt.Sprintf("ntfy error %d", int(c)) }

// Status is the code's HTTP status.
func (c NtfyCode) Status() int { return int(c) / 100 }

// ntfyCodes are the codes of errors that carry no code of their own.
var ntfyCodes = map[hub.Code]NtfyCode{
	hub.CodeInternal:          NtfyInternal,
	hub.CodeBadRequest:        NtfyBadRequest,
	hub.CodeTooLarge:          NtfyTooLarge,
	hub.CodeUnauthenticated:   NtfyUnauthorized,
	hub.CodeExpired:           NtfyUnauthorized,
	hub.CodeDenied:            NtfyForbidden,
	hub.CodeUnknownMethod:     NtfyNotFound,
	hub.CodeAlreadySubscribed: NtfyBadRequest,
	hub.CodeLimit:             NtfyTooMany,
	hub.CodeNotAvailable:      NtfyBadRequest,
	hub.CodeUnrecoverable:     NtfyBadSince,
	hub.CodeUnavailable:       NtfyUnavailable,
	hub.CodeFull:              NtfyFull,
	hub.CodeClosed:            NtfyUnavailable,
	hub.CodeBusy:              NtfyTooMany,
	hub.CodeConflict:          NtfyConflict,
}

// NtfyError returns the HTTP status and the JSON body that ntfy's clients expect
// for an error. Of the chain only the client's message is shown.
func NtfyError(err error) (status int, body []byte) {
	e := hub.ErrorOf(err)
	code, ok := errors.AsType[NtfyCode](err)
	if !ok {
		code, ok = ntfyCodes[e.Code]
	}
	if !ok {
		code = NtfyInternal
	}
	return code.Status(), foreign.CompactJSON(struct {
		Code  int    `json:"code"`
		HTTP  int    `json:"http"`
		Error string `json:"error"`
	}{int(code), code.Status(), e.Message})
}

// refuse returns a [hub.Error] for the client that carries code.
func refuse(code NtfyCode, format string, args ...any) *hub.Error {
	e := hub.Errorf(hub.CodeBadRequest, format, args...)
	switch code.Status() {
	case 413:
		e.Code = hub.CodeTooLarge
	case 429:
		e.Code = hub.CodeLimit
	}
	e.Err = code
	return e
}

// checkTopic is check with ntfy's code in the error.
func checkTopic(check func(string) error, name string) error {
	if err := check(name); err != nil {
		return refuse(NtfyBadTopic, "%s", hub.ErrorOf(err).Message)
	}
	return nil
}

// ntfyMessage is a message as ntfy's API shows it.
type ntfyMessage struct {
	ID          string          `json:"id"`
	Time        int64           `json:"time"`              // Unix seconds
	Expires     int64           `json:"expires,omitempty"` // Unix seconds
	Event       string          `json:"event"`
	Topic       string          `json:"topic"`
	SequenceID  string          `json:"sequence_id,omitempty"`
	Title       string          `json:"title,omitempty"`
	Message     string          `json:"message"`
	Priority    int             `json:"priority,omitempty"`
	Tags        []string        `json:"tags,omitempty"`
	Click       string          `json:"click,omitempty"`
	Icon        string          `json:"icon,omitempty"`
	Actions     []Action        `json:"actions,omitempty"`
	Attachment  *ntfyAttachment `json:"attachment,omitempty"`
	ContentType string          `json:"content_type,omitempty"`
	Encoding    string          `json:"encoding,omitempty"`
	// Offset and Epoch are the position of a stored message; not ntfy's own.
	Offset uint64 `json:"offset,omitempty"`
	Epoch  string `json:"epoch,omitempty"`
	// Scheduled: it waits for its time. Duplicate: an earlier publish had the same
	// idempotency key. Cancelled: it was scheduled, and is not any more. Not ntfy's own.
	Scheduled bool `json:"scheduled,omitempty"`
	Duplicate bool `json:"duplicate,omitempty"`
	Cancelled bool `json:"cancelled,omitempty"`
}

type ntfyAttachment struct {
	Name string `json:"name"`
	URL  string `json:"url"`
}

// ntfySequenceEvent is what happened to an earlier message, as ntfy's API shows it.
type ntfySequenceEvent struct {
	ID         string `json:"id"`
	Time       int64  `json:"time"`
	Event      string `json:"event"`
	Topic      string `json:"topic"`
	SequenceID string `json:"sequence_id"`
	Offset     uint64 `json:"offset,omitempty"`
	Epoch      string `json:"epoch,omitempty"`
}

// NtfyMessage returns a message as ntfy's API shows it to subscribers: a JSON
// object on one line, without the line's end. A stored message has its position beside
// ntfy's fields, as offset and epoch. What happened to an earlier message is an object
// with that event and the earlier one's sequence_id.
func NtfyMessage(m *hub.Message) []byte {
	if event, id := parseSequenceEvent(m.Data); event != "" {
		return foreign.CompactJSON(ntfySequenceEvent{
			ID: m.ID, Time: m.Time.Unix(), Event: event, Topic: m.Channel, SequenceID: id,
			Offset: m.Position.Seq, Epoch: m.Position.Epoch,
		})
	}
	return foreign.CompactJSON(ntfyMessageOf(m))
}

func ntfyMessageOf(m *hub.Message) ntfyMessage {
	n := AsNotification(m.Data)
	out := ntfyMessage{
		ID: m.ID, Time: m.Time.Unix(), Event: eventMessage, Topic: m.Channel, SequenceID: m.Sequence,
		Title: n.Title, Message: n.Message, Priority: n.Priority, Tags: n.Tags,
		Click: n.Click, Icon: n.Icon, Actions: n.Actions, Encoding: n.Encoding,
		Offset: m.Position.Seq, Epoch: m.Position.Epoch,
	}
	if n.Attach != "" {
		out.Attachment = &ntfyAttachment{Name: n.attachmentName(), URL: n.Attach}
	}
	if n.Markdown {
		out.ContentType = "text/markdown"
	}
	return out
}
