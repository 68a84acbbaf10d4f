package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fanfold/api/access"
	"fanfold/hub"
)

const tokenSecret = "0123456789abcdef0123456789abcdef"

// run runs a command as main does and returns what it writes to standard output.
func run(t *testing.T, args ...string) (string, error) {
	t.Helper()
	parser, err := newParser(t.Context(), new(commandLine))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	parser.Stdout = &out
	command, err := parser.Parse(args)
	if err != nil {
		return "", err
	}
	err = command.Run()
	return out.String(), err
}

// verify returns whose token it is, by the settings of a hub.
func verify(t *testing.T, s tokenSettings, token string) (*hub.Principal, error) {
	t.Helper()
	c, err := s.config(nil)
	if err != nil {
		t.Fatal(err)
	}
	v, err := access.NewVerifier(c)
	if err != nil {
		t.Fatal(err)
	}
	return v.Connection(t.Context(), token)
}

// What "fanfold token" prints alone is a token that a hub with the same settings
// takes.
func TestATokenIsMade(t *testing.T) {
	t.Setenv("FANFOLD_TOKEN_KEY", tokenSecret)
	t.Setenv("FANFOLD_TOKEN_AUDIENCE", "hub,other")
	t.Setenv("FANFOLD_TOKEN_ISSUER", "me")
	t.Setenv("FANFOLD_SUB", "not anna") // the command's own flags come from nowhere else
	out, err := run(t, "token", "--sub", "anna", "--subscribe", "user.{user}.>", "--subscribe", "with,comma", "--publish", "chat",
		"--presence", "chat", "--history", "news.*", "--channels", "user.anna.a", "--info", `{"name": "Anna"}`, "--jti", "7", "--ttl", "5m")
	if err != nil || strings.Count(out, "\n") != 1 {
		t.Fatalf("got %q, %v", out, err)
	}
	p, err := verify(t, tokenSettings{TokenKey: tokenSecret, TokenAudience: []string{"hub"}, TokenIssuer: "me"}, strings.TrimSpace(out))
	if err != nil {
		t.Fatal(err)
	}
	for _, ok := range []bool{
		p.User == "anna", string(p.Info) == `{"name":"Anna"}`, p.TokenID == "7", p.Check(hub.ActionSubscribe, "user.anna.>") == nil,
		p.Check(hub.ActionSubscribe, "with,comma") == nil, p.Check(hub.ActionPublish, "chat") == nil, p.Check(hub.ActionPresence, "chat") == nil,
		p.Check(hub.ActionHistory, "news.a") == nil, len(p.Channels) == 1, !p.IssuedAt.IsZero(), p.Expires.Sub(p.IssuedAt).Minutes() == 5,
		p.Check(hub.ActionPublish, "news") != nil,
	} {
		if !ok {
			t.Errorf("got %+v", p)
			break
		}
	}
}

func TestATokenIsSignedWithAFile(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	privateFile, publicFile := write("key.pem", "PRIVATE KEY", private), write("pub.pem", "PUBLIC KEY", public)
	token, err := run(t, "token", "--token-key-file", privateFile, "--sub", "anna", "--ttl", "0")
	if err != nil {
		t.Fatal(err)
	}
	p, err := verify(t, tokenSettings{TokenKeyFile: publicFile}, strings.TrimSpace(token))
	if err != nil || p.User != "anna" || !p.Expires.IsZero() {
		t.Errorf("got %+v, %v", p, err)
	}
	for says, args := range map[string][]string{
		"only public keys are given":  {"--token-key-file", publicFile},
		"no key is given":             {},
		`"HS256" is not for this key`: {"--token-key-file", privateFile, "--alg", "HS256"},
		"--token-key-file: open":      {"--token-key-file", privateFile + "x"},
		"--token-key: the secret has": {"--token-key", "short"},
		"info must be an object":      {"--token-key", tokenSecret, "--info", "[]"},
		"write the claims":            {"--token-key", tokenSecret, "--info", "{"},
		"subscribe: the pattern":      {"--token-key", tokenSecret, "--subscribe", "a*"},
		"--ttl -1s":                   {"--token-key", tokenSecret, "--ttl=-1s"},
	} {
		if out, err := run(t, append([]string{"token"}, args...)...); err == nil || !strings.Contains(err.Error(), says) || out != "" {
			t.Errorf("%v: got %q, %v, want an error that says %q", args, out, err, says)
		}
	}
}

func TestATokenIsExplained(t *testing.T) {
	made := func(args ...string) string {
		out, err := run(t, append([]string{"token", "--token-key", tokenSecret}, args...)...)
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(out)
	}
	good := made("--sub", "anna", "--subscribe", "a.>", "--ttl", "10m")
	out, err := run(t, "token", "--token-key", tokenSecret, "--inspect", good)
	for _, has := range []string{`{"alg":"HS256","typ":"JWT"}`, `sub        "anna" (the user)`, `["a.>"] (may subscribe to)`, "(expires)", "ok  signature", "ok  expiry      it expires in 10 min"} {
		if err != nil || !strings.Contains(out, has) {
			t.Errorf("got %s\n%v, want %q", out, err, has)
		}
	}
	for _, c := range []struct {
		says, has string
		args      []string
	}{
		{"signature is not of this server's key", "no  signature", []string{"--token-key", strings.Repeat("x", 32)}},
		{"says no audience (aud)", "no  audience", []string{"--token-key", tokenSecret, "--token-audience", "hub"}},
		{`must be "me"`, "no  issuer", []string{"--token-key", tokenSecret, "--token-issuer", "me"}},
		{"the signature was not checked", "no  key         there is no key", nil},
	} {
		out, err := run(t, append([]string{"token", "--inspect", good}, c.args...)...)
		if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(out, c.has) {
			t.Errorf("got %s\n%v, want %q and %q", out, err, c.says, c.has)
		}
	}
}

// A terminal sees no control characters of a token.
func TestAnExplanationIsSafeToPrint(t *testing.T) {
	var out bytes.Buffer
	c := tokenCommand{Inspect: "-"}
	header, payload := "eyJhbGciOiJIUzI1NiJ9", "eyJzdWIiOiLCm-KArm0iLCJ4Ijp0cnVlLCJleHAiOi0xfQ" // sub: U+009B U+202E m
	err := c.inspect(t.Context(), strings.NewReader(header+"."+payload+".AAAA\n"), &out)
	if err == nil || strings.ContainsAny(out.String(), "\u009b\u202e") || !strings.Contains(out.String(), `"\u009b\u202em"`) ||
		!strings.Contains(out.String(), "x          true (does not count here)") || !strings.Contains(out.String(), "which is no time") {
		t.Errorf("got %q, %v", out.String(), err)
	}
}

func TestTokensAreCheckedWithAKeySetAtAURL(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"1","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`))
	}))
	t.Cleanup(server.Close)
	out, err := run(t, "token", "--token-jwks-url", server.URL, "--inspect",
		"eyJhbGciOiJFZERTQSJ9.e30.AAAA")
	if err == nil || !strings.Contains(out, "no  signature") || !strings.Contains(out, `ok  key         the key "1" for EdDSA`) {
		t.Errorf("got %s, %v", out, err)
	}
	if _, err := run(t, "token", "--token-jwks-url", "http://example.com", "--inspect", "x"); err == nil || !strings.Contains(err.Error(), "--token-jwks-url: the address") {
		t.Errorf("got %v", err)
	}
	if _, err := run(t, "token", "--token-jwks-url", server.URL); err == nil || !strings.Contains(err.Error(), "only public keys") {
		t.Errorf("got %v", err)
	}
}
