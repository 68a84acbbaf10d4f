package bridge

import (
	"cmp"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"fanfold/hub"
	"fanfold/hub/foreign"
)

// Config of one bridge, which joins the hub to one broker.
type Config struct {
	// Name is of letters, digits, - and _, and no other bridge's: positions are kept and
	// sessions with the broker resumed under it.
	Name string
	// URL is the broker's: mqtt, mqtts, ws, wss, amqp or amqps, without user and password.
	URL *url.URL
	// Version is MQTT's: 5 or 4, which is 3.1.1.
	Version byte
	User    string
	// Password is asked for at each connection; nil: there is none.
	Password func() (string, error)
	// ClientID is MQTT's; "": one that is the hub's own.
	ClientID string
	// SessionExpiry is how long an MQTT 5 broker keeps what comes while the hub is away.
	SessionExpiry time.Duration
	TLS           *tls.Config // nil: as the system has it
	In            []In
	Out           []Out
}

// In is a route from the broker to the hub.
type In struct {
	// MQTT: topics that match the filter From, asked for with QoS. NoRetained leaves out
	// what was retained before the subscription.
	From       string
	QoS        byte
	NoRetained bool
	// AMQP: what is in Queue, which exists; or, with an Exchange, which exists, in a queue
	// of that name that the bridge makes and binds by the Keys. DeadLetter is the exchange
	// that such a queue hands on what the hub refuses for good.
	Queue, Exchange, DeadLetter string
	Keys                        []string
	// To is the channel, or a pattern whose wildcards stand for what From's do, or for the
	// routing key.
	To string
}

// Out is a route from the hub to the broker.
type Out struct {
	From string // a pattern of channels
	// MQTT: the topic To, or a filter whose wildcards stand for what From's do.
	To     string
	QoS    byte
	Retain bool
	// AMQP: the Exchange, which exists, and the routing key, or a pattern whose wildcards
	// stand for what From's do. Or a Queue, which exists.
	Exchange, Key, Queue string
	// DropUnroutable passes over what no queue takes; else it is sent again until one does.
	DropUnroutable bool
	// JSON sends the data as it is; else as plain text, see [foreign.Read].
	JSON bool
}

// isAMQP reports whether the broker speaks AMQP.
func (c *Config) isAMQP() bool { return c.URL.Scheme == "amqp" || c.URL.Scheme == "amqps" }

// ports are the schemes and their usual ports.
var ports = map[string]string{"mqtt": "1883", "mqtts": "8883", "ws": "80", "wss": "443", "amqp": "5672", "amqps": "5671"}

// addr returns the broker's host and port.
func (c *Config) addr() string {
	return net.JoinHostPort(c.URL.Hostname(), cmp.Or(c.URL.Port(), ports[c.URL.Scheme]))
}

// secure reports whether the connection is encrypted.
func (c *Config) secure() bool { return strings.HasSuffix(c.URL.Scheme, "s") && c.URL.Scheme != "ws" }

// tlsConfig returns the configuration of a connection.
func (c *Config) tlsConfig() *tls.Config {
	t := &tls.Config{}
	if c.TLS != nil {
		t = c.TLS.Clone()
	}
	t.ServerName = cmp.Or(t.ServerName, c.URL.Hostname())
	return t
}

// password returns what to show the broker.
func (c *Config) password() (string, error) {
	if c.Password == nil {
		return "", nil
	}
	return c.Password()
}

// id names a route of a bridge for as long as it goes from and to the same: the position
// kept under it is no other route's.
func (o Out) id(bridge string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q", []string{o.From, o.To, o.Exchange, o.Key, o.Queue}))
	return bridge + "-" + hex.EncodeToString(sum[:6])
}

// Validate says what can't be used, and what to do.
func (c *Config) Validate() error {
	switch {
	case c.Name == "" || len(c.Name) > 64 || strings.ContainsFunc(c.Name, notNameRune):
		return fmt.Errorf("the name %q of a bridge: give 1 to 64 letters, digits, - and _", c.Name)
	case c.URL == nil || ports[c.URL.Scheme] == "" || c.URL.Hostname() == "":
		return fmt.Errorf("bridge %s: the url must be like mqtt://host:1883, mqtts://, ws://, wss://, amqp:// or amqps://", c.Name)
	case c.URL.User != nil:
		return fmt.Errorf("bridge %s: the url must have no user and password in it: give them as user and password-file", c.Name)
	case len(c.In) == 0 && len(c.Out) == 0:
		return fmt.Errorf("bridge %s has no routes: list some under in or out", c.Name)
	case c.Version != 5 && c.Version != 4:
		return fmt.Errorf("bridge %s: the version of MQTT must be 5 or 3.1.1", c.Name)
	}
	for i, in := range c.In {
		if _, err := c.newIn(in); err != nil {
			return fmt.Errorf("bridge %s, in route %d: %w", c.Name, i+1, err)
		}
	}
	for i, out := range c.Out {
		if _, err := c.newOut(out); err != nil {
			return fmt.Errorf("bridge %s, out route %d: %w", c.Name, i+1, err)
		}
	}
	if err := c.checkDistinct(); err != nil {
		return fmt.Errorf("bridge %s: %w", c.Name, err)
	}
	return nil
}

func notNameRune(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
}

// checkDistinct refuses routes of one bridge that would take a message twice, or
// bring back what MQTT 3.1.1 can't mark.
func (c *Config) checkDistinct() error {
	for i, a := range c.In {
		for _, b := range c.In[:i] {
			if c.isAMQP() && a.Queue == b.Queue {
				return fmt.Errorf("two in routes take from the queue %s, so that each would get some of its messages: leave one", a.Queue)
			}
			if !c.isAMQP() && filtersOverlap(a.From, b.From) {
				return fmt.Errorf("the in routes from %s and %s would both take some topics: make them distinct", b.From, a.From)
			}
		}
	}
	ids := map[string]bool{}
	for _, o := range c.Out {
		if id := o.id(c.Name); ids[id] {
			return fmt.Errorf("there are two equal out routes from %s: leave one", o.From)
		} else {
			ids[id] = true
		}
	}
	return c.checkLoops(c)
}

// checkLoops refuses MQTT routes that would bring back from the broker what the
// bridge other, of the same broker, sends there, if that can't be marked.
func (c *Config) checkLoops(other *Config) error {
	if c.isAMQP() || other.isAMQP() || c.addr() != other.addr() || c.Version == 5 && other.Version == 5 {
		return nil
	}
	for _, in := range c.In {
		for _, out := range other.Out {
			if filtersOverlap(in.From, out.To) {
				return fmt.Errorf("what goes out to %s would come back in from %s, and MQTT 3.1.1 can't mark it: use version 5, or other topics", out.To, in.From)
			}
		}
	}
	return nil
}

// filtersOverlap reports whether some topic matches both filters, which are valid.
func filtersOverlap(a, b string) bool {
	aKeys, _ := foreign.Keys(a)
	bKeys, _ := foreign.Keys(b)
	for _, x := range aKeys {
		for _, y := range bKeys {
			if overlap(x, y) {
				return true
			}
		}
	}
	return false
}

// validateAll checks bridges of one hub together.
func validateAll(configs []Config) error {
	for i := range configs {
		c := &configs[i]
		if err := c.Validate(); err != nil {
			return err
		}
		for j := range configs[:i] {
			if configs[j].Name == c.Name {
				return fmt.Errorf("two bridges have the name %s: give each its own", c.Name)
			}
			for _, pair := range [][2]*Config{{c, &configs[j]}, {&configs[j], c}} {
				if err := pair[0].checkLoops(pair[1]); err != nil {
					return fmt.Errorf("bridges %s and %s: %w", configs[j].Name, c.Name, err)
				}
			}
		}
	}
	return nil
}

// grant is what a bridge needs of the hub, and no more.
func (c *Config) grant() (g hub.Grant) {
	for _, in := range c.In {
		g.Publish = append(g.Publish, in.To)
	}
	for _, out := range c.Out {
		g.Subscribe = append(g.Subscribe, out.From)
		g.History = append(g.History, out.From)
	}
	return g
}
