package api

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
)

// errands runs what needs a deep stack for goroutines that wait for it. A goroutine that
// has gone deep once keeps 8 KB of stack instead of 4, as its own idle depth does not let the
// runtime shrink it: for the readers of ten thousand quiet connections that was a fifth of
// all their memory. The goroutines here are few, and used again.
type errands struct {
	context context.Context // static; the idle ones end with it
	start   func(func())    // static; starts a goroutine
	work    chan *errand    // unbuffered: an idle goroutine takes one at once, or a new one is started
	idle    atomic.Int32
	free    sync.Pool // of *errand
}

type errand struct {
	do   func()
	done chan struct{} // one slot
}

func newErrands(ctx context.Context, start func(func())) *errands {
	return &errands{
		context: ctx, start: start, work: make(chan *errand),
		free: sync.Pool{New: func() any { return &errand{done: make(chan struct{}, 1)} }},
	}
}

// run runs f, which must not panic, and returns when it has.
func (e *errands) run(f func()) {
	one, _ := e.free.Get().(*errand)
	one.do = f
	select {
	case e.work <- one:
	default:
		e.start(func() { e.loop(one) })
	}
	<-one.done
	one.do = nil
	e.free.Put(one)
}

func (e *errands) loop(one *errand) {
	most := int32(2 * runtime.GOMAXPROCS(0)) // idle ones that are kept
	for {
		one.do()
		one.done <- struct{}{}
		if e.idle.Add(1) > most {
			e.idle.Add(-1)
			return
		}
		select {
		case one = <-e.work:
			e.idle.Add(-1)
		case <-e.context.Done():
			return
		}
	}
}
