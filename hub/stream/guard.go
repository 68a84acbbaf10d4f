package stream

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"fanfold/hub"

	"github.com/nats-io/nats.go"
)

const (
	markEvery  = 100 * time.Millisecond // between two writes of the record
	mendEvery  = time.Second            // between two tries to use the store again
	checkEvery = time.Second            // between two looks for damage
	slowStore  = 250 * time.Millisecond // an answer that takes longer makes the guard look
	stuckStore = 3 * time.Second        // for which a store that can be written to may stay silent
	roomBytes  = 1 << 20                // that must fit into the data folder, and two messages
)

// guard knows whether the store takes messages. While it does not, publishes fail
// at once with the reason.
type guard struct {
	health   atomic.Pointer[health]
	suspects chan struct{} // one slot: somebody waits for the store
	drained  chan struct{} // one slot: receive has seen the end of an old connection
}

// health lasts until the store fails; then its context ends, with a [hub.Error].
type health struct {
	ctx   context.Context
	fail  context.CancelCauseFunc
	since time.Time
}

func newGuard() *guard {
	g := &guard{suspects: make(chan struct{}, 1), drained: make(chan struct{}, 1)}
	g.recover()
	return g
}

// failure is why the store takes no messages; nil: it does.
func (g *guard) failure() error {
	if h := g.health.Load(); h.ctx.Err() != nil {
		return context.Cause(h.ctx)
	}
	return nil
}

func (g *guard) recover() {
	ctx, fail := context.WithCancelCause(context.Background())
	g.health.Store(&health{ctx: ctx, fail: fail, since: time.Now()})
}

// suspect has the guard look at the store. It does not wait.
func (g *guard) suspect() {
	signal(g.suspects)
}

// signal fills a channel of one slot.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// watch is the guard's goroutine. It writes the record while the store works, and
// while it does not, tries to get it to work.
func (e *Engine) watch() {
	tick := time.NewTicker(markEvery)
	defer tick.Stop()
	var tried, checked time.Time
	for {
		select {
		case <-e.stop:
			return
		case <-e.guard.suspects:
			if e.guard.failure() == nil {
				e.diagnose()
				tried = time.Now()
			}
		case <-tick.C:
			switch {
			case e.guard.failure() == nil:
				if err := e.ledger.keep(); err != nil {
					e.fail(folderError(err))
					tried = time.Now()
				} else if time.Since(checked) >= checkEvery {
					e.checkFiles()
					checked = time.Now()
				}
			case time.Since(tried) >= mendEvery:
				e.mend()
				tried = time.Now()
			}
		}
	}
}

// checkFiles has the store opened anew, in another epoch, if the server has found
// damage in its files.
func (e *Engine) checkFiles() {
	doubt, err := e.ledger.check()
	switch {
	case err != nil:
		e.fail(folderError(err))
	case doubt != "":
		e.fail(damaged(doubt))
	}
}

func damaged(doubt string) error {
	return &hub.Error{Code: hub.CodeUnavailable, Message: "the store is damaged: it is being opened anew", Err: errors.New(doubt)}
}

// diagnose finds out whether the store takes messages.
func (e *Engine) diagnose() {
	if err := e.checkRoom(); err != nil {
		e.fail(err)
		return
	}
	ctx, cancel := e.until(stuckStore)
	defer cancel()
	if _, err := e.storeProbe(ctx, "diagnose"); err != nil && !e.stopping() {
		e.fail(&hub.Error{Code: hub.CodeUnavailable, Message: "the store does not take messages: it is being started anew", Err: err})
	}
}

// fail makes publishes fail with err, a [hub.Error], from now on. It may be called from
// any goroutine.
func (e *Engine) fail(err error) {
	h := e.guard.health.Load()
	if h.ctx.Err() == nil {
		h.fail(err)
		e.config.Logger.Error("messages are refused until the store can be written to again", "error", err)
		return
	}
	if err.Error() == context.Cause(h.ctx).Error() {
		return
	}
	next := &health{since: h.since}
	next.ctx, next.fail = context.WithCancelCause(context.Background())
	next.fail(err)
	if e.guard.health.CompareAndSwap(h, next) {
		e.config.Logger.Error("messages are still refused, now for another reason", "error", err)
	}
}

// mend tries to use the store again. What is wrong with a server after a failed write
// stays wrong, so it is replaced by a new one on the same folder.
func (e *Engine) mend() {
	if err := e.checkRoom(); err != nil {
		e.fail(err)
		return
	}
	if err := e.replaceServer(); err != nil {
		if !e.stopping() {
			e.fail(&hub.Error{Code: hub.CodeUnavailable, Message: "the store can't be started anew: the hub's log says why", Err: err})
		}
		return
	}
	e.config.Logger.Info("the store takes messages again", "after", time.Since(e.guard.health.Load().since).Round(time.Millisecond))
	e.guard.recover()
}

// replaceServer starts a new server, opens the store on it before anybody else can
// use it, leads the client there and sees a message stored.
func (e *Engine) replaceServer() error {
	ctx, cancel := e.until(time.Minute)
	defer cancel()
	if err := e.stopServer(ctx); err != nil {
		return err
	}
	if _, err := e.openStore(ctx); err != nil {
		e.endServer()
		return err
	}
	e.link.server.Store(e.server)
	if err := e.reconnect(ctx); err != nil {
		return err
	}
	ctx, cancel = e.until(callTimeout)
	defer cancel()
	_, err := e.storeProbe(ctx, "mend")
	return err
}

// stopServer ends the server, and waits until what came from it was delivered: its
// numbers may come again, in another epoch.
func (e *Engine) stopServer(ctx context.Context) error {
	e.link.server.Store(nil)
	e.endServer()
	for e.conn.IsConnected() {
		if err := e.pause(ctx); err != nil {
			return err
		}
	}
	tryReceive(e.guard.drained) // of a try that was given up
	for _, step := range []func() (sent bool){
		func() bool { return trySend(e.inbox, &nats.Msg{}) },
		func() bool { return tryReceive(e.guard.drained) },
	} {
		for !step() {
			if err := e.pause(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

func (e *Engine) endServer() {
	if e.server != nil {
		e.server.Shutdown()
		e.server.WaitForShutdown()
		e.server = nil
	}
}

// reconnect waits until the client has found the new server.
func (e *Engine) reconnect(ctx context.Context) error {
	for !e.conn.IsConnected() {
		if err := e.pause(ctx); err != nil {
			return fmt.Errorf("connect to the store: %w", err)
		}
	}
	return nil
}

// pause waits for some milliseconds.
func (e *Engine) pause(ctx context.Context) error {
	select {
	case <-time.After(5 * time.Millisecond):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func trySend(to chan<- *nats.Msg, m *nats.Msg) bool {
	select {
	case to <- m:
		return true
	default:
		return false
	}
}

func tryReceive(from <-chan struct{}) bool {
	select {
	case <-from:
		return true
	default:
		return false
	}
}

// until returns a context that ends after d, or when the engine is closed.
func (e *Engine) until(d time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	var once sync.WaitGroup
	once.Go(func() {
		select {
		case <-e.stop:
			cancel()
		case <-ctx.Done():
		}
	})
	return ctx, func() { cancel(); once.Wait() }
}

func (e *Engine) stopping() bool {
	select {
	case <-e.stop:
		return true
	default:
		return false
	}
}

// checkRoom writes a file through to the disk and removes it, unless nothing is kept
// there. The error is a [hub.Error] that says what is wrong with the folder.
func (e *Engine) checkRoom() error {
	if e.folder.temporary {
		return nil
	}
	if err := checkWritable(e.folder.path, roomBytes+2*e.config.MaxMessageBytes); err != nil {
		return folderError(err)
	}
	return nil
}

// folderError tells a full disk from one that can't be written to.
func folderError(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return &hub.Error{Code: hub.CodeFull, Message: "the disk is full: the hub takes messages again when there is room", Err: err}
	}
	why := "it fails"
	if number, ok := errors.AsType[syscall.Errno](err); ok {
		why = number.Error()
	}
	return &hub.Error{Code: hub.CodeUnavailable, Message: "the data folder can't be written to: " + why, Err: err}
}

// checkWritable makes and removes a file of that size, since a lock file may be
// older than the folder's present mode.
func checkWritable(dir string, size int) error {
	probe, err := os.CreateTemp(dir, "probe-")
	if err != nil {
		return fmt.Errorf("the data folder can't be written to: %w", err)
	}
	if size > 0 {
		_, err = probe.Write(make([]byte, size))
		err = errors.Join(err, probe.Sync())
	}
	if err := errors.Join(err, probe.Close(), os.Remove(probe.Name())); err != nil {
		return fmt.Errorf("the data folder can't be written to: %w", err)
	}
	return nil
}
