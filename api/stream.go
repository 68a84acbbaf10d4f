package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"fanfold/api/dialect"
	"fanfold/hub"

	"github.com/gin-gonic/gin"
)

// writeTimeout is how long a streaming client may take to read what was sent.
const writeTimeout = 10 * time.Second

// stream answers with messages as they come, until the client leaves; with
// poll=1 with the stored ones alone.
func (a *API) stream(codec dialect.StreamCodec) gin.HandlerFunc {
	return func(c *gin.Context) {
		channels, _, _ := strings.Cut(strings.TrimPrefix(c.Request.URL.EscapedPath(), "/"), "/")
		wanted, err := dialect.ParseSubscribe(channels, c.Request.Header, c.Request.URL.Query(), time.Now())
		if err != nil {
			a.writeError(c, err)
			return
		}
		lease := a.connect(c)
		if lease == nil {
			return
		}
		defer lease.Release()
		if err := a.dropBody(c); err != nil {
			a.writeError(c, err)
			return
		}
		conn := newStreamConn(c, codec.ContentType())
		session, err := a.actor(c).Open(hub.SessionConfig{
			Conn: conn, Codec: codec, Label: wanted.Label, PingEvery: dialect.KeepaliveEvery,
		})
		if err != nil {
			a.writeError(c, err)
			return
		}
		defer session.Detach()
		a.run(c, conn, session, wanted, codec)
	}
}

// dropBody reads what a GET request has for a body, and lifts the deadline that
// came with it, so that the response may last.
func (a *API) dropBody(c *gin.Context) error {
	if c.Request.ContentLength == 0 {
		return nil
	}
	if _, err := a.body(c, a.config.MaxTextBytes); err != nil {
		return err
	}
	return http.NewResponseController(c.Writer).SetReadDeadline(time.Time{})
}

func (a *API) run(c *gin.Context, conn *streamConn, session *hub.Session, wanted dialect.SubscribeRequest, codec dialect.StreamCodec) {
	who := a.caller(c.Request)
	log := a.config.Logger.With("path", c.Request.URL.Path, "remote", who.String(), "client", session.Client().ID)
	ctx := c.Request.Context()
	defer conn.extend() // net/http sends the end of the response
	emit := func(frame []byte) error {
		if session.Ended() {
			return errHubClosed
		}
		return conn.write(frame)
	}
	err := dialect.CatchUp(ctx, a.actor(c), session, wanted, codec, time.Now(), emit)
	switch {
	case err != nil && !conn.begun:
		a.writeError(c, err)
		return
	case err != nil:
		if errors.Is(err, errHubClosed) {
			conn.sayWhy(session, codec, wanted.Label)
		}
		log.Warn("stream ended while sending history", "error", err)
		panic(http.ErrAbortHandler) // a proper end would look like all of it
	case wanted.Poll:
		conn.begin()
		return
	}
	log.Info("stream established", "tls", who.secure)
	if err = conn.pump(ctx, session); errors.Is(err, errHubClosed) {
		conn.sayWhy(session, codec, wanted.Label)
	}
	log.Info("stream closed", "reason", err)
}

// streamConn is a streaming response: a [hub.Conn] that its handler pumps.
type streamConn struct {
	wake   chan struct{} // one slot
	closed chan struct{} // closed once, by Close
	reason hub.Reason    // set before closed is, by Close

	// owned by the handler
	writer     gin.ResponseWriter
	controller *http.ResponseController
	mediaType  string
	begun      bool
}

func newStreamConn(c *gin.Context, mediaType string) *streamConn {
	return &streamConn{
		wake: make(chan struct{}, 1), closed: make(chan struct{}),
		writer: c.Writer, controller: http.NewResponseController(c.Writer), mediaType: mediaType,
	}
}

// Wake implements [hub.Conn].
func (s *streamConn) Wake() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Close implements [hub.Conn]: the response ends, and clients that come back by
// themselves do so.
func (s *streamConn) Close(r hub.Reason) {
	s.reason = r
	close(s.closed)
}

// begin sets the response's header, once.
func (s *streamConn) begin() {
	if s.begun {
		return
	}
	s.begun = true
	h := s.writer.Header()
	h.Set("Content-Type", s.mediaType)
	h.Set("Cache-Control", "no-cache")
	h.Set("X-Accel-Buffering", "no") // nginx would hold messages back
}

// write sends one frame, after the response's header if it is the first.
func (s *streamConn) write(frame []byte) error {
	s.begin()
	if err := s.extend(); err != nil {
		return err
	}
	_, err := s.writer.Write(frame)
	return err
}

var (
	errHubClosed  = errors.New("the hub ended it")
	errClientLeft = errors.New("the client left")
)

// pump sends what comes into the outbox until either side ends it, and says
// which did.
func (s *streamConn) pump(ctx context.Context, session *hub.Session) error {
	if err := s.flush(); err != nil {
		return err
	}
	var frames [][]byte
	for {
		if frames = session.Take(frames[:0], maxFrameBytes); len(frames) > 0 {
			if err := s.writeAll(frames); err != nil {
				return err
			}
			continue
		}
		select {
		case <-s.wake:
		case <-s.closed:
			return fmt.Errorf("%w: %v", errHubClosed, s.reason.Cause)
		case <-ctx.Done():
			return errClientLeft
		}
	}
}

func (s *streamConn) writeAll(frames [][]byte) error {
	for _, frame := range frames {
		if err := s.write(frame); err != nil {
			return err
		}
	}
	clear(frames)
	return s.flush()
}

// sayWhy tells the client why the stream ends, if it must do something about it,
// and when to come back, if the hub wants it to and its protocol can say so. The session has
// ended. What is still in its outbox is not sent: it may come behind history that was not
// sent either.
func (s *streamConn) sayWhy(session *hub.Session, codec dialect.StreamCodec, label string) {
	for len(session.Take(nil, maxFrameBytes)) > 0 { // the session closes s behind the last one
	}
	<-s.closed
	frame := codec.End(label, s.reason, time.Now())
	if frame == nil {
		return
	}
	if err := s.write(frame); err == nil {
		_ = s.flush() // it is gone, and needs no telling
	}
}

// extend gives the client writeTimeout from now on.
func (s *streamConn) extend() error {
	return s.controller.SetWriteDeadline(time.Now().Add(writeTimeout))
}

// flush sends what was written. Over HTTP/2 a deadline ends the stream when it
// passes, not the next write, so none is left standing.
func (s *streamConn) flush() error {
	if err := s.extend(); err != nil {
		return err
	}
	if err := s.controller.Flush(); err != nil {
		return err
	}
	return s.controller.SetWriteDeadline(time.Time{})
}
