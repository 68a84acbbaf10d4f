package tests

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"fanfold/tests/need"
)

// What devices publish comes to channels and what is published to channels comes to
// topics, in both versions of MQTT, with what belongs to it and byte by byte.
func TestAnMQTTBrokerIsJoined(t *testing.T) {
	t.Parallel()
	m := startMosquitto(t)
	m.publish("plant/kept", "what was retained\n", "-r")
	h := startBridged(t, fmt.Sprintf(`
  - {name: plant, url: "mqtt://127.0.0.1:%d", in: [{from: plant/#, to: plant.>}, {from: x/+/state/#, to: state.*.>}], out: [{from: alerts.>, to: hub/alerts/#}, {from: last.*, to: last/+, retain: true}, {from: raw.>, to: raw, payload: json}]}
  - {name: old, url: "mqtt://127.0.0.1:%[1]d", version: 3.1.1, in: [{from: old/in/#, to: old.>}], out: [{from: alerts.>, to: old/out/#}]}
`, m.port))
	h.connected("plant")
	h.connected("old")
	fromNew, fromOld := m.subscribe("hub/#", "%t %P %p"), m.subscribe("old/out/#", "%t %p")

	m.publish("plant/hall 1/temp", "21.5\n", "-D", "publish", "user-property", "unit", "C", "-V", "mqttv5")
	m.publish("x/one/state/now", `{"on":true,"message":"lit"}`+"\n")
	m.publish("old/in/a", "from 3.1.1\n")
	binary := exec.Command(need.Program(t, "mosquitto_pub"), m.args("-q", "1", "-s", "-t", "plant/binary")...)
	binary.Stdin = strings.NewReader("\xff\x00\xfe")
	if out, err := binary.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for channel, data := range map[string]string{
		"plant.hall=201.temp": `{"message":"21.5"}`,
		"plant.kept":          `{"message":"what was retained"}`,
		"plant.binary":        `{"message":"/wD+","encoding":"base64"}`,
		"state.one.now":       `{"on":true,"message":"lit"}`,
		"old.a":               `{"message":"from 3.1.1"}`,
	} {
		eventually(t, channel+" has the message", func() bool { return len(h.history(channel)) == 1 })
		if got := string(h.history(channel)[0].Data); got != data {
			t.Errorf("%s has %s, want %s", channel, got, data)
		}
	}
	if tags := h.want(200, "POST", "/api/history", `{"channel":"plant.hall=201.temp","limit":1}`); !strings.Contains(tags, `"unit":"C"`) {
		t.Errorf("the user property is not among the tags: %s", tags)
	}

	s := h.publish("alerts.fire.hall=201", "all out")
	if line := receive(t, fromNew, "the alert"); !strings.HasPrefix(line, "hub/alerts/fire/hall 1 fanfold-hub:") || !strings.HasSuffix(line, "fanfold-id:"+s.ID+" all out") {
		t.Errorf("a subscriber of MQTT 5 has %q", line)
	}
	if line := receive(t, fromOld, "the alert"); line != "old/out/fire/hall 1 all out" {
		t.Errorf("a subscriber of the other bridge has %q", line)
	}
	h.publish("last.a", "the newest")
	h.do("POST", "/api/publish", `{"channel":"raw.a","data":{"message":"whole","title":"T"}}`)
	eventually(t, "all is acknowledged", func() bool { return h.bridges()["plant"].Out == 3 })
	if line := receive(t, m.subscribe("last/#", "%t %r %p"), "what is retained"); line != "last/a 1 the newest" {
		t.Errorf("retained is %q", line)
	}
	if b := h.bridges()["plant"]; b.In != 4 || b.Lag != 0 || b.Error != "" || b.Since.IsZero() {
		t.Errorf("the state is %+v", b)
	}
	if metrics := h.want(200, "GET", "/metrics", ""); !strings.Contains(metrics, `fanfold_bridge_messages_total{bridge="plant",direction="in"} 4`) {
		t.Errorf("the metrics: %s", metrics)
	}
	h.restart() // nothing comes again
	h.connected("plant")
	h.connected("old")
	m.publish("plant/after", "x\n")
	eventually(t, "the next message", func() bool { return len(h.history("plant.after")) == 1 })
	if n := len(h.history("plant.kept")); n != 1 {
		t.Errorf("what was retained came %d times", n)
	}
}

// Messages that can't be taken are told of and counted, and hold up nothing.
func TestAnMQTTBridgeRefuses(t *testing.T) {
	t.Parallel()
	m := startMosquitto(t)
	h := startBridged(t, fmt.Sprintf(`
  - {name: plant, url: "mqtt://127.0.0.1:%d", in: [{from: plant/#, to: plant.>}]}
`, m.port), "--max-message-bytes", "1000")
	h.connected("plant")
	m.publish("plant/a", strings.Repeat("x", 11_000)+"\n")  // longer than data may be
	m.publish("plant/a", strings.Repeat("x", 300_000)+"\n") // longer than is read at all
	m.publish("plant/"+strings.Repeat("long ", 60), "no channel is called so\n")
	m.publish("plant/a", "good\n")
	eventually(t, "the good one", func() bool { return slices.Equal(h.texts("plant.a"), []string{"good"}) })
	if metrics := h.want(200, "GET", "/metrics", ""); !strings.Contains(metrics, `fanfold_bridge_refused_total{bridge="plant",direction="in"} 3`) {
		t.Errorf("the metrics: %s", metrics)
	}
	if log := h.stderr.String(); strings.Count(log, "refused for good") != 1 || !strings.Contains(log, "plant/a") {
		t.Error("the log does not tell of it once")
	}
}

// Routes whose names overlap bring nothing back, and neither does another hub on the same
// broker.
func TestBridgesDoNotLoop(t *testing.T) {
	t.Parallel()
	m := startMosquitto(t)
	bridges := fmt.Sprintf(`
  - {name: ring, url: "mqtt://127.0.0.1:%d", in: [{from: ring/#, to: ring.>}], out: [{from: ring.>, to: ring/#}]}
`, m.port)
	a, b := startBridged(t, bridges), startBridged(t, bridges)
	a.connected("ring")
	b.connected("ring")
	lines := m.subscribe("ring/#", "%p")
	for i := range 10 {
		a.publish("ring.x", fmt.Sprint("a ", i))
		b.publish("ring.x", fmt.Sprint("b ", i))
		m.publish("ring/x", fmt.Sprintf("m %d\n", i))
	}
	settled := func() bool { return len(a.texts("ring.x")) >= 30 && len(b.texts("ring.x")) >= 30 }
	eventually(t, "all come to all", settled)
	m.publish("ring/x", "the last\n") // behind whatever might still go round
	a.publish("ring.x", "a's last")
	b.publish("ring.x", "b's last")
	eventually(t, "the last come to all", func() bool { return len(a.texts("ring.x")) >= 33 && len(b.texts("ring.x")) >= 33 })
	for name, h := range map[string]*hub{"a": a, "b": b} {
		if first, again := firsts(h.texts("ring.x")); len(first) != 33 || again != 0 {
			t.Errorf("hub %s has %d different messages and %d again, want 33 and none", name, len(first), again)
		}
	}
	for range 33 {
		receive(t, lines, "33 messages")
	}
	if len(lines) != 0 {
		t.Errorf("the broker's subscriber has %d more", len(lines))
	}
}

// A hub that is killed under traffic in both directions loses nothing that was
// acknowledged, and a broker's messages wait for it.
func TestAHubIsKilledWithAnMQTTBridge(t *testing.T) {
	t.Parallel()
	m := startMosquitto(t)
	h := startBridged(t, fmt.Sprintf(`
  - {name: plant, url: "mqtt://127.0.0.1:%d", in: [{from: in, to: in}], out: [{from: out, to: out}]}
`, m.port))
	h.connected("plant")
	lines := m.subscribe("out", "%p")
	var published, acked []string
	for round := range 3 {
		in := numbered(fmt.Sprint("in ", round), 0, 200)
		done := make(chan struct{})
		go func() { defer close(done); m.publish("in", strings.Join(in, "\n")+"\n") }()
		published = append(published, in...)
		for i := range 60 {
			text := fmt.Sprintf("out %d %d", round, i)
			if res, err := h.try("POST", "/out", text); err == nil && res.status == http.StatusOK {
				acked = append(acked, text)
			}
		}
		h.kill()
		<-done
		h.startAgain()
	}
	last := "the last"
	h.publish("out", last)
	m.publish("in", last+"\n")
	again := wantAll(t, lines, append(acked, last))
	eventually(t, "the last message", func() bool { return slices.Contains(h.texts("in"), last) })
	got, doubled := firsts(h.texts("in"))
	if !slices.Equal(got, append(published, last)) {
		t.Errorf("%d of %d messages came, or in another order", len(got), len(published)+1)
	}
	t.Logf("came again: %d out, %d in", again, doubled)
}

// A broker that is killed under traffic in both directions loses nothing either: what it
// has not acknowledged is sent again, and what the hub has not acknowledged comes again.
func TestAnMQTTBrokerIsKilled(t *testing.T) {
	t.Parallel()
	m := startMosquitto(t)
	h := startBridged(t, fmt.Sprintf(`
  - {name: plant, url: "mqtt://127.0.0.1:%d", in: [{from: in, to: in}], out: [{from: out, to: out}]}
`, m.port))
	h.connected("plant")
	lines := m.subscribe("out", "%p")
	var published, acked []string
	publish := func(n int) {
		for range n {
			text := fmt.Sprint("out ", len(acked))
			h.publish("out", text)
			acked = append(acked, text)
		}
	}
	for round := range 2 {
		publish(50)
		wantAll(t, lines, acked[len(acked)-50:])
		h.signal(syscall.SIGSTOP) // the broker has what the hub does not get
		in := numbered(fmt.Sprint("in ", round), 0, 50)
		m.publish("in", strings.Join(in, "\n")+"\n")
		published = append(published, in...)
		m.kept(in[len(in)-1])
		m.signal(syscall.SIGSTOP) // and hears what it does not answer
		h.signal(syscall.SIGCONT)
		publish(50)
		m.kill()
		publish(50)
		if round == 0 {
			eventually(t, "the state says so", func() bool { b := h.bridges()["plant"]; return !b.Connected && b.Error != "" && b.Lag > 0 })
		}
		m.start()
		again := wantAll(t, lines, acked[len(acked)-100:])
		eventually(t, "the messages that waited", func() bool { got, _ := firsts(h.texts("in")); return len(got) == len(published) })
		t.Logf("came again: %d out", again)
	}
	got, again := firsts(h.texts("in"))
	if !slices.Equal(got, published) {
		t.Errorf("got %q", got)
	}
	eventually(t, "nothing is left", func() bool { b := h.bridges()["plant"]; return b.Connected && b.Lag == 0 && b.Error == "" })
	t.Logf("came again: %d in", again)
}

// A wrong password is a warning, and the hub is ready all the same; when it is right
// the bridge is there, over TLS and over a WebSocket.
func TestMQTTBridgesOverTLS(t *testing.T) {
	t.Parallel()
	pair, dir := makePair(t), t.TempDir()
	passwords, secret := filepath.Join(dir, "passwords"), filepath.Join(dir, "secret")
	if out, err := exec.Command(need.Program(t, "mosquitto_passwd"), "-b", "-c", passwords, "hub", "the right one").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(secret, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("the wrong one\n")
	tlsPort, wsPort := freePort(t), freePort(t)
	startMosquitto(t, "allow_anonymous false", "password_file "+passwords,
		fmt.Sprintf("listener %d 127.0.0.1", tlsPort), "cafile "+pair.cert, "certfile "+pair.cert, "keyfile "+pair.key,
		fmt.Sprintf("listener %d 127.0.0.1", wsPort), "protocol websockets", "certfile "+pair.cert, "keyfile "+pair.key)
	h := startBridged(t, fmt.Sprintf(`
  - {name: secure, url: "mqtts://localhost:%d", user: hub, password-file: %s, ca-file: %s, in: [{from: a, to: a}], out: [{from: out, to: b}]}
  - {name: unknown, url: "mqtts://localhost:%[1]d", user: hub, password: the right one, in: [{from: c, to: c}]}
`, tlsPort, secret, pair.cert))
	other := startBridged(t, fmt.Sprintf(`
  - {name: web, url: "wss://localhost:%d/mqtt", user: hub, password: the right one, ca-file: %s, in: [{from: b, to: b}]}
`, wsPort, pair.cert))
	other.connected("web")
	eventually(t, "the broker's refusal", func() bool { return strings.Contains(h.bridges()["secure"].Error, "not authorized") })
	eventually(t, "the certificate of nobody", func() bool { return strings.Contains(h.bridges()["unknown"].Error, "certificate") })
	h.publish("out", "through both")
	write("the right one\n")
	h.connected("secure")
	eventually(t, "the message", func() bool { return slices.Equal(other.texts("b"), []string{"through both"}) })
	log := h.stderr.String()
	if n := strings.Count(log, "not authorized"); n != 1 || strings.Contains(log, "the wrong one") || strings.Contains(log, "the right one") {
		t.Errorf("the log tells %d times of the refusal, or the password", n)
	}
}

// A hub that asks who comes tells of its bridges to admins alone.
func TestBridgesAreForAdmins(t *testing.T) {
	t.Parallel()
	run := startProgram(t, launch{args: []string{"key", "new", "backend", "--admin"}})
	run.wait()
	var hash, key string
	for word := range strings.FieldsSeq(run.stdout.String()) {
		if i := strings.Index(word, "sha256:"); i >= 0 {
			hash = strings.Trim(word[i:], `",}`)
		}
		if strings.HasPrefix(word, "ffk_") {
			key = word
		}
	}
	h := startBridged(t, fmt.Sprintf(`
  - {name: plant, url: "mqtt://127.0.0.1:%d", in: [{from: a, to: a}]}
keys: [{name: backend, hash: %q, admin: true}]
`, freePort(t), hash))
	if all := h.bridges(); len(all) != 0 {
		t.Errorf("anybody is told of %v", all)
	}
	if b := h.bridges("X-API-Key: " + key)["plant"]; b.Broker == "" || b.Connected {
		t.Errorf("an admin is told of %+v", b)
	}
}

// What is wrong in the configuration is an error at the start that says what to do.
func TestBridgeStartErrors(t *testing.T) {
	t.Parallel()
	for text, says := range map[string]string{
		`{}`:                               "can't be read",
		`[{"name":"a","urll":"mqtt://x"}]`: "urll",
		`[{"name":"a","url":"mqtt://x","password":"hush","password-file":"f","in":[{"from":"a","to":"a"}]}]`: "one of the two",
		`[{"name":"a","url":"mqtt://me:hush@x","in":[{"from":"a","to":"a"}]}]`:                               "password-file",
		`[{"name":"a","url":"mqtt://x","password-file":"/none","in":[{"from":"a","to":"a"}]}]`:               "no such file",
		`[{"name":"a","url":"mqtt://x","in":[{"from":"a/+","to":"a.>"}]}]`:                                   "don't correspond",
		`[{"name":"a","url":"mqtt://x","out":[{"from":"a","to":"a","payload":"xml"}]}]`:                      "text, json",
		`[{"name":"a","url":"mqtt://x","version":2,"out":[{"from":"a","to":"a"}]}]`:                          "5, 3.1.1",
		`[{"name":"a","url":"mqtt://x","ca-file":"f","out":[{"from":"a","to":"a"}]}]`:                        "mqtts",
		`[{"name":"a","url":"mqtt://x","session-expiry":"soon","in":[{"from":"a","to":"a"}]}]`:               "session-expiry",
		`[{"name":"a","url":"mqtt://x","password":["hush"]}]`:                                                "[1:",
	} {
		run := startProgram(t, launch{args: []string{"serve", "--listen", "127.0.0.1:0", "--memory", "--bridges", text}})
		run.wait()
		if out := run.stderr.String(); run.exitCode() == 0 || !strings.Contains(out, says) || strings.Contains(out, "hush") {
			t.Errorf("%s: exit code %d, %s", text, run.exitCode(), out)
		}
	}
}
