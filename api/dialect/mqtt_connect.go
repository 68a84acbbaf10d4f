package dialect

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"time"
	"unicode/utf8"

	"fanfold/hub"
	"fanfold/hub/foreign"

	"github.com/mochi-mqtt/server/v2/packets"
)

// codeTakenOver is the reason code for a client that has connected again.
var codeTakenOver = int(packets.ErrSessionTakenOver.Code)

// connect answers the client's first packet (§3.1). A refusal is said in CONNACK.
func (p *mqttPeer) connect(ctx context.Context, header packets.FixedHeader, body []byte) error {
	version, err := protocolLevel(body)
	if err != nil {
		return err
	}
	if version != mqtt31 && version != mqtt311 && version != mqtt5 { // [MQTT-3.1.2-2]
		return p.refuse(min(version, mqtt5), mqttFault{packets.ErrUnsupportedProtocolVersion.Code, "this hub speaks MQTT 3.1, 3.1.1 and 5"})
	}
	pk, err := decodePacket(header, bytes.Clone(body), version)
	if err == nil {
		err = checkConnect(pk)
	}
	if err != nil {
		code, _ := connectError(err)
		if broken := code == packets.ErrMalformedPacket.Code || code == packets.ErrProtocolViolation.Code; broken && version != mqtt5 {
			return err // [MQTT-3.1.4-1] of 3.1.1: no CONNACK
		}
		return p.refuse(version, err)
	}
	p.clientID = pk.Connect.ClientIdentifier
	connack, err := p.accept(ctx, pk)
	if err != nil {
		return p.refuse(version, err)
	}
	p.connected = true
	p.wake(func() {
		p.version = version
		p.maxPacket = int(pk.Properties.MaximumPacketSize)
		p.terse = pk.Properties.RequestProblemInfoFlag && pk.Properties.RequestProblemInfo == 0
		p.window = mqttWindow
		if version == mqtt5 {
			p.window = min(int(cmp.Or(pk.Properties.ReceiveMaximum, 1<<16-1)), mqttWindow5)
		}
		p.keepAlive = time.Duration(pk.Connect.Keepalive) * time.Second
		p.encode(connack)
	})
	p.session.Greeted()
	p.begin()
	return nil
}

// protocolLevel is the version that a CONNECT asks for (§3.1.2.1): of any other
// protocol's name a fault.
func protocolLevel(body []byte) (byte, error) {
	s := &shape{rest: body}
	name := string(s.bytes(s.uint16()))
	level := s.byte()
	switch {
	case s.err != nil:
		return 0, s.err
	case name == "MQIsdp":
		if level != mqtt31 {
			level = 0
		}
	case name != "MQTT": // [MQTT-3.1.2-1]
		return 0, mqttFault{packets.ErrUnsupportedProtocolVersion.Code, "the protocol's name is not MQTT"}
	case level == mqtt31:
		level = 0
	}
	return level, nil
}

// checkConnect refuses what is decoded but not valid.
func checkConnect(pk *packets.Packet) error {
	c := &pk.Connect
	switch {
	case pk.ReservedBit != 0: // [MQTT-3.1.2-3]
		return malformed("the reserved flag of CONNECT is set")
	case c.WillQos > 2: // [MQTT-3.1.2-12]
		return malformed("the will's QoS is 3")
	case !c.WillFlag && (c.WillRetain || c.WillQos > 0): // [MQTT-3.1.2-11] [MQTT-3.1.2-13]
		return malformed("there is no will to retain")
	case pk.ProtocolVersion != mqtt5 && c.PasswordFlag && !c.UsernameFlag: // [MQTT-3.1.2-22] of 3.1.1
		return malformed("a password comes with a user name")
	case pk.Properties.AuthenticationMethod != "": // [MQTT-4.12.0-1]
		return mqttFault{packets.ErrBadAuthenticationMethod.Code, "this hub knows no authentication method: send a token or key as the password"}
	case len(pk.Properties.AuthenticationData) > 0: // §3.1.2.11.10
		return violation("authentication data without a method")
	case len(c.ClientIdentifier) > maxClientID: // [MQTT-3.1.3-5]
		return mqttFault{packets.ErrClientIdentifierNotValid.Code, "the client identifier is too long: at most 256 bytes are allowed"}
	case c.ClientIdentifier == "" && !c.Clean && pk.ProtocolVersion != mqtt5: // [MQTT-3.1.3-8] of 3.1.1
		return mqttFault{packets.ErrClientIdentifierNotValid.Code, "a session that is to be kept needs a client identifier"}
	}
	return nil
}

// accept finds out who the client is, gives it its session and returns what it is
// answered.
func (p *mqttPeer) accept(ctx context.Context, pk *packets.Packet) (*packets.Packet, error) {
	who, err := p.whoConnects(ctx, &pk.Connect)
	if err != nil {
		return nil, err
	}
	answer := packets.Properties{
		ReceiveMaximum: mqttReceiveMax, MaximumPacketSize: uint32(p.mqtt.MaxPacketBytes()), TopicAliasMaximum: mqttAliases,
		SharedSubAvailableFlag: true, // 0: no
	}
	if p.clientID == "" { // [MQTT-3.1.3-6] [MQTT-3.1.3-7]
		p.clientID = p.session.Client().ID
		answer.AssignedClientID = p.clientID
	}
	p.expiry = p.expiryOf(pk)
	if asked := time.Duration(pk.Properties.SessionExpiryInterval) * time.Second; p.expiry != asked { // §3.2.2.3.2
		answer.SessionExpiryInterval, answer.SessionExpiryIntervalFlag = uint32(p.expiry/time.Second), true
	}
	p.session.Identify(describedAs(who, p.clientID))
	p.actor = p.session.Actor()
	will, err := p.willOf(pk)
	if err != nil {
		return nil, err
	}
	kept, state, err := p.mqtt.config.Sessions.Attach(ctx, MQTTConnect{Owner: ownerOf(who), ClientID: p.clientID, Clean: pk.Connect.Clean, Expiry: p.expiry}, p)
	if err != nil {
		return nil, err
	}
	p.kept = kept
	if err := p.resume(ctx, state); err != nil {
		return nil, err
	}
	if state == nil && p.expiry > 0 {
		if err := kept.Save(ctx); err != nil {
			return nil, err
		}
	}
	p.will = will
	return &packets.Packet{
		FixedHeader: packets.FixedHeader{Type: packets.Connack}, SessionPresent: state != nil, Properties: answer, // [MQTT-3.2.2-2] [MQTT-3.2.2-3]
	}, nil
}

// whoConnects returns the bearer of the token or key in the password, or else who
// sent the request that opened the connection. The user name is "" or theirs.
func (p *mqttPeer) whoConnects(ctx context.Context, c *packets.ConnectParams) (*hub.Principal, error) {
	tokens := p.mqtt.config.Tokens
	who, err := p.session.Principal(), p.refused
	switch {
	case tokens == nil:
		return who, nil
	case len(c.Password) > 0:
		if !utf8.Valid(c.Password) {
			return nil, errBadPassword
		}
		who, err = tokens.Connection(ctx, string(c.Password), p.session.Client().ID)
	case err == nil && who == nil:
		return nil, mqttFault{packets.ErrNotAuthorized.Code, "this hub asks who you are: send a token or key as the password"}
	}
	if err != nil {
		return nil, err
	}
	if name := string(c.Username); name != "" && len(c.Password) > 0 && name != cmp.Or(who.User, who.Name) {
		return nil, mqttFault{packets.ErrBadUsernameOrPassword.Code, "the user name is not that of the token or key: send that one's, or none"}
	}
	return who, nil
}

var errBadPassword = mqttFault{packets.ErrBadUsernameOrPassword.Code, "the password is no token or key"}

// ownerOf tells apart whose sessions are whose.
func ownerOf(who *hub.Principal) string {
	switch {
	case who.User != "":
		return "user " + who.User
	case who.Server:
		return "key " + who.Name
	case who.TokenID != "":
		return "token " + who.TokenID
	}
	return "anybody"
}

// describedAs is who as others see a client with that identifier, unless its token
// describes it.
func describedAs(who *hub.Principal, clientID string) *hub.Principal {
	if who.Info != nil {
		return who
	}
	p := *who
	p.Info = foreign.CompactJSON(struct {
		Client string `json:"mqtt_client"`
	}{clientID})
	return &p
}

// expiryOf is how long the session is kept without a connection (§3.1.2.11.2).
func (p *mqttPeer) expiryOf(pk *packets.Packet) time.Duration {
	switch {
	case pk.ProtocolVersion == mqtt5:
		return min(time.Duration(pk.Properties.SessionExpiryInterval)*time.Second, p.mqtt.config.MaxExpiry)
	case pk.Connect.Clean:
		return 0
	}
	return p.mqtt.config.MaxExpiry
}

// willOf returns the will, if there is one. Who may not publish it is refused.
func (p *mqttPeer) willOf(pk *packets.Packet) (*mqttPublication, error) {
	c := &pk.Connect
	if !c.WillFlag {
		return nil, nil
	}
	channel, err := foreign.Channel(c.WillTopic)
	if err != nil {
		return nil, mqttFault{packets.ErrTopicNameInvalid.Code, hub.ErrorOf(err).Message}
	}
	if err := p.actor.Check(hub.ActionPublish, channel); err != nil {
		return nil, err
	}
	p.actor = p.actor.Timeless() // it speaks when the client can't any more
	p.willDelay = time.Duration(c.WillProperties.WillDelayInterval) * time.Second
	q := &mqttPublication{topic: c.WillTopic, payload: c.WillPayload, qos: c.WillQos, retain: c.WillRetain, properties: c.WillProperties}
	return q, p.mqtt.checkPublication(q)
}

// refuse answers CONNECT by a refusal, behind which the connection ends
// [MQTT-3.2.2-7].
func (p *mqttPeer) refuse(version byte, err error) error {
	p.over = true
	p.mqtt.config.Refused(p.clientID, "connect", err)
	code, text := connectError(err)
	if version != mqtt5 {
		code = connackCode(code)
	}
	p.wake(func() {
		p.version, p.silent = version, true
		p.encode(&packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Connack}, ReasonCode: code, Properties: packets.Properties{ReasonString: text}})
	})
	p.session.Close(hub.Reason{Cause: hub.CauseDenied, Text: text})
	return nil
}

// connectError is the reason code of CONNACK for an error.
func connectError(err error) (code byte, text string) {
	if fault, ok := errors.AsType[mqttFault](err); ok {
		return fault.code, fault.text
	}
	e := hub.ErrorOf(err)
	known, ok := map[hub.Code]packets.Code{
		hub.CodeUnauthenticated: packets.ErrBadUsernameOrPassword,
		hub.CodeExpired:         packets.ErrBadUsernameOrPassword,
		hub.CodeDenied:          packets.ErrNotAuthorized,
		hub.CodeBusy:            packets.ErrConnectionRateExceeded,
		hub.CodeLimit:           packets.ErrQuotaExceeded,
		hub.CodeFull:            packets.ErrQuotaExceeded,
		hub.CodeTooLarge:        packets.ErrPacketTooLarge,
		hub.CodeUnavailable:     packets.ErrServerUnavailable,
		hub.CodeClosed:          packets.ErrServerUnavailable,
	}[e.Code]
	if !ok {
		known = packets.ErrUnspecifiedError
	}
	return known.Code, e.Message
}

// connackCode is the return code of older versions for a reason code (§3.2.2.3 of
// 3.1.1).
func connackCode(reason byte) byte {
	switch reason {
	case packets.ErrUnsupportedProtocolVersion.Code:
		return 1
	case packets.ErrClientIdentifierNotValid.Code:
		return 2
	case packets.ErrBadUsernameOrPassword.Code:
		return 4
	case packets.ErrNotAuthorized.Code, packets.ErrTopicNameInvalid.Code:
		return 5
	}
	return 3
}
