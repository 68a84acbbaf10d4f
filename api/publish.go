package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"fanfold/api/dialect"
	"fanfold/hub"

	"github.com/gin-gonic/gin"
)

const (
	// jsonExpansion: a JSON string can be six times as long as its text.
	jsonExpansion = 6
	// maxAPIBytes bounds a call of the server API, which may carry many messages.
	maxAPIBytes = 8 << 20
)

// body reads a request's body of at most limit bytes, within the BodyTimeout
// that ServeHTTP has set.
func (a *API) body(c *gin.Context, limit int) ([]byte, error) {
	if encoding := c.GetHeader("Content-Encoding"); encoding != "" && encoding != "identity" {
		return nil, &hub.Error{Code: hub.CodeBadRequest, Message: "the request's body has the content encoding " + strconv.Quote(encoding) + ": send it without", Err: wrongEncoding}
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, int64(limit)))
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, hub.Errorf(hub.CodeTooLarge, "the request's body is too large: at most %d bytes are read here", tooLarge.Limit)
	}
	if err != nil {
		return nil, &hub.Error{Code: hub.CodeBadRequest, Message: "the request's body could not be read to its end", Err: err}
	}
	return body, nil
}

// checkTaken refuses a channel name that a route hides. It answers the request
// and is false then.
func (a *API) checkTaken(c *gin.Context, channel string) bool {
	route, taken := a.taken[channel]
	if taken {
		a.fail(c, dialect.NtfyTakenTopic, "the name %q is taken by the route %s, or kept free for it: choose another name for the channel", channel, route)
	}
	return !taken
}

// publish takes a message to the channel in the path, as the newest state of the
// sequence ID there if the route has one.
func (a *API) publish(c *gin.Context) {
	channel := c.Param("channel")
	if !a.checkTaken(c, channel) || !a.checkSite(c) {
		return
	}
	limit := a.config.MaxTextBytes
	r := dialect.PublishRequest{
		Channel: channel, Header: c.Request.Header, Query: c.Request.URL.Query(), MaxMessageBytes: limit,
		Sequence: c.Param("sequence"), Now: time.Now(),
	}
	lines := dialect.AsksForLines(r)
	if lines {
		limit = maxAPIBytes
	}
	var err error
	if r.Body, err = a.body(c, limit); err != nil {
		a.writeError(c, err)
		return
	}
	if lines {
		a.publishLines(c, r)
		return
	}
	p, err := dialect.ParsePublish(r)
	a.send(c, p, err)
}

// publishLines takes a message from each line of a body. The answer has a line for each. Its
// status is that of the first message that failed, so that a client that looks no further
// repeats the request.
func (a *API) publishLines(c *gin.Context, r dialect.PublishRequest) {
	lines, err := dialect.ParseLines(r)
	if err != nil {
		a.writeError(c, err)
		return
	}
	reply, err := lines.Send(context.WithoutCancel(c.Request.Context()), a.actor(c), func(err error) error { return a.explain(c, err) })
	status := http.StatusOK
	if err != nil {
		status, _ = a.failed(c, err)
	}
	c.Data(status, "application/x-ndjson", reply)
}

// publishJSON takes a message that names its channel itself.
func (a *API) publishJSON(c *gin.Context) {
	limit := a.config.MaxTextBytes
	r := dialect.PublishRequest{Header: c.Request.Header, Query: c.Request.URL.Query(), MaxMessageBytes: limit, Now: time.Now()}
	if dialect.AsksForLines(r) {
		a.fail(c, dialect.NtfyBadRequest, "lines are published to a channel in the path, like POST /news: here the body is the JSON of one message")
		return
	}
	var err error
	if r.Body, err = a.body(c, jsonExpansion*limit); err != nil {
		a.writeError(c, err)
		return
	}
	p, err := dialect.ParsePublishJSON(r)
	if err == nil && !a.checkTaken(c, p.Message.Channel) {
		return
	}
	a.send(c, p, err)
}

// send publishes or schedules what was parsed, and answers with the message.
func (a *API) send(c *gin.Context, p dialect.Publish, err error) {
	var reply []byte
	if err == nil {
		reply, err = p.Send(context.WithoutCancel(c.Request.Context()), a.actor(c))
	}
	a.answer(c, reply, err)
}

func (a *API) answer(c *gin.Context, reply []byte, err error) {
	if err != nil {
		a.writeError(c, err)
		return
	}
	c.Data(http.StatusOK, "application/json", append(reply, '\n'))
}

// onSequence tells a channel's subscribers what happens to earlier messages.
func (a *API) onSequence(tell func(context.Context, *hub.Actor, dialect.SequenceRequest) ([]byte, error)) gin.HandlerFunc {
	return func(c *gin.Context) {
		if !a.checkTaken(c, c.Param("channel")) {
			return
		}
		if _, err := a.body(c, a.config.MaxTextBytes); err != nil {
			a.writeError(c, err)
			return
		}
		reply, err := tell(context.WithoutCancel(c.Request.Context()), a.actor(c), dialect.SequenceRequest{
			Channel: c.Param("channel"), Sequence: c.Param("sequence"), Header: c.Request.Header, Query: c.Request.URL.Query(),
		})
		a.answer(c, reply, err)
	}
}

// serverAPI answers a call of the server API, errors in its own form.
func (a *API) serverAPI(c *gin.Context) {
	var reply []byte
	body, err := a.body(c, maxAPIBytes)
	status := http.StatusOK // also for most errors: SDKs look into the answer
	if err != nil {
		status, _ = dialect.NtfyError(err)
		reply = dialect.ServerAPIError(err)
	} else {
		reply, err = dialect.ServerAPI(context.WithoutCancel(c.Request.Context()), a.apiHub(c), c.Param("method"), body)
	}
	switch code := hub.ErrorOf(err).Code; {
	case err == nil:
	case code == hub.CodeUnknownMethod:
		status = http.StatusNotFound
	case isLimited(err):
		_ = a.limited(c, err) // for its header
		status = http.StatusTooManyRequests
	case code == hub.CodeInternal || code == hub.CodeUnavailable || code == hub.CodeFull:
		a.logFailure(err, "method", c.Request.Method, "path", c.Request.URL.Path)
	}
	c.Data(status, "application/json", append(reply, '\n'))
}
