package stream

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"fanfold/hub"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	streamName  = "fanfold-main"
	epochKey    = "fanfold-epoch" // of the stream's metadata: the epoch it was made in
	callTimeout = 5 * time.Second // for the store's answer to one request

	reconnectWait = 50 * time.Millisecond // the server is in the same process
)

// Engine is a [hub.Engine] on an embedded JetStream.
type Engine struct {
	config  Config // static
	folder  *folder
	ledger  *ledger
	guard   *guard
	prober  *prober
	link    *link
	conn    *nats.Conn // one for everything: what is asked for later is done later
	js      jetstream.JetStream
	acks    *acks
	filings map[string]*filing // by the rule's name

	server *server.Server // owned by the guard's goroutine; before and after it by Open and Close

	rules      history // these five guard themselves
	alarms     *alarms
	floors     floors
	loose      loose
	sequences  *sequences
	dirty      chan struct{} // one slot: the janitor has something to trim
	reads      chan struct{} // has one for each read under way
	coalescer  *coalescer
	inbox      chan *nats.Msg // never closed
	stop       chan struct{}  // closed once, by Close
	goroutines sync.WaitGroup

	keyed    atomic.Pointer[time.Time] // when a key was used last, as far as it is known; nil: never
	told     atomic.Uint64             // connections that listeners know of: what came in between is lost
	mu       sync.RWMutex
	hearings map[string]*hearing             // guarded by mu; by subject
	subs     map[*nats.Subscription]*hearing // guarded by mu; the same
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
		ledger: newLedger(f.kept(), f.store(), c.Sync, c.Logger), guard: newGuard(), prober: newProber(), link: &link{},
		reads: make(chan struct{}, maxReads),
		inbox: make(chan *nats.Msg, c.Inbox), stop: make(chan struct{}),
		hearings: map[string]*hearing{}, subs: map[*nats.Subscription]*hearing{},
		filings:   newFilings(c.Rules, c.sweepFrom),
		rules:     history{sweepFrom: c.sweepFrom},
		alarms:    newAlarms(),
		floors:    floors{seqs: map[string]uint64{}},
		loose:     loose{marked: map[string]time.Time{}},
		sequences: newSequences(),
		dirty:     make(chan struct{}, 1),
	}
	e.coalescer = newCoalescer(e.readWhole, e.goroutines.Go)
	if err := e.start(ctx); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

func (e *Engine) start(ctx context.Context) error {
	if err := checkWritable(e.folder.path, 0); err != nil {
		return err
	}
	found, err := e.openStore(ctx)
	if err != nil {
		return err
	}
	e.findKeys(found)
	e.link.server.Store(e.server)
	if e.conn, err = e.connect(); err != nil {
		return err
	}
	if e.js, err = jetstream.New(e.conn); err != nil {
		return err
	}
	if e.acks, err = newAcks(e.conn); err != nil {
		return err
	}
	e.goroutines.Go(e.watchAcks)
	if err := e.openHistory(ctx, found); err != nil {
		return err
	}
	e.told.Store(e.link.conns.Load())
	if _, err := e.Listen(probeChannel, e.prober); err != nil {
		return err
	}
	e.goroutines.Go(e.receive)
	e.goroutines.Go(e.publishDue)
	e.goroutines.Go(e.trim)
	e.goroutines.Go(e.watch)
	e.goroutines.Go(e.verify)
	return nil
}

func (e *Engine) connect() (*nats.Conn, error) {
	conn, err := nats.Connect("", nats.InProcessServer(e.link), nats.Timeout(callTimeout),
		nats.SkipSubjectValidation(), // channels, kinds and IDs are checked where they come in
		nats.ErrorHandler(e.failed), nats.ReconnectHandler(e.reconnected),
		nats.MaxReconnects(-1), nats.ReconnectWait(reconnectWait), nats.ReconnectBufSize(-1)) // what can't be sent fails
	if err != nil {
		return nil, fmt.Errorf("connect to the store: %w", err)
	}
	return conn, nil
}

// openStore starts a server, opens the streams on it and decides which epoch goes on,
// over a connection that nobody else uses. found is the main stream as it was, nil if it is new.
func (e *Engine) openStore(ctx context.Context) (found *jetstream.StreamInfo, err error) {
	if err := e.ledger.before(); err != nil {
		return nil, err
	}
	defer e.ledger.release()
	if e.server, err = startServer(ctx, e.folder.store(), e.config); err != nil {
		return nil, err
	}
	conn, err := nats.Connect("", nats.InProcessServer(e.server), nats.Timeout(callTimeout), nats.NoReconnect())
	if err != nil {
		return nil, fmt.Errorf("connect to the store: %w", err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return nil, err
	}
	found, info, err := e.openStreams(ctx, js)
	if err != nil {
		return nil, err
	}
	return found, e.ledger.after(info.State.FirstSeq, info.State.LastSeq, info.Config.Metadata[epochKey])
}

// openStreams makes the streams, or brings older ones' limits up to date. now is the
// main one.
func (e *Engine) openStreams(ctx context.Context, js jetstream.JetStream) (found, now *jetstream.StreamInfo, err error) {
	epoch := hub.NewEpoch(time.Now())
	old, err := js.Stream(ctx, streamName)
	switch {
	case err == nil:
		found = old.CachedInfo()
		if kept := found.Config.Metadata[epochKey]; kept != "" {
			epoch = kept
		}
	case !errors.Is(err, jetstream.ErrStreamNotFound):
		return nil, nil, fmt.Errorf("look up the stream: %w", err)
	}
	if _, err := js.CreateOrUpdateStream(ctx, e.marksConfig()); err != nil {
		return nil, nil, fmt.Errorf("open the stream of marks: %w", err)
	}
	if _, err := js.CreateOrUpdateStream(ctx, e.scheduleConfig()); err != nil {
		return nil, nil, fmt.Errorf("open the stream of what is scheduled: %w", err)
	}
	stream, err := js.CreateOrUpdateStream(ctx, e.streamConfig(epoch))
	if err != nil {
		return nil, nil, fmt.Errorf("open the stream: %w", err)
	}
	return found, stream.CachedInfo(), nil
}

// epoch is that of every position that can be recovered from.
func (e *Engine) epoch() string { return (*e.ledger.epochs.Load()).current() }

// idOf is the ID of the message with that number, which it keeps in later epochs.
func (e *Engine) idOf(seq uint64) string {
	return hub.Position{Epoch: (*e.ledger.epochs.Load()).of(seq), Seq: seq}.String()
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
		RePublish:         &jetstream.RePublish{Source: inPrefix + "*.>", Destination: outTransform},
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

// Close stops delivery and the server, notes what is stored and unlocks the folder. It
// waits for all that Open started. It is called once, after the last Publish and Read.
func (e *Engine) Close() error {
	close(e.stop)
	e.goroutines.Wait()
	e.leaveKeys()
	if e.conn != nil {
		e.conn.Close()
	}
	e.endServer()
	var err error
	if e.guard.failure() == nil { // else the record stands that says so
		err = e.ledger.close()
	}
	return errors.Join(err, e.folder.close())
}

// unavailable is an error for the client that says no more than that the store
// did not do it, and one for the log.
func unavailable(doing string, err error) error {
	return &hub.Error{Code: hub.CodeUnavailable, Message: "the store can't serve now: try again in a moment", Err: fmt.Errorf("%s: %w", doing, err)}
}
