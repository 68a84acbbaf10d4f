package bridge

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
)

// mqttLink is a connection to an MQTT broker. Its goroutines read and ping.
type mqttLink struct {
	broker *mqttBroker // static, as the next
	wire   *mqttWire

	// set by introduce, before start
	resumed   bool // the broker had kept the session
	maxPacket int  // the broker's bound; 0: none
	maxQoS    byte
	noRetain  bool
	keepAlive time.Duration
	slots     chan struct{} // taken by each parcel that is not acknowledged

	answers chan *packets.Packet // one slot: SUBACK and UNSUBACK

	*ending
	mu     sync.Mutex
	queue  []*delivery // guarded by mu, as the next
	bytes  int
	more   chan struct{} // one slot: queue has grown; static
	reader sync.WaitGroup
}

// maxUnanswered bounds the parcels that are not acknowledged, if the broker doesn't.
const maxUnanswered = 1024

func newMQTTLink(m *mqttBroker, w *mqttWire) *mqttLink {
	w.limit = m.bridge.maxBytes + packetSlack
	return &mqttLink{broker: m, wire: w, answers: make(chan *packets.Packet, 1), more: make(chan struct{}, 1), ending: newEnding(), keepAlive: mqttKeepAlive, maxQoS: 2}
}

// introduce sends CONNECT and reads CONNACK. Whoever closes the connection ends it.
func (l *mqttLink) introduce(hello *packets.Packet) error {
	if err := l.wire.write(hello, 0); err != nil {
		return err
	}
	pk, _, err := l.wire.read()
	if err != nil {
		return err
	}
	if pk.FixedHeader.Type != packets.Connack {
		return fmt.Errorf("it answers with a packet of type %d", pk.FixedHeader.Type)
	}
	if pk.ReasonCode != 0 {
		return fmt.Errorf("the broker refuses it: %s", connackReason(hello.ProtocolVersion, pk))
	}
	l.resumed = pk.SessionPresent
	p := &pk.Properties
	l.maxPacket, l.noRetain = int(p.MaximumPacketSize), p.RetainAvailableFlag && p.RetainAvailable == 0
	if p.MaximumQosFlag {
		l.maxQoS = p.MaximumQos
	}
	if p.ServerKeepAliveFlag && p.ServerKeepAlive > 0 { // [MQTT-3.2.2-21]
		l.keepAlive = time.Duration(p.ServerKeepAlive) * time.Second
	}
	n := maxUnanswered
	if p.ReceiveMaximum > 0 { // [MQTT-3.3.4-7]
		n = min(n, int(p.ReceiveMaximum))
	}
	l.slots = make(chan struct{}, n)
	return nil
}

// start begins to read and to ping.
func (l *mqttLink) start() {
	l.wire.patience = l.keepAlive + l.keepAlive/2
	l.reader.Go(func() {
		for {
			pk, tooLarge, err := l.wire.read()
			if err == nil {
				err = l.handle(pk, tooLarge)
			}
			if err != nil {
				l.end(err)
				return
			}
		}
	})
	l.reader.Go(func() {
		tick := time.NewTicker(l.keepAlive / 2)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				if err := l.write(&packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Pingreq}}); err != nil {
					return
				}
			case <-l.ended:
				return
			}
		}
	})
}

func (l *mqttLink) handle(pk *packets.Packet, tooLarge bool) error {
	switch pk.FixedHeader.Type {
	case packets.Publish:
		return l.arrive(pk, tooLarge)
	case packets.Puback:
		if p := l.broker.answered(pk.PacketID); p != nil {
			select {
			case <-l.slots:
			default: // it was sent over an earlier link
			}
			l.broker.settle(p, pk.ReasonCode, pk.Properties.ReasonString)
		}
	case packets.Suback, packets.Unsuback:
		select {
		case l.answers <- pk:
		default: // nobody has asked
		}
	case packets.Pingresp:
	case packets.Disconnect:
		return fmt.Errorf("the broker ends the connection: %s", reasonOf(pk.ReasonCode, pk.Properties.ReasonString))
	default:
		return fmt.Errorf("the broker sends a packet of type %d, which was not asked for", pk.FixedHeader.Type)
	}
	return nil
}

// arrive queues a message for next.
func (l *mqttLink) arrive(pk *packets.Packet, tooLarge bool) error {
	switch {
	case pk.FixedHeader.Qos > 1:
		return errors.New("the broker sends a message of QoS 2, which was not asked for")
	case pk.TopicName == "" || pk.Properties.TopicAlias != 0:
		return errors.New("the broker sends a topic alias, which was not allowed")
	}
	d := l.broker.delivery(pk, tooLarge)
	d.accept = func() error { return nil }
	if pk.FixedHeader.Qos == 1 {
		d.accept = func() error { return l.write(puback(pk)) }
	}
	d.refuse = d.accept // MQTT has no other way
	if pk.FixedHeader.Retain && !l.broker.bridge.wantsRetained(pk.TopicName) {
		return d.accept()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	size := len(d.payload)
	switch full := len(l.queue) >= queueMessages || l.bytes+size > queueBytes; {
	case pk.FixedHeader.Qos == 0 && (full || len(l.queue) >= queueMessages/2 || l.bytes+size > queueBytes/2):
		l.broker.bridge.status.refuse(inward, d.name, errTooFast)
		return nil
	case full:
		return errors.New("the broker sends more at a time than the hub can hold: let it have fewer messages in flight")
	}
	l.queue = append(l.queue, d)
	l.bytes += size
	signal(l.more)
	return nil
}

var errTooFast = &refusal{"messages of QoS 0 come faster than the hub takes them"}

func puback(pk *packets.Packet) *packets.Packet {
	return &packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Puback}, PacketID: pk.PacketID}
}

// next implements link.
func (l *mqttLink) next(ctx context.Context) (*delivery, error) {
	for {
		if d := l.pop(); d != nil {
			return d, nil
		}
		select {
		case <-l.more:
		case <-l.ended:
			return nil, l.err()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (l *mqttLink) pop() *delivery {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) == 0 {
		return nil
	}
	d := l.queue[0]
	l.queue[0] = nil
	l.queue = l.queue[1:]
	l.bytes -= len(d.payload)
	return d
}

// send implements link.
func (l *mqttLink) send(ctx context.Context, p *parcel) error {
	pk := publishPacket(p, l.broker.bridge.config.Version, time.Now())
	pk.FixedHeader.Qos = min(p.route.QoS, l.maxQoS)
	pk.FixedHeader.Retain = p.route.Retain && !l.noRetain
	if pk.FixedHeader.Qos == 0 {
		if err := l.write(pk); err != nil {
			return err
		}
		l.broker.settle(p, 0, "")
		return nil
	}
	select {
	case l.slots <- struct{}{}:
	case <-l.ended:
		return l.err()
	case <-ctx.Done():
		return ctx.Err()
	}
	pk.PacketID, pk.FixedHeader.Dup = l.broker.identify(p) // [MQTT-3.3.1-1]
	err := l.write(pk)
	if _, refused := errors.AsType[*refusal](err); refused {
		l.broker.answered(pk.PacketID)
		<-l.slots
	}
	return err
}

// subscribe sends SUBSCRIBE and waits for the broker's consent to all of it.
func (l *mqttLink) subscribe(ctx context.Context, id uint16, filters packets.Subscriptions) error {
	answer, err := l.ask(ctx, &packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Subscribe, Qos: 1}, PacketID: id, Filters: filters})
	if err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	for i, code := range answer.ReasonCodes {
		if code >= packets.ErrUnspecifiedError.Code && i < len(filters) {
			return fmt.Errorf("the broker refuses the subscription to %s: %s", filters[i].Filter, reasonOf(code, answer.Properties.ReasonString))
		}
	}
	return nil
}

func (l *mqttLink) unsubscribe(ctx context.Context, id uint16, names []string) error {
	pk := &packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Unsubscribe, Qos: 1}, PacketID: id}
	for _, name := range names {
		pk.Filters = append(pk.Filters, packets.Subscription{Filter: name})
	}
	if _, err := l.ask(ctx, pk); err != nil {
		return fmt.Errorf("unsubscribe from what is not in the configuration any more: %w", err)
	}
	return nil
}

// ask sends a packet and waits for the answer.
func (l *mqttLink) ask(ctx context.Context, pk *packets.Packet) (*packets.Packet, error) {
	if err := l.write(pk); err != nil {
		return nil, err
	}
	select {
	case answer := <-l.answers:
		if answer.PacketID != pk.PacketID {
			return nil, errors.New("the broker answers something else")
		}
		return answer, nil
	case <-l.ended:
		return nil, l.err()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// write sends a packet, or ends the link. A [refusal]: the packet is longer than the
// broker allows.
func (l *mqttLink) write(pk *packets.Packet) error {
	pk.ProtocolVersion = l.broker.bridge.config.Version
	err := l.wire.write(pk, l.maxPacket)
	if _, refused := errors.AsType[*refusal](err); err != nil && !refused {
		l.end(err)
	}
	return err
}

// end closes the connection, for the first reason that comes.
func (l *mqttLink) end(err error) {
	if l.begin(err) {
		_ = l.wire.Close()
	}
}

// close implements link. The broker keeps the session.
func (l *mqttLink) close() {
	if l.err() == nil {
		_ = l.write(&packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Disconnect}})
	}
	l.end(errors.New("the hub ends the connection"))
	l.reader.Wait()
}
