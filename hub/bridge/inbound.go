package bridge

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"fanfold/hub"
	"fanfold/hub/foreign"
)

// Bounds on what comes with a message beside its payload. What has more is refused.
const (
	maxProperties     = 64
	maxPropertiesSize = 8 << 10
)

// delivery is a message that the broker has sent and that waits to be acknowledged.
type delivery struct {
	name    string // topic or routing key, for the log
	channel string
	payload []byte
	about   about
	// key names the message for good, so that it is stored once however often it comes;
	// "": nothing does.
	key string
	// refused is why it can't be taken, if that is known already.
	refused error
	// accept acknowledges the message, and refuse gives it back for good. Both fail with the
	// link.
	accept, refuse func() error
}

// take publishes what the broker has sent and then acknowledges it. While the store
// takes nothing it tries again and again, until ctx ends; then the broker keeps the message.
// work is for what has begun.
func (b *Bridge) take(ctx, work context.Context, d *delivery) error {
	if b.isOwn(d) {
		return d.accept()
	}
	err := d.refused
	if err == nil {
		err = b.publish(ctx, work, d)
	}
	switch {
	case err == nil:
		b.status.count(inward, arrivals)
		return d.accept()
	case !isFinal(err):
		return err
	}
	b.status.well(arrivals)
	b.status.refuse(inward, d.name, err)
	return d.refuse()
}

// isOwn reports whether the hub itself has sent the message to a broker.
func (b *Bridge) isOwn(d *delivery) bool {
	for _, p := range d.about.user {
		if p[0] == hubTag && b.passed(p[1]) {
			return true
		}
	}
	return false
}

// publish returns an error that no retry can change, see isFinal, or a context's.
func (b *Bridge) publish(ctx, work context.Context, d *delivery) error {
	m, err := b.message(d)
	if err != nil {
		return err
	}
	o := hub.PublishOptions{}
	if b.actor.Stores(m.Channel) {
		if o.IdempotencyKey = d.key; d.key == "" { // for what may have been stored when it failed
			o.IdempotencyKey = "bridge-" + rand.Text()
		}
		if d.about.expires != 0 {
			o.TTL = max(time.Second, time.Until(time.Unix(d.about.expires, 0)))
		}
	}
	again := backoff{first: retryFirst, most: retryMost}
	for {
		attempt := *m
		_, err := b.actor.Publish(work, &attempt, o)
		if err == nil || isFinal(err) {
			return err
		}
		b.status.trouble(arrivals, fmt.Errorf("the hub takes nothing for %s now: %w", m.Channel, err))
		if err := again.wait(ctx); err != nil {
			return err
		}
	}
}

// isFinal reports whether the hub will never take the message.
func isFinal(err error) bool {
	switch hub.ErrorOf(err).Code {
	case hub.CodeBadRequest, hub.CodeTooLarge, hub.CodeDenied:
		return true
	}
	return false
}

// message returns what the hub makes of a delivery.
func (b *Bridge) message(d *delivery) (*hub.Message, error) {
	size := 0
	kept := make([][2]string, 0, len(d.about.user))
	for _, p := range d.about.user {
		if p[0] == bridgeTag || p[0] == idTag {
			continue
		}
		size += len(p[0]) + len(p[1])
		kept = append(kept, p)
	}
	if len(kept) > maxProperties || size > maxPropertiesSize {
		return nil, hub.Errorf(hub.CodeTooLarge, "it has %d properties of %d bytes: at most %d of %d are taken", len(kept), size, maxProperties, maxPropertiesSize)
	}
	data, verbatim := foreign.Data(d.payload)
	a := foreign.About{
		Verbatim: verbatim, IsText: d.about.isText, ContentType: d.about.contentType,
		ReplyTo: d.about.replyTo, Correlation: d.about.correlation, Expires: d.about.expires,
	}
	tags := a.Tags(kept)
	if tags == nil {
		tags = map[string]string{}
	}
	tags[bridgeTag] = b.config.Name
	return &hub.Message{Channel: d.channel, Data: data, Tags: tags}, nil
}

// keyOf returns an idempotency key for a message that several parts name together: it is
// another one if any of them differs, so that a publisher who counts from 1 again loses nothing.
func keyOf(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return "bridge-" + hex.EncodeToString(sum[:16])
}
