package api

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"fanfold/api/dialect"
	"fanfold/hub"

	"github.com/gin-gonic/gin"
)

// routes sets up everything that the hub answers to.
func (a *API) routes() {
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.RedirectTrailingSlash = false
	r.HandleMethodNotAllowed = true
	r.ForwardedByClientIP = false // see API.caller
	r.Use(a.metrics.count, a.recover, protect, a.checkHost, a.checkOrigin, a.checkPath, a.checkQuery)
	r.NoRoute(a.notFound)
	r.NoMethod(a.wrongMethod)
	a.router = r

	echo := a.socket(&dialect.Echo{Fold: a.config.Fold, Logger: a.config.Logger, Now: time.Now})
	centrifuge := a.socket(dialect.NewCentrifuge(dialect.CentrifugeConfig{
		Version: a.config.Version, Logger: a.config.Logger, Tokens: a.tokens(), Methods: a.config.Methods, Now: time.Now,
	}))
	ntfy := a.socket(&dialect.NtfySocket{Now: time.Now})

	r.GET("/", a.upgradeOr(echo, a.page))
	r.HEAD("/", a.page)
	r.GET("/connection/websocket", a.introduce, centrifuge.serve)
	r.GET("/mqtt", a.introduce, a.socket(a.devices.mqtt).serve)
	r.POST("/api/:method", a.admitServer, a.serverAPI)
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		r.Handle(method, "/health", a.health)
		r.Handle(method, "/v1/health", a.health)
		r.Handle(method, "/ready", a.introduce, a.ready)
		r.Handle(method, "/metrics", a.admit, a.serveMetrics)
		r.Handle(method, "/gallery", a.page)
		r.Handle(method, "/gallery/*page", a.page)
	}

	r.GET("/:channel", a.pageOn)
	r.HEAD("/:channel", a.pageOn)
	a.channelRoutes(r.Group("/", a.admit), ntfy)
	a.reserve()
}

// channelRoutes are those of channels, for whoever is known.
func (a *API) channelRoutes(r *gin.RouterGroup, ntfy *socket) {
	r.POST("/", a.publishJSON)
	r.PUT("/", a.publishJSON)

	r.POST("/:channel", a.publish)
	r.PUT("/:channel", a.publish)
	r.GET("/:channel/publish", a.publish)
	r.GET("/:channel/send", a.publish)
	r.GET("/:channel/trigger", a.publish)

	r.POST("/:channel/:sequence", a.publish)
	r.PUT("/:channel/:sequence", a.publish)
	r.DELETE("/:channel/:sequence", a.onSequence(dialect.NtfyDelete))
	r.PUT("/:channel/:sequence/clear", a.onSequence(dialect.NtfyClear))
	r.PUT("/:channel/:sequence/read", a.onSequence(dialect.NtfyClear))

	r.GET("/:channel/json", a.named(a.stream(dialect.NtfyJSON{})))
	r.GET("/:channel/sse", a.named(a.stream(dialect.NtfySSE{})))
	r.GET("/:channel/raw", a.named(a.stream(dialect.NtfyRaw{})))
	r.GET("/:channel/ws", a.named(ntfy.serve))
	r.GET("/:channel/auth", a.named(a.auth))
}

// reserve lists the channel names that a route of their own hides.
func (a *API) reserve() {
	a.taken = map[string]string{}
	for _, file := range a.config.PageFiles {
		a.taken[strings.TrimPrefix(file, "/")] = "/" + strings.TrimPrefix(file, "/")
	}
	for _, route := range a.router.Routes() {
		first, _, _ := strings.Cut(strings.TrimPrefix(route.Path, "/"), "/")
		if first != "" && first[0] != ':' {
			a.taken[first] = "/" + first
		}
	}
	for _, name := range []string{"openapi.yaml", "docs", "favicon.ico", "robots.txt"} {
		a.taken[name] = "/" + name
	}
}

func (a *API) upgradeOr(s *socket, page gin.HandlerFunc) gin.HandlerFunc {
	return func(c *gin.Context) {
		if !c.IsWebsocket() {
			page(c)
			return
		}
		if a.admit(c); !c.IsAborted() {
			s.serve(c)
		}
	}
}

// named passes requests on whose channels, joined by commas, are no names that
// are taken.
func (a *API) named(next gin.HandlerFunc) gin.HandlerFunc {
	return func(c *gin.Context) {
		for name := range strings.SplitSeq(c.Param("channel"), ",") {
			if !a.checkTaken(c, name) {
				return
			}
		}
		next(c)
	}
}

// protect keeps browsers from taking an answer, which holds what others have
// sent, for something that runs.
func protect(c *gin.Context) { c.Header("X-Content-Type-Options", "nosniff") }

// checkPath refuses an escaped slash, which is part of no name, and would be taken
// for one between names.
func (a *API) checkPath(c *gin.Context) {
	if path := c.Request.URL.EscapedPath(); strings.Contains(path, "%2F") || strings.Contains(path, "%2f") {
		a.notFound(c)
	}
}

// checkQuery refuses what url.URL.Query would leave out without a word.
func (a *API) checkQuery(c *gin.Context) {
	if _, err := url.ParseQuery(c.Request.URL.RawQuery); err != nil {
		a.fail(c, dialect.NtfyBadRequest, "the query can't be read (%v): write %% as %%25 and ; as %%3B", err)
	}
}

func (a *API) page(c *gin.Context) { a.config.Page.ServeHTTP(c.Writer, c.Request) }

// pageOn serves the page's files, and to a browser the page itself on a channel.
func (a *API) pageOn(c *gin.Context) {
	name := c.Param("channel")
	isFile := slices.Contains(a.config.PageFiles, name) || slices.Contains(a.config.PageFiles, "/"+name)
	switch {
	case isFile:
		a.page(c)
	case !a.checkTaken(c, name):
	case strings.Contains(c.GetHeader("Accept"), "text/html"):
		a.page(c)
	default:
		a.fail(c, dialect.NtfyNotFound, "this is a channel: read it at %s/json, %[1]s/sse, %[1]s/raw or %[1]s/ws, or open it in a browser", c.Request.URL.EscapedPath())
	}
}

func (a *API) health(c *gin.Context) { c.JSON(http.StatusOK, gin.H{"healthy": true}) }

// ready answers whether a message would be taken now. A broker that is away does not
// change that; who has the admin grant is told of it.
func (a *API) ready(c *gin.Context) {
	if err := a.config.Hub.Ready(c.Request.Context()); err != nil {
		a.config.Logger.Warn("not ready", "error", err)
		c.JSON(http.StatusServiceUnavailable, gin.H{"ready": false, "error": hub.ErrorOf(err).Message})
		return
	}
	answer := gin.H{"ready": true, "time": time.Now().UTC()}
	if list := a.bridges(c); list != nil {
		answer["bridges"] = list
	}
	c.JSON(http.StatusOK, answer)
}
