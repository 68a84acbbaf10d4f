package stream

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"fanfold/hub"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// pageBytes bounds what one read takes from the store.
const pageBytes = 512 << 10

// getRequest asks a stream for messages directly, without a consumer (NATS
// ADR-31). With Batch, of 1 or more, the answer ends with how many more there are.
type getRequest struct {
	Stream    string     `json:"-"` // "": the main one
	Seq       uint64     `json:"seq,omitempty"`
	Next      string     `json:"next_by_subj,omitempty"`
	Last      string     `json:"last_by_subj,omitempty"`
	Batch     int        `json:"batch,omitempty"`
	MaxBytes  int        `json:"max_bytes,omitempty"`
	StartTime *time.Time `json:"start_time,omitempty"`
}

// Status codes of an answer without a message.
const (
	statusEnd  = "204" // of a batch
	statusNone = "404"
)

func (r getRequest) subject() string { return "$JS.API.DIRECT.GET." + cmp.Or(r.Stream, streamName) }

// last returns the last message of a subject; nil: there is none.
func (e *Engine) last(ctx context.Context, stream, subject string) (*nats.Msg, error) {
	return e.one(ctx, getRequest{Stream: stream, Last: subject})
}

// one returns the message that a request without a batch is for; nil: there is none.
func (e *Engine) one(ctx context.Context, r getRequest) (*nats.Msg, error) {
	done, err := e.turn(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	body, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	msg, err := e.conn.RequestWithContext(ctx, r.subject(), body)
	if err != nil {
		return nil, unavailable("read history", err)
	}
	switch msg.Header.Get("Status") {
	case "":
		return msg, nil
	case statusNone:
		return nil, nil
	}
	return nil, refused(msg)
}

// maxReads bounds the reads under way at once: what the server sends for them
// must fit into its MaxPending, past which it cuts the connection off.
const maxReads = server.MAX_PENDING_SIZE / pageBytes / 4

// turn waits until a read may begin; done ends it.
func (e *Engine) turn(ctx context.Context) (done func(), err error) {
	select {
	case e.reads <- struct{}{}:
		return func() { <-e.reads }, nil
	case <-ctx.Done():
		return nil, unavailable("read history", ctx.Err())
	}
}

// get returns up to r.Batch messages and how many more match behind them.
func (e *Engine) get(ctx context.Context, r getRequest) (found []*nats.Msg, more uint64, err error) {
	done, err := e.turn(ctx)
	if err != nil {
		return nil, 0, err
	}
	defer done()
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	body, err := json.Marshal(r)
	if err != nil {
		return nil, 0, err
	}
	inbox, answers := e.conn.NewInbox(), make(chan *nats.Msg, r.Batch+1) // and the end
	sub, err := e.conn.ChanSubscribe(inbox, answers)
	if err != nil {
		return nil, 0, unavailable("read history", err)
	}
	defer sub.Unsubscribe()
	if err := e.conn.PublishRequest(r.subject(), inbox, body); err != nil {
		return nil, 0, unavailable("read history", err)
	}
	for last := uint64(0); ; {
		var msg *nats.Msg
		select {
		case msg = <-answers:
		case <-ctx.Done():
			return nil, 0, unavailable("read history", ctx.Err())
		}
		status := msg.Header.Get("Status")
		if (status == "" || status == statusEnd) && msg.Header.Get(jetstream.LastSequenceHeader) != strconv.FormatUint(last, 10) {
			return nil, 0, unavailable("read history", errors.New("a part of the answer was lost on the way"))
		}
		switch status {
		case "":
			found, last = append(found, msg), sequenceOf(msg)
		case statusNone:
			return nil, 0, nil
		case statusEnd:
			more, err = strconv.ParseUint(msg.Header.Get("Nats-Num-Pending"), 10, 64)
			return found, more, err
		default:
			return nil, 0, refused(msg)
		}
	}
}

func refused(msg *nats.Msg) error {
	return unavailable("read history", fmt.Errorf("the store answered %s %s", msg.Header.Get("Status"), msg.Header.Get("Description")))
}

// Read implements [hub.Engine].
func (e *Engine) Read(ctx context.Context, q hub.Query) (hub.Page, error) {
	return e.coalescer.get(ctx, q)
}

// readWhole reads a page that begins where q says.
func (e *Engine) readWhole(ctx context.Context, q hub.Query) (hub.Page, error) {
	page, err := e.read(ctx, q)
	if err != nil {
		return page, err
	}
	// Only now: what was trimmed after a check could be missing from the page.
	if err := e.checkPosition(ctx, q); err != nil {
		return hub.Page{}, err
	}
	return page, nil
}

func (e *Engine) read(ctx context.Context, q hub.Query) (page hub.Page, err error) {
	if q.After.Epoch != "" && q.After.Epoch != e.epoch() {
		return page, e.otherEpoch(q.After)
	}
	if page.Top, err = e.top(ctx, q.Channel); err != nil || q.Limit == 0 {
		return page, err
	}
	if q.Reverse {
		return e.readBack(ctx, q, page)
	}
	r := getRequest{Next: e.subject(q.Channel), Seq: q.After.Seq + 1, Batch: q.Limit, MaxBytes: pageBytes}
	if !q.Since.IsZero() {
		r.Seq, r.StartTime = 0, &q.Since
	}
	for { // until there is something else than marks of removed history
		found, more, err := e.get(ctx, r)
		if err != nil {
			return page, err
		}
		if err := e.checkSkipped(ctx, q, r, found, more); err != nil {
			return page, err
		}
		page.More = more > 0
		last, err := e.fill(&page, found, q.Until)
		if err != nil || len(page.Messages) > 0 || !page.More {
			return page, err
		}
		r.Seq, r.StartTime = last+1, nil
	}
}

// fill adds what was found to the page, up to the position until if that is not
// zero, and returns the last sequence number found.
func (e *Engine) fill(page *hub.Page, found []*nats.Msg, until hub.Position) (last uint64, err error) {
	for _, msg := range found {
		m, removed, err := e.decode(msg)
		if err != nil {
			return 0, unavailable("read history", err)
		}
		last = m.Position.Seq
		if !until.IsZero() && last > until.Seq {
			page.More = false
			return last, nil
		}
		if !removed && !isProbe(m.Channel) {
			page.Messages = append(page.Messages, m)
		}
	}
	return last, nil
}

// top is the position of a channel's last message; of the whole store's for an
// empty channel or a pattern.
func (e *Engine) top(ctx context.Context, channel string) (hub.Position, error) {
	if !hub.IsPattern(channel) {
		found, err := e.last(ctx, streamName, e.subject(channel))
		if err != nil {
			return hub.Position{}, err
		}
		if found != nil {
			m, _, err := e.decode(found)
			if err != nil {
				return hub.Position{}, unavailable("read history", err)
			}
			return m.Position, nil
		}
	}
	last, err := e.lastSeq(ctx)
	return hub.Position{Epoch: e.epoch(), Seq: last}, err
}

// readBack reads the newest messages before q.After, newest first.
func (e *Engine) readBack(ctx context.Context, q hub.Query, page hub.Page) (hub.Page, error) {
	subject, end := e.subject(q.Channel), q.After.Seq
	if end == 0 {
		end = page.Top.Seq + 1
	}
	for n := q.Limit; ; {
		start, in, err := e.startOfLast(ctx, subject, end, n)
		if err != nil || in == 0 {
			return page, err
		}
		found, _, err := e.get(ctx, getRequest{Next: subject, Seq: start, Batch: int(in), MaxBytes: pageBytes})
		if err != nil {
			return page, err
		}
		if len(found) < int(in) && n > 1 {
			n = (n + 1) / 2 // pageBytes cut off the newest: ask for fewer
			continue
		}
		if _, err := e.fill(&page, found, hub.Position{Epoch: e.epoch(), Seq: end - 1}); err != nil {
			return page, err
		}
		before, err := e.countBetween(ctx, subject, 1, start)
		if err != nil {
			return page, err
		}
		if len(page.Messages) == 0 && before > 0 {
			end = start // all of it were marks of removed history
			continue
		}
		page.More = before > 0
		if extra := len(page.Messages) - n; extra > 0 {
			page.Messages, page.More = page.Messages[extra:], true
		}
		slices.Reverse(page.Messages)
		return page, nil
	}
}

// startOfLast returns a sequence number from which on, before end, there are the
// last n messages of subject, or all if there are fewer, and about twice as many at most;
// in is their number. The store can't be read backwards, so it is asked for counts while
// halving the range; what is published meanwhile can make it miss by a few.
func (e *Engine) startOfLast(ctx context.Context, subject string, end uint64, n int) (start, in uint64, err error) {
	low, high := uint64(1), end // n or more from low, fewer from high
	if in, err = e.countBetween(ctx, subject, low, end); err != nil {
		return 0, 0, err
	}
	most := uint64(2 * n)
	if n == 1 {
		most = 1 // two could be more than pageBytes, which would cut off the newest
	}
	for in > most && high-low > 1 {
		middle := low + (high-low)/2
		c, err := e.countBetween(ctx, subject, middle, end)
		if err != nil {
			return 0, 0, err
		}
		if c >= uint64(n) {
			low, in = middle, c
		} else {
			high = middle
		}
	}
	return low, in, nil
}

// countBetween returns how many messages of subject are at start or behind it
// and before end.
func (e *Engine) countBetween(ctx context.Context, subject string, start, end uint64) (uint64, error) {
	behind, err := e.count(ctx, subject, end)
	if err != nil {
		return 0, err
	}
	all, err := e.count(ctx, subject, start)
	return all - min(all, behind), err
}

// count returns how many messages of subject are at seq or behind it. It can't
// ask for the message without its headers: the server's count is one too high then.
func (e *Engine) count(ctx context.Context, subject string, seq uint64) (uint64, error) {
	found, more, err := e.get(ctx, getRequest{Next: subject, Seq: seq, Batch: 1})
	return uint64(len(found)) + more, err
}
