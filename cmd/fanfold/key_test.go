package main

import (
	"regexp"
	"strings"
	"testing"

	"fanfold/api/access"
	"fanfold/hub"
)

// What "fanfold key new" prints to be pasted is what a hub reads, and the key that
// it prints is the key of it.
func TestANewKeyFitsItsEntry(t *testing.T) {
	for _, c := range []struct {
		args  []string
		grant hub.Grant
	}{
		{nil, hub.Grant{Publish: []string{">"}}},
		{[]string{"--publish", "a.>", "--publish", "b,c", "--history", "*", "--admin"}, hub.Grant{Publish: []string{"a.>", "b,c"}, History: []string{"*"}, Admin: true}},
	} {
		out, err := run(t, append([]string{"key", "new", "shop: 1"}, c.args...)...)
		if err != nil {
			t.Fatal(err)
		}
		key := regexp.MustCompile(`ffk_\w+`).FindString(out)
		_, block, _ := strings.Cut(out, "\n\nkeys:\n")
		var settings keySettings
		if err := settings.UnmarshalText([]byte(block)); err != nil {
			t.Fatalf("%v of %s", err, block)
		}
		keys, err := access.NewAPIKeys(settings)
		if err != nil {
			t.Fatal(err)
		}
		p, err := keys.Principal(key)
		if err != nil || p.Name != "shop: 1" || strings.Count(out, key) != 1 {
			t.Errorf("got %+v, %v of %s", p, err, out)
		}
		for a := hub.ActionSubscribe; a <= hub.ActionHistory; a++ {
			if got, want := strings.Join(p.Grant.Patterns(a), " "), strings.Join(c.grant.Patterns(a), " "); got != want || p.Grant.Admin != c.grant.Admin {
				t.Errorf("%v: %q, want %q", a, got, want)
			}
		}
	}
	if out, err := run(t, "key", "new", "x", "--publish", "a b"); err == nil || out != "" || !strings.Contains(err.Error(), "grant publish") {
		t.Errorf("got %q, %v", out, err)
	}
}

func TestWrongKeySettingsAreNamed(t *testing.T) {
	key := access.NewKey()
	hash := access.HashKey(key).String()
	for text, says := range map[string]string{
		"hello":                          "the keys can't be read",
		"[{name: a, hsh: x}]":            "hsh",
		"[{name: a}]":                    `key 1 ("a"): the hash must be sha256:`,
		"[{name: a, hash: " + key + "}]": "this is the key itself",
		"[{name: a, hash: '" + hash + "'}, {name: a, hash: '" + hash + "'}]": "there are two of that name",
		"[{name: a, hash: '" + hash + "', publish: [a b]}]":                  "grant publish",
		"[{name: a, hash: '" + hash + "', admin: 7}]":                        "wrong kind",
		"- name: a\n  hash: " + key + "\n  - b: " + key + "\n":               "can't be read",
		"- {name: a, " + key + ": x}":                                        "ffk_…",
	} {
		var settings keySettings
		err := settings.UnmarshalText([]byte(text))
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), key) {
			t.Errorf("%s: got %v, want one line that says %q", text, err, says)
		}
	}
	var settings keySettings
	if err := settings.UnmarshalText([]byte("[]")); err != nil || len(settings) != 0 {
		t.Errorf("no keys: %v", err)
	}
}
