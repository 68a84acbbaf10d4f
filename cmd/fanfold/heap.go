package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// Bounds of how much may be allocated before the garbage collector runs again.
const (
	// heapRoom is given to a small heap. A hub's is a few MB, so that by Go's own measure,
	// as much again, a busy one would collect some ten times a second.
	heapRoom = 48 << 20
	// leastRoom is in percent of what is in use, as GOGC: the sessions' part of a large
	// heap hardly changes, and as much again would be taken for nothing.
	leastRoom = 50
)

// tuneHeap paces the garbage collector by heapRoom and leastRoom, unless GOGC says
// how. It returns at once and lasts as long as the process.
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
