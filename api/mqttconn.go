package api

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"runtime/debug"
	"time"

	"fanfold/api/dialect"
	"fanfold/api/limit"
	"fanfold/hub"
)

const (
	handshakeWithin = 10 * time.Second // TLS
	writeWithin     = 10 * time.Second // what a client may take for a part of what it is sent
	readBytes       = 2 << 10          // at a time
	keepBytes       = 4 << 10          // of a writer's buffer without work
)

// ServeMQTT serves MQTT to who connects, until the listener is closed. The connections'
// goroutines, which [API.Wait] waits for, end with their sessions.
func (a *API) ServeMQTT(listener net.Listener) error {
	for wait := time.Duration(0); ; {
		conn, err := listener.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return nil
		case err != nil: // there are too many open files, say
			wait = min(max(2*wait, 5*time.Millisecond), time.Second)
			a.config.Logger.Error("a device's connection can't be taken: trying again", "error", err, "in", wait)
			select {
			case <-time.After(wait):
			case <-a.context.Done():
				return nil
			}
			continue
		}
		wait = 0
		a.goroutines.Go(func() { a.serveDevice(conn) })
	}
}

// serveDevice serves one connection. Its goroutine is the reader.
func (a *API) serveDevice(raw net.Conn) {
	defer raw.Close()
	who := callerAt(raw)
	from := a.fromAddress(who)
	var anonymous *hub.Principal
	if a.config.Access != nil {
		anonymous = a.config.Access.Anonymous
	}
	lease, err := a.config.Limits.Connect(limit.Of(anonymous, from))
	if err != nil {
		return // nobody can be told before CONNECT; the limits count and log it
	}
	defer lease.Release()
	if c, ok := raw.(*tls.Conn); ok {
		ctx, cancel := context.WithTimeout(a.context, handshakeWithin)
		defer cancel()
		if err := c.HandshakeContext(ctx); err != nil {
			a.config.Logger.Debug("a device's TLS handshake failed", "remote", who.String(), "error", err)
			return
		}
		who.secure = true
	}
	actor := a.everybody
	if a.config.Access != nil {
		actor = a.config.Hub.As(anonymous)
	}
	actor = actor.Metered(limit.Meter{Limits: a.config.Limits, From: from})
	ctx, cancel := context.WithCancel(place{from, lease}.within(a.context))
	defer cancel()
	d := &deviceConn{api: a, conn: raw, wake: make(chan struct{}, 1), done: make(chan struct{})}
	peer, err := a.devices.mqtt.Connect(ctx, actor, d, dialect.Request{})
	if err != nil {
		return // the hub shuts down
	}
	d.run(ctx, peer, who)
}

// callerAt is who is at the other end of a connection.
func callerAt(conn net.Conn) (who caller) {
	if tcp, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		who.ip = tcp.AddrPort().Addr().Unmap().WithZone("")
	}
	return who
}

// fromAddress is the account of a connection without a request. This machine itself and
// trusted proxies, which speak for others, have none.
func (a *API) fromAddress(who caller) limit.Account {
	if who.ip.IsLoopback() || a.trusts(who.ip) {
		return limit.Account{}
	}
	return limit.Network(who.network())
}

// deviceConn is one TCP connection that speaks MQTT: a [hub.Conn].
type deviceConn struct {
	api  *API // static
	conn net.Conn
	peer dialect.Peer // static once run has begun

	wake chan struct{} // one slot, never closed
	done chan struct{} // closed by Close
}

// Wake implements [hub.Conn].
func (c *deviceConn) Wake() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Close implements [hub.Conn]. The peer calls it in the writer, when the client was sent
// all there is. It closes the sending half alone, see linger, and wakes the reader.
func (c *deviceConn) Close(hub.Reason) {
	if half, ok := c.conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	_ = c.conn.SetReadDeadline(time.Now())
	close(c.done)
}

// run reads until the connection ends.
func (c *deviceConn) run(ctx context.Context, peer dialect.Peer, who caller) {
	c.peer = peer
	session, logger := peer.Session(), c.api.config.Logger
	logger.Info("connection established", "path", "mqtt", "remote", who.String(), "tls", who.secure, "client", session.Client().ID)
	written := make(chan struct{})
	c.api.goroutines.Go(func() { defer close(written); c.write() })
	if starter, ok := peer.(dialect.Starter); ok {
		c.api.goroutines.Go(func() { c.contain(func() { starter.Start(ctx) }) })
	}
	c.read(ctx)
	session.Close(hub.Reason{Cause: hub.CauseClosed})
	c.contain(func() { end(ctx, peer) })
	session.Detach()
	<-written
	logger.Info("connection closed", "path", "mqtt", "remote", who.String(), "client", session.Client().ID)
	c.linger()
}

// linger takes what the client still sends, so that it is not reset before it has read
// why its connection ends.
func (c *deviceConn) linger() {
	raw := c.conn
	if over, ok := raw.(*tls.Conn); ok {
		raw = over.NetConn()
	}
	_ = raw.SetReadDeadline(time.Now().Add(closeGrace))
	_, _ = io.CopyN(io.Discard, raw, drainBytes)
}

// read hands to the peer what comes, until the connection ends or is ended.
func (c *deviceConn) read(ctx context.Context) {
	buffer := make([]byte, readBytes)
	for {
		n, err := c.conn.Read(buffer)
		if n > 0 {
			c.contain(func() { c.peer.Receive(ctx, buffer[:n]) })
		}
		if err != nil {
			return
		}
	}
}

// write sends what there is, until Close. What can't be sent is dropped.
func (c *deviceConn) write() {
	var buffer []byte
	taker, _ := c.peer.(dialect.Taker)
	broken := false
	for {
		select {
		case <-c.wake:
		case <-c.done:
			return
		}
		for {
			if buffer = taker.Take(buffer[:0], maxFrameBytes); len(buffer) == 0 {
				break
			}
			if !broken {
				_ = c.conn.SetWriteDeadline(time.Now().Add(writeWithin))
				if _, err := c.conn.Write(buffer); err != nil {
					broken = true
					_ = c.conn.Close()
					c.peer.Session().Close(hub.Reason{Cause: hub.CauseClosed})
				}
			}
		}
		if cap(buffer) > keepBytes {
			buffer = nil
		}
	}
}

// contain keeps a panic from ending more than this connection.
func (c *deviceConn) contain(f func()) {
	defer func() {
		if p := recover(); p != nil {
			c.api.config.Logger.Error("a connection's handler panicked", "path", "mqtt", "panic", p, "stack", string(debug.Stack()))
			c.peer.Session().Close(hub.Reason{Cause: hub.CauseInternal})
		}
	}()
	f()
}
