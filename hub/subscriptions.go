package hub

import (
	"slices"
	"strings"
)

// subscriptions are a session's, in the order of their names. Most have one or a few: a
// map would take ten times the memory.
type subscriptions []*Subscription

func (l subscriptions) find(name string) (int, bool) {
	return slices.BinarySearchFunc(l, name, func(sub *Subscription, name string) int { return strings.Compare(sub.name(), name) })
}

// get is nil if there is none of that name.
func (l subscriptions) get(name string) *Subscription {
	if i, ok := l.find(name); ok {
		return l[i]
	}
	return nil
}

// add adds one of a name that is not there.
func (l *subscriptions) add(sub *Subscription) {
	i, _ := l.find(sub.name())
	*l = slices.Insert(*l, i, sub)
}

// remove is false if sub is not there.
func (l *subscriptions) remove(sub *Subscription) bool {
	i, ok := l.find(sub.name())
	if !ok || (*l)[i] != sub {
		return false
	}
	*l = slices.Delete(*l, i, i+1)
	return true
}
