package bridge

import (
	"errors"
	"fmt"
	"strings"

	"fanfold/hub"
	"fanfold/hub/foreign"
)

// translation turns names that match one pattern into names by another, which has
// the same wildcards in the same order, or none.
type translation struct{ from, to []string }

// newTranslation returns the translation from one valid pattern to another.
func newTranslation(from, to string) (translation, error) {
	t := translation{strings.Split(from, "."), strings.Split(to, ".")}
	if w := wildcards(t.to); w != "" && w != wildcards(t.from) {
		return translation{}, fmt.Errorf("the wildcards of %s and %s don't correspond: give both the same ones in the same order, or the second none", from, to)
	}
	return t, nil
}

// wildcards returns those of a pattern's tokens, in order.
func wildcards(tokens []string) (all string) {
	for _, token := range tokens {
		if token == "*" || token == ">" {
			all += token
		}
	}
	return all
}

// apply translates a name. It is false if the name does not match. A rest may be
// empty, as the topic filter a/# also stands for a, and so may be what comes of it.
func (t translation) apply(name string) (string, bool) {
	tokens := strings.Split(name, ".")
	var found [][]string
	for i, token := range t.from {
		switch {
		case token == ">":
			found = append(found, tokens[min(i, len(tokens)):])
			tokens = tokens[:min(i, len(tokens))]
		case i >= len(tokens) || token != "*" && token != tokens[i]:
			return "", false
		case token == "*":
			found = append(found, tokens[i:i+1])
		}
	}
	if rest := wildcards(t.from); len(tokens) != len(t.from) && (!strings.HasSuffix(rest, ">") || len(tokens) != len(t.from)-1) {
		return "", false
	}
	var out []string
	for _, token := range t.to {
		if token == "*" || token == ">" {
			out, found = append(out, found[0]...), found[1:]
		} else {
			out = append(out, token)
		}
	}
	return strings.Join(out, "."), true
}

// overlap reports whether some channel matches both patterns.
func overlap(a, b string) bool {
	for {
		x, moreA, okA := strings.Cut(a, ".")
		y, moreB, okB := strings.Cut(b, ".")
		switch {
		case x == ">" || y == ">":
			return true
		case x != "*" && y != "*" && x != y:
			return false
		case !okA || !okB:
			return okA == okB
		}
		a, b = moreA, moreB
	}
}

// inRoute is a checked [In].
type inRoute struct {
	In
	names translation // of channels; MQTT: from the topic's, AMQP: from the routing key's
}

// newIn checks a route.
func (c *Config) newIn(in In) (*inRoute, error) {
	if err := hub.CheckPattern(in.To); err != nil {
		return nil, fmt.Errorf("to: %s", hub.ErrorOf(err).Message)
	}
	from, err := in.fromMQTT()
	if c.isAMQP() {
		from, err = in.fromAMQP()
	}
	if err != nil {
		return nil, err
	}
	names, err := newTranslation(from, in.To)
	return &inRoute{in, names}, err
}

func (in In) fromMQTT() (string, error) {
	switch {
	case in.Queue != "" || in.Exchange != "" || len(in.Keys) > 0 || in.DeadLetter != "":
		return "", errors.New("queues and exchanges are AMQP's: give a topic filter as from")
	case in.From == "":
		return "", errors.New("it does not say what to take: give a topic filter like sensors/# as from")
	case in.QoS > 1:
		return "", fmt.Errorf("qos %d is not offered: give 0 or 1", in.QoS)
	}
	keys, err := foreign.Keys(in.From)
	if err != nil {
		return "", fmt.Errorf("from: %s", hub.ErrorOf(err).Message)
	}
	return keys[0], nil
}

func (in In) fromAMQP() (string, error) {
	to := strings.Split(in.To, ".")
	switch {
	case in.From != "" || in.NoRetained:
		return "", errors.New("topics are MQTT's: give a queue, or an exchange, keys and a queue")
	case in.Queue == "":
		return "", errors.New("it does not say what to take: give a queue that exists, or an exchange, its keys, and a name for a queue of the bridge's own")
	case in.Exchange == "" && (len(in.Keys) > 0 || in.DeadLetter != ""):
		return "", errors.New("keys and dead-letter are for a queue of the bridge's own: give the exchange that it is bound to, or leave them out")
	case in.Exchange != "" && len(in.Keys) == 0:
		return "", fmt.Errorf("it does not say what to take of the exchange %s: give keys, like [\"#\"] for all", in.Exchange)
	case len(in.Queue) > 255 || len(in.Exchange) > 255:
		return "", errors.New("the name of a queue or exchange is longer than AMQP's 255 bytes")
	case strings.Contains(wildcards(to), "*"):
		return "", fmt.Errorf("to: %s has a * in it: only a last > stands for something, the routing key", in.To)
	}
	return ">", nil
}

// channel returns the channel for what the broker calls by a name that is key as a
// channel. It is false if the route is not for that. The error is an [hub.Error].
func (r *inRoute) channel(key string) (channel string, ok bool, err error) {
	channel, ok = r.names.apply(key)
	if !ok {
		return "", false, nil
	}
	if channel == "" {
		return "", true, hub.Errorf(hub.CodeBadRequest, "%q leaves nothing to be called by in %s", key, r.To)
	}
	return channel, true, hub.CheckChannel(channel)
}

// route is a checked [Out].
type route struct {
	Out
	names translation // of channels; MQTT: to the topic's, AMQP: to the routing key's
	id    string
}

// newOut checks a route.
func (c *Config) newOut(out Out) (*route, error) {
	if err := hub.CheckPattern(out.From); err != nil {
		return nil, fmt.Errorf("from: %s", hub.ErrorOf(err).Message)
	}
	to, err := out.toMQTT()
	if c.isAMQP() {
		to, err = out.toAMQP()
	}
	if err != nil {
		return nil, err
	}
	names, err := newTranslation(out.From, to)
	return &route{out, names, out.id(c.Name)}, err
}

func (out Out) toMQTT() (string, error) {
	switch {
	case out.Queue != "" || out.Exchange != "" || out.Key != "" || out.DropUnroutable:
		return "", errors.New("queues, exchanges and what is unroutable are AMQP's: give a topic like hub/alerts/# as to")
	case out.To == "":
		return "", errors.New("it does not say where to send: give a topic like hub/alerts/# as to")
	case out.QoS > 1:
		return "", fmt.Errorf("qos %d is not offered: give 0 or 1", out.QoS)
	}
	keys, err := foreign.Keys(out.To)
	if err != nil {
		return "", fmt.Errorf("to: %s", hub.ErrorOf(err).Message)
	}
	return keys[0], nil
}

// toAMQP returns the pattern of the routing key; one without wildcards need not have a
// channel's form, see [route.key].
func (out Out) toAMQP() (string, error) {
	switch {
	case out.To != "" || out.Retain:
		return "", errors.New("topics and retained messages are MQTT's: give an exchange and a key, or a queue")
	case out.Queue != "" && (out.Exchange != "" || out.Key != ""):
		return "", errors.New("it has a queue and an exchange or key: give one of the two")
	case out.Queue == "" && out.Exchange == "":
		return "", errors.New("it does not say where to send: give an exchange and a key, or a queue")
	case len(out.Queue) > 255 || len(out.Exchange) > 255 || len(out.Key) > 255:
		return "", errors.New("the name of a queue, exchange or key is longer than AMQP's 255 bytes")
	}
	key := out.Key
	if out.Queue != "" {
		key = out.Queue
	}
	if wildcards(strings.Split(key, ".")) == "" || out.Queue != "" {
		return "fixed", nil // see route.key
	}
	if strings.Contains("."+key+".", ".#.") {
		return "", fmt.Errorf("key: %s has a # in it, which stands for words in bindings alone: give > for the rest of the channel", key)
	}
	if err := hub.CheckPattern(key); err != nil {
		return "", fmt.Errorf("key: %s", hub.ErrorOf(err).Message)
	}
	return key, nil
}

// topic returns the topic of a channel that matches From.
func (r *route) topic(channel string) (string, error) {
	name, ok := r.names.apply(channel)
	if !ok {
		return "", fmt.Errorf("%q is no channel of the route", channel)
	}
	return foreign.Topic(name), nil
}

// key returns the routing key of a channel that matches From.
func (r *route) key(channel string) (string, error) {
	if r.Queue != "" {
		return r.Queue, nil
	}
	if wildcards(r.names.to) == "" {
		return r.Key, nil
	}
	name, ok := r.names.apply(channel)
	if !ok {
		return "", fmt.Errorf("%q is no channel of the route", channel)
	}
	key := foreign.RoutingKey(name)
	if len(key) > 255 {
		return "", fmt.Errorf("the routing key %.80q is %d bytes long: AMQP allows 255", key, len(key))
	}
	return key, nil
}
