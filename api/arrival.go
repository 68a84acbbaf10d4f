package api

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
)

// arrivals are the TCP connections that are not WebSockets, and how many ended before
// a handler had their request: net/http answers those by itself.
type arrivals struct {
	conns  sync.Map     // net.Conn → *arrival
	unread atomic.Int64 // requests that could not be read, or not in time
	unused atomic.Int64 // connections without a request
}

// arrival is how far a connection has come. The server calls for a connection one
// after the other, its handlers beside that.
type arrival struct {
	begun  bool        // a request has, since the one before it was answered
	used   bool        // there was one
	handed atomic.Bool // a handler has it
}

type arrivalKey struct{}

// ConnContext is the [http.Server]'s: the connection's requests know it by ctx.
func (a *API) ConnContext(ctx context.Context, conn net.Conn) context.Context {
	at := new(arrival)
	a.arrivals.conns.Store(conn, at)
	return context.WithValue(ctx, arrivalKey{}, at)
}

// handed notes that a request was read.
func handed(r *http.Request) {
	if at, ok := r.Context().Value(arrivalKey{}).(*arrival); ok {
		at.handed.Store(true)
	}
}

// note takes note of what the server says of a connection.
func (s *arrivals) note(conn net.Conn, state http.ConnState) {
	value, _ := s.conns.Load(conn)
	at, ok := value.(*arrival)
	if !ok {
		return
	}
	switch state {
	case http.StateActive:
		at.begun, at.used = true, true
	case http.StateIdle:
		at.begun = false
		at.handed.Store(false)
	case http.StateHijacked:
		s.conns.Delete(conn)
	case http.StateClosed:
		s.conns.Delete(conn)
		if !at.used {
			s.unused.Add(1)
		} else if at.begun && !at.handed.Load() {
			s.unread.Add(1)
		}
	}
}
