package characters

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/blevesearch/bleve/v2/search"
	"github.com/blevesearch/bleve/v2/search/searcher"
)

// Search implements [Searcher]. Characters that the text has in it or names by code come
// first, then those whose names have a word for each word typed, which may be the
// beginning of it. What has none of these is searched again with a letter or two wrong.
func (x *Index) Search(ctx context.Context, q Query) (Answer, error) {
	text := cutText(q.Text, MaxText)
	limit := min(max(q.Limit, 1), MaxLimit)
	found := themselves(text)
	var words []string
	if !strings.HasPrefix(strings.ToUpper(text), codeMark) {
		words = wordsOf(text)
	}
	named, total, err := x.named(ctx, words, limit)
	if err != nil {
		return Answer{}, err
	}
	members, more := x.members(words, limit)
	fresh := slices.DeleteFunc(slices.Concat(named, members), func(r rune) bool { return slices.Contains(found, r) })
	slices.SortStableFunc(fresh, func(a, b rune) int { return cmp.Compare(cost(NameOf(a), words), cost(NameOf(b), words)) })
	total += more + len(found) - (len(named) + len(members) - len(fresh))
	found = append(found, fresh...)
	if len(found) == 0 {
		if found, total, err = x.similar(ctx, words, limit); err != nil {
			return Answer{}, err
		}
	}
	return answer(found[:min(limit, len(found))], total, words), nil
}

func answer(found []rune, total int, words []string) Answer {
	a := Answer{Results: []Result{}, Total: total}
	for _, r := range found {
		name := NameOf(r)
		a.Results = append(a.Results, Result{Char: r, Name: name, Hits: hits(name, words)})
	}
	return a
}

// cutText cuts a text to a number of bytes, between two characters.
func cutText(text string, bytes int) string {
	if len(text) <= bytes {
		return text
	}
	for bytes > 0 && !utf8.RuneStart(text[bytes]) {
		bytes--
	}
	return text[:bytes]
}

// themselves returns the characters that a text names by code, has in it beside
// ASCII, or is.
func themselves(text string) (found []rune) {
	add := func(r rune) {
		if NameOf(r) != "" && !slices.Contains(found, r) {
			found = append(found, r)
		}
	}
	if r, size := utf8.DecodeRuneInString(text); size == len(text) && size > 0 {
		add(r)
	}
	if r, ok := codeIn(text); ok {
		add(r)
	}
	for _, r := range text {
		if r > unicode.MaxASCII {
			add(r)
		}
	}
	return found
}

// codeMark begins a text that is a code and no words.
const codeMark = "U+"

// codeIn reads U+2603, and 2603 too if it can be no word.
func codeIn(text string) (code rune, ok bool) {
	text = strings.ToUpper(strings.TrimSpace(text))
	digits, marked := strings.CutPrefix(text, codeMark)
	if !marked && (len(digits) < 4 || !strings.ContainsAny(digits, "0123456789")) {
		return 0, false
	}
	return hex(digits)
}

// named returns the best characters of the index for the words, and how many there are.
func (x *Index) named(ctx context.Context, words []string, limit int) (best []rune, total int, err error) {
	if len(words) == 0 {
		return nil, 0, nil
	}
	prefixes := needed(words)
	all, total, err := x.top(ctx, x.prefixed(fieldWord, prefixes))
	if err != nil || total <= limit {
		return x.order(all, words, limit), total, err
	}
	first, _, err := x.top(ctx, append(x.prefixed(fieldFirst, words[:1]), x.prefixed(fieldWord, prefixes)...))
	if err != nil {
		return nil, 0, err
	}
	whole, _, err := x.top(ctx, x.whole(words))
	return x.order(slices.Concat(first, whole, all), words, limit), total, err
}

// needed leaves out a word that another one begins with: where that is found, it is too.
func needed(words []string) (needed []string) {
	for i, word := range words {
		implied := slices.ContainsFunc(words[i+1:], func(later string) bool { return strings.HasPrefix(later, word) }) ||
			slices.ContainsFunc(words[:i], func(earlier string) bool { return strings.HasPrefix(earlier, word) })
		if !implied {
			needed = append(needed, word)
		}
	}
	return needed
}

// clause makes a part of a search; all of its parts must be met.
type clause func(ctx context.Context) (search.Searcher, error)

// unscored lets bleve combine sets of characters as bitmaps: what is best is for
// [cost] to say, for a name is no text in which frequent words matter less.
var unscored = search.SearcherOptions{Score: "none"}

// whole asks for each of the words as it is.
func (x *Index) whole(words []string) (clauses []clause) {
	for _, word := range words {
		clauses = append(clauses, func(ctx context.Context) (search.Searcher, error) {
			return searcher.NewTermSearcher(ctx, x.reader, word, fieldWord, 1, unscored)
		})
	}
	return clauses
}

// prefixed asks for words that begin so.
func (x *Index) prefixed(field string, prefixes []string) (clauses []clause) {
	for _, prefix := range prefixes {
		clauses = append(clauses, func(ctx context.Context) (search.Searcher, error) {
			if field == fieldWord && len(prefix) <= startLetters {
				return searcher.NewTermSearcher(ctx, x.reader, prefix, fieldStart, 1, unscored)
			}
			return searcher.NewTermPrefixSearcher(ctx, x.reader, prefix, field, 1, unscored)
		})
	}
	return clauses
}

// top returns the places of the best characters that meet all clauses, as far as their
// names alone say, and how many meet them.
func (x *Index) top(ctx context.Context, clauses []clause) (best []int32, total int, err error) {
	var parts []search.Searcher
	for _, make := range clauses {
		part, err := make(ctx)
		if err != nil {
			return nil, 0, errors.Join(err, closeAll(parts))
		}
		parts = append(parts, part)
	}
	all, err := searcher.NewConjunctionSearcher(ctx, x.reader, parts, unscored)
	if err != nil {
		return nil, 0, errors.Join(err, closeAll(parts))
	}
	best, total, err = x.collect(ctx, all)
	return best, total, errors.Join(err, all.Close())
}

func closeAll(parts []search.Searcher) (err error) {
	for _, part := range parts {
		err = errors.Join(err, part.Close())
	}
	return err
}

const (
	candidates = 4 * MaxLimit // how many of a set are looked at closely
	checkEvery = 1024         // matches after which ctx is looked at
)

// collect reads all that a searcher finds and keeps the best.
func (x *Index) collect(ctx context.Context, s search.Searcher) (best []int32, total int, err error) {
	search := &search.SearchContext{DocumentMatchPool: search.NewDocumentMatchPool(s.DocumentMatchPoolSize()+1, 0), IndexReader: x.reader}
	for {
		match, err := s.Next(search)
		if match == nil || err != nil {
			slices.Sort(best)
			return best[:min(candidates, len(best))], total, err
		}
		best = append(best, x.rankOf[match.IndexInternalID.Value()])
		search.DocumentMatchPool.Put(match)
		if len(best) == 8*candidates {
			slices.Sort(best)
			best = best[:candidates]
		}
		if total++; total%checkEvery == 0 && ctx.Err() != nil {
			return nil, 0, ctx.Err()
		}
	}
}

// order returns the characters of some places, the best first, each once.
func (x *Index) order(places []int32, words []string, limit int) []rune {
	slices.Sort(places)
	places = slices.Compact(places)
	costs := make(map[int32]int, len(places))
	for _, place := range places {
		costs[place] = cost(NameOf(x.ranked[place]), words)
	}
	slices.SortStableFunc(places, func(a, b int32) int { return cmp.Compare(costs[a], costs[b]) })
	best := make([]rune, min(limit, len(places)))
	for i := range best {
		best[i] = x.ranked[places[i]]
	}
	return best
}

// weight is what a name costs, whatever was typed: people want the snowman before the
// snowman without snow.
func weight(name string) int { return 16*len(wordsOf(name)) + len(name) }

// cost orders what was found: the less, the better.
func cost(name string, words []string) int {
	own, c := wordsOf(name), weight(name)
	if slices.Equal(own, words) {
		return 0
	}
	if !strings.HasPrefix(own[0], words[0]) {
		c += 24
	}
	for _, word := range words {
		if !slices.Contains(own, word) {
			c += 12 / len(words)
		}
	}
	return c
}

// members returns the first characters of the families that the words name, and
// how many there are.
func (x *Index) members(words []string, limit int) (found []rune, total int) {
	for i, f := range families {
		suffix, ok := f.suffixOf(words)
		if !ok {
			continue
		}
		for _, all := range x.families[i] {
			for _, part := range f.spell.within(all, suffix) {
				total += part.len()
				for r := part.first; r <= part.last && len(found) < limit; r++ {
					found = append(found, r)
				}
			}
		}
	}
	return found, total
}

// similar is like named, of words that may be mistyped but for their first letter.
func (x *Index) similar(ctx context.Context, words []string, limit int) (best []rune, total int, err error) {
	if len(words) == 0 || len(words) > mistypedWords {
		return nil, 0, nil
	}
	var clauses []clause
	for _, word := range words {
		wrong := mistakesIn(word)
		if wrong == 0 {
			clauses = append(clauses, x.prefixed(fieldWord, []string{word})...)
			continue
		}
		clauses = append(clauses, func(ctx context.Context) (search.Searcher, error) {
			return searcher.NewFuzzySearcher(ctx, x.reader, word, 1, wrong, fieldWord, 1, unscored)
		})
	}
	all, total, err := x.top(ctx, clauses)
	return x.order(all, words, limit), total, err
}

// mistypedWords is how many words are searched with mistakes: each reads a good part of the
// index's terms.
const mistypedWords = 4

// mistakesIn says how many letters of a word may be wrong, missing or too many; two
// that changed places are two.
func mistakesIn(word string) int {
	switch n := len(word); {
	case n < 4 || n > 24:
		return 0
	case n < 6:
		return 1
	}
	return 2
}

// hits returns where in a name the words begin its own, in order.
func hits(name string, words []string) [][2]int {
	found := [][2]int{}
	for at := 0; at < len(name); at++ {
		if at > 0 && isWord(rune(name[at-1])) {
			continue
		}
		longest := 0
		for _, word := range words {
			if len(word) > longest && len(word) <= len(name)-at && strings.EqualFold(name[at:at+len(word)], word) {
				longest = len(word)
			}
		}
		if longest > 0 {
			found = append(found, [2]int{at, at + longest})
		}
	}
	return found
}
