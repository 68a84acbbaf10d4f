package tests

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fanfold/tests/need"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// browser is a Chromium of one test, with a profile of its own.
type browser struct {
	t   testing.TB
	ctx context.Context
}

// startBrowser runs Chromium until the test's end.
func startBrowser(t testing.TB, more ...chromedp.ExecAllocatorOption) *browser {
	t.Helper()
	path := need.Program(t, "chromium", "chromium-browser", "google-chrome")
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.UserDataDir(t.TempDir()),
		chromedp.WindowSize(1280, 900),
		chromedp.NoSandbox,
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
	)
	options = append(options, more...)
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(allocator, chromedp.WithErrorf(t.Logf))
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("stop the browser: %v", err)
		}
		cancel()
		stop()
	})
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start %s: %v", path, err)
	}
	return &browser{t: t, ctx: ctx}
}

// as returns the browser for use by a subtest.
func (b *browser) as(t testing.TB) *browser { return &browser{t: t, ctx: b.ctx} }

// tab is a page in a browser. It is driven as its user would: things are found
// by their role and name, clicked with the mouse and filled with the keyboard.
type tab struct {
	t      testing.TB
	ctx    context.Context
	region string // the landmark that things are looked for in; "": the whole page
	wrong  *mistakes
}

// mistakes are what a page did wrong. Its methods may be called from any
// goroutine.
type mistakes struct {
	mu   sync.Mutex
	list []string // guarded by mu
}

// open opens a URL in a new tab. At the test's end the test fails if the page
// threw an exception or broke its own security policy.
func (b *browser) open(url string) *tab {
	b.t.Helper()
	p := b.blank()
	p.do("open "+url, chromedp.Navigate(url))
	b.t.Cleanup(p.check)
	return p
}

// visit opens a URL of somebody whose mistakes are not ours.
func (b *browser) visit(url string) *tab {
	b.t.Helper()
	p := b.blank()
	p.do("visit "+url, chromedp.Navigate(url))
	return p
}

// blank opens an empty tab.
func (b *browser) blank() *tab {
	b.t.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx)
	b.t.Cleanup(cancel)
	p := &tab{t: b.t, ctx: ctx, wrong: &mistakes{}}
	if err := chromedp.Listen(ctx, p.wrong.listen); err != nil {
		b.t.Fatal(err)
	}
	if _, err := chromedp.Call(ctx, log.Enable, cdp.Empty{}); err != nil {
		b.t.Fatal(err)
	}
	return p
}

// in returns the tab for use of one landmark.
func (p *tab) in(region string) *tab {
	part := *p
	part.region = region
	return &part
}

// close closes the tab as its user does.
func (p *tab) close() {
	p.t.Helper()
	if err := chromedp.Cancel(p.ctx); err != nil {
		p.t.Errorf("close the tab: %v", err)
	}
}

func (m *mistakes) listen(event any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		m.list = append(m.list, fmt.Sprint(e.ExceptionDetails.Text, " ", e.ExceptionDetails.Exception.Description))
	case *log.EventEntryAdded:
		if e.Entry.Source == log.EntrySourceSecurity {
			m.list = append(m.list, e.Entry.Text)
		}
	}
}

// said reports whether the browser has complained about the page with a text.
func (m *mistakes) said(text string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.ContainsFunc(m.list, func(mistake string) bool { return strings.Contains(mistake, text) })
}

// check fails the test for the page's mistakes, and keeps a picture of the page
// if the test failed.
func (p *tab) check() {
	p.wrong.mu.Lock()
	for _, text := range p.wrong.list {
		p.t.Errorf("the page: %s", text)
	}
	p.wrong.mu.Unlock()
	if p.t.Failed() && p.ctx.Err() == nil {
		p.picture(filepath.Join("artifacts", strings.ReplaceAll(p.t.Name(), "/", "-")+".png"))
	}
}

// do performs actions, bounded by patience.
func (p *tab) do(what string, actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		p.t.Fatalf("%s: %v", what, err)
	}
}

// call performs a browser command, bounded by patience.
func call[P, R any](p *tab, command cdp.Command[P, R], params P) (R, error) {
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	return chromedp.Call(ctx, command, params)
}

// query returns the elements with a role and an accessible name that assistive
// technology can see now. An empty name stands for any.
func (p *tab) query(role, name string) []*accessibility.Node {
	document, err := call(p, dom.GetDocument, dom.GetDocumentParams{})
	if err != nil {
		return nil // the page is being replaced
	}
	within := document.Root.BackendNodeID
	if p.region != "" {
		regions := p.queryIn(within, "region", p.region)
		if len(regions) != 1 {
			return nil
		}
		within = regions[0].BackendDOMNodeID
	}
	return p.queryIn(within, role, name)
}

func (p *tab) queryIn(root cdp.BackendNodeID, role, name string) []*accessibility.Node {
	tree, err := call(p, accessibility.QueryAXTree, accessibility.QueryAXTreeParams{
		BackendNodeID: root, Role: role, AccessibleName: name,
	})
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(tree.Nodes, func(n *accessibility.Node) bool { return n.Ignored })
}

// find waits for exactly one element with the role and name.
func (p *tab) find(role, name string) cdp.BackendNodeID {
	p.t.Helper()
	var found []*accessibility.Node
	if !within(patience, func() bool { found = p.query(role, name); return len(found) == 1 }) {
		p.t.Fatalf("the page has %d of %s %q, not one", len(found), role, name)
	}
	return found[0].BackendDOMNodeID
}

// click clicks an element in its middle.
func (p *tab) click(role, name string) {
	p.t.Helper()
	node := p.find(role, name)
	if _, err := call(p, dom.ScrollIntoViewIfNeeded, dom.ScrollIntoViewIfNeededParams{BackendNodeID: node}); err != nil {
		p.t.Fatalf("scroll to the %s %q: %v", role, name, err)
	}
	quads, err := call(p, dom.GetContentQuads, dom.GetContentQuadsParams{BackendNodeID: node})
	if err != nil || len(quads.Quads) == 0 {
		p.t.Fatalf("the %s %q has no place on the page: %v", role, name, err)
	}
	q := quads.Quads[0] // four corners, x and y
	p.do("click "+name, chromedp.MouseClickXY((q[0]+q[4])/2, (q[1]+q[5])/2))
}

// fill puts a text into a field in place of what it holds.
func (p *tab) fill(role, name, text string) {
	p.t.Helper()
	if _, err := call(p, dom.Focus, dom.FocusParams{BackendNodeID: p.find(role, name)}); err != nil {
		p.t.Fatalf("focus the %s %q: %v", role, name, err)
	}
	p.run("document.activeElement.select()")
	if _, err := call(p, input.InsertText, input.InsertTextParams{Text: text}); err != nil {
		p.t.Fatalf("type into %s: %v", name, err)
	}
}

// run runs a script in the page.
func (p *tab) run(script string) {
	p.t.Helper()
	result, err := call(p, runtime.Evaluate, runtime.EvaluateParams{Expression: script})
	if err != nil || result.ExceptionDetails != nil {
		p.t.Fatalf("run %s: %v %v", script, err, result.ExceptionDetails)
	}
}

// evaluate returns what an expression gives in the page, as text.
func (p *tab) evaluate(expression string) string {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[string](expression))
	if err != nil {
		p.t.Fatalf("evaluate %s: %v", expression, err)
	}
	return value
}

// await returns what a promise resolves to in the page, as text. The script obeys
// the page's policy.
func (p *tab) await(promise string) string {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[string](promise, chromedp.EvalAwaitPromise,
		func(p *runtime.EvaluateParams) { p.AllowUnsafeEvalBlockedByCSP = new(false) }))
	if err != nil {
		p.t.Fatalf("await %s: %v", promise, err)
	}
	return value
}

// reloaded does what makes the page load itself again, and returns once it has. It
// asks for nothing meanwhile that needs the page's accessibility tree, on which Chromium
// can hang while the page is being replaced.
func (p *tab) reloaded(action func()) {
	p.t.Helper()
	const age = `document.readyState === "complete" ? String(performance.timeOrigin) : ""`
	before := p.evaluate(age)
	action()
	eventually(p.t, "the page has loaded again", func() bool {
		ctx, cancel := context.WithTimeout(p.ctx, patience)
		defer cancel()
		now, err := chromedp.Run(ctx, chromedp.Evaluate[string](age))
		return err == nil && now != "" && now != before
	})
}

// press presses keys, such as "\r" for Enter, where the focus is.
func (p *tab) press(keys string) {
	p.t.Helper()
	p.do("press a key", chromedp.KeyEvent(keys))
}

// text returns an element's visible text, or what a field holds.
func (p *tab) text(role, name string) string {
	p.t.Helper()
	return p.textOf(p.find(role, name))
}

// textOf returns "" for an element that is gone.
func (p *tab) textOf(node cdp.BackendNodeID) string {
	object, err := call(p, dom.ResolveNode, dom.ResolveNodeParams{BackendNodeID: node})
	if err != nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.CallFunctionOn[string](
		"function() { return this.value ?? this.innerText ?? this.textContent }",
		func(c *runtime.CallFunctionOnParams) { c.ObjectID = object.Object.ObjectID }))
	if err != nil {
		return ""
	}
	return text
}

// wantText waits until the element's text has all the parts in it.
func (p *tab) wantText(role, name string, parts ...string) {
	p.t.Helper()
	got := ""
	has := func() bool {
		for _, node := range p.query(role, name) {
			got = p.textOf(node.BackendDOMNodeID)
			if containsAll(got, parts) {
				return true
			}
		}
		return false
	}
	if !within(patience, has) {
		p.t.Fatalf("the %s %q says %q, which lacks some of %q", role, name, got, parts)
	}
}

func containsAll(text string, parts []string) bool {
	for _, part := range parts {
		if !strings.Contains(text, part) {
			return false
		}
	}
	return true
}

// count returns how often a text is in the element's text.
func (p *tab) count(role, name, text string) int {
	p.t.Helper()
	return strings.Count(p.text(role, name), text)
}

// picture writes what the tab shows to a file, which the test does not depend on.
func (p *tab) picture(path string) {
	ctx, cancel := context.WithTimeout(p.ctx, 10*time.Second)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o755)
	}
	if err == nil {
		err = os.WriteFile(path, png, 0o644)
	}
	if err != nil {
		p.t.Logf("take a picture: %v", err)
	}
}
