package api_test

import (
	"net"
	"net/http"
	"net/netip"
	"testing"

	"fanfold/api"
	"fanfold/api/limit"
	"fanfold/hub"
)

// farConn is a connection from an address.
type farConn struct {
	net.Conn
	address string
	closed  bool
}

func (c *farConn) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(c.address), 40000))
}

func (c *farConn) Close() error { c.closed = true; return nil }

// Connections that ask for nothing are counted until they ask, and again when they
// have their answer; those of the house and of proxies are not.
func TestIdleConnectionsOfANetworkAreLimited(t *testing.T) {
	limits := limit.New(limit.Config{IdlePerIP: 2}, nil)
	a, err := api.New(api.Config{
		Hub: new(hub.Hub), Page: http.NotFoundHandler(), MaxTextBytes: 1, Limits: limits,
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Wait(t.Context())
	begin := func(address string) *farConn {
		c := &farConn{address: address}
		a.ConnState(c, http.StateNew)
		return c
	}
	first, second, third := begin("2001:db8::1"), begin("2001:db8::2"), begin("2001:db8::3")
	if first.closed || second.closed || !third.closed {
		t.Errorf("closed: %v %v %v", first.closed, second.closed, third.closed)
	}
	a.ConnState(third, http.StateClosed)
	if c := begin("2001:db8::4"); !c.closed {
		t.Error("the end of a connection that was not counted makes room")
	}
	a.ConnState(first, http.StateActive)
	fifth := begin("2001:db8::5")
	a.ConnState(first, http.StateIdle)
	if fifth.closed || !first.closed {
		t.Errorf("when one asks: %v; when it has its answer: %v", fifth.closed, first.closed)
	}
	a.ConnState(second, http.StateActive)
	a.ConnState(second, http.StateHijacked)
	a.ConnState(fifth, http.StateClosed)
	for range 2 {
		if begin("2001:db8::6").closed {
			t.Error("a place was lost")
		}
	}
	for _, exempt := range []string{"127.0.0.1", "::1", "::ffff:127.0.0.9", "10.1.2.3"} {
		for range 5 {
			if begin(exempt).closed {
				t.Errorf("%s is limited", exempt)
			}
		}
	}
	if n := limits.Stats().Refused[limit.IdlePerIP]; n != 3 {
		t.Errorf("%d refusals were counted", n)
	}
}
