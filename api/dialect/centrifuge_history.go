package dialect

import (
	"context"
	"slices"

	"fanfold/hub"
)

// streamPosition is a place in history on the wire.
type streamPosition struct {
	Offset uint64 `json:"offset"`
	Epoch  string `json:"epoch"`
}

func (s streamPosition) position() hub.Position {
	return hub.Position{Epoch: s.Epoch, Seq: s.Offset}
}

// historyRequest is the same for clients and for the server API.
type historyRequest struct {
	Channel string          `json:"channel"`
	Limit   int32           `json:"limit"`
	Since   *streamPosition `json:"since"`
	Reverse bool            `json:"reverse"`
}

// query translates the request. A negative limit, or one over most, stands for most.
func (r historyRequest) query(most int) (hub.Query, error) {
	q := hub.Query{Channel: r.Channel, Limit: int(r.Limit), Reverse: r.Reverse}
	if q.Limit < 0 || q.Limit > most {
		q.Limit = most
	}
	if r.Since == nil {
		return q, nil
	}
	if r.Reverse && r.Since.Offset == 0 {
		return q, hub.Errorf(hub.CodeBadRequest, `history: nothing is before offset 0: leave out "since" to read from the newest`)
	}
	q.After = r.Since.position()
	return q, nil
}

// read returns the result in at most about size bytes, but at least one
// publication: where the last one's offset is not the end, the reader goes on from it.
func (r historyRequest) read(ctx context.Context, h *hub.Actor, most, size int) ([]byte, error) {
	q, err := r.query(most)
	if err != nil {
		return nil, err
	}
	page, err := h.History(ctx, q)
	if err != nil {
		return nil, err
	}
	b := []byte(`{"publications":`)
	b, _ = appendPublications(b, r.Channel, page.Messages, size)
	b = appendPosition(b, page.Top.Epoch, page.Top.Seq)
	return append(b, '}'), nil
}

// maxHistory is how many publications a client gets at once.
const maxHistory = 300

func (p *centrifugePeer) history(ctx context.Context, c command) error {
	var q historyRequest
	if err := c.decode(&q); err != nil {
		return err
	}
	result, err := q.read(ctx, p.session.Actor(), maxHistory, p.dialect.config.RecoverBytes)
	if err != nil {
		return err
	}
	return p.reply(c, result)
}

// backlogPage is how many messages a backlog reads at a time.
const backlogPage = 256

// backlog is what a client has missed, read page by page as it is taken.
type backlog struct {
	hub    *hub.Actor
	client string         // what excludes it is left out
	query  hub.Query      // for the next page
	ready  []*hub.Message // read and not yet taken
	from   hub.Position   // everything up to here was taken
	top    hub.Position   // of the first page
	more   bool           // there are further pages
}

// openBacklog reads the first page of what is behind a position and meant for a
// client.
func openBacklog(ctx context.Context, h *hub.Actor, client, channel string, after hub.Position) (*backlog, error) {
	b := &backlog{hub: h, client: client, more: true, query: hub.Query{Channel: channel, After: after, Limit: backlogPage}}
	page, err := b.read(ctx)
	b.top = page.Top
	return b, err
}

func (b *backlog) read(ctx context.Context) (hub.Page, error) {
	page, err := b.hub.Recover(ctx, b.query)
	if err != nil {
		return page, err
	}
	b.from = b.query.After
	if n := len(page.Messages); n > 0 {
		b.query.After = page.Messages[n-1].Position
	}
	b.more = page.More
	b.ready = slices.DeleteFunc(page.Messages, func(m *hub.Message) bool { return m.Exclude == b.client })
	return page, nil
}

// next returns messages that are ready, of the next page if need be; none are the end.
func (b *backlog) next(ctx context.Context) ([]*hub.Message, error) {
	for len(b.ready) == 0 && b.more {
		if _, err := b.read(ctx); err != nil {
			return nil, err
		}
	}
	return b.ready, nil
}

// take removes the first n messages that are ready.
func (b *backlog) take(n int) {
	if n > 0 {
		b.from = b.ready[n-1].Position
	}
	b.ready = b.ready[n:]
}

// rewind forgets what was read and not taken, so that many backlogs do not hold a
// page each until their turn comes to be sent.
func (b *backlog) rewind() {
	if len(b.ready) > 0 {
		b.ready, b.more, b.query.After = nil, true, b.from
	}
}

// end is the position up to which everything was taken, once next returns none.
func (b *backlog) end() hub.Position {
	if b.query.After.Seq > b.top.Seq {
		return b.query.After
	}
	return b.top
}
