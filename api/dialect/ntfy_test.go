package dialect

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"fanfold/hub"
)

func TestNtfyErrors(t *testing.T) {
	inner := errors.New("disk /secret failed")
	for _, row := range []struct {
		err    error
		status int
		body   string
	}{
		{refuse(NtfyBadPriority, "the priority %q is \"bad\"", "<x>"), 400, `{"code":40007,"http":400,"error":"the priority \"<x>\" is \"bad\""}`},
		{fmt.Errorf("parse: %w", refuse(NtfyTooLarge, "too long")), 413, `{"code":41301,"http":413,"error":"too long"}`},
		{&hub.Error{Code: hub.CodeDenied, Message: "who are you", Err: NtfyUnauthorized}, 401, `{"code":40101,"http":401,"error":"who are you"}`},
		{hub.Errorf(hub.CodeBadRequest, "bad"), 400, `{"code":40000,"http":400,"error":"bad"}`},
		{hub.Errorf(hub.CodeTooLarge, "long"), 413, `{"code":41301,"http":413,"error":"long"}`},
		{hub.Errorf(hub.CodeDenied, "no"), 403, `{"code":40301,"http":403,"error":"no"}`},
		{hub.Errorf(hub.CodeUnknownMethod, "what"), 404, `{"code":40401,"http":404,"error":"what"}`},
		{hub.Errorf(hub.CodeLimit, "many"), 429, `{"code":42901,"http":429,"error":"many"}`},
		{hub.Errorf(hub.CodeUnrecoverable, "gone"), 400, `{"code":40008,"http":400,"error":"gone"}`},
		{&hub.Error{Code: hub.CodeUnavailable, Message: "later", Err: inner}, 503, `{"code":50301,"http":503,"error":"later"}`},
		{hub.Errorf(hub.CodeClosed, "closed"), 503, `{"code":50301,"http":503,"error":"closed"}`},
		{hub.Errorf(hub.CodeInternal, "oops"), 500, `{"code":50001,"http":500,"error":"oops"}`},
		{hub.Errorf(hub.Code(99), "new"), 500, `{"code":50001,"http":500,"error":"new"}`},
		{inner, 500, `{"code":50001,"http":500,"error":"internal error: the hub's log has the cause"}`},
		{context.Canceled, 500, `{"code":50001,"http":500,"error":"internal error: the hub's log has the cause"}`},
	} {
		if status, body := NtfyError(row.err); status != row.status || string(body) != row.body {
			t.Errorf("%v is answered by %d %s, want %d %s", row.err, status, body, row.status, row.body)
		}
	}
}

func TestNtfyEveryHubCodeHasANumber(t *testing.T) {
	for code := hub.CodeInternal; code <= hub.CodeClosed; code++ {
		if _, ok := ntfyCodes[code]; !ok {
			t.Errorf("hub code %d has none", code)
		}
	}
}

// ntfyTestMessage is a stored message.
func ntfyTestMessage(data string) *hub.Message {
	at := hub.Position{Epoch: "0abcZ00", Seq: 17}
	return &hub.Message{ID: at.String(), Channel: "news.a", Position: at, Time: time.Unix(1700000000, 999e6), Data: []byte(data)}
}

// ntfyLiveMessage is a message that is not stored.
func ntfyLiveMessage(data string) *hub.Message {
	return &hub.Message{ID: "live-ABCDEFGHIJKL", Channel: "news.a", Time: time.Unix(1700000000, 0), Data: []byte(data)}
}
