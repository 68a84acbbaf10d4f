package tests

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// whiteboard is a tab on the gallery's whiteboard. Its places are in the board's own
// units, 1600 by 1000.
type whiteboard struct{ *tab }

func openBoard(h *hub, b *browser, name string) whiteboard {
	h.t.Helper()
	p := whiteboard{b.open(h.url + "/gallery/board")}
	p.wantText("status", "Board", "Live")
	p.fill("textbox", "Your name", name)
	p.press("\r")
	p.wantText("list", "Here now", name+" (you)")
	return p
}

// at returns where in the window a place on the board is.
func (p whiteboard) at(x, y float64) (left, top float64) {
	p.t.Helper()
	got := evaluate[[]float64](p.tab, fmt.Sprintf(`(() => {
		const svg = document.querySelector("#board-surface svg");
		svg.scrollIntoView({block: "nearest"});
		const p = new DOMPoint(%v, %v).matrixTransform(svg.getScreenCTM());
		return [p.x, p.y];
	})()`, x, y))
	return got[0], got[1]
}

// mouse does something with the mouse at a place. pressed: its left button is down.
func (p whiteboard) mouse(what input.DispatchMouseEventType, x, y float64, pressed bool) {
	p.t.Helper()
	left, top := p.at(x, y)
	event := input.DispatchMouseEventParams{Type: what, X: left, Y: top}
	if pressed {
		event.Button, event.Buttons, event.ClickCount = input.MouseButtonLeft, 1, 1
	}
	if _, err := call(p.tab, input.DispatchMouseEvent, event); err != nil {
		p.t.Fatalf("%s at %v, %v: %v", what, x, y, err)
	}
}

func (p whiteboard) point(x, y float64)  { p.mouse(input.DispatchMouseEventTypeMouseMoved, x, y, false) }
func (p whiteboard) down(x, y float64)   { p.mouse(input.DispatchMouseEventTypeMousePressed, x, y, true) }
func (p whiteboard) dragTo(x, y float64) { p.mouse(input.DispatchMouseEventTypeMouseMoved, x, y, true) }
func (p whiteboard) lift(x, y float64) {
	p.mouse(input.DispatchMouseEventTypeMouseReleased, x, y, true)
}

// touch does something with fingers at places, each x and y.
func (p whiteboard) touch(what input.DispatchTouchEventType, places ...float64) {
	p.t.Helper()
	var points []*input.TouchPoint
	for i := 0; i < len(places); i += 2 {
		left, top := p.at(places[i], places[i+1])
		points = append(points, &input.TouchPoint{X: left, Y: top, ID: new(float64(i))})
	}
	if _, err := call(p.tab, input.DispatchTouchEvent, input.DispatchTouchEventParams{Type: what, TouchPoints: points}); err != nil {
		p.t.Fatalf("%s at %v: %v", what, places, err)
	}
}

// drag presses at the first place, moves over the others and lifts at the last. The
// places are x, y, x, y, ...
func (p whiteboard) drag(places ...float64) {
	p.t.Helper()
	p.down(places[0], places[1])
	for i := 2; i < len(places); i += 2 {
		p.dragTo(places[i], places[i+1])
	}
	p.lift(places[len(places)-2], places[len(places)-1])
}

func (p whiteboard) tool(name string) { p.t.Helper(); p.click("button", name) }

// addNote puts a note at a place and writes on it.
func (p whiteboard) addNote(x, y float64, text string) {
	p.t.Helper()
	p.tool("Sticky note")
	p.drag(x, y)
	p.fill("textbox", "Text of the note", text)
	p.press("\x1b")
}

// shown is what a board shows, an object a line, in the order in which they cover each other.
func (p whiteboard) shown() string {
	p.t.Helper()
	return p.evaluate(`[...document.querySelectorAll("[data-part=objects] > g")].map((g) => [
		g.dataset.id, g.dataset.kind, "colour " + g.dataset.color, "data-bold" in g.dataset || g.hasAttribute("data-bold") ? "bold" : "fine",
		g.getAttribute("transform"), g.querySelector("path")?.getAttribute("d") ?? JSON.stringify(g.querySelector("p").textContent),
	].join(" ")).join("\n")`)
}

// count returns how many objects of a kind a board shows.
func (p whiteboard) count(kind string) int {
	p.t.Helper()
	return strings.Count(p.shown(), " "+kind+" ")
}

func (p whiteboard) wantCount(kind string, n int) {
	p.t.Helper()
	eventually(p.t, fmt.Sprintf("%d of %s", n, kind), func() bool { return p.count(kind) == n })
}

// wantSame waits until all boards show the same, which has all the parts in it.
func wantSame(t testing.TB, boards []whiteboard, parts ...string) {
	t.Helper()
	var shown []string
	same := func() bool {
		shown = shown[:0]
		for _, p := range boards {
			shown = append(shown, p.shown())
		}
		for _, s := range shown {
			if s != shown[0] || !containsAll(s, parts) {
				return false
			}
		}
		return true
	}
	if !within(patience, same) {
		t.Fatalf("the boards differ, or lack some of %q:\n%s", parts, strings.Join(shown, "\n---\n"))
	}
}

// sketches returns how many shapes are seen that others are still drawing, or oneself.
func (p whiteboard) sketches() int {
	p.t.Helper()
	return evaluate[int](p.tab, `document.querySelectorAll("[data-part=drafts] path").length`)
}

// pointers returns the names at the others' pointers, sorted.
func (p whiteboard) pointers() string {
	p.t.Helper()
	return p.evaluate(`[...document.querySelectorAll("[data-part=cursors] text")].map((e) => e.textContent).sort().join(" ")`)
}

// focused returns how what has the focus is called.
func (p whiteboard) focused() string {
	p.t.Helper()
	return p.evaluate(`(() => {
		const e = document.activeElement;
		return e.ariaLabel ?? e.labels?.[0]?.textContent ?? e.textContent.trim();
	})()`)
}

func (p whiteboard) wantFocus(name string) {
	p.t.Helper()
	eventually(p.t, "the focus is on "+name, func() bool { return p.focused() == name })
}

// tabTo presses Tab until something has the focus.
func (p whiteboard) tabTo(name string) {
	p.t.Helper()
	for range 40 {
		if p.press("\t"); p.focused() == name {
			return
		}
	}
	p.t.Fatalf("no key leads to %s", name)
}

// write types a text in place of what is selected.
func (p whiteboard) write(text string) {
	p.t.Helper()
	if _, err := call(p.tab, input.InsertText, input.InsertTextParams{Text: text}); err != nil {
		p.t.Fatalf("type %q: %v", text, err)
	}
}

// enter presses Enter as a keyboard does: the page can keep its character from being
// typed.
func (p whiteboard) enter() {
	p.t.Helper()
	down := *kb.Encode('\r')[0]
	up := down
	down.Text, up.Type = "\r", kb.KeyUp
	for _, event := range []input.DispatchKeyEventParams{down, up} {
		if _, err := call(p.tab, input.DispatchKeyEvent, event); err != nil {
			p.t.Fatalf("press Enter: %v", err)
		}
	}
}

// chord presses a key while others are held.
func (p whiteboard) chord(key string, held kb.Modifier) {
	p.t.Helper()
	p.do("press "+key, chromedp.KeyEvent(key, chromedp.KeyModifiers(held)))
}

// draw draws a short stroke by the hub's own API, the i-th of one replica.
func (h *hub) draw(i int) {
	h.t.Helper()
	fields := map[string]any{"kind": "stroke", "at": []int{40 + i*13%1500, 40 + i*29%900}, "ink": "gMgMgDgMMgD", "z": i, "color": i % 6}
	call := map[string]any{"channel": "gallery.document.board", "data": map[string]any{
		"by": "painter", "n": i + 1, "make": map[string]any{fmt.Sprintf("stroke%d", i): fields},
	}}
	api[struct{}](h, "publish", jsonOf(h.t, call))
}

// letters are strokes of a pen, 40 wide and 60 high.
var letters = map[string][][]float64{
	"A": {{0, 60, 20, 0}, {20, 0, 40, 60}, {8, 40, 32, 40}},
	"B": {{0, 0, 0, 60}, {0, 0, 28, 4, 28, 24, 4, 28}, {4, 28, 36, 34, 34, 56, 0, 60}},
	"H": {{0, 0, 0, 60}, {40, 0, 40, 60}, {0, 30, 40, 30}},
	"I": {{0, 0, 0, 60}},
	"L": {{0, 0, 0, 60}, {0, 60, 34, 60}},
	"P": {{0, 0, 0, 60}, {0, 0, 30, 2, 36, 16, 28, 30, 0, 32}},
	"U": {{0, 0, 0, 40, 18, 60, 38, 42, 40, 0}},
}

// letter writes a letter with the pen.
func (p whiteboard) letter(x, y float64, letter string) {
	p.t.Helper()
	for _, stroke := range letters[letter] {
		var places []float64
		for i := 0; i < len(stroke); i += 2 {
			places = append(places, x+stroke[i], y+stroke[i+1])
		}
		p.drag(places...)
	}
}

// furnishBoard opens a board on which three people are at work.
func furnishBoard(h *hub, b *browser) whiteboard {
	h.t.Helper()
	p, grace, alan := openBoard(h, b, "Ada"), openBoard(h, b, "Grace"), openBoard(h, b, "Alan")
	p.tool("Rectangle")
	p.drag(120, 140, 400, 280)
	p.tool("Rectangle")
	p.click("button", "Green")
	p.drag(620, 140, 900, 280)
	p.tool("Arrow")
	p.click("button", "Ink")
	p.drag(420, 210, 600, 210)
	grace.tool("Ellipse")
	grace.click("button", "Blue")
	grace.drag(600, 470, 920, 640)
	grace.tool("Arrow")
	grace.drag(760, 300, 760, 450)
	alan.addNote(1230, 240, "Who tells the phones before the launch?")
	alan.tool("Pen")
	alan.click("button", "Green")
	alan.addNote(1370, 480, "Ada: the feed is done")
	grace.tool("Pen")
	grace.click("button", "Violet")
	grace.addNote(260, 560, "Ask Alan about the two slow tabs, and about what happens in a tunnel")
	p.tool("Pen")
	p.letter(205, 180, "A")
	p.letter(263, 180, "P")
	p.letter(315, 180, "I")
	p.letter(685, 180, "H")
	p.letter(743, 180, "U")
	p.letter(803, 180, "B")
	grace.tool("Pen")
	grace.click("button", "Blue")
	grace.letter(685, 525, "A")
	grace.letter(748, 525, "L")
	grace.letter(803, 525, "L")
	p.click("button", "Red")
	p.drag(570, 700, 640, 716, 700, 690, 780, 712, 860, 692, 940, 706)
	p.do("leave the board", chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, 1, 1))
	grace.point(980, 380)
	alan.point(1180, 640)
	eventually(h.t, "both pointers", func() bool { return p.pointers() == "Alan Grace" })
	wantSame(h.t, []whiteboard{p, grace, alan}, "launch", "tunnel", "feed")
	return p
}
