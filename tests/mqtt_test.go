package tests

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"fanfold/tests/need"
)

var devicesAt = regexp.MustCompile(`(?m)^Devices connect with MQTT to (mqtts?)://(127\.0\.0\.1):(\d+)$`)

// door is a hub's listener for devices.
type door struct {
	*hub
	scheme, host, port string
}

// startDoor runs a hub with one, which stays where it is over restarts.
func startDoor(t testing.TB, args ...string) *door {
	t.Helper()
	h := startHub(t, append(args, "--mqtt-listen", "127.0.0.1:0")...)
	return h.door()
}

// door finds the listener that a hub has printed.
func (h *hub) door() *door {
	h.t.Helper()
	at := devicesAt.FindStringSubmatch(h.stdout.String())
	if at == nil {
		h.t.Fatalf("the hub does not say where devices connect: %s", h.stdout.String())
	}
	i := slices.Index(h.launch.args, "--mqtt-listen")
	h.launch.args[i+1] = at[2] + ":" + at[3]
	return &door{h, at[1], at[2], at[3]}
}

func (d *door) mqttURL() string { return d.scheme + "://" + d.host + ":" + d.port }

// mosquitto runs mosquitto_pub or mosquitto_sub.
func (d *door) mosquitto(program string, args ...string) *tool {
	d.t.Helper()
	return startTool(d.t, need.Program(d.t, program), append([]string{"-h", d.host, "-p", d.port}, args...)...)
}

// pub publishes with mosquitto_pub, which ends when the hub has acknowledged it.
func (d *door) pub(args ...string) {
	d.t.Helper()
	if err := d.mosquitto("mosquitto_pub", args...).wait(); err != nil {
		d.t.Errorf("mosquitto_pub %q: %v", args, err)
	}
}

// Devices, curl and a browser's page speak to each other.
func TestMosquittoClients(t *testing.T) {
	t.Parallel()
	d := startDoor(t)
	for _, version := range []string{"mqttv31", "mqttv311", "mqttv5"} {
		channel := "rooms." + version
		topic := "rooms/" + version
		sub := d.mosquitto("mosquitto_sub", "-V", version, "-q", "1", "-v", "-t", topic+"/#")
		feed := d.opened(d.stream("/" + channel + "/json"))
		eventually(t, "mosquitto_sub subscribes", func() bool { return d.sessions(channel) == 2 })
		for qos := range 3 {
			text := fmt.Sprintf("QoS %d", qos)
			d.pub("-V", version, "-t", topic, "-q", fmt.Sprint(qos), "-m", text)
			if got := receive(t, sub.lines, "mosquitto_sub's line"); got != topic+" "+text {
				t.Errorf("%s: mosquitto_sub says %q", version, got)
			}
			if got := decode[note](t, receive(t, feed, "the delivery")); got.Message != text {
				t.Errorf("%s: curl gets %+v", version, got)
			}
		}
		d.publish(channel+".x", "from curl")
		if got := receive(t, sub.lines, "mosquitto_sub's line"); got != topic+"/x from curl" {
			t.Errorf("%s: mosquitto_sub says %q", version, got)
		}
		d.pub("-V", version, "-t", topic, "-r", "-m", "retained")
		late := d.mosquitto("mosquitto_sub", "-V", version, "-C", "1", "-F", "%r %p", "-t", topic)
		if got := receive(t, late.lines, "what is retained"); got != "1 retained" {
			t.Errorf("%s: retained is %q", version, got)
		}
	}
}

// A will of a device that is gone reaches everybody.
func TestMosquittoWill(t *testing.T) {
	t.Parallel()
	d := startDoor(t)
	feed := d.opened(d.stream("/rooms.state/json"))
	sub := d.mosquitto("mosquitto_sub", "-i", "lamp", "-t", "rooms/lamp", "--will-topic", "rooms/state", "--will-payload", "lamp is gone", "--will-qos", "1")
	eventually(t, "mosquitto_sub subscribes", func() bool { return d.sessions("rooms.lamp") == 1 })
	sub.cancel()
	if got := decode[note](t, receive(t, feed, "the will")); got.Message != "lamp is gone" {
		t.Errorf("the will is %+v", got)
	}
}

// A session of a device that was away brings what it missed, over a restart of the hub too.
func TestMosquittoSession(t *testing.T) {
	t.Parallel()
	d := startDoor(t)
	args := []string{"-i", "lamp", "-c", "-q", "1", "-t", "rooms/lamp"}
	first := d.mosquitto("mosquitto_sub", append(args, "-C", "1")...)
	eventually(t, "mosquitto_sub subscribes", func() bool { return d.sessions("rooms.lamp") == 1 })
	d.publish("rooms.lamp", "first")
	if got := receive(t, first.lines, "a message"); got != "first" {
		t.Errorf("got %q", got)
	}
	if err := first.wait(); err != nil {
		t.Error(err)
	}
	eventually(t, "the session's place is kept", func() bool { return d.sessions("rooms.lamp") == 0 })
	d.publish("rooms.lamp", "second")
	d.kill()
	d.startAgain()
	d.publish("rooms.lamp", "third")
	again := d.mosquitto("mosquitto_sub", append(args, "-C", "2")...)
	for _, want := range []string{"second", "third"} {
		if got := receive(t, again.lines, "a message that was missed"); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// Who shows no token, or one without the grant, is told so; TLS is the hub's own.
func TestMosquittoWithTokensOverTLS(t *testing.T) {
	t.Parallel()
	p := makePair(t)
	h := startGuarded(t, "--tls-cert", p.cert, "--tls-key", p.key, "--mqtt-listen", "127.0.0.1:0")
	h.way = trusting(t, p, nil)
	d := h.door()
	if d.scheme != "mqtts" {
		t.Errorf("the hub says it is at %s", d.mqttURL())
	}
	token := h.token("--sub", "ann", "--publish", "rooms.>", "--subscribe", "rooms.>")
	run := func(program string, args ...string) string {
		t.Helper()
		cmd := exec.Command(need.Program(t, program), append([]string{"-h", d.host, "-p", d.port, "--cafile", p.cert}, args...)...)
		out, err := cmd.CombinedOutput()
		return strings.TrimSpace(fmt.Sprintf("%v %s", err, out))
	}
	for what, test := range map[string]struct {
		args []string
		want string
	}{
		"a token":             {[]string{"-u", "ann", "-P", token, "-t", "rooms/lamp"}, `^<nil>$`},
		"a key":               {[]string{"-u", "server", "-P", h.key, "-t", "anything"}, `^<nil>$`},
		"nothing":             {[]string{"-t", "rooms/lamp"}, `(?i)not authori[sz]ed`},
		"a wrong password":    {[]string{"-u", "ann", "-P", "secret", "-t", "rooms/lamp"}, `(?i)bad user ?name or password`},
		"another's user name": {[]string{"-u", "bob", "-P", token, "-t", "rooms/lamp"}, `(?i)bad user ?name or password`},
		"no grant":            {[]string{"-u", "ann", "-P", token, "-t", "other"}, `(?i)not authori[sz]ed`},
	} {
		if got := run("mosquitto_pub", append(test.args, "-V", "mqttv5", "-q", "1", "-m", "on")...); !regexp.MustCompile(test.want).MatchString(got) {
			t.Errorf("%s: mosquitto_pub says %s", what, got)
		}
	}
	if got := run("mosquitto_sub", "-V", "mqttv5", "-u", "ann", "-P", token, "-t", "other", "-W", "5"); !strings.Contains(got, "denied") && !strings.Contains(got, "All subscription requests") {
		t.Errorf("mosquitto_sub says %s", got)
	}
	if text := h.stderr.String(); strings.Contains(text, token) || strings.Contains(text, h.key) {
		t.Error("the log has a secret in it")
	}
}

// What was acknowledged to a device or to curl is there after each crash, and a device
// that comes back has every message, in order. Both are npm's client.
func TestDevicesAcrossKills(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"4", "5"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			d := startDoor(t)
			in := startScript(t, "mqtt.mjs", d.mqttURL(), version, "in", "crash/#")
			out := startScript(t, "mqtt.mjs", d.mqttURL(), version, "out", "nothing")
			for _, script := range []*tool{in, out} {
				if got := receive(t, script.lines, "the script's subscription"); got != "subscribed" {
					t.Fatalf("the script says %q", got)
				}
			}
			published, acked := 0, map[string]stored{}
			for range crashRounds {
				for range 40 {
					published++
					fmt.Fprintf(out.stdin, "publish crash device %d\n", published)
				}
				d.publishUntilKilled(acked, 40)
				d.startAgain()
			}
			d.publish("crash", "the last")
			for range published {
				if got := receive(t, out.lines, "an acknowledgement"); !strings.HasPrefix(got, "acked device ") {
					t.Fatalf("the device says %q", got)
				}
			}
			seen := map[string]bool{}
			var order []string
			for _, m := range d.wholeHistory("crash") {
				if !seen[m.text] {
					order = append(order, m.text)
				}
				seen[m.text] = true
			}
			for text := range acked {
				if !seen[text] {
					t.Errorf("%q was acknowledged and is lost", text)
				}
			}
			for i := range published {
				if text := fmt.Sprintf("device %d", i+1); !seen[text] {
					t.Errorf("%q was acknowledged and is lost", text)
				}
			}
			got := map[string]bool{}
			for len(got) < len(order) {
				text := strings.TrimPrefix(receiveMessage(t, in), "message crash ")
				if got[text] {
					continue // it had not acknowledged that one
				}
				if want := order[len(got)]; text != want {
					t.Fatalf("message %d is %q, want %q", len(got), text, want)
				}
				got[text] = true
			}
		})
	}
}

// npm's client in a page of the hub's, over a WebSocket, speaks to devices.
func TestMQTTInABrowser(t *testing.T) {
	t.Parallel()
	bundle, err := os.ReadFile(filepath.FromSlash("clients/node_modules/mqtt/dist/mqtt.min.js"))
	if err != nil {
		need.Missing(t, "needs npm ci in tests/clients, which tests/run does")
	}
	d := startDoor(t)
	page := startBrowser(t).open(d.url + "/wstest.html")
	page.run(string(bundle))
	for _, version := range []string{"4", "5"} {
		topic := "page/" + version
		page.run(`globalThis.heard = [];
			globalThis.device = mqtt.connect(location.origin.replace('http', 'ws') + '/mqtt', { protocolVersion: ` + version + `, timerVariant: 'native', reconnectPeriod: 0 });
			device.on('message', (topic, payload) => heard.push(topic + ' ' + payload));`)
		if got := page.await(`device.subscribeAsync('` + topic + `/#', { qos: 1 }).then(([granted]) => 'granted ' + granted.qos)`); got != "granted 1" {
			t.Errorf("version %s: %s", version, got)
		}
		d.pub("-t", topic+"/a", "-q", "1", "-m", "from a device")
		d.publish("page."+version, "from curl")
		eventually(t, "the page hears both", func() bool {
			return page.evaluate(`JSON.stringify(heard.sort())`) == fmt.Sprintf(`["%s from curl","%[1]s/a from a device"]`, topic)
		})
		if got := page.await(`device.publishAsync('` + topic + `', 'from the page', { qos: 1 }).then(() => device.endAsync()).then(() => 'done')`); got != "done" {
			t.Errorf("version %s: publishing says %s", version, got)
		}
		res := d.do("GET", "/page."+version+"/json?poll=1", "")
		if !strings.Contains(res.body, "from the page") {
			t.Errorf("version %s: what the page published is not there: %s", version, res.body)
		}
	}
}
