package stream

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"fanfold/hub"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Headers of our own. Names are case-sensitive.
const (
	metaHeader    = "Fanfold-Meta"    // JSON of meta, if there is any
	idHeader      = "Fanfold-Id"      // of a live message
	timeHeader    = "Fanfold-Time"    // of a live message, RFC 3339
	removedHeader = "Fanfold-Removed" // marks the place of removed history
)

// meta is what a message carries beside its data.
type meta struct {
	Tags        map[string]string `json:"tags,omitempty"`
	Client      string            `json:"client,omitempty"`
	User        string            `json:"user,omitempty"`
	Info        json.RawMessage   `json:"info,omitempty"`
	ChannelInfo json.RawMessage   `json:"chan_info,omitempty"`
	Sequence    string            `json:"sequence,omitempty"`
	Exclude     string            `json:"exclude,omitempty"`
}

// encode makes msg, which is zero, m as it is published.
func encode(msg *nats.Msg, m *hub.Message, subject string) error {
	msg.Subject, msg.Data = subject, m.Data
	if len(m.Tags) == 0 && m.Publisher == nil && m.Sequence == "" && m.Exclude == "" {
		return nil
	}
	about := meta{Tags: m.Tags, Sequence: m.Sequence, Exclude: m.Exclude}
	if p := m.Publisher; p != nil {
		about.Client, about.User, about.Info, about.ChannelInfo = p.ID, p.User, p.Info, p.ChannelInfo
	}
	text, err := json.Marshal(about)
	if err != nil {
		return fmt.Errorf("encode what the message carries: %w", err)
	}
	msg.Header = nats.Header{metaHeader: {string(text)}}
	return nil
}

// decode returns what is in a message that was republished, read or published
// live. removed: it is no message, but stands for removed history.
func (e *Engine) decode(msg *nats.Msg) (m *hub.Message, removed bool, err error) {
	h := msg.Header
	m = &hub.Message{Data: msg.Data}
	if id := h.Get(idHeader); id != "" {
		m.ID, m.Channel = id, channelOf(msg.Subject)
		m.Time, err = time.Parse(time.RFC3339Nano, h.Get(timeHeader))
	} else {
		_, m.Channel = splitSubject(h.Get(jetstream.SubjectHeader))
		m.Position.Epoch = e.epoch()
		if m.Position.Seq, err = strconv.ParseUint(h.Get(jetstream.SequenceHeader), 10, 64); err == nil {
			m.Time, err = time.Parse(time.RFC3339Nano, h.Get(jetstream.TimeStampHeaer))
			m.Prev, _ = strconv.ParseUint(h.Get(jetstream.LastSequenceHeader), 10, 64) // absent in what is read
		}
		m.ID = e.idOf(m.Position.Seq)
	}
	if err != nil {
		return nil, false, fmt.Errorf("message on %s: %w", msg.Subject, err)
	}
	if text := h.Get(metaHeader); text != "" {
		if err := decodeMeta(m, text); err != nil {
			return nil, false, fmt.Errorf("message on %s: %w", msg.Subject, err)
		}
	}
	return m, h.Get(removedHeader) != "", nil
}

func decodeMeta(m *hub.Message, text string) error {
	var about meta
	if err := json.Unmarshal([]byte(text), &about); err != nil {
		return fmt.Errorf("read %s: %w", metaHeader, err)
	}
	m.Tags, m.Sequence, m.Exclude = about.Tags, about.Sequence, about.Exclude
	if about.Client != "" || about.User != "" {
		m.Publisher = &hub.Client{ID: about.Client, User: about.User, Info: about.Info, ChannelInfo: about.ChannelInfo}
	}
	return nil
}
