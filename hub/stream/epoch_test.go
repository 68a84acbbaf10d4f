package stream

import "testing"

func TestIDsKeepTheirEpoch(t *testing.T) {
	s := spans{{"a", 1}, {"b", 10}, {"c", 10}, {"d", 20}}
	for seq, want := range map[uint64]string{0: "a", 1: "a", 9: "a", 10: "c", 19: "c", 20: "d", 99: "d"} {
		if got := s.of(seq); got != want {
			t.Errorf("%d: %s, want %s", seq, got, want)
		}
	}
	if left := s.trim(12); len(left) != 2 || left.of(12) != "c" || left.current() != "d" {
		t.Errorf("trimmed to %v", left)
	}
	next := spans{{"zzzzzz9", 1}}.begin(5)
	if next.current() != "zzzzzzA" || next.of(4) != "zzzzzz9" {
		t.Errorf("with a clock that was set back: %v", next)
	}
}

func TestIntervals(t *testing.T) {
	var v intervals
	for _, seq := range []uint64{3, 4, 5, 9} {
		v = v.add(seq)
	}
	for _, test := range []struct {
		first, end uint64
		want       bool
	}{{3, 6, true}, {4, 5, true}, {2, 6, false}, {3, 7, false}, {9, 10, true}, {5, 10, false}, {10, 11, false}, {7, 7, true}} {
		if got := v.cover(test.first, test.end); got != test.want {
			t.Errorf("%d to before %d: %v", test.first, test.end, got)
		}
	}
	if left := v.trim(6); len(left) != 2 {
		t.Errorf("trimmed to %v", left)
	}
	for seq := range uint64(5000) {
		v = v.add(100 + 2*seq)
	}
	if len(v) != maxIntervals || !v.cover(100+2*4999, 101+2*4999) {
		t.Errorf("%d intervals", len(v))
	}
}
