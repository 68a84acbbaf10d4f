package dialect

import (
	"context"
	"maps"
	"slices"
	"time"

	"fanfold/hub"
)

// MQTTSessions keeps what a client's session outlives its connections by (§4.1).
// Its methods may be called from any goroutine.
type MQTTSessions interface {
	// Attach gives a client its session. The one that has it now is told to go, and waited
	// for, within ctx and some seconds. The state is nil if the session is new. The error is a
	// [hub.Error]: of [hub.CodeLimit] if too many are kept.
	Attach(ctx context.Context, c MQTTConnect, client MQTTClient) (MQTTSession, *MQTTState, error)
}

// MQTTConnect is who asks for a session.
type MQTTConnect struct {
	// Owner is whose session it is: client IDs of different owners have nothing to do with
	// each other.
	Owner, ClientID string
	Clean           bool // nothing is to be left of an earlier one
	// Expiry is how long it is kept without a connection; 0: not at all.
	Expiry time.Duration
}

// MQTTClient is the connection that has a session. Its methods don't block.
type MQTTClient interface {
	// State is what to keep now. changed: it is another than before.
	State() (s MQTTState, changed bool)
	// TakenOver ends it, because the client has come again.
	TakenOver()
	// Tick comes every second or so.
	Tick(now time.Time)
}

// MQTTSession is the hold of a connection on its session.
type MQTTSession interface {
	// Save keeps the client's state: a nil error means that it outlives the hub's end. It
	// blocks on the engine. Of a session that is not to be kept it does nothing.
	Save(ctx context.Context) error
	// Detach gives the session back, to be kept for a time. The will, unless it is nil, is
	// published after its delay, or when the session ends, or not at all if the client comes back
	// to it before. It is called once.
	Detach(ctx context.Context, s MQTTState, keep time.Duration, will *MQTTWill)
}

// MQTTState is what is kept of a session.
type MQTTState struct {
	Filters  []MQTTFilter
	Received []MQTTReceived
	// Inflight are messages that were sent and not acknowledged. They are of use as long as
	// this process runs, to be sent again under their own packet identifiers.
	Inflight []MQTTInflight
}

// MQTTFilter is a subscription.
type MQTTFilter struct {
	Filter            string
	QoS               byte
	NoLocal           bool // nothing that the same connection has published
	RetainAsPublished bool
	ID                int // Subscription Identifier; 0: none
	// Position is where everything up to it was acknowledged, and Sent where everything
	// was sent.
	Position, Sent hub.Position
}

// MQTTReceived is a message of QoS 2 that came and was not released.
type MQTTReceived struct {
	ID     uint16
	Key    string // its idempotency key
	Stored bool
}

// MQTTInflight is a message that waits for its acknowledgement.
type MQTTInflight struct {
	ID     uint16
	Filter string
	Seq    uint64
}

// MQTTWill is a will message on its way.
type MQTTWill struct {
	Delay   time.Duration
	Publish func(ctx context.Context)
}

// MQTTRetained keeps the newest retained message of each channel. Its methods may be
// called from any goroutine.
type MQTTRetained interface {
	// Publish publishes m by the function, and keeps it in place of an earlier one. clear:
	// none is kept then. A nil error means that this outlives the hub's end. The error is
	// publish's, or of [hub.CodeFull] before it was called if there is no room.
	Publish(ctx context.Context, m *hub.Message, clear bool, publish func() error) error
	// Match returns the messages whose channels a pattern matches. Who has called publish
	// with an earlier one has it in there.
	Match(keys []string) []*hub.Message
}

// State implements [MQTTClient].
func (p *mqttPeer) State() (s MQTTState, changed bool) {
	p.lock.Lock()
	defer p.lock.Unlock()
	changed, p.changed = p.changed, false
	return p.stateLocked(), changed
}

func (p *mqttPeer) stateLocked() (s MQTTState) {
	for _, name := range slices.Sorted(maps.Keys(p.filters)) {
		f := p.filters[name]
		kept := f.MQTTFilter
		kept.Position, kept.Sent = f.sent, f.sent
		for i := range p.inflight {
			if m := &p.inflight[i]; m.filter == f && m.seq != 0 {
				kept.Position = m.before
				break
			}
		}
		if f.hadSent.Epoch == f.sent.Epoch && f.hadSent.Seq > f.sent.Seq { // of the connection before
			kept.Sent = f.hadSent
		}
		for seq, id := range f.resend {
			s.Inflight = append(s.Inflight, MQTTInflight{ID: id, Filter: f.Filter, Seq: seq})
		}
		s.Filters = append(s.Filters, kept)
	}
	for _, m := range p.inflight {
		if m.seq != 0 {
			s.Inflight = append(s.Inflight, MQTTInflight{ID: m.id, Filter: m.filter.Filter, Seq: m.seq})
		}
	}
	for id, r := range p.received {
		s.Received = append(s.Received, MQTTReceived{ID: id, Key: r.key, Stored: r.stored})
	}
	return s
}

// TakenOver implements [MQTTClient].
func (p *mqttPeer) TakenOver() { // [MQTT-3.1.4-3]
	p.session.Close(hub.Reason{Cause: hub.CauseServer, Code: codeTakenOver, Text: "the client has connected again elsewhere"})
}

// Tick implements [MQTTClient]: a client that was silent for one and a half times its
// keep alive is gone [MQTT-3.1.2-22].
func (p *mqttPeer) Tick(now time.Time) {
	p.lock.Lock()
	silent := p.keepAlive > 0 && now.Sub(p.seen) > p.keepAlive*3/2
	p.lock.Unlock()
	if silent {
		p.session.Close(hub.Reason{Cause: hub.CauseNoPong, Text: "nothing came from the client for one and a half times its keep alive"})
	}
}
