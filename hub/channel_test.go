package hub_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"fanfold/hub"
)

func TestChannelNames(t *testing.T) {
	for _, name := range []string{"a", "news.europe", "user#7", "$SYS", "a-b_c:d@e=f,g;h", strings.Repeat("x", 255)} {
		if err := hub.CheckChannel(name); err != nil {
			t.Errorf("%.20q: %v", name, err)
		}
	}
	for name, why := range map[string]string{
		"":                       "is empty",
		".a":                     "empty token",
		"a..b":                   "empty token",
		"a.":                     "empty token",
		"a b":                    `' '`,
		"a/b":                    `'/'`,
		"a\x00":                  `'\x00'`,
		"a\r\nb":                 `'\r'`,
		"über":                   `'ü'`,
		"a.*":                    "is a pattern",
		">":                      "is a pattern",
		strings.Repeat("x", 256): "at most 255",
	} {
		err := hub.CheckChannel(name)
		if err == nil || !strings.Contains(err.Error(), why) || hub.ErrorOf(err).Code != hub.CodeBadRequest {
			t.Errorf("%.20q: got %v, want a bad request that says %q", name, err, why)
		}
	}
}

func TestPatternNames(t *testing.T) {
	for _, name := range []string{"*", ">", "a.*.c", "a.>", "*.*", "a"} {
		if err := hub.CheckPattern(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for name, why := range map[string]string{
		"a.>.b": "must be the last",
		"a*":    "must stand alone",
		"a.b>":  "must stand alone",
		"*.":    "empty token",
	} {
		if err := hub.CheckPattern(name); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%q: got %v, want an error that says %q", name, err, why)
		}
	}
}

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, channel string
		want             bool
	}{
		{"a", "a", true}, {"a", "b", false}, {"a", "a.b", false}, {"a.b", "a", false},
		{"*", "a", true}, {"*", "a.b", false}, {"a.*", "a.b", true}, {"a.*", "a", false}, {"a.*.c", "a.b.c", true}, {"*.*", "a.b", true},
		{">", "a", true}, {">", "a.b.c", true}, {"a.>", "a.b.c", true}, {"a.>", "a", false}, {"a.>", "ab.c", false},
	} {
		if got := hub.Match(c.pattern, c.channel); got != c.want {
			t.Errorf("Match(%q, %q) = %v", c.pattern, c.channel, got)
		}
	}
}

// FuzzNames checks that what passes for a channel passes for a pattern, matches
// itself and the pattern of all, and can be part of a subject.
func FuzzNames(f *testing.F) {
	for _, seed := range []string{"a", "a.b", "a.*", ">", "a\x00", "a b", "..", "é"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if hub.CheckChannel(name) != nil {
			return
		}
		if err := hub.CheckPattern(name); err != nil {
			t.Errorf("a channel that is no pattern: %v", err)
		}
		if hub.IsPattern(name) || !hub.Match(name, name) || !hub.Match(">", name) || len(name) > hub.MaxChannelBytes || strings.ContainsAny(name, " \t\r\n/*>\x00") {
			t.Errorf("%q passes for a channel", name)
		}
	})
}

func TestPositionsSortAsTexts(t *testing.T) {
	var texts []string
	for _, epoch := range []string{hub.NewEpoch(time.UnixMilli(1800000000000)), hub.NewEpoch(time.UnixMilli(1800000000001)), hub.NewEpoch(time.Unix(3500000000, 0))} {
		for _, seq := range []uint64{0, 1, 9, 10, 61, 62, 3843, 3844, 1 << 40} {
			p := hub.Position{Epoch: epoch, Seq: seq}
			if got, ok := hub.ParsePosition(p.String()); !ok || got != p {
				t.Errorf("%+v is written %q and read %+v", p, p, got)
			}
			texts = append(texts, p.String())
		}
	}
	if !slices.IsSorted(texts) || len(slices.Compact(slices.Clone(texts))) != len(texts) {
		t.Errorf("not in order: %v", texts)
	}
}

func TestWhatIsNoPosition(t *testing.T) {
	for _, text := range []string{"", "short", hub.LiveID(), "0000000000-1", "000000000000\n", "0000000" + strings.Repeat("z", 12), "é00000000000"} {
		if p, ok := hub.ParsePosition(text); ok {
			t.Errorf("%q passes for the position %+v", text, p)
		}
	}
	if text := (hub.Position{}).String(); text != "" {
		t.Errorf("the zero position is written %q", text)
	}
}

func TestErrorsKeepTheirInsideToThemselves(t *testing.T) {
	err := fmt.Errorf("doing: %w", hub.Errorf(hub.CodeLimit, "at most %d", 3))
	if e := hub.ErrorOf(err); e.Code != hub.CodeLimit || e.Message != "at most 3" {
		t.Errorf("got %+v", e)
	}
	if e := hub.ErrorOf(fmt.Errorf("secret")); e.Code != hub.CodeInternal || strings.Contains(e.Message, "secret") {
		t.Errorf("got %+v", e)
	}
}
