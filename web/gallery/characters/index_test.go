package characters

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"go.uber.org/goleak"
	"golang.org/x/text/unicode/runenames"
)

// built is the index of all tests, which none of them changes.
var built = sync.OnceValues(func() (*Index, error) { return Build(context.Background(), func(float64) {}) })

func TestMain(m *testing.M) {
	code := m.Run()
	x, err := built()
	if err == nil {
		err = x.Close()
	}
	if err = errors.Join(err, goleak.Find()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// raceEnabled reports whether the tests were built with the race detector, with which a
// search takes ten times as long.
func raceEnabled() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

func shared(t testing.TB) *Index {
	t.Helper()
	x, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func find(t testing.TB, text string, limit int) Answer {
	t.Helper()
	a, err := shared(t).Search(context.Background(), Query{text, limit})
	if err != nil {
		t.Fatalf("search for %q: %v", text, err)
	}
	return a
}

func namesIn(a Answer) (names []string) {
	for _, r := range a.Results {
		names = append(names, r.Name)
	}
	return names
}

// Every assigned character has a name or a label, and is found as the first by that, by its
// code and by itself. Of a family, and with the race detector, names of some alone are searched.
func TestEveryCharacterIsFound(t *testing.T) {
	t.Parallel()
	every := 1
	if raceEnabled() {
		every = 16
	}
	characters := 0
	for r := rune(0); r <= utf8.MaxRune; r++ {
		assigned := runenames.Name(r) != "" && !unicode.Is(unicode.Cs, r)
		name := NameOf(r)
		if assigned != (name != "") {
			t.Fatalf("%s is called %q", CodeOf(r), name)
		}
		if !assigned {
			continue
		}
		texts := []string{CodeOf(r), string(r)}
		if characters++; !derived(r) && characters%every == 0 || characters%1999 == 0 {
			texts = append(texts, name)
		}
		for _, text := range texts {
			a := find(t, text, 1)
			if len(a.Results) != 1 || a.Results[0].Char != r && !sameWords(a.Results[0].Name, name) || a.Total < 1 {
				t.Fatalf("%s %s, searched as %q: %+v", CodeOf(r), name, text, a)
			}
		}
	}
	if characters < 280_000 {
		t.Errorf("only %d characters", characters)
	}
}

// sameWords: of a few characters the names differ in a hyphen alone.
func sameWords(a, b string) bool { return slices.Equal(wordsOf(a), wordsOf(b)) }

// Names by rule are those of the standard.
func TestNames(t *testing.T) {
	t.Parallel()
	for r, want := range map[rune]string{
		'A': "LATIN CAPITAL LETTER A", '☃': "SNOWMAN", '\t': "<control-0009>", 0xD800: "", 0xFFFF: "", 0x0378: "",
		0x4E00: "CJK UNIFIED IDEOGRAPH-4E00", 0x20000: "CJK UNIFIED IDEOGRAPH-20000", 0x3400: "CJK UNIFIED IDEOGRAPH-3400",
		0x17000: "TANGUT IDEOGRAPH-17000", 0xE000: "<private-use-E000>", 0x10FFFD: "<private-use-10FFFD>",
		0xAC00: "HANGUL SYLLABLE GA", 0xD4DB: "HANGUL SYLLABLE PWILH", 0xD7A3: "HANGUL SYLLABLE HIH", 0xC544: "HANGUL SYLLABLE A",
	} {
		if got := NameOf(r); got != want {
			t.Errorf("%s is called %q, want %q", CodeOf(r), got, want)
		}
	}
}

// What people mean comes first.
func TestRanking(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"snow":                            {"SNOWMAN", "SNOWFLAKE"},
		"snowman":                         {"SNOWMAN", "SNOWMAN WITHOUT SNOW", "BLACK SNOWMAN"},
		"mountain snow":                   {"SNOW CAPPED MOUNTAIN"},
		"euro":                            {"EURO SIGN"},
		"latin small letter e with acute": {"LATIN SMALL LETTER E WITH ACUTE"},
		"e":                               {"LATIN SMALL LETTER E"},
		"greek alpha":                     {"GREEK SMALL LETTER ALPHA", "GREEK CAPITAL LETTER ALPHA"},
		"right arr":                       {"RIGHTWARDS ARROW"},
		"arrow":                           {"UPWARDS ARROW"},
		"tears joy":                       {"FACE WITH TEARS OF JOY", "CAT FACE WITH TEARS OF JOY"},
		"hyphen-minus":                    {"HYPHEN-MINUS"},
		"  SnOw\twithout ":                {"SNOWMAN WITHOUT SNOW"},
		"hangul syllable gag":             {"HANGUL SYLLABLE GAG", "HANGUL SYLLABLE GAGG"},
		"cjk ideograph-4e0":               {"CJK UNIFIED IDEOGRAPH-4E00"},
		"tangut ideo 1700":                {"TANGUT IDEOGRAPH-17000", "TANGUT IDEOGRAPH-17001"},
		"U+2603":                          {"SNOWMAN"},
		"2603":                            {"SNOWMAN"},
		"u+e9":                            {"LATIN SMALL LETTER E WITH ACUTE"},
		"é☃":                              {"LATIN SMALL LETTER E WITH ACUTE", "SNOWMAN"},
		" ":                               {"SPACE"},
		"*":                               {"ASTERISK"},
		"snwoman":                         {"SNOWMAN"},
		"elefant":                         {"ELEPHANT"},
		"smal lettre alpha":               {"LATIN SMALL LETTER ALPHA", "GREEK SMALL LETTER ALPHA"},
	} {
		got := namesIn(find(t, text, 20))
		if len(got) < len(want) || !slices.Equal(got[:len(want)], want) {
			t.Errorf("%q finds %q, not %q first", text, got, want)
		}
	}
}

// A search word for word is better than one with mistakes, which is made for nothing else.
func TestMistakesAreForgivenOnlyWhereNothingFits(t *testing.T) {
	t.Parallel()
	for _, name := range namesIn(find(t, "snowm", 50)) {
		if !strings.Contains(name, "SNOWM") {
			t.Errorf("snowm finds %s", name)
		}
	}
	if got := find(t, "zzzzzz", 50); got.Total != 0 || got.Results == nil {
		t.Errorf("nonsense finds %+v", got)
	}
}

// Whatever is typed is text, and no more than a bounded piece of work: what the query
// languages of search engines know finds nothing but names.
func TestWhateverIsTypedIsText(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "\x00", "\xff\xfe", "snow*", "/.*/", "sn?w", "name:snow", "snow~2", "(snow", "\"snow", "snow AND man", "snow^9", "-snow", "+snow",
		strings.Repeat("a ", 5000), strings.Repeat("☃", 5000), strings.Repeat("x", 1<<20), "\u202e\u0000snow",
		"abc bcd cde def efg fgh ghi hij ijk jkl klm lmn mno nop opq pqr qrs rst stu tuv uvw vwx wxy xyz lat let sma cap sig",
	} {
		a := find(t, text, 1000)
		if len(a.Results) > MaxLimit || a.Total < len(a.Results) {
			t.Errorf("%.40q: %d results of %d", text, len(a.Results), a.Total)
		}
	}
	if got := namesIn(find(t, "snow*", 5)); got[0] != "SNOWMAN" {
		t.Errorf("a star finds %q", got)
	}
	if got := find(t, "letter", -1); len(got.Results) != 1 {
		t.Errorf("a limit of -1: %d results", len(got.Results))
	}
}

// The total counts every match once, also of families.
func TestTotals(t *testing.T) {
	t.Parallel()
	members, named := 0, 0
	for r := rune(0); r <= utf8.MaxRune; r++ {
		name := NameOf(r)
		if strings.HasPrefix(name, "HANGUL SYLLABLE G") {
			members++
		}
		if slices.ContainsFunc(wordsOf(name), func(word string) bool { return strings.HasPrefix(word, "SNOW") }) {
			named++
		}
	}
	for text, want := range map[string]int{"hangul syllable g": members, "snow": named, "cjk unified ideograph 2a6d": 16, "☃": 1, "private use": 137_468} {
		if got := find(t, text, 3); got.Total != want || len(got.Results) != min(3, want) {
			t.Errorf("%q finds %d of %d, want %d", text, len(got.Results), got.Total, want)
		}
	}
}

// Each part of the name that was typed is pointed at.
func TestHits(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][][2]int{
		"snow":         {{0, 4}, {16, 20}},
		"snow without": {{0, 4}, {8, 15}, {16, 20}},
		"owman":        {},
		"s snowman":    {{0, 7}, {16, 17}},
	} {
		if got := hits("SNOWMAN WITHOUT SNOW", wordsOf(text)); !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

// A search ends with its context, and so does building.
func TestContextsEndTheWork(t *testing.T) {
	t.Parallel()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := shared(t).Search(ended, Query{"letter", 10}); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled search: %v", err)
	}
	if x, err := Build(ended, func(float64) {}); !errors.Is(err, context.Canceled) || x != nil {
		t.Errorf("a cancelled build: %v %v", x, err)
	}
}

// What a search allocates does not grow with what it matches: a letter, which 27,621
// names have, takes fewer allocations.
func TestASearchIsBounded(t *testing.T) {
	x := shared(t)
	allocations := func(text string) float64 {
		return testing.AllocsPerRun(5, func() { _, _ = x.Search(context.Background(), Query{text, MaxLimit}) })
	}
	if n := allocations("s"); n > 20_000 {
		t.Errorf("a letter takes %v allocations", n)
	}
}

// typed is what people type, one key at a time.
var typed = []string{"snowman", "heart", "latin small letter e with acute", "arrow right", "face with tears of joy", "euro sign", "greek alpha",
	"box drawings light", "cjk unified ideograph 4e00", "hangul syllable gag", "U+1F600", "musical symbol", "check mark", "elefant", "snwoman", "mathematical bold"}

// BenchmarkKeystroke tells the median and the slowest of a hundred keystrokes too.
func BenchmarkKeystroke(b *testing.B) {
	x := shared(b)
	var took []time.Duration
	for b.Loop() {
		for _, text := range typed {
			for end := 1; end <= len(text); end++ {
				began := time.Now()
				if _, err := x.Search(b.Context(), Query{text[:end], 20}); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(began))
			}
		}
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
	b.ReportMetric(float64(took[len(took)-1].Microseconds()), "max-µs")
}

// BenchmarkBuild makes the whole index.
func BenchmarkBuild(b *testing.B) {
	for b.Loop() {
		x, err := Build(b.Context(), func(float64) {})
		if err != nil {
			b.Fatal(err)
		}
		if err := x.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
