package characters

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/blevesearch/bleve/v2/analysis"
	"github.com/blevesearch/bleve/v2/document"
	"github.com/blevesearch/bleve/v2/index/scorch"
	index "github.com/blevesearch/bleve_index_api"
	"golang.org/x/text/unicode/runenames"
)

// Fields of a character in the index, with the terms that they hold.
const (
	fieldWord  = "word"  // each word of the name
	fieldFirst = "first" // its first word
	fieldStart = "start" // the first letter of each word, and the first two: the prefixes that most names have
)

// Index is a [Searcher] in memory. It is static once it is built.
type Index struct {
	index    index.Index
	reader   index.IndexReader
	ranked   []rune  // the characters in the index, those with short names first
	rankOf   []int32 // by the index's number of a character, its place in ranked
	families [][]span
}

// batchSize is how many characters go into the index at once: each batch becomes a
// segment of it, and each search asks every segment.
const batchSize = 9_000

// Build makes an index, which takes about a second of one core. It tells progress how much is
// done, from 0 to 1. It ends early with ctx's error.
func Build(ctx context.Context, progress func(float64)) (*Index, error) {
	queue := index.NewAnalysisQueue(1)
	defer queue.Close()
	inner, err := scorch.NewScorch(scorch.Name, map[string]any{"path": ""}, queue) // no path: in memory
	if err != nil {
		return nil, fmt.Errorf("make an index of characters: %w", err)
	}
	if err := inner.Open(); err != nil {
		return nil, errors.Join(fmt.Errorf("open an index of characters: %w", err), inner.Close())
	}
	x := &Index{index: inner, ranked: rankedCharacters(), families: spansOf()}
	if err := x.fill(ctx, progress); err != nil {
		return nil, errors.Join(fmt.Errorf("fill an index of characters: %w", err), x.Close())
	}
	return x, nil
}

// Close implements [Searcher].
func (x *Index) Close() error {
	var err error
	if x.reader != nil {
		err = x.reader.Close()
	}
	return errors.Join(err, x.index.Close())
}

// rankedCharacters returns those that have a name of their own, or are controls,
// in the order of [weight].
func rankedCharacters() []rune {
	type character struct {
		char   rune
		weight int
	}
	var all []character
	for r := rune(0); r <= utf8.MaxRune; r++ {
		if name := NameOf(r); name != "" && !derived(r) {
			all = append(all, character{r, weight(name)})
		}
	}
	slices.SortStableFunc(all, func(a, b character) int { return cmp.Compare(a.weight, b.weight) })
	ranked := make([]rune, len(all))
	for i, c := range all {
		ranked[i] = c.char
	}
	return ranked
}

// fill puts all characters into the index, and remembers their numbers there.
func (x *Index) fill(ctx context.Context, progress func(float64)) error {
	progress(0)
	for first := 0; first < len(x.ranked); first += batchSize {
		batch := index.NewBatch()
		for i, r := range x.ranked[first:min(first+batchSize, len(x.ranked))] {
			batch.Update(documentOf(strconv.Itoa(first+i), NameOf(r)))
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := x.index.Batch(batch); err != nil {
			return err
		}
		progress(float64(min(first+batchSize, len(x.ranked))) / float64(len(x.ranked)))
	}
	reader, err := x.index.Reader()
	if err != nil {
		return err
	}
	x.reader = reader
	return x.number()
}

// number asks the index which number it has given to which character.
func (x *Index) number() error {
	x.rankOf = make([]int32, len(x.ranked))
	all, err := x.reader.DocIDReaderAll()
	if err != nil {
		return err
	}
	defer all.Close()
	for {
		id, err := all.Next()
		if id == nil || err != nil {
			return err
		}
		external, err := x.reader.ExternalID(id)
		if err != nil {
			return err
		}
		rank, err := strconv.Atoi(external)
		if err != nil {
			return err
		}
		x.rankOf[id.Value()] = int32(rank)
	}
}

// documentOf is a character as the index takes it.
func documentOf(id, name string) *document.Document {
	words := wordsOf(name)
	doc := document.NewDocument(id)
	for field, terms := range map[string]terms{fieldWord: words, fieldFirst: words[:1], fieldStart: startsOf(words)} {
		doc.AddField(document.NewTextFieldCustom(field, nil, []byte(name), index.IndexField|index.SkipFreqNorm, terms))
	}
	doc.AddIDField()
	return doc
}

// terms are what a text is indexed by, whatever it is. It implements [analysis.Analyzer].
type terms []string

// Analyze implements [analysis.Analyzer].
func (t terms) Analyze([]byte) analysis.TokenStream {
	tokens := make(analysis.TokenStream, len(t))
	for i, term := range t {
		tokens[i] = &analysis.Token{Term: []byte(term), Position: i + 1, Type: analysis.AlphaNumeric}
	}
	return tokens
}

// startLetters is how long the longest terms of fieldStart are.
const startLetters = 2

func startsOf(words []string) (starts []string) {
	for _, word := range words {
		for n := 1; n <= min(startLetters, len(word)); n++ {
			starts = append(starts, word[:n])
		}
	}
	return starts
}

// wordsOf splits a text into words of the letters and digits that names have,
// in capitals.
func wordsOf(text string) []string {
	return strings.FieldsFunc(strings.ToUpper(text), func(r rune) bool { return !isWord(r) })
}

func isWord(r rune) bool { return r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' }

// derived reports whether a character is of a family.
func derived(r rune) bool {
	return slices.ContainsFunc(families, func(f family) bool { return f.has(runenames.Name(r)) })
}
