package tests

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
)

// All that is promised of a bridge to RabbitMQ, with one broker, since that takes seconds to
// start.
func TestAnAMQPBrokerIsJoined(t *testing.T) {
	t.Parallel()
	p := makePair(t)
	r := startRabbit(t, p)
	for _, row := range []struct {
		name string
		test func(*testing.T, *rabbit, *amqp.Channel)
	}{
		{"both ways", amqpBothWays},
		{"what can't be taken", amqpRefuses},
		{"what no queue takes", amqpUnroutable},
		{"no loops", amqpDoesNotLoop},
		{"TLS and what is not there", func(t *testing.T, r *rabbit, ch *amqp.Channel) { amqpSecure(t, r, ch, p) }},
		{"the hub is killed", amqpHubKilled},
		{"the broker is killed", amqpBrokerKilled},
	} {
		t.Run(row.name, func(t *testing.T) {
			view := *r
			view.t = t
			row.test(t, &view, view.open())
			r.process = view.process
		})
	}
}

func amqpBothWays(t *testing.T, r *rabbit, ch *amqp.Channel) {
	queue(t, ch, "orders", nil)
	queue(t, ch, "heard", nil, [2]string{"amq.topic", "notify.#"})
	queue(t, ch, "jobs", nil)
	h := startBridged(t, fmt.Sprintf(`
  - name: shop
    url: amqp://127.0.0.1:%d
    in:
      - {queue: orders, to: shop.orders}
      - {exchange: amq.topic, keys: ["user.#"], queue: fanfold-events, to: shop.events.>}
    out:
      - {from: shop.notify.>, exchange: amq.topic, key: notify.>}
      - {from: shop.jobs, queue: jobs, payload: json}
`, r.port))
	h.connected("shop")
	for _, m := range []amqp.Publishing{
		{Body: []byte("first"), MessageId: "1", Headers: amqp.Table{"priority": int32(3), "list": []any{"x"}}},
		{Body: []byte("first"), MessageId: "1", Headers: amqp.Table{"priority": int32(3)}}, // its publisher did not know
		{Body: []byte("other"), MessageId: "1"},                                            // counts anew
		{Body: []byte("first")},
	} {
		if !send(ch, "", "orders", m) {
			t.Fatal("not acknowledged")
		}
	}
	send(ch, "amq.topic", "user.new/2.x", amqp.Publishing{Body: []byte(`{"id":7}`)})
	send(ch, "amq.topic", "user.bytes", amqp.Publishing{Body: []byte("\xff\x00")})
	eventually(t, "the orders", func() bool { return slices.Equal(h.texts("shop.orders"), []string{"first", "other", "first"}) })
	for channel, data := range map[string]string{"shop.events.user.new=2F2.x": `{"id":7}`, "shop.events.user.bytes": `{"message":"/wA=","encoding":"base64"}`} {
		eventually(t, channel, func() bool { return len(h.history(channel)) == 1 })
		if got := string(h.history(channel)[0].Data); got != data {
			t.Errorf("%s has %s, want %s", channel, got, data)
		}
	}
	if tags := h.want(200, "POST", "/api/history", `{"channel":"shop.orders","limit":1}`); !strings.Contains(tags, `"priority":"3"`) || strings.Contains(tags, `"list"`) {
		t.Errorf("the headers as tags: %s", tags)
	}

	s := h.publish("shop.notify.a=2Fb.c", "hello")
	m := take(t, ch, "heard")
	if string(m.Body) != "hello" || m.RoutingKey != "notify.a/b.c" || m.MessageId != s.ID || m.DeliveryMode != amqp.Persistent || m.ContentType != "text/plain; charset=utf-8" || m.Headers["fanfold-hub"] == nil {
		t.Errorf("got %+v", m)
	}
	h.do("POST", "/api/publish", `{"channel":"shop.jobs","data":{"message":"do","title":"T"},"tags":{"kind":"x"}}`)
	if m := take(t, ch, "jobs"); string(m.Body) != `{"message":"do","title":"T"}` || m.ContentType != "application/json" || m.Headers["kind"] != "x" {
		t.Errorf("got %+v", m)
	}
	eventually(t, "the state", func() bool { b := h.bridges()["shop"]; return b.In == 6 && b.Out == 2 && b.Error == "" && b.Lag == 0 })
}

// What the hub can never take goes to the dead letters, and holds up nothing.
func amqpRefuses(t *testing.T, r *rabbit, ch *amqp.Channel) {
	queue(t, ch, "dead", nil, [2]string{"amq.fanout", ""})
	queue(t, ch, "strict", amqp.Table{"x-dead-letter-exchange": "amq.fanout"})
	h := startBridged(t, fmt.Sprintf(`
  - name: strict
    url: amqp://127.0.0.1:%d
    in: [{queue: strict, to: strict}, {exchange: amq.topic, keys: [own.#], queue: own, dead-letter: amq.fanout, to: own.>}]
`, r.port), "--max-message-bytes", "1000")
	h.connected("strict")
	long := strings.Repeat("x", 20_000)
	send(ch, "", "strict", amqp.Publishing{Body: []byte(long)})
	send(ch, "", "strict", amqp.Publishing{Body: []byte("good")})
	if m := take(t, ch, "dead"); string(m.Body) != long {
		t.Errorf("among the dead letters are %d bytes", len(m.Body))
	}
	eventually(t, "the good one", func() bool { return slices.Equal(h.texts("strict"), []string{"good"}) })
	send(ch, "amq.topic", "own."+strings.Repeat("long ", 50), amqp.Publishing{Body: []byte("no channel is called so")})
	if m := take(t, ch, "dead"); string(m.Body) != "no channel is called so" {
		t.Errorf("among the dead letters is %s", m.Body)
	}
	eventually(t, "the count", func() bool { return h.bridges()["strict"].RefusedIn == 2 })
	if log := h.stderr.String(); strings.Count(log, "refused for good") != 1 {
		t.Error("the log does not tell of it once")
	}
}

// A message that no queue takes is told of, and comes when one does; or is passed over.
func amqpUnroutable(t *testing.T, r *rabbit, ch *amqp.Channel) {
	queue(t, ch, "late", nil)
	h := startBridged(t, fmt.Sprintf(`
  - name: lost
    url: amqp://127.0.0.1:%d
    out: [{from: keep.>, exchange: amq.direct, key: ">"}, {from: drop.>, exchange: amq.direct, key: drop.>, unroutable: drop}]
`, r.port))
	h.connected("lost")
	h.publish("drop.a", "to nobody")
	eventually(t, "it is passed over", func() bool { return h.bridges()["lost"].RefusedOut == 1 })
	h.publish("keep.late", "one")
	h.publish("keep.late", "two")
	eventually(t, "the state says why", func() bool { return strings.Contains(h.bridges()["lost"].Error, "NO_ROUTE") })
	if err := ch.QueueBind("late", "late", "amq.direct", false, nil); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"one", "two"} {
		if m := take(t, ch, "late"); string(m.Body) != text {
			t.Errorf("got %q, want %q", m.Body, text)
		}
	}
	eventually(t, "all is well", func() bool { b := h.bridges()["lost"]; return b.Error == "" && b.Out == 2 && b.Lag == 0 })
	if log := h.stderr.String(); strings.Count(log, "NO_ROUTE") != 2 { // once each
		t.Error("the log does not tell of each once")
	}
}

// Routes whose names overlap bring nothing back.
func amqpDoesNotLoop(t *testing.T, r *rabbit, ch *amqp.Channel) {
	queue(t, ch, "count", nil, [2]string{"amq.topic", "ring.#"})
	bridge := `
  - {name: ring, url: "amqp://127.0.0.1:%d", in: [{exchange: amq.topic, keys: ["ring.#"], queue: %s, to: ">"}], out: [{from: ring.>, exchange: amq.topic, key: ring.>}]}
`
	a, b := startBridged(t, fmt.Sprintf(bridge, r.port, "ring-a")), startBridged(t, fmt.Sprintf(bridge, r.port, "ring-b"))
	a.connected("ring")
	b.connected("ring")
	for i := range 10 {
		a.publish("ring.x", fmt.Sprint("a ", i))
		b.publish("ring.x", fmt.Sprint("b ", i))
		send(ch, "amq.topic", "ring.x", amqp.Publishing{Body: fmt.Appendf(nil, "m %d", i)})
	}
	eventually(t, "all come to all", func() bool { return len(a.texts("ring.x")) >= 30 && len(b.texts("ring.x")) >= 30 })
	send(ch, "amq.topic", "ring.x", amqp.Publishing{Body: []byte("the last")})
	eventually(t, "the last", func() bool { return len(a.texts("ring.x")) >= 31 && len(b.texts("ring.x")) >= 31 })
	for name, h := range map[string]*hub{"a": a, "b": b} {
		if first, again := firsts(h.texts("ring.x")); len(first) != 31 || again != 0 {
			t.Errorf("hub %s has %d different messages and %d again, want 31 and none", name, len(first), again)
		}
	}
	if q, err := ch.QueueDeclarePassive("count", true, false, false, false, nil); err != nil || q.Messages != 31 {
		t.Errorf("the broker has seen %d messages, %v: want 31", q.Messages, err)
	}
}

// A wrong password and a queue that is not there are told of and tried again.
func amqpSecure(t *testing.T, r *rabbit, ch *amqp.Channel, p pair) {
	secret := filepath.Join(t.TempDir(), "secret")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(secret, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("the wrong one")
	h := startBridged(t, fmt.Sprintf(`
  - {name: secure, url: "amqps://localhost:%d", user: guest, password-file: %s, ca-file: %s, in: [{queue: secure, to: secure}]}
`, r.tlsPort, secret, p.cert))
	eventually(t, "the broker's refusal", func() bool { return strings.Contains(h.bridges()["secure"].Error, "user or password") })
	write("guest\n")
	eventually(t, "the queue is missed", func() bool { return strings.Contains(h.bridges()["secure"].Error, "no queue 'secure'") })
	queue(t, ch, "secure", nil)
	h.connected("secure")
	send(ch, "", "secure", amqp.Publishing{Body: []byte("through TLS")})
	eventually(t, "the message", func() bool { return slices.Equal(h.texts("secure"), []string{"through TLS"}) })
	if strings.Contains(h.stderr.String(), "the wrong one") {
		t.Error("the log has the password")
	}
}

// traffic has messages on their way in both directions while something breaks.
type traffic struct {
	h       *hub
	in, out []string // what was acknowledged
}

// run publishes to the broker's queue "in" and to the channel "out", until both have
// acknowledged enough or are gone.
func (tr *traffic) run(ch *amqp.Channel, round int, meanwhile func()) {
	done := make(chan []string)
	go func() {
		var acked []string
		for _, text := range numbered(fmt.Sprint("in ", round), 0, 150) {
			if !send(ch, "", "in", amqp.Publishing{Body: []byte(text), MessageId: text}) {
				break
			}
			acked = append(acked, text)
		}
		done <- acked
	}()
	for i := range 150 {
		if i == 75 {
			meanwhile()
		}
		text := fmt.Sprintf("out %d %d", round, i)
		if res, err := tr.h.try("POST", "/out", text); err == nil && res.status == http.StatusOK {
			tr.out = append(tr.out, text)
		}
	}
	tr.in = append(tr.in, <-done...)
}

func startTraffic(t *testing.T, r *rabbit, ch *amqp.Channel) *traffic {
	t.Helper()
	queue(t, ch, "in", nil)
	queue(t, ch, "out", nil)
	h := startBridged(t, fmt.Sprintf(`
  - {name: busy, url: "amqp://127.0.0.1:%d", in: [{queue: in, to: in}], out: [{from: out, queue: out}]}
`, r.port))
	h.connected("busy")
	return &traffic{h: h}
}

// whole checks that everything acknowledged is there: in the hub once, in the broker in
// order, where it may have come again.
func (tr *traffic) whole(t *testing.T, ch *amqp.Channel) {
	t.Helper()
	send(ch, "", "in", amqp.Publishing{Body: []byte("the last"), MessageId: "the last"})
	tr.h.publish("out", "the last")
	eventually(t, "the last message", func() bool { return slices.Contains(tr.h.texts("in"), "the last") })
	first, again := firsts(tr.h.texts("in"))
	if again != 0 {
		t.Errorf("%d messages came in again, although they have message IDs", again)
	}
	containsInOrder(t, "the hub", first, append(tr.in, "the last"))
	var got []string
	for len(got) == 0 || got[len(got)-1] != "the last" {
		got = append(got, string(take(t, ch, "out").Body))
	}
	first, again = firsts(got)
	containsInOrder(t, "the broker", first, append(tr.out, "the last"))
	t.Logf("%d in, %d out, of which %d came again", len(tr.in), len(tr.out), again)
}

// containsInOrder: what was not acknowledged may be there too.
func containsInOrder(t *testing.T, where string, got, want []string) {
	t.Helper()
	rest := got
	for _, text := range want {
		i := slices.Index(rest, text)
		if i < 0 {
			t.Errorf("%s has %q not, or not in its order: %d of %d", where, text, len(got), len(want))
			return
		}
		rest = rest[i+1:]
	}
}

func amqpHubKilled(t *testing.T, r *rabbit, ch *amqp.Channel) {
	tr := startTraffic(t, r, ch)
	for round := range 3 {
		tr.run(ch, round, tr.h.kill)
		tr.h.startAgain()
	}
	tr.whole(t, ch)
	if len(tr.in) != 450 {
		t.Errorf("the broker has acknowledged %d", len(tr.in))
	}
}

func amqpBrokerKilled(t *testing.T, r *rabbit, ch *amqp.Channel) {
	tr := startTraffic(t, r, ch)
	tr.run(ch, 0, r.kill)
	if b := tr.h.bridges()["busy"]; b.Connected || b.Error == "" {
		t.Errorf("the state is %+v", b)
	}
	r.restart()
	ch = r.open()
	tr.run(ch, 1, func() {})
	tr.whole(t, ch)
	if len(tr.out) != 300 {
		t.Errorf("the hub has acknowledged %d", len(tr.out))
	}
}
