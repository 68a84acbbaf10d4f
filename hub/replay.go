package hub

import (
	"context"
	"iter"
)

// replayPage is how many messages a replay reads at a time.
const replayPage = 256

// history returns one page of a channel's or pattern's stored messages; see
// [Engine].
func (h *Hub) history(ctx context.Context, q Query) (Page, error) {
	if err := CheckPattern(q.Channel); err != nil {
		return Page{}, err
	}
	return h.config.Engine.Read(ctx, q)
}

// now returns the position of the newest message in the whole store. A replay up
// to it and a subscription resumed from it meet without a gap or a double, if the subscription
// was made first.
func (h *Hub) now(ctx context.Context) (Position, error) {
	page, err := h.history(ctx, Query{Channel: anyRest})
	return page.Top, err
}

// replay yields the stored messages of all keys behind q.After or since q.Since,
// up to q.Until, each once, in the order in which they were stored. It reads in pages, as
// far ahead as the caller asks for. q's Channel, Limit and Reverse are ignored. An error
// ends it.
func (h *Hub) replay(ctx context.Context, keys []string, q Query) iter.Seq2[*Message, error] {
	return func(yield func(*Message, error) bool) {
		readers := make([]*reader, len(keys))
		for i, key := range keys {
			q.Channel, q.Limit, q.Reverse = key, replayPage, false
			readers[i] = &reader{hub: h, query: q, more: true}
		}
		var last uint64
		for {
			m, err := nextOf(ctx, readers)
			if err != nil || m == nil {
				if err != nil {
					yield(nil, err)
				}
				return
			}
			if m.Position.Seq == last {
				continue // several keys match it
			}
			last = m.Position.Seq
			if !yield(m, nil) {
				return
			}
		}
	}
}

// reader reads one key's history page by page.
type reader struct {
	hub   *Hub
	query Query
	page  []*Message
	more  bool
}

// nextOf takes the oldest message that is next in any reader; nil: all are done.
func nextOf(ctx context.Context, readers []*reader) (*Message, error) {
	var oldest *reader
	for _, r := range readers {
		if err := r.fill(ctx); err != nil {
			return nil, err
		}
		if len(r.page) > 0 && (oldest == nil || r.page[0].Position.Seq < oldest.page[0].Position.Seq) {
			oldest = r
		}
	}
	if oldest == nil {
		return nil, nil
	}
	m := oldest.page[0]
	oldest.page = oldest.page[1:]
	return m, nil
}

func (r *reader) fill(ctx context.Context) error {
	if len(r.page) > 0 || !r.more {
		return nil
	}
	page, err := r.hub.history(ctx, r.query)
	if err != nil {
		return err
	}
	r.page, r.more = page.Messages, page.More
	if n := len(page.Messages); n > 0 {
		r.query = Query{Channel: r.query.Channel, Limit: replayPage, After: page.Messages[n-1].Position, Until: r.query.Until}
	}
	return nil
}
