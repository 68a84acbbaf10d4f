package api

import (
	"fmt"
	"net"
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
		u, err := url.Parse(origin)
		if origin == anyOrigin || origin == "null" || err == nil && u.Scheme != "" && u.Host != "" && u.Path == "" {
			continue
		}
		return fmt.Errorf("api: the origin %q can't be allowed: give one like https://example.com, or *", origin)
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
	if !a.allows(origin, c.Request.Host) {
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

func (a *API) allows(origin, host string) bool {
	if slices.Contains(a.config.AllowOrigins, anyOrigin) || slices.Contains(a.config.AllowOrigins, origin) {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Hostname() != "" && strings.EqualFold(u.Hostname(), hostname(host))
}

// hostname returns a Host header without its port.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return strings.Trim(host, "[]")
}
