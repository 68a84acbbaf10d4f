package tests

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"fanfold/tests/need"
)

// guarded is a hub that asks everybody who they are.
type guarded struct {
	*hub
	secret string // that tokens are signed with
	key    string // of a server that may do everything
}

// startGuarded starts a hub without leeway for tokens.
func startGuarded(t testing.TB, args ...string) guarded {
	t.Helper()
	const secret = "0123456789abcdef0123456789abcdef"
	dir := t.TempDir()
	key, entry := newServerKey(t, "--admin", "--publish", ">", "--subscribe", ">", "--presence", ">", "--history", ">")
	config := filepath.Join(dir, "fanfold.yaml")
	if err := os.WriteFile(config, []byte(entry), 0o600); err != nil {
		t.Fatal(err)
	}
	h := startHubAs(t, launch{
		dir:  dir,
		args: append([]string{"--config", config, "--memory", "--token-leeway", "0s"}, args...),
		env:  []string{"FANFOLD_TOKEN_KEY=" + secret},
	})
	return guarded{h, secret, key}
}

var (
	shownKey   = regexp.MustCompile(`\bffk_\w+`)
	shownEntry = regexp.MustCompile(`(?ms)^keys:.*`)
)

// newServerKey returns a key, and the hub's configuration for it.
func newServerKey(t testing.TB, grants ...string) (key, entry string) {
	t.Helper()
	p := startProgram(t, launch{args: append([]string{"key", "new", "server"}, grants...)})
	p.wait()
	key, entry = shownKey.FindString(p.stdout.String()), shownEntry.FindString(p.stdout.String())
	if key == "" || entry == "" {
		t.Fatalf("key new says %s", p.stdout.String())
	}
	return key, entry
}

// token returns one that the hub takes.
func (h guarded) token(args ...string) string {
	h.t.Helper()
	p := startProgram(h.t, launch{args: append([]string{"token"}, args...), env: []string{"FANFOLD_TOKEN_KEY=" + h.secret}})
	p.wait()
	if p.exitCode() != 0 {
		h.t.Fatalf("token %v: exit code %d", args, p.exitCode())
	}
	return strings.TrimSpace(p.stdout.String())
}

// Every way in which the SDK uses tokens, by a script that signs them as an
// application's server does. Two of its tests wait until the hub's patience is over.
func TestCentrifugeSDKTokens(t *testing.T) {
	t.Parallel()
	h := startGuarded(t)
	script := startScript(t, "tokens.mjs", h.url, h.secret, h.key)
	const most = 11
	for n := range most {
		line, ok := <-script.lines
		if !ok {
			if n < most-1 {
				t.Errorf("the script has made %d tests", n)
			}
			break
		}
		if !strings.HasPrefix(line, "ok ") {
			t.Error(strings.ReplaceAll(line, `\n`, "\n"))
		}
	}
	if err := script.wait(); err != nil {
		t.Error(err)
	}
	h.wantRefusalsLogged()
}

// wantRefusalsLogged looks for whose what was refused and why, and for secrets.
func (h guarded) wantRefusalsLogged() {
	h.t.Helper()
	text := h.stderr.String()
	for _, want := range []string{
		`msg="credential refused" for=connection client=\S+ check=signature reason="the token's signature is not`,
		`msg="credential refused" for=subscription channel=room client=\S+ check=purpose reason="the token is for the user \(sub\) \\"yours\\".* user=yours`,
		`msg=denied user=ann .* action=subscribe on=user.bob.inbox reason="you may not subscribe`,
		`msg=denied user=ann .* action=publish on=user.ann.outbox`,
	} {
		if n := len(regexp.MustCompile(want).FindAllString(text, -1)); n != 1 {
			h.t.Errorf("the log has this %d times, not once: %s", n, want)
		}
	}
	for _, secret := range []string{h.secret, h.key, "eyJ"} {
		if strings.Contains(text, secret) {
			h.t.Errorf("the log has a secret in it, %s", secret)
		}
	}
}

// The SDK's bundle in a page of the hub's: with a token in the frame, which is
// refreshed, and with the page's cookie.
func TestCentrifugeSDKTokensInBrowser(t *testing.T) {
	t.Parallel()
	h := startGuarded(t, "--token-cookie", "session")
	page := startBrowser(t).open(h.url + "/wstest.html")
	for _, path := range []string{"clients/node_modules/centrifuge/dist/centrifuge.js", "clients/inpage.js"} {
		script, err := os.ReadFile(filepath.FromSlash(path))
		if err != nil {
			need.Missing(t, "needs npm ci in tests/clients, which tests/run does")
		}
		page.run(string(script))
	}
	token := func(user, name, ttl string) string {
		return h.token("--sub", user, "--info", `{"name":"`+name+`"}`, "--ttl", ttl, "--subscribe", "room", "--publish", "room")
	}
	chat := func(what, options, want string) {
		t.Helper()
		if who := page.await(`chatAs({` + options + `})`); !strings.HasPrefix(who, want) {
			t.Errorf("%s: %s, want %s", what, who, want)
		}
	}
	ann := token("ann", "Ann", "1h")
	chat("without a token", ``, "3501 ")
	chat("with a bad token", `token: 'a.b.c'`, "3500 invalid token: ")
	chat("with a token", `token: '`+ann+`'`, "ann Ann")
	chat("with a token that is refreshed", `token: '`+token("ann", "Annie", "2s")+`', getToken: () => '`+ann+`'`, "ann Annie")
	page.run(`document.cookie = 'session=` + token("bob", "Bob", "1h") + `; path=/'`)
	chat("with a cookie", ``, "bob Bob")
	chat("with a cookie and a token", `token: '`+ann+`'`, "ann Ann")
}
