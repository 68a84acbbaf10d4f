package api

import (
	"net"
	"net/http"
	"sync"

	"fanfold/api/limit"
)

// idlers are the TCP connections on which nothing is asked, with the account of
// each: who sends no request can be told by its address alone.
type idlers struct{ conns sync.Map } // net.Conn → limit.Account

// ConnState is the [http.Server]'s: it closes connections that ask for nothing when
// their network has too many of them, and counts what never comes to a handler. Those of this
// machine itself and of trusted proxies have no bound.
func (a *API) ConnState(conn net.Conn, state http.ConnState) {
	a.arrivals.note(conn, state)
	switch state {
	case http.StateNew, http.StateIdle:
		a.idle(conn)
	default:
		if account, ok := a.idlers.conns.LoadAndDelete(conn); ok {
			account, _ := account.(limit.Account)
			a.config.Limits.Busy(account)
		}
	}
}

func (a *API) idle(conn net.Conn) {
	tcp, ok := conn.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return
	}
	who := caller{ip: tcp.AddrPort().Addr().Unmap().WithZone("")}
	if who.ip.IsLoopback() || a.trusts(who.ip) {
		return
	}
	account := limit.Network(who.network())
	if a.config.Limits.Idle(account) != nil {
		_ = conn.Close() // what else there is to say of it, the server logs
		return
	}
	a.idlers.conns.Store(conn, account)
}
