package stream

import (
	"context"
	"encoding/json"
	"fmt"
)

// The server's API for what the client library answers without its result.
const (
	purgeSubject  = "$JS.API.STREAM.PURGE."
	deleteSubject = "$JS.API.STREAM.MSG.DELETE."
)

// purgeRequest selects messages of a stream: those of Filter, and of these the
// ones before Seq or all but the newest Keep, if one of the two is set.
type purgeRequest struct {
	Filter string `json:"filter"`
	Seq    uint64 `json:"seq,omitempty"`
	Keep   uint64 `json:"keep,omitempty"`
}

// answer is what the server's API says.
type answer struct {
	Purged uint64 `json:"purged"`
	Error  *struct {
		Code        int    `json:"err_code"`
		Description string `json:"description"`
	} `json:"error"`
}

// purge removes messages and returns how many there were.
func (e *Engine) purge(ctx context.Context, stream string, r purgeRequest) (uint64, error) {
	a, err := e.call(ctx, purgeSubject+stream, r)
	if err == nil && a.Error != nil {
		err = fmt.Errorf("error %d: %s", a.Error.Code, a.Error.Description)
	}
	if err != nil {
		return 0, unavailable("remove messages of "+r.Filter, err)
	}
	return a.Purged, nil
}

// noSuchMessage is JSNoMessageFoundErr, and deleteFailed JSStreamMsgDeleteFailedF, of the
// server's error list.
const (
	noSuchMessage = 10037
	deleteFailed  = 10057
)

// remove deletes one message; one that is gone already is no error. Its bytes
// are not written over.
func (e *Engine) remove(ctx context.Context, stream string, seq uint64) error {
	a, err := e.call(ctx, deleteSubject+stream, struct {
		Seq     uint64 `json:"seq"`
		NoErase bool   `json:"no_erase"`
	}{seq, true})
	if err == nil && a.Error != nil && a.Error.Code != noSuchMessage && a.Error.Code != deleteFailed {
		err = fmt.Errorf("error %d: %s", a.Error.Code, a.Error.Description)
	}
	if err != nil {
		return unavailable(fmt.Sprintf("delete message %d", seq), err)
	}
	return nil
}

func (e *Engine) call(ctx context.Context, subject string, request any) (a answer, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	body, err := json.Marshal(request)
	if err != nil {
		return a, err
	}
	msg, err := e.conn.RequestWithContext(ctx, subject, body)
	if err != nil {
		return a, err
	}
	return a, json.Unmarshal(msg.Data, &a)
}
