package device

import (
	"context"
	"encoding/json"
	"time"

	"fanfold/api/dialect"
	"fanfold/hub"
)

// sessionKind is the kind of the engine's records that are sessions.
const sessionKind = "mqtt-sessions"

// record is a session as it is written down.
type record struct {
	ID      string    `json:"id"`
	Node    string    `json:"node"` // the process that wrote it
	Expires time.Time `json:"expires"`
	Gone    bool      `json:"gone,omitempty"` // the session has ended

	Filters  []filterRecord   `json:"filters,omitempty"`
	Received []receivedRecord `json:"received,omitempty"`
}

type filterRecord struct {
	Filter            string `json:"filter"`
	QoS               byte   `json:"qos,omitempty"`
	NoLocal           bool   `json:"no_local,omitempty"`
	RetainAsPublished bool   `json:"retain,omitempty"`
	ID                int    `json:"id,omitempty"`
	Position          string `json:"at"`
}

type receivedRecord struct {
	ID     uint16 `json:"id"`
	Key    string `json:"key"`
	Stored bool   `json:"stored,omitempty"`
}

// write writes the state down. The caller holds saving.
func (e *entry) write(ctx context.Context, state *dialect.MQTTState, keep time.Duration) error {
	s := e.sessions
	now := s.config.Now()
	r := record{ID: e.id, Node: s.node, Expires: now.Add(keep)}
	for _, f := range state.Filters {
		r.Filters = append(r.Filters, filterRecord{f.Filter, f.QoS, f.NoLocal, f.RetainAsPublished, f.ID, f.Position.String()})
	}
	for _, m := range state.Received {
		r.Received = append(r.Received, receivedRecord{m.ID, m.Key, m.Stored})
	}
	if err := s.record(ctx, r, keep); err != nil {
		return err
	}
	e.setWritten(now)
	return nil
}

// forget writes down that the session has ended.
func (e *entry) forget(ctx context.Context) error {
	r := record{ID: e.id, Node: e.sessions.node, Gone: true}
	if err := e.sessions.record(ctx, r, forgetWithin); err != nil {
		return err
	}
	e.setWritten(time.Time{})
	return nil
}

// forgetWithin is how long others may hear of the end of something.
const forgetWithin = time.Minute

func (e *entry) setWritten(at time.Time) {
	e.sessions.mu.Lock()
	e.written = at
	e.sessions.mu.Unlock()
}

func (s *Sessions) record(ctx context.Context, r record, ttl time.Duration) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return s.config.Hub.Record(ctx, sessionKind, r.ID, text, max(ttl.Round(time.Second), time.Second))
}

// hear takes over a session that another process has written down.
func (s *Sessions) hear(text []byte) {
	var r record
	if err := json.Unmarshal(text, &r); err != nil {
		s.config.Logger.Error("a device's session can't be read", "error", err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[r.ID]
	switch {
	case r.Node == s.node || e != nil && e.client != nil:
		return
	case r.Gone || !s.config.Now().Before(r.Expires):
		if e != nil {
			e.expiry = 0
			s.count(e)
			delete(s.entries, r.ID)
		}
		return
	case e == nil:
		e = &entry{sessions: s, id: r.ID}
		s.entries[r.ID] = e
	}
	e.state, e.expires, e.written = r.state(), r.Expires, s.config.Now()
	e.expiry = r.Expires.Sub(e.written)
	s.count(e)
}

func (r *record) state() *dialect.MQTTState {
	state := &dialect.MQTTState{}
	for _, f := range r.Filters {
		at, _ := hub.ParsePosition(f.Position)
		state.Filters = append(state.Filters, dialect.MQTTFilter{
			Filter: f.Filter, QoS: f.QoS, NoLocal: f.NoLocal, RetainAsPublished: f.RetainAsPublished, ID: f.ID, Position: at,
		})
	}
	for _, m := range r.Received {
		state.Received = append(state.Received, dialect.MQTTReceived{ID: m.ID, Key: m.Key, Stored: m.Stored})
	}
	return state
}
