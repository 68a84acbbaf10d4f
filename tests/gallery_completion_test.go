package tests

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"
)

const completionField = "A name, a code such as U+2603, or the character itself"

// A newcomer types and sees what the hub finds with every key, chooses with the keyboard
// alone or with the mouse, and has what was copied in the other tab, too, over a
// restart of the hub.
func TestGalleryCompletion(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	b := startBrowser(t)
	first, second := b.open(h.url+"/gallery/completion"), b.open(h.url+"/gallery/completion")
	for _, p := range []*tab{first, second} {
		p.wantText("group", "Connection", "Connected")
	}
	waitForSubscribers(h, "gallery.completion.copied", 2)

	first.fill("combobox", completionField, "")
	first.press("snow m")
	first.wantText("listbox", "Characters found", "SNOW CAPPED MOUNTAIN", "U+1F3D4")
	first.wantText("search", "", "found", "hub", "in all")
	first.press(kb.Escape)
	first.wantGone("listbox", "Characters found", "SNOW")
	first.press("snow")
	first.wantText("listbox", "Characters found", "SNOWMAN", "SNOWFLAKE", "BLACK SNOWMAN")
	first.wantText("article", "Chosen character", "SNOWMAN", "U+2603", "E2 98 83")
	if got := first.active(); !strings.Contains(got, "SNOWMAN") {
		t.Errorf("Enter would copy %q", got)
	}
	first.press(kb.ArrowDown)
	first.wantText("article", "Chosen character", "SNOWFLAKE")
	first.press(kb.ArrowUp + kb.ArrowUp)
	last := first.active()
	first.press(kb.ArrowDown + kb.ArrowDown)
	if got := first.active(); !strings.Contains(got, "U+2744") || strings.Contains(last, "SNOWMAN") {
		t.Errorf("round the end: %q, then %q", last, got)
	}
	first.press("\r")
	first.wantText("search", "", "Copied SNOWFLAKE")
	first.wantText("region", "Copied lately", "❄")
	second.wantText("region", "Copied lately", "❄", "copied")

	second.in("Copied lately").click("button", second.onShelf("U+2744"))
	second.wantText("listbox", "Characters found", "SNOWFLAKE")
	second.fill("combobox", completionField, "euro")
	second.wantText("listbox", "Characters found", "EURO SIGN")
	second.click("option", "EURO SIGN U+20AC")
	second.wantText("search", "", "Copied EURO SIGN")
	first.wantText("region", "Copied lately", "€", "copied")

	h.stop()
	first.wantText("group", "Connection", "Disconnected")
	first.wantText("search", "", "Not connected")
	first.fill("combobox", completionField, "hangul ga")
	h.startAgain()
	first.wantText("listbox", "Characters found", "HANGUL SYLLABLE GA", "HANGUL SYLLABLE GAG")
	late := b.open(h.url + "/gallery/completion")
	late.wantText("region", "Copied lately", "❄", "€")
}

// Answers come in the order of typing, however quickly one types: what is shown is for
// what is in the field.
func TestGalleryCompletionNeverShowsAnOlderAnswer(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	p := startBrowser(t).open(h.url + "/gallery/completion")
	p.wantText("group", "Connection", "Connected")
	p.fill("combobox", completionField, "")
	for _, text := range []string{"latin", "greek", "cyrillic", "check mark"} {
		p.press(strings.Repeat(kb.Backspace, len("cyrillic")) + text)
	}
	p.wantText("listbox", "Characters found", "CHECK MARK")
	if n := p.count("listbox", "Characters found", "CYRILLIC"); n > 0 {
		t.Errorf("an older answer is shown: %d", n)
	}
}

// Without its side in the hub the page says so.
func TestGalleryCompletionWithoutItsSide(t *testing.T) {
	t.Parallel()
	h := startHub(t, "--demo=false")
	p := startBrowser(t).open(h.url + "/gallery/completion")
	p.wantText("group", "Connection", "Connected")
	p.wantText("search", "", "runs without its side of the gallery")
}

func TestGalleryCompletionLooks(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	p := startBrowser(t).open(h.url + "/gallery/completion")
	p.wantText("group", "Connection", "Connected")
	p.accessible()
	for _, copied := range []string{"☃", "→", "€", "♥", "\u00a0", "ß", "∞", "♫"} {
		api[any](h, "publish", fmt.Sprintf(`{"channel":"gallery.completion.copied","data":{"char":%q}}`, copied))
	}
	p.fill("combobox", completionField, "arrow")
	p.wantText("listbox", "Characters found", "RIGHTWARDS ARROW")
	p.wantText("region", "Copied lately", "♫", "∞", "00A0")
	p.accessible()
	p.takePictures("gallery-completion-", func() {})
	p.fill("combobox", completionField, "xyzzy")
	p.wantText("region", "Find a character", "No character’s name")
	p.accessible()
}

// active returns the text of the option that Enter would choose.
func (p *tab) active() string {
	p.t.Helper()
	return p.evaluate(`document.getElementById(document.activeElement.getAttribute("aria-activedescendant"))?.innerText ?? ""`)
}

// onShelf returns the name of the shelf's button for a character.
func (p *tab) onShelf(code string) string {
	p.t.Helper()
	return p.evaluate(`[...document.querySelectorAll("[data-part=shelf] button")].map((b) => b.textContent).find((text) => text.includes("` + code + `")).replace(/^[^U]*/, "")`)
}

// wantGone waits until the element, if it is there, no longer has the text.
func (p *tab) wantGone(role, name, text string) {
	p.t.Helper()
	eventually(p.t, text+" is gone from "+name, func() bool {
		for _, node := range p.query(role, name) {
			if strings.Contains(p.textOf(node.BackendDOMNodeID), text) {
				return false
			}
		}
		return true
	})
}
