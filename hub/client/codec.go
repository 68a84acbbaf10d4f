package client

import (
	"bytes"
	"encoding/json"
	"time"

	"fanfold/hub"
)

// codec carries events through an outbox, which holds bytes.
type codec struct{}

// wireEvent is a [hub.Event] as it lies in an outbox.
type wireEvent struct {
	Kind         hub.Kind
	Subscription string
	Message      *wireMessage `json:",omitempty"`
	Client       *wireClient  `json:",omitempty"`
}

type wireMessage struct {
	ID, Channel, Epoch string
	Seq, Prev          uint64
	Time               time.Time
	Data               json.RawMessage
	Tags               map[string]string `json:",omitempty"`
	Publisher          *wireClient       `json:",omitempty"`
	Sequence, Exclude  string            `json:",omitempty"`
}

type wireClient struct {
	ID, User          string
	Info, ChannelInfo json.RawMessage `json:",omitempty"`
}

// Encode implements [hub.Codec]. The end of a subscription has no word here, so
// that it is the session's: see [Client.Follow].
func (codec) Encode(e hub.Event) []byte {
	w := wireEvent{Kind: e.Kind, Subscription: e.Subscription}
	switch e.Kind {
	case hub.KindMessage:
		w.Message = wireMessageOf(e.Message)
	case hub.KindJoin, hub.KindLeave:
		w.Client = wireClientOf(e.Client)
	default:
		return nil
	}
	var frame bytes.Buffer
	encoder := json.NewEncoder(&frame)
	encoder.SetEscapeHTML(false) // data is to come out as it went in
	if err := encoder.Encode(w); err != nil {
		panic("client: an event holds what is no JSON: " + err.Error()) // publishing has checked it
	}
	return frame.Bytes()
}

func wireMessageOf(m *hub.Message) *wireMessage {
	return &wireMessage{
		ID: m.ID, Channel: m.Channel, Epoch: m.Position.Epoch, Seq: m.Position.Seq, Prev: m.Prev, Time: m.Time, Data: m.Data,
		Tags: m.Tags, Publisher: wireClientOf(m.Publisher), Sequence: m.Sequence, Exclude: m.Exclude,
	}
}

func wireClientOf(c *hub.Client) *wireClient {
	if c == nil {
		return nil
	}
	return &wireClient{ID: c.ID, User: c.User, Info: c.Info, ChannelInfo: c.ChannelInfo}
}

// decode reads what Encode wrote.
func decode(frame []byte) hub.Event {
	var w wireEvent
	if err := json.Unmarshal(frame, &w); err != nil {
		panic("client: an event can't be read: " + err.Error()) // Encode has written it
	}
	return hub.Event{Kind: w.Kind, Subscription: w.Subscription, Message: w.Message.message(), Client: w.Client.client()}
}

func (m *wireMessage) message() *hub.Message {
	if m == nil {
		return nil
	}
	return &hub.Message{
		ID: m.ID, Channel: m.Channel, Position: hub.Position{Epoch: m.Epoch, Seq: m.Seq}, Prev: m.Prev, Time: m.Time, Data: m.Data,
		Tags: m.Tags, Publisher: m.Publisher.client(), Sequence: m.Sequence, Exclude: m.Exclude,
	}
}

func (c *wireClient) client() *hub.Client {
	if c == nil {
		return nil
	}
	return &hub.Client{ID: c.ID, User: c.User, Info: c.Info, ChannelInfo: c.ChannelInfo}
}
