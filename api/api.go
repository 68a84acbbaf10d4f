package api

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"fanfold/api/access"
	"fanfold/api/dialect"
	"fanfold/api/limit"
	"fanfold/hub"

	"github.com/gin-gonic/gin"
)

// Config of an [API].
type Config struct {
	Hub    *hub.Hub // required
	Logger *slog.Logger
	// Access finds out who sends each request; nil: nobody is asked, and everybody may
	// do everything.
	Access *access.Authenticator
	// Limits are what may be taken of the hub; nil: anything.
	Limits *limit.Limits
	// BodyTimeout is how long a client may take to send a body, which stops those who do
	// it byte by byte. 0: 30 s.
	BodyTimeout time.Duration
	// Page serves GET requests for the page and its files; PageFiles are the names
	// of those files, which can't be channels over HTTP.
	Page      http.Handler // required
	PageFiles []string
	Fold      dialect.Fold // the echo's default
	// Methods are calls that clients can make by rpc, beside casefold.
	Methods map[string]dialect.Method
	// Bridges tells how the bridges to brokers do, at once; nil: there are none.
	Bridges func() []Bridge
	Version string
	// MaxTextBytes is the longest text that the echo folds or a message over ntfy's
	// API has. A message's data, with the JSON around its text, may be longer: the hub
	// has the bound on that.
	MaxTextBytes int // required
	// AllowOrigins are the origins, beside the hub's own host, whose pages may use
	// it; "*" is any.
	AllowOrigins []string
	// AllowHosts are the names, beside localhost, that clients may call the hub by;
	// "*" is any. Loopback says that the hub can be reached from its own machine alone:
	// it goes by no other names then. Elsewhere, and behind a trusted proxy, none means any.
	AllowHosts []string
	Loopback   bool
	// TrustedProxies are the networks of proxies whose word on who a request comes
	// from counts.
	TrustedProxies []netip.Prefix
	// MQTTExpiry is how long a device's session is kept without a connection at most. 0: 7
	// days.
	MQTTExpiry time.Duration
}

// Validate says which field can't be used.
func (c Config) Validate() error {
	if c.Hub == nil || c.Page == nil {
		return errors.New("api: no hub or no page is configured")
	}
	if c.MaxTextBytes < 1 {
		return errors.New("api: the bound on a text's size must be positive")
	}
	return errors.Join(c.checkOrigins(), c.checkHosts())
}

// API is the hub's HTTP handler.
type API struct {
	config Config // static
	router *gin.Engine
	taken  map[string]string // channel names that routes hide, with the route

	everybody *hub.Actor // who comes if nobody is asked who they are
	refusals  ration     // refused credentials that the log is told of
	failures  ration     // the same of requests that the hub could not serve
	metrics   *metrics
	idlers    idlers
	arrivals  arrivals
	deafen    func() // ends the hearing of revocations
	devices   devices
	errands   *errands
	sockets   []*socket // static

	context    context.Context // ends with Wait's beginning
	cancel     context.CancelFunc
	goroutines sync.WaitGroup
}

// New returns a handler whose goroutines [API.Wait] waits for.
func New(config Config) (*API, error) {
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	if config.Limits == nil {
		config.Limits = limit.New(limit.Config{}, nil)
	}
	config.BodyTimeout = cmp.Or(config.BodyTimeout, 30*time.Second)
	config.MQTTExpiry = cmp.Or(config.MQTTExpiry, 7*24*time.Hour)
	if err := config.Validate(); err != nil {
		return nil, err
	}
	a := &API{config: config, everybody: config.Hub.As(&hub.Principal{Grant: hub.Everything()})}
	a.context, a.cancel = context.WithCancel(context.Background())
	a.errands = newErrands(a.context, a.goroutines.Go)
	if config.Access != nil {
		guarded := *config.Access
		guarded.Guard = a.guard
		a.config.Access = &guarded
	}
	if err := a.openDevices(context.Background()); err != nil {
		return nil, err
	}
	a.metrics = newMetrics(a.config.Logger, &collector{context: a.context, hub: a.everybody, limits: config.Limits, bridges: config.Bridges, arrivals: &a.arrivals, devices: &a.devices})
	a.routes()
	if err := a.hearRevocations(context.Background()); err != nil {
		a.devices.close()
		return nil, err
	}
	a.goroutines.Go(func() { a.devices.sessions.Run(a.context) })
	a.goroutines.Go(a.beat)
	return a, nil
}

// ServeHTTP implements [http.Handler].
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	handed(r)
	if r.ContentLength != 0 { // net/http reads what a handler leaves, before it answers
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(a.config.BodyTimeout))
	}
	a.router.ServeHTTP(w, r)
}

// Wait blocks until the goroutines of all connections have ended, which they do
// once the hub has closed their sessions, or until ctx is done. No request may come in
// any more.
func (a *API) Wait(ctx context.Context) error {
	a.cancel()
	a.deafen()
	a.devices.close()
	done := make(chan struct{})
	go func() { a.goroutines.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
