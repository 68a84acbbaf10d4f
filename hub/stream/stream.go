package stream

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"fanfold/hub"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	streamName  = "fanfold-main"
	epochKey    = "fanfold-epoch" // of the stream's metadata
	callTimeout = 5 * time.Second // for the store's answer to one request

	reconnectWait = 50 * time.Millisecond // the server is in the same process
)

// Engine is a [hub.Engine] on an embedded JetStream.
type Engine struct {
	config  Config // static
	folder  *folder
	server  *server.Server
	conn    *nats.Conn // one for everything: what is asked for later is done later
	js      jetstream.JetStream
	epoch   string
	filings map[string]*filing // by the rule's name

	rules      history // these five guard themselves
	alarms     *alarms
	floors     floors
	loose      loose
	sequences  *sequences
	dirty      chan struct{}  // one slot: the janitor has something to trim
	reads      chan struct{}  // has one for each read under way
	inbox      chan *nats.Msg // never closed
	stop       chan struct{}  // closed once, by Close
	goroutines sync.WaitGroup

	mu        sync.RWMutex
	listeners map[*nats.Subscription]hub.Listener // guarded by mu
}

// Open starts the server on c.Dir and makes or updates its stream. The folder
// is locked until [Engine.Close]; [ErrInUse] if it is locked already. ctx bounds the start
// alone.
func Open(ctx context.Context, c Config) (*Engine, error) {
	c = c.withDefaults()
	if err := c.Validate(); err != nil {
		return nil, err
	}
	f, err := openFolder(c.Dir)
	if err != nil {
		return nil, err
	}
	e := &Engine{
		config: c, folder: f,
		reads: make(chan struct{}, maxReads),
		inbox: make(chan *nats.Msg, c.Inbox), stop: make(chan struct{}),
		listeners: map[*nats.Subscription]hub.Listener{},
		filings:   newFilings(c.Rules),
		alarms:    newAlarms(),
		floors:    floors{seqs: map[string]uint64{}},
		loose:     loose{marked: map[string]time.Time{}},
		sequences: newSequences(),
		dirty:     make(chan struct{}, 1),
	}
	if err := e.start(ctx); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

func (e *Engine) start(ctx context.Context) error {
	if err := checkWritable(e.folder.path); err != nil {
		return err
	}
	var err error
	if e.server, err = startServer(ctx, filepath.Join(e.folder.path, "store"), e.config); err != nil {
		return err
	}
	if e.conn, err = e.connect(); err != nil {
		return err
	}
	if e.js, err = jetstream.New(e.conn); err != nil {
		return err
	}
	if err := e.openStream(ctx); err != nil {
		return err
	}
	e.goroutines.Go(e.receive)
	e.goroutines.Go(e.publishDue)
	e.goroutines.Go(e.trim)
	return nil
}

// checkWritable makes and removes a file, since a lock file may be older than
// the folder's present mode.
func checkWritable(dir string) error {
	probe, err := os.CreateTemp(dir, "probe-")
	if err != nil {
		return fmt.Errorf("the data folder can't be written to: %w", err)
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}

func (e *Engine) connect() (*nats.Conn, error) {
	conn, err := nats.Connect("", nats.InProcessServer(e.server), nats.Timeout(callTimeout),
		nats.ErrorHandler(e.failed), nats.ReconnectHandler(e.reconnected), nats.MaxReconnects(-1), nats.ReconnectWait(reconnectWait))
	if err != nil {
		return nil, fmt.Errorf("connect to the store: %w", err)
	}
	return conn, nil
}

// openStream makes the streams, or brings an older one's limits up to date and
// takes over its epoch.
func (e *Engine) openStream(ctx context.Context) error {
	epoch := hub.NewEpoch(time.Now())
	var found *jetstream.StreamInfo
	old, err := e.js.Stream(ctx, streamName)
	switch {
	case err == nil:
		found = old.CachedInfo()
		if kept := found.Config.Metadata[epochKey]; kept != "" {
			epoch = kept
		}
	case !errors.Is(err, jetstream.ErrStreamNotFound):
		return fmt.Errorf("look up the stream: %w", err)
	}
	if _, err := e.js.CreateOrUpdateStream(ctx, e.marksConfig()); err != nil {
		return fmt.Errorf("open the stream of marks: %w", err)
	}
	if err := e.openHistory(ctx, found); err != nil {
		return err
	}
	if _, err := e.js.CreateOrUpdateStream(ctx, e.streamConfig(epoch)); err != nil {
		return fmt.Errorf("open the stream: %w", err)
	}
	if _, err := e.js.CreateOrUpdateStream(ctx, e.scheduleConfig()); err != nil {
		return fmt.Errorf("open the stream of what is scheduled: %w", err)
	}
	e.epoch = epoch
	return nil
}

func (e *Engine) streamConfig(epoch string) jetstream.StreamConfig {
	most := largest(e.config.Rules)
	return jetstream.StreamConfig{
		Name:              streamName,
		Subjects:          []string{inPrefix + ">"},
		Storage:           e.storage(),
		MaxMsgsPerSubject: int64(most.Messages),
		MaxAge:            most.Age,
		MaxBytes:          e.maxBytes(),
		Duplicates:        e.config.IdempotencyWindow,
		AllowMsgTTL:       true,
		RePublish:         &jetstream.RePublish{Source: inPrefix + "*.>", Destination: outPrefix + ">"},
		AllowDirect:       true,
		AllowRollup:       true,
		Metadata:          map[string]string{epochKey: epoch},
	}
}

func (e *Engine) storage() jetstream.StorageType {
	if e.folder.temporary {
		return jetstream.MemoryStorage
	}
	return jetstream.FileStorage
}

// maxBytes is the stream's bound, in which 0 would be none.
func (e *Engine) maxBytes() int64 {
	if e.config.MaxBytes == 0 {
		return -1
	}
	return e.config.MaxBytes
}

// Probe returns nil if the stream answers.
func (e *Engine) Probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if _, err := e.js.Stream(ctx, streamName); err != nil {
		return unavailable("ask the store", err)
	}
	return nil
}

// Close stops delivery and the server, and unlocks the folder. It waits for all
// that Open started. It is called once, after the last Publish and Read.
func (e *Engine) Close() error {
	close(e.stop)
	e.goroutines.Wait()
	if e.conn != nil {
		e.conn.Close()
	}
	if e.server != nil {
		e.server.Shutdown()
		e.server.WaitForShutdown()
	}
	return e.folder.close()
}

// unavailable is an error for the client that says no more than that the store
// did not do it, and one for the log.
func unavailable(doing string, err error) error {
	return &hub.Error{Code: hub.CodeUnavailable, Message: "the store can't serve now: try again in a moment", Err: fmt.Errorf("%s: %w", doing, err)}
}
