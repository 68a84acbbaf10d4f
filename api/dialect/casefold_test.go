package dialect

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"

	"fanfold/hub"
	"fanfold/tests/need"
)

// foldExamples are foldings that are easily got wrong.
var foldExamples = []struct{ name, text, folded string }{
	{"empty", "", ""},
	{"ASCII", "Hello, WORLD! @[`{", "hello, world! @[`{"},
	{"sharp s", "Straße", "strasse"},
	{"capital sharp s", "STRA\u1E9EE", "strasse"},
	{"dotted capital I", "\u0130stanbul", "i\u0307stanbul"},
	{"dotless small i", "\u0131", "\u0131"},
	{"Kelvin sign", "\u212A", "k"},
	{"micro sign", "\u00B5", "\u03BC"},
	{"long s", "\u017F", "s"},
	{"ligatures", "e\uFB03cient \uFB01sh", "efficient fish"},
	{"apostrophe n", "\u0149", "\u02BCn"},
	{"final sigma", "ΟΔΥΣΣΕΥΣ οδυσσευς", "οδυσσευσ οδυσσευσ"},
	{"iota subscript", "\u1FB7 \u1F88 \u1FBC \u0345", "α\u0342ι \u1F00ι αι ι"},
	{"threefold in length", "\u0390", "\u03B9\u0308\u0301"},
	{"Cherokee capital", "\u13A0\u13EF\u13F5", "\u13A0\u13EF\u13F5"},
	{"Cherokee small", "\uAB70\uABBF\u13F8\u13FD", "\u13A0\u13EF\u13F0\u13F5"},
	{"Cherokee among others", "ẞ\u13A0A\uAB70É", "ss\u13A0a\u13A0é"},
	{"Georgian capital", "\u1C90 \u10D0", "\u10D0 \u10D0"},
	{"Armenian ligature", "\u0587", "\u0565\u0582"},
	{"beyond 16 bits", "\U00010400\U0001E900", "\U00010428\U0001E922"},
	{"no letters", "日本 🎉\u0000\u2028", "日本 🎉\u0000\u2028"},
}

func TestCasefoldExamples(t *testing.T) {
	for _, example := range foldExamples {
		t.Run(example.name, func(t *testing.T) {
			if got := string(Casefold([]byte(example.text))); got != example.folded {
				t.Errorf("Casefold(%+q) = %+q, want %+q", example.text, got, example.folded)
			}
		})
	}
}

// pythonFolds writes, per code point that is no surrogate, a line: its number in
// hex, 1 if Python's Unicode version knows it, and its folding in hex.
const pythonFolds = `
import sys, unicodedata
print(*sys.version_info[:2], unicodedata.unidata_version)
for code in range(0x110000):
    if 0xD800 <= code < 0xE000:
        continue
    char = chr(code)
    known = unicodedata.category(char) != "Cn" or unicodedata.name(char, "") != ""
    print("%x %d %s" % (code, known, char.casefold().encode().hex()))
`

func TestCasefoldEqualsPython(t *testing.T) {
	lines := startPython(t, pythonFolds)
	unicodeVersion := readVersion(t, lines)
	var total, known, newer, strangers int // strangers fold differently, and Python or Go does not know them
	for {
		r, pythonKnows, want, err := readFold(lines)
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("read fold %d: %v", total, err)
		}
		total++
		if pythonKnows {
			known++
			if unicode.Is(unicode.Cn, r) {
				newer++
			}
		}
		switch got := Casefold([]byte(string(r))); {
		case bytes.Equal(got, want):
		case pythonKnows && !unicode.Is(unicode.Cn, r):
			t.Errorf("Casefold(%U) = %+q, Python has %+q", r, got, want)
		default:
			strangers++
		}
	}
	t.Logf("%d code points: Python knows %d, %d of them are new to Go; %d of the unknown fold differently",
		total, known, newer, strangers)
	if want := 0x110000 - 0x800; total != want {
		t.Errorf("Python told of %d code points, want %d", total, want)
	}
	if newer > 0 && unicodeVersion <= unicode.Version {
		t.Errorf("%d characters of Unicode %s are unknown to Go's %s", newer, unicodeVersion, unicode.Version)
	}
}

// readVersion reads the first line of [pythonFolds] and returns Python's
// Unicode version.
func readVersion(t *testing.T, lines *bufio.Reader) (unicodeVersion string) {
	t.Helper()
	var major, minor int
	if _, err := fmt.Fscanln(lines, &major, &minor, &unicodeVersion); err != nil {
		t.Fatalf("read Python's version: %v", err)
	}
	if major != 3 || minor < 11 {
		need.Missing(t, "needs Python 3.11 or later, this is %d.%d", major, minor)
	}
	t.Logf("Python %d.%d has Unicode %s, x/text %s", major, minor, unicodeVersion, cases.UnicodeVersion)
	return unicodeVersion
}

// readFold reads a further line of [pythonFolds].
func readFold(lines *bufio.Reader) (r rune, known bool, folded []byte, err error) {
	line, err := lines.ReadString('\n')
	if err != nil {
		return 0, false, nil, err
	}
	fields := strings.Fields(line)
	if len(fields) != 3 {
		return 0, false, nil, fmt.Errorf("line %q has %d fields", line, len(fields))
	}
	code, err := strconv.ParseInt(fields[0], 16, 32)
	if err != nil {
		return 0, false, nil, err
	}
	folded, err = hex.DecodeString(fields[2])
	return rune(code), fields[1] == "1", folded, err
}

// startPython runs the program and returns what it writes.
func startPython(t *testing.T, program string) *bufio.Reader {
	t.Helper()
	cmd := exec.Command(need.Program(t, "/usr/bin/python3", "python3"), "-c", program)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, _ = io.Copy(io.Discard, out)
		if err := cmd.Wait(); err != nil && !t.Failed() {
			t.Errorf("python: %v\n%s", err, stderr.String())
		}
	})
	return bufio.NewReader(out)
}

func TestCasefoldASCIIRefusesTheRest(t *testing.T) {
	for _, text := range []string{"é", "abcÄ", "Äabc", "\u0080", "🎉", "abcdefghijklmnopq\u212A"} {
		if folded, ok := CasefoldASCII([]byte(text)); ok || folded != nil {
			t.Errorf("CasefoldASCII(%q) = %q, %t, want no answer", text, folded, ok)
		}
	}
}

func TestFoldNames(t *testing.T) {
	for _, fold := range []Fold{FoldUnicode, FoldASCII} {
		if got, err := ParseFold(fold.String()); got != fold || err != nil {
			t.Errorf("ParseFold(%q) = %v, %v", fold, got, err)
		}
	}
	for _, name := range []string{"", "ASCII", "utf8", strings.Repeat("x", 1000)} {
		_, err := ParseFold(name)
		if refused, ok := errors.AsType[*hub.Error](err); !ok || refused.Code != hub.CodeBadRequest {
			t.Errorf("ParseFold(%.10q…) = %v, want a bad request", name, err)
		} else if len(err.Error()) > 100 || !strings.Contains(err.Error(), "unicode or ascii") {
			t.Errorf("ParseFold(%.10q…) says %q", name, err)
		}
	}
}

func FuzzCasefold(f *testing.F) {
	for _, example := range foldExamples {
		f.Add([]byte(example.text), []byte(example.folded))
	}
	f.Add([]byte("\xe1\x8e"), []byte("\xa0\xff"))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		before := string(a)
		folded := Casefold(a)
		if string(a) != before {
			t.Fatalf("the text %q was overwritten with %q", before, a)
		}
		if folded == nil || len(folded) > 3*len(a) {
			t.Fatalf("%d bytes (nil: %t) from %d", len(folded), folded == nil, len(a))
		}
		if ascii, ok := CasefoldASCII(a); ok && (!bytes.Equal(ascii, bytes.ToLower(a)) || !bytes.Equal(ascii, folded)) {
			t.Fatalf("CasefoldASCII(%q) = %q", a, ascii)
		}
		if !utf8.Valid(a) || !utf8.Valid(b) {
			return // only the absence of a panic is promised
		}
		if !utf8.Valid(folded) {
			t.Fatalf("invalid UTF-8 %q from %q", folded, a)
		}
		if again := Casefold(folded); !bytes.Equal(again, folded) {
			t.Fatalf("folding %q again gave %q", folded, again)
		}
		joined := Casefold(append(bytes.Clone(a), b...))
		if want := append(folded, Casefold(b)...); !bytes.Equal(joined, want) {
			t.Fatalf("folding depends on context: %q joined, %q apart", joined, want)
		}
	})
}

func TestCasefoldAllocations(t *testing.T) {
	for name, text := range foldTexts {
		text := []byte(text)
		budget := map[string]float64{"ASCII": 1, "mixed": 2, "Cherokee": 3}[name]
		if got := testing.AllocsPerRun(100, func() { Casefold(text) }); got > budget {
			t.Errorf("%s: %v allocations, want at most %v", name, got, budget)
		}
	}
}

// foldTexts are 128 bytes each.
var foldTexts = map[string]string{
	"ASCII":    strings.Repeat("Hello, WORLD 123", 8),
	"mixed":    strings.Repeat("Grüße, ÉCLAIR! ", 8)[:127] + "X",
	"Cherokee": strings.Repeat("\u13A0\u13A1\uAB70 ABCDEF", 8),
}

func BenchmarkCasefold(b *testing.B) {
	for name, text := range foldTexts {
		b.Run(name, func(b *testing.B) {
			text := []byte(text)
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				Casefold(text)
			}
		})
	}
}
