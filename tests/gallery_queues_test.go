package tests

import (
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"fanfold/tests/need"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// paste runs a line as pasted into a terminal, until the test's end.
func paste(t testing.TB, line string) {
	t.Helper()
	run := startProgramAt(t, need.Program(t, "sh"), launch{args: []string{"-c", line}, wrap: func(cmd *exec.Cmd) {
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	}})
	t.Cleanup(func() { // all of its pipe
		if run.running() {
			_ = syscall.Kill(-run.cmd.Process.Pid, syscall.SIGKILL)
			run.wait()
		}
	})
}

// A reader joins a real MQTT broker by the lines that the page shows: what is published
// there is live in both tabs, also what came while the hub was away, and what is
// published on the page is heard there.
func TestGalleryQueuesWithMosquitto(t *testing.T) {
	t.Parallel()
	need.Program(t, "curl")
	broker := startMosquitto(t)
	h := startHub(t)
	b := startBrowser(t)
	first, second := b.open(h.url+"/gallery/queues"), b.open(h.url+"/gallery/queues")
	waitForSubscribers(h, "mqtt.>", 2)
	waitForSubscribers(h, "amqp.>", 2)

	first.in("Join your broker").fill("textbox", "Port of the MQTT broker", fmt.Sprint(broker.port))
	broker.publish("sensors/kitchen/temperature", "21.5"+"\n", "-r")
	paste(t, first.text("group", "Line from MQTT to the hub"))
	paste(t, first.text("group", "Line from the hub to MQTT"))
	waitForSubscribers(h, "mqtt.lights.hall", 1)
	for _, p := range []*tab{first, second} {
		p.wantText("tree", "Topics", "mqtt", "sensors", "kitchen", "temperature", "21.5")
	}
	odd := `it's @"$HOME" \n & 100 % = é ☃`
	broker.publish("sensors/kitchen/note", odd+"\n", "-r")
	broker.publish("sensors/kitchen/temperature", "22"+"\n", "-r")
	second.wantText("tree", "Topics", odd, "22")
	if got := h.history("mqtt.sensors.kitchen.note"); len(got) != 1 || got[0].text() != odd {
		t.Errorf("the hub keeps %+v", got)
	}

	first.pressUntil("\t", "a row of the tree has the focus", `document.activeElement.closest("[role=treeitem]") !== null`)
	first.pressUntil(kb.ArrowDown, "the focus is on the temperature", `document.activeElement.dataset.key === "mqtt.sensors.kitchen.temperature"`)
	first.press("\r")
	first.wantText("log", "Messages of this topic", "21.5", "22")

	heard := broker.subscribe("lights/#", "%t %p")
	second.in("Messages").fill("textbox", "Channel", "mqtt.lights.hall")
	second.in("Messages").fill("textbox", "Message", `{"on": true}`)
	second.press("\r")
	second.wantText("region", "Messages", "Published to mqtt.lights.hall")
	if got := receive(t, heard, "what the page published"); got != `lights/hall {"on":true}` {
		t.Errorf("the broker's subscriber heard %q", got)
	}

	h.stop()
	first.wantText("region", "Topics", "Not connected")
	h.startAgain()
	for _, p := range []*tab{first, second} {
		p.wantText("group", "Connection", "Connected")
	}
	broker.publish("sensors/kitchen/temperature", "23.25"+"\n", "-r")
	for _, p := range []*tab{first, second} {
		p.wantText("tree", "Topics", "23.25")
	}
	first.wantText("log", "Messages of this topic", "21.5", "22", "23.25")
	waitForSubscribers(h, "mqtt.lights.hall", 1)
	h.publish("mqtt.lights.hall", "off")
	if got := receive(t, heard, "what was published after the restart"); got != "lights/hall off" {
		t.Errorf("the broker's subscriber heard %q", got)
	}
}

// Whatever publishes to those channels is shown: to who is there, to who comes later and
// to who was away; a filter leaves what one looks for, and a branch can be closed.
func TestGalleryQueues(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	b := startBrowser(t)
	h.publish("amqp.orders", "order 1")
	p := b.open(h.url + "/gallery/queues")
	p.wantText("tree", "Topics", "orders", "order 1")
	for i := range 30 {
		h.publish(fmt.Sprintf("mqtt.hall.lamp%d", i%3), strconv.Itoa(i))
	}
	p.wantText("tree", "Topics", "lamp0", "27", "lamp2", "29")
	p.wantText("region", "Topics", "4 in all")
	if curves := p.evaluate(`String([...document.querySelectorAll("polyline")].filter((line) => line.getAttribute("points").split(" ").length === 10).length)`); curves != "3" {
		t.Errorf("%s topics have a curve of ten numbers, not 3", curves)
	}
	p.clickRow("mqtt.hall.lamp1")
	p.wantText("log", "Messages of this topic", "1", "28")
	h.publish("mqtt.hall.lamp1", "<b>bold</b>")
	p.wantText("log", "Messages of this topic", "<b>bold</b>")

	h.stop()
	p.wantText("region", "Messages", "Not connected")
	h.startAgain()
	h.publish("mqtt.hall.lamp1", "while away")
	p.wantText("log", "Messages of this topic", "<b>bold</b>", "while away")
	late := b.open(h.url + "/gallery/queues")
	late.wantText("tree", "Topics", "order 1", "while away", "29")

	p.fill("searchbox", "Filter", "ORD")
	p.wantGone("tree", "Topics", "lamp0")
	p.wantText("tree", "Topics", "orders")
	p.press(strings.Repeat(kb.Backspace, len("ORD")))
	p.wantText("tree", "Topics", "lamp0")
	p.clickRow("mqtt.hall")
	p.wantGone("tree", "Topics", "lamp0")
}

// A hub that does not let the reader see those channels says so.
func TestGalleryQueuesOnAClosedHub(t *testing.T) {
	t.Parallel()
	h, token := closedHub(t)
	p := startBrowser(t).open(h.url + "/gallery/queues")
	p.wantText("region", "Sign in", "asks who you are")
	p.signIn(token("ada"))
	p.wantText("group", "Account", "ada")
	p.wantText("group", "Line from MQTT to the hub", "Bearer $TOKEN")
}

func TestGalleryQueuesLooks(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	p := startBrowser(t).open(h.url + "/gallery/queues")
	p.wantText("group", "Connection", "Connected")
	waitForSubscribers(h, "amqp.>", 1)
	p.accessible()
	fillQueues(h)
	p.wantText("tree", "Topics", "temperature", "invoices", "closed")
	p.clickRow("mqtt.house.kitchen.temperature")
	p.wantText("log", "Messages of this topic", "21.9")
	p.accessible()
	p.takePictures("gallery-queues-", func() {})
}

// fillQueues publishes what a house and a shop might.
func fillQueues(h *hub) {
	h.t.Helper()
	for i := range 24 {
		wave := []int{0, 2, 5, 9, 12, 14, 15, 14, 12, 9, 5, 2}
		h.publish("mqtt.house.kitchen.temperature", fmt.Sprintf("%.1f", 20.4+float64(wave[i%12]+i/12)/10))
		h.publish("mqtt.house.kitchen.humidity", strconv.Itoa(48+wave[(i+4)%12]/3))
		h.publish("mqtt.house.hall.power", strconv.Itoa(310+40*(wave[(i*5)%12]%4)))
	}
	h.publish("mqtt.house.hall.door", "closed")
	h.publish("mqtt.house.garden.rain", `{"mm": 1.2, "since": "06:00"}`)
	for i := range 6 {
		h.publish("amqp.orders", fmt.Sprintf(`{"order": %d, "total": %d.90}`, 4711+i, 18+7*i%40))
	}
	h.publish("amqp.invoices", "4711 is paid")
	h.publish("mqtt.house.kitchen.temperature", "21.9")
}

// pressUntil presses a key until an expression in the page is true.
func (p *tab) pressUntil(key, what, expression string) {
	p.t.Helper()
	const most = 80 // more than the page has
	for range most {
		if evaluate[bool](p, expression) {
			return
		}
		p.press(key)
	}
	p.t.Fatalf("%d presses of %q do not do: %s", most, key, what)
}

// clickRow clicks a row of the tree.
func (p *tab) clickRow(key string) {
	p.t.Helper()
	at := p.evaluate(`(() => {
		const row = document.querySelector('[data-key="` + key + `"]');
		row.scrollIntoView({block: "nearest"});
		const {x, y, width, height} = row.getBoundingClientRect();
		return [x + width / 4, y + height / 2].join(" ");
	})()`)
	var x, y float64
	if _, err := fmt.Sscan(at, &x, &y); err != nil {
		p.t.Fatalf("the row of %s is at %q: %v", key, at, err)
	}
	p.do("click the row of "+key, chromedp.MouseClickXY(x, y))
}
