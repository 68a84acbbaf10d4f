package hub_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"fanfold/hub"
)

// names returns every name of 1 to length tokens out of these.
func names(tokens []string, length int) []string {
	var all []string
	last := []string{""}
	for range length {
		var next []string
		for _, head := range last {
			for _, token := range tokens {
				next = append(next, strings.TrimPrefix(head+"."+token, "."))
			}
		}
		all = append(all, next...)
		last = next
	}
	return all
}

// covered asks every channel of a small world whether pattern matches all that
// key matches.
func covered(pattern, key string, channels []string) bool {
	return !slices.ContainsFunc(channels, func(channel string) bool {
		return hub.Match(key, channel) && !hub.Match(pattern, channel)
	})
}

// What a pattern subscription delivers never exceeds its grant, and no pattern
// that stays within one is refused: proven for all pairs of patterns of up to three tokens. The
// channels have a token that no pattern names, and one token more than any pattern.
func TestCoversIsExact(t *testing.T) {
	var patterns []string
	for _, name := range names([]string{"a", "b", "*", ">"}, 3) {
		if hub.CheckPattern(name) == nil {
			patterns = append(patterns, name)
		}
	}
	channels := names([]string{"a", "b", "c"}, 4)
	yes := 0
	for _, pattern := range patterns {
		for _, key := range patterns {
			want := covered(pattern, key, channels)
			if got := hub.Covers(pattern, key); got != want {
				t.Errorf("Covers(%q, %q) = %v", pattern, key, got)
			}
			if want {
				yes++
			}
		}
	}
	if len(patterns) != 52 || yes < len(patterns) {
		t.Errorf("%d patterns, of which %d pairs cover", len(patterns), yes)
	}
}

// FuzzCovers compares any two patterns with all channels made of their tokens
// and one of neither.
func FuzzCovers(f *testing.F) {
	for _, seed := range [][2]string{{"a.*", "a.b"}, {"a.>", "a.*.>"}, {"*.*", "a.>"}, {">", "a"}, {"a.*.c", "a.b.*"}, {"a", "a.b"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, pattern, key string) {
		dots := max(strings.Count(pattern, "."), strings.Count(key, "."))
		if dots > 3 || hub.CheckPattern(pattern) != nil || hub.CheckPattern(key) != nil {
			return
		}
		tokens := slices.DeleteFunc(strings.Split(pattern+"."+key, "."), hub.IsPattern)
		slices.Sort(tokens)
		tokens = slices.Compact(append(tokens, strings.Repeat("x", hub.MaxChannelBytes+1))) // in no name
		if want := covered(pattern, key, names(tokens, dots+2)); hub.Covers(pattern, key) != want {
			t.Errorf("Covers(%q, %q) = %v", pattern, key, !want)
		}
	})
}

func TestAGrantStandsForItsUserAlone(t *testing.T) {
	g := hub.Grant{Subscribe: []string{"user.{user}.>", "chat.*.{user}"}}
	for _, c := range []struct {
		user, key string
		want      bool
	}{
		{"anna", "user.anna.inbox", true},
		{"anna", "user.anna.>", true},
		{"anna", "chat.*.anna", true},
		{"anna", "user.anna", false},
		{"anna", "user.bert.inbox", false},
		{"anna", "user.*.inbox", false},
		{"anna", "user.>", false},
		{"anna", ">", false},
		{"", "user..inbox", false},
		{"*", "user.*.inbox", false},
		{"*", "chat.a.*", false},
		{">", "user.>", false},
		{"a.b", "user.a.b.inbox", false},
		{"{user}", "user.{user}.x", false},
		{"ünal", "user.ünal.x", false},
	} {
		if got := g.Allows(hub.ActionSubscribe, c.user, c.key); got != c.want {
			t.Errorf("%q on %q: %v", c.user, c.key, got)
		}
	}
}

func TestGrantsAreForOneAction(t *testing.T) {
	p := &hub.Principal{Name: "anna", User: "anna", Grant: hub.Grant{Publish: []string{"news.*"}, History: []string{"a"}}}
	if err := p.Check(hub.ActionPublish, "news.europe"); err != nil {
		t.Error(err)
	}
	for action, text := range map[hub.Action]string{
		hub.ActionSubscribe: `you may not subscribe to "news.europe": no subscribe grant of yours covers it`,
		hub.ActionHistory:   `you may not read the history of "news.europe": no history grant of yours covers it`,
		hub.ActionPresence:  `you may not see who is subscribed to "news.europe": no presence grant of yours covers it`,
	} {
		err := p.Check(action, "news.europe")
		if err == nil || hub.ErrorOf(err).Message != text || hub.ErrorOf(err).Code != hub.CodeDenied || !errors.Is(err, hub.ErrNotGranted) {
			t.Errorf("%v: got %v", action, err)
		}
	}
	if err := p.CheckAdmin("channels"); hub.ErrorOf(err).Code != hub.CodeDenied || !strings.Contains(err.Error(), "use channels") {
		t.Errorf("got %v", err)
	}
}

func TestNobodyMayDoNothingAndEverythingIsAll(t *testing.T) {
	all := &hub.Principal{Grant: hub.Everything()}
	for a := hub.ActionSubscribe; a <= hub.ActionHistory; a++ {
		for _, nobody := range []*hub.Principal{nil, {}, {User: "anna"}} {
			if nobody.Check(a, "a") == nil || nobody.CheckAdmin("info") == nil {
				t.Errorf("%+v may %v", nobody, a)
			}
		}
		for _, key := range []string{"a", ">", "*", "$SYS.a"} {
			if err := all.Check(a, key); err != nil {
				t.Error(err)
			}
		}
	}
	if err := all.CheckAdmin("info"); err != nil {
		t.Error(err)
	}
	two := hub.Grant{Publish: []string{"a"}}.With(hub.Grant{Publish: []string{"b"}, Admin: true})
	if !two.Allows(hub.ActionPublish, "", "a") || !two.Allows(hub.ActionPublish, "", "b") || !two.Admin || two.Allows(hub.ActionPublish, "", "c") {
		t.Errorf("got %+v", two)
	}
}

func TestWrongGrantsAreNamed(t *testing.T) {
	for _, pattern := range []string{"a", "a.>", "user.{user}.>", "{user}", "*.{user}"} {
		if err := (hub.Grant{History: []string{pattern}}).Validate(); err != nil {
			t.Errorf("%q: %v", pattern, err)
		}
	}
	for pattern, says := range map[string]string{
		"":                                  "is empty",
		"user-{user}":                       "must stand alone",
		"{name}":                            "nothing else goes in braces",
		"a.>.{user}":                        "must be the last",
		"{user}.":                           "empty token",
		"a b":                               "' '",
		strings.Repeat("{user}.", 99) + "a": "at most 255",
	} {
		err := hub.Grant{Presence: []string{pattern}}.Validate()
		if err == nil || !strings.Contains(err.Error(), says) || !strings.HasPrefix(err.Error(), "grant presence: ") {
			t.Errorf("%q: got %v, want an error that says %q", pattern, err, says)
		}
	}
}

func TestAPrincipalExpires(t *testing.T) {
	end := time.Unix(1000, 0)
	p := &hub.Principal{Expires: end}
	if p.Expired(end.Add(-1)) || !p.Expired(end) || (&hub.Principal{}).Expired(end) {
		t.Error("the end is the first moment at which it is over")
	}
}
