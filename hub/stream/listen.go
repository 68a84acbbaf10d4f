package stream

import (
	"errors"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"fanfold/hub"

	"github.com/nats-io/nats.go"
)

// buckets is how many parts the channels are in by a hash of their names. A
// subscription is for a whole part: with the server's and the client's share it takes a
// kilobyte, a channel in it a tenth of that. What is published to the other channels of a
// part comes too, and is passed over, for 7 µs of CPU. More parts: less of it, and a loss
// concerns fewer.
const buckets = 4096

// outTransform is how the stream republishes: the server hashes the whole subject that
// a message is stored under.
var outTransform = outPrefix + "{{partition(" + strconv.Itoa(buckets) + ")}}.>"

// bucketOf is the part that a channel is in, as the server counts.
func (e *Engine) bucketOf(channel string) string {
	prefix := e.filing(channel).prefix
	if isProbe(channel) {
		prefix = probeRule
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(prefix + channel))
	return strconv.Itoa(int(h.Sum32() % buckets))
}

// outSubject is what listeners of a channel hear its messages on.
func (e *Engine) outSubject(channel string) string {
	return outPrefix + e.bucketOf(channel) + "." + channel
}

// channelOf is the channel of an outSubject.
func channelOf(subject string) string {
	_, channel, _ := strings.Cut(strings.TrimPrefix(subject, outPrefix), ".")
	return channel
}

// hearing is one subscription at the server, of a bucket or a pattern.
type hearing struct {
	sub     *nats.Subscription // static
	subject string             // static
	every   bool               // static; of a pattern: the ears are for all that comes, under ""
	ears    map[string]*ear    // guarded by the engine's mu; by channel
	dropped atomic.Int64       // messages that the listeners were told are lost
}

// ear is a listener of a channel or pattern.
type ear struct {
	hub.Listener
	next *ear // guarded by the engine's mu; of the same channel
}

// Listen implements [hub.Engine]. The server sees the subscription before any
// read or publish that is asked for afterwards, since all go over one connection.
func (e *Engine) Listen(pattern string, l hub.Listener) (stop func(), err error) {
	subject, channel := outPrefix+"*."+pattern, ""
	if !hub.IsPattern(pattern) {
		subject, channel = outPrefix+e.bucketOf(pattern)+".>", pattern
	}
	e.mu.Lock() // so that receive knows the listener before its first message
	defer e.mu.Unlock()
	h := e.hearings[subject]
	if h == nil {
		sub, err := e.conn.ChanSubscribe(subject, e.inbox)
		if err != nil {
			return nil, err
		}
		h = &hearing{sub: sub, subject: subject, every: channel == "", ears: make(map[string]*ear, 1)}
		e.hearings[subject], e.subs[sub] = h, h
	}
	added := &ear{Listener: l, next: h.ears[channel]}
	h.ears[channel] = added
	return func() { e.unlisten(h, channel, added) }, nil
}

func (e *Engine) unlisten(h *hearing, channel string, gone *ear) {
	e.mu.Lock()
	defer e.mu.Unlock()
	first := h.ears[channel]
	for at := &first; *at != nil; at = &(*at).next {
		if *at == gone {
			*at = gone.next
			break
		}
	}
	if h.ears[channel] = first; first == nil {
		delete(h.ears, channel)
	}
	if len(h.ears) > 0 || e.hearings[h.subject] != h {
		return
	}
	delete(e.hearings, h.subject)
	delete(e.subs, h.sub)
	if err := h.sub.Unsubscribe(); err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
		e.config.Logger.Warn("the engine could not end a subscription", "subject", h.subject, "error", err)
	}
}

// checkDropped tells the listeners if messages found the inbox full: all of a bucket,
// since nothing says which channels they were of. The count of them rises before any later
// message is in the inbox.
func (e *Engine) checkDropped(h *hearing) {
	n, err := h.sub.Dropped()
	if err != nil || h.dropped.Swap(int64(n)) >= int64(n) {
		return
	}
	for _, l := range e.listeners(h) {
		l.Lost()
	}
}

// listeners are all of the hearings.
func (e *Engine) listeners(hearings ...*hearing) (all []hub.Listener) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	for _, h := range hearings {
		for _, first := range h.ears {
			for at := first; at != nil; at = at.next {
				all = append(all, at.Listener)
			}
		}
	}
	return all
}

// receive is the engine's goroutine.
func (e *Engine) receive() {
	var to []hub.Listener
	for {
		select {
		case msg := <-e.inbox:
			if msg.Sub == nil {
				signal(e.guard.drained)
				continue
			}
			to = e.deliver(msg, to[:0])
			clear(to)
		case <-e.stop:
			return
		}
	}
}

// deliver hands a message to its listeners, which it collects in to.
func (e *Engine) deliver(msg *nats.Msg, to []hub.Listener) []hub.Listener {
	e.checkConnection()
	h := e.hearing(msg.Sub)
	if h == nil {
		return to // stopped meanwhile
	}
	e.checkDropped(h)
	if to = e.meant(h, channelOf(msg.Subject), to); len(to) == 0 {
		return to
	}
	m, removed, err := e.decode(msg)
	if err != nil {
		e.config.Logger.Error("the engine can't read a message", "error", err)
		for _, l := range to {
			l.Lost()
		}
		return to
	}
	if removed {
		m.Data = nil
	}
	e.ledger.raise(m.Position.Seq)
	for _, l := range to {
		if !isProbe(m.Channel) || l == hub.Listener(e.prober) {
			l.Deliver(m)
		}
	}
	return to
}

// meant appends the listeners that a message of the channel is for.
func (e *Engine) meant(h *hearing, channel string, to []hub.Listener) []hub.Listener {
	if h.every {
		channel = ""
	}
	e.mu.RLock()
	defer e.mu.RUnlock()
	for at := h.ears[channel]; at != nil; at = at.next {
		to = append(to, at.Listener)
	}
	return to
}

func (e *Engine) hearing(sub *nats.Subscription) *hearing {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.subs[sub]
}

// failed is called by the client, from a goroutine of its own, when something
// went wrong beside a call. A full inbox is reported for a subscription once, until it has
// taken a message again.
func (e *Engine) failed(_ *nats.Conn, sub *nats.Subscription, err error) {
	h := e.hearing(sub)
	if !errors.Is(err, nats.ErrSlowConsumer) || h == nil {
		e.config.Logger.Error("the engine's connection reports an error", "error", err)
		return
	}
	e.config.Logger.Warn("messages come faster than the hub can hand them out: they are brought from the store", "subject", h.subject)
	e.checkDropped(h)
}

// reconnected is called by the client when it is connected again.
func (e *Engine) reconnected(*nats.Conn) { e.checkConnection() }

// checkConnection tells all listeners if the connection is not the one that it was:
// whatever came meanwhile is lost to them.
func (e *Engine) checkConnection() {
	if n := e.link.conns.Load(); e.told.Load() == n || e.told.Swap(n) == n {
		return
	}
	e.config.Logger.Warn("the engine's connection was cut and is back: what was missed is brought from the store")
	e.mu.RLock()
	hearings := slices.Collect(maps.Values(e.hearings))
	e.mu.RUnlock()
	for _, l := range e.listeners(hearings...) {
		l.Lost()
	}
}
