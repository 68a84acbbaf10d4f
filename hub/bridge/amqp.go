package bridge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"fanfold/hub"
	"fanfold/hub/foreign"

	amqp "github.com/rabbitmq/amqp091-go"
)

// amqpHeartbeat is how often both sides say that they are there.
const amqpHeartbeat = 10 * time.Second

// amqpPrefetch bounds the messages of all routes that wait for the hub.
const amqpPrefetch = 64

// amqpBroker is a broker that speaks AMQP 0.9.1, such as RabbitMQ.
type amqpBroker struct{ bridge *Bridge }

// connect implements broker.
func (a *amqpBroker) connect(ctx context.Context) (link, error) {
	conn, err := a.dial(ctx)
	if err != nil {
		return nil, err
	}
	l := newAMQPLink(a.bridge, conn)
	defer context.AfterFunc(ctx, func() { l.end(ctx.Err()) })()
	if err := l.open(); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func (a *amqpBroker) dial(ctx context.Context) (*amqp.Connection, error) {
	c := a.bridge.config
	password, err := c.password()
	if err != nil {
		return nil, err
	}
	user := c.User
	if user == "" && password == "" {
		user, password = "guest", "guest" // as every client of RabbitMQ does
	}
	var stop func() bool
	config := amqp.Config{
		SASL: []amqp.Authentication{&amqp.PlainAuth{Username: user, Password: password}},
		// A path of / alone is the virtual host with an empty name, and no path the usual one.
		Vhost: cmp.Or(strings.TrimPrefix(c.URL.Path, "/"), "/"), Heartbeat: amqpHeartbeat,
		Properties: amqp.Table{"product": "Fanfold", "connection_name": "fanfold bridge " + c.Name},
		Dial: func(network, addr string) (net.Conn, error) {
			conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			stop = context.AfterFunc(ctx, func() { _ = conn.Close() }) // a broker that says nothing
			return conn, conn.SetDeadline(time.Now().Add(connectTimeout))
		},
	}
	if c.secure() {
		config.TLSClientConfig = c.tlsConfig()
	}
	conn, err := amqp.DialConfig(c.URL.Scheme+"://"+c.addr(), config)
	if stop != nil {
		stop()
	}
	if err != nil {
		return nil, brokerError(err)
	}
	return conn, nil
}

// brokerError says in the broker's words what it does not like.
func brokerError(err error) error {
	if errors.Is(err, amqp.ErrCredentials) {
		return errors.New("the broker refuses the user or password")
	}
	if e, ok := errors.AsType[*amqp.Error](err); ok && e != nil && e.Server {
		return fmt.Errorf("the broker refuses it: %s (%d)", e.Reason, e.Code)
	}
	return err
}

// declare makes sure of the queue of a route.
func (r *inRoute) declare(ch *amqp.Channel) error {
	if r.Exchange == "" {
		_, err := ch.QueueDeclarePassive(r.Queue, true, false, false, false, nil)
		return during("look for the queue "+r.Queue, err)
	}
	args := amqp.Table{}
	if r.DeadLetter != "" {
		args["x-dead-letter-exchange"] = r.DeadLetter
	}
	if _, err := ch.QueueDeclare(r.Queue, true, false, false, false, args); err != nil {
		return during("make the queue "+r.Queue, err)
	}
	for _, key := range r.Keys {
		if err := ch.QueueBind(r.Queue, key, r.Exchange, false, nil); err != nil {
			return during("bind the queue "+r.Queue+" to the exchange "+r.Exchange, err)
		}
	}
	return nil
}

// declare makes sure that what a route sends to is there.
func (r *route) declare(ch *amqp.Channel) error {
	if r.Queue != "" {
		_, err := ch.QueueDeclarePassive(r.Queue, true, false, false, false, nil)
		return during("look for the queue "+r.Queue, err)
	}
	return during("look for the exchange "+r.Exchange, ch.ExchangeDeclarePassive(r.Exchange, "topic", true, false, false, false, nil))
}

func during(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, brokerError(err))
}

// delivery returns what a message from a queue brings.
func (r *inRoute) delivery(m *amqp.Delivery, maxBytes int) *delivery {
	d := &delivery{
		name: m.RoutingKey, payload: m.Body, about: amqpAbout(m),
		accept: func() error { return m.Ack(false) }, refuse: func() error { return m.Reject(false) },
	}
	if m.MessageId != "" {
		d.key = keyOf(m.MessageId, m.Exchange, m.RoutingKey, m.Timestamp.UTC().String(), string(m.Body))
	}
	d.channel, d.refused = r.channelOfKey(m.RoutingKey)
	if len(m.Body) > maxBytes {
		d.refused = hub.Errorf(hub.CodeTooLarge, "it has %d bytes: at most %d are taken", len(m.Body), maxBytes)
	}
	return d
}

func (r *inRoute) channelOfKey(key string) (string, error) {
	if wildcards(r.names.to) == "" {
		return r.To, nil
	}
	name, err := foreign.ChannelOfKey(key)
	if err != nil {
		return "", err
	}
	channel, _, err := r.channel(name)
	return channel, err
}

// amqpAbout returns what a message says beside its payload. Headers that are tables, lists or
// bytes are left out, such as RabbitMQ's own x-death.
func amqpAbout(m *amqp.Delivery) about {
	a := about{contentType: m.ContentType, replyTo: m.ReplyTo, correlation: []byte(m.CorrelationId)}
	for key, value := range m.Headers {
		switch value.(type) {
		case string, bool, int, int8, int16, int32, int64, uint8, uint16, uint32, float32, float64:
			a.user = append(a.user, [2]string{key, fmt.Sprint(value)})
		}
	}
	slices.SortFunc(a.user, func(x, y [2]string) int { return strings.Compare(x[0], y[0]) })
	return a
}

// publishing returns what to send of a parcel.
func publishing(p *parcel, now time.Time) amqp.Publishing {
	a := &p.about
	m := amqp.Publishing{
		Headers: amqp.Table{}, ContentType: cmp.Or(a.contentType, foreign.ContentType(p.payload)), DeliveryMode: amqp.Persistent,
		MessageId: p.id, Timestamp: p.time, Body: p.payload,
	}
	for _, u := range a.user {
		if len(u[0]) <= maxShort {
			m.Headers[u[0]] = u[1]
		}
	}
	if len(a.replyTo) <= maxShort {
		m.ReplyTo = a.replyTo
	}
	if len(a.correlation) <= maxShort {
		m.CorrelationId = string(a.correlation)
	}
	if len(m.ContentType) > maxShort {
		m.ContentType = ""
	}
	if a.expires != 0 {
		m.Expiration = fmt.Sprint(max(0, time.Unix(a.expires, 0).Sub(now).Milliseconds()))
	}
	return m
}

// maxShort is the length of AMQP's short strings.
const maxShort = 255
