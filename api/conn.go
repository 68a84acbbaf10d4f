package api

import (
	"context"
	"errors"
	"io"
	"runtime/debug"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"fanfold/api/dialect"
	"fanfold/api/limit"
	"fanfold/hub"

	"github.com/gorilla/websocket"
	"github.com/olahol/melody"
)

// wsConn is one WebSocket: a [hub.Conn] on a melody session.
type wsConn struct {
	socket *socket // static
	path   string
	remote string
	ctx    context.Context // with its place
	lease  *limit.Lease
	secure bool
	peer   dialect.Peer
	ready  chan struct{} // closed when the upgrade is done; nil then
	wire   *wire         // set before ready

	session atomic.Pointer[melody.Session] // set once
	woken   atomic.Bool                    // there was a Wake that nobody has pumped for
	reason  atomic.Pointer[hub.Reason]     // set by Close; taken by whoever sends the close frame
	code    atomic.Int32                   // the close code, whoever said it first
	deaf    atomic.Bool                    // what still comes is not for us
	atText  atomic.Bool                    // the reader is at a text, and leaves the answer to others
	pinged  time.Time                      // or connected; owned by the pulse once the connection stands
}

// Wake implements [hub.Conn]. It may come before the upgrade is done.
func (c *wsConn) Wake() {
	c.woken.Store(true)
	if c.session.Load() != nil && c.woken.Swap(false) {
		c.pump()
	}
}

// inARow is how many messages one Wake writes before others have their turn.
const inARow = 4

// pump writes what is in the outbox, as far as the network takes it at once. A goroutine
// goes on with the rest. One pumps at a time: the outbox is asleep otherwise.
func (c *wsConn) pump() {
	for i := range inARow + 1 {
		m := c.next()
		if m == nil {
			return // and no word of c any more: the next Wake may have begun
		}
		tried := i < inARow && !c.atText.Load()
		if !tried || !c.wire.begin(&m.attempt) {
			c.socket.api.goroutines.Go(func() { c.carry(m, tried) })
			return
		}
		m.recycle()
	}
}

// carry writes the rest of a message, which it was tried to begin or not, and all that
// follows. Melody's part is done by failed, should the network fail.
func (c *wsConn) carry(m *outgoing, tried bool) {
	for ; m != nil; m, tried = c.next(), false {
		var err error
		if tried || !c.wire.begin(&m.attempt) {
			err = c.wire.finish(m.rest())
		}
		m.recycle()
		if err != nil {
			c.failed(err)
			_ = c.wire.Close()
			return
		}
	}
}

// next takes what is to be sent next; nil: there is nothing.
func (c *wsConn) next() *outgoing {
	m := newOutgoing()
	if taker, ok := c.peer.(dialect.Taker); ok {
		if m.text = taker.Take(m.text, maxFrameBytes); len(m.text) == headerRoom {
			m.recycle()
			return nil
		}
		m.seal(websocket.BinaryMessage)
		return m
	}
	separator, limit := c.socket.dialect.Separator(), maxFrameBytes
	if separator == "" {
		limit = 0 // each frame is a message
	}
	if m.frames = c.peer.Session().Take(m.frames[:0], limit); len(m.frames) == 0 {
		m.recycle()
		return nil
	}
	m.join(separator)
	m.seal(websocket.TextMessage)
	return m
}

// Close implements [hub.Conn]: it queues the close frame, behind which melody
// closes the connection. A client that reads nothing is cut off by the write timeouts.
func (c *wsConn) Close(r hub.Reason) {
	c.reason.Store(&r)
	c.sayGoodbye()
}

func (c *wsConn) sayGoodbye() {
	session := c.session.Load()
	if session == nil {
		return
	}
	if r := c.reason.Swap(nil); r != nil {
		code, text := c.socket.dialect.CloseCode(*r)
		c.code.CompareAndSwap(0, int32(code))
		session.CloseWithMsg(websocket.FormatCloseMessage(code, text))
	}
}

// connected is melody's call when the connection stands, before its writer
// starts.
func (c *wsConn) connected(m *melody.Session) {
	m.Request = nil // a few KB that nobody reads any more
	c.socket.api.config.Logger.Info("connection established", "path", c.path, "remote", c.remote, "tls", c.secure, "client", c.peer.Session().Client().ID)
	c.session.Store(m)
	if c.woken.Swap(false) {
		c.pump()
	}
	c.sayGoodbye()
	if starter, ok := c.peer.(dialect.Starter); ok {
		c.socket.api.goroutines.Go(func() {
			c.contain(func() { starter.Start(c.ctx) })
		})
	}
	close(c.ready)
	c.ready = nil
}

// receive is called by melody's reader for each text message.
func (c *wsConn) receive(text []byte) {
	if c.deaf.Load() {
		return
	}
	if _, ok := c.socket.dialect.(dialect.Binary); ok { // [MQTT-6.0.0-1]
		c.deaf.Store(true)
		c.peer.Session().Close(reasonNoText)
		return
	}
	if !utf8.Valid(text) { // RFC 6455 §8.1
		c.deaf.Store(true)
		c.peer.Session().Close(reasonInvalidUTF8)
		return
	}
	c.hand(text)
}

// receiveBytes is called by melody's reader for each binary message. A protocol of
// texts has no answer to those.
func (c *wsConn) receiveBytes(data []byte) {
	if _, ok := c.socket.dialect.(dialect.Binary); !ok || c.deaf.Load() {
		return
	}
	c.hand(data)
}

// hand gives the peer what came. Commands are answered on another goroutine's stack, while
// this one waits. The answer to a text is written by another goroutine, while this one reads
// on, which makes a tenth more round trips of an echo.
func (c *wsConn) hand(data []byte) {
	receive := func() { c.contain(func() { c.peer.Receive(c.ctx, data) }) }
	if c.socket.commands {
		c.socket.api.errands.run(receive)
	} else {
		c.atText.Store(true)
		receive()
		c.atText.Store(false)
	}
}

// contain keeps a panic from ending more than this connection.
func (c *wsConn) contain(f func()) {
	defer func() {
		if p := recover(); p != nil {
			c.deaf.Store(true)
			c.socket.api.config.Logger.Error("a connection's handler panicked", "path", c.path, "panic", p, "stack", string(debug.Stack()))
			c.peer.Session().Close(hub.Reason{Cause: hub.CauseInternal})
		}
	}()
	f()
}

// reasonInvalidUTF8 closes with 1007 (RFC 6455 §7.4.1).
var reasonInvalidUTF8 = hub.Reason{
	Cause: hub.CauseBadRequest, Code: websocket.CloseInvalidFramePayloadData, Text: "a text message was not valid UTF-8",
}

// reasonNoText closes with 1003 (RFC 6455 §7.4.1).
var reasonNoText = hub.Reason{
	Cause: hub.CauseBadRequest, Code: websocket.CloseUnsupportedData, Text: "this protocol has binary messages alone",
}

// ponged ends the wait for a client that answers pings but not the close.
func (c *wsConn) ponged() {
	if c.session.Load().IsClosed() {
		_ = c.wire.Conn.SetReadDeadline(time.Now())
	}
}

// closedByPeer answers the client's close frame (RFC 6455 §5.5.1).
func (c *wsConn) closedByPeer(code int) error {
	c.code.CompareAndSwap(0, int32(code))
	c.answerClose(code)
	return nil
}

// answerClose sends a close frame at once, if none was sent. A client that does
// not wait for it is no error worth telling.
func (c *wsConn) answerClose(code int) {
	frame := websocket.FormatCloseMessage(code, "") // empty for 1005
	_ = c.session.Load().WebsocketConnection().WriteControl(websocket.CloseMessage, frame, time.Now().Add(closeGrace))
}

// failed is melody's call on any error of the connection, which ends it. If the
// writer failed, the reader may be waiting for room that nobody makes any more.
func (c *wsConn) failed(err error) {
	if errors.Is(err, websocket.ErrReadLimit) {
		c.code.CompareAndSwap(0, websocket.CloseMessageTooBig)
		c.answerClose(websocket.CloseMessageTooBig) // gorilla has, but for a length over 2^63
	}
	c.code.CompareAndSwap(0, websocket.CloseAbnormalClosure) // before Close sets another
	c.peer.Session().Close(hub.Reason{Cause: hub.CauseClosed})
}

// endWithin is how long a peer may take for what it does at the end.
const endWithin = 10 * time.Second

// end lets a peer do that. Its connection's context may be over already.
func end(ctx context.Context, p dialect.Peer) {
	if ender, ok := p.(dialect.Ender); ok {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endWithin)
		defer cancel()
		ender.End(ctx)
	}
}

// drainBytes bounds what is read from a client after the end, see [wire.Close].
const drainBytes = 16 << 20

// disconnected is melody's last call, in the reader.
func (c *wsConn) disconnected() {
	c.contain(func() { end(c.ctx, c.peer) })
	c.peer.Session().Detach()
	c.code.CompareAndSwap(0, websocket.CloseAbnormalClosure)
	c.socket.api.config.Logger.Info("connection closed", "path", c.path, "remote", c.remote, "client", c.peer.Session().Client().ID, "code", c.code.Load())
	_ = c.wire.Conn.SetReadDeadline(time.Now().Add(closeGrace))
	_, _ = io.CopyN(io.Discard, c.wire.Conn, drainBytes)
	_ = c.wire.Conn.Close()
	c.lease.Release()
}
