package tests

import (
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/performance"
)

// pace is what a page does in a while. CPU times are of its main thread.
type pace struct {
	Frames, Long int // drawn; and those that came late by two frames or more
	Seconds      float64
	busy         float64 // seconds of CPU
	layouts      float64
}

func (p pace) framesPerSecond() float64 { return float64(p.Frames) / p.Seconds }

// The feed draws as many frames while a hundred messages arrive each second as while
// none do, though its list is as long as it gets. Idle and busy times take turns in one
// page, and what others do on the machine at the time costs both; so the best of each
// count, of as many turns as it takes.
//
// It is not parallel: the tests of this package that are wait for it.
func TestPageKeepsPace(t *testing.T) {
	const most, enough = 8, 0.8
	h := startHubAs(t, launch{args: []string{"--memory"}, plain: true})
	p := startBrowser(t).open(h.url + "/news")
	// Whoever asks for the accessibility tree makes the page keep it up to date.
	eventually(t, "the page is connected", func() bool {
		return p.evaluate("document.querySelector('#connection').dataset.state") == "connected"
	})
	for i := range 1_200 {
		h.publishMixed(i)
	}
	p.wantReceived("message 1199.")
	if _, err := call(p, performance.Enable, performance.EnableParams{TimeDomain: performance.EnableTimeDomainThreadTicks}); err != nil {
		t.Fatal(err)
	}
	var idleBest, loadedBest float64
	for range most {
		idle := p.measure(func() {})
		messages := 0
		loaded := p.measure(func() { messages = h.publishSteadily() })
		idleBest, loadedBest = max(idleBest, idle.framesPerSecond()), max(loadedBest, loaded.framesPerSecond())
		t.Logf("idle %.1f frames/s, %d late, %.0f ms busy; with %d messages %.1f frames/s, %d late, %.2f ms busy and %.2f layouts a message; ratio %.2f",
			idle.framesPerSecond(), idle.Long, 1e3*idle.busy, messages, loaded.framesPerSecond(), loaded.Long,
			1e3*(loaded.busy-idle.busy)/float64(messages), (loaded.layouts-idle.layouts)/float64(messages), loadedBest/idleBest)
		if loadedBest >= enough*idleBest {
			return
		}
	}
	t.Errorf("the page draws %.1f frames a second at best, and %.1f while messages arrive", idleBest, loadedBest)
}

// turn is how long a page is measured at a time.
const turn = 2 * time.Second

// publishSteadily publishes a hundred messages a second, as far as the machine can, for
// a turn, and returns how many those were.
func (h *hub) publishSteadily() (n int) {
	h.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(turn); ; n++ {
		select {
		case <-end:
			return n
		case <-tick.C:
			h.publishMixed(n)
		}
	}
}

// publishMixed publishes one of the kinds of messages in turn.
func (h *hub) publishMixed(i int) {
	h.t.Helper()
	switch text := fmt.Sprintf("message %d.", i); i % 3 {
	case 0:
		h.publish("news", text)
	case 1:
		h.publish("news", text, "Title: Sensor", "Tags: hall,attic", "Priority: low")
	default:
		h.publish("news", fmt.Sprintf(`{"reading": %d, "text": %q}`, i, text))
	}
}

// measure watches the page for a turn, while action runs.
func (p *tab) measure(action func()) pace {
	p.t.Helper()
	busy, layouts := p.cpu()
	p.run(fmt.Sprintf(`globalThis.measured = (async () => {
		const begin = performance.now();
		let Frames = 0, Long = 0, last = begin;
		for (let now = begin; now - begin < %d; last = now, Frames++) {
			now = await new Promise(requestAnimationFrame);
			if (now - last > 50) Long++;
		}
		return JSON.stringify({Frames, Long, Seconds: (last - begin) / 1000});
	})()`, turn.Milliseconds()))
	action()
	var all pace
	p.decode("measured", &all)
	busyNow, layoutsNow := p.cpu()
	all.busy, all.layouts = busyNow-busy, layoutsNow-layouts
	return all
}

// cpu returns how long the page's main thread was busy so far, in seconds of CPU, and
// how often it laid the page out.
func (p *tab) cpu() (seconds, layouts float64) {
	p.t.Helper()
	result, err := call(p, performance.GetMetrics, cdp.Empty{})
	if err != nil {
		p.t.Fatal(err)
	}
	for _, m := range result.Metrics {
		switch m.Name {
		case "TaskDuration":
			seconds = m.Value
		case "LayoutCount":
			layouts = m.Value
		}
	}
	return seconds, layouts
}
