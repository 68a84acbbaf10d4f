package main

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
)

// network is one of --trusted-proxies: a prefix, or a single address.
type network netip.Prefix

// UnmarshalText implements [encoding.TextUnmarshaler].
func (n *network) UnmarshalText(text []byte) error {
	prefix, err := netip.ParsePrefix(string(text))
	if err != nil {
		ip, ipErr := netip.ParseAddr(string(text))
		if ipErr != nil || ip.Zone() != "" {
			return fmt.Errorf("%q is no network: give one like 10.0.0.0/8, fd00::/8 or 127.0.0.1", text)
		}
		prefix = netip.PrefixFrom(ip, ip.BitLen())
	}
	if ip := prefix.Addr(); ip.Is4In6() && prefix.Bits() >= 96 {
		prefix = netip.PrefixFrom(ip.Unmap(), prefix.Bits()-96)
	}
	*n = network(prefix.Masked())
	return nil
}

func prefixes(networks []network) []netip.Prefix {
	list := make([]netip.Prefix, len(networks))
	for i, n := range networks {
		list[i] = netip.Prefix(n)
	}
	return list
}

// loopback reports whether the hub can be reached from its own machine alone.
func (c *serveCommand) loopback() bool {
	host, _, err := net.SplitHostPort(c.Listen)
	return err == nil && isLoopback(host)
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// allowHosts returns the names that the hub goes by. A name that it has a
// certificate for is one, but does not by itself make the hub ask for its name.
func (c *serveCommand) allowHosts() []string {
	if len(c.AllowHost) == 0 && !c.loopback() {
		return nil
	}
	return slices.Concat(c.AllowHost, c.TLS.ACMEDomain)
}
