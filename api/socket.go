package api

import (
	"bufio"
	"errors"
	"math"
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
	readBufferBytes  = 512 // of each connection
	writeBufferBytes = 256 // pooled; for control frames alone
	maxFrameBytes    = 64 << 10
	queueMessages    = 1 // of melody's: a close frame
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
	s.melody.Config.PingPeriod = math.MaxInt64 // see pulse
	s.melody.Config.PongWait = pongWait
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
	s.melody.HandleClose(func(m *melody.Session, code int, _ string) error { return connOf(m).closedByPeer(code) })
	s.melody.HandlePong(func(m *melody.Session) { connOf(m).ponged() })
	s.melody.HandleError(func(m *melody.Session, err error) { connOf(m).failed(err) })
	s.melody.HandleDisconnect(func(m *melody.Session) { connOf(m).disconnected() })
	a.sockets = append(a.sockets, s)
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
	conn := &wsConn{socket: s, lease: lease, ctx: place{visitor.from, lease}.within(s.api.context), path: c.Request.URL.Path, remote: who.String(), secure: who.secure, ready: make(chan struct{}), pinged: time.Now()}
	peer, err := s.dialect.Connect(c.Request.Context(), visitor.actor, conn, dialect.Request{
		Path: c.Request.URL.EscapedPath(), Query: c.Request.URL.Query(), Header: c.Request.Header, Refused: visitor.refused,
	})
	if err != nil {
		s.api.writeError(c, err)
		return
	}
	conn.peer = peer
	ready, refused := conn.ready, make(chan error, 1)
	upgrade := &upgradeWriter{ResponseWriter: c.Writer, conn: conn}
	s.api.goroutines.Go(func() {
		refused <- s.melody.HandleRequest(upgrade, c.Request)
	})
	select {
	case <-ready:
		standing = true // conn releases it
		c.Set(upgradedKey, true)
	case err := <-refused:
		peer.Session().Detach()
		if conn.wire != nil {
			_ = conn.wire.Conn.Close() // the wire's own Close ended one half
		}
		s.api.config.Logger.Warn("WebSocket upgrade refused", "path", conn.path, "remote", conn.remote, "error", err)
	}
}

// upgradeWriter puts a [wire] between the hijacked connection and the WebSocket library.
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
	if err != nil {
		return nil, nil, err
	}
	w.conn.wire = newWire(raw, w.conn)
	return w.conn.wire, buffers, nil
}

// connOf is the one whose wire the WebSocket library was given. Melody's Keys would be a map
// for each connection.
func connOf(m *melody.Session) *wsConn {
	w, _ := m.WebsocketConnection().NetConn().(*wire)
	return w.owner
}
