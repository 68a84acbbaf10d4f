package dialect

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	"fanfold/hub"

	"github.com/mochi-mqtt/server/v2/packets"
)

// mqttPeer is one client of [MQTT]. It stands between the session and the transport
// as the session's [hub.Conn], because what it answers goes out ahead of the outbox.
type mqttPeer struct {
	mqtt    *MQTT // static
	conn    hub.Conn
	session *hub.Session
	refused error         // why the request's credential was not accepted
	begun   chan struct{} // closed at the end of CONNECT, or of the connection

	// owned by the reader, which is whoever calls Receive and End
	in        []byte // what came of a packet that is not whole
	connected bool
	hasBegun  bool // begun is closed
	over      bool // what still comes is not for us
	actor     *hub.Actor
	clientID  string
	expiry    time.Duration // of the session
	kept      MQTTSession
	will      *mqttPublication // nil: none
	willDelay time.Duration
	aliases   [mqttAliases + 1]string
	resumed   []*mqttFilter // for Start, set before begun is closed

	mqttOutput
}

// mqttFilter is one of the client's subscriptions. Guarded by the peer's lock but for
// what is static.
type mqttFilter struct {
	MQTTFilter // of which Position is where a resumed one begins
	keys       []string
	sub        *hub.Subscription

	sent    hub.Position      // the newest message that was sent
	hadSent hub.Position      // the same in connections before
	resend  map[uint64]uint16 // packet identifiers of those in flight then, by their Seq
}

// mqttReceived is a message of QoS 2 that is not released.
type mqttReceived struct {
	key    string
	stored bool
}

// Session implements [Peer].
func (p *mqttPeer) Session() *hub.Session { return p.session }

// Receive implements [Peer] with any part of the stream of packets.
func (p *mqttPeer) Receive(ctx context.Context, chunk []byte) {
	if p.over {
		return
	}
	p.in = append(p.in, chunk...)
	rest := p.in
	for !p.over {
		header, body, size, err := cutPacket(rest, p.mqtt.MaxPacketBytes())
		if err == nil && size == 0 {
			break
		}
		if err == nil {
			p.heard()
			err = p.handle(ctx, header, body)
		}
		if err != nil {
			p.fail(err)
			break
		}
		rest = rest[size:]
	}
	p.in = append(p.in[:0], rest...)
	if cap(p.in) > maxIdleBuffer && len(p.in) == 0 || p.over {
		p.in = nil
	}
}

// maxIdleBuffer is what a client without a packet under way may keep.
const maxIdleBuffer = 4 << 10

// heard notes that the client lives.
func (p *mqttPeer) heard() {
	p.lock.Lock()
	p.seen = p.mqtt.config.Now()
	p.lock.Unlock()
}

// handle obeys a packet. An error ends the connection.
func (p *mqttPeer) handle(ctx context.Context, header packets.FixedHeader, body []byte) error {
	switch {
	case !p.connected && header.Type != packets.Connect: // [MQTT-3.1.0-1]
		return violation("the first packet is no CONNECT")
	case header.Type == packets.Connect && p.connected: // [MQTT-3.1.0-2]
		return violation("a second CONNECT")
	case header.Type == packets.Connect:
		return p.connect(ctx, header, body)
	case header.Type == packets.Publish || header.Type == packets.Subscribe:
		body = bytes.Clone(body) // what is decoded shares it, and outlives the buffer
	}
	pk, err := decodePacket(header, body, p.version)
	if err != nil {
		return err
	}
	switch header.Type {
	case packets.Publish:
		return p.publish(ctx, pk)
	case packets.Puback:
		p.acknowledge(pk.PacketID)
	case packets.Pubrel:
		return p.release(ctx, pk)
	case packets.Subscribe:
		return p.subscribe(ctx, pk)
	case packets.Unsubscribe:
		return p.unsubscribe(ctx, pk)
	case packets.Pingreq:
		p.reply([]byte{packets.Pingresp << 4, 0}) // [MQTT-3.12.4-1]
	case packets.Disconnect:
		return p.disconnect(pk)
	}
	return nil // PUBREC and PUBCOMP are of QoS 2, which nothing here is sent with
}

// fail ends the connection for a breach of the protocol, or because something could
// not be done that the client can't be told of otherwise.
func (p *mqttPeer) fail(err error) {
	p.over = true
	reason := hub.Reason{Cause: hub.CauseBadRequest}
	if _, ok := errors.AsType[mqttFault](err); !ok {
		reason.Cause = hub.CauseDenied
		if hub.ErrorOf(err).Code == hub.CodeClosed {
			reason.Cause = hub.CauseClosed
		}
	}
	var code byte
	code, reason.Text = mqttError(err)
	reason.Code = int(code)
	p.mqtt.config.Refused(p.clientID, "connection", err)
	p.session.Close(reason)
}

// disconnect is the client's goodbye (§3.14).
func (p *mqttPeer) disconnect(pk *packets.Packet) error {
	if pk.Properties.SessionExpiryIntervalFlag {
		expiry := time.Duration(pk.Properties.SessionExpiryInterval) * time.Second
		if p.expiry == 0 && expiry > 0 { // §3.14.2.2.2
			return violation("a session that was to end with the connection can't be kept after all")
		}
		p.expiry = min(expiry, p.mqtt.config.MaxExpiry)
	}
	if pk.ReasonCode != packets.CodeDisconnectWillMessage.Code {
		p.will = nil // [MQTT-3.14.4-3]
	}
	p.over = true
	p.lock.Lock()
	p.silent = true
	p.lock.Unlock()
	p.session.Close(hub.Reason{Cause: hub.CauseClosed})
	return nil
}

// End implements [Ender]: the session is kept or ends, and the will is published
// unless the client has said goodbye [MQTT-3.1.2-8].
func (p *mqttPeer) End(ctx context.Context) {
	p.over = true
	p.begin()
	if p.kept == nil {
		return
	}
	var will *MQTTWill
	if q := p.will; q != nil {
		actor, from, name := p.actor, p.session.Client(), p.clientID
		will = &MQTTWill{Delay: min(p.willDelay, p.expiry), Publish: func(ctx context.Context) {
			if err := p.mqtt.send(ctx, actor, from, q, ""); err != nil {
				p.mqtt.config.Refused(name, "will to "+q.topic, err)
			}
		}}
	}
	state, _ := p.State()
	p.kept.Detach(ctx, state, p.expiry, will)
}

// begin lets Start go on.
func (p *mqttPeer) begin() {
	if !p.hasBegun {
		p.hasBegun = true
		close(p.begun)
	}
}

// Start implements [Starter]: a session that is resumed gets what it missed, no faster
// than the client takes it, then what comes.
func (p *mqttPeer) Start(ctx context.Context) {
	select {
	case <-p.begun:
	case <-ctx.Done():
		return
	}
	for _, f := range p.resumed {
		if err := p.catchUp(ctx, f); err != nil {
			p.session.Close(catchUpReason(err))
			return
		}
	}
}

func (p *mqttPeer) catchUp(ctx context.Context, f *mqttFilter) error {
	actor, after := p.session.Actor(), f.Position
	now, err := actor.Now(ctx)
	if err != nil {
		return err
	}
	err = p.replay(ctx, f, actor, hub.Query{After: after, Until: now})
	if hub.ErrorOf(err).Code == hub.CodeUnrecoverable {
		p.mqtt.config.Refused(p.clientID, "place in "+f.Filter, err)
		err = p.replay(ctx, f, p.mqtt.config.Store, hub.Query{Until: now})
	}
	if err != nil {
		return err
	}
	f.sub.Resume(now)
	return nil
}

// replay sends stored messages of a filter, those behind its position.
func (p *mqttPeer) replay(ctx context.Context, f *mqttFilter, actor *hub.Actor, q hub.Query) error {
	for m, err := range actor.Replay(ctx, f.keys, q) {
		if err != nil {
			return err
		}
		if m.Position.Epoch == f.Position.Epoch && m.Position.Seq <= f.Position.Seq || m.Excludes(p.session.Client()) {
			continue
		}
		key := f.keys[slices.IndexFunc(f.keys, func(key string) bool { return hub.Match(key, m.Channel) })]
		frame, ok := encodeFrame(key, m, 0)
		if !ok {
			continue
		}
		if err := p.session.Room(ctx); err != nil {
			return err
		}
		p.session.Send(frame)
	}
	return nil
}
