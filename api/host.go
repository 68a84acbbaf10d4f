package api

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"fanfold/api/dialect"

	"github.com/gin-gonic/gin"
)

// wrongHost is the code of a request for another host (RFC 9110 §15.5.20).
const wrongHost dialect.NtfyCode = 42101

const anyHost = "*"

func (c Config) checkHosts() error {
	for _, host := range c.AllowHosts {
		if host != anyHost && (host == "" || strings.ContainsAny(host, "/*@ ") || hasPort(host)) {
			return fmt.Errorf("api: the host %q can't be allowed: give a name like hub.example.com, without https:// and without a port, or *", host)
		}
	}
	return nil
}

func hasPort(host string) bool {
	_, _, err := net.SplitHostPort(host)
	return err == nil
}

// checkHost refuses requests that call the hub by another's name. A page whose
// name was pointed at the hub's address once it was loaded (DNS rebinding) is of the same
// origin as the hub then, but it can't hide that name.
func (a *API) checkHost(c *gin.Context) {
	if who := a.caller(c.Request); !a.allowsHost(who) {
		a.fail(c, wrongHost, "this hub is not called %q: start it with --allow-host %s if it is", who.host, hostname(who.host))
	}
}

// allowsHost: a name that was not allowed counts as the hub's own if it can be
// reached from elsewhere, where nobody knows its names but who runs it.
func (a *API) allowsHost(who caller) bool {
	if len(a.config.AllowHosts) == 0 && (!a.config.Loopback || who.proxied) {
		return true
	}
	name := hostname(who.host)
	return isLocal(name) || slices.ContainsFunc(a.config.AllowHosts, func(allowed string) bool {
		return allowed == anyHost || name != "" && hostname(allowed) == name
	})
}

// isLocal reports whether a name always means the machine that it is used on, so
// that no other site can have it.
func isLocal(name string) bool {
	ip, err := netip.ParseAddr(name)
	return name == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

// hostname returns the name in a Host header or URL in one spelling: without its
// port and the dot of the root, in lower case, an IP address in its usual form.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.Trim(host, "[]")
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.String()
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}
