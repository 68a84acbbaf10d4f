package tests

import (
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

func (p todoPage) focused() string {
	p.t.Helper()
	return p.evaluate(`(() => {
		const e = document.activeElement;
		return e.ariaLabel ?? e.labels?.[0]?.textContent ?? e.textContent.trim();
	})()`)
}

func (p todoPage) wantFocus(name string) {
	p.t.Helper()
	eventually(p.t, "the focus is on "+name, func() bool { return p.focused() == name })
}

// tabTo presses Tab until something has the focus.
func (p todoPage) tabTo(name string) {
	p.t.Helper()
	for range 50 {
		if p.press("\t"); p.focused() == name {
			return
		}
	}
	p.t.Fatalf("no key leads to %s", name)
}

// write types a text in place of what is selected.
func (p todoPage) write(text string) {
	p.t.Helper()
	if _, err := call(p.tab, input.InsertText, input.InsertTextParams{Text: text}); err != nil {
		p.t.Fatalf("type %q: %v", text, err)
	}
}

// chord presses a key while others are held.
func (p todoPage) chord(key string, held kb.Modifier) {
	p.t.Helper()
	p.do("press "+key, chromedp.KeyEvent(key, chromedp.KeyModifiers(held)))
}

// Everything can be done with the keyboard alone.
func TestTodoByKeyboard(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	p := openTodo(startBrowser(t), h.url+"/gallery/todo")
	list := []todoPage{p}
	p.tabTo("New task")
	for _, text := range []string{"One", "Two", "Three"} {
		p.write(text)
		p.press("\r")
	}
	wantTodo(t, list, "- One", "- Two", "- Three")
	p.tabTo("Done: One")
	p.press(" ")
	wantTodo(t, list, "x One", "- Two", "- Three")
	p.tabTo("Task: One")
	p.chord(kb.ArrowDown, kb.ModifierAlt)
	wantTodo(t, list, "- Two", "x One", "- Three")
	p.wantFocus("Task: One")
	p.press(kb.End)
	p.write("!")
	p.press(kb.Escape)
	p.write("First")
	p.press("\r")
	wantTodo(t, list, "- Two", "x First", "- Three")
	p.tabTo("Delete: Three")
	p.press("\r")
	wantTodo(t, list, "- Two", "x First")
	p.wantFocus("Delete: First")
	p.chord("z", kb.ModifierCtrl)
	wantTodo(t, list, "- Two", "x First", "- Three")
	p.tabTo("Clear done")
	p.press("\r")
	wantTodo(t, list, "- Two", "- Three")
	p.wantFocus("New task")
	p.tabTo("All")
	p.press(kb.ArrowRight)
	p.press(kb.ArrowRight)
	p.wantText("region", "To-do list", "Nothing is done yet")
}
