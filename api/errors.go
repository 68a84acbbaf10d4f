package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"time"

	"fanfold/api/dialect"
	"fanfold/hub"

	"github.com/gin-gonic/gin"
)

// Codes of errors that HTTP has and ntfy's list has not.
const (
	wrongMethod     dialect.NtfyCode = 40501
	wrongEncoding   dialect.NtfyCode = 41501
	upgradeRequired dialect.NtfyCode = 42601
)

// retryAfter is what a client is told to wait when the hub can't serve or store,
// in seconds.
const retryAfter = "2"

// writeError answers a request with the error, in the form of ntfy's API, and
// logs what is the hub's own fault.
func (a *API) writeError(c *gin.Context, err error) {
	status, body := a.failed(c, err)
	c.Abort()
	c.Data(status, "application/json", append(body, '\n'))
}

// explain makes an error one for the client, in an answer's header too.
func (a *API) explain(c *gin.Context, err error) error {
	return a.limited(c, a.visitor(c).authenticateInstead(err))
}

// failed returns an error's answer, sets its headers and logs what is the hub's own
// fault.
func (a *API) failed(c *gin.Context, err error) (status int, body []byte) {
	busy := isLimited(err)
	err = a.explain(c, err)
	status, body = dialect.NtfyError(err)
	a.challenge(c, status, a.visitor(c))
	switch {
	case errors.Is(err, context.Canceled):
		panic(http.ErrAbortHandler) // the client has left; no answer must not look like 200
	case busy: // which is nobody's fault
	case status == http.StatusServiceUnavailable || status == http.StatusInsufficientStorage:
		c.Header("Retry-After", retryAfter)
		fallthrough
	case status >= http.StatusInternalServerError:
		a.logFailure(err, "method", c.Request.Method, "path", c.Request.URL.Path)
	}
	return status, body
}

// logFailure tells why a request failed by the hub's own fault. what is what else is
// known: names and values. That the hub is shutting down is no failure.
func (a *API) logFailure(err error, what ...any) {
	if errors.Is(err, hub.ErrShutdown) {
		return
	}
	if tell, omitted := a.failures.next(time.Now()); tell {
		a.config.Logger.Error("request failed", append(what, "error", err, "omitted", omitted)...)
	}
}

// fail answers with an error of a code.
func (a *API) fail(c *gin.Context, code dialect.NtfyCode, format string, args ...any) {
	a.writeError(c, &hub.Error{Code: hub.CodeBadRequest, Message: fmt.Sprintf(format, args...), Err: code})
}

func (a *API) notFound(c *gin.Context) {
	a.fail(c, dialect.NtfyNotFound, "nothing is at %s: publish with POST /{channel}, subscribe with GET /{channel}/json", c.Request.URL.EscapedPath())
}

func (a *API) wrongMethod(c *gin.Context) {
	a.fail(c, wrongMethod, "%s is not possible at %s: allowed is %s", c.Request.Method, c.Request.URL.EscapedPath(), c.Writer.Header().Get("Allow"))
}

// recover answers a request whose handler panicked, and logs the stack.
func (a *API) recover(c *gin.Context) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		if p == http.ErrAbortHandler {
			panic(p)
		}
		a.config.Logger.Error("a handler panicked", "path", c.Request.URL.Path, "panic", p, "stack", string(debug.Stack()))
		if !c.Writer.Written() {
			a.writeError(c, fmt.Errorf("panic: %v", p))
		}
	}()
	c.Next()
}
