package stream

import (
	"errors"
	"net"
	"sync/atomic"

	"github.com/nats-io/nats-server/v2/server"
)

// link leads the client to the server of the moment. The client comes back by it
// after a server was replaced, with all its subscriptions.
type link struct {
	server atomic.Pointer[server.Server] // nil: there is none to connect to
	conns  atomic.Uint64                 // that were made; counted before the first message of each
}

var errNoServer = errors.New("the store is being started anew")

// InProcessConn implements nats.InProcessConnProvider.
func (l *link) InProcessConn() (net.Conn, error) {
	s := l.server.Load()
	if s == nil {
		return nil, errNoServer
	}
	l.conns.Add(1)
	return s.InProcessConn()
}
