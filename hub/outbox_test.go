package hub

import "testing"

func TestAnOutboxThatIsNeverEmptyStaysSmall(t *testing.T) {
	o := &outbox{limit: 1 << 20}
	o.push(parcel{frame: []byte("x")}, false)
	var dst [][]byte
	for range 100_000 {
		o.push(parcel{frame: []byte("x")}, false)
		dst, _ = o.take(dst[:0], 0)
	}
	if len(o.queue.waiting)-o.queue.head != 1 || cap(o.queue.waiting) > 4*keepFrames {
		t.Errorf("%d frames wait in %d places", len(o.queue.waiting)-o.queue.head, cap(o.queue.waiting))
	}
}
