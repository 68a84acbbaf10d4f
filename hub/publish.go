package hub

import (
	"context"
	"errors"
	"strings"
	"time"
)

// schedule has a message published later, or again and again; see [Scheduler].
// Errors are those of Publish, and [CodeNotAvailable].
func (h *Hub) schedule(ctx context.Context, s *Scheduled, server bool) (duplicate bool, err error) {
	scheduler, err := h.scheduler()
	if err != nil {
		return false, err
	}
	switch o := &s.Options; {
	case o.RollUp:
		return false, Errorf(CodeBadRequest, "a message that is published later can't take the place of all earlier ones: publish it at once, or without rollup")
	case o.IfLast != nil:
		return false, Errorf(CodeBadRequest, "a message that is published later can't depend on which is the newest now: publish it at once, or without a condition")
	}
	key := s.Options.IdempotencyKey
	s.Options.IdempotencyKey = "" // its TTL and the like must suit the rule, the key is for scheduling
	if err := h.checkPublish(s.Message, &s.Options, server); err != nil {
		return false, err
	}
	s.Options.IdempotencyKey = key
	if err := checkKey("idempotency key", key); err != nil {
		return false, err
	}
	return scheduler.Schedule(ctx, s)
}

// scheduled returns what waits for its time; see [Scheduler].
func (h *Hub) scheduled(ctx context.Context, pattern, after string, limit int) (list []Scheduled, more bool, err error) {
	if err := CheckPattern(pattern); err != nil {
		return nil, false, err
	}
	scheduler, err := h.scheduler()
	if err != nil {
		return nil, false, err
	}
	return scheduler.Scheduled(ctx, pattern, after, limit)
}

// cancelScheduled forgets what is scheduled under an ID. It is false if that is
// not there any more.
func (h *Hub) cancelScheduled(ctx context.Context, id string) (bool, error) {
	scheduler, err := h.scheduler()
	if err != nil {
		return false, err
	}
	return scheduler.Cancel(ctx, id)
}

// supersede forgets what is scheduled; see [Actor.Supersede].
func (h *Hub) supersede(ctx context.Context, channel, id, kept string) (forgotten []Scheduled, err error) {
	scheduler, err := h.scheduler()
	if err != nil {
		return nil, nil // then nothing can be scheduled
	}
	for after, more := "", true; more; {
		var list []Scheduled
		if list, more, err = scheduler.Scheduled(ctx, channel, after, schedulePage); err != nil {
			return forgotten, err
		}
		for i := range list {
			s := &list[i]
			if after = s.ID; s.ID == kept || s.ID != id && s.Message.Sequence != id {
				continue
			}
			was, err := scheduler.Cancel(ctx, s.ID)
			if err != nil {
				return forgotten, err
			}
			if was {
				forgotten = append(forgotten, *s)
			}
		}
		more = more && len(list) > 0
	}
	return forgotten, nil
}

// schedulePage is how many scheduled messages are looked at at a time.
const schedulePage = 256

func (h *Hub) scheduler() (Scheduler, error) {
	if s, ok := h.config.Engine.(Scheduler); ok {
		return s, nil
	}
	return nil, Errorf(CodeNotAvailable, "this hub's store can't schedule messages")
}

// checkPublish refuses what may not be published, and brings o in line with the
// channel's rule. server: it is a server that publishes.
func (h *Hub) checkPublish(m *Message, o *PublishOptions, server bool) error {
	if err := CheckChannel(m.Channel); err != nil {
		return err
	}
	if len(m.Data) > h.config.MaxMessageBytes {
		return Errorf(CodeTooLarge, "the message is %d bytes long: at most %d are allowed", len(m.Data), h.config.MaxMessageBytes)
	}
	rule := h.config.Rules.For(m.Channel)
	switch {
	case rule.Publishers == PublishersNobody:
		return Errorf(CodeDenied, "nobody may publish to %q", m.Channel)
	case rule.Publishers == PublishersServer && !server:
		return Errorf(CodeDenied, "clients may not publish to %q: a server may, over HTTP", m.Channel)
	}
	o.Live = o.Live || rule.Live
	if err := errors.Join(checkKey("idempotency key", o.IdempotencyKey), checkKey("sequence ID", m.Sequence)); err != nil {
		return err
	}
	return checkOptions(m, o)
}

// checkOptions refuses options that don't go together.
func checkOptions(m *Message, o *PublishOptions) error {
	switch {
	case o.Live && o.IdempotencyKey != "":
		return Errorf(CodeBadRequest, "a message that is not stored can't have an idempotency key: leave it out, or let the message be stored")
	case o.Live && o.TTL != 0:
		return Errorf(CodeBadRequest, "a message that is not stored can't have a TTL: leave it out, or let the message be stored")
	case o.Live && o.RollUp:
		return Errorf(CodeBadRequest, "a message that is not stored can't take the place of stored ones: leave out rollup, or let the message be stored")
	case o.Live && o.IfLast != nil:
		return Errorf(CodeBadRequest, "a message that is not stored can't depend on which is the newest one: leave out the condition, or let the message be stored")
	case o.RollUp && o.TTL != 0:
		return Errorf(CodeBadRequest, "a message that takes the place of all earlier ones can't have a TTL, which would leave what follows without it: leave out one of the two")
	case o.RollUp && m.Sequence != "":
		return Errorf(CodeBadRequest, "a message that takes the place of all earlier ones needs no sequence ID: leave out one of the two")
	case o.TTL != 0 && o.TTL < time.Second:
		return Errorf(CodeBadRequest, "the TTL %v is too short: give a second or more", o.TTL)
	}
	return nil
}

// checkKey refuses what a header of the store can't hold.
func checkKey(what, key string) error {
	if len(key) > MaxKeyBytes {
		return Errorf(CodeBadRequest, "the %s is %d bytes long: at most %d are allowed", what, len(key), MaxKeyBytes)
	}
	if strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r > '~' }) {
		return Errorf(CodeBadRequest, "the %s %.40q has other characters than printable ASCII", what, key)
	}
	return nil
}

// removeHistory forgets a channel's stored messages.
func (h *Hub) removeHistory(ctx context.Context, channel string) error {
	if err := CheckChannel(channel); err != nil {
		return err
	}
	remover, ok := h.config.Engine.(Remover)
	if !ok {
		return Errorf(CodeNotAvailable, "this hub's store can't remove history")
	}
	return remover.Remove(ctx, channel)
}
