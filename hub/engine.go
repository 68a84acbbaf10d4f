package hub

import (
	"context"
	"time"
)

// Engine stores and carries messages. Its methods may be called from any
// goroutine.
type Engine interface {
	// Publish stores m and hands it to the listeners, or, if o.Live, hands it to
	// them without storing. It fills in m's ID, Position and Time, which may be some
	// milliseconds later than the time that readers see. A nil error
	// means stored as promised; on an error the message may or may not have been
	// stored. duplicate: nothing was stored, and m has the ID and Position of the first
	// message with that key, also if o has a condition that does not hold any more. If m has
	// a Sequence, the channel's earlier messages with it are forgotten. Of what o.RollUp has
	// replaced, some may be left in front of m if the process is killed at that moment. It
	// blocks until the store has answered or ctx is done. Errors: [CodeFull],
	// [CodeUnavailable], [CodeConflict] if o has a condition.
	Publish(ctx context.Context, m *Message, o PublishOptions) (duplicate bool, err error)
	// Read returns one page of history. If history does not reach back to q.After
	// it fails with [CodeUnrecoverable]; it never leaves a hole silently. The page is the
	// caller's, its messages may be shared with others and must not be changed.
	Read(ctx context.Context, q Query) (Page, error)
	// Listen tells l of each message of a channel or pattern from now on: a message
	// that a later Read does not return was or will be delivered, or l is told that
	// some were lost. All Deliver calls come from one goroutine, in the order in
	// which the messages were stored. Neither Listen nor stop blocks on a delivery; a few
	// messages may still be delivered after stop.
	Listen(pattern string, l Listener) (stop func(), err error)
}

// Listener hears messages from an [Engine].
type Listener interface {
	// Deliver does not block. A message without Data only marks a place in the store
	// where none is any more, so that the Prev of the next one is understood; Read leaves
	// it out. The first message with a Prev that was not delivered shows a hole.
	Deliver(*Message)
	// Lost says that messages did not arrive, which only a Read can bring now. It
	// comes after each loss, or after the last of several, from any goroutine, and does not
	// block. It may come before earlier messages are delivered. It should come before later
	// ones: what was lost of a pattern is filled out of order otherwise, or if it comes more
	// than a second later and nothing follows in that channel, not at all.
	Lost()
}

// Remover is an [Engine] that can forget a channel's history. Positions from
// before can't be recovered from afterwards, and numbers go on rising.
type Remover interface {
	Remove(ctx context.Context, channel string) error
}

// Sender is an [Engine] that takes messages before it has stored the ones sent earlier.
type Sender interface {
	// Send begins a Publish. What one goroutine sends is stored in that order. nil: this
	// message is for Publish, after the wait for all that this goroutine has sent; nothing was
	// done with it.
	Send(m *Message, o PublishOptions) Sending
}

// Sending is a publish that has begun. It belongs to one goroutine.
type Sending interface {
	// Wait returns the results of Publish. It blocks until the store has answered or ctx is
	// done, and must be called once, after which the engine uses the Sending again.
	Wait(ctx context.Context) (duplicate bool, err error)
}

// Prober is an [Engine] that can tell whether it would take a message now.
type Prober interface {
	Probe(ctx context.Context) error
}

// Recorder is an [Engine] that also keeps records beside the messages, which all
// hubs on it learn of. A kind and an ID are letters, digits, - and _.
type Recorder interface {
	// Record keeps a record in place of an earlier one of that kind and ID, for ttl, in
	// whole seconds or longer; 0: for ever. Errors: [CodeFull], [CodeUnavailable].
	Record(ctx context.Context, kind, id string, record []byte, ttl time.Duration) error
	// Records hands the records of a kind to hear: before it returns those that are kept,
	// and from then on new ones, of any hub, at once or within seconds. It may do so
	// several times, also for one that could not be kept. Calls do not overlap. stop waits
	// for the last.
	Records(ctx context.Context, kind string, hear func(record []byte)) (stop func(), err error)
}

// Query asks for a page of history.
type Query struct {
	Channel string // or a pattern
	// After: only messages behind this position, or before it if Reverse. A zero
	// Seq with an Epoch is the very beginning of that epoch, and can be trimmed; the zero
	// Position asks for whatever there is.
	After Position
	// Until: only messages at or before this position; the zero Position: no bound.
	// One with an Epoch is a bound even if its Seq is 0: the store was empty then.
	Until Position
	// Since: only messages of that time or later. Not used together with After.
	Since time.Time
	// Limit is the number of messages at most; 0 asks for Top alone.
	Limit   int
	Reverse bool // newest first
}

// Page is a part of a channel's history.
type Page struct {
	Messages []*Message
	// Top is a position with everything now in the channel at or before it: of its
	// last message if it has one, else of the store's.
	Top Position
	// More: there are further messages in the direction of reading.
	More bool
}

// Conn is a session's way out, implemented by each transport. Neither method
// blocks; both may be called from any goroutine, with no lock of the session held, and
// already before [Actor.Open] has returned the session.
type Conn interface {
	// Wake says that the session's outbox has something to [Session.Take]. It is
	// not called again before a Take has come back empty. It may write what the network takes
	// without waiting.
	Wake()
	// Close ends the connection and tells the client why. It is called once, after
	// the last Take.
	Close(Reason)
}

// Withholder is a [Conn] that may leave frames in the outbox although the client could
// be sent some: it waits for something else.
type Withholder interface {
	// Ending says that the session ends when its outbox is empty, so that the Conn takes
	// what is in there. It does not block.
	Ending()
}

// Codec writes events for subscribers of one protocol. It is compared with ==,
// and all sessions with equal codecs share each encoded frame.
type Codec interface {
	// Encode returns the event as one frame, which nobody changes afterwards. It is
	// pure, and called once per event and codec. nil: this protocol does not show
	// such an event; if that is KindUnsubscribed, the session is closed instead, and if it
	// is KindSubscribed, it is not subscribed.
	Encode(Event) []byte
}

// Kind says what an [Event] tells.
type Kind int

// The kinds of events.
const (
	KindMessage      Kind = iota // Message was published
	KindJoin                     // Client subscribed
	KindLeave                    // Client unsubscribed or went away
	KindSubscribed               // the server made the subscription, from Position on
	KindUnsubscribed             // the hub ended the subscription, for Reason
	KindPing                     // nothing happened; shows that the link is up
)

// Event is something that a session is told.
type Event struct {
	Kind Kind
	// Subscription is the channel or pattern as it was subscribed to; for KindPing
	// the session's label.
	Subscription string
	Message      *Message  // KindMessage
	Client       *Client   // KindJoin, KindLeave
	Position     Position  // KindSubscribed
	Data         []byte    // KindSubscribed; JSON, nil: none
	Reason       Reason    // KindUnsubscribed
	Time         time.Time // KindPing
}

// Cause is why the hub ends a session or subscription.
type Cause int

// The causes.
const (
	CauseClosed     Cause = iota // the connection is gone
	CauseShutdown                // the hub stops; come back later
	CauseSlow                    // the outbox was full
	CauseNoPong                  // a ping was not answered
	CauseStale                   // the client did not introduce itself in time
	CauseBadRequest              // the client broke its protocol
	CauseDenied                  // the client may not be here
	CauseRevoked                 // what the client presented was taken back
	CauseExpired                 // what the client presented is over; come back with a new one
	CauseServer                  // an operator's order, with Code and Text if given
	CauseGap                     // messages were lost on the way; recover
	CauseInternal                // the hub's own fault
)

var causeTexts = [...]string{
	CauseClosed:     "the connection is gone",
	CauseShutdown:   "the hub stops",
	CauseSlow:       "too slow: the outbox was full",
	CauseNoPong:     "a ping was not answered",
	CauseStale:      "the client did not say who it is",
	CauseBadRequest: "the client broke its protocol",
	CauseDenied:     "not allowed",
	CauseRevoked:    "the credential was revoked",
	CauseExpired:    "the credential has expired",
	CauseServer:     "an operator's order",
	CauseGap:        "messages were lost on the way",
	CauseInternal:   "the hub's own fault",
}

// String returns the cause in words, for the log.
func (c Cause) String() string { return causeTexts[c] }

// Reason is a [Cause] and what to tell the client.
type Reason struct {
	Cause Cause
	// Code, if not 0, is the protocol's own code to close with.
	Code int
	// Text, if not "", replaces the protocol's usual words for the cause.
	Text string
	// Retry, if not 0, is how long the client should wait before it comes back, so that
	// not all come at once. Every session closed for [CauseShutdown] has another one.
	Retry time.Duration
}
