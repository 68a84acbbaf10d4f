package hub

import "testing"

func TestAnOutboxThatIsNeverEmptyStaysSmall(t *testing.T) {
	o := &outbox{limit: 1 << 20}
	o.push([]byte("x"), false)
	var dst [][]byte
	for range 100_000 {
		o.push([]byte("x"), false)
		dst, _ = o.take(dst[:0], 0)
	}
	if len(o.frames)-o.head != 1 || cap(o.frames) > 4*keepFrames {
		t.Errorf("%d frames wait in %d places", len(o.frames)-o.head, cap(o.frames))
	}
}
