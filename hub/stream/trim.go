package stream

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Times of the janitor.
const (
	recountEvery = time.Hour // the channels' counts, for those that are gone
	shortestTick = time.Second
	longestTick  = time.Minute
)

// floors are, by rule, the first sequence numbers that trimming by bytes has left.
type floors struct {
	mu   sync.RWMutex
	seqs map[string]uint64 // guarded by mu
}

func (f *floors) get(name string) uint64 {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.seqs[name]
}

func (f *floors) set(name string, seq uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seqs[name] = max(f.seqs[name], seq)
}

func tickFor(old []aging) time.Duration {
	tick := longestTick
	for _, a := range old {
		tick = min(tick, max(a.age/100, shortestTick))
	}
	return tick
}

// trim is the janitor: the goroutine that removes what is beyond the limits of rules
// that are below the stream's own.
func (e *Engine) trim() {
	ctx, cancel := e.untilClosed()
	defer cancel()
	old := e.rules.aging(time.Now())
	tick := time.NewTicker(tickFor(old))
	defer tick.Stop()
	var counted time.Time
	for sweep := true; ; {
		var errs []error
		if time.Since(counted) > recountEvery {
			counted = time.Now()
			errs = append(errs, e.measureAll(ctx))
		}
		for _, f := range e.filings {
			if f.tally != nil {
				errs = append(errs, e.trimCounts(ctx, f), e.trimBytes(ctx, f))
			}
		}
		err := errors.Join(errs...)
		if err == nil && sweep {
			if old, sweep, err = e.trimAges(ctx, old); sweep {
				e.wakeJanitor()
			}
		}
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			counted = time.Time{}
			e.config.Logger.Warn("messages beyond their rules' limits can't be removed now: trying again", "error", err)
		}
		select {
		case <-e.dirty:
		case <-tick.C:
			sweep = true
		case <-e.stop:
			return
		}
	}
}

func (e *Engine) wakeJanitor() {
	select {
	case e.dirty <- struct{}{}:
	default:
	}
}

// filed counts a message that was stored, and wakes the janitor if need be.
func (e *Engine) filed(f *filing, channel string, seq uint64, msg *nats.Msg) {
	if f.tally == nil {
		return
	}
	var bytes int64
	if f.tally.bytes > 0 {
		bytes = sizeOf(msg, len(msg.Data))
	}
	if f.tally.add(channel, seq, bytes) {
		e.wakeJanitor()
	}
}

// measureAll counts what is in the store. What is published meanwhile may be missed: as
// many more may be kept for a while.
func (e *Engine) measureAll(ctx context.Context) error {
	for _, f := range e.filings {
		if f.tally != nil && f.tally.messages > 0 {
			counts, err := e.countChannels(ctx, f)
			if err != nil {
				return err
			}
			f.tally.setCounts(counts)
		}
		if f.tally != nil && f.tally.bytes > 0 {
			if err := e.measure(ctx, f); err != nil {
				return err
			}
		}
	}
	return nil
}

func (e *Engine) countChannels(ctx context.Context, f *filing) (map[string]int, error) {
	subjects, err := e.subjects(ctx, streamName, f.prefix+">")
	counts := make(map[string]int, len(subjects))
	for subject, n := range subjects {
		counts[strings.TrimPrefix(subject, f.prefix)] = int(n)
	}
	return counts, err
}

// trimCounts removes the oldest messages of channels that have too many.
func (e *Engine) trimCounts(ctx context.Context, f *filing) error {
	for channel := f.tally.takeOver(); channel != ""; channel = f.tally.takeOver() {
		_, err := e.purge(ctx, streamName, purgeRequest{Filter: f.prefix + channel, Keep: uint64(f.tally.messages)})
		if err != nil {
			f.tally.giveBack(channel)
			return err
		}
	}
	return nil
}

// trimBytes removes the oldest messages of a rule that takes too much room, down to
// fifteen sixteenths of its limit.
func (e *Engine) trimBytes(ctx context.Context, f *filing) error {
	t := f.tally
	t.mu.Lock()
	due, counted := t.bytes > 0 && t.bytesDue(), t.total.messages
	t.mu.Unlock()
	if !due {
		return nil
	}
	now, err := e.count(ctx, f.prefix+">", 1)
	if err != nil {
		return err
	}
	if gone := counted - int64(now); gone > counted/64 { // the total is too high to go by
		if err := e.measure(ctx, f); err != nil {
			return err
		}
	}
	return e.free(ctx, f, t.excess())
}

// measure finds out what a rule takes in the store.
func (e *Engine) measure(ctx context.Context, f *filing) error {
	f.tally.startMeasure()
	var found size
	upTo, err := e.lastSeq(ctx)
	if err == nil {
		err = e.scan(ctx, f.prefix+">", 1, func(m scanned) bool {
			if m.seq <= upTo {
				found.add(m.size)
			}
			return m.seq < upTo
		})
	}
	if err != nil {
		f.tally.endMeasure(nil, 0)
		return err
	}
	f.tally.endMeasure(&found, upTo)
	return nil
}

// free removes the oldest messages of a rule, about so many bytes of them.
func (e *Engine) free(ctx context.Context, f *filing, bytes int64) error {
	for bytes > 0 {
		var seqs []uint64
		var gone size
		err := e.scan(ctx, f.prefix+">", 1, func(m scanned) bool {
			seqs = append(seqs, m.seq)
			gone.add(m.size)
			return gone.bytes < bytes && len(seqs) < 4*scanPage
		})
		if err != nil || len(seqs) == 0 {
			return err
		}
		floor := seqs[len(seqs)-1] + 1
		if err := e.setMark(ctx, floorPrefix+f.rule.Name, floor); err != nil {
			return err
		}
		e.floors.set(f.rule.Name, floor) // before a reader can miss one of them
		if err := e.removeAll(ctx, seqs); err != nil {
			return err
		}
		f.tally.freed(gone)
		bytes -= gone.bytes
	}
	return nil
}

// removeAll deletes messages one by one: a purge of a part of the stream holds up all
// publishers while it reads the rest of it, 250 ms for 600 MB. This takes 27 µs each.
func (e *Engine) removeAll(ctx context.Context, seqs []uint64) error {
	for _, seq := range seqs {
		if err := e.remove(ctx, streamName, seq); err != nil {
			return err
		}
	}
	return nil
}

// trimAges removes what is older than its rule says now. It returns the names that may
// have more later, and whether there is more now.
func (e *Engine) trimAges(ctx context.Context, old []aging) (left []aging, more bool, err error) {
	for i, a := range old {
		now := time.Now()
		rest, err := e.sweep(ctx, &a, now.Add(-a.age))
		if err != nil {
			return append(left, old[i:]...), false, err
		}
		if rest || a.until.IsZero() || now.Before(a.until) {
			left = append(left, a)
		}
		more = more || rest
	}
	return left, more, nil
}

// maxSwept is how many messages are removed before the janitor looks after other
// things.
const maxSwept = 64 * scanPage

// sweep removes what is filed under a name from before since. more: there is more of it. It
// asks for no subject with a wildcard, since for many channels the store would first look through its
// files.
func (e *Engine) sweep(ctx context.Context, a *aging, since time.Time) (more bool, err error) {
	last, err := e.lastSeq(ctx)
	if err != nil {
		return false, err
	}
	oldest, err := e.one(ctx, getRequest{Next: ">", Seq: 1})
	if err != nil || oldest == nil {
		return false, err
	}
	end, err := e.firstSince(ctx, since, last)
	if err != nil {
		return false, err
	}
	if a.epoch != e.epoch() {
		a.from, a.epoch = 0, e.epoch()
	}
	next := max(a.from, sequenceOf(oldest))
	if next >= end {
		return false, nil
	}
	alone := next == sequenceOf(oldest)
	var seqs []uint64
	err = e.scan(ctx, "", next, func(m scanned) bool {
		if m.seq >= end {
			return false
		}
		if name, _ := splitSubject(m.subject); name == a.name {
			seqs = append(seqs, m.seq)
		} else {
			alone = false
		}
		next = m.seq + 1
		return len(seqs) < maxSwept
	})
	switch {
	case err != nil:
		return false, err
	case alone && len(seqs) > 0: // which takes no longer for many: the store forgets whole files
		_, err = e.purge(ctx, streamName, purgeRequest{Seq: next})
	default:
		err = e.removeAll(ctx, seqs)
	}
	if err == nil {
		a.from = next
	}
	return len(seqs) == maxSwept, err
}

// scanPage is how many messages a scan asks for at a time.
const scanPage = 1000

// scanned is what a scan tells of a message.
type scanned struct {
	seq     uint64
	subject string
	size    int64 // in bytes, as sizeOf counts
	at      time.Time
}

// scan calls each with the messages of a subject, "" for any, from a sequence number on,
// oldest first, until it returns false.
func (e *Engine) scan(ctx context.Context, subject string, from uint64, each func(scanned) bool) error {
	config := jetstream.ConsumerConfig{
		FilterSubject: subject, AckPolicy: jetstream.AckNonePolicy, HeadersOnly: true,
		MemoryStorage: true, InactiveThreshold: time.Minute,
	}
	if from > 1 {
		config.DeliverPolicy, config.OptStartSeq = jetstream.DeliverByStartSequencePolicy, from
	}
	consumer, err := e.js.CreateConsumer(ctx, streamName, config)
	if err != nil {
		return unavailable("look through the store", err)
	}
	defer e.js.DeleteConsumer(context.WithoutCancel(ctx), streamName, consumer.CachedInfo().Name) // else it goes by itself
	for ctx.Err() == nil {
		batch, err := consumer.FetchNoWait(scanPage)
		if err != nil {
			return unavailable("look through the store", err)
		}
		n := 0
		for msg := range batch.Messages() {
			n++
			if m, err := msg.Metadata(); err != nil || !each(scanned{m.Sequence.Stream, msg.Subject(), sizeOfHeaders(msg), m.Timestamp}) {
				return err
			}
		}
		if batch.Error() != nil || n == 0 {
			return batch.Error()
		}
	}
	return ctx.Err()
}

// sizeOfHeaders is [sizeOf] for a message that came without its data.
func sizeOfHeaders(msg jetstream.Msg) int64 {
	header, size := nats.Header{}, 0
	for name, values := range msg.Headers() {
		if name == nats.MsgSize {
			size, _ = strconv.Atoi(values[0])
			continue
		}
		header[name] = values
	}
	return sizeOf(&nats.Msg{Subject: msg.Subject(), Header: header}, size)
}
