package gallery

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"runtime"
	"strings"
	"sync"
	"time"

	"fanfold/hub"
)

// The channel of the list of analyses, under whose name each one has a channel of
// its own; and the bounds of what visitors can make the hub do.
const (
	analysisChannel = "gallery.analysis"
	analysisAtWork  = 2 // one goroutine each
	analysisKnown   = 8 // at work or waiting
	analysisTime    = time.Minute
	analysisPause   = 100 * time.Millisecond // between two messages of one analysis
)

// analysisRules: the list keeps one message for each analysis, its newest state.
// An analysis keeps all of its messages, so that whoever comes half-way reads the first
// half as history: in a minute there can't be more of them.
func analysisRules() hub.Rules {
	return hub.Rules{
		{Name: "gallery-analyses", Channels: analysisChannel, Messages: 50, Age: time.Hour, Bytes: 1 << 20, Publishers: hub.PublishersServer, NoJoinLeave: true},
		{Name: "gallery-analysis", Channels: analysisChannel + ".*", Messages: 1000, Age: time.Hour, Bytes: 16 << 20, Publishers: hub.PublishersServer, NoJoinLeave: true},
	}
}

// analyses runs what visitors start. Its methods may be called from any goroutine.
type analyses struct {
	Config                // static
	queue  chan *analysis // has room for all that are known; never closed
	slots  chan struct{}  // has one for each at work

	mu    sync.Mutex
	known map[string]*analysis // guarded by mu; those that have not ended
	ended bool                 // guarded by mu; nothing is started any more
}

// analysis is one of them.
type analysis struct {
	analysisFacts // static
	key           string
	task          task
	ctx           context.Context
	cancel        context.CancelCauseFunc

	part     int     // owned by start, then by the goroutine that works
	progress float64 // the same
}

// task does the work of an analysis. The goroutine that works calls it.
type task interface {
	// step works for some milliseconds, or waits for something to work on.
	step(context.Context) (done bool, err error)
	// progress is between 0 and 1.
	progress() float64
	// fresh returns what has to be added to what it returned before, as JSON values by
	// their names.
	fresh() map[string]any
}

// analysisFacts are what is known of an analysis from its beginning on.
type analysisFacts struct {
	ID      string `json:"id"`
	Kind    string `json:"kind"`    // percolation or words
	Started int64  `json:"started"` // ms since 1970
	Size    int    `json:"size,omitempty"`
	Runs    int    `json:"runs,omitempty"`
	Seed    uint32 `json:"seed,omitempty"`
	Name    string `json:"name,omitempty"`
	Bytes   int    `json:"bytes,omitempty"`
	// From and To are what the histogram spans, in Bins.
	From float64 `json:"from,omitempty"`
	To   float64 `json:"to,omitempty"`
	Bins int     `json:"bins,omitempty"`
}

// The states of an analysis; the last three are final.
const (
	stateWaiting   = "waiting"
	stateWorking   = "working"
	stateDone      = "done"
	stateCancelled = "cancelled"
	stateFailed    = "failed"
)

// What ends an analysis before it is done.
var (
	errCancelled       = errors.New("somebody wished so")
	errTooLong   error = hub.Errorf(hub.CodeLimit, "it took longer than %.0f s, which is as long as one may", analysisTime.Seconds())
)

func newAnalyses(c Config) *analyses {
	return &analyses{
		Config: c, queue: make(chan *analysis, analysisKnown), slots: make(chan struct{}, analysisAtWork), known: map[string]*analysis{},
	}
}

func (a *analyses) methods() map[string]Method {
	return map[string]Method{
		analysisChannel + ".start":  method(analysisChannel, a.start),
		analysisChannel + ".text":   method(analysisChannel, a.text),
		analysisChannel + ".cancel": method(analysisChannel, a.cancel),
	}
}

// started is the answer to start.
type started struct {
	ID string `json:"id"`
	// Key goes with the text of the one who started it: see text.
	Key string `json:"key,omitempty"`
}

// start makes an analysis, tells of it, and lines it up.
func (a *analyses) start(ctx context.Context, _ *hub.Client, facts analysisFacts) (started, error) {
	task, err := newTask(&facts)
	if err != nil {
		return started{}, err
	}
	facts.ID, facts.Started = strings.ToLower(rand.Text()[:10]), time.Now().UnixMilli()
	j := &analysis{analysisFacts: facts, key: rand.Text(), task: task}
	j.ctx, j.cancel = context.WithCancelCause(context.Background())
	if err := a.admit(j); err != nil {
		return started{}, err
	}
	if err := a.tell(ctx, j, stateWaiting, nil); err != nil {
		a.forget(j)
		return started{}, err
	}
	a.queue <- j // has room, see admit
	return started{ID: j.ID, Key: j.key}, nil
}

// newTask makes the task that the facts ask for, and corrects them.
func newTask(f *analysisFacts) (task, error) {
	switch f.Kind {
	case "percolation":
		return newPercolation(f)
	case "words":
		return newWords(f)
	}
	return nil, hub.Errorf(hub.CodeBadRequest, "there is no analysis of the kind %.40q: ask for percolation or words", f.Kind)
}

func (a *analyses) admit(j *analysis) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.ended:
		return hub.Errorf(hub.CodeUnavailable, "the hub stops: start the analysis when it is back")
	case len(a.known) == analysisKnown:
		return hub.Errorf(hub.CodeBusy, "%d analyses are at work and %d wait, which is all that may: try again when one has ended, or cancel one", analysisAtWork, analysisKnown-analysisAtWork)
	}
	a.known[j.ID] = j
	return nil
}

func (a *analyses) forget(j *analysis) {
	j.cancel(nil)
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.known, j.ID)
}

// find returns an analysis that has not ended.
func (a *analyses) find(id string) (*analysis, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if j, ok := a.known[id]; ok {
		return j, nil
	}
	return nil, hub.Errorf(hub.CodeBadRequest, "the analysis %.40q is not under way: it has ended, or the hub was started again", id)
}

// cancel ends an analysis. Anybody may who may start one: there is no owner, as on
// a whiteboard.
func (a *analyses) cancel(_ context.Context, _ *hub.Client, q struct{ ID string }) (struct{}, error) {
	j, err := a.find(q.ID)
	if err == nil {
		j.cancel(errCancelled)
	}
	return struct{}{}, err
}

// text takes a piece of the text of a words analysis.
func (a *analyses) text(_ context.Context, _ *hub.Client, q piece) (answer pieceAnswer, err error) {
	j, err := a.find(q.ID)
	if err != nil {
		return answer, err
	}
	w, ok := j.task.(*words)
	if !ok || q.Key != j.key {
		return answer, hub.Errorf(hub.CodeDenied, "only the one who has started the analysis %s can send a text to it", q.ID)
	}
	answer.Next, err = w.take(q)
	return answer, err
}

// run works until ctx ends: each analysis in a goroutine of its own, two of them at
// a time, the others in the order in which they came.
func (a *analyses) run(ctx context.Context) {
	var working sync.WaitGroup
	defer working.Wait()
	defer a.end()
	a.settle(ctx)
	for {
		select {
		case <-ctx.Done():
			return
		case j := <-a.queue:
			working.Go(func() { a.work(ctx, j) })
		}
	}
}

func (a *analyses) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ended = true
}

// work runs one analysis to its end. What ctx ends is told by settle, after the
// hub's next start.
func (a *analyses) work(ctx context.Context, j *analysis) {
	defer a.forget(j)
	defer context.AfterFunc(ctx, func() { j.cancel(ctx.Err()) })()
	err := a.whenFree(j, func() error { return a.steps(ctx, j) })
	if ctx.Err() != nil {
		return
	}
	state := stateDone
	switch {
	case errors.Is(err, errCancelled):
		state, err = stateCancelled, nil
	case err != nil:
		state = stateFailed
	}
	if err := a.tell(ctx, j, state, err); err != nil {
		a.Logger.Warn("the end of an analysis is not published", "analysis", j.ID, "error", err)
	}
}

// whenFree does the work when it is the analysis' turn, unless it is cancelled
// before.
func (a *analyses) whenFree(j *analysis, work func() error) error {
	select {
	case <-j.ctx.Done():
		return context.Cause(j.ctx)
	case a.slots <- struct{}{}:
		defer func() { <-a.slots }()
		return work()
	}
}

// steps works, and publishes what there is ten times a second. After each step it
// lets others run, so that the hub stays quick.
func (a *analyses) steps(ctx context.Context, j *analysis) error {
	working, stop := context.WithTimeoutCause(j.ctx, analysisTime, errTooLong)
	defer stop()
	if err := a.tell(ctx, j, stateWorking, nil); err != nil {
		return err
	}
	told := time.Now()
	for {
		done, err := j.task.step(working)
		switch {
		case working.Err() != nil:
			return context.Cause(working)
		case done || err != nil:
			return err
		case time.Since(told) >= analysisPause:
			if err := a.tell(ctx, j, stateWorking, nil); err != nil {
				return err
			}
			told = time.Now()
		}
		runtime.Gosched()
	}
}

// tell publishes the next part of an analysis: its state and what is new. All parts
// together are the whole of it. The list hears of it if the state is another one.
func (a *analyses) tell(ctx context.Context, j *analysis, state string, reason error) error {
	part := map[string]any{"part": j.part, "state": state}
	if j.part == 0 {
		part["job"] = j.analysisFacts
	} else {
		for name, value := range j.task.fresh() {
			part[name] = value
		}
	}
	if state == stateDone {
		j.progress = 1
	}
	j.progress = max(j.progress, j.task.progress())
	part["progress"] = j.progress
	if reason != nil {
		part["reason"] = hub.ErrorOf(reason).Message
	}
	first := j.part < 2
	j.part++ // also if it fails: then this number is missing, and nobody takes the rest for all
	if _, err := a.Client.Send(ctx, analysisChannel+"."+j.ID, part); err != nil {
		return err
	}
	if first || state != stateWorking {
		return a.list(ctx, analysisEntry{j.analysisFacts, state})
	}
	return nil
}

// analysisEntry is a message of the list.
type analysisEntry struct {
	analysisFacts
	State string `json:"state"`
}

// list puts an entry in the place of the one before it.
func (a *analyses) list(ctx context.Context, e analysisEntry) error {
	data, err := json.Marshal(e)
	if err != nil {
		return err
	}
	_, err = a.Client.Publish(ctx, &hub.Message{Channel: analysisChannel, Data: data, Sequence: e.ID}, hub.PublishOptions{})
	return err
}
