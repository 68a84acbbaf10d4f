package api

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"fanfold/api/limit"
	"fanfold/hub"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Bounds on what scrapes cost.
const (
	maxScrapes    = 4               // at once; more get 503
	scrapeTimeout = 5 * time.Second // for what the hub says
)

// metrics are the hub's numbers, in a registry of their own.
type metrics struct {
	responses *prometheus.CounterVec
	handler   http.Handler // static
}

// newMetrics returns metrics that ask c at each scrape.
func newMetrics(logger *slog.Logger, c *collector) *metrics {
	m := &metrics{responses: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "fanfold_http_responses_total",
		Help: "HTTP requests that were answered, by status and by the route's template; no route: nothing is at the path. A stream counts when it ends, a WebSocket when it begins.",
	}, []string{"status", "route"})}
	registry := prometheus.NewRegistry()
	registry.MustRegister(m.responses, c, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.handler = promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(logger.Handler(), slog.LevelError),
		ErrorHandling:       promhttp.ContinueOnError, // a hub that does not answer has numbers to look at all the same
		MaxRequestsInFlight: maxScrapes,
	})
	return m
}

// upgradedKey is set in the context of a request that became a WebSocket.
const upgradedKey = "upgraded"

// count is the middleware that counts answers. What a client sends is in no label.
// A request without an answer, because the client has left, panics past it.
func (m *metrics) count(c *gin.Context) {
	c.Next()
	status := c.Writer.Status()
	if c.GetBool(upgradedKey) {
		status = http.StatusSwitchingProtocols
	}
	m.responses.WithLabelValues(strconv.Itoa(status), c.FullPath()).Inc()
}

// serveMetrics answers a scrape by somebody who has the admin grant.
func (a *API) serveMetrics(c *gin.Context) {
	if err := a.actor(c).CheckAdmin("metrics"); err != nil {
		a.writeError(c, err)
		return
	}
	a.metrics.handler.ServeHTTP(c.Writer, c.Request)
}

// collector is the [prometheus.Collector] of what the hub and its limits count.
// The store is not asked: a scrape writes nothing, and does not wait for a disk.
type collector struct {
	context context.Context // static, as all fields; its end ends a scrape
	hub     *hub.Actor      // with the admin grant
	limits  *limit.Limits
	bridges func() []Bridge // nil: there are none

	arrivals *arrivals
	devices  *devices
}

// reading is a number that one kind of snapshot has.
type reading[T any] struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	of   func(T) float64
}

func gauge[T any](name, help string, of func(T) float64) reading[T] {
	return reading[T]{prometheus.NewDesc(name, help, nil, nil), prometheus.GaugeValue, of}
}

func counter[T any](name, help string, of func(T) float64) reading[T] {
	return reading[T]{prometheus.NewDesc(name, help, nil, nil), prometheus.CounterValue, of}
}

var (
	hubReadings = []reading[hub.Info]{
		gauge("fanfold_sessions", "Sessions that are open.", func(i hub.Info) float64 { return float64(i.Sessions) }),
		gauge("fanfold_users", "Distinct users of the sessions; all anonymous ones together count as one.", func(i hub.Info) float64 { return float64(i.Users) }),
		gauge("fanfold_channels", "Channels and patterns with a subscriber.", func(i hub.Info) float64 { return float64(i.Channels) }),
		gauge("fanfold_uptime_seconds", "How long the hub has run.", func(i hub.Info) float64 { return i.Uptime.Seconds() }),
		counter("fanfold_slow_sessions_total", "Sessions closed because their outbox was full.", func(i hub.Info) float64 { return float64(i.Slow) }),
		counter("fanfold_frames_dropped_total", "Frames that slow sessions were spared.", func(i hub.Info) float64 { return float64(i.Dropped) }),
		counter("fanfold_gaps_total", "Times that stored messages were lost on the way to subscribers.", func(i hub.Info) float64 { return float64(i.Gaps) }),
		counter("fanfold_messages_filled_total", "Stored messages that were lost on the way and brought from the store.", func(i hub.Info) float64 { return float64(i.Filled) }),
		counter("fanfold_messages_lost_total", "Messages that were lost on the way and not stored.", func(i hub.Info) float64 { return float64(i.Lost) }),
		counter("fanfold_channels_refused_total", "Subscriptions refused because a connection had all the channels that it may have.", func(i hub.Info) float64 { return float64(i.Overbooked) }),
		counter("fanfold_denied_total", "Times that somebody asked for what no grant covers.", func(i hub.Info) float64 { return float64(i.Denied) }),
	}
	limitReadings = []reading[limit.Stats]{
		gauge("fanfold_limit_connections", "WebSockets and streams that are open.", func(s limit.Stats) float64 { return float64(s.Connections) }),
		gauge("fanfold_limit_accounts", "Users, keys and networks of which the limits remember something.", func(s limit.Stats) float64 { return float64(s.Accounts) }),
		counter("fanfold_limit_accounts_evicted_total", "Accounts that were forgotten before their budgets were full again.", func(s limit.Stats) float64 { return float64(s.Evicted) }),
	}
	arrivalReadings = []reading[*arrivals]{
		counter("fanfold_requests_unread_total", "Requests that no handler got: not HTTP, or a header that was too long or too slow.", func(s *arrivals) float64 { return float64(s.unread.Load()) }),
		counter("fanfold_connections_unused_total", "Connections that ended before they asked for anything, unfinished handshakes among them.", func(s *arrivals) float64 { return float64(s.unused.Load()) }),
	}
	deviceReadings = []reading[deviceStats]{
		gauge("fanfold_mqtt_connections", "MQTT clients that are connected.", func(s deviceStats) float64 { return float64(s.Connected) }),
		gauge("fanfold_mqtt_sessions", "MQTT sessions that are kept without a connection, or will be.", func(s deviceStats) float64 { return float64(s.Kept) }),
		gauge("fanfold_mqtt_retained_messages", "Messages that are retained.", func(s deviceStats) float64 { return float64(s.retained) }),
		counter("fanfold_mqtt_refused_total", "What MQTT clients asked for and was refused: connections, subscriptions and publishes.", func(s deviceStats) float64 { return float64(s.refused) }),
	}
	nodeDesc = prometheus.NewDesc("fanfold_node_info",
		"1, with what the node is called and which version it runs.", []string{"id", "name", "version"}, nil)
	publishedDesc = prometheus.NewDesc("fanfold_publishes_total",
		"Messages that were to be published, by what became of them: stored, live (delivered without being stored), duplicate, refused for something that the publisher can change, failed for the hub's own fault. What is scheduled, or is refused before the message is read, is not among them.", []string{"result"}, nil)
	refusedDesc = prometheus.NewDesc("fanfold_limit_refused_total",
		"What was refused because a limit was reached, by the limit's setting.", []string{"limit"}, nil)
)

// Describe implements [prometheus.Collector].
func (k *collector) Describe(to chan<- *prometheus.Desc) {
	for _, r := range hubReadings {
		to <- r.desc
	}
	for _, r := range limitReadings {
		to <- r.desc
	}
	for _, r := range arrivalReadings {
		to <- r.desc
	}
	for _, r := range deviceReadings {
		to <- r.desc
	}
	to <- nodeDesc
	to <- publishedDesc
	to <- refusedDesc
	describeBridges(to)
}

// Collect implements [prometheus.Collector]. It waits for the hub's shards, for at
// most the scrapeTimeout.
func (k *collector) Collect(to chan<- prometheus.Metric) {
	k.collectLimits(to)
	for _, r := range arrivalReadings {
		to <- prometheus.MustNewConstMetric(r.desc, r.kind, r.of(k.arrivals))
	}
	if k.bridges != nil {
		for _, b := range k.bridges() {
			b.collect(to)
		}
	}
	devices := k.devices.stats()
	for _, r := range deviceReadings {
		to <- prometheus.MustNewConstMetric(r.desc, r.kind, r.of(devices))
	}
	ctx, cancel := context.WithTimeout(k.context, scrapeTimeout)
	defer cancel()
	info, err := k.hub.Info(ctx)
	if err != nil {
		to <- prometheus.NewInvalidMetric(nodeDesc, err)
		return
	}
	collectHub(to, info)
}

func collectHub(to chan<- prometheus.Metric, i hub.Info) {
	for _, r := range hubReadings {
		to <- prometheus.MustNewConstMetric(r.desc, r.kind, r.of(i))
	}
	for result, n := range map[string]int64{
		"stored": i.Published.Stored, "live": i.Published.Live, "duplicate": i.Published.Duplicate,
		"refused": i.Published.Refused, "failed": i.Published.Failed,
	} {
		to <- prometheus.MustNewConstMetric(publishedDesc, prometheus.CounterValue, float64(n), result)
	}
	name := strings.ToValidUTF8(i.Name, "\uFFFD") // it is a setting, and labels must be UTF-8
	to <- prometheus.MustNewConstMetric(nodeDesc, prometheus.GaugeValue, 1, i.ID, name, i.Version)
}

func (k *collector) collectLimits(to chan<- prometheus.Metric) {
	stats := k.limits.Stats()
	for _, r := range limitReadings {
		to <- prometheus.MustNewConstMetric(r.desc, r.kind, r.of(stats))
	}
	for name, n := range stats.Refused {
		to <- prometheus.MustNewConstMetric(refusedDesc, prometheus.CounterValue, float64(n), strings.TrimPrefix(string(name), "limit-"))
	}
}
