package client

import (
	"context"
	"encoding/json"
	"fmt"

	"fanfold/hub"
)

// Client is a hub as one principal uses it. It embeds what every [hub.Actor] can
// do: Publish, History, Presence and so on. Its methods may be called from any goroutine.
type Client struct {
	*hub.Actor
}

// New returns a client that acts as a's principal.
func New(a *hub.Actor) *Client { return &Client{a} }

// Send publishes a value as JSON and returns the message, which says where it is
// stored. It blocks and fails as [hub.Actor.Publish] does.
func (c *Client) Send(ctx context.Context, channel string, value any) (*hub.Message, error) {
	data, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("write a message for %q: %w", channel, err)
	}
	m := &hub.Message{Channel: channel, Data: data}
	if _, err := c.Publish(ctx, m, hub.PublishOptions{}); err != nil {
		return nil, err
	}
	return m, nil
}
