package gallery

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"fanfold/hub"

	"golang.org/x/text/cases"
)

// Bounds of a text and of what is remembered of it.
const (
	maxTextBytes  = 2 << 20
	maxPieceBytes = 64 << 10
	maxWordRunes  = 40      // longer ones are cut
	maxDifferent  = 100_000 // further ones are counted, and not listed
	topWords      = 20
	pieceTime     = 15 * time.Second // how long the next piece may take
	wordPoints    = 200
)

// words counts the words of a text while it comes, piece by piece. A word is a run of
// letters, combining marks and decimal digits; an apostrophe between two letters belongs to it.
// Words that differ by case alone are one word.
type words struct {
	size int // bytes, static

	wake   chan struct{} // one slot: something came
	mu     sync.Mutex
	pieces []string // guarded by mu: not read yet; size bytes at most
	taken  int      // guarded by mu: how many pieces came
	bytes  int      // guarded by mu: of those
	last   bool     // guarded by mu: all came

	// The rest is owned by the goroutine that works.
	fold   cases.Caser
	read   int // bytes
	total  int // words
	counts map[string]int
	other  int // words that counts had no room for
	word   []rune
	apart  bool // an apostrophe came behind word
	points [][2]int
	point  int // bytes at which the next point is due
}

// newWords checks the facts.
func newWords(f *analysisFacts) (*words, error) {
	switch {
	case f.Bytes < 1:
		return nil, hub.Errorf(hub.CodeBadRequest, "the text is empty: there is nothing to count")
	case f.Bytes > maxTextBytes:
		return nil, hub.Errorf(hub.CodeTooLarge, "the text has %d bytes: at most %d are read", f.Bytes, maxTextBytes)
	}
	f.Name = cutName(f.Name)
	f.Size, f.Runs, f.Seed = 0, 0, 0
	f.From, f.To, f.Bins = 0, 0, 0
	return &words{size: f.Bytes, wake: make(chan struct{}, 1), fold: cases.Fold(), counts: map[string]int{}}, nil
}

// cutName makes a name for others to see out of what a visitor sent.
func cutName(name string) string {
	name = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, name)
	if runes := []rune(name); len(runes) > 60 {
		return string(runes[:59]) + "…"
	}
	return cmp.Or(name, "a text")
}

// piece is a part of the text, at most maxPieceBytes long, in their order.
type piece struct {
	ID, Key string
	Piece   int // 0, 1, 2 …
	Text    string
	Last    bool
}

// pieceAnswer says which piece is to come: one that came twice, because its answer
// was lost, counts once.
type pieceAnswer struct {
	Next int `json:"next"`
}

// take takes a piece. It does not wait for it to be counted.
func (w *words) take(q piece) (next int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case q.Piece != w.taken || w.last:
		return w.taken, nil
	case len(q.Text) > maxPieceBytes:
		return 0, hub.Errorf(hub.CodeTooLarge, "the piece has %d bytes: at most %d are taken at once", len(q.Text), maxPieceBytes)
	case w.bytes+len(q.Text) > w.size:
		return 0, hub.Errorf(hub.CodeBadRequest, "the text is longer than the %d bytes that it was said to have", w.size)
	case q.Text == "" && !q.Last:
		return 0, hub.Errorf(hub.CodeBadRequest, "the piece is empty and not the last one")
	}
	w.pieces, w.last = append(w.pieces, q.Text), q.Last
	w.taken, w.bytes = w.taken+1, w.bytes+len(q.Text)
	select {
	case w.wake <- struct{}{}:
	default:
	}
	return w.taken, nil
}

// next returns a piece that came, or reports that all were returned.
func (w *words) next() (text string, ok, all bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.pieces) == 0 {
		return "", false, w.last
	}
	text, w.pieces = w.pieces[0], w.pieces[1:]
	return text, true, false
}

func (w *words) progress() float64 { return float64(w.read) / float64(w.size) }

// step counts the words of one piece, and waits for it if it has not come.
func (w *words) step(ctx context.Context) (done bool, err error) {
	for {
		text, ok, all := w.next()
		switch {
		case ok:
			w.count(text)
			return false, nil
		case all:
			w.endWord()
			w.mark()
			return true, nil
		}
		select {
		case <-w.wake:
		case <-ctx.Done():
			return false, ctx.Err()
		case <-time.After(pieceTime):
			return false, errStalled
		}
	}
}

var errStalled error = hub.Errorf(hub.CodeUnavailable, "the text stopped coming, for %v", pieceTime)

// count reads a piece, which may begin and end within a word.
func (w *words) count(text string) {
	for _, r := range text {
		w.character(r)
		if w.read += utf8.RuneLen(r); w.read >= w.point {
			w.mark()
			w.point += max(1, w.size/wordPoints)
		}
	}
}

// character takes a character.
func (w *words) character(r rune) {
	switch within := len(w.word) > 0; {
	case within && (r == '\'' || r == '’') && !w.apart && unicode.IsLetter(w.word[len(w.word)-1]):
		w.apart = true
		return
	case w.apart && unicode.IsLetter(r):
		w.put('\'')
		w.put(r)
	case w.apart:
		w.endWord()
		w.apart = false
		w.character(r)
	case unicode.IsLetter(r) || unicode.Is(unicode.Nd, r) || within && unicode.IsMark(r):
		w.put(r)
	default:
		w.endWord()
	}
	w.apart = false
}

func (w *words) put(r rune) {
	if len(w.word) < maxWordRunes {
		w.word = append(w.word, r)
	}
}

func (w *words) endWord() {
	if len(w.word) == 0 {
		return
	}
	w.total++
	word := w.fold.String(string(w.word))
	if _, ok := w.counts[word]; ok || len(w.counts) < maxDifferent {
		w.counts[word]++
	} else {
		w.other++
	}
	w.word = w.word[:0]
}

// mark adds a point: how many different words there are in how many.
func (w *words) mark() { w.points = append(w.points, [2]int{w.total, len(w.counts)}) }

type wordCount struct {
	word  string
	count int
}

// top returns the most frequent words, in the alphabet's order where they are
// equally frequent.
func (w *words) top() (top []wordCount) {
	for word, count := range w.counts {
		c := wordCount{word, count}
		if len(top) == topWords && byCount(c, top[topWords-1]) > 0 {
			continue
		}
		at, _ := slices.BinarySearchFunc(top, c, byCount)
		top = slices.Insert(top, at, c)
		top = top[:min(len(top), topWords)]
	}
	return top
}

func byCount(a, b wordCount) int {
	return cmp.Or(cmp.Compare(b.count, a.count), strings.Compare(a.word, b.word))
}

func (w *words) fresh() map[string]any {
	top := [][2]any{}
	for _, c := range w.top() {
		top = append(top, [2]any{c.word, c.count})
	}
	fresh := map[string]any{"read": w.read, "words": w.total, "different": len(w.counts), "unlisted": w.other, "top": top}
	if w.points != nil {
		fresh["points"] = w.points
	}
	w.points = nil
	return fresh
}
