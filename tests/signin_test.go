package tests

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
)

// closedHub starts a hub that lets nobody in without a token, and returns what
// makes one for a user who may use all of the page.
func closedHub(t *testing.T, args ...string) (h *hub, token func(user string, args ...string) string) {
	t.Helper()
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("a secret of more than 32 bytes for the tests\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	h = startHub(t, append(args, "--token-key-file", secret, "--token-leeway", "0s")...)
	return h, func(user string, args ...string) string {
		t.Helper()
		all := []string{"token", "--token-key-file", secret, "--sub", user, "--subscribe", ">", "--publish", ">", "--presence", ">", "--history", ">"}
		return strings.TrimSpace(runProgram(t, append(all, args...)...))
	}
}

// signIn signs in with a token or key, and waits until that is done.
func (p *tab) signIn(token string) {
	p.t.Helper()
	p.in("Sign in").fill("textbox", "Token or key", token)
	p.press("\r")
	p.wantText("group", "Connection", "Connected")
}

// Who opens the page of a hub that asks for tokens is told so, and how to get
// one; with one they are in, by every protocol that the page speaks, under their name,
// until they sign out.
func TestPageSignIn(t *testing.T) {
	t.Parallel()
	h, token := closedHub(t)
	ada := token("ada", "--info", `{"name":"Ada"}`)
	h.publish("news", "for those who belong", bearer(ada))

	p := startBrowser(t).open(h.url + "/")
	p.wantText("region", "Sign in", "asks who you are", "How to get a token")
	p.wantText("group", "Connection", "Not signed in")
	p.wantText("region", "Echo", "not signed in")
	if text := p.evaluate("document.body.innerText"); strings.Contains(text, "belong") {
		t.Errorf("the page shows %q", text)
	}
	p.in("Sign in").fill("textbox", "Token or key", ada[:len(ada)-8]+"AAAAAAAA")
	p.press("\r")
	p.wantText("region", "Sign in", "Not signed in", "signature")

	p.signIn("Bearer " + ada)
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

// Who is anonymous is told what they may not do, and may sign in to do it; and
// whoever has signed in is told so too, in the hub's own words.
func TestPageTellsWhatWasRefused(t *testing.T) {
	t.Parallel()
	h, key, token := guardedHub(t)
	ann := token("--sub", "ann", "--subscribe", "public", "--history", "public", "--publish", "public")
	h.publish("public", "for all to hear", bearer(ann))
	p := startBrowser(t).open(h.url + "/public")
	p.wantText("group", "Connection", "Connected")
	p.wantText("region", "Channel feed", "public", "live", "history could not be read", "you may not")
	p.wantText("log", "Chat messages", "The room is closed", "you may not")
	p.in("Channel feed").fill("textbox", "Message", "from nobody")
	p.press("\r")
	p.wantText("region", "Channel feed", "Not published", "you may not publish")
	p.in("Notifications").click("button", "Send notification")
	p.wantText("region", "Notifications", "Not sent", "you may not publish", "token or key")

	p.click("button", "Sign in")
	p.in("Sign in").fill("textbox", "Token or key", "nonsense")
	p.press("\r")
	p.wantText("region", "Sign in", "Not signed in")
	p.in("Sign in").click("button", "Go on without it")
	p.wantText("group", "Connection", "Connected")

	p.in("Channel feed").fill("textbox", "Message", "from nobody")
	p.press("\r")
	p.click("button", "Sign in")
	p.in("Sign in").fill("textbox", "Token or key", ann)
	p.reloaded(func() { p.press("\r") })
	p.wantText("group", "Account", "ann")
	p.wantText("log", "Messages", "for all to hear")
	p.in("Channel feed").fill("textbox", "To channel", "secret")
	p.in("Channel feed").fill("textbox", "Message", "from ann")
	p.press("\r")
	p.wantText("region", "Channel feed", "Not published", `you may not publish to "secret"`)

	h.want(200, "POST", "/api/revoke", `{"user":"ann"}`, "X-API-Key: "+key)
	p.wantText("region", "Sign in", "Not signed in", "revoked")
}

// Before a token's end the page asks for another, with which it goes on as it
// was; with one that has expired it says so, and then shows what was missed.
func TestPageTokenExpires(t *testing.T) {
	t.Parallel()
	h, token := closedHub(t)
	ada := bearer(token("ada"))
	p := startBrowser(t).open(h.url + "/news")
	p.wantText("region", "Sign in", "asks who you are")
	p.signIn(token("ada", "--ttl", "12s"))
	h.publish("news", "before", ada)
	p.wantText("log", "Messages", "before")
	p.run("globalThis.same = 'the same page'")
	p.wantText("region", "Sign in", "Your token expires at", "nothing is missed")
	short := token("ada", "--ttl", "8s")
	end := time.Now().Add(9 * time.Second)
	p.signIn(short)
	h.publish("news", "between", ada)
	p.wantText("log", "Messages", "before", "between")
	if got := p.evaluate("globalThis.same"); got != "the same page" {
		t.Errorf("the page has loaded again: %s", got)
	}
	eventually(t, "the token has expired", func() bool { return time.Now().After(end) })
	p.reloaded(func() { p.run("location.reload()") })
	p.wantText("region", "Sign in", "Your token has expired", "Not signed in")
	h.publish("news", "after", ada)
	p.signIn(token("ada"))
	p.wantText("log", "Messages", "before", "between", "after")
}

// All of it goes by keyboard.
func TestPageSignInByKeyboard(t *testing.T) {
	t.Parallel()
	h, token := closedHub(t)
	p := startBrowser(t).open(h.url + "/news")
	focus := func() string { return p.evaluate("document.activeElement.id || document.activeElement.textContent") }
	eventually(t, "the focus is where the token goes", func() bool { return focus() == "sign-in-token" })
	if _, err := call(p, input.InsertText, input.InsertTextParams{Text: token("ada")}); err != nil {
		t.Fatal(err)
	}
	p.press("\r")
	p.wantText("group", "Account", "ada")
	if got := focus(); got != "main" {
		t.Errorf("after signing in the focus is at %q", got)
	}
	const controls = 60 // more than the page has
	for i := 0; focus() != "Sign out"; i++ {
		if p.press("\t"); i > controls {
			t.Fatal("no key leads to Sign out")
		}
	}
	p.reloaded(func() { p.press("\r") })
	eventually(t, "the focus is where the token goes", func() bool { return focus() == "sign-in-token" })
}

// The page has no fault that axe finds, by day and by night, signed in or not.
func TestPageIsAccessible(t *testing.T) {
	t.Parallel()
	h, token := closedHub(t)
	h.publish("news", "It is done", bearer(token("bob")), "Title: Backup", "Tags: disk", "Priority: high", "Click: https://example.org/")
	p := startBrowser(t).open(h.url + "/news")
	p.wantText("region", "Sign in", "asks who you are")
	p.accessible()
	p.click("DisclosureTriangle", "How to get a token")
	p.in("Sign in").fill("textbox", "Token or key", "a.b.c")
	p.press("\r")
	p.wantText("region", "Sign in", "Not signed in")
	p.accessible()
	p.signIn(token("ada"))
	p.in("Channel feed").fill("textbox", "Message", "Thank you")
	p.press("\r")
	p.wantText("log", "Messages", "It is done", "Thank you", "ada")
	p.in("Notifications").click("button", "Send notification")
	p.wantText("list", "Arrived notifications", "Backup")
	p.accessible()
}
