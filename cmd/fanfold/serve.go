package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"

	"fanfold/api"
	"fanfold/api/dialect"
	"fanfold/api/limit"
	"fanfold/hub"
	"fanfold/hub/stream"
	"fanfold/web"
)

// serveCommand holds the settings of a hub.
type serveCommand struct {
	Listen      string   `default:"127.0.0.1:1234" placeholder:"ADDR" help:"Address to serve on; port 0 picks a free one. Default: ${default}."`
	Open        bool     `help:"Serve beyond loopback without keys, although anybody who can reach the address may then read and publish everything."`
	AllowOrigin []string `placeholder:"ORIGIN" help:"Let pages of another origin, like https://example.com, use the hub; * is any. Repeatable."`

	AllowHost      []string  `placeholder:"NAME" help:"Answer to this host name, like hub.example.com, besides localhost; * is any. Without it, beyond loopback and behind a proxy that is trusted, any name will do. Repeatable."`
	TrustedProxies []network `placeholder:"CIDR" help:"Believe what proxies of this network, like 10.0.0.0/8 or 127.0.0.1, say of whom they speak for. Repeatable."`

	TLS    tlsSettings    `embed:""`
	MQTT   mqttSettings   `embed:"" prefix:"mqtt-"`
	Access accessSettings `embed:""`
	Limits limitSettings  `embed:"" prefix:"limit-"`

	Data   string `default:"fanfold-data" placeholder:"DIR" help:"Folder that keeps the messages. Default: ${default}."`
	Memory bool   `help:"Keep messages in memory alone: a restart forgets them."`
	Sync   string `default:"interval" enum:"interval,always" help:"When messages are written through to the disk: interval, every second, so that a power cut may take the last two seconds; or always, before a publish is answered, which is slower. A crash of the hub takes nothing either way. Default: ${default}."`

	DataMaxBytes      byteSize       `default:"0" placeholder:"SIZE" help:"What the store may take, like 10GB; beyond it the oldest messages go, whatever their channel. Default: no bound."`
	Rules             ruleSettings   `placeholder:"YAML" help:"How channels are kept and who may publish: a list, best written in the configuration file; the README shows it."`
	Bridges           bridgeSettings `placeholder:"YAML" help:"The message brokers, MQTT or AMQP, that the hub is joined to: a list, best written in the configuration file; the README shows it."`
	IdempotencyWindow time.Duration  `default:"5m" placeholder:"TIME" help:"How long an idempotency key is remembered. Default: ${default}."`

	Fold            string        `default:"unicode" enum:"unicode,ascii" help:"How the echo folds: unicode as Python's str.casefold, or ascii, which does not answer other texts. Default: ${default}."`
	MaxMessageBytes int           `default:"65536" placeholder:"N" help:"Longest text of a message in bytes; with the JSON around it, it may take twice that and 8 KiB. Default: ${default}."`
	OutboxBytes     int           `default:"1048576" placeholder:"N" help:"What may wait for one slow client before it is disconnected, in bytes. Default: ${default}."`
	ShutdownTimeout time.Duration `default:"15s" placeholder:"TIME" help:"How long clients may take to leave when the hub stops. Default: ${default}."`

	Demo *bool `help:"Run the hub's side of the gallery of live examples, which publishes what this machine does, among other things. Default: yes where nobody is asked who they are, or --demo=false."`

	LogFormat string `default:"text" enum:"text,json" help:"Log as text or json, to standard error. Default: ${default}."`
	LogLevel  string `default:"info" enum:"debug,info,warn,error" help:"Log this and what is worse; debug shows the texts that the echo sees. Default: ${default}."`
}

// Validate is called by the parser.
func (c *serveCommand) Validate() error {
	_, _, err := net.SplitHostPort(c.Listen)
	switch {
	case err != nil:
		return fmt.Errorf("--listen %s: give a host and a port like 127.0.0.1:1234", c.Listen)
	case c.MaxMessageBytes < 1 || c.MaxMessageBytes > 4<<20:
		return fmt.Errorf("--max-message-bytes %d: give a number from 1 to %d", c.MaxMessageBytes, 4<<20)
	case c.OutboxBytes < c.maxDataBytes():
		return fmt.Errorf("--outbox-bytes %d: give at least the %d that the longest message can take", c.OutboxBytes, c.maxDataBytes())
	case c.DataMaxBytes != 0 && c.DataMaxBytes < minDataBytes:
		return fmt.Errorf("--data-max-bytes %d: give at least %d, or 0 for no bound", c.DataMaxBytes, minDataBytes)
	case c.IdempotencyWindow < time.Second || c.IdempotencyWindow > 24*time.Hour:
		return fmt.Errorf("--idempotency-window %v: give a time from 1s to 24h", c.IdempotencyWindow)
	case !c.Open && !c.loopback() && !c.Access.configured():
		return fmt.Errorf("--listen %s: beyond loopback anybody who can reach this address could read and publish everything: "+
			"give servers a key (fanfold key new), or users tokens (--token-key-file), or say --open if that is what you want", c.Listen)
	}
	return errors.Join(c.Access.validate(c.Open), c.Limits.validate(c.maxDataBytes()), c.TLS.validate(c.Memory), c.validateMQTT())
}

// minDataBytes is the smallest store worth having: a few of its files.
const minDataBytes = 1 << 20

// maxDataBytes leaves room for the escapes and fields of a message's JSON.
func (c *serveCommand) maxDataBytes() int { return 2*c.MaxMessageBytes + 8<<10 }

// Run serves until ctx ends, then stops everything in order.
func (c *serveCommand) Run(ctx context.Context) error { return c.serve(ctx, os.Stdout) }

func (c *serveCommand) serve(ctx context.Context, out io.Writer) (err error) {
	tuneHeap()
	defer returningMemory(ctx)()
	logger := c.logger()
	gate, err := c.Access.gate(logger)
	if err != nil {
		return err
	}
	defer gate.watching(ctx)()
	listener, err := listen(ctx, "--listen", c.Listen)
	if err != nil {
		return err
	}
	defer listener.Close() // when the start fails; the server closes it else
	doors, err := c.MQTT.open(ctx)
	if err != nil {
		return err
	}
	defer doors.close()
	identity, err := c.TLS.open(ctx, c.Data, logger)
	if err != nil {
		return err
	}
	defer watching(ctx, identity)()
	c.Rules = c.withDemo()
	engine, err := c.openEngine(ctx, logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, engine.Close()) }()
	h, err := c.newHub(engine, gate, logger)
	if err != nil {
		return err
	}
	demo := c.newDemo(h, logger)
	joined, err := c.newBridges(ctx, h, engine, logger)
	if err != nil {
		return errors.Join(err, h.Shutdown(ctx))
	}
	handler, err := c.handler(h, gate, demo, joined, logger)
	if err != nil {
		return errors.Join(err, h.Shutdown(ctx))
	}
	server := c.server(handler, identity, logger)
	failed := make(chan error, 1)
	go func() { failed <- serveOn(server, listener) }()
	doors.serve(handler, identity)
	defer demo.running(ctx)()
	leave := joined.running(ctx)
	c.greet(out, listener.Addr(), identity, doors)

	select {
	case err = <-failed:
	case <-ctx.Done():
		logger.Info("stopping: clients are told, a second interrupt stops at once")
	}
	leave() // while the hub still takes what was on its way
	doors.close()
	return errors.Join(err, c.stop(server, h, handler, failed))
}

// stop ends what serve began: no new connections, then the sessions, then the
// requests, then the goroutines of the connections.
func (c *serveCommand) stop(server *http.Server, h *hub.Hub, handler *api.API, failed <-chan error) error {
	ctx, cancel := context.WithTimeout(context.Background(), c.ShutdownTimeout)
	defer cancel()
	closed := make(chan error, 1)
	go func() { closed <- server.Shutdown(ctx) }()
	err := h.Shutdown(ctx)
	err = errors.Join(err, <-closed, handler.Wait(ctx))
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("some clients had not left after %v: %w", c.ShutdownTimeout, errors.Join(err, server.Close()))
	}
	<-failed
	return err
}

// listen listens on the address of a flag.
func listen(ctx context.Context, flag, addr string) (net.Listener, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%s is in use by another program: stop that, or give another %s address", addr, flag)
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", addr, err)
	}
	return listener, nil
}

func (c *serveCommand) openEngine(ctx context.Context, logger *slog.Logger) (*stream.Engine, error) {
	config := stream.DefaultConfig()
	config.MaxMessageBytes, config.Logger = c.maxDataBytes(), logger
	config.Rules, config.MaxBytes, config.IdempotencyWindow = hub.Rules(c.Rules), int64(c.DataMaxBytes), c.IdempotencyWindow
	if c.Memory {
		return stream.Open(ctx, config)
	}
	config.Dir = c.Data
	if c.Sync == "always" {
		config.Sync = stream.SyncAlways
	}
	engine, err := stream.Open(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("--data %s: %w", c.Data, err)
	}
	return engine, nil
}

func (c *serveCommand) newHub(engine *stream.Engine, gate gate, logger *slog.Logger) (*hub.Hub, error) {
	return hub.New(hub.Config{
		Engine: engine, Rules: hub.Rules(c.Rules), Name: hostname(), Version: version, OutboxBytes: c.OutboxBytes, MaxMessageBytes: c.maxDataBytes(),
		MaxSubscriptions: c.Limits.Channels, Refuses: gate.refuses(), Logger: logger,
	})
}

func (c *serveCommand) handler(h *hub.Hub, gate gate, demo demo, joined bridges, logger *slog.Logger) (*api.API, error) {
	fold, err := dialect.ParseFold(c.Fold)
	if err != nil {
		return nil, err
	}
	return api.New(api.Config{
		Hub: h, Logger: logger, Access: gate.authenticator, Page: web.Handler(), PageFiles: web.Files(),
		Fold: fold, Methods: demo.methods(), Bridges: joined.status(), Version: version, AllowOrigins: c.AllowOrigin, MaxTextBytes: c.MaxMessageBytes,
		AllowHosts: c.allowHosts(), Loopback: c.loopback(), TrustedProxies: prefixes(c.TrustedProxies),
		Limits: limit.New(c.Limits.config(), logger), BodyTimeout: c.Limits.BodyTime, MQTTExpiry: c.MQTT.SessionExpiry,
	})
}

// server serves the hub's own address.
func (c *serveCommand) server(handler *api.API, identity certificates, logger *slog.Logger) *http.Server {
	server := newServer(handler, logger)
	c.Limits.bind(server)
	server.ConnState, server.ConnContext = handler.ConnState, handler.ConnContext
	if identity != nil {
		server.TLSConfig = identity.config()
	}
	return server
}

// newServer bounds what a client may take before its request is known. There is
// no bound on the whole of a response, which may stream for days.
func newServer(handler http.Handler, logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
		HTTP2:             &http.HTTP2Config{WriteByteTimeout: 10 * time.Second},
	}
}

func (c *serveCommand) logger() *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
		level = slog.LevelInfo // the parser allows no other text
	}
	options := &slog.HandlerOptions{Level: level}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(os.Stderr, options))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, options))
}

func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "" // the hub's default stands
	}
	return name
}
