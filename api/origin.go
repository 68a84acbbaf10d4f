package api

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"fanfold/api/dialect"

	"github.com/gin-gonic/gin"
)

const anyOrigin = "*"

func (c Config) checkOrigins() error {
	for _, origin := range c.AllowOrigins {
		if _, ok := normalOrigin(origin); !ok && origin != anyOrigin && origin != opaqueOrigin {
			return fmt.Errorf("api: the origin %q can't be allowed: give one like https://example.com, or *", origin)
		}
	}
	return nil
}

// checkOrigin refuses requests that a browser makes for a page of another host,
// and lets pages of allowed origins read the answers (Fetch standard, CORS). A request
// without an Origin is no page's, or one that shows it nothing: checkSite.
func (a *API) checkOrigin(c *gin.Context) {
	origin := c.GetHeader("Origin")
	if origin == "" {
		return
	}
	if !a.allows(origin, a.caller(c.Request).host) {
		a.fail(c, dialect.NtfyForbidden, "the origin %q may not use this hub: start it with --allow-origin %[1]s to change that", origin)
		return
	}
	h := c.Writer.Header()
	h.Set("Access-Control-Allow-Origin", origin)
	h.Add("Vary", "Origin")
	if c.Request.Method == http.MethodOptions {
		h.Set("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE, OPTIONS")
		h.Set("Access-Control-Allow-Headers", c.GetHeader("Access-Control-Request-Headers"))
		h.Set("Access-Control-Max-Age", "600")
		c.AbortWithStatus(http.StatusNoContent)
	}
}

// checkSite refuses what changes something if a browser asks for it on behalf of
// another site, by an image's address or a link, say: it sends no Origin then, but the header
// Sec-Fetch-Site (Fetch Metadata). It answers the request and is false then.
func (a *API) checkSite(c *gin.Context) bool {
	foreign := c.GetHeader("Sec-Fetch-Site") == "cross-site" && c.GetHeader("Origin") == ""
	if foreign {
		a.fail(c, dialect.NtfyForbidden, "a page of another site may not publish by an address: it can with POST, if this hub was started with --allow-origin for it")
	}
	return !foreign
}

// opaqueOrigin is what a browser says of a page that has none: one in a sandbox
// or from a file, say. Anybody can make such a page.
const opaqueOrigin = "null"

// allows reports whether a page of the origin may use the hub: it is of the host
// that it calls the hub by, whatever the port, or allowed by name.
func (a *API) allows(origin, host string) bool {
	if slices.Contains(a.config.AllowOrigins, anyOrigin) || slices.Contains(a.config.AllowOrigins, origin) {
		return true
	}
	normal, ok := normalOrigin(origin)
	if !ok {
		return false
	}
	u, err := url.Parse(normal)
	return err == nil && hostname(u.Host) == hostname(host) || a.names(normal)
}

func (a *API) names(normal string) bool {
	return slices.ContainsFunc(a.config.AllowOrigins, func(allowed string) bool {
		n, ok := normalOrigin(allowed)
		return ok && n == normal
	})
}

// normalOrigin returns an origin in one spelling: in lower case, without the
// scheme's own port and the dot of the root. It is false for what is no origin of a host.
func normalOrigin(origin string) (string, bool) {
	u, err := url.Parse(origin)
	if err != nil || u.Scheme == "" || u.User != nil || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "" {
		return "", false
	}
	name := hostname(u.Host)
	if name == "" {
		return "", false
	}
	port := u.Port()
	if u.Scheme == "http" && port == "80" || u.Scheme == "https" && port == "443" {
		port = ""
	}
	if strings.Contains(name, ":") {
		name = "[" + name + "]"
	}
	if port != "" {
		name += ":" + port
	}
	return u.Scheme + "://" + name, true // url.Parse has the scheme in lower case
}
