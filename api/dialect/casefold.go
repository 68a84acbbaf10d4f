package dialect

import (
	"bytes"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"

	"fanfold/hub"
)

// Fold is a way to answer a text with its case-folded form.
type Fold int

// The folds.
const (
	FoldUnicode Fold = iota // every text is answered, as by Python's str.casefold
	FoldASCII               // a text with a character beyond ASCII gets no answer
)

// foldNames are the folds as users write them.
var foldNames = [...]string{FoldUnicode: "unicode", FoldASCII: "ascii"}

// ParseFold reads what [Fold.String] wrote. For any other text it returns a
// [hub.Error] with [hub.CodeBadRequest] that names what is allowed.
func ParseFold(name string) (Fold, error) {
	for fold, known := range foldNames {
		if name == known {
			return Fold(fold), nil
		}
	}
	return 0, hub.Errorf(hub.CodeBadRequest, "the fold %.20q is unknown: give unicode or ascii", name)
}

// String returns the fold's name, which is its text in options and URLs.
func (f Fold) String() string { return foldNames[f] }

// Apply returns the folded text in new memory, or false if this fold gives the
// text no answer.
func (f Fold) Apply(text []byte) (folded []byte, ok bool) {
	if f == FoldASCII {
		return CasefoldASCII(text)
	}
	return Casefold(text), true
}

// Casefold returns the Unicode full case folding of a text in new memory, equal
// to Python's str.casefold. The result is at most three times as long, and not
// nil. The text must be valid UTF-8, which the transports see to: they close a
// connection that sends anything else.
func Casefold(text []byte) []byte {
	if folded, ok := CasefoldASCII(text); ok {
		return folded
	}
	return cases.Fold().Bytes(lowerCherokee(text))
}

// CasefoldASCII returns the case folding of a text in new memory, or false if
// the text has a character beyond ASCII.
func CasefoldASCII(text []byte) (folded []byte, ok bool) {
	for _, c := range text {
		if c >= utf8.RuneSelf {
			return nil, false
		}
	}
	return bytes.ToLower(text), true
}

// lowerCherokee returns the text with small letters for Cherokee capitals, and
// the text itself if it has none. Cherokee is the one script that folds to its
// capitals: it had only those until Unicode 8 added small letters, and foldings
// must not change. [cases.Fold] exchanges the two instead, which is right for
// small letters and wrong for the 86 capitals, U+13A0 to U+13F5: all that it
// gets wrong. So it is given small letters alone.
func lowerCherokee(text []byte) []byte {
	if !bytes.ContainsFunc(text, isCherokeeCapital) {
		return text
	}
	return bytes.Map(func(r rune) rune {
		if isCherokeeCapital(r) {
			return unicode.ToLower(r)
		}
		return r
	}, text)
}

func isCherokeeCapital(r rune) bool { return 0x13A0 <= r && r <= 0x13F5 }
