package gallery

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"fanfold/hub"
	"fanfold/web/gallery/characters"
)

// completion answers what is typed with characters whose names go on like it. Its
// index is made by the first call and dropped after the last, so that a hub whose gallery
// nobody visits pays nothing for it.
type completion struct {
	build  buildFunc // static, as all up to mu
	logger *slog.Logger
	wanted chan struct{} // one slot: somebody has called while there was no index
	slots  chan struct{} // one for each search under way

	used atomic.Int64 // when the last call came, in ns since 1970

	mu       sync.RWMutex // held for reading during a search
	searcher characters.Searcher
	fraction float64 // of the index that is made, while there is none
	failed   error   // why there is none, once making it was tried
}

// buildFunc makes a searcher and tells how much of it is done, from 0 to 1.
type buildFunc func(ctx context.Context, progress func(float64)) (characters.Searcher, error)

// completionChannel is what a caller must be allowed to publish to; on its channel
// completionCopied pages tell each other what was copied.
const (
	completionChannel = "gallery.completion"
	completionCopied  = "gallery.completion.copied"
)

// Bounds of the searches. They take about a millisecond each.
const (
	completionSearches = 4                // at a time; others wait
	completionPatience = time.Second      // for its turn and its answer
	completionIdle     = 10 * time.Minute // without a call, after which the index is dropped
)

func newCompletion(build buildFunc, logger *slog.Logger) *completion {
	return &completion{build: build, logger: logger, wanted: make(chan struct{}, 1), slots: make(chan struct{}, completionSearches)}
}

// buildIndex makes the index of this process. A backend elsewhere takes its place here.
func buildIndex(ctx context.Context, progress func(float64)) (characters.Searcher, error) {
	return characters.Build(ctx, progress)
}

// completionRule keeps what was copied last, for who comes later.
func completionRule() hub.Rule {
	copied := hub.DefaultRule()
	copied.Name, copied.Channels, copied.Messages = "gallery-copied", completionCopied, 24
	return copied
}

func (c *completion) methods() map[string]Method {
	return map[string]Method{"gallery.completion.search": method(completionChannel, c.search)}
}

type completionQuestion struct {
	Text  string `json:"text"`
	Limit int    `json:"limit"` // 0: a screenful
}

// completionAnswer has either results, or how much of the index is made.
type completionAnswer struct {
	Building     *float64           `json:"building,omitempty"`
	Results      []completionResult `json:"results,omitempty"`
	Total        int                `json:"total"`
	Microseconds int64              `json:"microseconds"`
}

type completionResult struct {
	Char string   `json:"char"`
	Code string   `json:"code"`
	Name string   `json:"name"`
	Hits [][2]int `json:"hits"` // see [characters.Result]
}

const completionScreenful = 20

func (c *completion) search(ctx context.Context, _ *hub.Client, q completionQuestion) (completionAnswer, error) {
	if len(q.Text) > characters.MaxText {
		return completionAnswer{}, hub.Errorf(hub.CodeBadRequest, "search: the text has %d bytes: no name is longer than %d", len(q.Text), characters.MaxText)
	}
	if q.Limit == 0 {
		q.Limit = completionScreenful
	}
	c.used.Store(time.Now().UnixNano())
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.searcher == nil {
		return c.ask()
	}
	ctx, cancel := context.WithTimeout(ctx, completionPatience)
	defer cancel()
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return completionAnswer{}, hub.Errorf(hub.CodeBusy, "search: too many others search now: try again in a moment")
	}
	return c.timed(ctx, characters.Query{Text: q.Text, Limit: q.Limit})
}

// ask asks run for an index and tells how far it is. c.mu must be held.
func (c *completion) ask() (completionAnswer, error) {
	select {
	case c.wanted <- struct{}{}:
	default:
	}
	fraction := c.fraction
	return completionAnswer{Building: &fraction}, c.failed
}

// timed searches. c.mu must be held.
func (c *completion) timed(ctx context.Context, q characters.Query) (completionAnswer, error) {
	began := time.Now()
	found, err := c.searcher.Search(ctx, q)
	if err != nil {
		return completionAnswer{}, err
	}
	a := completionAnswer{Total: found.Total, Microseconds: time.Since(began).Microseconds()}
	for _, r := range found.Results {
		a.Results = append(a.Results, completionResult{string(r.Char), characters.CodeOf(r.Char), r.Name, r.Hits})
	}
	return a, nil
}

// run makes an index when one is wanted and drops it when it is used no more.
func (c *completion) run(ctx context.Context) {
	for {
		select {
		case <-c.wanted:
		case <-ctx.Done():
			c.set(nil, hub.Errorf(hub.CodeUnavailable, "search: the hub stops"))
			return
		}
		searcher, err := c.build(ctx, c.progress)
		if err != nil {
			if ctx.Err() == nil {
				c.logger.Error("the gallery has no index of characters", "error", err)
			}
			c.set(nil, err)
			continue
		}
		c.set(searcher, nil)
		c.whileUsed(ctx)
		c.set(nil, nil)
		if err := searcher.Close(); err != nil {
			c.logger.Warn("the gallery's index of characters was not closed", "error", err)
		}
	}
}

// set waits for the searches under way.
func (c *completion) set(s characters.Searcher, failed error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.searcher, c.failed, c.fraction = s, failed, 0
	if s != nil {
		select {
		case <-c.wanted: // by who called meanwhile
		default:
		}
	}
}

func (c *completion) progress(fraction float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fraction = fraction
}

// whileUsed returns once nobody has called for a while, or ctx ends.
func (c *completion) whileUsed(ctx context.Context) {
	for {
		left := completionIdle - time.Since(time.Unix(0, c.used.Load()))
		if left <= 0 {
			return
		}
		select {
		case <-time.After(left):
		case <-ctx.Done():
			return
		}
	}
}
