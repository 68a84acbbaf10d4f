package tests

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fanfold/tests/need"

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

// loadAxe makes the page ready for wantAccessible.
func (p *tab) loadAxe() {
	p.t.Helper()
	axe, err := os.ReadFile(filepath.Join("clients", "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		need.Missing(p.t, "needs npm ci in tests/clients, which tests/run does: %v", err)
	}
	p.run(string(axe))
}

// Three people draw on one board: each sees the others' strokes while they are drawn,
// their pointers with their names, and what they change; and takes back only what is their
// own.
func TestBoardIsShared(t *testing.T) {
	t.Parallel()
	h, b := startHub(t), startBrowser(t)
	ada, grace, alan := openBoard(h, b, "Ada"), openBoard(h, b, "Grace"), openBoard(h, b, "Alan")
	all := []whiteboard{ada, grace, alan}
	for _, p := range all {
		p.wantText("list", "Here now", "Ada", "Grace", "Alan")
	}

	ada.down(100, 100)
	ada.dragTo(200, 180)
	ada.dragTo(300, 120)
	for _, p := range []whiteboard{grace, alan} {
		eventually(t, "a stroke is seen while it is drawn, and whose", func() bool {
			return p.sketches() == 1 && p.pointers() == "Ada" && p.count("stroke") == 0
		})
	}
	if names := ada.pointers(); names != "" {
		t.Errorf("Ada is sent pointers of her own: %s", names)
	}
	ada.lift(300, 120)
	for _, p := range all {
		p.wantCount("stroke", 1)
		eventually(t, "the draft is replaced by the stroke", func() bool { return p.sketches() == 0 })
	}

	grace.point(700, 700)
	alan.point(900, 700)
	eventually(t, "Ada sees both pointers", func() bool { return ada.pointers() == "Alan Grace" })
	alan.addNote(1200, 300, "Buy milk")
	grace.wantCount("note", 1)
	grace.tool("Rectangle")
	grace.drag(500, 400, 800, 600)
	wantSame(t, all, "Buy milk", " rect colour 0 fine translate(500 400)")

	grace.drag(100, 100, 150, 300, 140, 500) // the stroke, by its beginning
	wantSame(t, all, " stroke colour 0 fine translate(140 500)")
	grace.click("button", "Red")
	wantSame(t, all, " stroke colour 1 fine translate(140 500)")
	ada.tool("Select")
	ada.drag(1200, 300) // selects the note,
	ada.drag(1200, 300) // and edits it
	ada.fill("textbox", "Text of the note", "Buy oat milk")
	ada.press("\x1b")
	wantSame(t, all, "Buy oat milk")

	alan.click("button", "Undo my last change") // the words were not Ada's then: they stay
	alan.click("button", "Undo my last change")
	wantSame(t, all, "Buy oat milk", " rect ")
	grace.click("button", "Undo my last change")
	wantSame(t, all, " stroke colour 0 fine translate(140 500)")
	grace.click("button", "Redo")
	wantSame(t, all, " stroke colour 1 fine translate(140 500)")
	ada.drag(650, 401)
	ada.click("button", "Delete selected")
	for _, p := range all {
		p.wantCount("rect", 0)
	}

	alan.point(900, 600)
	for _, p := range all[:2] {
		eventually(t, "Alan's pointer", func() bool { return strings.Contains(p.pointers(), "Alan") })
	}
	alan.close()
	for _, p := range all[:2] {
		eventually(t, "who leaves takes their pointer along", func() bool {
			return !strings.Contains(p.pointers(), "Alan") && !strings.Contains(p.text("list", "Here now"), "Alan")
		})
	}
	grace.click("button", "Clear board")
	grace.wantText("dialog", "Clear the board?", "2 objects")
	grace.click("button", "Keep it")
	wantSame(t, all[:2], "Buy oat milk")
	grace.click("button", "Clear board")
	grace.wantText("dialog", "Clear the board?", "2 objects")
	grace.click("button", "Clear board") // that of the dialog: nothing else can be clicked now
	for _, p := range all[:2] {
		eventually(t, "the board is empty", func() bool { return p.shown() == "" })
	}
	grace.click("button", "Undo my last change")
	wantSame(t, all[:2], "Buy oat milk", " stroke colour 1 fine translate(140 500)")
}

// What is done while the hub is away shows at once and waits; afterwards all boards are
// the same, also that of somebody who comes then.
func TestBoardOffline(t *testing.T) {
	t.Parallel()
	h, b := startHub(t), startBrowser(t)
	ada, grace, alan := openBoard(h, b, "Ada"), openBoard(h, b, "Grace"), openBoard(h, b, "Alan")
	all := []whiteboard{ada, grace, alan}
	ada.addNote(300, 300, "Plan")
	ada.tool("Rectangle")
	ada.drag(600, 200, 900, 400)
	wantSame(t, all, "Plan", " rect ")

	h.stop()
	for _, p := range all {
		p.wantText("status", "Board", "Offline")
	}
	ada.tool("Select")
	ada.drag(300, 300, 400, 600)
	ada.tool("Pen")
	ada.drag(1000, 500, 1100, 600, 1200, 500)
	ada.wantText("status", "Board", "Offline: 2 changes wait")
	grace.tool("Select")
	grace.drag(300, 300, 700, 800)
	grace.click("button", "Green")
	grace.drag(750, 200)
	grace.press(kb.Delete)
	grace.wantText("status", "Board", "Offline: 3 changes wait")
	alan.tool("Select")
	alan.drag(750, 200, 760, 300) // which Grace deletes
	alan.wantText("status", "Board", "Offline: 1 change waits")
	if ada.shown() == grace.shown() || alan.count("rect") != 1 || grace.count("rect") != 0 {
		t.Error("what is done offline is not shown")
	}

	h.startAgain()
	for _, p := range all {
		p.wantText("status", "Board", "Live")
	}
	wantSame(t, all, " stroke colour 0 ", " note colour 3 ", "Plan")
	all = append(all, openBoard(h, b, "Mary"))
	wantSame(t, all, " stroke colour 0 ", " note colour 3 ", "Plan")
	for _, p := range all {
		if p.count("rect") != 0 || p.count("note") != 1 {
			t.Errorf("what was deleted is back, or a note is lost:\n%s", p.shown())
		}
	}
}

// All but the pen works without a pointer: a note is added, written, moved and deleted,
// and any object can be picked by what it is called.
func TestBoardByKeyboard(t *testing.T) {
	t.Parallel()
	h, b := startHub(t), startBrowser(t)
	p, other := openBoard(h, b, "Ada"), openBoard(h, b, "Grace")
	other.tool("Rectangle")
	other.drag(200, 200, 500, 400)
	p.wantCount("rect", 1)

	p.tabTo("Select")
	for range 6 {
		p.press(kb.ArrowRight)
	}
	p.wantFocus("Sticky note")
	p.enter()
	p.tabTo("Whiteboard")
	p.enter()
	p.wantFocus("Text of the note")
	p.write("Call the plumber")
	p.press("\x1b")
	p.wantFocus("Whiteboard")
	wantSame(t, []whiteboard{p, other}, " note colour 2 fine translate(714 434)", "Call the plumber")
	p.press(kb.ArrowLeft + kb.ArrowLeft + kb.ArrowDown)
	wantSame(t, []whiteboard{p, other}, " note colour 2 fine translate(674 454)")
	p.press("5")
	wantSame(t, []whiteboard{p, other}, " note colour 4 fine translate(674 454)")
	p.enter()
	p.write("Call Ada")
	p.press("\x1b")
	wantSame(t, []whiteboard{p, other}, `"Call Ada"`)
	p.chord("z", kb.ModifierCtrl)
	wantSame(t, []whiteboard{p, other}, `"Call the plumber"`)

	p.tabTo("Objects on the board: 2")
	p.enter()
	p.tabTo("Objects on the board")
	p.wantText("listbox", "Objects on the board", "Rectangle, ink, at 200, 200", "Sticky note “Call the plumber”, blue, at 674, 454")
	p.press(kb.Home)
	p.enter()
	p.wantFocus("Whiteboard")
	p.press(kb.ArrowRight)
	wantSame(t, []whiteboard{p, other}, " rect colour 0 fine translate(220 200)")
	p.press(kb.Delete)
	wantSame(t, []whiteboard{p, other}, "plumber")
	other.wantCount("rect", 0)
	p.chord("a", kb.ModifierCtrl)
	p.press(kb.Delete)
	other.wantCount("note", 0)
}

// Who writes on a note that somebody else changes or deletes meanwhile is told, and what
// they write is not lost.
func TestBoardNoteOfTwo(t *testing.T) {
	t.Parallel()
	h, b := startHub(t), startBrowser(t)
	ada, grace := openBoard(h, b, "Ada"), openBoard(h, b, "Grace")
	all := []whiteboard{ada, grace}
	ada.addNote(400, 400, "first")
	wantSame(t, all, `"first"`)
	grace.tool("Select")
	for _, p := range all {
		p.drag(400, 400)
	}
	ada.wantFocus("Text of the note") // it was selected already
	grace.drag(400, 400)
	grace.fill("textbox", "Text of the note", "second")
	grace.press("\x1b")
	wantSame(t, all, `"second"`)
	ada.wantText("status", "", "Somebody else has written here")
	ada.fill("textbox", "Text of the note", "third")
	ada.press("\x1b")
	wantSame(t, all, `"third"`)

	ada.drag(400, 400)
	ada.fill("textbox", "Text of the note", "not lost")
	grace.press(kb.Delete)
	ada.wantText("status", "", "Deleted by somebody")
	ada.click("button", "Done")
	wantSame(t, all, `"not lost"`)
	ada.wantCount("note", 1)
}

// On a hub without its side of the gallery the board says so, and is shared all the
// same; pointers are not, as that hub would keep them.
func TestBoardWithoutTheHubsSide(t *testing.T) {
	t.Parallel()
	h, b := startHub(t, "--demo=false"), startBrowser(t)
	p, other := b.open(h.url+"/gallery/board"), b.open(h.url+"/gallery/board")
	boards := []whiteboard{{p}, {other}}
	for _, p := range boards {
		p.wantText("status", "Board", "without its side of the gallery", "--demo")
	}
	boards[0].drag(100, 100, 300, 200)
	wantSame(t, boards, " stroke ")
	if kept := h.history("gallery.live.board"); len(kept) > 0 {
		t.Errorf("the hub keeps %d pointers", len(kept))
	}
}

// Who may look and not draw sees the board, and is told why nothing stays that they draw;
// who may do nothing is told that too.
func TestBoardForReaders(t *testing.T) {
	t.Parallel()
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("a secret of more than 32 bytes for the tests\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	h, b := startHub(t, "--demo", "--token-key-file", secret), startBrowser(t)
	enter := func(user string, grants ...string) whiteboard {
		token := runProgram(t, append([]string{"token", "--token-key-file", secret, "--sub", user}, grants...)...)
		p := whiteboard{b.open(h.url + "/gallery/board")}
		p.signIn(strings.TrimSpace(token))
		return p
	}
	reads := []string{"--subscribe", "gallery.>", "--history", "gallery.>", "--presence", "gallery.>"}
	writer := enter("ada", append(reads, "--publish", "gallery.>")...)
	reader := enter("grace", reads...)
	for _, p := range []whiteboard{writer, reader} {
		p.wantText("status", "Board", "Live")
		p.wantText("list", "Here now", "ada", "grace")
	}
	writer.drag(100, 100, 300, 200)
	wantSame(t, []whiteboard{writer, reader}, " stroke ")
	reader.drag(500, 500, 600, 600)
	reader.wantText("alert", "", "A change was taken back", "may not")
	wantSame(t, []whiteboard{writer, reader}, " stroke ")
	reader.wantCount("stroke", 1)
	reader.wantText("button", "Sign out")

	stranger := enter("alan", "--subscribe", "other.>")
	stranger.wantText("status", "Board", "can’t be read")
	stranger.wantText("alert", "", "may not")
}

// A finger draws and does not scroll the page; two pan and zoom, and draw nothing.
func TestBoardByTouch(t *testing.T) {
	t.Parallel()
	h, b := startHub(t), startBrowser(t)
	p := openBoard(h, b, "Ada")
	p.do("become a phone", chromedp.EmulateViewport(360, 780, chromedp.EmulateScale(2), chromedp.EmulateTouch))
	p.touch(input.DispatchTouchEventTypeTouchStart, 300, 300)
	scrolled := evaluate[float64](p.tab, "scrollY")
	p.touch(input.DispatchTouchEventTypeTouchMove, 400, 600)
	p.touch(input.DispatchTouchEventTypeTouchMove, 300, 100)
	p.touch(input.DispatchTouchEventTypeTouchEnd)
	p.wantCount("stroke", 1)
	if now := evaluate[float64](p.tab, "scrollY"); now != scrolled {
		t.Errorf("the page has scrolled from %v to %v", scrolled, now)
	}
	p.touch(input.DispatchTouchEventTypeTouchStart, 700, 500)
	p.touch(input.DispatchTouchEventTypeTouchStart, 700, 500, 900, 500)
	p.touch(input.DispatchTouchEventTypeTouchMove, 600, 500, 1000, 500)
	p.touch(input.DispatchTouchEventTypeTouchEnd)
	p.wantText("button", "200 % : show all of the board")
	p.click("button", "200 % : show all of the board")
	p.wantText("button", "100 % : show all of the board")
	p.wantCount("stroke", 1)
}

// The board has no fault that axe finds, whatever is open on it.
func TestBoardIsAccessible(t *testing.T) {
	t.Parallel()
	h, b := startHub(t), startBrowser(t)
	p := furnishBoard(h, b)
	p.loadAxe()
	p.wantAccessible("lively")
	p.run(`document.querySelector("#board [data-part=list]").open = true`)
	p.tool("Select")
	p.drag(1230, 240)
	p.wantAccessible("an object is picked")
	p.drag(1230, 240)
	p.wantText("textbox", "Text of the note", "launch")
	p.wantAccessible("a note is edited")
	p.press("\x1b")
	p.click("button", "Clear board")
	p.wantText("dialog", "Clear the board?", "objects")
	p.wantAccessible("asked")
}

// Many strokes at once are drawn without touching what is there already.
func TestBoardDrawsOnlyWhatChanges(t *testing.T) {
	t.Parallel()
	h, b := startHub(t), startBrowser(t)
	p := openBoard(h, b, "Ada")
	const before, more = 50, 200
	for i := range before {
		h.draw(i)
	}
	p.wantCount("stroke", before)
	p.run(`globalThis.changes = {added: 0, other: 0, frames: 0, longest: 0};
		new MutationObserver((list) => {
			changes.frames++;
			for (const {type, addedNodes, target} of list) {
				if (type === "childList" && target.matches("[data-part=objects]")) changes.added += addedNodes.length;
				else changes.other++;
			}
		}).observe(document.querySelector("[data-part=objects]"), {childList: true, subtree: true, attributes: true});
		let last = performance.now();
		requestAnimationFrame(function frame(now) {
			changes.longest = Math.max(changes.longest, now - last);
			last = now;
			requestAnimationFrame(frame);
		})`)
	for i := range more {
		h.draw(before + i)
	}
	p.wantCount("stroke", before+more)
	got := evaluate[struct {
		Added, Other, Frames int
		Longest              float64
	}](p.tab, "changes")
	if got.Added != more || got.Other != 0 || got.Frames > more {
		t.Errorf("%d strokes came: %d elements were added in %d frames, and %d other changes made", more, got.Added, got.Frames, got.Other)
	}
	wantSame(t, []whiteboard{p, openBoard(h, b, "Grace")}, "colour 5")
	t.Logf("%d strokes in %d frames, the longest of %.0f ms", more, got.Frames, got.Longest)
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

// The board fits a desk and a phone, by day and by night.
func TestBoardLooks(t *testing.T) {
	t.Parallel()
	h, b := startHub(t), startBrowser(t)
	p := openBoard(h, b, "Ada")
	p.takePictures("gallery-board-empty-", func() {})
	p.close()
	p = furnishBoard(h, b)
	p.takePictures("gallery-board-", func() {})
	p.tool("Select")
	p.drag(1230, 240)
	p.drag(1230, 240)
	p.picture(filepath.Join("artifacts", "gallery-board-editing.png"))
	h.stop()
	p.wantText("status", "Board", "Offline")
	p.tool("Pen")
	p.drag(100, 900, 300, 950)
	p.takePictures("gallery-board-offline-", func() {})
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
