package dialect

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"fanfold/hub"
	"fanfold/hub/foreign"
)

// Echo is the plain text protocol: each text that the client sends is answered,
// to the client alone and in order, by its case-folded form. Channels named in the
// URL also bring their messages, each as one plain text.
//
//	?fold=ascii | ?fold=unicode   how to fold, instead of the default
//	?channel=a&channel=b.*        channels or patterns to be told of, from now on
//	?since=10m                    and before that their stored messages: all, latest,
//	                              none, a duration, Unix seconds or a message's id
//
// Nothing in plain text can say that stored messages are missing: those that are kept come.
// All connections of a hub share one *Echo, and so each encoded frame. Its fields
// must not change once it is in use.
type Echo struct {
	Fold   Fold             // the default
	Logger *slog.Logger     // gets the texts at debug level; nil: nobody does
	Now    func() time.Time // reads the clock; required for ?since=
}

// Connect implements [Dialect]. The channels are subscribed to before the client
// learns that it is connected, so that it gets what is published from then on; it is
// held until [Starter.Start]. That waits for the engine.
func (e *Echo) Connect(ctx context.Context, h *hub.Actor, conn hub.Conn, r Request) (Peer, error) {
	fold := e.Fold
	for _, name := range r.Query["fold"] {
		var err error
		if fold, err = ParseFold(name); err != nil {
			return nil, err
		}
	}
	request, err := e.request(r.Query)
	if err != nil {
		return nil, err
	}
	if err := request.check(h); err != nil {
		return nil, err
	}
	session, err := h.Open(hub.SessionConfig{Conn: conn, Codec: e})
	if err != nil {
		return nil, err
	}
	peer := &echoPeer{echo: e, session: session, fold: fold, hub: h, request: request}
	if len(request.Keys) > 0 {
		if err := peer.subscribe(ctx); err != nil {
			session.Detach() // no transport has it
			return nil, err
		}
	}
	return peer, nil
}

// request reads which channels are asked for, and from where on.
func (e *Echo) request(query map[string][]string) (r SubscribeRequest, err error) {
	r.Keys = query["channel"]
	for _, key := range r.Keys {
		if err := hub.CheckPattern(key); err != nil {
			return r, err
		}
	}
	since := first(query["since"])
	switch {
	case since == "":
		return r, nil
	case len(r.Keys) == 0:
		return r, hub.Errorf(hub.CodeBadRequest, "since=%.40s is of no channel: name one with ?channel= too", since)
	}
	return r, r.setSince(since, e.Now())
}

// Separator implements [Dialect]: one frame for one text.
func (e *Echo) Separator() string { return "" }

// CloseCode implements [Dialect] with the codes of RFC 6455 §7.4.1.
func (e *Echo) CloseCode(r hub.Reason) (code int, text string) {
	usual, ok := echoCloses[r.Cause]
	if !ok {
		usual = echoCloses[hub.CauseInternal]
	}
	if r.Code != 0 {
		usual.code = r.Code
	}
	if r.Retry > 0 {
		usual.text = fmt.Sprintf("the hub is shutting down: come back in %d s", (r.Retry+time.Second-1)/time.Second)
	}
	if r.Text != "" {
		usual.text = r.Text
	}
	return usual.code, cutText(usual.text, maxCloseText)
}

// Codes of RFC 6455 §7.4.1.
const (
	closeNormal    = 1000
	closeGoingAway = 1001
	closeProtocol  = 1002
	closePolicy    = 1008
	closeInternal  = 1011
)

var echoCloses = map[hub.Cause]struct {
	code int
	text string
}{
	hub.CauseClosed:     {closeNormal, "closed"},
	hub.CauseShutdown:   {closeGoingAway, "the hub is shutting down: come back in a moment"},
	hub.CauseSlow:       {closePolicy, "too slow: messages came faster than they were read"},
	hub.CauseNoPong:     {closeProtocol, "a ping was not answered"},
	hub.CauseStale:      {closePolicy, "nothing came from the client in time"},
	hub.CauseBadRequest: {closeProtocol, "the client broke the protocol"},
	hub.CauseDenied:     {closePolicy, "not allowed"},
	hub.CauseRevoked:    {closePolicy, "the credential was revoked"},
	hub.CauseExpired:    {closePolicy, "the token has expired: connect with a new one"},
	hub.CauseServer:     {closePolicy, "disconnected by the operator"},
	hub.CauseGap:        {closeInternal, "messages were lost on the way: connect again"},
	hub.CauseInternal:   {closeInternal, "internal error"},
}

// Encode implements [hub.Codec]: messages are shown, nothing else is, nor that
// one was deleted or cleared.
func (e *Echo) Encode(ev hub.Event) []byte {
	if ev.Kind != hub.KindMessage {
		return nil
	}
	if event, _ := parseSequenceEvent(ev.Message.Data); event != "" {
		return nil
	}
	return []byte(foreign.PlainText(ev.Message.Data))
}

// echoPeer is one client of [Echo].
type echoPeer struct {
	echo    *Echo
	session *hub.Session
	fold    Fold
	hub     *hub.Actor
	request SubscribeRequest

	sub *hub.Subscription // nil if no channels were asked for
	now hub.Position      // where sub begins
}

// Session implements [Peer].
func (p *echoPeer) Session() *hub.Session { return p.session }

// subscribe subscribes to the channels as from now.
func (p *echoPeer) subscribe(ctx context.Context) (err error) {
	if p.sub, err = p.session.Subscribe(ctx, hub.SubscribeOptions{Keys: p.request.Keys}); err != nil {
		return err
	}
	p.now, err = p.hub.Now(ctx)
	return err
}

// Start implements [Starter]: stored texts come first, if they were asked for. It
// waits for the client to read them, and closes the session if they can't be read.
func (p *echoPeer) Start(ctx context.Context) {
	if p.sub == nil {
		return
	}
	c := catchUp{hub: p.hub, request: p.request, codec: echoStream{p.echo}, until: p.now, emit: func(frame []byte) error {
		if err := p.session.Room(ctx); err != nil {
			return err
		}
		p.session.Send(frame)
		return nil
	}}
	if err := c.run(ctx); err != nil {
		p.session.Close(catchUpReason(err))
		return
	}
	p.sub.Resume(p.now)
}

// echoStream is the echo as a [StreamCodec], with texts alone.
type echoStream struct{ *Echo }

// Open implements [StreamCodec].
func (echoStream) Open(string, hub.Position, time.Time) []byte { return nil }

// Gap implements [StreamCodec].
func (echoStream) Gap(string, string, time.Time) []byte { return nil }

// End implements [StreamCodec].
func (echoStream) End(string, hub.Reason, time.Time) []byte { return nil }

// Waiting implements [StreamCodec].
func (echoStream) Waiting(*hub.Message) []byte { return nil }

// ContentType implements [StreamCodec].
func (echoStream) ContentType() string { return "text/plain; charset=utf-8" }

// Receive implements [Peer]: one text is answered by one text or by none.
func (p *echoPeer) Receive(ctx context.Context, text []byte) {
	p.trace(ctx, "<", text)
	folded, ok := p.fold.Apply(text)
	if !ok || p.session.Room(ctx) != nil { // no room any more: the session is over
		return
	}
	p.session.Send(folded)
	p.trace(ctx, ">", folded)
}

// trace logs a text that came (<) or goes (>), at debug level.
func (p *echoPeer) trace(ctx context.Context, direction string, text []byte) {
	if log := p.echo.Logger; log != nil && log.Enabled(ctx, slog.LevelDebug) {
		log.LogAttrs(ctx, slog.LevelDebug, direction,
			slog.String("client", p.session.Client().ID), slog.String("text", string(text)))
	}
}
