package dialect

import (
	"context"
	"strings"

	"fanfold/hub"
	"fanfold/hub/foreign"

	"github.com/mochi-mqtt/server/v2/packets"
)

// subscribe makes the subscriptions of a SUBSCRIBE, each of which may be refused
// (§3.8).
func (p *mqttPeer) subscribe(ctx context.Context, pk *packets.Packet) error {
	answer := &packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Suback}, PacketID: pk.PacketID} // [MQTT-3.8.4-2]
	var begun []func()
	for _, wanted := range pk.Filters {
		code, begin, err := p.subscribeTo(ctx, wanted)
		if err != nil {
			p.mqtt.config.Refused(p.clientID, "subscription to "+cutText(wanted.Filter, 80), err)
			var text string
			if code, text = mqttError(err); answer.Properties.ReasonString == "" {
				answer.Properties.ReasonString = text
			}
			if p.version != mqtt5 {
				code = packets.ErrUnspecifiedError.Code // §3.9.3 of 3.1.1: 0x80 is the one failure
			}
		}
		answer.ReasonCodes = append(answer.ReasonCodes, code) // [MQTT-3.8.4-6]
		begun = append(begun, begin)
	}
	if err := p.kept.Save(ctx); err != nil {
		return err
	}
	p.answer(answer)
	for _, begin := range begun {
		if begin != nil {
			begin()
		}
	}
	return nil
}

// subscribeTo makes one subscription, or changes the one with that filter
// [MQTT-3.8.4-3]. It returns the QoS that is granted; begin, if not nil, lets it flow.
func (p *mqttPeer) subscribeTo(ctx context.Context, wanted packets.Subscription) (granted byte, begin func(), err error) {
	if first, _, _ := strings.Cut(wanted.Filter, "/"); first == "$share" { // [MQTT-4.8.2-1]
		return 0, nil, mqttFault{packets.ErrSharedSubscriptionsNotSupported.Code, "this hub has no shared subscriptions: each client gets each message"}
	}
	keys, err := foreign.Keys(wanted.Filter)
	if err != nil {
		return 0, nil, mqttFault{packets.ErrTopicFilterInvalid.Code, hub.ErrorOf(err).Message}
	}
	f := &mqttFilter{keys: keys, MQTTFilter: MQTTFilter{
		Filter: wanted.Filter, QoS: min(wanted.Qos, 1), NoLocal: wanted.NoLocal, RetainAsPublished: wanted.RetainAsPublished, ID: wanted.Identifier,
	}}
	if there := p.change(f.MQTTFilter); there != nil {
		if wanted.RetainHandling == 0 { // [MQTT-3.3.1-9]
			begin, err = p.bringRetained(there, func() {})
		}
		return f.QoS, begin, err
	}
	if f.sub, err = p.session.Subscribe(ctx, hub.SubscribeOptions{Keys: keys}); err != nil {
		return 0, nil, err
	}
	now, err := p.session.Actor().Now(ctx)
	if err != nil {
		p.session.Unsubscribe(keys[0])
		return 0, nil, err
	}
	f.sent = now
	p.add(f)
	begin = func() { f.sub.Resume(now) }
	if wanted.RetainHandling == 2 { // [MQTT-3.3.1-11]
		return f.QoS, begin, nil
	}
	begin, err = p.bringRetained(f, begin)
	if err != nil {
		p.remove(f.Filter)
		return 0, nil, err
	}
	return f.QoS, begin, nil
}

// bringRetained returns what queues the retained messages for a subscription that is new
// or made again, before it lets the subscription flow.
func (p *mqttPeer) bringRetained(f *mqttFilter, flow func()) (begin func(), err error) {
	matching := p.mqtt.config.Retained.Match(f.keys)
	p.lock.Lock()
	waiting := len(p.retained)
	p.lock.Unlock()
	if waiting+len(matching) > mqttRetainedQueue {
		return nil, hub.Errorf(hub.CodeLimit, "there are too many retained messages to send: subscribe to less at once")
	}
	return func() {
		p.wake(func() {
			for _, m := range matching {
				if m.Position.Epoch != f.sent.Epoch || m.Position.Seq <= f.sent.Seq { // else it comes as a message
					p.retained = append(p.retained, mqttRetainedFor{f, m})
				}
			}
		})
		flow()
	}, nil
}

// change puts other options into the subscription with that filter, and returns it; nil
// if there is none.
func (p *mqttPeer) change(to MQTTFilter) *mqttFilter {
	p.lock.Lock()
	defer p.lock.Unlock()
	f := p.filters[to.Filter]
	if f != nil { // its Filter and Position stay: a catch-up may be reading them
		f.QoS, f.NoLocal, f.RetainAsPublished, f.ID = to.QoS, to.NoLocal, to.RetainAsPublished, to.ID
		p.changed = true
	}
	return f
}

// add enters a subscription.
func (p *mqttPeer) add(f *mqttFilter) {
	p.lock.Lock()
	defer p.lock.Unlock()
	p.filters[f.Filter], p.changed = f, true
	for i, key := range f.keys { // the second is one level shorter than its filter
		both := p.byKey[key]
		both[i] = f
		p.byKey[key] = both
	}
}

// remove ends a subscription. It is false if there is none. It waits for the hub.
func (p *mqttPeer) remove(filter string) bool {
	p.lock.Lock()
	f := p.filters[filter]
	p.lock.Unlock()
	if f == nil {
		return false
	}
	p.session.Unsubscribe(f.keys[0])
	p.lock.Lock()
	defer p.lock.Unlock()
	delete(p.filters, filter)
	p.changed = true
	for i, key := range f.keys {
		both := p.byKey[key]
		if both[i] = nil; both == [2]*mqttFilter{} {
			delete(p.byKey, key)
		} else {
			p.byKey[key] = both
		}
	}
	return true
}

// unsubscribe ends the subscriptions of an UNSUBSCRIBE (§3.10).
func (p *mqttPeer) unsubscribe(ctx context.Context, pk *packets.Packet) error {
	answer := &packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Unsuback}, PacketID: pk.PacketID}
	for _, wanted := range pk.Filters {
		code := packets.CodeSuccess.Code
		if !p.remove(wanted.Filter) {
			code = packets.CodeNoSubscriptionExisted.Code
		}
		answer.ReasonCodes = append(answer.ReasonCodes, code)
	}
	if err := p.kept.Save(ctx); err != nil {
		return err
	}
	p.answer(answer)
	return nil
}

// resume makes the subscriptions of a session that was kept. Start brings what they
// missed. One that is not granted any more ends.
func (p *mqttPeer) resume(ctx context.Context, s *MQTTState) error {
	if s == nil {
		return nil
	}
	for _, kept := range s.Filters {
		keys, err := foreign.Keys(kept.Filter)
		if err != nil {
			continue // an older hub kept it
		}
		f := &mqttFilter{MQTTFilter: kept, keys: keys, sent: kept.Position, hadSent: kept.Sent, resend: map[uint64]uint16{}}
		for _, m := range s.Inflight {
			if m.Filter == kept.Filter {
				f.resend[m.Seq] = m.ID
			}
		}
		f.sub, err = p.session.Subscribe(ctx, hub.SubscribeOptions{Keys: keys})
		if code := hub.ErrorOf(err).Code; err != nil && code != hub.CodeDenied && code != hub.CodeLimit {
			return err
		}
		if err != nil {
			p.mqtt.config.Refused(p.clientID, "subscription to "+kept.Filter, err)
			continue
		}
		p.add(f)
		p.resumed = append(p.resumed, f)
	}
	p.lock.Lock()
	defer p.lock.Unlock()
	for _, r := range s.Received {
		p.received[r.ID] = mqttReceived{r.Key, r.Stored}
	}
	return nil
}

// beginsWithWildcard: such a filter does not match topics that begin with $
// [MQTT-4.7.2-1].
func beginsWithWildcard(filter string) bool { return filter[0] == '+' || filter[0] == '#' }
