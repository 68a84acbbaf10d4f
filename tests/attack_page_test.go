package tests

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// markup are texts that run a script where they are taken for markup. Each would
// set window.broken.
var markup = []string{
	`<script>broken=1</script>`,
	`<img src=x onerror=broken=1>`,
	`<svg onload=broken=1>`,
	`<iframe srcdoc="<script>parent.broken=1</script>">`,
	`"><img src=x onerror=broken=1>`,
	`' autofocus onfocus=broken=1 x='`,
	`</li></template></title></style></script><script>broken=1</script>`,
	`<math><mtext><table><mglyph><style><img src=x onerror=broken=1>`,
	`<a href="javascript:broken=1">click</a>`,
	`[click](javascript:broken=1) ![x](x"onerror="broken=1)`,
	`<details open ontoggle=broken=1>`,
	`<base href="//evil.test/"><meta http-equiv=refresh content="0;url=javascript:broken=1">`,
	"{{constructor.constructor('broken=1')()}}${broken=1}",
	"\u202e<img src=x onerror=broken=1>\u0000\u2028",
}

// scripts are addresses that would run a script, or leave the web.
var scripts = []string{
	"javascript:broken=1", "JaVaScRiPt:broken=1", " javascript:broken=1", "java\nscript:broken=1", "\u0001javascript:broken=1",
	"javascript://example.com/%0abroken=1", "data:text/html,<script>opener.broken=1</script>", "vbscript:broken=1",
	"blob:http://127.0.0.1/x", "file:///etc/passwd", "view-source:http://127.0.0.1", "http:javascript:broken=1", "//evil.test/",
}

// What is sent in any field of a message, and what people call themselves, is
// shown as it is and runs nothing, even in a browser that knows no security policy.
func TestMarkupIsText(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	p := startBrowser(t).blank()
	if _, err := call(p, page.SetBypassCSP, page.SetBypassCSPParams{Enabled: true}); err != nil {
		t.Fatal(err)
	}
	p.do("open the page", chromedp.Navigate(h.url+"/news"))
	p.wantText("group", "Connection", "Connected")
	waitForSubscribers(h, "chat.lobby", 1)
	for i, text := range markup {
		h.publishMarkup(text, scripts[i%len(scripts)])
		h.intrude(text)
	}
	h.publish("news", "the last one", "Title: the end", "Click: https://example.org/")
	p.wantText("log", "Messages", "the last one")
	p.wantText("list", "Arrived notifications", "the last one")
	p.wantShown("#feed .text, #feed [data-part=title], #feed .tags li", markup...)
	p.wantShown("#chat .text", markup...)
	p.wantShown("#feed [data-part=sender], #chat [data-part=sender], #chat .people bdi", names(markup)...)
	if found := p.evaluate(foreign); found != `["https://example.org/"]` {
		t.Errorf("the page has %s in it", found)
	}
}

// A link to the page on a channel carries a name that anybody can have made up.
func TestMarkupInTheAddressIsText(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	p := startBrowser(t).blank()
	if _, err := call(p, page.SetBypassCSP, page.SetBypassCSPParams{Enabled: true}); err != nil {
		t.Fatal(err)
	}
	for i, text := range slices.Concat(markup, scripts) {
		if strings.Contains(text, "/") {
			text = strings.ReplaceAll(text, "/", "\\")
		}
		address := fmt.Sprintf("%s/%s?channel=ok.%d&channel=%s", h.url, url.PathEscape(text), i, url.QueryEscape(text))
		p.do("open "+address, chromedp.Navigate(address))
		p.wantShown("#feed .chip[data-state=live] a", fmt.Sprint("ok.", i))
		if found := p.evaluate(foreign); found != "[]" {
			t.Errorf("%s: the page has %s in it", text, found)
		}
	}
}

// Nor is what a token says of its bearer, of the others or of the reader.
func TestMarkupInATokenIsText(t *testing.T) {
	t.Parallel()
	h, token := closedHub(t)
	p := startBrowser(t).blank()
	if _, err := call(p, page.SetBypassCSP, page.SetBypassCSPParams{Enabled: true}); err != nil {
		t.Fatal(err)
	}
	p.do("open the page", chromedp.Navigate(h.url+"/news"))
	const reader = `<img src=x onerror=broken=1>`
	p.wantText("region", "Sign in", "asks who you are")
	p.signIn(token(reader, "--info", jsonOf(t, map[string]any{"name": markup[0]})))
	p.wantShown("#account bdi", reader)
	p.wantShown("#chat .people bdi", markup[0]+" ("+reader+")")
	for _, text := range []string{reader, markup[2], markup[6]} {
		h.intrudeWith(token(text, "--info", jsonOf(t, map[string]any{"name": text})), "a text")
		p.wantShown("#chat [data-part=sender], #chat .people bdi", text)
		p.wantShown("#feed [data-part=sender]", text)
	}
	if found := p.evaluate(foreign); found != "[]" {
		t.Errorf("the page has %s in it", found)
	}
}

// foreign lists what the page did not make itself, and where its messages' links
// lead.
const foreign = `JSON.stringify([
	...[...document.querySelectorAll('main, .toasts')].flatMap((part) => [...part.querySelectorAll('script, img, svg, iframe, math, base, meta, style, link, object, embed, table')]),
	...[...document.querySelectorAll('*')].filter((e) => [...e.attributes].some(({name}) => /^(on|style$|srcdoc$)/.test(name))),
	...[...document.querySelectorAll('a[href]')].filter((a) => !/^https?:$/.test(a.protocol)),
	...(globalThis.broken ? [{outerHTML: 'a script that ran'}] : []),
].map((e) => e.outerHTML).concat([...document.querySelectorAll('#feed [data-part=click][href]')].map((a) => a.href)))`

// publishMarkup publishes a text in every field of a notification, and an address
// in every field that has one.
func (h *hub) publishMarkup(text, address string) {
	h.t.Helper()
	call := map[string]any{"channel": "news", "data": map[string]any{
		"message": text, "title": text, "tags": []string{text}, "markdown": true, "content_type": "text/html",
		"click": address, "icon": address, "id": text, "sequence_id": text, "topic": text, "event": text,
		"attachment": map[string]any{"name": text, "url": address, "type": "text/html"},
		"actions":    []any{map[string]any{"action": "view", "label": text, "url": address, "body": text}},
	}}
	api[struct{}](h, "publish", jsonOf(h.t, call))
}

// intrude says a text in the chat and the feed, as a client that calls itself so,
// and returns once that is stored.
func (h *hub) intrude(text string) {
	h.t.Helper()
	h.intrudeWith("", text)
}

// intrudeWith is intrude with a token, if it is not "".
func (h *hub) intrudeWith(token, text string) {
	h.t.Helper()
	s := h.dial("/connection/websocket")
	name := map[string]any{"name": text}
	for id, command := range []map[string]any{
		{"connect": map[string]any{"data": name, "token": token}},
		{"subscribe": map[string]any{"channel": "chat.lobby", "data": name}},
		{"subscribe": map[string]any{"channel": "news", "data": name}},
		{"publish": map[string]any{"channel": "chat.lobby", "data": text}},
		{"publish": map[string]any{"channel": "news", "data": map[string]any{"other": text}}},
	} {
		command["id"] = id + 1
		s.send(jsonOf(h.t, command))
		if code := errorOf(h.t, s, id+1); code != 0 {
			h.t.Fatalf("%v: error %d", command, code)
		}
	}
}

func jsonOf(t testing.TB, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// names is what the page shows of a name.
func names(texts []string) []string {
	short := make([]string, len(texts))
	for i, text := range texts {
		units := utf16.Encode([]rune(text))
		short[i] = string(utf16.Decode(units[:min(40, len(units))]))
	}
	return short
}

// wantShown waits until each text is all that some element holds that the CSS
// selectors find.
func (p *tab) wantShown(selectors string, texts ...string) {
	p.t.Helper()
	script := fmt.Sprintf(`JSON.stringify((%s).filter((text) => ![...document.querySelectorAll(%q)].some((e) => e.textContent === text)))`,
		jsonOf(p.t, texts), selectors)
	missing := ""
	if !within(patience, func() bool { missing = p.evaluate(script); return missing == "[]" }) {
		p.t.Errorf("%s does not show %s", selectors, missing)
	}
}

// If markup got into the page after all, its policy would keep it from running,
// from loading anything and from telling anybody.
func TestPolicyStopsWhatGotIn(t *testing.T) {
	t.Parallel()
	site := startSite(t)
	h := startHub(t)
	p := startVisitor(t).visit(h.url + "/")
	p.wantText("group", "Connection", "Connected")
	for _, attack := range []struct{ name, script, stopped string }{
		{"markup", `document.body.innerHTML = "<img src=x onerror=broken=1>"`, "TrustedHTML"},
		{"frame's markup", `document.createElement("iframe").srcdoc = "<script>parent.broken=1</script>"`, "TrustedHTML"},
		{"code", `eval("broken=1")`, "EvalError"},
		{"inline script", `document.body.append(Object.assign(document.createElement("script"), {textContent: "broken=1"}))`, "TrustedScript"},
		{"script from elsewhere", `document.body.append(Object.assign(document.createElement("script"), {src: "SITE"}))`, "TrustedScriptURL"},
		{"import", `import("SITE/x.js")`, "TypeError"},
		{"handler", `document.body.setAttribute("onclick", "broken=1")`, "TrustedScript"},
		{"request", `fetch("SITE/?token")`, "TypeError"},
		{"socket", `new Promise((_, reject) => { new WebSocket("SITE".replace("http", "ws")).onerror = () => reject("blocked") })`, "blocked"},
		{"image", `new Promise((_, reject) => { document.body.append(Object.assign(new Image(), {src: "SITE/?token", onerror: () => reject("blocked")})) })`, "blocked"},
		{"form", `new Promise((_, reject) => {
			addEventListener("securitypolicyviolation", ({violatedDirective}) => reject(violatedDirective), {once: true});
			const form = Object.assign(document.createElement("form"), {action: "SITE", method: "post"});
			document.body.append(form);
			form.submit();
		})`, "form-action"},
		{"base", `new Promise((_, reject) => {
			addEventListener("securitypolicyviolation", ({violatedDirective}) => reject(violatedDirective), {once: true});
			document.head.append(Object.assign(document.createElement("base"), {href: "SITE"}));
		})`, "base-uri"},
		{"frame", `new Promise((_, reject) => {
			addEventListener("securitypolicyviolation", ({violatedDirective}) => reject(violatedDirective), {once: true});
			document.body.append(Object.assign(document.createElement("iframe"), {src: "SITE"}));
		})`, "frame-src"},
		{"style", `new Promise((_, reject) => {
			addEventListener("securitypolicyviolation", ({violatedDirective}) => reject(violatedDirective), {once: true});
			document.head.append(Object.assign(document.createElement("style"), {textContent: "body { background: url(SITE) }"}));
		})`, "style-src"},
	} {
		script := fmt.Sprintf(`(async () => %s)().then(() => "it ran", (error) => error.name + " " + error)`, strings.ReplaceAll(attack.script, "SITE", site.origin))
		got := p.await(script)
		if !strings.Contains(got, attack.stopped) {
			t.Errorf("%s: %s", attack.name, got)
		}
		if n := site.visits.Swap(0); n > 0 {
			t.Errorf("%s: the other site was asked %d times", attack.name, n)
		}
	}
}
