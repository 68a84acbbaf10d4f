package api

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"fanfold/api/access"
	"fanfold/api/dialect"
	"fanfold/api/limit"
	"fanfold/hub"

	"github.com/gin-gonic/gin"
)

// visitor is who sent a request. It is found out once, by one of the two
// middlewares that every route has: admit or introduce.
type visitor struct {
	actor *hub.Actor // the hub as they may use it; never nil
	from  limit.Account
	// credential is what was accepted; the zero one: none was sent, or needed.
	credential access.Credential
	// refused is why nobody is known; nil: somebody is. absent: it is because nothing was
	// sent.
	refused error
	absent  bool
}

const visitorKey = "visitor"

// visitor returns who sent the request. On a route without a middleware it is
// nobody, who may do nothing.
func (a *API) visitor(c *gin.Context) visitor {
	if v, ok := c.Get(visitorKey); ok {
		if v, ok := v.(visitor); ok {
			return v
		}
	}
	return visitor{actor: a.config.Hub.As(nil), refused: errNobody}
}

var errNobody = hub.Errorf(hub.CodeUnauthenticated, "it is not known who asks")

// actor is the hub as the sender of the request may use it.
func (a *API) actor(c *gin.Context) *hub.Actor { return a.visitor(c).actor }

// admit passes on requests of somebody known, be it the anonymous principal, and
// answers others.
func (a *API) admit(c *gin.Context) {
	if a.introduce(c); !c.IsAborted() && a.visitor(c).refused != nil {
		a.writeError(c, a.visitor(c).refused)
	}
}

// introduce finds out who sent the request, and passes it on also if that is
// nobody: their protocol may say it later.
func (a *API) introduce(c *gin.Context) {
	from := a.from(c.Request)
	v := visitor{actor: a.everybody, from: from}
	if a.config.Access != nil {
		var p *hub.Principal
		p, v.credential, v.refused = a.config.Access.Request(place{from: from}.within(c.Request.Context()), c.Request)
		if v.refused == nil && v.credential.Ambient && !isSameSite(c.Request, v.credential) {
			a.fail(c, dialect.NtfyForbidden, "a browser may have sent this %v on behalf of another site: send it as Authorization: Bearer, or from a page of this hub or of an allowed origin", v.credential)
			return
		}
		if v.refused != nil {
			p = nil
			if v.absent = !hasCredential(c.Request, a.config.Access.Cookie); !v.absent {
				a.logRefusal(v.refused, "path", c.Request.URL.Path, "remote", a.caller(c.Request).String())
			}
		}
		v.actor = a.config.Hub.As(p)
	}
	v.actor = v.actor.Metered(limit.Meter{Limits: a.config.Limits, From: from})
	c.Set(visitorKey, v)
}

// admitServer is admit for the server API, which is for nobody anonymous once
// there are credentials, and has errors of its own form.
func (a *API) admitServer(c *gin.Context) {
	if a.introduce(c); c.IsAborted() {
		return
	}
	v := a.visitor(c)
	err := v.refused
	if err == nil && a.config.Access != nil && v.isAnonymous() {
		err = hub.Errorf(hub.CodeUnauthenticated, "the server API needs a key: send it as X-API-Key")
	}
	if err == nil {
		return
	}
	status, _ := dialect.NtfyError(a.limited(c, err))
	a.challenge(c, status, v)
	c.Abort()
	c.Data(status, "application/json", append(dialect.ServerAPIError(err), '\n'))
}

// isAnonymous: nothing was presented.
func (v visitor) isAnonymous() bool { return v.credential == access.Credential{} }

// isSameSite reports whether a request whose credential a browser may have added
// comes from a page that may use the hub. checkOrigin has let the Origin pass, if there is
// one; without it browsers say whose page asked in Sec-Fetch-Site (Fetch Metadata). What says
// neither is no browser, if what it brings is no cookie.
func isSameSite(r *http.Request, c access.Credential) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	switch {
	case r.Header.Get("Origin") != "":
		return true
	case site == "":
		return c.Source != "cookie"
	}
	return site != "cross-site"
}

// authenticateInstead: what the anonymous may not, somebody with a credential
// might.
func (v visitor) authenticateInstead(err error) error {
	if !errors.Is(err, hub.ErrNotGranted) || !v.isAnonymous() {
		return err
	}
	return &hub.Error{Code: hub.CodeUnauthenticated, Message: hub.ErrorOf(err).Message + ": come with a token or key, as Authorization: Bearer"}
}

// challenge says with a 401 how to authenticate (RFC 9110 §11.6.1, RFC 6750 §3).
// A browser that is told of Basic asks its user for a password, whatever the page wants, so
// only others are, who may send one only then.
func (a *API) challenge(c *gin.Context, status int, v visitor) {
	if status != http.StatusUnauthorized {
		return
	}
	bearer := `Bearer realm="fanfold"`
	if refusal, ok := errors.AsType[*access.Refusal](v.refused); ok && refusal.Check != access.CheckCredential {
		bearer += `, error="invalid_token"`
	}
	c.Writer.Header().Add("WWW-Authenticate", bearer)
	if c.GetHeader("Sec-Fetch-Mode") == "" && !c.IsWebsocket() {
		c.Writer.Header().Add("WWW-Authenticate", `Basic realm="fanfold", charset="UTF-8"`)
	}
}

// logRefusal tells why a credential was refused, with more than the client is
// told. where is what else is known: names and values.
func (a *API) logRefusal(err error, where ...any) {
	refusal, ok := errors.AsType[*access.Refusal](err)
	if !ok {
		return
	}
	tell, omitted := a.refusals.next(time.Now())
	if !tell {
		return
	}
	a.config.Logger.Warn("credential refused", append(where, "check", refusal.Check,
		"reason", refusal.Error(), "user", refusal.Subject, "token", refusal.TokenID, "omitted", omitted)...)
}

func hasCredential(r *http.Request, cookie string) bool {
	_, ok, err := access.FromRequest(r, cookie)
	return ok || err != nil
}

// auth answers whether the caller may subscribe to the channels.
func (a *API) auth(c *gin.Context) {
	channels, _, _ := strings.Cut(strings.TrimPrefix(c.Request.URL.EscapedPath(), "/"), "/")
	keys, err := dialect.ParseKeys(channels)
	if err == nil {
		err = a.actor(c).Check(hub.ActionSubscribe, keys...)
	}
	if err != nil {
		a.writeError(c, err)
		return
	}
	c.JSON(http.StatusOK, gin.H{"success": true})
}
