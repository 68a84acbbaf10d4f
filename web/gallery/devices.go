package gallery

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"sync"
	"time"

	"fanfold/hub"
)

// The channels that devices publish to; a topic is the last token of one.
const (
	deviceChannels = "gallery.devices."
	deviceEvery    = time.Second
	deviceKept     = 300 // samples, which are five minutes
)

// deviceRule: a sample is worth nothing once the next one is there, so nothing is
// stored; whoever is too slow for one gets the next.
func deviceRule() hub.Rule {
	return hub.Rule{
		Name: "gallery-devices", Channels: deviceChannels + "*", Live: true,
		NoJoinLeave: true, Publishers: hub.PublishersServer, Slow: hub.SlowDropOldest,
	}
}

// devices publishes what this host does, once a second, each topic to a channel of
// its own, and tells newcomers the last five minutes. A reading takes 0.2 ms here, so
// it does not matter whether anybody watches.
type devices struct {
	Config                                 // static
	session string                         // static; tells this run's numbers from those of the run before a restart
	read    func(context.Context) counters // static

	mu      sync.Mutex
	samples []sample        // guarded by mu; oldest first, deviceKept at most; none changes
	answer  json.RawMessage // guarded by mu; of these samples, nil until somebody asks
}

// sample is what happened between two readings.
type sample struct {
	n      int // 1, 2, 3 …
	time   time.Time
	values map[string]values // by topic
}

// values are numbers by what they are of. What is not known is not there.
type values map[string]float64

func newDevices(c Config) *devices {
	return &devices{
		Config: c, session: rand.Text()[:8],
		read: func(ctx context.Context) counters { return readCounters(ctx, c.Folder) },
	}
}

func (d *devices) methods() map[string]Method {
	return map[string]Method{deviceChannels + "recent": {Channel: deviceChannels + "recent", Call: d.recent}}
}

func (d *devices) run(ctx context.Context) { d.sample(ctx, d.publish) }

// sample reads the counters each second, keeps what has changed and hands it on.
func (d *devices) sample(ctx context.Context, publish func(context.Context, sample)) {
	ticker := time.NewTicker(deviceEvery)
	defer ticker.Stop()
	last := d.read(ctx)
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := d.read(ctx)
		publish(ctx, d.add(now.time, now.since(last)))
		last = now
	}
}

// add numbers a sample and keeps it. It is kept before it is published: who
// subscribes first and asks for the recent ones then has no hole between them.
func (d *devices) add(at time.Time, v map[string]values) sample {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := sample{n: 1, time: at, values: v}
	if n := len(d.samples); n > 0 {
		s.n = d.samples[n-1].n + 1
		d.samples = d.samples[max(0, n+1-deviceKept):]
	}
	d.samples, d.answer = append(d.samples, s), nil
	return s
}

// deviceMessage is what a channel brings.
type deviceMessage struct {
	Run    string `json:"run"`
	N      int    `json:"n"`
	Time   int64  `json:"time"` // ms since 1970
	Values values `json:"values"`
}

func (d *devices) publish(ctx context.Context, s sample) {
	for topic, v := range s.values {
		if len(v) == 0 {
			continue // this platform can't tell
		}
		_, err := d.Client.Send(ctx, deviceChannels+topic, deviceMessage{d.session, s.n, s.time.UnixMilli(), v})
		if err != nil && ctx.Err() == nil {
			d.Logger.Debug("a sample of this host is not published", "topic", topic, "error", err) // the next one comes in a second
		}
	}
}

// deviceHistory holds samples by columns, which is a third of them one by one.
type deviceHistory struct {
	Run    string                       `json:"run"`
	First  int                          `json:"first"` // number of the first sample; none is missing behind it
	Times  []int64                      `json:"times"`
	Topics map[string]map[string]column `json:"topics"`
}

// column is one value of each sample; nil where it is not known.
type column []*float64

// recent answers with the samples of the last five minutes. They are written once
// a second, however many ask.
func (d *devices) recent(context.Context, *hub.Client, []byte) ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.answer == nil {
		var err error
		if d.answer, err = json.Marshal(history(d.session, d.samples)); err != nil {
			return nil, err
		}
	}
	return d.answer, nil
}

func history(run string, samples []sample) deviceHistory {
	h := deviceHistory{Run: run, Times: make([]int64, len(samples)), Topics: map[string]map[string]column{}}
	for i := len(samples) - 1; i >= 0; i-- { // the newest first: their values have a place before those that have vanished
		h.First, h.Times[i] = samples[i].n, samples[i].time.UnixMilli()
		for topic, v := range samples[i].values {
			if h.Topics[topic] == nil && len(v) > 0 {
				h.Topics[topic] = map[string]column{}
			}
			h.put(h.Topics[topic], i, v)
		}
	}
	return h
}

// maxColumns bounds a topic where interfaces come and go.
const maxColumns = 64

func (h *deviceHistory) put(columns map[string]column, i int, v values) {
	for name, value := range v {
		if columns[name] == nil && len(columns) < maxColumns {
			columns[name] = make(column, len(h.Times))
		}
		if c := columns[name]; c != nil {
			c[i] = &value
		}
	}
}
