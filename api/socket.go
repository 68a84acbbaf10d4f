package api

import (
	"bufio"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	"fanfold/api/dialect"

	"github.com/gin-gonic/gin"
	"github.com/gorilla/websocket"
	"github.com/olahol/melody"
)

const (
	readBufferBytes  = 512  // of each connection
	writeBufferBytes = 4096 // pooled
	maxFrameBytes    = 64 << 10
	// melody's queue holds one message under way, a close frame and room to spare.
	queueMessages = 4
	// frameOverhead is how much longer than a message's data a frame of commands
	// that carries it may be.
	frameOverhead = 16 << 10
)

// socket serves one dialect over WebSockets.
type socket struct {
	api     *API
	dialect dialect.Dialect
	melody  *melody.Melody
	// commands: what clients send asks for something, see errands
	commands bool
}

func (a *API) socket(d dialect.Dialect) *socket {
	s := &socket{api: a, dialect: d, melody: melody.New()}
	s.melody.Upgrader = &websocket.Upgrader{
		ReadBufferSize:  readBufferBytes,
		WriteBufferSize: writeBufferBytes,
		WriteBufferPool: &sync.Pool{},
		CheckOrigin:     func(*http.Request) bool { return true }, // the API's checkOrigin did
	}
	s.melody.Config.MessageBufferSize = queueMessages
	s.melody.Config.MaxMessageSize = int64(a.config.MaxTextBytes)
	if d.Separator() != "" {
		s.commands = true
		s.melody.Config.MaxMessageSize = int64(a.config.Hub.MaxMessageBytes() + frameOverhead)
	}
	if b, ok := d.(dialect.Binary); ok {
		s.commands = true
		s.melody.Upgrader.Subprotocols = b.Subprotocols()
		s.melody.Config.MaxMessageSize = int64(b.MaxPacketBytes())
	}
	s.melody.HandleConnect(func(m *melody.Session) { connOf(m).connected(m) })
	s.melody.HandleMessage(func(m *melody.Session, text []byte) { connOf(m).receive(text) })
	s.melody.HandleMessageBinary(func(m *melody.Session, data []byte) { connOf(m).receiveBytes(data) })
	s.melody.HandleSentMessage(func(m *melody.Session, sent []byte) { connOf(m).sent() })
	s.melody.HandleSentMessageBinary(func(m *melody.Session, sent []byte) { connOf(m).sent() })
	s.melody.HandleClose(func(m *melody.Session, code int, _ string) error { return connOf(m).closedByPeer(code) })
	s.melody.HandlePong(func(m *melody.Session) { connOf(m).ponged() })
	s.melody.HandleError(func(m *melody.Session, err error) { connOf(m).failed(err) })
	s.melody.HandleDisconnect(func(m *melody.Session) { connOf(m).disconnected() })
	return s
}

// serve upgrades the request and returns once the connection stands. The
// connection's goroutine no longer touches the gin context then.
func (s *socket) serve(c *gin.Context) {
	if !c.IsWebsocket() {
		c.Header("Upgrade", "websocket")
		s.api.fail(c, upgradeRequired, "this path speaks WebSocket only: connect with ws:// or wss://")
		return
	}
	lease := s.api.connect(c)
	if lease == nil {
		return
	}
	standing := false
	defer func() {
		if !standing {
			lease.Release()
		}
	}()
	who, visitor := s.api.caller(c.Request), s.api.visitor(c)
	if visitor.absent {
		visitor.refused = nil // it is no error yet: the protocol's frames may bring what is missing
	}
	conn := &wsConn{socket: s, lease: lease, ctx: place{visitor.from, lease}.within(s.api.context), path: c.Request.URL.Path, remote: who.String(), secure: who.secure, ready: make(chan struct{})}
	peer, err := s.dialect.Connect(c.Request.Context(), visitor.actor, conn, dialect.Request{
		Path: c.Request.URL.EscapedPath(), Query: c.Request.URL.Query(), Header: c.Request.Header, Refused: visitor.refused,
	})
	if err != nil {
		s.api.writeError(c, err)
		return
	}
	conn.peer = peer
	refused := make(chan error, 1)
	upgrade := &upgradeWriter{ResponseWriter: c.Writer, conn: conn}
	s.api.goroutines.Go(func() {
		refused <- s.melody.HandleRequestWithKeys(upgrade, c.Request, map[string]any{connKey: conn})
	})
	select {
	case <-conn.ready:
		standing = true // conn releases it
		c.Set(upgradedKey, true)
	case err := <-refused:
		peer.Session().Detach()
		if conn.raw != nil {
			_ = conn.raw.Close() // gorilla's Close ended one half, see politeConn
		}
		s.api.config.Logger.Warn("WebSocket upgrade refused", "path", conn.path, "remote", conn.remote, "error", err)
	}
}

// upgradeWriter gives the hijacked connection the closing manners of
// [politeConn].
type upgradeWriter struct {
	http.ResponseWriter
	conn *wsConn
}

// Hijack implements [http.Hijacker].
func (w *upgradeWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	hijacker, ok := w.ResponseWriter.(http.Hijacker)
	if !ok {
		return nil, nil, errors.New("the connection can't be taken over for a WebSocket")
	}
	raw, buffers, err := hijacker.Hijack()
	w.conn.raw = raw
	switch conn := raw.(type) {
	case *net.TCPConn:
		return &politeConn{TCPConn: conn}, buffers, err
	case *tls.Conn:
		return politeTLS{conn}, buffers, err
	}
	return raw, buffers, err
}

// closeGrace is how long a client may take to end its side of a connection that
// the hub has closed.
const closeGrace = time.Second

// politeConn closes its sending half alone, so that a close frame is not lost to
// a reset because the client was still sending. The reader goes on until the client ends
// its side or closeGrace is over. It embeds TCPConn for the sake of writev.
type politeConn struct {
	*net.TCPConn
	deadline time.Time // for writes, as it was set last; owned by the one who writes
}

// deadlineSlack is how much later than asked for a write may time out.
const deadlineSlack = 2 * time.Second

// SetWriteDeadline implements [net.Conn]. It is called before each write, with a time that
// is a little later than the last one; setting it costs a twentieth of a delivery. It is
// called by one goroutine at a time.
func (c *politeConn) SetWriteDeadline(t time.Time) error {
	if !t.IsZero() && !t.After(c.deadline) && c.deadline.Sub(t) <= deadlineSlack {
		return nil
	}
	c.deadline = t
	if !t.IsZero() && time.Until(t) > deadlineSlack {
		c.deadline = t.Add(deadlineSlack)
	}
	return c.TCPConn.SetWriteDeadline(c.deadline)
}

// Close implements [net.Conn].
func (c *politeConn) Close() error {
	return errors.Join(c.CloseWrite(), c.SetReadDeadline(time.Now().Add(closeGrace)))
}

// politeTLS does the same over TLS, whose own end of the stream (RFC 8446
// §6.1) is the sending half's.
type politeTLS struct{ *tls.Conn }

// Close implements [net.Conn]. It waits for at most 5 s for a client that reads
// nothing.
func (c politeTLS) Close() error {
	return errors.Join(c.CloseWrite(), c.SetReadDeadline(time.Now().Add(closeGrace)))
}

const connKey = "conn"

// connOf reads Keys without their lock: nobody changes them.
func connOf(m *melody.Session) *wsConn {
	conn, _ := m.Keys[connKey].(*wsConn)
	return conn
}
