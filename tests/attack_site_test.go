package tests

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"
)

// evil is the name of a site that the hub's user visits. The browser finds it on
// this machine, as a site does that has its name pointed there.
const evil = "evil.test"

// startVisitor runs a browser that knows evil's address.
func startVisitor(t testing.TB) *browser {
	t.Helper()
	return startBrowser(t, chromedp.Flag("host-resolver-rules", "MAP "+evil+" 127.0.0.1"))
}

// site is another's: it has neither the hub's name nor its port.
type site struct {
	origin string
	visits atomic.Int64 // requests so far
}

// startSite serves an empty page until the test's end.
func startSite(t testing.TB) *site {
	t.Helper()
	s := &site{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		s.visits.Add(1)
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<!doctype html><title>You have won</title>")
	}))
	t.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s.origin = "http://" + evil + ":" + port
	return s
}

// read is a script of another site's that gets something out of the hub, which
// the text is a part of.
type read struct{ name, script, gets string }

// reads are ways to read what the victim could. HUB stands for host and port.
var reads = []read{
	{"echo", `socket("ws://HUB/?channel=news&since=all", ["HELLO"], "hello")`, "hello"},
	{"Centrifuge", `socket("ws://HUB/connection/websocket", ['{"id":1,"connect":{}}', '{"id":2,"history":{"channel":"news","limit":9}}'], "the secret")`, "the secret"},
	{"ntfy ws", `socket("ws://HUB/news/ws?since=all", [], "the secret")`, "the secret"},
	{"EventSource", `new Promise((resolve) => {
		const source = new EventSource("http://HUB/news/sse?since=all");
		source.onmessage = ({data}) => { source.close(); resolve(data); };
		source.onerror = () => { source.close(); resolve("refused"); };
	})`, "the secret"},
	{"fetch", `fetch("http://HUB/news/json?poll=1").then((r) => r.text(), () => "refused")`, "the secret"},
	{"fetch with a header", `fetch("http://HUB/news/raw?poll=1", {headers: {"X-Since": "all"}}).then((r) => r.text(), () => "refused")`, "the secret"},
	{"server API", `fetch("http://HUB/api/history", {method: "POST", body: '{"channel":"news","limit":9}'}).then((r) => r.text(), () => "refused")`, "the secret"},
}

const socketScript = `globalThis.socket = (url, texts, wanted) => new Promise((resolve) => {
	const s = new WebSocket(url);
	s.onopen = () => texts.forEach((text) => s.send(text));
	s.onmessage = ({data}) => { if (data.includes(wanted)) { resolve(data); s.close(); } };
	s.onclose = () => resolve("refused");
}); `

// A page of another site reads nothing, by WebSocket, event stream or request:
// the browser makes each of them for it, and the hub refuses. Where the hub allows that
// site, each of them works.
func TestCrossSiteRead(t *testing.T) {
	t.Parallel()
	site := startSite(t).origin
	page := startVisitor(t).visit(site)
	for _, defended := range []bool{true, false} {
		h := startSiteHub(t, defended, site)
		h.publish("news", "the secret")
		for _, attack := range reads {
			got := page.await(socketScript + strings.ReplaceAll(attack.script, "HUB", h.addr))
			if reached := strings.Contains(got, attack.gets); reached == defended {
				t.Errorf("%s, defended: %v: the page got %q", attack.name, defended, got)
			}
		}
	}
}

// startSiteHub runs a hub that does not know the site, or one that lets it in.
func startSiteHub(t testing.TB, defended bool, site string) *hub {
	t.Helper()
	if defended {
		return startHub(t)
	}
	return startHub(t, "--allow-origin", site)
}

// writes are ways to publish without reading the answer, for which a browser asks
// nobody (Fetch standard: simple requests). Each resolves once the hub has answered.
var writes = []struct{ name, script string }{
	{"fetch of a text", `fetch("http://HUB/news", {method: "POST", mode: "no-cors", body: "forged"})`},
	{"fetch of a form", `fetch("http://HUB/news", {method: "POST", mode: "no-cors", credentials: "include", body: new URLSearchParams({forged: 1})})`},
	{"fetch of JSON", `fetch("http://HUB/", {method: "POST", body: '{"topic":"news","message":"forged"}'})`},
	{"fetch of the server API", `fetch("http://HUB/api/publish", {method: "POST", mode: "no-cors", body: '{"channel":"news","data":"forged"}'})`},
	{"PUT", `fetch("http://HUB/news", {method: "PUT", body: "forged", headers: {Title: "x"}})`},
	{"form", `new Promise((resolve) => {
		document.body.innerHTML = '<iframe name="sink"></iframe><form target="sink" method="post" enctype="text/plain" action="http://HUB/news"><input name="a" value="forged"></form>';
		document.querySelector("iframe").onload = resolve;
		document.querySelector("form").submit();
	})`},
}

// stealthy are ways that tell no origin, but go to an address alone.
var stealthy = []struct{ name, script string }{
	{"image", `new Promise((resolve) => {
		const image = new Image();
		image.onload = image.onerror = resolve;
		image.src = "http://HUB/news/publish?message=forged";
	})`},
	{"image without a referrer", `new Promise((resolve) => {
		const image = new Image();
		image.referrerPolicy = "no-referrer";
		image.onload = image.onerror = resolve;
		image.src = "http://HUB/news/trigger?message=forged";
	})`},
	{"script", `new Promise((resolve) => {
		const script = document.createElement("script");
		script.onload = script.onerror = resolve;
		script.src = "http://HUB/news/send?message=forged";
		document.head.append(script);
	})`},
	{"frame", `new Promise((resolve) => {
		const frame = document.createElement("iframe");
		frame.onload = resolve;
		frame.src = "http://HUB/news/publish?message=forged";
		document.body.append(frame);
	})`},
}

// A page of another site publishes nothing, whatever it makes the browser send.
// Where the hub allows that site, what tells its origin gets through.
func TestCrossSitePublish(t *testing.T) {
	t.Parallel()
	site := startSite(t).origin
	b := startVisitor(t)
	for _, defended := range []bool{true, false} {
		h := startSiteHub(t, defended, site)
		for i, attack := range writes {
			page := b.visit(site)
			page.attack(h, attack.script)
			page.close()
			want := i + 1
			if defended {
				want = 0
			}
			if kept := h.history("news"); len(kept) != want {
				t.Errorf("%s, defended: %v: %d messages are stored, want %d", attack.name, defended, len(kept), want)
			}
		}
	}
}

// So it is for an image, a script or a frame, whose address is all that is sent.
// The same address in the hub's own page publishes.
func TestCrossSitePublishByAddress(t *testing.T) {
	t.Parallel()
	site := startSite(t).origin
	b := startVisitor(t)
	h := startHub(t)
	for i, attack := range stealthy {
		page := b.visit(site)
		page.attack(h, attack.script)
		if kept := h.history("news"); len(kept) != i {
			t.Errorf("%s: %d messages are stored, want %d", attack.name, len(kept), i)
		}
		page.close()
		own := b.visit("http://" + strings.Replace(h.addr, "127.0.0.1", "localhost", 1) + "/health")
		own.attack(h, strings.ReplaceAll(attack.script, "HUB", strings.Replace(h.addr, "127.0.0.1", "localhost", 1)))
		own.close()
		if kept := h.history("news"); len(kept) != i+1 {
			t.Fatalf("%s of the hub's own site: %d messages are stored, want %d", attack.name, len(kept), i+1)
		}
	}
}

// attack runs a script against a hub, and returns once the hub has answered,
// whatever that was.
func (p *tab) attack(h *hub, script string) {
	p.t.Helper()
	p.await("(async () => { await " + strings.ReplaceAll(script, "HUB", h.addr) + "; })().then(() => 'done', () => 'refused')")
}

// A site whose name is pointed at the hub once its page is loaded is of one
// origin with the hub: what it asks for under its own name is refused, page and all.
// Where the hub is called by that name too, it works.
func TestDNSRebindingInABrowser(t *testing.T) {
	t.Parallel()
	b := startVisitor(t)
	const script = `Promise.all([
		fetch("/news/json?poll=1").then((r) => r.text()),
		fetch("/news", {method: "POST", body: "forged"}).then((r) => String(r.status)),
		socket("ws://" + location.host + "/connection/websocket", ['{"id":1,"connect":{}}'], "client"),
		new Promise((resolve) => {
			const source = new EventSource("/news/sse?since=all");
			source.onmessage = ({data}) => { source.close(); resolve(data); };
			source.onerror = () => { source.close(); resolve("refused"); };
		}),
	]).then(JSON.stringify)`
	for _, defended := range []bool{true, false} {
		args := []string{"--allow-host", evil}
		if defended {
			args = nil
		}
		h := startHub(t, args...)
		h.publish("news", "the secret")
		page := b.visit("http://" + strings.Replace(h.addr, "127.0.0.1", evil, 1) + "/wstest.html")
		if served := strings.Contains(page.evaluate("document.body.innerText"), "casefold"); served == defended {
			t.Errorf("defended: %v: the page is %q", defended, page.evaluate("document.body.innerText"))
		}
		var got []string
		if err := json.Unmarshal([]byte(page.await(socketScript+script)), &got); err != nil {
			t.Fatal(err)
		}
		for i, reached := range []bool{strings.Contains(got[0], "the secret"), got[1] == "200", strings.Contains(got[2], "client"), strings.Contains(got[3], "the secret")} {
			if reached == defended {
				t.Errorf("defended: %v: attack %d got %q", defended, i, got[i])
			}
		}
		if kept := h.history("news"); (len(kept) == 1) != defended {
			t.Errorf("defended: %v: %d messages are stored", defended, len(kept))
		}
	}
}

// Nobody can lay the page, or an answer of the hub's, under their own to have it
// clicked: neither another site nor one of another port.
func TestClickjacking(t *testing.T) {
	t.Parallel()
	site := startSite(t).origin
	b := startVisitor(t)
	h := startHub(t)
	for _, origin := range []string{site, strings.Replace(site, evil, "127.0.0.1", 1)} {
		for _, path := range []string{"/", "/news", "/wstest.html"} {
			page := b.visit(origin)
			page.run(fmt.Sprintf("document.body.append(Object.assign(document.createElement('iframe'), {src: %q}))", h.url+path))
			eventually(t, "the browser refuses to frame "+path, func() bool { return page.wrong.said("frame-ancestors 'none'") })
			page.close()
		}
	}
}
