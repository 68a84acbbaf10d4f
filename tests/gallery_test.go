package tests

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"fanfold/tests/need"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// maxLoadBytes is what the first load of a page of the gallery may transfer, headers
// and all.
const maxLoadBytes = 150_000

// accessible fails the test for each fault that axe finds in the page as it is, by
// day and by night: the rules of WCAG 2.2 A and AA, and good practice.
func (p *tab) accessible() {
	p.t.Helper()
	if !evaluate[bool](p, `"axe" in globalThis`) {
		axe, err := os.ReadFile(filepath.Join("clients", "node_modules", "axe-core", "axe.min.js"))
		if err != nil {
			need.Missing(p.t, "needs npm ci in tests/clients, which tests/run does: %v", err)
		}
		p.run(string(axe))
	}
	for _, scheme := range []string{"light", "dark"} {
		p.emulate("prefers-color-scheme", scheme, "prefers-reduced-motion", "reduce")
		found := p.await(`axe.run({rules: {'target-size': {enabled: true}}}).then(({violations}) => violations.flatMap(({id, nodes}) =>
			nodes.map((n) => id + ": " + n.target + ": " + n.failureSummary)).join("\n"))`)
		if found != "" {
			p.t.Errorf("%s, %s: %s", p.evaluate("document.title"), scheme, found)
		}
	}
	p.emulate()
}

// emulate sets features of the reader's screen and taste, as names and values; all
// others are the browser's own.
func (p *tab) emulate(features ...string) {
	p.t.Helper()
	var all []*emulation.MediaFeature
	for i := 0; i < len(features); i += 2 {
		all = append(all, &emulation.MediaFeature{Name: features[i], Value: features[i+1]})
	}
	if _, err := call(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: all}); err != nil {
		p.t.Fatalf("emulate %v: %v", features, err)
	}
}

// galleryPage is an example as the gallery's list has it.
type galleryPage struct {
	name, url string
	server    bool // it has a side in the hub
}

var galleryCard = regexp.MustCompile(`<a class="card" href="([a-z]+)"`)

// gallery returns what the gallery's list leads to.
func (h *hub) gallery() (pages []galleryPage) {
	h.t.Helper()
	for _, card := range galleryCard.FindAllStringSubmatch(string(h.do("GET", "/gallery/", "").body), -1) {
		source := h.do("GET", "/gallery/"+card[1]+".go", "")
		pages = append(pages, galleryPage{name: card[1], url: h.url + "/gallery/" + card[1], server: source.status == 200})
	}
	if len(pages) == 0 {
		h.t.Fatal("the gallery's list is empty")
	}
	return pages
}

// Each page of the gallery loads little, keeps still while it loads and connects, has
// no fault that axe finds, and is usable from the keyboard.
func TestGallery(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	b := startBrowser(t)
	t.Run("list", func(t *testing.T) {
		b.as(t).openWatched(h.url + "/gallery/").settled()
	})
	for _, example := range h.gallery() {
		t.Run(example.name, func(t *testing.T) {
			p := b.as(t).openWatched(example.url)
			p.settled()
			p.tabTo(".stage")
		})
	}
}

// settled waits for a watched page to connect and fails the test for what is wrong with
// it from then on.
func (p *tab) settled() {
	p.t.Helper()
	p.wantText("group", "Connection", "Connected")
	p.still()
	p.light()
	p.accessible()
}

// A hub that was away finds each page of the gallery as it was: it subscribes to
// what it was subscribed to, without a reload and without a complaint.
// Meanwhile it says that it is away, and fits a phone as it does so.
func TestGalleryComesBack(t *testing.T) {
	t.Parallel()
	b := startBrowser(t)
	for _, example := range startHub(t).gallery() {
		t.Run(example.name, func(t *testing.T) {
			h := startHub(t)
			p := b.as(t).open(h.url + "/gallery/" + example.name)
			p.wantText("group", "Connection", "Connected")
			p.frames(30)
			p.run("document.querySelector('.stage').dataset.kept = 'since'")
			before := h.channels()
			h.stop()
			p.wantText("group", "Connection", "Disconnected")
			p.fits(360)
			h.startAgain()
			p.wantText("group", "Connection", "Connected")
			eventually(t, "the page is subscribed as before", func() bool { return includes(h.channels(), before) })
			if p.evaluate("document.querySelector('.stage').dataset.kept ?? ''") != "since" {
				t.Error("the page was loaded again")
			}
			if said := p.evaluate("[...document.querySelectorAll('.stage [role=alert]')].map((e) => e.textContent).join('')"); said != "" {
				t.Errorf("the page complains: %s", said)
			}
		})
	}
}

// includes reports whether there are at least as many of each as before.
func includes(counts, before map[string]int) bool {
	for name, n := range before {
		if counts[name] < n {
			return false
		}
	}
	return true
}

// Where the hub runs without its side of the gallery, the pages that need it say so, and
// none breaks.
func TestGalleryWithoutDemo(t *testing.T) {
	t.Parallel()
	h := startHub(t, "--demo=false")
	b := startBrowser(t)
	for _, example := range h.gallery() {
		t.Run(example.name, func(t *testing.T) {
			p := b.as(t).open(example.url)
			p.wantText("group", "Connection", "Connected")
			says := func() bool {
				return strings.Contains(p.evaluate("document.querySelector('.stage').innerText"), "--demo")
			}
			if example.server {
				eventually(t, "the page says that the hub's side is off", says)
			}
			p.accessible()
		})
	}
}

// A hub that lets strangers see little says so on the pages, in words.
func TestGalleryDenied(t *testing.T) {
	t.Parallel()
	h, _, _ := guardedHub(t)
	b := startBrowser(t)
	chat := b.open(h.url + "/gallery/chat")
	chat.wantText("log", "Chat messages", "The room is closed: you may not subscribe")
	chat.wantText("region", "Room lobby", "Who is typing can’t be shown: you may not subscribe")
	chat.in("Room lobby").fill("textbox", "Chat message", "Hello?")
	chat.press("\r")
	chat.wantText("region", "Room lobby", "Not sent: you may not publish")
	notifications := b.open(h.url + "/gallery/notifications")
	notifications.wantText("region", "What came", "not subscribed", "Not subscribed: you may not subscribe")
	for _, p := range []*tab{chat, notifications} {
		p.accessible()
	}
}

// The gallery's list fits a desk and a phone, by day and by night.
func TestGalleryLooks(t *testing.T) {
	t.Parallel()
	p := startBrowser(t).open(startHub(t).url + "/gallery/")
	p.wantText("group", "Connection", "Connected")
	p.takePictures("gallery-", func() {})
}

// fits fails the test if the page is wider than a window of this width.
func (p *tab) fits(width int64) {
	p.t.Helper()
	p.do("resize", chromedp.EmulateViewport(width, 780))
	p.frames(2)
	if got := evaluate[int64](p, "document.documentElement.scrollWidth"); got > width {
		p.t.Errorf("%s is %d px wide in a window of %d px", p.evaluate("location.pathname"), got, width)
	}
	p.do("resize", chromedp.EmulateViewport(1280, 900))
}

// openWatched is open for who was never here, with a record of what moves on the page
// from its first moment.
func (b *browser) openWatched(url string) *tab {
	b.t.Helper()
	p := b.blank()
	if _, err := call(p, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: `
		globalThis.shifts = [];
		new PerformanceObserver((list) => shifts.push(...list.getEntries())).observe({type: 'layout-shift', buffered: true});`,
	}); err != nil {
		b.t.Fatal(err)
	}
	if _, err := call(p, network.SetCacheDisabled, network.SetCacheDisabledParams{CacheDisabled: true}); err != nil {
		b.t.Fatal(err)
	}
	p.do("open "+url, chromedp.Navigate(url))
	b.t.Cleanup(p.check)
	return p
}

// still fails the test if the page has moved what was in view, by itself: cumulative
// layout shift. It gives the page a second's frames to do so.
func (p *tab) still() {
	p.t.Helper()
	p.frames(60)
	moved := p.evaluate(`(() => {
		const sum = shifts.reduce((sum, {value, hadRecentInput}) => sum + (hadRecentInput ? 0 : value), 0);
		const what = shifts.flatMap(({sources}) => sources.map(({node}) => node?.id || node?.className || node?.nodeName));
		return sum < 0.005 ? '' : sum + ': ' + what;
	})()`)
	if moved != "" {
		p.t.Errorf("%s: layout shift of %s", p.evaluate("location.pathname"), moved)
	}
}

// frames waits until the page has been drawn so many times.
func (p *tab) frames(n int) {
	p.t.Helper()
	p.await(fmt.Sprintf(`(async () => {
		for (let frames = 0; frames < %d; frames++) await new Promise(requestAnimationFrame);
		return '';
	})()`, n))
}

// light fails the test if the page has transferred more than maxLoadBytes.
func (p *tab) light() {
	p.t.Helper()
	sum := evaluate[int](p, `[...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]
		.reduce((sum, {transferSize}) => sum + transferSize, 0)`)
	if sum < 5_000 || sum > maxLoadBytes {
		p.t.Errorf("%s transfers %d bytes", p.evaluate("location.pathname"), sum)
	}
}

// tabTo moves the focus by the Tab key alone until it is inside what a CSS selector
// finds. On its way, each place that has the focus shows it.
func (p *tab) tabTo(selector string) {
	p.t.Helper()
	const most = 40
	p.run("document.activeElement.blur()")
	for range most {
		p.press("\t")
		at := p.evaluate(fmt.Sprintf(`(() => {
			const e = document.activeElement;
			if (e === document.body) return 'outside'; // behind the page's end
			const {outlineStyle, outlineWidth} = getComputedStyle(e);
			if (!e.matches(':focus-visible') || outlineStyle === 'none' || parseFloat(outlineWidth) < 1) return 'hidden ' + (e.outerHTML ?? '').slice(0, 120);
			return e.closest(%q) ? 'inside' : 'outside';
		})()`, selector))
		switch {
		case at == "inside":
			return
		case strings.HasPrefix(at, "hidden"):
			p.t.Errorf("%s: the focus can't be seen: %s", p.evaluate("location.pathname"), at)
			return
		}
	}
	p.t.Errorf("%s: %d presses of Tab do not lead into %s", p.evaluate("location.pathname"), most, selector)
}
