package dialect

import (
	"context"
	"errors"
	"strings"
	"time"

	"fanfold/hub"
)

// NtfySocket is ntfy's subscription over a WebSocket, GET /{channels}/ws: what
// [NtfyJSON] brings, one object a frame. What clients send is ignored. The fields are
// static.
type NtfySocket struct {
	NtfyWS
	Now func() time.Time // required; reads the clock
}

var _ Dialect = (*NtfySocket)(nil)

// Connect implements [Dialect]. The request's path should be as it stood in the
// URL, see [ParseSubscribe].
func (d *NtfySocket) Connect(ctx context.Context, h *hub.Actor, conn hub.Conn, r Request) (Peer, error) {
	channels := strings.TrimSuffix(strings.TrimPrefix(r.Path, "/"), "/ws")
	request, err := ParseSubscribe(channels, r.Header, r.Query, d.Now())
	if err != nil {
		return nil, err
	}
	if err := request.check(h); err != nil {
		return nil, err
	}
	session, err := h.Open(hub.SessionConfig{Conn: conn, Codec: d.NtfyWS, Label: request.Label, PingEvery: KeepaliveEvery})
	if err != nil {
		return nil, err
	}
	return &ntfyPeer{socket: d, hub: h, session: session, request: request}, nil
}

// Separator implements [Dialect]: clients expect one object a frame.
func (d *NtfySocket) Separator() string { return "" }

// CloseCode implements [Dialect] with the codes of RFC 6455 §7.4.1, as [Echo] does.
func (d *NtfySocket) CloseCode(r hub.Reason) (code int, text string) {
	return (*Echo)(nil).CloseCode(r)
}

// ntfyPeer is one client of [NtfySocket]. All fields are static.
type ntfyPeer struct {
	socket  *NtfySocket
	hub     *hub.Actor
	session *hub.Session
	request SubscribeRequest
}

// Session implements [Peer].
func (p *ntfyPeer) Session() *hub.Session { return p.session }

// Receive implements [Peer]: the protocol goes one way.
func (p *ntfyPeer) Receive(context.Context, []byte) {}

// Start implements [Starter]: it brings the client into the present. A poll ends
// the session, and so does an error.
func (p *ntfyPeer) Start(ctx context.Context) {
	err := CatchUp(ctx, p.hub, p.session, p.request, p.socket.NtfyWS, p.socket.Now(), func(frame []byte) error {
		if err := p.session.Room(ctx); err != nil {
			return err
		}
		p.session.Send(frame)
		return nil
	})
	switch {
	case err != nil:
		p.session.Close(catchUpReason(err))
	case p.request.Poll:
		p.session.Close(hub.Reason{Cause: hub.CauseServer, Code: closeNormal, Text: "that is all"})
	}
}

// catchUpReason is why a session ends whose [CatchUp] failed.
func catchUpReason(err error) hub.Reason {
	e := hub.ErrorOf(err)
	switch {
	case e.Code == hub.CodeClosed || errors.Is(err, context.Canceled):
		return hub.Reason{Cause: hub.CauseClosed}
	case e.Code == hub.CodeLimit || e.Code == hub.CodeBadRequest || e.Code == hub.CodeDenied:
		return hub.Reason{Cause: hub.CauseDenied, Text: e.Message}
	case e.Code == hub.CodeUnauthenticated:
		return hub.Reason{Cause: hub.CauseRevoked, Text: e.Message}
	case e.Code == hub.CodeExpired:
		return hub.Reason{Cause: hub.CauseExpired, Text: e.Message}
	}
	return hub.Reason{Cause: hub.CauseInternal, Text: e.Message}
}
