package api

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// caller is who made a request, and how.
type caller struct {
	ip      netip.Addr // invalid if the connection has none
	host    string     // how the client named the hub, with the port if it gave one
	secure  bool       // it came over TLS, to here or to a proxy
	proxied bool       // a trusted proxy passed it on
}

// caller says who made the request: the one place that decides whose word counts.
// It is the peer of the connection, unless that is a trusted proxy, which says
// who it speaks for. A client can write the same headers, so each hop is believed only
// as far as trusted proxies reach, from the right: an address that the client made up
// stands left of its own.
//
// X-Forwarded-For and its kin count before Forwarded (RFC 7239): the usual proxies
// write the former and pass on what a client says in the latter.
func (a *API) caller(r *http.Request) caller {
	c := caller{ip: addressOf(r.RemoteAddr), host: r.Host, secure: r.TLS != nil}
	if !a.trusts(c.ip) {
		return c
	}
	hops := xForwarded(r.Header)
	if len(hops) == 0 {
		hops = forwarded(r.Header.Values("Forwarded"))
	}
	if len(hops) == 0 {
		return c
	}
	c.proxied = true
	nearest := hops[len(hops)-1]
	if nearest.host != "" {
		c.host = nearest.host
	}
	if nearest.proto != "" {
		c.secure = strings.EqualFold(nearest.proto, "https") || strings.EqualFold(nearest.proto, "wss")
	}
	c.ip = a.client(c.ip, hops)
	return c
}

// client follows the hops back from the peer to the first address that is no
// trusted proxy's. Where a hop names none, the proxy that says so stands for the client.
func (a *API) client(peer netip.Addr, hops []hop) netip.Addr {
	for _, hop := range slices.Backward(hops) {
		ip := addressOf(hop.client)
		if !ip.IsValid() {
			break
		}
		peer = ip
		if !a.trusts(ip) {
			break
		}
	}
	return peer
}

func (a *API) trusts(ip netip.Addr) bool {
	return slices.ContainsFunc(a.config.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// network is what stands for one client where addresses are counted: an IPv4
// address, or the /64 of an IPv6 one, all of which one customer has. It is invalid if
// the address is.
func (c caller) network() netip.Prefix {
	bits := 32
	if c.ip.Is6() {
		bits = 64
	}
	network, err := c.ip.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return network
}

// String is the address for the log.
func (c caller) String() string {
	if !c.ip.IsValid() {
		return "unknown"
	}
	return c.ip.String()
}

// hop is what one proxy says of the request that it got. Empty: nothing.
type hop struct{ client, host, proto string }

// xForwarded reads the X-Forwarded headers. A proxy that is not the first adds
// to them, so the last host and protocol are the nearest proxy's word.
func xForwarded(h http.Header) []hop {
	var hops []hop
	for _, line := range h["X-Forwarded-For"] {
		for client := range strings.SplitSeq(line, ",") {
			hops = append(hops, hop{client: strings.TrimSpace(client)})
		}
	}
	host, proto := lastOf(h["X-Forwarded-Host"]), lastOf(h["X-Forwarded-Proto"])
	if len(hops) == 0 && host == "" && proto == "" {
		return nil
	}
	if len(hops) == 0 {
		hops = append(hops, hop{})
	}
	hops[len(hops)-1].host, hops[len(hops)-1].proto = host, proto
	return hops
}

// lastOf returns the last item of a header that lists some.
func lastOf(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	last := lines[len(lines)-1]
	return strings.TrimSpace(last[strings.LastIndexByte(last, ',')+1:])
}

// forwarded reads the Forwarded header (RFC 7239 §4).
func forwarded(lines []string) []hop {
	var hops []hop
	for _, line := range lines {
		for _, element := range splitUnquoted(line, ',') {
			var h hop
			for _, pair := range splitUnquoted(element, ';') {
				name, value, _ := strings.Cut(pair, "=")
				switch strings.ToLower(strings.TrimSpace(name)) {
				case "for":
					h.client = unquote(value)
				case "host":
					h.host = unquote(value)
				case "proto":
					h.proto = unquote(value)
				}
			}
			hops = append(hops, h)
		}
	}
	return hops
}

// splitUnquoted splits at each separator outside quotes.
func splitUnquoted(text string, separator byte) []string {
	var parts []string
	begin, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch {
		case quoted && text[i] == '\\':
			i++
		case text[i] == '"':
			quoted = !quoted
		case text[i] == separator && !quoted:
			parts = append(parts, text[begin:i])
			begin = i + 1
		}
	}
	return append(parts, text[begin:])
}

// unquote returns a token or quoted string (RFC 9110 §5.6.4) as it is meant.
func unquote(text string) string {
	text = strings.TrimSpace(text)
	inner, ok := strings.CutPrefix(text, `"`)
	if !ok {
		return text
	}
	inner = strings.TrimSuffix(inner, `"`)
	var b strings.Builder
	for i := 0; i < len(inner); i++ {
		if inner[i] == '\\' && i+1 < len(inner) {
			i++
		}
		b.WriteByte(inner[i])
	}
	return b.String()
}

// addressOf reads an IP address, with or without a port. It is invalid if there
// is none.
func addressOf(text string) netip.Addr {
	if at, err := netip.ParseAddrPort(text); err == nil {
		return at.Addr().Unmap().WithZone("")
	}
	ip, err := netip.ParseAddr(strings.Trim(text, "[]"))
	if err != nil {
		return netip.Addr{}
	}
	return ip.Unmap().WithZone("")
}
