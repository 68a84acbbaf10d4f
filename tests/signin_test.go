package tests

import (
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// writeTokenKey writes a secret that tokens are signed with, and returns its file.
func writeTokenKey(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte(rand.Text()+rand.Text()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// makeToken makes a token with the program itself.
func makeToken(t testing.TB, keyFile string, args ...string) string {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(path, append([]string{"token", "--token-key-file", keyFile}, args...)...).Output()
	if err != nil {
		t.Fatalf("make a token: %v", err)
	}
	return strings.TrimSpace(string(out))
}

// everything is the grants of somebody who may use all of the page.
var everything = []string{"--subscribe", ">", "--publish", ">", "--presence", ">", "--history", ">"}

// Who opens the page of a hub that asks for tokens is told so, and how to get
// one; with one they are in, by every protocol that the page speaks, under their name,
// until they sign out.
func TestPageSignIn(t *testing.T) {
	t.Parallel()
	key := writeTokenKey(t)
	h := startHub(t, "--token-key-file", key)
	ada := makeToken(t, key, append(everything, "--sub", "ada", "--info", `{"name":"Ada"}`)...)
	h.publish("news", "for those who belong", "Authorization: Bearer "+ada)

	p := startBrowser(t).open(h.url + "/")
	p.wantText("region", "Sign in", "asks who you are", "How to get a token")
	p.wantText("group", "Connection", "Not signed in")
	p.wantText("region", "Echo", "not signed in")
	if text := p.evaluate("document.body.innerText"); strings.Contains(text, "belong") {
		t.Errorf("the page shows %q", text)
	}
	p.in("Sign in").fill("textbox", "Token or key", ada[:len(ada)-4])
	p.press("\r")
	p.wantText("region", "Sign in", "Not signed in", "signature")

	p.in("Sign in").fill("textbox", "Token or key", "Bearer "+ada)
	p.press("\r")
	p.wantText("group", "Connection", "Connected")
	p.wantText("group", "Account", "ada")
	p.wantText("log", "Messages", "for those who belong")
	p.wantText("region", "Chat", "Ada (ada)", "(you)")
	p.wantText("region", "Echo", "connected")
	p.in("Echo").fill("textbox", "Text to fold", "Straße")
	p.press("\r")
	p.wantText("log", "Echo answers", "strasse")
	p.in("Notifications").click("button", "Send notification")
	p.wantText("list", "Arrived notifications", "Backup")
	p.in("Chat").fill("textbox", "Chat message", "it is me")
	p.press("\r")
	p.wantText("log", "Chat messages", "it is me", "Ada (ada)")
	line := p.text("group", "curl line for this channel")
	if strings.Contains(line+p.text("region", "Echo"), ada) {
		t.Error("the page shows the token")
	}
	shell(t, "TOKEN="+ada+"; "+line)
	p.wantText("log", "Messages", "Hello")

	p.reloaded(func() { p.run("location.reload()") })
	p.wantText("group", "Account", "ada")
	p.wantText("log", "Messages", "for those who belong")
	p.reloaded(func() { p.click("button", "Sign out") })
	p.wantText("region", "Sign in", "asks who you are")
	if text := p.evaluate("document.body.innerText + JSON.stringify(sessionStorage) + JSON.stringify(localStorage) + document.cookie"); strings.Contains(text, "belong") || strings.Contains(text, ada) {
		t.Errorf("after signing out the page has %q", text)
	}
}
