package api_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"fanfold/api"
	"fanfold/api/access"
	"fanfold/api/limit"
	"fanfold/hub"
	"fanfold/hub/stream"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// scraped are the values of a scrape, by name and labels, in the text format's
// spelling with sorted labels.
type scraped map[string]float64

func scrape(t *testing.T, url string, headers ...string) scraped {
	t.Helper()
	response, body := do(t, "GET", url+"/metrics", "", headers...)
	if kind := response.Header.Get("Content-Type"); response.StatusCode != 200 || !strings.HasPrefix(kind, "text/plain; version=0.0.4") {
		t.Fatalf("%d %s %s", response.StatusCode, kind, body)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(body))
	if err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	all := scraped{}
	for name, family := range families {
		for _, m := range family.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
			}
			key := name
			if labels != nil {
				key += "{" + strings.Join(labels, ",") + "}"
			}
			all[key] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	return all
}

// want fails the test for each value that is missing or another.
func (s scraped) want(t *testing.T, values map[string]float64) {
	t.Helper()
	for key, value := range values {
		if got, ok := s[key]; !ok || got != value {
			t.Errorf("%s is %v (there: %v), want %v", key, got, ok, value)
		}
	}
}

// of returns those of one name.
func (s scraped) of(name string) []string {
	var keys []string
	for key := range s {
		if strings.HasPrefix(key, name+"{") {
			keys = append(keys, key)
		}
	}
	return keys
}

// failing is an engine whose store is full where the channel says so.
type failing struct{ hub.Engine }

func (e failing) Publish(ctx context.Context, m *hub.Message, o hub.PublishOptions) (bool, error) {
	if m.Channel == "full" {
		return false, hub.Errorf(hub.CodeFull, "full")
	}
	return e.Engine.Publish(ctx, m, o)
}

func TestMetricsSayWhatTheHubDid(t *testing.T) {
	server, _ := serveOn(t, api.Config{}, func(e hub.Engine) hub.Engine { return failing{e} })
	call := func(body string) {
		t.Helper()
		if response, text := do(t, "POST", server.URL+"/api/publish", body); response.StatusCode != 200 {
			t.Fatalf("%d %s", response.StatusCode, text)
		}
	}
	for range 2 {
		call(`{"channel":"a","data":1,"idempotency_key":"k"}`)
	}
	call(`{"channel":"a","data":1}`)
	call(`{"channel":"a b","data":1}`)
	do(t, "POST", server.URL+"/a", "x", "Cache", "no")
	do(t, "POST", server.URL+"/full", "x")
	do(t, "POST", server.URL+"/a", "x", "Content-Encoding", "gzip")
	do(t, "POST", server.URL+"/a", strings.Repeat("x", 70_000))
	conn := (&limitedHub{Server: server})
	if c, _, body := conn.dial(t, "/a,b/ws"); c == nil {
		t.Fatal(body)
	}

	var s scraped
	for deadline := time.Now().Add(10 * time.Second); s[`fanfold_http_responses_total{route="/:channel/ws",status="101"}`] == 0; {
		if s = scrape(t, server.URL); time.Now().After(deadline) {
			t.Fatalf("the WebSocket is not counted: %v", s)
		}
	}
	s.want(t, map[string]float64{
		`fanfold_publishes_total{result="stored"}`:                        2,
		`fanfold_publishes_total{result="live"}`:                          1,
		`fanfold_publishes_total{result="duplicate"}`:                     1,
		`fanfold_publishes_total{result="refused"}`:                       1,
		`fanfold_publishes_total{result="failed"}`:                        1,
		`fanfold_http_responses_total{route="/api/:method",status="200"}`: 4,
		`fanfold_http_responses_total{route="/:channel",status="200"}`:    1,
		`fanfold_http_responses_total{route="/:channel",status="507"}`:    1,
		`fanfold_http_responses_total{route="/:channel",status="415"}`:    1,
		`fanfold_http_responses_total{route="/:channel",status="413"}`:    1,
		"fanfold_sessions":            1,
		"fanfold_users":               1,
		"fanfold_channels":            2,
		"fanfold_limit_connections":   1,
		"fanfold_denied_total":        0,
		"fanfold_slow_sessions_total": 0, "fanfold_frames_dropped_total": 0, "fanfold_gaps_total": 0,
		"fanfold_messages_filled_total": 0, "fanfold_messages_lost_total": 0,
	})
	for _, name := range []string{"fanfold_uptime_seconds", "go_goroutines", "process_open_fds"} {
		if s[name] <= 0 {
			t.Errorf("%s is %v", name, s[name])
		}
	}
	if node := s.of("fanfold_node_info"); len(node) != 1 || !strings.Contains(node[0], `name="fanfold",version="dev"`) {
		t.Errorf("the node is %v", node)
	}
}

func TestMetricsAreNamedByTheRules(t *testing.T) {
	server, _ := serve(t, api.Config{})
	_, body := do(t, "GET", server.URL+"/metrics", "")
	problems, err := promlint.New(strings.NewReader(body)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "fanfold_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

// What is refused before a handler has it counts too.
func TestMetricsCountWhatMiddlewaresAnswer(t *testing.T) {
	server, _ := serve(t, api.Config{AllowHosts: []string{"hub.example"}, Loopback: true})
	r, err := http.NewRequestWithContext(t.Context(), "GET", server.URL+"/news/json?poll=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "evil.example"
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	do(t, "GET", server.URL+"/news/json?poll=1", "", "Origin", "https://evil.example")
	do(t, "GET", server.URL+"/news/json?%zz", "")
	scrape(t, server.URL).want(t, map[string]float64{
		`fanfold_http_responses_total{route="/:channel/json",status="421"}`: 1,
		`fanfold_http_responses_total{route="/:channel/json",status="403"}`: 1,
		`fanfold_http_responses_total{route="/:channel/json",status="400"}`: 1,
	})
}

// What anybody sends makes no new series.
func TestMetricLabelsAreBounded(t *testing.T) {
	server, _ := serve(t, api.Config{})
	for i := range 300 {
		path := fmt.Sprintf("/c%d", i)
		do(t, "GET", server.URL+path, "")
		do(t, "GET", server.URL+path+"/json?poll=1&x="+path, "")
		do(t, "GET", server.URL+path+"/x/y/z", "")
		do(t, "DELETE", server.URL+path, "")
		do(t, "POST", server.URL+"/api"+path, "{}")
		do(t, fmt.Sprintf("M%d", i), server.URL+path, "")
	}
	scrape(t, server.URL)
	s := scrape(t, server.URL)
	s.want(t, map[string]float64{
		`fanfold_http_responses_total{route="/:channel",status="404"}`:      300,
		`fanfold_http_responses_total{route="/:channel/json",status="200"}`: 300,
		`fanfold_http_responses_total{route="/api/:method",status="404"}`:   300,
		`fanfold_http_responses_total{route="/metrics",status="200"}`:       1,
	})
	if series := s.of("fanfold_http_responses_total"); len(series) > 6 {
		t.Errorf("there are %d series: %q", len(series), series)
	}
}

// TestMetricsCountEachLimit reaches each limit once.
func TestMetricsCountEachLimit(t *testing.T) {
	one := limit.Rate{PerSecond: 0.001, Burst: 1}
	messages, bytes := limit.Budget{Messages: one}, limit.Budget{Bytes: limit.Rate{PerSecond: 0.001, Burst: 100}}
	ann := tokenOf(t, "ann")
	post := func(t *testing.T, l *limitedHub, credential ...string) {
		l.post(t, strings.Repeat("x", 60), at(here, credential...)...)
	}
	postAsAnn := func(t *testing.T, l *limitedHub) { post(t, l, ann) }
	postWithKey := func(t *testing.T, l *limitedHub) { post(t, l, l.key) }
	postAsNobody := func(t *testing.T, l *limitedHub) { post(t, l) }
	dial := func(t *testing.T, l *limitedHub) { l.dial(t, "/news/ws", at(here)...) }
	rows := map[limit.Name]struct {
		config limit.Config
		reach  func(*testing.T, *limitedHub) // when done twice
	}{
		limit.PublishesPerUser:   {limit.Config{User: messages}, postAsAnn},
		limit.PublishesPerKey:    {limit.Config{Key: messages}, postWithKey},
		limit.PublishesPerIP:     {limit.Config{IP: messages}, postAsNobody},
		limit.BytesPerUser:       {limit.Config{User: bytes}, postAsAnn},
		limit.BytesPerKey:        {limit.Config{Key: bytes}, postWithKey},
		limit.BytesPerIP:         {limit.Config{IP: bytes}, postAsNobody},
		limit.Connections:        {limit.Config{Connections: 1}, dial},
		limit.ConnectionsPerIP:   {limit.Config{ConnectionsPerIP: 1}, dial},
		limit.ConnectionsPerUser: {limit.Config{ConnectionsPerUser: 1}, func(t *testing.T, l *limitedHub) { l.dial(t, "/news/ws", at(here, ann)...) }},
		limit.Connects:           {limit.Config{Connects: one}, dial},
		limit.FailuresPerIP:      {limit.Config{FailuresPerIP: one}, func(t *testing.T, l *limitedHub) { post(t, l, access.NewKey()) }},
		limit.IdlePerIP: {limit.Config{IdlePerIP: 1}, func(_ *testing.T, l *limitedHub) {
			_ = l.limits.Idle(limit.Network(netip.MustParsePrefix(here + "/32")))
		}},
	}
	for _, name := range limit.Names() {
		t.Run(string(name), func(t *testing.T) {
			row, ok := rows[name]
			if !ok {
				t.Fatal("this limit is not in the test")
			}
			l := serveLimited(t, row.config)
			for refused := range 2 {
				row.reach(t, l)
				s, want := scrape(t, l.URL, "X-API-Key", l.key), map[string]float64{}
				for _, n := range limit.Names() {
					want[fmt.Sprintf("fanfold_limit_refused_total{limit=%q}", strings.TrimPrefix(string(n), "limit-"))] = 0
				}
				want[fmt.Sprintf("fanfold_limit_refused_total{limit=%q}", strings.TrimPrefix(string(name), "limit-"))] = float64(refused)
				s.want(t, want)
			}
		})
	}
}

func TestMetricsAreForAdmins(t *testing.T) {
	c, key, _ := guarded(t)
	c.Access.Anonymous = &hub.Principal{Grant: hub.Grant{Subscribe: []string{">"}}}
	server, _ := serve(t, c)
	ann := token(t, access.Claims{Subject: "ann", Grant: hub.Grant{Subscribe: []string{">"}, Publish: []string{">"}}})
	for _, method := range []string{"GET", "HEAD"} {
		for _, row := range []struct {
			name    string
			headers []string
			status  int
		}{
			{"nobody", nil, 401},
			{"a wrong key", bearer(access.NewKey()), 401},
			{"a user", bearer(ann), 403},
			{"an admin's key, as Prometheus sends it", bearer(key), 200},
		} {
			response, body := do(t, method, server.URL+"/metrics", "", row.headers...)
			if response.StatusCode != row.status || (row.status != 200 && strings.Contains(body, "fanfold_")) || (method == "HEAD" && body != "") {
				t.Errorf("%s %s: %d %.200s", method, row.name, response.StatusCode, body)
			}
		}
	}
	scrape(t, server.URL, bearer(key)...).want(t, map[string]float64{"fanfold_denied_total": 4})
}

// A hub that can't say how it is has its other numbers to show.
func TestMetricsOfAHubThatHasEnded(t *testing.T) {
	engine, err := stream.Open(t.Context(), stream.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	h, err := hub.New(hub.Config{Engine: engine})
	if err != nil {
		t.Fatal(err)
	}
	handler, err := api.New(api.Config{Hub: h, Page: http.NotFoundHandler(), MaxTextBytes: 1})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	defer func() { server.Close(); _ = handler.Wait(context.Background()) }()
	if err := h.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := scrape(t, server.URL)
	s.want(t, map[string]float64{"fanfold_limit_connections": 0})
	if _, ok := s["fanfold_sessions"]; ok {
		t.Error("a hub whose shards have ended was asked")
	}
}
