package gallery

import (
	"bytes"
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"fanfold/hub"
	"fanfold/hub/client"
)

// documents keeps the logs of shared documents short: when one has grown, it
// publishes what the log leads to in place of it. Pages then read that and what followed. Only
// if nothing came meanwhile is the log replaced, so nothing is lost; several hubs may do it at
// the same time.
type documents struct {
	client *client.Client // static
	logger *slog.Logger
	due    chan string // channels whose logs are to be looked at; never closed

	mu   sync.Mutex
	logs map[string]*documentLog // guarded by mu; of maxDocuments channels at most
	turn uint64                  // guarded by mu
}

// documentLog is what was heard of a channel's log. The mutex of [documents] guards
// it.
type documentLog struct {
	tally
	used    uint64 // the turn of its last message
	looking bool   // somebody looks at it, or is about to
}

// tally is what a log holds since its snapshot. The zero tally: that is not known.
type tally struct {
	operations, bytes int
	since             time.Time // of the snapshot, or the first operation
}

// A log is replaced when it has grown beyond these. The age sees to it that the
// snapshot of a document that is in use does not become too old to be kept.
const (
	maxLogOperations = 200
	maxLogBytes      = 256 << 10
	maxLogAge        = 24 * time.Hour
)

const (
	documentChannels = "gallery.document.>"
	maxDocuments     = 1000 // watched at a time; another one is looked at when it changes again
	maxDue           = 100  // waiting to be looked at; another one is due again with its next message
	compacters       = 2
	maxAttempts      = 60 // to replace a log that others write to; its next message makes it due again
	longestPause     = time.Second
	followAgain      = time.Second
)

// snapshotStart begins the messages of [document.snapshot].
var snapshotStart = []byte(`{"snapshot":`)

// documentRule keeps a document for 30 days after it was last changed.
func documentRule() hub.Rule {
	return hub.Rule{Name: "gallery-documents", Channels: documentChannels, Messages: 50_000, Age: 30 * 24 * time.Hour, Bytes: 64 << 20}
}

func newDocuments(c Config) *documents {
	return &documents{client: c.Client, logger: c.Logger, due: make(chan string, maxDue), logs: map[string]*documentLog{}}
}

func (d *documents) methods() map[string]Method { return nil }

func (d *documents) run(ctx context.Context) {
	var running sync.WaitGroup
	for range compacters {
		running.Go(func() { d.compactAll(ctx) })
	}
	for ctx.Err() == nil {
		err := d.client.Follow(ctx, client.FollowOptions{Keys: []string{documentChannels}}, d.hear)
		if ctx.Err() == nil {
			d.logger.Warn("documents of the gallery are not watched for a moment", "error", err)
			d.forget()
			pause(ctx, followAgain)
		}
	}
	running.Wait()
}

// hear takes note of a message. It does not block.
func (d *documents) hear(e hub.Event) error {
	m := e.Message
	if m == nil || m.Position.IsZero() {
		return nil // not stored, and so not part of the document
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	log := d.log(m.Channel)
	if m.Publisher == nil && bytes.HasPrefix(m.Data, snapshotStart) {
		log.tally = tally{since: m.Time}
		return nil
	}
	log.operations++
	log.bytes += len(m.Data)
	if log.looking || !log.due(m.Time) {
		return nil
	}
	select {
	case d.due <- m.Channel:
		log.looking = true
	default:
	}
	return nil
}

// due reports whether a log should be looked at.
func (t tally) due(now time.Time) bool {
	return t.operations >= maxLogOperations || t.bytes >= maxLogBytes || now.Sub(t.since) >= maxLogAge
}

// log returns the log of a channel, in place of the one that was silent longest if
// there are too many. d.mu is held.
func (d *documents) log(channel string) *documentLog {
	log := d.logs[channel]
	if log == nil {
		log = &documentLog{}
		d.logs[channel] = log
	}
	d.turn++
	log.used = d.turn
	if len(d.logs) > maxDocuments {
		delete(d.logs, d.silentLongest())
	}
	return log
}

func (d *documents) silentLongest() (channel string) {
	oldest := d.turn
	for name, log := range d.logs {
		if log.used < oldest {
			channel, oldest = name, log.used
		}
	}
	return channel
}

// forget: each log is looked at when it changes again.
func (d *documents) forget() {
	d.mu.Lock()
	defer d.mu.Unlock()
	clear(d.logs)
}

// compactAll looks at the logs that are due, until ctx ends.
func (d *documents) compactAll(ctx context.Context) {
	for {
		select {
		case channel := <-d.due:
			left, err := d.compact(ctx, channel)
			if err != nil && ctx.Err() == nil {
				d.logger.Warn("the log of a document could not be made shorter", "channel", channel, "error", err)
			}
			d.looked(channel, left)
		case <-ctx.Done():
			return
		}
	}
}

func (d *documents) looked(channel string, left tally) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if log := d.logs[channel]; log != nil {
		log.looking, log.tally = false, left
	}
}

// compact replaces a channel's log by a snapshot if it is due, and returns what
// the log holds then.
func (d *documents) compact(ctx context.Context, channel string) (tally, error) {
	log := newLogReader()
	var err error
	for attempt := range maxAttempts {
		pause(ctx, pauseBefore(attempt))
		err = log.read(ctx, d.client, channel)
		if err == nil {
			if !log.due(time.Now()) {
				return log.tally, nil
			}
			err = log.replace(ctx, d.client, channel)
		}
		switch {
		case err == nil:
			return tally{since: time.Now()}, nil
		case hub.ErrorOf(err).Code == hub.CodeUnrecoverable:
			log = newLogReader() // another hub has replaced it
		case hub.ErrorOf(err).Code != hub.CodeConflict:
			return tally{since: time.Now()}, err // nothing to do before as much has come again
		}
	}
	return log.tally, err
}

// pauseBefore is random, and longer on average the more attempts there were before:
// there are gaps between others' messages, and calm times after busy ones.
func pauseBefore(attempt int) time.Duration {
	return rand.N(min(longestPause, time.Duration(attempt*attempt)*time.Millisecond) + 1)
}

// logReader folds a log as far as it has read it.
type logReader struct {
	tally
	document *document
	last     hub.Position // of what was read
}

func newLogReader() *logReader {
	return &logReader{tally: tally{since: time.Now()}, document: newDocument()}
}

// read goes on to the log's end.
func (l *logReader) read(ctx context.Context, c *client.Client, channel string) error {
	for m, err := range c.Replay(ctx, []string{channel}, hub.Query{After: l.last}) {
		if err != nil {
			return err
		}
		if l.last.IsZero() {
			l.since = m.Time
		}
		l.last = m.Position
		l.operations++
		l.bytes += len(m.Data)
		if l.document.apply(m.Data, m.Publisher == nil) {
			l.tally = tally{since: m.Time}
		}
	}
	return nil
}

// replace replaces the log unless something came behind what was read: that is a
// [hub.CodeConflict].
func (l *logReader) replace(ctx context.Context, c *client.Client, channel string) error {
	m := &hub.Message{Channel: channel, Data: l.document.snapshot()}
	_, err := c.Publish(ctx, m, hub.PublishOptions{RollUp: true, IfLast: &l.last})
	return err
}

// pause waits for a while, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
