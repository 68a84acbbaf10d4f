package api

import (
	"time"

	"github.com/gorilla/websocket"
	"github.com/olahol/melody"
)

// Times of the pulse. A client that has not answered for pongWait is gone.
const (
	pulseEvery = 5 * time.Second
	pingEvery  = 45 * time.Second
	pongWait   = 60 * time.Second
)

// beat is the pulse's goroutine.
func (a *API) beat() {
	ticker := time.NewTicker(pulseEvery)
	defer ticker.Stop()
	for {
		select {
		case now := <-ticker.C:
			a.pulse(now)
		case <-a.context.Done():
			return
		}
	}
}

// pulse pings the WebSocket clients that are due. Melody would have each client's writer
// do that, which takes a stack twice as large as waiting does, and keeps it.
func (a *API) pulse(now time.Time) {
	for _, s := range a.sockets {
		sessions, _ := s.melody.Sessions() // an error: melody is closed, which nobody does
		for _, session := range sessions {
			connOf(session).pulse(session, now)
		}
	}
}

func (c *wsConn) pulse(m *melody.Session, now time.Time) {
	if now.Sub(c.pinged) < pingEvery {
		return
	}
	c.pinged = now
	c.socket.api.goroutines.Go(func() { // it waits while a message is under way
		_ = m.WebsocketConnection().WriteControl(websocket.PingMessage, nil, time.Now().Add(writeWait))
	})
}
