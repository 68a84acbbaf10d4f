package api

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
)

func TestErrandsShareFewGoroutines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var running sync.WaitGroup
		started := 0
		ctx, end := context.WithCancel(t.Context())
		e := newErrands(ctx, func(f func()) { started++; running.Go(f) })
		for range 100 {
			e.run(func() {})
			synctest.Wait() // its goroutine is idle
		}
		if started != 1 {
			t.Errorf("%d goroutines were started for what came one after the other", started)
		}
		block, all := make(chan struct{}), sync.WaitGroup{}
		for range 100 {
			all.Go(func() { e.run(func() { <-block }) })
			synctest.Wait()
		}
		if started != 100 {
			t.Errorf("%d goroutines for 100 errands that block each other's", started)
		}
		close(block)
		all.Wait()
		synctest.Wait()
		if n, most := e.idle.Load(), int32(2*runtime.GOMAXPROCS(0)); n != most {
			t.Errorf("%d goroutines wait for more: want %d", n, most)
		}
		end()
		running.Wait()
	})
}
