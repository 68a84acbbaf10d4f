package tests

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"fanfold/tests/need"

	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/chromedp/kb"
)

var sampleCount = regexp.MustCompile(`(\d+) samples, none missing`)

// samples returns how many samples a page of devices has, 0 if any is missing.
func (p *tab) samples() int {
	p.t.Helper()
	found := sampleCount.FindStringSubmatch(p.evaluate(`document.querySelector("[data-part=status]").textContent`))
	if found == nil {
		return 0
	}
	n, _ := strconv.Atoi(found[1])
	return n
}

func (p *tab) wantSamples(least int) {
	p.t.Helper()
	eventually(p.t, fmt.Sprintf("%d samples, none missing", least), func() bool { return p.samples() >= least })
}

// A newcomer has at once what the first tab has seen, and goes on without a hole, over
// a restart of the hub too; junk on the channels harms nobody.
func TestGalleryDevices(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	b := startBrowser(t)
	first := b.open(h.url + "/gallery/devices")
	first.wantSamples(4)
	seen := first.samples()
	second := b.open(h.url + "/gallery/devices")
	eventually(t, "the newcomer has samples", func() bool { return second.samples() > 0 })
	if got := second.samples(); got < seen {
		t.Errorf("the newcomer has %d samples at once, the first tab had %d before", got, seen)
	}
	for _, p := range []*tab{first, second} {
		p.wantText("list", "Processor, percent busy", "all", "core 1", "%")
		p.wantText("list", "Memory in use", "used of", "B")
	}
	h.publish("gallery.devices.cpu", "junk")
	h.do("POST", "/api/publish", `{"channel":"gallery.devices.cpu","data":{"run":"junk","n":1e9,"time":1,"values":{"all":1}}}`)
	h.stop()
	first.wantText("status", "", "Not connected")
	had := first.samples()
	h.startAgain()
	first.wantText("status", "", "Live")
	first.wantSamples(had + 3)
	second.wantSamples(had + 2)
}

// Everything works by keyboard: the pause, and the crosshair that says the values.
func TestGalleryDevicesByKeyboard(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	p := startBrowser(t).open(h.url + "/gallery/devices")
	p.wantSamples(4)
	p.focus("button", "Pause")
	p.press(" ")
	p.wantText("status", "", "Paused at")
	const reading = `document.querySelector("#cpu .cursor").ariaValueText + "|" + document.querySelector("#cpu .cursor").ariaValueNow`
	p.focus("slider", "Crosshair: Processor, percent busy")
	p.press(kb.Home)
	eventually(t, "the crosshair is on the first sample", func() bool { return strings.HasSuffix(p.evaluate(reading), "|0") })
	oldest := p.evaluate(reading)
	p.press(kb.ArrowRight)
	eventually(t, "the crosshair is on the second sample", func() bool { return strings.HasSuffix(p.evaluate(reading), "|1") })
	if now := p.evaluate(reading); now == oldest || !strings.Contains(now, "all ") || !strings.Contains(now, " %") {
		t.Errorf("the crosshair says %q, then %q", oldest, now)
	}
	p.press(kb.Escape)
	eventually(t, "the crosshair is gone", func() bool { return !strings.HasSuffix(p.evaluate(reading), "|1") })
	paused := p.evaluate(reading)
	p.focus("button", "Pause")
	p.press(" ")
	eventually(t, "the chart goes on", func() bool { return p.evaluate(reading) != paused })
}

// The line of the page publishes this machine's load, which is a chart at once, and
// for a newcomer from history.
func TestGalleryDevicesOfOne(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"curl", "uptime", "hostname"} {
		need.Program(t, program)
	}
	h := startHub(t)
	b := startBrowser(t)
	p := b.open(h.url + "/gallery/devices")
	waitForSubscribers(h, "devices.*.load", 1)
	line := p.text("group", "Shell line that publishes the load average")
	once, ok := strings.CutPrefix(line, "while sleep 2; do ")
	if !ok || !strings.HasSuffix(once, "; done") {
		t.Fatalf("the line is %q", line)
	}
	shell(t, strings.TrimSuffix(once, "; done"))
	h.publish("devices.attic.load", "1.25")
	h.publish("devices.junk.load", "much")
	host, _ := os.Hostname()
	host, _, _ = strings.Cut(host, ".")
	later := b.open(h.url + "/gallery/devices")
	for _, p := range []*tab{p, later} {
		p.wantText("list", "Load averages of your machines", "attic", "1.25", host)
		if strings.Contains(p.text("list", "Load averages of your machines"), "junk") {
			t.Error("what is no load is shown")
		}
	}
}

// A hub without its side of the gallery says so, and the rest works.
func TestGalleryDevicesWithoutTheHub(t *testing.T) {
	t.Parallel()
	h := startHub(t, "--demo=false")
	p := startBrowser(t).open(h.url + "/gallery/devices")
	p.wantText("alert", "", "--demo")
	h.publish("devices.attic.load", "1.25")
	p.wantText("list", "Load averages of your machines", "attic", "1.25")
}

// The page fits each look, and axe finds no fault in it.
func TestGalleryDevicesLooks(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	p := startBrowser(t).open(h.url + "/gallery/devices")
	p.wantSamples(1)
	for i := range 12 {
		h.publish("devices.attic.load", fmt.Sprint(float64(3+i%5)/4))
		h.publish("devices.cellar.load", fmt.Sprint(0.2+float64(i%3)/5))
		p.wantSamples(2 * i)
	}
	p.wantText("list", "Load averages of your machines", "attic", "cellar")
	p.takePictures("gallery-devices-", func() {})
	p.accessible()
}

// focus puts the focus on an element, as the tab key does.
func (p *tab) focus(role, name string) {
	p.t.Helper()
	if _, err := call(p, dom.Focus, dom.FocusParams{BackendNodeID: p.find(role, name)}); err != nil {
		p.t.Fatalf("focus the %s %q: %v", role, name, err)
	}
}
