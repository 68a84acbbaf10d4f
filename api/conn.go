package api

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime/debug"
	"sync"
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
	ready  chan struct{} // closed once, when the upgrade is done
	raw    net.Conn      // set before ready

	session atomic.Pointer[melody.Session] // set once
	woken   atomic.Bool                    // there was a Wake that nobody has pumped for
	reason  atomic.Pointer[hub.Reason]     // set by Close; taken by whoever sends the close frame
	code    atomic.Int32                   // the close code, whoever said it first
	batch   *batch                         // under way; owned by whoever pumps: one at a time
	deaf    atomic.Bool                    // what still comes is not for us
}

// batch is what one WebSocket message is joined in.
type batch struct {
	frames [][]byte
	text   []byte
}

var batches = sync.Pool{New: func() any { return new(batch) }}

// Wake implements [hub.Conn]. It may come before the upgrade is done.
func (c *wsConn) Wake() {
	c.woken.Store(true)
	if c.session.Load() != nil && c.woken.Swap(false) {
		c.pump()
	}
}

// pump hands what is in the outbox to melody, whose writer calls sent when that
// is done. There is one message under way at a time.
func (c *wsConn) pump() {
	b, _ := batches.Get().(*batch)
	if taker, ok := c.peer.(dialect.Taker); ok {
		c.pumpBytes(taker, b)
		return
	}
	separator, limit := c.socket.dialect.Separator(), maxFrameBytes
	if separator == "" {
		limit = 0 // each frame is a message
	}
	b.frames = c.peer.Session().Take(b.frames[:0], limit)
	if len(b.frames) == 0 {
		batches.Put(b) // and no word of c any more: the next Wake may have begun
		return
	}
	c.batch = b
	if err := c.session.Load().Write(b.join(separator)); err != nil {
		c.recycle() // the connection is gone: disconnected follows
	}
}

// pumpBytes is pump for a peer that writes its client's bytes itself.
func (c *wsConn) pumpBytes(taker dialect.Taker, b *batch) {
	if b.text = taker.Take(b.text[:0], maxFrameBytes); len(b.text) == 0 {
		batches.Put(b)
		return
	}
	c.batch = b
	if err := c.session.Load().WriteBinary(b.text); err != nil {
		c.recycle()
	}
}

// join returns the frames as one message; a single one as it is.
func (b *batch) join(separator string) []byte {
	if len(b.frames) == 1 {
		return b.frames[0]
	}
	b.text = b.text[:0]
	for i, frame := range b.frames {
		if i > 0 {
			b.text = append(b.text, separator...)
		}
		b.text = append(b.text, frame...)
	}
	return b.text
}

func (c *wsConn) recycle() {
	clear(c.batch.frames)
	batches.Put(c.batch)
	c.batch = nil
}

// sent is called by melody's writer.
func (c *wsConn) sent() {
	c.recycle()
	c.pump()
}

// Close implements [hub.Conn]: it queues the close frame, behind which melody
// closes the connection. A client that reads nothing is cut off by melody's write timeout.
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
// this one waits.
func (c *wsConn) hand(data []byte) {
	receive := func() { c.contain(func() { c.peer.Receive(c.ctx, data) }) }
	if c.socket.commands {
		c.socket.api.errands.run(receive)
	} else {
		receive()
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
		_ = c.raw.SetReadDeadline(time.Now())
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

// drainBytes bounds what is read from a client after the end, see politeConn.
const drainBytes = 16 << 20

// disconnected is melody's last call, in the reader.
func (c *wsConn) disconnected() {
	c.contain(func() { end(c.ctx, c.peer) })
	c.peer.Session().Detach()
	c.code.CompareAndSwap(0, websocket.CloseAbnormalClosure)
	c.socket.api.config.Logger.Info("connection closed", "path", c.path, "remote", c.remote, "client", c.peer.Session().Client().ID, "code", c.code.Load())
	_ = c.raw.SetReadDeadline(time.Now().Add(closeGrace))
	_, _ = io.CopyN(io.Discard, c.raw, drainBytes)
	_ = c.raw.Close()
	c.lease.Release()
}
