package dialect

import (
	"context"
	"encoding/json"
	"time"

	"fanfold/hub"
)

type connectRequest struct {
	Token   string              `json:"token"`
	Data    json.RawMessage     `json:"data"`
	Name    string              `json:"name"`
	Version string              `json:"version"`
	Headers map[string]string   `json:"headers"`
	Subs    map[string]recovery `json:"subs"` // where the client was in server-side subscriptions
}

// connect finds out who the client is and subscribes it to its principal's
// channels. Their messages are held until the reply is sent.
func (p *centrifugePeer) connect(ctx context.Context, c command) error {
	var q connectRequest
	if err := c.decode(&q); err != nil {
		return err
	}
	if err := checkClientName(q.Name, q.Version); err != nil {
		return err
	}
	info, err := checkInfo(c.method, q.Data)
	if err != nil {
		return err
	}
	who, err := p.whoConnects(ctx, q.Token)
	switch {
	case err != nil:
		return p.refuse(err)
	case who == nil:
		p.close(closeBadRequest, "bad request: connect brings no token, and this hub needs one, in connect or in the request's Authorization")
		return nil
	}
	p.session.Identify(describedBy(who, info))
	subs, err := p.beginAll(ctx, who.Channels, q.Subs)
	if err != nil {
		return err
	}
	p.state = peerConnected
	p.session.Send(encodeReply(c.id, c.method, p.appendConnectResult(nil, who.Expires, subs)))
	p.session.Greeted()
	return p.finishAll(ctx, subs)
}

// whoConnects returns the bearer of the token in the frame, or else who sent the
// request that opened the connection; nil if nobody is known.
func (p *centrifugePeer) whoConnects(ctx context.Context, token string) (*hub.Principal, error) {
	if token != "" {
		return p.bearer(ctx, token)
	}
	return p.session.Principal(), p.refused
}

// describedBy is who as others see a client that describes itself by info, JSON
// or nil: only if it is anonymous, since what a token says of its user is to be believed.
func describedBy(who *hub.Principal, info []byte) *hub.Principal {
	who = withGrace(who)
	if info == nil || who.User != "" || who.Info != nil {
		return who
	}
	p := *who
	p.Info = info
	return &p
}

func checkClientName(name, version string) error {
	const maxName, maxVersion = 16, 64
	if len(name) > maxName || len(version) > maxVersion {
		return hub.Errorf(hub.CodeBadRequest, `connect: "name" may have %d bytes and "version" %d: they have %d and %d`,
			maxName, maxVersion, len(name), len(version))
	}
	return nil
}

// beginAll begins the server-side subscriptions, each where the client was in it,
// if it says so. It makes all of them or none.
func (p *centrifugePeer) beginAll(ctx context.Context, channels []string, was map[string]recovery) (all []*begun, err error) {
	size := p.dialect.config.RecoverBytes
	for _, channel := range channels {
		r := was[channel]
		r.Flag = 0 // a connection is not refused for what one channel has lost
		b, err := p.begin(ctx, hub.SubscribeOptions{Keys: []string{channel}, Vital: true}, r, size)
		if err != nil {
			for _, b := range all {
				p.session.Unsubscribe(b.key)
			}
			return nil, err
		}
		size -= len(b.result.publications)
		b.missed.rewind()
		all = append(all, b)
	}
	return all, nil
}

// finishAll lets server-side subscriptions flow, one after the other. If the
// client can't be sent what it missed of one, it must connect again for it.
func (p *centrifugePeer) finishAll(ctx context.Context, all []*begun) error {
	for _, b := range all {
		if err := p.finish(ctx, b); err != nil {
			p.logInternal(ctx, "connect", err)
			p.state = peerOver
			p.session.Close(hub.Reason{Cause: hub.CauseGap})
			return nil
		}
	}
	return nil
}

func (p *centrifugePeer) appendConnectResult(b []byte, expires time.Time, subs []*begun) []byte {
	config := p.dialect.config
	b = append(b, `{"client":`...)
	b = appendString(b, p.session.Client().ID)
	b = appendKey(b, "version")
	b = appendString(b, config.Version)
	b = p.dialect.appendTTL(b, expires)
	b = appendSubs(b, subs)
	seconds := (config.PingEvery + time.Second - 1) / time.Second // up: a client waits too long rather than too short
	b = appendNumber(b, "ping", int(seconds))
	b = appendTrue(b, "pong", true)
	return append(b, '}')
}

func appendSubs(b []byte, subs []*begun) []byte {
	if len(subs) == 0 {
		return b
	}
	b = append(appendKey(b, "subs"), '{')
	for _, s := range subs {
		b = appendString(appendComma(b), s.key)
		b = append(b, ':')
		b = s.result.append(b)
	}
	return append(b, '}')
}
