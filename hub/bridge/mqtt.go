package bridge

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"fanfold/hub"
	"fanfold/hub/foreign"

	"github.com/mochi-mqtt/server/v2/packets"
)

// mqttKeepAlive is how long the broker may hear nothing; the link ends when it has said
// nothing for half as long again.
const mqttKeepAlive = 30 * time.Second

// mqttBroker is a broker that speaks MQTT 5 or 3.1.1. It outlives its links, since
// what was not acknowledged keeps its packet identifier [MQTT-4.4.0-1].
type mqttBroker struct {
	bridge   *Bridge // static
	clientID string

	stale []string // owned by connect: filters of an earlier configuration
	known bool     // owned by connect: the subscriptions were made since the start

	mu     sync.Mutex
	unsent map[uint16]*parcel // guarded by mu: those that the broker has not acknowledged
	last   uint16             // guarded by mu: the identifier used last
}

func newMQTT(b *Bridge, filters []string) *mqttBroker {
	m := &mqttBroker{bridge: b, clientID: b.config.ClientID, unsent: map[uint16]*parcel{}}
	if m.clientID == "" {
		m.clientID = "fanfold-" + b.config.Name + "-" + b.mark
	}
	for _, filter := range filters {
		if !slices.ContainsFunc(b.config.In, func(in In) bool { return in.From == filter }) {
			m.stale = append(m.stale, filter)
		}
	}
	return m
}

// connect implements broker.
func (m *mqttBroker) connect(ctx context.Context) (link, error) {
	password, err := m.bridge.config.password()
	if err != nil {
		return nil, err
	}
	conn, err := m.bridge.config.dialMQTT(ctx)
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	l := newMQTTLink(m, conn)
	if err := l.introduce(m.hello(password)); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("introduce the hub to the broker: %w", err)
	}
	l.start()
	if err := m.subscribe(ctx, l); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// hello is the CONNECT packet: it resumes the session that the broker keeps.
func (m *mqttBroker) hello(password string) *packets.Packet {
	c := m.bridge.config
	pk := &packets.Packet{
		ProtocolVersion: c.Version, FixedHeader: packets.FixedHeader{Type: packets.Connect},
		Connect: packets.ConnectParams{
			ProtocolName: []byte("MQTT"), ClientIdentifier: m.clientID, Keepalive: uint16(mqttKeepAlive / time.Second),
			Username: []byte(c.User), UsernameFlag: c.User != "", Password: []byte(password), PasswordFlag: password != "",
		},
		Properties: packets.Properties{
			SessionExpiryInterval: uint32(min(c.SessionExpiry/time.Second, 1<<32-1)), SessionExpiryIntervalFlag: true,
			ReceiveMaximum: uint16(m.receiveMaximum()),
		},
	}
	if len(c.In) == 0 { // nothing is to be kept for it
		pk.Connect.Clean, pk.Properties.SessionExpiryInterval = true, 0
	}
	return pk
}

// Bounds on what the broker has sent and the hub has not acknowledged. An MQTT 5 broker
// is told of them. QoS 0 messages may take half of it, and are dropped beyond. With 3.1.1 it
// is the broker that has a bound; if that is higher the link ends, and what was not
// acknowledged comes again.
const (
	queueMessages = 1024
	queueBytes    = 16 << 20
)

// receiveMaximum is how many messages may be unacknowledged (MQTT 5 §3.1.2.11.3).
func (m *mqttBroker) receiveMaximum() int {
	return max(1, min(64, queueBytes/2/(m.bridge.maxBytes+packetSlack)))
}

// subscribe asks for what the routes take, and for nothing else any more. An MQTT 3.1.1
// broker would send what is retained each time, so that it is asked again only if it has to be.
func (m *mqttBroker) subscribe(ctx context.Context, l *mqttLink) error {
	if len(m.stale) > 0 && l.resumed {
		if err := l.unsubscribe(ctx, m.nextID(), m.stale); err != nil {
			return err
		}
	}
	if len(m.bridge.in) == 0 || m.known && l.resumed {
		return nil
	}
	var filters packets.Subscriptions
	var names []string
	for _, r := range m.bridge.in {
		s := packets.Subscription{Filter: r.From, Qos: r.QoS, NoLocal: true, RetainHandling: 1} // [MQTT-3.3.1-10]
		if r.NoRetained {
			s.RetainHandling = 2 // [MQTT-3.3.1-11]
		}
		filters, names = append(filters, s), append(names, r.From)
	}
	if err := l.subscribe(ctx, m.nextID(), filters); err != nil {
		return err
	}
	m.known, m.stale = true, nil
	return saveRecord(ctx, m.bridge.recorder, record{ID: m.bridge.config.Name, Filters: names})
}

// nextID returns a packet identifier that is not in use.
func (m *mqttBroker) nextID() uint16 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.nextIDLocked()
}

func (m *mqttBroker) nextIDLocked() uint16 {
	for {
		m.last++
		if m.last != 0 && m.unsent[m.last] == nil {
			return m.last
		}
	}
}

// identify gives a parcel its packet identifier. again: it may have reached the broker.
func (m *mqttBroker) identify(p *parcel) (id uint16, again bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p.packet == 0 {
		p.packet = m.nextIDLocked()
		m.unsent[p.packet] = p
	}
	again, p.sent = p.sent, true
	return p.packet, again
}

// answered returns the parcel with a packet identifier, which is free then; nil: there
// is none.
func (m *mqttBroker) answered(id uint16) *parcel {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.unsent[id]
	if p != nil {
		delete(m.unsent, id)
		p.packet, p.sent = 0, false
	}
	return p
}

// settle takes note of the broker's answer to a parcel (MQTT 5 §3.4.2.1).
func (m *mqttBroker) settle(p *parcel, code byte, text string) {
	b := m.bridge
	switch code {
	case packets.ErrTopicNameInvalid.Code, packets.ErrPayloadFormatInvalid.Code, packets.ErrPacketTooLarge.Code:
		b.refuseParcel(p, &refusal{"the broker refuses it: " + reasonOf(code, text)})
	default:
		var err error
		if code >= packets.ErrUnspecifiedError.Code {
			err = fmt.Errorf("the broker takes nothing for the topic %s: %s", p.to, reasonOf(code, text))
		}
		b.settle(p, err)
	}
}

// delivery returns what a PUBLISH brings. tooLarge: its payload was not read.
func (m *mqttBroker) delivery(pk *packets.Packet, tooLarge bool) *delivery {
	d := &delivery{name: pk.TopicName, payload: pk.Payload, about: aboutOf(&pk.Properties)}
	for _, p := range d.about.user {
		if p[0] == idTag { // of another hub
			d.key = keyOf(pk.TopicName, p[1])
		}
	}
	switch key, err := foreign.Channel(pk.TopicName); {
	case tooLarge:
		d.refused = hub.Errorf(hub.CodeTooLarge, "it is longer than the hub's bound of %d bytes", m.bridge.maxBytes)
	case err != nil:
		d.refused = err
	default:
		d.channel, d.refused = m.bridge.channel(key)
	}
	return d
}

// channel returns the channel for what the broker calls by a name that is key as a
// channel.
func (b *Bridge) channel(key string) (string, error) {
	for _, r := range b.in {
		if channel, ok, err := r.channel(key); ok {
			return channel, err
		}
	}
	return "", hub.Errorf(hub.CodeBadRequest, "no route takes it")
}

// wantsRetained is false if the topic's route leaves out what was retained.
func (b *Bridge) wantsRetained(topic string) bool {
	key, err := foreign.Channel(topic)
	if err != nil {
		return true
	}
	for _, r := range b.in {
		if _, ok := r.names.apply(key); ok {
			return !r.NoRetained
		}
	}
	return true
}
