package dialect

import (
	"bytes"
	"time"

	"fanfold/hub"

	"github.com/mochi-mqtt/server/v2/packets"
)

// mqttOutput is what the two directions of a connection share: what the client is sent,
// and how far it has come.
type mqttOutput struct {
	lock Locker // static

	// owned by the writer, which is whoever calls Take
	frames [][]byte // taken from the session; those before next were sent
	next   int
	epoch  string // of the frame before

	// guarded by lock, as is the rest
	version   byte
	silent    bool // the client is not told why the connection ends
	window    int
	maxPacket int // of the client; 0: any
	terse     bool
	keepAlive time.Duration
	seen      time.Time // when the client was last heard of

	replies  []byte // packets, ahead of all messages
	retained []mqttRetainedFor
	filters  map[string]*mqttFilter // by filter
	byKey    map[string][2]*mqttFilter
	inflight []mqttInflight // in the order in which they were sent
	lastID   uint16
	received map[uint16]mqttReceived
	changed  bool // the state, since somebody looked

	idle    bool // Take has come back empty, and there was no Wake since
	again   bool // there was one while Take was at work
	ending  bool // the session ends: messages that find no room are left out
	closing *hub.Reason
	told    bool // the conn was told of closing
}

// mqttInflight is a message that waits for its acknowledgement.
type mqttInflight struct {
	id     uint16
	filter *mqttFilter
	seq    uint64 // 0: it is not stored, or a copy of a retained one
	before hub.Position
}

// mqttRetainedFor is a retained message that a new subscription brings.
type mqttRetainedFor struct {
	filter  *mqttFilter
	message *hub.Message
}

// Wake implements [hub.Conn].
func (p *mqttPeer) Wake() { p.wake(func() {}) }

// Ending implements [hub.Withholder]: messages that wait for room in the window are not sent
// any more.
func (p *mqttPeer) Ending() { p.wake(func() { p.ending = true }) }

// Close implements [hub.Conn]: the client is told why (§4.13.2), then the transport
// ends the connection.
func (p *mqttPeer) Close(r hub.Reason) {
	p.wake(func() {
		p.closing, p.ending = &r, true
		if p.version == mqtt5 && !p.silent && r.Cause != hub.CauseClosed {
			code, text := mqttReason(r)
			p.encode(&packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Disconnect}, ReasonCode: code, Properties: packets.Properties{ReasonString: text}})
		}
	})
}

// reply queues a packet for the client.
func (p *mqttPeer) reply(packet []byte) {
	p.wake(func() { p.replies = append(p.replies, packet...) })
}

// answer queues a packet for the client.
func (p *mqttPeer) answer(pk *packets.Packet) { p.wake(func() { p.encode(pk) }) }

// wake changes something by the function, under the lock, and wakes the transport if it
// sleeps. A client that does not read its answers is slow.
func (p *mqttPeer) wake(change func()) {
	p.lock.Lock()
	change()
	wake, full := p.idle, len(p.replies) > mqttReplyBytes
	p.again = !p.idle
	p.idle = false
	if full {
		p.replies = nil
	}
	p.lock.Unlock()
	if full {
		p.session.Close(hub.Reason{Cause: hub.CauseSlow})
	}
	if wake {
		p.conn.Wake()
	}
}

// encode appends a packet to the answers.
func (p *mqttPeer) encode(pk *packets.Packet) {
	var buffer bytes.Buffer
	pk.ProtocolVersion = p.version
	pk.Mods = packets.Mods{MaxSize: uint32(p.maxPacket), DisallowProblemInfo: p.terse}
	if pk.FixedHeader.Type == packets.Connack || pk.FixedHeader.Type == packets.Disconnect { // [MQTT-3.1.2-29]
		pk.Mods.DisallowProblemInfo = false
	}
	pk.Properties.ReasonString = cutText(pk.Properties.ReasonString, maxReasonBytes)
	var err error
	switch pk.FixedHeader.Type {
	case packets.Connack:
		err = pk.ConnackEncode(&buffer)
	case packets.Disconnect:
		err = pk.DisconnectEncode(&buffer)
	case packets.Suback:
		err = pk.SubackEncode(&buffer)
	case packets.Unsuback:
		err = pk.UnsubackEncode(&buffer)
	default:
		err = pk.PubackEncode(&buffer) // and its kin
	}
	if err == nil {
		p.replies = append(p.replies, buffer.Bytes()...)
	}
}

// maxReasonBytes is what a client is told of a reason.
const maxReasonBytes = 256

// Take implements [Taker].
func (p *mqttPeer) Take(dst []byte, limit int) []byte {
	for begin := len(dst); ; {
		var stalled bool
		if dst, stalled = p.take(dst, limit); len(dst) > begin || stalled {
			return dst
		}
		p.frames, p.next = p.session.Take(p.frames[:0], limit), 0
		if len(p.frames) > 0 {
			continue
		}
		p.lock.Lock()
		switch {
		case p.again:
			p.again = false
		case p.closing != nil && !p.told:
			p.told = true
			p.lock.Unlock()
			p.conn.Close(*p.closing)
			return dst
		default:
			p.idle = true
			p.lock.Unlock()
			return dst
		}
		p.lock.Unlock()
	}
}

// take appends what is at hand. stalled: there are messages, but no room in the
// client's window; it sleeps then until there is.
func (p *mqttPeer) take(dst []byte, limit int) (_ []byte, stalled bool) {
	p.lock.Lock()
	defer p.lock.Unlock()
	begin := len(dst)
	if len(p.replies) > 0 {
		dst = append(dst, p.replies...)
		if p.replies = p.replies[:0]; cap(p.replies) > maxIdleBuffer {
			p.replies = nil
		}
	}
	now := p.mqtt.config.Now()
	room := true
	for room && len(p.retained) > 0 && len(dst) < limit {
		next := p.retained[0]
		if frame, ok := encodeFrame(next.filter.keys[0], next.message, frameRetained); ok && p.filters[next.filter.Filter] == next.filter {
			f := parseFrame(frame, p.epoch)
			f.position = hub.Position{}
			dst, room = p.appendMessage(dst, next.filter, &f, now)
		}
		if room {
			if p.retained = p.retained[1:]; len(p.retained) == 0 {
				p.retained = nil
			}
		}
	}
	for room && p.next < len(p.frames) && len(dst) < limit {
		f := parseFrame(p.frames[p.next], p.epoch)
		p.epoch = f.position.Epoch
		if filter := p.filterOf(&f); filter != nil {
			dst, room = p.appendMessage(dst, filter, &f, now)
		}
		if room {
			p.frames[p.next] = nil
			p.next++
		}
	}
	if room {
		return dst, false
	}
	if p.ending { // they come again when the session is resumed
		p.retained, p.next = nil, len(p.frames)
		return dst, false
	}
	stalled = len(dst) == begin
	p.idle, p.again = stalled, false
	return dst, stalled
}

// filterOf is the subscription that a frame comes by. By a key that two of them have
// each message comes twice, once for each.
func (p *mqttPeer) filterOf(f *mqttFrame) *mqttFilter {
	both := p.byKey[string(f.key)]
	switch first, second := both[0], both[1]; {
	case first == nil:
		return second
	case second == nil || f.position.Seq > first.sent.Seq || f.position.Epoch != first.sent.Epoch:
		return first
	default:
		return second
	}
}

// appendMessage appends a message for one subscription, or leaves out what the client
// is not to have. It is false if there is no room in the window.
func (p *mqttPeer) appendMessage(dst []byte, filter *mqttFilter, f *mqttFrame, now time.Time) (_ []byte, room bool) {
	out := mqttPublish{version: p.version, qos: filter.QoS, subID: filter.ID, now: now}
	if f.flags&frameAtMostOnce != 0 {
		out.qos = 0 // [MQTT-3.8.4-8]
	}
	out.retain = f.flags&frameRetained != 0 || filter.RetainAsPublished && f.flags&frameRetain != 0 // [MQTT-3.3.1-8] [MQTT-3.3.1-12] [MQTT-3.3.1-13]
	id, again, skip := filter.before(f)
	switch {
	case skip, f.expired(now), p.maxPacket > 0 && p.size(&out, f) > p.maxPacket, // [MQTT-3.1.2-24]
		f.topic[0] == '$' && beginsWithWildcard(filter.Filter),         // [MQTT-4.7.2-1]
		filter.NoLocal && string(f.publisher) == p.session.Client().ID: // [MQTT-3.8.3-3]
	case out.qos == 0:
		dst = out.appendTo(dst, f)
	case len(p.inflight) >= p.window: // [MQTT-3.3.4-9]
		return dst, false
	default:
		if out.id, out.dup = id, again; !again { // [MQTT-3.3.1-1]
			out.id = p.newID()
		}
		dst = out.appendTo(dst, f)
		p.inflight = append(p.inflight, mqttInflight{id: out.id, filter: filter, seq: f.position.Seq, before: filter.sent})
	}
	if f.position.Seq != 0 {
		filter.sent, p.changed = f.position, true
		delete(filter.resend, f.position.Seq)
	}
	return dst, true
}

func (p *mqttPeer) size(out *mqttPublish, f *mqttFrame) int {
	n := out.remaining(f, 10) // that a client's own properties have at most
	return 1 + varintLen(n) + n
}

// before says what became of a message in connections before: it was sent with an
// identifier and not acknowledged, or skip: it was acknowledged.
func (f *mqttFilter) before(frame *mqttFrame) (id uint16, again, skip bool) {
	if frame.position.Seq == 0 || frame.position.Epoch != f.hadSent.Epoch || frame.position.Seq > f.hadSent.Seq {
		return 0, false, false
	}
	id, again = f.resend[frame.position.Seq]
	return id, again, !again
}

// newID returns a packet identifier that is not in use [MQTT-2.2.1-3].
func (p *mqttPeer) newID() uint16 {
	for {
		if p.lastID++; p.lastID != 0 && !p.inUse(p.lastID) {
			return p.lastID
		}
	}
}

func (p *mqttPeer) inUse(id uint16) bool {
	for i := range p.inflight {
		if p.inflight[i].id == id {
			return true
		}
	}
	for _, f := range p.filters {
		for _, other := range f.resend {
			if other == id {
				return true
			}
		}
	}
	return false
}

// acknowledge takes a message out of the window. One that is not there is nothing
// worth telling.
func (p *mqttPeer) acknowledge(id uint16) {
	p.wake(func() {
		for i := range p.inflight {
			if p.inflight[i].id == id {
				p.inflight = append(p.inflight[:i], p.inflight[i+1:]...)
				p.changed = true
				break
			}
		}
	})
}
