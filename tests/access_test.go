package tests

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// runProgram runs a command of the program that ends by itself, and returns its
// output.
func runProgram(t *testing.T, args ...string) string {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(path, args...)
	command.Env = cleanEnvironment()
	out, err := command.Output()
	if err != nil {
		t.Fatalf("fanfold %s: %v", strings.Join(args, " "), err)
	}
	return string(out)
}

// guardedHub starts a hub beyond loopback that takes tokens and one key, from a
// configuration file as the commands of the program write it.
func guardedHub(t *testing.T) (h *hub, key string, token func(args ...string) string) {
	t.Helper()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	secret := write("secret", "a secret of more than 32 bytes for the tests\n")
	made := runProgram(t, "key", "new", "backend", "--publish", "news.>", "--admin")
	key = regexp.MustCompile(`ffk_\S+`).FindString(made)
	_, entry, _ := strings.Cut(made, "\nkeys:")
	config := write("fanfold.yaml", "token-key-file: "+secret+"\ntoken-leeway: 0s\nanonymous: {subscribe: [public]}\nkeys:"+entry)
	h = startHubAs(t, launch{args: []string{"--config", config, "--data", filepath.Join(dir, "data")}})
	token = func(args ...string) string {
		t.Helper()
		return strings.TrimSpace(runProgram(t, append([]string{"token", "--token-key-file", secret}, args...)...))
	}
	return h, key, token
}

func bearer(token string) string { return "Authorization: Bearer " + token }

// want sends a request and checks the answer's status.
func (h *hub) want(status int, method, path, body string, headers ...string) string {
	h.t.Helper()
	got := h.do(method, path, body, headers...)
	if got.status != status {
		h.t.Errorf("%s %s: %d %s, want %d", method, path, got.status, got.body, status)
	}
	return got.body
}

func TestOnlyWhoBelongsGetsIn(t *testing.T) {
	t.Parallel()
	h, key, token := guardedHub(t)
	ann := token("--sub", "ann", "--subscribe", "user.{user}.>", "--publish", "user.{user}.>", "--history", "user.{user}.>")
	h.want(401, "POST", "/news.a", "x")
	h.want(401, "GET", "/news.a/json", "")
	h.want(200, "GET", "/public/auth", "")
	h.want(200, "GET", "/ready", "")
	h.want(200, "POST", "/news.a", "x", "X-API-Key: "+key)
	h.want(403, "POST", "/other", "x", "X-API-Key: "+key)
	h.want(200, "POST", "/user.ann.mail", "hello", bearer(ann))
	h.want(403, "POST", "/user.bob.mail", "hello", bearer(ann))
	if body := h.want(200, "GET", "/user.ann.>/json?poll=1", "", bearer(ann)); !strings.Contains(body, "hello") {
		t.Errorf("ann reads %s", body)
	}
	h.want(403, "GET", "/user.>/json?poll=1", "", bearer(ann))
	if body := h.want(401, "POST", "/user.ann.mail", "x", bearer(ann[:len(ann)-8]+"AAAAAAAA")); !strings.Contains(body, "signature") {
		t.Errorf("a bad signature is answered by %s", body)
	}
	h.want(401, "POST", "/api/info", "{}")
	if body := h.want(200, "POST", "/api/info", "{}", bearer(ann)); !strings.Contains(body, `"code":103`) {
		t.Errorf("a user asks for info and gets %s", body)
	}
	if log := h.stderr.String(); strings.Contains(log, ann[strings.LastIndexByte(ann, '.'):]) || strings.Contains(log, key) {
		t.Error("the log has a secret in it")
	}
}

// Who is revoked is disconnected at once, and refused also after a restart.
func TestARevokedTokenStaysRevoked(t *testing.T) {
	t.Parallel()
	h, key, token := guardedHub(t)
	one := token("--sub", "ann", "--jti", "t1", "--subscribe", "news")
	other := token("--sub", "ann", "--jti", "t2", "--subscribe", "news")
	lines := h.stream("/news/json", bearer(one))
	stays := h.stream("/news/json", bearer(other))
	if body := h.want(200, "POST", "/api/revoke", `{"token_id":"t1"}`, "X-API-Key: "+key); body != "{\"result\":{\"disconnected\":1}}\n" {
		t.Errorf("revoke answers %s", body)
	}
	var last string
	for line := range lines {
		last = line
	}
	if !strings.Contains(last, `"event":"end"`) || !strings.Contains(last, "revoked") {
		t.Errorf("the stream ends with %s", last)
	}
	h.want(401, "GET", "/news/auth", "", bearer(one))
	h.want(200, "GET", "/news/auth", "", bearer(other))
	if body := h.want(200, "POST", "/api/disconnect", `{"user":"ann"}`, "X-API-Key: "+key); body != "{\"result\":{}}\n" {
		t.Errorf("disconnect answers %s", body)
	}
	for range stays {
	}
	h.kill()
	h.startAgain()
	h.want(401, "GET", "/news/auth", "", bearer(one))
	h.want(200, "GET", "/news/auth", "", bearer(other))
	h.want(200, "POST", "/api/revoke", `{"user":"ann"}`, "X-API-Key: "+key)
	h.restart()
	h.want(401, "GET", "/news/auth", "", bearer(other))
}

// Beyond loopback the hub serves with keys, and what looks safer than it is does
// not start.
func TestAccessSettings(t *testing.T) {
	t.Parallel()
	const secret = "FANFOLD_TOKEN_KEY=a secret of more than 32 bytes for the tests"
	p := startProgram(t, launch{args: []string{"--listen", "0.0.0.0:0", "--memory"}, env: []string{secret}})
	eventually(t, "the hub says how to come in", func() bool {
		return !p.running() || strings.Contains(p.stdout.String(), "Authorization: Bearer $TOKEN")
	})
	if !p.running() {
		t.Error("a hub with a key for tokens does not listen beyond loopback")
	}
	for _, row := range []struct {
		args []string
		env  []string
		says []string
	}{
		{[]string{"--listen", "0.0.0.0:0"}, nil, []string{"fanfold key new", "--token-key-file", "--open"}},
		{[]string{"--open"}, []string{secret}, []string{"--open", "anonymous"}},
		{[]string{"--anonymous", "{subscribe: [a]}"}, nil, []string{"everybody may do everything"}},
		{[]string{"--anonymous", "{subscribe: ['user.{user}']}"}, []string{secret}, []string{"no name for {user}"}},
		{[]string{"--anonymous", "{admin: true}"}, []string{secret}, []string{"admin"}},
		{[]string{"--token-cookie", "session"}, nil, []string{"no key to verify tokens"}},
	} {
		wantStartError(t, startProgram(t, launch{args: append(row.args, "--memory"), env: row.env}), row.says...)
	}
}
