package gallery

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"fanfold/hub"
)

// counted counts a text that comes in pieces, which may end within a word.
func counted(t *testing.T, pieces ...string) *words {
	t.Helper()
	f := analysisFacts{Kind: "words", Bytes: len(strings.Join(pieces, ""))}
	w, err := newWords(&f)
	if err != nil {
		t.Fatal(err)
	}
	for i, text := range pieces {
		if next, err := w.take(piece{Piece: i, Text: text, Last: i == len(pieces)-1}); err != nil || next != i+1 {
			t.Fatalf("piece %d: %d, %v", i, next, err)
		}
	}
	for done := false; !done; {
		if done, err = w.step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if w.progress() != 1 {
		t.Errorf("the progress at the end is %v", w.progress())
	}
	return w
}

func TestWhatAWordIs(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]map[string]int{
		"The cat, the CAT — the end.":            {"the": 3, "cat": 2, "end": 1},
		"don't don’t 'tis rock 'n' roll dogs'":   {"don't": 2, "tis": 1, "rock": 1, "n": 1, "roll": 1, "dogs": 1},
		"Straße STRASSE strasse":                 {"strasse": 3},
		"e\u0301tude \u0301 1984's O'Brien's''x": {"e\u0301tude": 1, "1984": 1, "s": 1, "o'brien's": 1, "x": 1},
		"北京 Σίσυφος ΣΊΣΥΦΟΣ":                     {"北京": 1, "σίσυφοσ": 2},
		"... — !":                                {},
		strings.Repeat("x", 100) + " y":          {strings.Repeat("x", maxWordRunes): 1, "y": 1},
	} {
		if got := counted(t, text).counts; !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

// How a text is cut into pieces changes nothing.
func TestPiecesMakeNoDifference(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("It's Ünïcödé’s end; the «naïve» don't – 北京 2026. ", 50)
	whole := counted(t, text)
	random := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		var pieces []string
		for rest := text; rest != ""; {
			n := min(len(rest), 1+random.IntN(40))
			for n < len(rest) && !utf8.RuneStart(rest[n]) {
				n++
			}
			pieces, rest = append(pieces, rest[:n]), rest[n:]
		}
		got := counted(t, pieces...)
		if !reflect.DeepEqual(got.counts, whole.counts) || got.total != whole.total || !reflect.DeepEqual(got.points, whole.points) {
			t.Fatalf("%d pieces give other counts", len(pieces))
		}
	}
	top := whole.fresh()["top"].([][2]any)
	if len(top) != 8 || top[0] != [2]any{"2026", 50} || len(whole.points) > 0 {
		t.Errorf("the top is %v", top)
	}
}

// A text is no longer than it was said to be, a piece counts once, and a text with
// more words than there is room for is counted all the same.
func TestTextsAreBounded(t *testing.T) {
	t.Parallel()
	for _, bytes := range []int{-1, 0, maxTextBytes + 1} {
		if _, err := newWords(&analysisFacts{Bytes: bytes}); err == nil {
			t.Errorf("a text of %d bytes is taken", bytes)
		}
	}
	w, err := newWords(&analysisFacts{Bytes: 100_000, Name: "x"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.take(piece{Text: strings.Repeat("x", maxPieceBytes+1)}); hub.ErrorOf(err).Code != hub.CodeTooLarge {
		t.Errorf("a long piece: %v", err)
	}
	if _, err := w.take(piece{Text: ""}); hub.ErrorOf(err).Code != hub.CodeBadRequest {
		t.Errorf("an empty piece: %v", err)
	}
	for _, p := range []piece{{Text: strings.Repeat("x", 60_000)}, {Text: "twice"}, {Piece: 7, Text: "early"}} {
		if next, err := w.take(p); next != 1 || err != nil {
			t.Errorf("piece %d: %d, %v", p.Piece, next, err)
		}
	}
	if _, err := w.take(piece{Piece: 1, Text: strings.Repeat("y", 40_001)}); hub.ErrorOf(err).Code != hub.CodeBadRequest {
		t.Errorf("more than was said: %v", err)
	}
	var many strings.Builder
	for i := range maxDifferent + 1000 {
		fmt.Fprintf(&many, "%x ", i)
	}
	text := many.String()
	var pieces []string
	for ; len(text) > maxPieceBytes; text = text[maxPieceBytes:] {
		pieces = append(pieces, text[:maxPieceBytes])
	}
	if w := counted(t, append(pieces, text)...); len(w.counts) != maxDifferent || w.total != maxDifferent+1000 || w.other != 1000 || len(w.points) > wordPoints+2 {
		t.Errorf("%d different words of %d, %d of them unlisted, %d points", len(w.counts), w.total, w.other, len(w.points))
	}
}

func TestNamesOfTextsAreCut(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"": "a text", "a\x1b[31m\nb.txt": "a[31mb.txt", strings.Repeat("ü", 100): strings.Repeat("ü", 59) + "…"} {
		if got := cutName(name); got != want {
			t.Errorf("%q becomes %q", name, got)
		}
	}
}
