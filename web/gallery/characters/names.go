package characters

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/runenames"
)

// NameOf returns a character's name as the Unicode Standard gives it; of one without a
// name its code point label (§4.8), such as <control-0009>; and "" for a code point that
// is no character.
func NameOf(r rune) string {
	listed := runenames.Name(r)
	if !strings.HasPrefix(listed, "<") {
		return listed
	}
	for _, f := range families {
		if f.has(listed) {
			return f.name(r)
		}
	}
	if listed == "<control>" {
		return fmt.Sprintf("<control-%04X>", r)
	}
	return "" // a surrogate
}

// CodeOf returns a character's code as people write it.
func CodeOf(r rune) string { return fmt.Sprintf("U+%04X", r) }

// family is characters whose names follow from their codes: the standard's tables list
// only where they begin and end. There are ten times as many as others, so they are
// found by arithmetic and not in the index.
type family struct {
	listed []string // how the tables call them, without what follows
	words  []string // what their names begin with
	syntax string   // of the name, around the suffix
	spell  speller
}

// speller makes the last part of the names of a family.
type speller interface {
	suffix(r rune) string
	// within returns the spans of characters in s whose suffix begins with a prefix, in order.
	within(s span, prefix string) []span
}

// families in the order in which they are shown.
var families = []family{
	{[]string{"<Hangul Syllable"}, []string{"HANGUL", "SYLLABLE"}, "HANGUL SYLLABLE %s", syllables{}},           // rule NR1
	{[]string{"<CJK Ideograph"}, []string{"CJK", "UNIFIED", "IDEOGRAPH"}, "CJK UNIFIED IDEOGRAPH-%s", digits{}}, // rule NR2
	{[]string{"<Tangut Ideograph"}, []string{"TANGUT", "IDEOGRAPH"}, "TANGUT IDEOGRAPH-%s", digits{}},
	{[]string{"<Private Use>", "<Plane 15 Private Use", "<Plane 16 Private Use"}, []string{"PRIVATE", "USE"}, "<private-use-%s>", digits{}},
}

func (f family) has(listed string) bool {
	for _, beginning := range f.listed {
		if strings.HasPrefix(listed, beginning) {
			return true
		}
	}
	return false
}

func (f family) name(r rune) string { return fmt.Sprintf(f.syntax, f.spell.suffix(r)) }

// suffixOf splits typed words into those that the family's names begin with, of which
// there must be one, and the beginning of the suffix, "" if none was typed.
func (f family) suffixOf(words []string) (suffix string, ok bool) {
	used := make([]bool, len(f.words))
	for _, word := range words {
		switch i := f.unused(used, word); {
		case i >= 0:
			used[i], ok = true, true
		case suffix == "":
			suffix = word
		default:
			return "", false
		}
	}
	return suffix, ok
}

func (f family) unused(used []bool, word string) int {
	for i, own := range f.words {
		if !used[i] && strings.HasPrefix(own, word) {
			return i
		}
	}
	return -1
}

// span is characters that follow each other, first and last included.
type span struct{ first, last rune }

func (s span) len() int { return max(0, int(s.last-s.first)+1) }

func (s span) cut(other span) span { return span{max(s.first, other.first), min(s.last, other.last)} }

// spansOf returns where the members of each family are.
func spansOf() [][]span {
	spans := make([][]span, len(families))
	for r := rune(0); r <= utf8.MaxRune; r++ {
		listed := runenames.Name(r)
		if !strings.HasPrefix(listed, "<") {
			continue
		}
		for i, f := range families {
			if !f.has(listed) {
				continue
			}
			if n := len(spans[i]); n > 0 && spans[i][n-1].last == r-1 {
				spans[i][n-1].last = r
			} else {
				spans[i] = append(spans[i], span{r, r})
			}
		}
	}
	return spans
}

// digits spells a character by its code, in four to six hexadecimal digits.
type digits struct{}

func (digits) suffix(r rune) string { return fmt.Sprintf("%04X", r) }

func (digits) within(s span, prefix string) (found []span) {
	if prefix == "" {
		return []span{s}
	}
	value, ok := hex(prefix)
	if !ok {
		return nil
	}
	for length := max(4, len(prefix)); length <= 6; length++ {
		width := 4 * (length - len(prefix))
		begins := span{value << width, (value+1)<<width - 1}
		if length > 4 {
			begins = begins.cut(span{1 << (4 * (length - 1)), utf8.MaxRune}) // no zero in front
		}
		if part := s.cut(begins); part.len() > 0 {
			found = append(found, part)
		}
	}
	return found
}

// hex reads up to six hexadecimal digits.
func hex(text string) (value rune, ok bool) {
	if text == "" || len(text) > 6 {
		return 0, false
	}
	for _, c := range text {
		i := strings.IndexRune("0123456789ABCDEF", c)
		if i < 0 {
			return 0, false
		}
		value = value<<4 | rune(i)
	}
	return value, true
}

// syllables spells a Hangul syllable by the short names of its parts (§3.12).
type syllables struct{}

const hangulBase = 0xAC00

var (
	leads  = strings.Split("G,GG,N,D,DD,R,M,B,BB,S,SS,,J,JJ,C,K,T,P,H", ",")
	vowels = strings.Split("A,AE,YA,YAE,EO,E,YEO,YE,O,WA,WAE,OE,YO,U,WEO,WE,WI,YU,EU,YI,I", ",")
	tails  = strings.Split(",G,GG,GS,N,NJ,NH,D,L,LG,LM,LB,LS,LT,LP,LH,M,B,BS,S,SS,NG,J,C,K,T,P,H", ",")
)

func (syllables) suffix(r rune) string {
	i := int(r - hangulBase)
	lead, vowel, tail := i/(len(vowels)*len(tails)), i/len(tails)%len(vowels), i%len(tails)
	return leads[lead] + vowels[vowel] + tails[tail]
}

func (y syllables) within(s span, prefix string) (found []span) {
	if prefix == "" {
		return []span{s}
	}
	for open := s.first; open <= s.last; open += rune(len(tails)) {
		begins := y.suffix(open) // without a tail
		if !strings.HasPrefix(begins, prefix) && !strings.HasPrefix(prefix, begins) {
			continue
		}
		for i, tail := range tails {
			if r := open + rune(i); strings.HasPrefix(begins+tail, prefix) {
				found = append(found, span{r, r})
			}
		}
	}
	return found
}
