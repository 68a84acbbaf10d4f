package hub_test

import (
	"testing"
	"testing/synctest"
	"time"

	"fanfold/hub"
)

// wordless is a codec that can't tell of a subscription that others made.
type wordless struct{ words }

func (w wordless) Encode(e hub.Event) []byte {
	if e.Kind == hub.KindSubscribed {
		return nil
	}
	return w.words.Encode(e)
}

// enlist subscribes the sessions of a user to a channel.
func enlist(t testing.TB, h *openHub, user, key string, want int) {
	t.Helper()
	e := hub.Enlistment{Target: hub.Target{User: user}, Key: key, Info: []byte(`"made"`), Data: []byte(`"hello"`)}
	if n, err := h.Subscribe(t.Context(), e); n != want || err != nil {
		t.Fatalf("%d sessions of %s are subscribed, want %d (%v)", n, user, want, err)
	}
}

func TestAServerSubscribesOthers(t *testing.T) {
	h := newHub(t, hub.Config{})
	nobody := h.as(&hub.Principal{User: "ann"}) // who may do nothing by herself
	one, two := connect(t, nobody, hub.SessionConfig{}), connect(t, nobody, hub.SessionConfig{})
	early := connect(t, nobody, hub.SessionConfig{Unannounced: true})
	deaf := connect(t, nobody, hub.SessionConfig{Codec: wordless{}})
	bob := connectAs(t, h, "bob", hub.SessionConfig{})
	publish(t, h, "c", "before")

	enlist(t, h, "ann", "c", 2)
	publish(t, h, "c", "after")
	for _, c := range []*client{one, two} {
		same(t, "ann", c.wait(t, 2), `subscribed c 1 "hello"`, "c:after")
	}
	if here, err := h.Presence(t.Context(), "c"); err != nil || len(here) != 2 || string(here[0].ChannelInfo) != `"made"` {
		t.Errorf("presence: %+v, %v", here, err)
	}
	early.Greeted()
	enlist(t, h, "ann", "c", 3) // two of them again
	same(t, "early", early.wait(t, 1), `subscribed c 2 "hello"`)

	one.Renew(&hub.Principal{User: "ann", IssuedAt: time.Unix(1, 0)}) // with a token that allows no more
	publish(t, h, "c", "later")
	same(t, "ann, with a new token", one.wait(t, 3)[2:], "c:later")
	if n, err := h.Unsubscribe(hub.Target{User: "ann"}, "c", hub.Reason{Code: 2000}); n != 3 || err != nil {
		t.Errorf("%d are unsubscribed (%v)", n, err)
	}
	same(t, "ann", one.wait(t, 4)[3:], "unsubscribed c 2000")
	if len(deaf.frames()) > 0 || deaf.Subscribed("c") || len(bob.frames()) > 0 {
		t.Errorf("a client that can't be told got %q, bob %q", deaf.frames(), bob.frames())
	}
}

func TestOnlyWhoMaySubscribesOthers(t *testing.T) {
	h := newHub(t, hub.Config{})
	ann := connectAs(t, h, "ann", hub.SessionConfig{})
	for name, grant := range map[string]hub.Grant{
		"no admin":   {Subscribe: []string{">"}},
		"no channel": {Subscribe: []string{"other"}, Admin: true},
	} {
		_, err := h.as(&hub.Principal{Grant: grant}).Subscribe(t.Context(), hub.Enlistment{Target: hub.Target{User: "ann"}, Key: "c"})
		if hub.ErrorOf(err).Code != hub.CodeDenied {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := h.Subscribe(t.Context(), hub.Enlistment{Target: hub.Target{User: "ann"}, Key: "a b"}); hub.ErrorOf(err).Code != hub.CodeBadRequest {
		t.Errorf("a bad name: %v", err)
	}
	if _, err := h.as(&hub.Principal{}).Extend(hub.Target{User: "ann"}, time.Time{}); hub.ErrorOf(err).Code != hub.CodeDenied {
		t.Errorf("extend without admin: %v", err)
	}
	if ann.Subscribed("c") || ann.Ended() {
		t.Error("what was refused is done")
	}
}

// What a server has subscribed somebody to outlives the token of that time, but
// not the connection.
func TestAnEnlistmentLastsAsLongAsTheSession(t *testing.T) {
	revoked := map[string]bool{}
	h := newHub(t, hub.Config{Refuses: func(p *hub.Principal) error {
		if revoked[p.TokenID] {
			return hub.Errorf(hub.CodeUnauthenticated, "revoked")
		}
		return nil
	}})
	ann := connect(t, h.as(&hub.Principal{User: "ann", TokenID: "first"}), hub.SessionConfig{})
	enlist(t, h, "ann", "c", 1)
	ann.Renew(&hub.Principal{User: "ann", TokenID: "second"})
	revoked["first"] = true
	h.Recheck()
	if !ann.Subscribed("c") || ann.Ended() {
		t.Error("the first token still counts after it was replaced")
	}
	revoked["second"] = true
	h.Recheck()
	if r := ann.waitClosed(t); r.Cause != hub.CauseRevoked {
		t.Errorf("closed for %+v", r)
	}
}

func TestExtend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := loopbackHub(t, hub.Config{})
		as := func(user string) *client {
			return connect(t, h.as(&hub.Principal{User: user, Expires: time.Now().Add(10 * time.Second)}), hub.SessionConfig{})
		}
		longer, forever, shorter, past := as("longer"), as("forever"), as("shorter"), as("past")
		nobody := connect(t, h.as(nil), hub.SessionConfig{})
		for _, row := range []struct {
			user    string
			expires time.Time
			want    int
		}{
			{"longer", time.Now().Add(20 * time.Second), 1},
			{"forever", time.Time{}, 1},
			{"shorter", time.Now().Add(5 * time.Second), 1},
			{"past", time.Now().Add(-time.Hour), 1},
			{"", time.Now().Add(time.Second), 0}, // there is nothing to extend
		} {
			if n, err := h.Extend(hub.Target{User: row.user}, row.expires); n != row.want || err != nil {
				t.Errorf("%s: %d sessions, want %d (%v)", row.user, n, row.want, err)
			}
		}
		ended := func(when string, want ...bool) {
			t.Helper()
			for i, c := range []*client{longer, forever, shorter, past, nobody} {
				closed := c.reason()
				if over := closed != nil; over != want[i] {
					t.Errorf("%s: %d is over: %v", when, i, over)
				}
				if closed != nil && closed.Cause != hub.CauseExpired {
					t.Errorf("%s: %d ended for %+v", when, i, closed)
				}
			}
		}
		ended("at once", false, false, false, true, false)
		advance(7 * time.Second)
		ended("after 7 s", false, false, true, true, false)
		advance(12 * time.Second)
		ended("after 19 s", false, false, true, true, false)
		advance(3 * time.Second)
		ended("after 22 s", true, false, true, true, false)
		end(t, h, longer, forever, shorter, past, nobody)
	})
}

// A token for one channel allows what goes with being in it, and takes nothing
// from what the connection may see.
func TestASubscriptionWithItsOwnPrincipal(t *testing.T) {
	h := newHub(t, hub.Config{})
	publish(t, h, "c", "1")
	ann := connect(t, h.as(&hub.Principal{User: "ann", Grant: hub.Grant{Presence: []string{"c"}}}), hub.SessionConfig{})
	token := &hub.Principal{User: "ann", Grant: hub.Grant{Subscribe: []string{"c"}}}
	sub, err := ann.Subscribe(t.Context(), hub.SubscribeOptions{Keys: []string{"c"}, JoinLeave: true, Principal: token})
	if err != nil {
		t.Fatal(err)
	}
	sub.Resume(hub.Position{})
	connectAs(t, h, "bob", hub.SessionConfig{}).follow(t, "c")
	same(t, "ann", ann.wait(t, 2), "join c ann", "join c bob")
	if _, err := ann.Actor().Recover(t.Context(), hub.Query{Channel: "c"}); hub.ErrorOf(err).Code != hub.CodeDenied {
		t.Errorf("the connection's own grant allows to recover: %v", err)
	}
	if page, err := sub.Actor().Recover(t.Context(), hub.Query{Channel: "c"}); err != nil || page.Top.Seq != 1 {
		t.Errorf("the subscription's grant: top %v, %v", page.Top, err)
	}
	plain := connectAs(t, h, "carl", hub.SessionConfig{}).subscribe(t, "c")
	if plain.Actor().Principal().User != "carl" {
		t.Errorf("a subscription without a principal of its own is %+v's", plain.Actor().Principal())
	}
	plain.Resume(hub.Position{})
}
