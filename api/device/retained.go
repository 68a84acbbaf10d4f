package device

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"fanfold/api/dialect"
	"fanfold/hub"
)

// retainedKind is the kind of the engine's records that are retained messages.
const retainedKind = "mqtt-retained"

// Bounds of the retained messages.
const (
	maxRetained      = 10_000
	maxRetainedBytes = 16 << 20 // of their records
)

// Retained keeps the newest retained message of each channel. Its methods may be called
// from any goroutine.
type Retained struct {
	hub    *hub.Actor // static
	node   string     // tells this process's records from those of others
	logger *slog.Logger
	stop   func()

	// underway is held for reading while a message is published and taken in, so that who
	// looks afterwards sees it.
	underway sync.RWMutex

	mu    sync.Mutex
	all   map[string]*kept // guarded by mu; by channel
	bytes int              // guarded by mu; of all
}

var _ dialect.MQTTRetained = (*Retained)(nil)

// kept is a retained message, or the mark that there is none any more.
type kept struct {
	message *hub.Message // nil: none
	newest  hub.Position
	bytes   int
	writing sync.Mutex // held while the record is written, so that the newest is the last
}

// OpenRetained takes over the messages that are kept. actor may keep records.
func OpenRetained(ctx context.Context, h *hub.Hub, actor *hub.Actor, logger *slog.Logger) (*Retained, error) {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	r := &Retained{hub: actor, node: hub.LiveID(), logger: logger, all: map[string]*kept{}}
	stop, err := h.Records(ctx, retainedKind, r.hear)
	r.stop = sync.OnceFunc(func() { stop() })
	if err != nil {
		return nil, err
	}
	return r, nil
}

// Close ends the hearing of other hubs.
func (r *Retained) Close() { r.stop() }

// retainedRecord is a retained message as it is written down.
type retainedRecord struct {
	Node      string            `json:"node"` // the process that wrote it
	Channel   string            `json:"channel"`
	ID        string            `json:"id"`
	Epoch     string            `json:"epoch,omitempty"`
	Seq       uint64            `json:"seq,omitempty"`
	Time      time.Time         `json:"time"`
	Data      string            `json:"data,omitempty"` // "": the channel has no retained message
	Tags      map[string]string `json:"tags,omitempty"`
	Publisher string            `json:"publisher,omitempty"`
}

// Publish implements [dialect.MQTTRetained].
func (r *Retained) Publish(ctx context.Context, m *hub.Message, clear bool, publish func() error) error {
	r.underway.RLock()
	defer r.underway.RUnlock()
	k, err := r.reserve(m, clear)
	if err != nil {
		return err
	}
	if err := publish(); err != nil {
		r.release(m.Channel, k)
		return err
	}
	if k == nil { // nothing was there to clear
		return nil
	}
	k.writing.Lock()
	defer k.writing.Unlock()
	if !r.set(k, m, clear) {
		return nil // a newer one has come meanwhile
	}
	return r.write(ctx, m, clear)
}

// reserve finds room for a message. k is nil if there is nothing to clear.
func (r *Retained) reserve(m *hub.Message, clear bool) (k *kept, err error) {
	size := sizeOf(m)
	r.mu.Lock()
	defer r.mu.Unlock()
	if k = r.all[m.Channel]; k != nil {
		size -= k.bytes
	}
	switch {
	case clear:
		return k, nil
	case k == nil && len(r.all) >= maxRetained:
		return nil, hub.Errorf(hub.CodeFull, "%d messages are retained, and there is no room for more: clear some by an empty payload", maxRetained)
	case r.bytes+size > maxRetainedBytes:
		return nil, hub.Errorf(hub.CodeFull, "the retained messages take %d bytes, and there is no room for more: clear some by an empty payload", r.bytes)
	case k == nil:
		k = &kept{}
		r.all[m.Channel] = k
	}
	return k, nil
}

// release forgets what reserve has made, if it was for nothing.
func (r *Retained) release(channel string, k *kept) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if k != nil && k.message == nil && r.all[channel] == k {
		delete(r.all, channel)
	}
}

func sizeOf(m *hub.Message) int {
	n := len(m.Channel) + len(m.Data) + 200
	for key, value := range m.Tags {
		n += len(key) + len(value)
	}
	return n
}

// set puts a message in the place of an older one. It is false if that is newer.
func (r *Retained) set(k *kept, m *hub.Message, clear bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m.Position.Epoch == k.newest.Epoch && m.Position.Seq < k.newest.Seq {
		return false
	}
	r.bytes -= k.bytes
	k.newest, k.bytes, k.message = m.Position, 0, nil
	if clear {
		delete(r.all, m.Channel)
		return true
	}
	k.message, k.bytes = m, sizeOf(m)
	r.all[m.Channel] = k
	r.bytes += k.bytes
	return true
}

// write writes a message down, or that there is none any more.
func (r *Retained) write(ctx context.Context, m *hub.Message, clear bool) error {
	record := retainedRecord{Node: r.node, Channel: m.Channel, ID: m.ID, Epoch: m.Position.Epoch, Seq: m.Position.Seq, Time: m.Time, Data: string(m.Data), Tags: m.Tags}
	if m.Publisher != nil {
		record.Publisher = m.Publisher.ID
	}
	var ttl time.Duration
	if clear {
		record.Data, record.Tags, ttl = "", nil, forgetWithin
	}
	text, err := json.Marshal(record)
	if err != nil {
		return fmt.Errorf("encode a retained message: %w", err)
	}
	return r.hub.Record(ctx, retainedKind, recordID(m.Channel), text, ttl)
}

// hear takes over a message that another process has written down.
func (r *Retained) hear(text []byte) {
	var record retainedRecord
	if err := json.Unmarshal(text, &record); err != nil || hub.CheckChannel(record.Channel) != nil {
		r.logger.Error("a retained message can't be read", "error", err)
		return
	}
	if record.Node == r.node {
		return
	}
	m := &hub.Message{
		ID: record.ID, Channel: record.Channel, Position: hub.Position{Epoch: record.Epoch, Seq: record.Seq},
		Time: record.Time, Data: []byte(record.Data), Tags: record.Tags,
	}
	if record.Publisher != "" {
		m.Publisher = &hub.Client{ID: record.Publisher}
	}
	r.mu.Lock()
	k := r.all[m.Channel]
	r.mu.Unlock()
	if k == nil {
		k = &kept{}
	}
	r.set(k, m, len(record.Data) == 0)
}

// Match implements [dialect.MQTTRetained], in the order of the channels' names.
func (r *Retained) Match(keys []string) (found []*hub.Message) {
	r.underway.Lock() // waits for those who publish, and for their stores
	defer r.underway.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, key := range keys {
		if !hub.IsPattern(key) {
			if k := r.all[key]; k != nil && k.message != nil {
				found = append(found, k.message)
			}
			continue
		}
		for channel, k := range r.all {
			if k.message != nil && hub.Match(key, channel) {
				found = append(found, k.message)
			}
		}
	}
	slices.SortFunc(found, func(a, b *hub.Message) int { return strings.Compare(a.Channel, b.Channel) })
	return found
}

// Count is how many messages are retained.
func (r *Retained) Count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.all)
}
