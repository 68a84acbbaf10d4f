package bridge

import "sync"

// ending is the end of a [link], for the first reason that comes. Its methods may be
// called from any goroutine.
type ending struct {
	ended chan struct{} // closed once there is a cause

	mu    sync.Mutex
	cause error // guarded by mu
}

func newEnding() *ending { return &ending{ended: make(chan struct{})} }

// begin takes err for the cause. It is false if there was one: the link ends already.
func (e *ending) begin(err error) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.cause != nil {
		return false
	}
	e.cause = err
	close(e.ended)
	return true
}

// done implements link.
func (e *ending) done() <-chan struct{} { return e.ended }

// err implements link.
func (e *ending) err() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.cause
}
