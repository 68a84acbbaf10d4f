package access

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
	"testing"

	"fanfold/hub"
)

func apiKeys(t testing.TB, grants map[string]hub.Grant) (*APIKeys, map[string]string) {
	t.Helper()
	texts := map[string]string{}
	var keys []APIKey
	for name, grant := range grants {
		texts[name] = NewKey()
		keys = append(keys, APIKey{Name: name, Hash: HashKey(texts[name]), Grant: grant})
	}
	return must[*APIKeys](t)(NewAPIKeys(keys)), texts
}

func TestKeysOfServers(t *testing.T) {
	keys, texts := apiKeys(t, map[string]hub.Grant{"shop": {Publish: []string{"orders.>"}}, "ops": {Admin: true}, "none": {}})
	for name, text := range texts {
		p, err := keys.Principal(text)
		if err != nil || p.Name != name || p.User != "" || p.Grant.Admin != (name == "ops") || p.Grant.Allows(hub.ActionPublish, "", "orders.new") != (name == "shop") {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
	_, err := keys.Principal(NewKey())
	refused(t, err, CheckKey, hub.CodeUnauthenticated, "not known here")
	for _, none := range []*APIKeys{{}, must[*APIKeys](t)(NewAPIKeys(nil))} {
		_, err := none.Principal(texts["ops"])
		refused(t, err, CheckKey, hub.CodeUnauthenticated)
	}
}

// A mistyped key is told from one that is not known, and neither error shows it.
func TestMistypedKeysAreToldApart(t *testing.T) {
	keys, texts := apiKeys(t, map[string]hub.Grant{"a": {}})
	key := texts["a"]
	swapped := []byte(key)
	if swapped[10]++; swapped[10] > 'z' {
		swapped[10] = '0'
	}
	for text, says := range map[string]string{
		string(swapped):                  "mistyped: its checksum is wrong",
		strings.ToLower(key):             "mistyped",
		key[:len(key)-1]:                 "mistyped: it has 52 characters, and a key has 53",
		key + "x":                        "mistyped: it has 54 characters",
		key[4:]:                          "no key of this hub: those begin with ffk_",
		"":                               "no key of this hub",
		"ffk_" + strings.Repeat("-", 49): "checksum",
	} {
		_, err := keys.Principal(text)
		refused(t, err, CheckFormat, hub.CodeUnauthenticated, says)
		if len(text) > 10 && strings.Contains(err.Error(), text[5:]) {
			t.Errorf("the error shows the key: %v", err)
		}
	}
}

func TestEachKeyIsAnother(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		key := NewKey()
		if seen[key] || len(key) != 53 || checkKeyForm(key) != nil || !IsKey(key) {
			t.Fatalf("got %q", key)
		}
		seen[key] = true
	}
}

func TestWrongKeyListsAreNamed(t *testing.T) {
	hash := HashKey(NewKey())
	for says, keys := range map[string][]APIKey{
		"needs a name":             {{Hash: hash}},
		`"a": there are two`:       {{Name: "a", Hash: hash}, {Name: "a", Hash: HashKey("x")}},
		`"b": it has the same`:     {{Name: "a", Hash: hash}, {Name: "b", Hash: hash}},
		`"a": it has no hash`:      {{Name: "a"}},
		`"a": grant publish: the`:  {{Name: "a", Hash: hash, Grant: hub.Grant{Publish: []string{"a b"}}}},
		"at most 1000 are allowed": make([]APIKey, 1001),
	} {
		if _, err := NewAPIKeys(keys); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want an error that says %q", err, says)
		}
	}
	var read KeyHash
	if err := read.UnmarshalText([]byte(hash.String())); err != nil || read != hash {
		t.Errorf("got %v, %v", read, err)
	}
	for _, text := range []string{"", "sha256:", hash.String()[7:], hash.String()[:70], "md5:" + hash.String()[7:], hash.String() + "00"} {
		if err := read.UnmarshalText([]byte(text)); err == nil || !strings.Contains(err.Error(), "fanfold key new") {
			t.Errorf("%q: %v", text, err)
		}
	}
	key := NewKey()
	if err := read.UnmarshalText([]byte(key)); err == nil || !strings.Contains(err.Error(), "the key itself") || strings.Contains(err.Error(), key) {
		t.Errorf("got %v", err)
	}
}

// Hashes are compared by crypto/subtle, all of them whatever was found: nothing in
// the loop branches or ends it early.
func TestHashesAreComparedInConstantTime(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "apikey.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var calls, branches []string
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Name.Name != "find" {
			continue
		}
		ast.Inspect(f.Body, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.SelectorExpr:
				calls = append(calls, n.Sel.Name)
			case *ast.IfStmt, *ast.SwitchStmt, *ast.BranchStmt:
				branches = append(branches, "a branch")
			case *ast.BinaryExpr:
				if n.Op == token.EQL || n.Op == token.NEQ || n.Op == token.LAND || n.Op == token.LOR {
					branches = append(branches, n.Op.String())
				}
			case *ast.RangeStmt:
				ast.Inspect(n, func(n ast.Node) bool {
					if _, ok := n.(*ast.ReturnStmt); ok {
						branches = append(branches, "a return in the loop")
					}
					return true
				})
			}
			return true
		})
	}
	if !slices.Contains(calls, "ConstantTimeCompare") || !slices.Contains(calls, "ConstantTimeSelect") || len(branches) > 0 {
		t.Errorf("it calls %v and has %v", calls, branches)
	}
}
