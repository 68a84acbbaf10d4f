package main

import (
	"runtime"
	"runtime/metrics"
	"testing"
	"time"
)

func TestTheCollectorsRoomFollowsTheHeap(t *testing.T) {
	t.Setenv("GOGC", "") // as most run it
	tuneHeap()
	collectUntil(t, "much room in a small heap", func(percent uint64) bool { return percent > 100 })
	large := make([]byte, 256<<20)
	collectUntil(t, "the least room in a large heap", func(percent uint64) bool { return percent == leastRoom })
	runtime.KeepAlive(large)
	collectUntil(t, "much room again", func(percent uint64) bool { return percent > 100 })
}

// collectUntil collects until the room is right, which is set behind a collection.
func collectUntil(t *testing.T, what string, right func(percent uint64) bool) {
	t.Helper()
	room := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	for late := time.Now().Add(10 * time.Second); ; runtime.Gosched() {
		runtime.GC()
		metrics.Read(room)
		if right(room[0].Value.Uint64()) {
			return
		}
		if time.Now().After(late) {
			t.Fatalf("GOGC is %d: want %s", room[0].Value.Uint64(), what)
		}
	}
}

func TestAQuietHubGivesMemoryBack(t *testing.T) {
	defer returningMemory(t.Context())()
	busy := make([]byte, 128<<20)
	for i := 0; i < len(busy); i += 4096 {
		busy[i] = 1 // so that it is there
	}
	runtime.GC() // it is in use, as far as the last collection knows
	runtime.KeepAlive(busy)
	released := []metrics.Sample{{Name: "/memory/classes/heap/released:bytes"}}
	for late := time.After(20 * time.Second); released[0].Value.Kind() == metrics.KindBad || released[0].Value.Uint64() < 128<<20; metrics.Read(released) {
		select {
		case <-late:
			t.Fatalf("%d MiB were given back", released[0].Value.Uint64()>>20)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
