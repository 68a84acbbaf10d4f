package tests

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fanfold/tests/need"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// Three people draw on one board: each sees the others' strokes while they are drawn,
// their pointers with their names, and what they change; and takes back only what is their
// own.
func TestBoardIsShared(t *testing.T) {
	t.Parallel()
	need.Program(t, "curl")
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
	shell(t, ada.text("group", "Command that puts up a note"))
	wantSame(t, all[:2], "Hello from a shell")
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
	p.accessible()
	p.run(`document.querySelector("#board [data-part=list]").open = true`)
	p.tool("Select")
	p.drag(1230, 240)
	p.accessible()
	p.drag(1230, 240)
	p.wantText("textbox", "Text of the note", "launch")
	p.accessible()
	p.press("\x1b")
	p.click("button", "Clear board")
	p.wantText("dialog", "Clear the board?", "objects")
	p.accessible()
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
