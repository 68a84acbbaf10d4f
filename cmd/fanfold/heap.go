package main

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"
)

// Bounds of how much may be allocated before the garbage collector runs again.
const (
	// heapRoom is given to a small heap. A hub's is a few MB, so that by Go's own measure,
	// as much again, a busy one would collect all the time.
	heapRoom = 64 << 20
	// leastRoom is in percent of what is in use, as GOGC, which has the same by itself. With
	// half of it, collections were a third of the CPU that a storm of connections took.
	leastRoom = 100
)

// tuneHeap paces the garbage collector by heapRoom and leastRoom, unless GOGC says
// how. What that takes is given back in quiet times, see returningMemory. It returns at once and lasts as long as the process.
func tuneHeap() {
	if os.Getenv("GOGC") == "" {
		afterCollection()
	}
}

// afterCollection sets the room by what was found in use, now and after each collection.
func afterCollection() {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}, {Name: "/gc/gogc:percent"}}
	metrics.Read(live)
	percent := heapPercent(live[0].Value.Uint64() + live[1].Value.Uint64())
	if now := int(live[2].Value.Uint64()); percent < now*9/10 || percent > now*11/10 { // it stops the world for a moment
		debug.SetGCPercent(percent)
	}
	runtime.SetFinalizer(&struct{ _ [16]byte }{}, func(any) { afterCollection() })
}

// heapPercent is the room for a heap of so many bytes, as GOGC counts it.
func heapPercent(live uint64) int {
	const smallest = 4 << 20 // the runtime's own least heap
	return max(leastRoom, int(heapRoom*100/max(live, smallest)))
}

// A hub counts as quiet if it has allocated no more than quietBytes in quietTime. A
// collection is worth its cost, which goes by what is in use, if workBytes and workPercent of
// that were allocated since the last one of the kind.
const (
	quietTime   = time.Second
	quietBytes  = 2 << 20
	workBytes   = 8 << 20
	workPercent = 20
)

// returningMemory gives the system back what busy times have left, once it is quiet,
// until the function that it returns is called. The runtime would keep a part for the
// next time, and takes minutes for the rest.
func returningMemory(ctx context.Context) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { returnMemory(ctx) })
	return func() { cancel(); running.Wait() }
}

func returnMemory(ctx context.Context) {
	tick := time.NewTicker(quietTime)
	defer tick.Stop()
	var before, returned uint64 // bytes allocated since the start, when it was looked last and when memory was returned
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		allocated, live := heapState()
		if allocated-before <= quietBytes && allocated-returned >= max(workBytes, live*workPercent/100) {
			debug.FreeOSMemory()
			allocated, _ = heapState()
			returned = allocated
		}
		before = allocated
	}
}

// heapState returns how many bytes were allocated since the start, and how many were in
// use at the last collection.
func heapState() (allocated, live uint64) {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/heap/live:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64(), s[1].Value.Uint64()
}
