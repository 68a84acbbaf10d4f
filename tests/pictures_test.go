package tests

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// The page fits a desk and a phone, by day and by night. With -update-pictures
// the test leaves the README's pictures in tests/pictures.
func TestPageLooks(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	p := furnish(h, startBrowser(t))
	p.takePictures("", func() { p.click("button", "Dismiss") })
}

// So does the page of a hub that asks who comes, before and after signing in.
func TestSignInLooks(t *testing.T) {
	t.Parallel()
	h, token := closedHub(t)
	h.publish("news", "Build 1847 passed", bearer(token("ci")), "Title: Nightly build", "Tags: ci,nightly")
	p := startBrowser(t).open(h.url + "/news")
	p.wantText("region", "Sign in", "asks who you are")
	p.click("DisclosureTriangle", "How to get a token")
	p.takePictures("sign-in-", func() {})
	p.signIn(token("ada", "--info", `{"name":"Ada Lovelace"}`))
	p.in("Channel feed").fill("textbox", "Message", "Then the release can go out")
	p.press("\r")
	p.in("Chat").fill("textbox", "Chat message", "Who is on duty tonight?")
	p.press("\r")
	p.wantText("log", "Messages", "Build 1847", "go out")
	p.wantText("log", "Chat messages", "on duty")
	p.takePictures("signed-in-", func() {})
}

// takePictures takes a picture of the page in each look and checks that it fits. Those
// that the README shows are kept with -update-pictures, the others among the artifacts.
// narrow makes room on the phone.
func (p *tab) takePictures(prefix string, narrow func()) {
	p.t.Helper()
	readme, err := os.ReadFile(filepath.Join(root(), "README.md"))
	if err != nil {
		p.t.Fatal(err)
	}
	for _, look := range []struct {
		name, scheme  string
		width, height int64
	}{
		{"light", "light", 1280, 1000},
		{"dark", "dark", 1280, 1000},
		{"phone", "light", 360, 780},
	} {
		p.do("resize", chromedp.EmulateViewport(look.width, look.height, chromedp.EmulateScale(2)))
		p.emulate("prefers-color-scheme", look.scheme)
		eventually(p.t, "the page is no wider than the "+look.name+" window", func() bool {
			return evaluate[int64](p, "document.documentElement.scrollWidth") <= look.width
		})
		dark := evaluate[bool](p, `getComputedStyle(document.body).backgroundColor.match(/\d+/g).slice(0, 3).every((part) => part < 128)`)
		if dark != (look.scheme == "dark") {
			p.t.Errorf("%s: the background is dark: %v", look.name, dark)
		}
		if look.name == "phone" {
			narrow()
		}
		p.run("document.activeElement.blur(); scrollTo(0, 0)")
		p.await(`Promise.all(document.getAnimations().filter(({effect}) => Number.isFinite(effect.getComputedTiming().endTime))
			.map(({finished}) => finished.catch(() => {}))).then(() => "")`)
		folder, name := "artifacts", prefix+look.name+".png"
		if *updatePictures && strings.Contains(string(readme), "tests/pictures/"+name) {
			folder = "pictures"
		}
		p.picture(filepath.Join(folder, name))
	}
	p.do("resize", chromedp.EmulateViewport(1280, 1000, chromedp.EmulateScale(2)))
}

// furnish opens a page with what a busy day leaves in it, the last message as a
// notification that has just arrived.
func furnish(h *hub, b *browser) *tab {
	h.t.Helper()
	h.publish("news", "Build 1847 passed", "Title: Nightly build", "Tags: ci,nightly", "Priority: low")
	h.publish("news", `The disk of "attic" is 91 % full`, "Title: Disk", "Tags: disk", "Priority: high", "Click: https://example.org/disk")
	p, other := b.open(h.url+"/news"), b.open(h.url+"/news")
	rename(p, "Ada")
	rename(other, "Grace")
	for _, text := range []string{"ΣΊΣΥΦΟΣ", "Straße"} {
		p.in("Echo").fill("textbox", "Text to fold", text)
		p.press("\r")
	}
	p.wantText("log", "Echo answers", "strasse", "σίσυφοσ")
	for _, text := range []string{"Attic is being tidied", `{"free": "38 %", "machine": "attic"}`} {
		other.in("Channel feed").fill("textbox", "Message", text)
		other.press("\r")
		other.wantText("region", "Channel feed", "Published")
	}
	for _, said := range []struct {
		by   *tab
		text string
	}{{other, "Is anybody looking at the disk?"}, {p, "On it."}} {
		said.by.in("Chat").fill("textbox", "Chat message", said.text)
		said.by.press("\r")
		p.wantText("log", "Chat messages", said.text)
	}
	h.publish("news", "Hello")
	p.wantText("log", "Messages", "Build 1847", "91 %", "tidied", "38 %", "Hello")
	return p
}

// evaluate returns the value of a script in the page.
func evaluate[T any](p *tab, script string) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](script))
	if err != nil {
		p.t.Fatalf("evaluate %s: %v", script, err)
	}
	return value
}
