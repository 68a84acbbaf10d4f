package api

import (
	"testing"
	"time"
)

func TestARationIsSoManyAMinute(t *testing.T) {
	var r ration
	now := time.Unix(1000, 0)
	for range maxRation {
		if tell, omitted := r.next(now); !tell || omitted != 0 {
			t.Fatalf("tell %v, omitted %d", tell, omitted)
		}
	}
	for range 7 {
		if tell, _ := r.next(now.Add(rationEvery - 1)); tell {
			t.Fatal("more than the ration is told")
		}
	}
	if tell, omitted := r.next(now.Add(rationEvery)); !tell || omitted != 7 {
		t.Errorf("a minute later: tell %v, omitted %d, want 7", tell, omitted)
	}
}
