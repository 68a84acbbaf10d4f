package stream

import (
	"context"
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"
	"time"

	"fanfold/hub"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// The channel of probes has a name that no user's can have. The store keeps one
// message of it, which nobody else sees.
const (
	probePrefix  = "~probe."
	probeChannel = probePrefix + "store"
	probeRule    = inPrefix + hub.MainRule + "."
	probeIn      = probeRule + probeChannel
	probeTTL     = time.Minute // after which the last one is forgotten
	probeFresh   = time.Second // for which a result holds
	probeTime    = time.Second // within which a message must be stored, and then heard
)

func isProbe(channel string) bool { return strings.HasPrefix(channel, probePrefix) }

// prober is the state of [Engine.Probe], and the listener of the probes' channel.
type prober struct {
	turn  chan struct{} // one slot, held by who probes; the fields below are theirs
	at    time.Time     // of the last result
	err   error
	heard chan string // one slot: the newest probe that was delivered
}

func newProber() *prober {
	return &prober{turn: make(chan struct{}, 1), heard: make(chan string, 1)}
}

// Deliver implements [hub.Listener].
func (p *prober) Deliver(m *hub.Message) {
	for {
		select {
		case p.heard <- string(m.Data):
			return
		default:
		}
		select {
		case <-p.heard:
		default:
		}
	}
}

// Lost implements [hub.Listener]. A probe that is missing is the result.
func (p *prober) Lost() {}

// Probe implements [hub.Prober]: it stores a message and hears it come back, each
// within a second. The error is a [hub.Error] that says which of the two failed. All callers within
// a second share a result, and wait for it no longer than their ctx.
func (e *Engine) Probe(ctx context.Context) error {
	p := e.prober
	select {
	case p.turn <- struct{}{}:
	case <-ctx.Done():
		return unavailable("wait for a probe", ctx.Err())
	}
	defer func() { <-p.turn }()
	if err := e.guard.failure(); err != nil {
		return err
	}
	if time.Since(p.at) >= probeFresh {
		p.err = e.probe()
		p.at = time.Now()
	}
	return p.err
}

func (e *Engine) probe() error {
	ctx, cancel := e.until(probeTime)
	defer cancel()
	sent := strconv.Quote(rand.Text())
	if _, err := e.storeProbe(ctx, sent); err != nil {
		e.guard.suspect()
		if err := e.guard.failure(); err != nil {
			return err
		}
		return &hub.Error{Code: hub.CodeUnavailable, Message: fmt.Sprintf("a message was not stored within %v", probeTime), Err: err}
	}
	ctx, cancel = e.until(probeTime)
	defer cancel()
	for {
		select {
		case heard := <-e.prober.heard:
			if heard == sent {
				return nil
			}
		case <-ctx.Done():
			return &hub.Error{Code: hub.CodeUnavailable, Message: fmt.Sprintf("a message was stored, but did not come back within %v", probeTime), Err: ctx.Err()}
		}
	}
}

// storeProbe stores a message in the place of the last probe. It tries although the
// store has failed.
func (e *Engine) storeProbe(ctx context.Context, text string) (*jetstream.PubAck, error) {
	ack, err := e.js.PublishMsg(ctx, &nats.Msg{Subject: probeIn, Data: []byte(text), Header: nats.Header{
		jetstream.MsgRollup:    {jetstream.MsgRollupSubject},
		jetstream.MsgTTLHeader: {probeTTL.String()},
	}})
	if err != nil {
		return nil, err
	}
	e.ledger.raise(ack.Sequence)
	e.ledger.probed(ack.Sequence)
	return ack, nil
}
