package tests

import (
	"fmt"
	"testing"
)

// bystanders are clients of every protocol that have done nothing wrong.
type bystanders struct {
	hub       *hub
	all       []subscriber
	published int
}

func newBystanders(h *hub) *bystanders {
	h.t.Helper()
	return &bystanders{hub: h, all: h.subscribers("bystanders")}
}

// unharmed fails the test if a bystander does not receive the next message, or
// has received anything else.
func (b *bystanders) unharmed(t testing.TB) {
	t.Helper()
	b.published++
	text := fmt.Sprintf("message %d", b.published)
	h := b.hub.as(t)
	h.publish("bystanders", text)
	for _, s := range b.all {
		s.next(h, text)
	}
}
