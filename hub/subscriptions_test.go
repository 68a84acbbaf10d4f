package hub

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// A session's list finds what a map would.
func TestSubscriptionsAreFoundByName(t *testing.T) {
	var list subscriptions
	want := map[string]*Subscription{}
	random := rand.New(rand.NewPCG(1, 2))
	for range 5000 {
		name := fmt.Sprintf("c.%d", random.IntN(40))
		sub := &Subscription{parts: []part{{key: name}}}
		switch {
		case list.get(name) != want[name]:
			t.Fatalf("%s is %v, want %v", name, list.get(name), want[name])
		case want[name] == nil:
			list.add(sub)
			want[name] = sub
		case list.remove(sub):
			t.Fatalf("another one of the name %s was removed", name)
		case !list.remove(want[name]):
			t.Fatalf("%s was not removed", name)
		default:
			delete(want, name)
		}
		if len(list) != len(want) {
			t.Fatalf("there are %d, want %d", len(list), len(want))
		}
	}
}
