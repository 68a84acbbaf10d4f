package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"time"

	"fanfold/api"
	"fanfold/hub"
	"fanfold/hub/bridge"
	"fanfold/hub/stream"

	"github.com/goccy/go-yaml"
)

// bridgeSettings are the bridges as a configuration file lists them. As a flag or
// environment variable it is the same list, in YAML or JSON.
type bridgeSettings []bridge.Config

// bridgeSetting is one bridge of the list.
type bridgeSetting struct {
	Name          string       `yaml:"name"`
	URL           string       `yaml:"url"`
	Version       any          `yaml:"version"`
	User          string       `yaml:"user"`
	Password      string       `yaml:"password"`
	PasswordFile  string       `yaml:"password-file"`
	CAFile        string       `yaml:"ca-file"`
	CertFile      string       `yaml:"cert-file"`
	KeyFile       string       `yaml:"key-file"`
	ClientID      string       `yaml:"client-id"`
	SessionExpiry string       `yaml:"session-expiry"`
	In            []inSetting  `yaml:"in"`
	Out           []outSetting `yaml:"out"`
}

type inSetting struct {
	From       string   `yaml:"from"`
	QoS        *uint8   `yaml:"qos"`
	Retained   *bool    `yaml:"retained"`
	Queue      string   `yaml:"queue"`
	Exchange   string   `yaml:"exchange"`
	Keys       []string `yaml:"keys"`
	DeadLetter string   `yaml:"dead-letter"`
	To         string   `yaml:"to"`
}

type outSetting struct {
	From       string `yaml:"from"`
	To         string `yaml:"to"`
	QoS        *uint8 `yaml:"qos"`
	Retain     bool   `yaml:"retain"`
	Exchange   string `yaml:"exchange"`
	Key        string `yaml:"key"`
	Queue      string `yaml:"queue"`
	Unroutable string `yaml:"unroutable"`
	Payload    string `yaml:"payload"`
}

// UnmarshalText implements [encoding.TextUnmarshaler].
func (b *bridgeSettings) UnmarshalText(text []byte) error {
	var list []bridgeSetting
	if err := yaml.UnmarshalWithOptions(text, &list, yaml.DisallowUnknownField()); err != nil {
		return fmt.Errorf("the bridges can't be read: %s", bridgeError(err))
	}
	configs := make([]bridge.Config, len(list))
	for i, setting := range list {
		config, err := setting.config()
		if err != nil {
			return fmt.Errorf("bridge %d (%q): %w", i+1, setting.Name, err)
		}
		configs[i] = config
	}
	if err := bridge.Validate(configs); err != nil {
		return err
	}
	*b = configs
	return nil
}

// bridgeError is yamlError without the text around the place, which may hold a password.
func bridgeError(err error) string {
	if e, ok := errors.AsType[yaml.Error](err); ok {
		at := e.GetToken()
		if at != nil && at.Position != nil {
			return fmt.Sprintf("[%d:%d] %s", at.Position.Line, at.Position.Column, strings.Join(strings.Fields(e.GetMessage()), " "))
		}
	}
	return "it is not YAML of a list of bridges"
}

func (s bridgeSetting) config() (c bridge.Config, err error) {
	c = bridge.Config{Name: s.Name, User: s.User, ClientID: s.ClientID, SessionExpiry: 24 * time.Hour}
	if c.URL, err = url.Parse(s.URL); err != nil {
		return c, errors.New("the url can't be read: give one like mqtts://broker.example.com:8883")
	}
	switch version := fmt.Sprint(s.Version); version {
	case "<nil>", "5", "5.0":
		c.Version = 5
	case "3.1.1", "4":
		c.Version = 4
	default:
		return c, fmt.Errorf("version: %q is none of 5, 3.1.1", version)
	}
	if s.SessionExpiry != "" {
		if c.SessionExpiry, err = parseAge(s.SessionExpiry); err != nil {
			return c, fmt.Errorf("session-expiry: %q is no time: give one like 90s, 24h or 30d", s.SessionExpiry)
		}
	}
	if c.Password, err = s.password(); err != nil {
		return c, err
	}
	if c.TLS, err = s.tls(); err != nil {
		return c, err
	}
	for _, in := range s.In {
		c.In = append(c.In, in.route())
	}
	for i, out := range s.Out {
		route, err := out.route()
		if err != nil {
			return c, fmt.Errorf("out route %d: %w", i+1, err)
		}
		c.Out = append(c.Out, route)
	}
	return c, nil
}

// password is read anew for each connection, so that it can be changed in its file.
func (s bridgeSetting) password() (func() (string, error), error) {
	switch {
	case s.Password != "" && s.PasswordFile != "":
		return nil, errors.New("it has a password and a password-file: give one of the two")
	case s.PasswordFile == "":
		return func() (string, error) { return s.Password, nil }, nil
	}
	read := func() (string, error) {
		text, err := os.ReadFile(s.PasswordFile)
		if err != nil {
			return "", fmt.Errorf("password-file: %w", err)
		}
		return strings.TrimRight(string(text), "\r\n"), nil
	}
	_, err := read()
	return read, err
}

func (s bridgeSetting) tls() (*tls.Config, error) {
	encrypted := strings.HasPrefix(s.URL, "mqtts:") || strings.HasPrefix(s.URL, "wss:") || strings.HasPrefix(s.URL, "amqps:")
	switch {
	case s.CAFile == "" && s.CertFile == "" && s.KeyFile == "":
		return nil, nil
	case !encrypted:
		return nil, errors.New("ca-file, cert-file and key-file are for TLS: give a url with mqtts, wss or amqps")
	case (s.CertFile == "") != (s.KeyFile == ""):
		return nil, errors.New("cert-file and key-file go together: give both or none")
	}
	config := &tls.Config{}
	if s.CAFile != "" {
		text, err := os.ReadFile(s.CAFile)
		if err != nil {
			return nil, fmt.Errorf("ca-file: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("ca-file: %s has no certificate in PEM", s.CAFile)
		}
	}
	if s.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(s.CertFile, s.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("cert-file and key-file: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

func (s inSetting) route() bridge.In {
	return bridge.In{
		From: s.From, QoS: qos(s.QoS), NoRetained: s.Retained != nil && !*s.Retained,
		Queue: s.Queue, Exchange: s.Exchange, Keys: s.Keys, DeadLetter: s.DeadLetter, To: s.To,
	}
}

func (s outSetting) route() (o bridge.Out, err error) {
	o = bridge.Out{From: s.From, To: s.To, QoS: qos(s.QoS), Retain: s.Retain, Exchange: s.Exchange, Key: s.Key, Queue: s.Queue}
	if o.DropUnroutable, err = second(s.Unroutable, "unroutable", "retry", "drop"); err != nil {
		return o, err
	}
	o.JSON, err = second(s.Payload, "payload", "text", "json")
	return o, err
}

// second reports whether a setting is the second of two words; "" is the first.
func second(text, setting string, words ...string) (bool, error) {
	i, err := word[int](text, setting, words)
	return i == 1, err
}

// qos is 1 if nothing is said.
func qos(n *uint8) byte {
	if n == nil {
		return 1
	}
	return *n
}

// newBridges returns the bridges, which run between running and its stop.
func (c *serveCommand) newBridges(ctx context.Context, h *hub.Hub, engine *stream.Engine, logger *slog.Logger) (bridges, error) {
	if len(c.Bridges) == 0 {
		return bridges{}, nil
	}
	set, err := bridge.New(ctx, bridge.Options{Hub: h, Recorder: engine, Bridges: c.Bridges, MaxMessageBytes: c.maxDataBytes(), Logger: logger})
	return bridges{set}, err
}

// bridges are those of a hub; the zero bridges are none.
type bridges struct{ set *bridge.Set }

// running joins the hub to the brokers until ctx ends or stop is called, which waits for
// what is under way.
func (b bridges) running(ctx context.Context) (stop func()) {
	if b.set == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() { b.set.Run(ctx); close(done) }()
	return func() { cancel(); <-done }
}

// status is for the API; nil if there are no bridges.
func (b bridges) status() func() []api.Bridge {
	if b.set == nil {
		return nil
	}
	return func() []api.Bridge {
		var list []api.Bridge
		for _, s := range b.set.Status() {
			list = append(list, api.Bridge{
				Name: s.Name, Broker: s.Broker, Connected: s.Connected, Since: s.Since.UTC(), Error: s.Error, In: s.In, Out: s.Out,
				RefusedIn: s.RefusedIn, RefusedOut: s.RefusedOut, Lag: s.Lag.Round(time.Millisecond).Seconds(),
			})
		}
		return list
	}
}
