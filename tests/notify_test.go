package tests

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"fanfold/tests/need"

	cdpbrowser "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// alert is a notification that the browser shows outside of the page.
type alert struct {
	Title, Body, Tag           string
	Silent, RequireInteraction bool
	Data                       struct{ Link, Page, Tab string }
}

// While every tab that shows a channel is hidden, a message is shown by the system, once
// for all of them; while one is in view it is not. A click leads to the message's link,
// or back to a tab, and what was deleted or is in view by now goes.
func TestSystemNotifications(t *testing.T) {
	t.Parallel()
	need.Program(t, "curl")
	h := startHub(t)
	b := startBrowser(t)
	witness := b.open(h.url + "/wstest.html") // shows no channel
	first := b.open(h.url + "/news")
	first.wantText("group", "Connection", "Connected")
	if n := witness.workers(); n != 0 {
		t.Fatalf("%d service workers before the reader has allowed notifications", n)
	}
	witness.permit(h.url, cdpbrowser.PermissionSettingGranted)
	first.in("Notifications").click("button", "Allow system notifications")
	first.wantText("region", "Notifications", "System notifications appear while this tab is hidden.")
	second := b.open(h.url + "/news?channel=jobs")
	second.wantText("group", "Connection", "Connected")
	waitForSubscribers(h, "news", 2)
	eventually(t, "a service worker", func() bool { return witness.workers() == 1 })

	h.publish("news", "while both are in view")
	first.hide()
	h.publish("news", "while one is in view")
	for _, p := range []*tab{first, second} {
		p.wantReceived("while one is in view")
	}
	second.hide()
	shell(t, fmt.Sprintf("curl -fsS -H 'Title: Door' -H 'Priority: max' -d 'Somebody is there' %s/news", h.url))
	quiet := h.publish("news", "of little weight", "Priority: low", "Click: https://example.org/")
	for _, p := range []*tab{first, second} {
		p.wantReceived("of little weight")
	}
	var all []alert
	eventually(t, "two notifications", func() bool { all = witness.notifications(); return len(all) >= 2 })
	if len(all) != 2 || all[0].Title != "Door" || all[0].Body != "Somebody is there" || !all[0].RequireInteraction || all[0].Silent ||
		all[1].Title != "news" || all[1].Body != "of little weight" || all[1].RequireInteraction || !all[1].Silent {
		t.Fatalf("the system shows %+v", all)
	}

	worker := b.worker()
	if led := worker.clicked(all[1].Tag); led != "open https://example.org/" {
		t.Errorf("a click on a notification with a link did %q", led)
	}
	if led := worker.clicked(all[0].Tag); led != "focus "+all[0].Data.Page {
		t.Errorf("a click on a notification did %q, not lead to %s", led, all[0].Data.Page)
	}
	eventually(t, "what was clicked is gone", func() bool { return len(witness.notifications()) == 0 })

	job := h.publish("jobs", "10 %", "Title: Backup")
	h.do("PUT", "/jobs/"+job.ID, "50 %", "Title: Backup")
	eventually(t, "the newest state of the job, in place of the first", func() bool {
		all = witness.notifications()
		return len(all) == 1 && all[0].Body == "50 %"
	})
	h.do("DELETE", "/jobs/"+job.ID, "")
	h.do("DELETE", "/news/"+quiet.ID, "")
	eventually(t, "what was deleted is gone", func() bool { return len(witness.notifications()) == 0 })

	for range 20 { // each tab takes away what it has only begun to show
		h.do("DELETE", "/news/"+h.publish("news", "for a moment").ID, "")
	}
	h.publish("news", "until one looks")
	h.publish("jobs", "for who looks at jobs")
	eventually(t, "the two that were not deleted", func() bool {
		all = witness.notifications()
		return len(all) == 2 && all[0].Title == "jobs" && all[1].Body == "until one looks"
	})
	for _, p := range []*tab{first, second} {
		p.wantReceived("until one looks")
	}
	first.show()
	eventually(t, "what is in view by now is gone", func() bool {
		all = witness.notifications()
		return len(all) == 1 && all[0].Title == "jobs"
	})
	first.close()
	second.close()
	if led := worker.clicked(all[0].Tag); led != "open "+h.url+"/news?channel=jobs" {
		t.Errorf("a click on a notification of a tab that was closed did %q", led)
	}
}

// A new version of the service worker takes over at once, with the next page that is
// opened; no tab need be closed.
func TestServiceWorkerIsUpdated(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	target, err := url.Parse(h.url)
	if err != nil {
		t.Fatal(err)
	}
	var version atomic.Int64
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host
			if r.In.URL.Path == "/sw.js" {
				r.Out.Header = http.Header{"Accept-Encoding": {"identity"}}
			}
		},
		ModifyResponse: func(r *http.Response) error {
			if r.Request.URL.Path == "/sw.js" {
				r.Body = struct {
					io.Reader
					io.Closer
				}{io.MultiReader(r.Body, strings.NewReader(fmt.Sprintf("// version %d", version.Load()))), r.Body}
				r.Header.Del("Content-Length")
				r.Header.Del("ETag")
			}
			return nil
		},
	}
	front := httptest.NewServer(proxy)
	t.Cleanup(front.Close)
	b := startBrowser(t)
	p := b.open(front.URL + "/wstest.html")
	p.permit(front.URL, cdpbrowser.PermissionSettingGranted)
	first := b.open(front.URL + "/news")
	first.wantText("group", "Connection", "Connected")
	active := func(script string) string {
		return p.await("navigator.serviceWorker.getRegistration('/').then((r) => { " + script + " })")
	}
	eventually(t, "a service worker", func() bool {
		return active("globalThis.old = r?.active; return old?.state ?? ''") == "activated"
	})
	version.Add(1)
	second := b.open(front.URL + "/alerts")
	second.wantText("group", "Connection", "Connected")
	eventually(t, "the newer service worker", func() bool {
		return active("return r.active !== old && old.state === 'redundant' ? r.active.state : ''") == "activated"
	})
}

// A browser without service workers shows a page's own notifications.
func TestSystemNotificationsWithoutWorker(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	p := startBrowser(t).blank()
	p.permit(h.url, cdpbrowser.PermissionSettingGranted)
	if _, err := call(p, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: `
		delete Navigator.prototype.serviceWorker;
		globalThis.made = [];
		globalThis.Notification = class extends Notification { constructor(title, options) { super(title, options); made.push(title + ': ' + options.body); } };`,
	}); err != nil {
		t.Fatal(err)
	}
	p.do("open the page", chromedp.Navigate(h.url+"/news"))
	t.Cleanup(p.check)
	p.wantText("group", "Connection", "Connected")
	waitForSubscribers(h, "news", 1)
	p.hide()
	h.publish("news", "Somebody is there", "Title: Door")
	eventually(t, "a notification", func() bool { return p.evaluate("made.join()") == "Door: Somebody is there" })
}

// A tab that the browser has frozen hears nothing; on return it shows what came
// meanwhile, each message once, though its connection is long lost.
func TestFrozenTab(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	p := startBrowser(t).open(h.url + "/gallery/notifications")
	p.wantText("group", "Connection", "Connected")
	waitForSubscribers(h, "gallery.notifications", 1)
	h.publish("gallery.notifications", "before.")
	p.wantText("log", "Notifications that came", "before.")
	p.hide()
	p.freeze(page.SetWebLifecycleStateStateFrozen)
	h.publish("gallery.notifications", "while it was frozen.")
	h.restart()
	for i := range 5 {
		h.publish("gallery.notifications", fmt.Sprintf("lost connection %d.", i))
	}
	p.freeze(page.SetWebLifecycleStateStateActive)
	p.show()
	p.wantText("group", "Connection", "Connected")
	p.wantText("log", "Notifications that came", "before.", "while it was frozen.", "lost connection 0.", "lost connection 4.")
	if n := p.count("log", "Notifications that came", "."); n != 7 {
		t.Errorf("the list has %d messages, not 7: %s", n, p.text("log", "Notifications that came"))
	}
}

// permit answers for the reader whether a hub's pages may show system notifications.
func (p *tab) permit(origin string, answer cdpbrowser.PermissionSetting) {
	p.t.Helper()
	if _, err := call(p, cdpbrowser.SetPermission, cdpbrowser.SetPermissionParams{
		Permission: &cdpbrowser.PermissionDescriptor{Name: "notifications"}, Setting: answer, Origin: origin,
	}); err != nil {
		p.t.Fatalf("permit notifications: %v", err)
	}
}

// hide minimises the tab's window, of which it is the only one, and returns once the
// page knows.
func (p *tab) hide() { p.window(cdpbrowser.WindowStateMinimized, "true") }

// show undoes hide.
func (p *tab) show() { p.window(cdpbrowser.WindowStateNormal, "false") }

func (p *tab) window(state cdpbrowser.WindowState, hidden string) {
	p.t.Helper()
	window, err := call(p, cdpbrowser.GetWindowForTarget, cdpbrowser.GetWindowForTargetParams{})
	if err == nil {
		_, err = call(p, cdpbrowser.SetWindowBounds, cdpbrowser.SetWindowBoundsParams{
			WindowID: window.WindowID, Bounds: &cdpbrowser.Bounds{WindowState: state},
		})
	}
	if err != nil {
		p.t.Fatalf("make the window %s: %v", state, err)
	}
	eventually(p.t, "the page's window is "+string(state), func() bool { return p.evaluate("String(document.hidden)") == hidden })
}

// freeze stops the page's timers and events, or lets them go on.
func (p *tab) freeze(state page.SetWebLifecycleStateState) {
	p.t.Helper()
	if _, err := call(p, page.SetWebLifecycleState, page.SetWebLifecycleStateParams{State: state}); err != nil {
		p.t.Fatalf("make the page %s: %v", state, err)
	}
}

// wantReceived waits until a page, hidden or not, has a text in its feed. A hidden
// page has no accessibility tree.
func (p *tab) wantReceived(text string) {
	p.t.Helper()
	eventually(p.t, "the page has received "+text, func() bool {
		return strings.Contains(p.evaluate("document.querySelector('[role=log]').textContent"), text)
	})
}

// workers counts the service workers of the page's origin.
func (p *tab) workers() int {
	p.t.Helper()
	var n int
	p.decode("navigator.serviceWorker.getRegistrations().then((all) => JSON.stringify(all.length))", &n)
	return n
}

// notifications lists what the system shows for the page's origin, sorted by tag, while
// no page is about to show another one: Chromium would forget that.
func (p *tab) notifications() (all []alert) {
	p.t.Helper()
	p.decode(`navigator.locks.request('fanfold notifies', () =>
		navigator.serviceWorker.getRegistration('/').then((worker) => worker.getNotifications())).then((all) =>
		JSON.stringify(all.map(({title, body, tag, silent, requireInteraction, data}) => ({title, body, tag, silent, requireInteraction, data}))))`, &all)
	return all
}

func (p *tab) decode(promise string, value any) {
	p.t.Helper()
	if text := p.await(promise); json.Unmarshal([]byte(text), value) != nil {
		p.t.Fatalf("%s gave %s", promise, text)
	}
}

// worker attaches to the service worker of the browser's one hub.
func (b *browser) worker() *tab {
	b.t.Helper()
	targets, err := chromedp.Targets(b.ctx)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, target := range targets {
		if target.Type == "service_worker" {
			ctx, cancel := chromedp.NewContext(b.ctx, chromedp.WithTargetID(target.TargetID), chromedp.WithDetachOnCancel())
			b.t.Cleanup(cancel)
			if err := chromedp.Do(ctx); err != nil { // attaches for as long as ctx lasts
				b.t.Fatal(err)
			}
			return &tab{t: b.t, ctx: ctx, wrong: &mistakes{}}
		}
	}
	b.t.Fatal("no service worker runs")
	return nil
}

// clicked lets a service worker know of a click on a notification, as the browser does,
// and returns where it led: what the browser does for a real click alone is only taken
// down.
func (p *tab) clicked(tag string) string {
	p.t.Helper()
	return p.await(fmt.Sprintf(`new Promise(async (resolve) => {
		WindowClient.prototype.focus = async function() { resolve('focus ' + this.url) };
		clients.openWindow = async (url) => resolve('open ' + url);
		const [notification] = await registration.getNotifications({tag: %q});
		dispatchEvent(new NotificationEvent('notificationclick', {notification}));
	})`, tag))
}
