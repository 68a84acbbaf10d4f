package dialect

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"fanfold/api/access"
	"fanfold/hub"
	"fanfold/hub/stream"
)

// tokenDesk signs tokens, and verifies them as a hub does that has the key.
type tokenDesk struct {
	t    testing.TB
	key  *access.Key
	auth *access.Authenticator
}

func newTokenDesk(t testing.TB) *tokenDesk {
	t.Helper()
	d := &tokenDesk{t: t, key: secretKey(t, "0123456789abcdef0123456789abcdef")}
	verifier, err := access.NewVerifier(access.Config{Keys: []*access.Key{d.key}, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	d.auth = &access.Authenticator{Tokens: verifier, Revoked: &access.Revocations{}}
	return d
}

func secretKey(t testing.TB, secret string) *access.Key {
	t.Helper()
	keys, err := access.ParseKeys([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return keys[0]
}

func (d *tokenDesk) sign(c access.Claims) string {
	d.t.Helper()
	return signWith(d.t, d.key, c)
}

func signWith(t testing.TB, key *access.Key, c access.Claims) string {
	t.Helper()
	token, err := access.Sign(key, "", c)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// Connection implements [Tokens].
func (d *tokenDesk) Connection(ctx context.Context, token, _ string) (*hub.Principal, error) {
	return d.auth.Token(ctx, token)
}

// Subscription implements [Tokens].
func (d *tokenDesk) Subscription(ctx context.Context, token string, p *hub.Principal, client, channel string) (*hub.Principal, error) {
	s, err := d.auth.Subscription(ctx, token, p, client, channel)
	if err != nil {
		return nil, err
	}
	who := *s.Principal
	who.Info = s.Info
	return &who, nil
}

// centrifuge returns the protocol with the desk's tokens.
func (d *tokenDesk) centrifuge() *Centrifuge {
	return NewCentrifuge(CentrifugeConfig{Version: "1.2.3", Tokens: d, Now: time.Now})
}

// hub starts a hub that honours the desk's revocations.
func (d *tokenDesk) hub(c hub.Config) *hub.Hub {
	d.t.Helper()
	c.Refuses = func(p *hub.Principal) error { return d.auth.Revoked.Check(p) }
	if c.Engine == nil {
		c.Engine = newTestEngine(d.t, stream.Config{})
	}
	return startTestHub(d.t, c)
}

// dialCentrifugeAs is dialCentrifuge for a request whose credential was refused, if
// that is not nil.
func dialCentrifugeAs(t testing.TB, h *hub.Actor, d *Centrifuge, refused error) *centrifugeClient {
	t.Helper()
	c := &centrifugeClient{t: t, dialect: d, ctx: t.Context(), news: make(chan struct{}, 1)}
	peer, err := d.Connect(t.Context(), h, c, Request{Path: "/connection/websocket", Refused: refused})
	if err != nil {
		t.Fatal(err)
	}
	c.peer = peer
	t.Cleanup(peer.Session().Detach)
	return c
}

// connectWith connects with a token in the first frame, and returns the reply.
func (d *tokenDesk) connectWith(h *hub.Hub, c *Centrifuge, token string) (*centrifugeClient, string) {
	d.t.Helper()
	client := dialCentrifugeAs(d.t, h.As(nil), c, nil)
	client.say(fmt.Sprintf(`{"id":1,"connect":{"token":%q}}`, token))
	return client, client.next()
}

// cast are the tokens that the dialogues name.
func (d *tokenDesk) cast() map[string]string {
	now := time.Now()
	in := func(s time.Duration) time.Time { return now.Add(s * time.Second) }
	grant := hub.Grant{Subscribe: []string{"open.>"}, Publish: []string{"open.chat"}, Presence: []string{"open.chat", "open.desk"}, History: []string{"open.log"}}
	ann := access.Claims{Subject: "ann", Info: []byte(`{"name":"Ann"}`), Grant: grant}
	short, over, revoked, served, bob, blind := ann, ann, ann, ann, ann, ann
	short.Expires = in(1000)
	over.Expires = in(-1000)
	revoked.ID = "lost"
	served.Channels = []string{"served.a", "served.*"}
	bob.Subject, blind.Grant = "bob", hub.Grant{}
	outdated := access.Claims{Subject: "eve", IssuedAt: in(-1000)}
	soon := access.Claims{Subject: "ann", NotBefore: in(1000)}
	room := access.Claims{Subject: "ann", Channel: "room", Info: []byte(`{"seat":4}`)}
	desk := access.Claims{Subject: "ann", Channel: "open.desk", Info: []byte(`{"seat":4}`)}
	shortRoom, overRoom, bobsRoom, anothers := room, room, room, room
	shortRoom.Expires, overRoom.Expires = in(500), in(-1000)
	bobsRoom.Subject, anothers.Client = "bob", "b"
	other := secretKey(d.t, "another secret of thirty-two bytes")
	tokens := map[string]string{"forged": signWith(d.t, other, ann), "garbled": "a.b"}
	for name, c := range map[string]access.Claims{
		"ann": ann, "short": short, "over": over, "revoked": revoked, "outdated": outdated, "served": served,
		"bob": bob, "blind": blind, "soon": soon, "room": room, "desk": desk, "short room": shortRoom, "over room": overRoom,
		"bob's room": bobsRoom, "another's room": anothers,
	} {
		tokens[name] = d.sign(c)
	}
	return tokens
}

// TestCentrifugeTokenDialogues is as TestCentrifugeDialogues, with "$(name)" for
// one of the cast's tokens. "=" says what the next connection's request came with: nothing, a
// token, or "anonymous".
func TestCentrifugeTokenDialogues(t *testing.T) {
	const file = "centrifuge_tokens.txt"
	script, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	desk := newTokenDesk(t)
	h, d, cast := desk.hub(hub.Config{}), desk.centrifuge(), desk.cast()
	for _, r := range []access.Revocation{{TokenID: "lost"}, {User: "eve", Before: time.Now().Add(-time.Minute)}} {
		if err := desk.auth.Revoked.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	for _, channel := range []string{"served.a", "room", "open.log"} {
		publishTest(t, h.As(&hub.Principal{Grant: hub.Everything()}), channel, `"kept"`)
	}
	var heard strings.Builder
	var c *centrifugeClient
	for line := range strings.Lines(string(script)) {
		text := strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "> "):
			heard.WriteString(line)
			c.say(fillIn(t, strings.ReplaceAll(text[2:], "⏎", "\n"), cast))
			c.hear(&heard)
		case strings.HasPrefix(line, "< "):
		default:
			heard.WriteString(line)
			var who *hub.Principal
			var refused error
			switch name, ok := strings.CutPrefix(text, "= "); {
			case !ok:
			case name == "anonymous":
				who = &hub.Principal{Grant: hub.Grant{Subscribe: []string{"open.>"}}}
			default:
				who, refused = desk.Connection(t.Context(), cast[name], "")
			}
			c = dialCentrifugeAs(t, h.As(who), d, refused)
		}
	}
	checkGolden(t, file, heard.String())
}

var castName = regexp.MustCompile(`\$\(([^)]*)\)`)

func fillIn(t testing.TB, text string, cast map[string]string) string {
	return castName.ReplaceAllStringFunc(text, func(name string) string {
		token, ok := cast[name[2:len(name)-1]]
		if !ok {
			t.Fatalf("there is no token %s", name)
		}
		return token
	})
}
