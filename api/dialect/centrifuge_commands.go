package dialect

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"

	"fanfold/hub"
)

// RPC answers a client's call. It may block on what it calls. data and result
// are JSON without line breaks, nil if there is none; an error goes to the client, as
// [hub.ErrorOf] shows it.
type RPC func(ctx context.Context, caller *hub.Client, data []byte) (result []byte, err error)

// Method is an [RPC] and who may call it.
type Method struct {
	// Channel is one that a caller must be allowed to publish to; "": everybody who is
	// connected may.
	Channel string
	Call    RPC
}

// callCasefold is the echo as a call: a JSON string comes back folded.
func callCasefold(_ context.Context, _ *hub.Client, data []byte) ([]byte, error) {
	var text *string
	if json.Unmarshal(data, &text) != nil || text == nil {
		return nil, hub.Errorf(hub.CodeBadRequest, "casefold: the data must be a string")
	}
	return appendString(nil, string(Casefold([]byte(*text)))), nil
}

// commands are the methods that clients may call. What a command returns as an
// error is its reply; without one it has replied itself.
var commands = map[string]func(*centrifugePeer, context.Context, command) error{
	"connect":        (*centrifugePeer).connect,
	"subscribe":      (*centrifugePeer).subscribe,
	"unsubscribe":    (*centrifugePeer).unsubscribe,
	"publish":        (*centrifugePeer).publish,
	"presence":       (*centrifugePeer).presence,
	"presence_stats": (*centrifugePeer).presenceStats,
	"history":        (*centrifugePeer).history,
	"rpc":            (*centrifugePeer).rpc,
	"send":           (*centrifugePeer).send,
	"refresh":        (*centrifugePeer).refresh,
	"sub_refresh":    (*centrifugePeer).subRefresh,
}

// peerState is how far a client has come.
type peerState int

const (
	peerNew       peerState = iota // must connect first
	peerConnected                  // may do everything
	peerRefused                    // connect failed; nothing but the end may follow
	peerOver                       // the session is closed, or about to be
)

// centrifugePeer is one client. The fields below refused belong to the caller of
// Receive.
type centrifugePeer struct {
	dialect *Centrifuge // static
	session *hub.Session
	refused error // why the request's own credential was not accepted; nil: it was, or there is none

	state peerState
}

// Session implements [Peer].
func (p *centrifugePeer) Session() *hub.Session { return p.session }

// Receive implements [Peer]. Once the session is closed the rest of the text is
// ignored.
func (p *centrifugePeer) Receive(ctx context.Context, text []byte) {
	blank := true
	for line := range bytes.SplitSeq(text, []byte("\n")) {
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		blank = false
		if !p.receive(ctx, line) {
			return
		}
	}
	if blank && p.state != peerOver {
		p.breach("the frame is empty")
	}
}

// receive handles one command and reports whether another may follow.
func (p *centrifugePeer) receive(ctx context.Context, line []byte) (more bool) {
	if p.state == peerOver {
		return false
	}
	c, err := parseCommand(line)
	if err != nil {
		return p.breach(err.Error())
	}
	if c.method == "" {
		return p.session.Pong() || p.breach("a pong came that no ping asked for")
	}
	if text := p.outOfTurn(c); text != "" {
		return p.breach(text)
	}
	if p.session.Room(ctx) != nil {
		p.state = peerOver
		return false
	}
	if err := commands[c.method](p, ctx, c); err != nil {
		return p.fail(ctx, c, err)
	}
	return p.state != peerOver
}

// outOfTurn says why this command may not come now, or "".
func (p *centrifugePeer) outOfTurn(c command) string {
	switch {
	case p.state == peerRefused:
		return c.method + " came after connect had failed"
	case p.state == peerNew && c.method != "connect":
		return c.method + " came before connect"
	case p.state == peerConnected && c.method == "connect":
		return "connect came twice"
	}
	return ""
}

// breach closes the session because the client broke the protocol. It is false.
func (p *centrifugePeer) breach(text string) bool {
	return p.close(closeBadRequest, "bad request: "+text)
}

func (p *centrifugePeer) close(code int, text string) bool {
	p.state = peerOver
	p.session.Close(hub.Reason{Cause: hub.CauseBadRequest, Code: code, Text: text})
	return false
}

// fail replies with an error and reports whether another command may follow.
func (p *centrifugePeer) fail(ctx context.Context, c command, err error) bool {
	p.logInternal(ctx, c.method, err)
	e := wireErrorOf(err)
	if strings.HasSuffix(c.method, "refresh") && e.code == errorTokenExpired {
		e.temporary = true // or clients would give up, not fetch a token that is newer
	}
	p.session.Send(encodeErrorReply(c.id, e))
	if c.method == "connect" {
		p.state = peerRefused
		return false
	}
	return true
}

// logInternal keeps the cause of what the client is told nothing about.
func (p *centrifugePeer) logInternal(ctx context.Context, method string, err error) {
	if e := hub.ErrorOf(err); e.Err != nil && e.Code != hub.CodeDenied && ctx.Err() == nil {
		p.dialect.config.Logger.Error("a client's command failed",
			"method", method, "client", p.session.Client().ID, "error", err)
	}
}

func (p *centrifugePeer) reply(c command, result []byte) error {
	p.session.Send(encodeReply(c.id, c.method, result))
	return nil
}

// emptyResult is the result of a command that has nothing to tell. The JavaScript
// client needs it to be there.
var emptyResult = []byte("{}")

// channelRequest is what several commands ask with.
type channelRequest struct {
	Channel string `json:"channel"`
}

func (p *centrifugePeer) unsubscribe(_ context.Context, c command) error {
	var q channelRequest
	if err := c.decode(&q); err != nil {
		return err
	}
	p.session.Unsubscribe(q.Channel)
	return p.reply(c, emptyResult)
}

func (p *centrifugePeer) publish(ctx context.Context, c command) error {
	var q struct {
		Channel string          `json:"channel"`
		Data    json.RawMessage `json:"data"`
		Type    int32           `json:"type"`

		// Not the protocol's own. ExcludeSelf: this client is not told of it. RollUp: the message
		// takes the place of all earlier ones of the channel. IfLast: it is stored only if that
		// is the channel's newest message; else the error is errorConflict. IdempotencyKey: a
		// client that does not know whether a publish has arrived repeats it with its key.
		ExcludeSelf    bool      `json:"exclude_self"`
		RollUp         bool      `json:"rollup"`
		IfLast         *lastSeen `json:"if_last"`
		IdempotencyKey string    `json:"idempotency_key"`
	}
	if err := c.decode(&q); err != nil {
		return err
	}
	if q.Type != 0 {
		return hub.Errorf(hub.CodeNotAvailable, "publish: this hub has stream channels alone: leave out \"type\"")
	}
	data, err := checkData(c.method, q.Data)
	if err != nil {
		return err
	}
	last, err := q.IfLast.position()
	if err != nil {
		return err
	}
	m := &hub.Message{Channel: q.Channel, Data: data, Publisher: p.session.ClientIn(q.Channel)}
	if q.ExcludeSelf {
		m.Exclude = m.Publisher.ID
	}
	o := hub.PublishOptions{RollUp: q.RollUp, IfLast: last, IdempotencyKey: q.IdempotencyKey}
	if _, err := p.session.Actor().Publish(ctx, m, o); err != nil {
		return err
	}
	return p.reply(c, emptyResult)
}

func (p *centrifugePeer) presence(ctx context.Context, c command) error {
	clients, err := p.clients(ctx, c)
	if err != nil {
		return err
	}
	result := appendPresence(nil, clients)
	if most := p.dialect.config.RecoverBytes; len(result) > most {
		return hub.Errorf(hub.CodeLimit, "presence: the list of %d clients takes %d bytes: at most %d fit, ask for presence_stats",
			len(clients), len(result), most)
	}
	return p.reply(c, result)
}

func (p *centrifugePeer) presenceStats(ctx context.Context, c command) error {
	clients, err := p.clients(ctx, c)
	if err != nil {
		return err
	}
	return p.reply(c, appendPresenceStats(nil, clients))
}

func (p *centrifugePeer) clients(ctx context.Context, c command) ([]hub.Client, error) {
	var q channelRequest
	if err := c.decode(&q); err != nil {
		return nil, err
	}
	return p.session.Actor().Presence(ctx, q.Channel)
}

func appendPresence(b []byte, clients []hub.Client) []byte {
	b = append(b, `{"presence":{`...)
	for i := range clients {
		b = appendComma(b)
		b = appendString(b, clients[i].ID)
		b = append(b, ':')
		b = appendClient(b, &clients[i])
	}
	return append(b, "}}"...)
}

// appendPresenceStats counts all anonymous clients as one user.
func appendPresenceStats(b []byte, clients []hub.Client) []byte {
	users := map[string]bool{}
	for i := range clients {
		users[clients[i].User] = true
	}
	b = append(b, '{')
	b = appendNumber(b, "num_clients", len(clients))
	b = appendNumber(b, "num_users", len(users))
	return append(b, '}')
}

func (p *centrifugePeer) rpc(ctx context.Context, c command) error {
	var q struct {
		Method string          `json:"method"`
		Data   json.RawMessage `json:"data"`
	}
	if err := c.decode(&q); err != nil {
		return err
	}
	method, ok := p.dialect.config.Methods[q.Method]
	if !ok {
		return hub.Errorf(hub.CodeUnknownMethod, "rpc: there is no method %q", cutText(q.Method, 80))
	}
	if method.Channel != "" {
		if err := p.session.Actor().Check(hub.ActionPublish, method.Channel); err != nil {
			return err
		}
	}
	data, err := oneLine(c.method, q.Data)
	if err != nil {
		return err
	}
	result, err := method.Call(ctx, p.session.Client(), data)
	switch {
	case err != nil:
		return err
	case result == nil:
		return p.reply(c, emptyResult)
	}
	return p.reply(c, append(append([]byte(`{"data":`), result...), '}'))
}

// send has nobody to go to: messages without a reply are not handled here.
func (p *centrifugePeer) send(context.Context, command) error {
	p.close(closeNotAvailable, "send is not available: use publish or rpc")
	return nil
}
