package dialect

import (
	"context"
	"time"

	"fanfold/hub"

	"github.com/mochi-mqtt/server/v2/packets"
)

// MQTTConfig is what an [MQTT] is made from.
type MQTTConfig struct {
	Sessions MQTTSessions // required, as are the next four
	Retained MQTTRetained
	// Store is the hub as somebody may use it who reads all history: for sessions that go
	// on where nothing is kept any more.
	Store *hub.Actor
	Now   func() time.Time
	// NewLock returns a lock for what the two directions of a connection share.
	NewLock func() Locker
	// Tokens is who verifies tokens and keys in passwords. nil: nobody is asked.
	Tokens Tokens
	// MaxPayloadBytes bounds the payload of what a client publishes.
	MaxPayloadBytes int // required
	// MaxExpiry is how long a session is kept without a connection at most, and that of a
	// client that can't say.
	MaxExpiry time.Duration
	// Refused hears of what was refused and what the client could not be told; nil: nobody.
	Refused func(client, what string, err error)
}

// Locker is a lock, as package sync has it.
type Locker interface {
	Lock()
	Unlock()
}

// MQTT is MQTT 3.1, 3.1.1 and 5 for devices: a stream of packets each way, over TCP or
// in binary WebSocket messages. It is static, and all sessions of one MQTT share their frames.
//
// Section numbers are those of version 5, and so are the normative statements in
// brackets, unless it is said otherwise. How topics are channels and payloads data is said in
// the sources beside this.
//
// # What is promised
//
// PUBACK and PUBREC say that a message is stored, or delivered if its channel
// stores nothing. One of QoS 2 is stored once. Subscriptions are granted QoS 1 at most. What a
// session may miss is read from the store when its client comes back, in order, behind the last
// message that it acknowledged: so a message may come twice, and none is lost that is kept. If
// the place is not kept any more it gets all that is. Live channels bring nothing to who is away.
//
// # Refusals
//
// Version 5 has a reason code for what a client may not publish. Older versions have
// none, so the connection is closed [MQTT-3.3.5-2 of 3.1.1], or a message of QoS 0 dropped, and
// the log says why.
type MQTT struct{ config MQTTConfig }

var _ Binary = (*MQTT)(nil)

// NewMQTT returns the protocol.
func NewMQTT(config MQTTConfig) *MQTT {
	if config.Refused == nil {
		config.Refused = func(string, string, error) {}
	}
	return &MQTT{config}
}

// Bounds of a connection.
const (
	mqttConnectWithin = 10 * time.Second // for CONNECT, see §3.1
	mqttReceiveMax    = 256              // messages of QoS 2 that are not released
	mqttAliases       = 16               // topic aliases of a client
	mqttWindow        = 64               // messages that wait for an acknowledgement
	mqttWindow5       = 256              // the same of a client that says how many it takes
	mqttReplyBytes    = 64 << 10         // answers that wait to be read; more: the client is slow
	mqttOverhead      = 16 << 10         // of a packet, beside the payload
	mqttRetainedQueue = 32 << 10         // retained messages that wait to be sent; more are refused
	maxClientID       = 256              // bytes
)

// Connect implements [Dialect]. Who the client is says its first packet.
func (d *MQTT) Connect(_ context.Context, h *hub.Actor, conn hub.Conn, r Request) (Peer, error) {
	p := &mqttPeer{mqtt: d, conn: conn, refused: r.Refused, begun: make(chan struct{})}
	p.lock = d.config.NewLock()
	p.filters, p.byKey = map[string]*mqttFilter{}, map[string][2]*mqttFilter{}
	p.received = map[uint16]mqttReceived{}
	p.seen, p.idle = d.config.Now(), true
	session, err := h.Open(hub.SessionConfig{Conn: p, Codec: d, IdentifyWithin: mqttConnectWithin, Unannounced: true})
	if err != nil {
		return nil, err
	}
	p.session = session
	return p, nil
}

// Separator implements [Dialect]: packets are a stream.
func (d *MQTT) Separator() string { return "" }

// Subprotocols implements [Binary] [MQTT-6.0.0-3] [MQTT-6.0.0-4].
func (d *MQTT) Subprotocols() []string { return []string{"mqtt", "mqttv3.1"} }

// CloseCode implements [Dialect] with the codes of RFC 6455 §7.4.1, as [Echo] does.
func (d *MQTT) CloseCode(r hub.Reason) (code int, text string) {
	if r.Code < closeNormal { // it is a reason code of the protocol's
		r.Code = 0
	}
	return (*Echo)(nil).CloseCode(r)
}

// Encode implements [hub.Codec]: messages are shown, and nothing else is.
func (d *MQTT) Encode(e hub.Event) []byte {
	if e.Kind != hub.KindMessage {
		return nil
	}
	frame, _ := encodeFrame(e.Subscription, e.Message, 0)
	return frame
}

// MaxPacketBytes implements [Binary].
func (d *MQTT) MaxPacketBytes() int { return d.config.MaxPayloadBytes + mqttOverhead }

// mqttCauses are the reason codes of a DISCONNECT (§3.14.2.1).
var mqttCauses = map[hub.Cause]packets.Code{
	hub.CauseClosed:     packets.ErrUnspecifiedError,
	hub.CauseShutdown:   packets.ErrServerShuttingDown,
	hub.CauseSlow:       packets.ErrQuotaExceeded,
	hub.CauseNoPong:     packets.ErrKeepAliveTimeout,
	hub.CauseStale:      packets.ErrMaxConnectTime,
	hub.CauseBadRequest: packets.ErrProtocolViolation,
	hub.CauseDenied:     packets.ErrNotAuthorized,
	hub.CauseRevoked:    packets.ErrNotAuthorized,
	hub.CauseExpired:    packets.ErrMaxConnectTime,
	hub.CauseServer:     packets.ErrAdministrativeAction,
	hub.CauseGap:        packets.ErrImplementationSpecificError,
	hub.CauseInternal:   packets.ErrUnspecifiedError,
}

// mqttReason is the reason code and text for the end of a session. A code that is not
// this protocol's does not count.
func mqttReason(r hub.Reason) (code byte, text string) {
	code, text = mqttCauses[r.Cause].Code, r.Text
	if r.Code >= 0x80 && r.Code <= 0xff {
		code = byte(r.Code)
	}
	if text == "" {
		text = r.Cause.String()
	}
	return code, text
}

// mqttErrors are the reason codes of what can't be published or subscribed to, which
// PUBACK, PUBREC and SUBACK can all say.
var mqttErrors = map[hub.Code]packets.Code{
	hub.CodeBadRequest:      packets.ErrImplementationSpecificError,
	hub.CodeTooLarge:        packets.ErrQuotaExceeded,
	hub.CodeUnauthenticated: packets.ErrNotAuthorized,
	hub.CodeExpired:         packets.ErrNotAuthorized,
	hub.CodeDenied:          packets.ErrNotAuthorized,
	hub.CodeLimit:           packets.ErrQuotaExceeded,
	hub.CodeFull:            packets.ErrQuotaExceeded,
	hub.CodeBusy:            packets.ErrQuotaExceeded,
}

// mqttError is the reason code and text for an error.
func mqttError(err error) (code byte, text string) {
	if fault, ok := err.(mqttFault); ok {
		return fault.code, fault.text
	}
	e := hub.ErrorOf(err)
	if code, ok := mqttErrors[e.Code]; ok {
		return code.Code, e.Message
	}
	return packets.ErrUnspecifiedError.Code, e.Message
}
