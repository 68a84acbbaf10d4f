package tests

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// percolate fills in the form for a measurement and starts it from the keyboard.
func (p *tab) percolate(size, runs, seed string) {
	p.t.Helper()
	p.wantText("group", "Connection", "Connected")
	p.focus("combobox", "Lattice")
	p.press(size) // an option is chosen by how its text begins
	p.fill("spinbutton", "Runs", runs)
	p.fill("spinbutton", "Seed (optional)", seed)
	p.press("\r")
}

const result = `document.querySelector("#result")`

// found returns what the page shows of the chosen analysis: each number, each chart's
// text, the list of words.
func (p *tab) found() string {
	p.t.Helper()
	return p.evaluate(`[...` + result + `.querySelectorAll("[data-part=title], [data-part=state], dd, tbody, .lattice, .plot canvas")]
		.map((e) => e.ariaLabel ?? e.textContent).join("\n")`)
}

func (p *tab) wantState(parts ...string) {
	p.t.Helper()
	state := ""
	eventually(p.t, "the state "+strings.Join(parts, ", "), func() bool {
		state = p.evaluate(result + `.querySelector("[data-part=state]").textContent`)
		return containsAll(state, parts)
	})
}

// A measurement is started in one tab, found in the list by a second one half-way,
// and both show the same: in the end too.
func TestGalleryAnalysis(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	b := startBrowser(t)
	first := b.open(h.url + "/gallery/analysis")
	runs := someRuns()
	first.percolate("128", strings.ReplaceAll(runs, ",", ""), "7")
	first.wantState("At work")
	eventually(t, "something is found", func() bool { return strings.Contains(first.found(), " of "+runs) })
	second := b.open(h.url + "/gallery/analysis")
	second.click("link", "Percolation, 128 × 128, "+runs+" runs")
	second.wantState("%")
	third := b.open(first.evaluate("location.href"))
	for _, p := range []*tab{first, second, third} {
		p.wantState("Done", "100 %")
	}
	last := b.open(first.evaluate("location.href"))
	sameFound(t, []string{runs + " of " + runs, "0.59", "connect top and bottom", runs + " observations", "mean 0.59"}, first, second, third, last)
}

// someRuns are runs of a lattice of 128 × 128 that take some seconds.
func someRuns() string {
	if raceEnabled() {
		return "2,000"
	}
	return "12,000"
}

// sameFound waits until all tabs show the same, with all the parts in it.
func sameFound(t *testing.T, parts []string, tabs ...*tab) {
	t.Helper()
	shown := make([]string, len(tabs))
	same := within(patience, func() bool {
		for i, p := range tabs {
			if shown[i] = p.found(); shown[i] != shown[0] {
				return false
			}
		}
		return containsAll(shown[0], parts)
	})
	if !same {
		t.Errorf("the tabs show %s\nwhich is not the same, or lacks some of %q", strings.Join(shown, "\n\nand "), parts)
	}
}

// What one tab starts another one can cancel, by keyboard; what was found stays.
func TestGalleryAnalysisIsCancelled(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	b := startBrowser(t)
	first := b.open(h.url + "/gallery/analysis")
	first.percolate("256", "3000", "1")
	first.wantState("At work")
	second := b.open(h.url + "/gallery/analysis")
	second.focus("link", "Percolation, 256 × 256, 3,000 runs")
	second.press("\r")
	second.wantState("At work")
	eventually(t, "something is found", func() bool { return strings.Contains(second.found(), " of 3,000") })
	second.focus("button", "Cancel")
	second.press(" ")
	for _, p := range []*tab{first, second} {
		p.wantState("Cancelled")
	}
	sameFound(t, []string{" of 3,000", "mean 0."}, first, second)
	first.percolate("256", "100000", "1")
	first.wantText("alert", "", "too much work")
}

// A hub that is stopped takes what works with it, and says so when it is back.
func TestGalleryAnalysisOverARestart(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	p := startBrowser(t).open(h.url + "/gallery/analysis")
	p.percolate("256", "3000", "1")
	eventually(t, "something is found", func() bool { return strings.Contains(p.found(), " of 3,000") })
	h.stop()
	p.wantState("At work", "Not connected")
	h.startAgain()
	p.wantState("Failed", "the hub was stopped")
	p.wantText("list", "Analyses of the last hour", "failed")
}

// Nor does a hub that has forgotten everything leave it at work for ever.
func TestGalleryAnalysisIsForgotten(t *testing.T) {
	t.Parallel()
	h := startHub(t, "--memory")
	p := startBrowser(t).open(h.url + "/gallery/analysis")
	p.percolate("256", "3000", "1")
	p.wantState("At work")
	h.stop()
	h.startAgain()
	p.wantState("knows nothing of it any more")
	p.percolate("16", "1000", "1")
	p.wantState("Done")
}

// A text goes to the hub in pieces, and its words come back, to every tab.
func TestGalleryAnalysisOfAText(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	b := startBrowser(t)
	p := b.open(h.url + "/gallery/analysis")
	p.wantText("group", "Connection", "Connected")
	file := filepath.Join(t.TempDir(), "rhyme.txt")
	text := strings.Repeat("The cat 🐈 sat on the mat; the cat’s mat is Ελλάδα ", 20_000) // emoji at each piece's end
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p.choose(file)
	p.in("Which words are in a text?").click("button", "Count the words")
	p.wantState("Done", "100 %")
	other := b.open(p.evaluate("location.href"))
	other.wantState("Done")
	want := []string{"Words of rhyme.txt", "the60,000", "mat40,000", "cat's20,000", "ελλάδα20,000", "220,000"}
	sameFound(t, want, p, other)
	large := filepath.Join(t.TempDir(), "large.txt")
	if err := os.WriteFile(large, make([]byte, 3<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	p.choose(large)
	p.in("Which words are in a text?").click("button", "Count the words")
	p.wantText("alert", "", "at most")
}

// choose puts a file into a field, as its user does with the browser's own dialogue.
func (p *tab) choose(file string) {
	p.t.Helper()
	field, err := call(p, runtime.Evaluate, runtime.EvaluateParams{Expression: `document.querySelector("input[type=file]")`})
	if err == nil {
		_, err = call(p, dom.SetFileInputFiles, dom.SetFileInputFilesParams{Files: []string{file}, ObjectID: field.Result.ObjectID})
	}
	if err != nil {
		p.t.Fatalf("choose %s: %v", file, err)
	}
}

// A hub without its side of the gallery says so.
func TestGalleryAnalysisWithoutTheHub(t *testing.T) {
	t.Parallel()
	h := startHub(t, "--demo=false")
	p := startBrowser(t).open(h.url + "/gallery/analysis")
	p.percolate("16", "10", "1")
	p.wantText("alert", "", "--demo")
}

// The page fits each look, empty and full, and axe finds no fault in it.
func TestGalleryAnalysisLooks(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	p := startBrowser(t).open(h.url + "/gallery/analysis")
	p.accessible()
	file := filepath.Join(t.TempDir(), "README.md")
	text, err := os.ReadFile(filepath.Join("..", "README.md"))
	if err == nil {
		err = os.WriteFile(file, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	p.wantText("group", "Connection", "Connected")
	p.choose(file)
	p.in("Which words are in a text?").click("button", "Count the words")
	p.wantState("Done")
	p.takePictures("gallery-analysis-words-", func() {})
	p.accessible()
	p.percolate("128", "12000", "5")
	eventually(t, "a third is done", func() bool {
		return evaluate[bool](p, result+`.querySelector("progress").value > 1 / 3 && !!`+result+`.querySelector("[data-part=title]").textContent.match("Perc")`)
	})
	p.takePictures("gallery-analysis-", func() {})
	p.click("button", "Cancel")
	p.wantState("Cancelled")
	p.accessible()
	p.focus("slider", "Crosshair: Threshold by number of runs")
	p.press(kb.Home)
	eventually(t, "the crosshair says what was found after five runs", func() bool {
		return strings.HasPrefix(p.evaluate(`document.activeElement.ariaValueText`), "after 5 runs: mean 0.")
	})
}

// Who may not use the gallery of a hub that asks who comes is told so, on both pages;
// who may only look sees what comes, and can start nothing.
func TestGalleryWithoutGrants(t *testing.T) {
	t.Parallel()
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("a secret of more than 32 bytes for the tests\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	h := startHub(t, "--token-key-file", secret, "--demo")
	token := func(grants ...string) string {
		return strings.TrimSpace(runProgram(t, append([]string{"token", "--token-key-file", secret, "--sub", "eve"}, grants...)...))
	}
	stranger := startBrowser(t).open(h.url + "/gallery/devices")
	stranger.signIn(token("--subscribe", "news", "--publish", "news"))
	stranger.wantText("alert", "", "grant")
	stranger.wantText("status", "", "Not shown", "grant")

	viewer := startBrowser(t).open(h.url + "/gallery/devices")
	viewer.signIn(token("--subscribe", "gallery.>", "--history", "gallery.>"))
	viewer.wantSamples(2)
	viewer.wantText("alert", "", "grant")
	viewer.do("open the analyses", chromedp.Navigate(h.url+"/gallery/analysis"))
	viewer.percolate("16", "10", "1")
	viewer.wantText("alert", "", "grant")
}
