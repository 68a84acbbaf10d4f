package tests

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"fanfold/tests/need"

	"github.com/chromedp/cdproto/input"
)

// todoPage is a tab with the to-do list.
type todoPage struct{ *tab }

// openTodo opens the list of an address, and waits until it is there.
func openTodo(b *browser, address string) todoPage {
	b.t.Helper()
	p := todoPage{b.open(address)}
	p.wantState("All changes are saved")
	return p
}

func (p todoPage) wantState(parts ...string) {
	p.t.Helper()
	p.wantText("status", "List", parts...)
}

func (p todoPage) add(texts ...string) {
	p.t.Helper()
	for _, text := range texts {
		p.fill("textbox", "New task", text)
		p.press("\r")
		p.find("textbox", "Task: "+text)
	}
}

// rewrite edits a task in place.
func (p todoPage) rewrite(text, as string) {
	p.t.Helper()
	p.fill("textbox", "Task: "+text, as)
	p.press("\r")
}

// shown is the list as it looks: "x" in front of what is done.
func (p todoPage) shown() string {
	p.t.Helper()
	return p.evaluate(`[...document.querySelectorAll('.task')].map((row) =>
		(row.querySelector('input').checked ? 'x ' : '- ') + row.querySelector('textarea').value).join('\n')`)
}

// wantTodo waits until all tabs show the lines.
func wantTodo(t *testing.T, tabs []todoPage, lines ...string) {
	t.Helper()
	want := strings.Join(lines, "\n")
	for i, p := range tabs {
		got := ""
		if !within(patience, func() bool { got = p.shown(); return got == want }) {
			t.Fatalf("tab %d shows\n%s\nwant\n%s", i, got, want)
		}
	}
}

// Two tabs keep one list the same by mouse, and so does a program with the line that
// the page shows.
func TestTodoIsShared(t *testing.T) {
	t.Parallel()
	need.Program(t, "curl")
	h, b := startHub(t), startBrowser(t)
	first := openTodo(b, h.url+"/gallery/todo")
	address := first.text("group", "Address of this list")
	if !strings.HasPrefix(address, h.url+"/gallery/todo#list=") {
		t.Fatalf("the list's address is %s", address)
	}
	second := openTodo(b, address)
	tabs := []todoPage{first, second}
	waitForSubscribers(h, "gallery.document.todo."+strings.SplitAfter(address, "list=")[1], 2)

	first.add("Milk", "Bread", "Eggs")
	wantTodo(t, tabs, "- Milk", "- Bread", "- Eggs")
	second.click("checkbox", "Done: Bread")
	second.rewrite("Milk", "Oat milk")
	wantTodo(t, tabs, "- Oat milk", "x Bread", "- Eggs")
	first.wantText("region", "To-do list", "2 left")
	first.click("button", "Move up: Eggs")
	first.click("button", "Move up: Eggs")
	wantTodo(t, tabs, "- Eggs", "- Oat milk", "x Bread")
	second.dragTask("Eggs", "Bread")
	wantTodo(t, tabs, "- Oat milk", "x Bread", "- Eggs")
	first.click("button", "Delete: Eggs")
	wantTodo(t, tabs, "- Oat milk", "x Bread")
	second.click("button", "Undo") // of its drag nothing is left, so it is the change before
	wantTodo(t, tabs, "- Milk", "x Bread")
	second.click("button", "Redo")
	wantTodo(t, tabs, "- Oat milk", "x Bread")
	first.click("button", "Undo")
	wantTodo(t, tabs, "- Oat milk", "x Bread", "- Eggs")
	first.click("radio", "To do")
	wantTodo(t, tabs[:1], "- Oat milk", "- Eggs")
	first.click("radio", "All")
	second.click("button", "Clear done")
	wantTodo(t, tabs, "- Oat milk", "- Eggs")
	second.click("button", "Undo")
	wantTodo(t, tabs, "- Oat milk", "x Bread", "- Eggs")
	shell(t, first.text("group", "curl line that adds a task"))
	wantTodo(t, tabs, "- Buy milk", "- Oat milk", "x Bread", "- Eggs")

	third := openTodo(b, h.url+"/gallery/todo")
	wantTodo(t, []todoPage{third}, "- Buy milk", "- Oat milk", "x Bread", "- Eggs")
	third.click("button", "Start a new list")
	third.wantText("region", "To-do list", "Add the first task")
}

// dragTask drags a task by its grip to below the middle of another one.
func (p todoPage) dragTask(text, below string) {
	p.t.Helper()
	at := func(text string) (y float64) {
		return evaluate[float64](p.tab, fmt.Sprintf(`(() => {
			const row = [...document.querySelectorAll('.task')].find((row) => row.querySelector('textarea').value === %q);
			const {top, height} = row.getBoundingClientRect();
			return top + height * 0.7;
		})()`, text))
	}
	x := evaluate[float64](p.tab, `(() => { const {left, width} = document.querySelector('.grip').getBoundingClientRect(); return left + width / 2; })()`)
	p.run(`document.querySelector('.tasks').scrollIntoView({block: 'center'})`)
	from, to := at(text), at(below)
	for _, e := range []struct {
		what input.DispatchMouseEventType
		y    float64
	}{{input.DispatchMouseEventTypeMousePressed, from}, {input.DispatchMouseEventTypeMouseMoved, (from + to) / 2}, {input.DispatchMouseEventTypeMouseMoved, to}, {input.DispatchMouseEventTypeMouseReleased, to}} {
		if _, err := call(p.tab, input.DispatchMouseEvent, input.DispatchMouseEventParams{Type: e.what, X: x, Y: e.y, Button: input.MouseButtonLeft, Buttons: 1, ClickCount: 1}); err != nil {
			p.t.Fatalf("drag %s: %v", text, err)
		}
	}
}

// While the hub is away, both tabs go on, and a third one that is closed meanwhile
// leaves its changes to them. When the hub is back all is the same everywhere, and nothing that
// did not contradict is lost.
func TestTodoOffline(t *testing.T) {
	t.Parallel()
	h, b := startHub(t), startBrowser(t)
	first := openTodo(b, h.url+"/gallery/todo")
	address := first.text("group", "Address of this list")
	second, third := openTodo(b, address), openTodo(b, address)
	tabs := []todoPage{first, second, third}
	first.add("Milk", "Bread", "Eggs", "Salt")
	wantTodo(t, tabs, "- Milk", "- Bread", "- Eggs", "- Salt")

	h.stop()
	for _, p := range tabs {
		p.wantState("Offline")
	}
	first.rewrite("Milk", "Oat milk")
	first.click("button", "Delete: Eggs")
	first.wantState("2 changes wait")
	second.rewrite("Milk", "Soy milk")
	second.rewrite("Eggs", "Six eggs")
	second.click("checkbox", "Done: Bread")
	second.wantState("3 changes wait")
	third.add("By the tab that was closed")
	third.wantState("1 change waits")
	third.close()
	tabs = tabs[:2]

	h.startAgain()
	for _, p := range tabs {
		p.wantText("group", "Connection", "Connected")
		p.wantState("All changes are saved")
	}
	eventually(t, "both show the same, with what did not contradict", func() bool {
		shown := first.shown()
		return shown == second.shown() && strings.HasSuffix(shown, "milk\nx Bread\n- Salt\n- By the tab that was closed") &&
			(strings.HasPrefix(shown, "- Oat") || strings.HasPrefix(shown, "- Soy"))
	})
	if waiting := first.evaluate(`Object.keys(localStorage).filter((key) => key.startsWith('fanfold:')).join()`); waiting != "" {
		t.Errorf("the storage still holds %s", waiting)
	}

	shown := first.shown()
	h.stop()
	h.startAgain()
	fourth := openTodo(b, address)
	for _, p := range []todoPage{first, second, fourth} {
		p.wantState("All changes are saved")
		if got := p.shown(); got != shown {
			t.Errorf("after a restart of the hub the list is\n%s\nwant\n%s", got, shown)
		}
	}
}

// What waits in a tab survives its reload, even if the hub is back for the page alone.
func TestTodoSurvivesAReload(t *testing.T) {
	t.Parallel()
	h, b := startHub(t), startBrowser(t)
	p := openTodo(b, h.url+"/gallery/todo")
	h.stop()
	p.wantState("Offline")
	p.add("Written offline", "And this")
	p.rewrite("And this", "And that")
	p.wantState("3 changes wait")
	h.startAgain()
	p.reloaded(func() { p.run("location.reload()") })
	p.wantState("All changes are saved")
	wantTodo(t, []todoPage{p}, "- Written offline", "- And that")
	eventually(t, "the other tab has it too", func() bool {
		return openTodo(b, p.evaluate("location.href")).shown() == "- Written offline\n- And that"
	})
}

// The list fits a desk and a phone, by day and by night, full, empty and offline, and has
// no fault that axe finds.
func TestTodoLooks(t *testing.T) {
	t.Parallel()
	h, b := startHub(t), startBrowser(t)
	p := openTodo(b, h.url+"/gallery/todo")
	p.wantText("region", "To-do list", "Add the first task")
	p.accessible()
	p.picture(filepath.Join("artifacts", "gallery-todo-empty.png"))
	p.add("Book the hall for Saturday", "Ask Grace about the projector", "Print the programme, forty copies, folded", "Bread, milk, coffee", "Water the plants")
	p.click("checkbox", "Done: Book the hall for Saturday")
	p.click("checkbox", "Done: Bread, milk, coffee")
	p.wantText("region", "To-do list", "3 left")
	p.wantState("All changes are saved")
	p.accessible()
	p.takePictures("gallery-todo-", func() {})
	h.stop()
	p.wantState("Offline")
	p.click("checkbox", "Done: Water the plants")
	p.rewrite("Bread, milk, coffee", "Bread, oat milk, coffee")
	p.wantState("2 changes wait")
	p.accessible()
	p.takePictures("gallery-todo-offline-", func() {})
}

// Who signs in has the list of their name, on each browser, unless the address
// names another one.
func TestTodoOfWhoSignsIn(t *testing.T) {
	t.Parallel()
	h, token := closedHub(t)
	ada := token("ada")
	first := todoPage{startBrowser(t).open(h.url + "/gallery/todo")}
	first.signIn(ada)
	first.wantText("group", "Address of this list", "#list=ada")
	first.wantState("All changes are saved")
	first.add("Mine")
	other := startBrowser(t)
	second := todoPage{other.open(h.url + "/gallery/todo")}
	second.signIn(ada)
	wantTodo(t, []todoPage{first, second}, "- Mine")

	shared := todoPage{other.open(h.url + "/gallery/todo#list=shared")}
	shared.signIn(ada)
	shared.wantState("All changes are saved")
	shared.add("Ours")
	shared.wantText("group", "Address of this list", "#list=shared")
	wantTodo(t, []todoPage{first, second}, "- Mine")
}

// The list needs nothing of the hub but a stored channel.
func TestTodoWithoutDemo(t *testing.T) {
	t.Parallel()
	h, b := startHub(t, "--demo=false"), startBrowser(t)
	first := openTodo(b, h.url+"/gallery/todo")
	first.add("Milk")
	second := openTodo(b, first.text("group", "Address of this list"))
	second.click("checkbox", "Done: Milk")
	wantTodo(t, []todoPage{first, second}, "x Milk")
}

// A list whose log was replaced by a snapshot is the same for who comes late, for who
// was there, and for what a closed tab had left.
func TestTodoOverASnapshot(t *testing.T) {
	t.Parallel()
	h, b := startHub(t), startBrowser(t)
	first := openTodo(b, h.url+"/gallery/todo")
	address := first.text("group", "Address of this list")
	channel := "gallery.document.todo." + strings.SplitAfter(address, "list=")[1]
	first.add("Milk", "Bread")
	leaver := openTodo(b, address)
	h.stop()
	for _, p := range []todoPage{first, leaver} {
		p.wantState("Offline")
	}
	leaver.click("checkbox", "Done: Milk")
	leaver.add("Left behind")
	leaver.wantState("2 changes wait")
	leaver.close()

	h.startAgain()
	const operations = 450
	for n := range operations {
		api[struct{}](h, "publish", fmt.Sprintf(`{"channel": %q, "data": {"by": "program", "n": %d, "make": {"p": {"order": "z"}}, "set": {"p": {"text": "Number %d"}}}}`, channel, n+1, n+1))
	}
	eventually(t, "the log is short", func() bool {
		type page struct{ Publications []struct{} }
		n := len(api[page](h, "history", fmt.Sprintf(`{"channel": %q, "limit": 1000}`, channel)).Publications)
		return n > 0 && n <= 210
	})
	late := openTodo(b, address)
	wantTodo(t, []todoPage{first, late}, "x Milk", "- Bread", "- Left behind", "- Number 450")
	for _, p := range []todoPage{first, late} {
		p.wantState("All changes are saved")
	}
}
