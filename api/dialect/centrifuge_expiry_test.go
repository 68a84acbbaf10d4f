package dialect

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"fanfold/api/access"
	"fanfold/hub"
)

// quietly runs a test in a bubble, on a hub without messages whose clients need
// not answer pings.
func quietly(t *testing.T, test func(t *testing.T, desk *tokenDesk, h *hub.Hub, d *Centrifuge)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		desk := newTokenDesk(t)
		d := NewCentrifuge(CentrifugeConfig{Tokens: desk, Now: time.Now, PingEvery: 1000 * time.Hour})
		test(t, desk, desk.hub(hub.Config{Engine: noEngine{}}), d)
	})
}

// nothingFor proves that nothing comes for a time.
func (c *centrifugeClient) nothingFor(d time.Duration) {
	c.t.Helper()
	<-time.After(d)
	synctest.Wait()
	if frame, ok := c.look(); ok {
		c.t.Fatalf("%s came within %s", frame, d)
	}
}

// in returns a time that far away.
func in(d time.Duration) time.Time { return time.Now().Add(d) }

func TestCentrifugeConnectionExpires(t *testing.T) {
	quietly(t, func(t *testing.T, desk *tokenDesk, h *hub.Hub, d *Centrifuge) {
		c, reply := desk.connectWith(h, d, desk.sign(access.Claims{Subject: "ann", Expires: in(time.Minute)}))
		if !strings.Contains(reply, `"expires":true,"ttl":60,`) {
			t.Errorf("connect is answered with %s", reply)
		}
		c.nothingFor(time.Minute + expiryGrace - time.Second)
		<-time.After(2 * time.Second)
		c.expect("close 3005 connection expired")
	})
}

func TestCentrifugeConnectionIsRefreshed(t *testing.T) {
	quietly(t, func(t *testing.T, desk *tokenDesk, h *hub.Hub, d *Centrifuge) {
		refresh := func(c *centrifugeClient, expires time.Time) {
			token := desk.sign(access.Claims{Subject: "ann", Expires: expires})
			c.say(fmt.Sprintf(`{"id":2,"refresh":{"token":%q}}`, token))
		}
		c, _ := desk.connectWith(h, d, desk.sign(access.Claims{Subject: "ann", Expires: in(time.Minute)}))
		c.nothingFor(80 * time.Second) // which is late, but not too late
		refresh(c, in(30*time.Second))
		if reply := c.next(); !strings.HasSuffix(reply, `"expires":true,"ttl":30}}`) {
			t.Errorf("refresh is answered with %s", reply)
		}
		c.nothingFor(54 * time.Second)
		refresh(c, time.Time{})
		if reply := c.next(); strings.Contains(reply, "expires") {
			t.Errorf("a refresh for ever is answered with %s", reply)
		}
		c.nothingFor(100 * time.Hour)
		refresh(c, in(-time.Second))
		if reply := c.next(); !strings.Contains(reply, `"code":109,`) || !strings.HasSuffix(reply, `"temporary":true}}`) {
			t.Errorf("a refresh with an expired token is answered with %s", reply)
		}
		c.nothingFor(time.Hour) // the token before counts
	})
}

func TestCentrifugeSubscriptionExpires(t *testing.T) {
	quietly(t, func(t *testing.T, desk *tokenDesk, h *hub.Hub, d *Centrifuge) {
		c, _ := desk.connectWith(h, d, desk.sign(access.Claims{Subject: "ann", Grant: hub.Grant{Subscribe: []string{"own"}}}))
		token := func() string {
			return desk.sign(access.Claims{Subject: "ann", Channel: "room", Expires: in(time.Minute)})
		}
		c.say(fmt.Sprintf(`{"id":2,"subscribe":{"channel":"room","token":%q}}`, token()) + "\n" + `{"id":3,"subscribe":{"channel":"own"}}`)
		if reply := c.next(); !strings.HasPrefix(reply, `{"id":2,"subscribe":{"expires":true,"ttl":60,`) {
			t.Fatalf("subscribe is answered with %s", reply)
		}
		c.next()
		c.nothingFor(80 * time.Second)
		c.say(fmt.Sprintf(`{"id":4,"sub_refresh":{"channel":"room","token":%q}}`, token()))
		c.expect(`{"id":4,"sub_refresh":{"expires":true,"ttl":60}}`)
		c.nothingFor(time.Minute + expiryGrace - time.Second)
		<-time.After(2 * time.Second)
		c.expect(`{"push":{"channel":"room","unsubscribe":{"code":2501,"reason":"subscription expired"}}}`)
		c.nothingFor(time.Hour)
		if session := c.peer.Session(); session.Subscribed("room") || !session.Subscribed("own") {
			t.Error("another subscription has expired than that with the token")
		}
	})
}

// A new token counts at once, also where it allows less.
func TestCentrifugeRefreshWithFewerGrants(t *testing.T) {
	quietly(t, func(t *testing.T, desk *tokenDesk, h *hub.Hub, d *Centrifuge) {
		ann := access.Claims{Subject: "ann", Grant: hub.Grant{Subscribe: []string{"a", "b"}}}
		c, _ := desk.connectWith(h, d, desk.sign(ann))
		room := desk.sign(access.Claims{Subject: "ann", Channel: "room"})
		c.say(`{"id":2,"subscribe":{"channel":"a"}}` + "\n" + `{"id":3,"subscribe":{"channel":"b"}}` + "\n" +
			fmt.Sprintf(`{"id":4,"subscribe":{"channel":"room","token":%q}}`, room))
		for range 3 {
			c.next()
		}
		ann.Grant.Subscribe = []string{"b"}
		c.say(fmt.Sprintf(`{"id":5,"refresh":{"token":%q}}`, desk.sign(ann)))
		synctest.Wait()
		got := []string{c.next(), c.next()}
		if lost := `{"push":{"channel":"a","unsubscribe":{"code":2000,"reason":"no subscribe grant covers it any more"}}}`; got[0] != lost && got[1] != lost {
			t.Errorf("got %q", got)
		}
		if s := c.peer.Session(); s.Subscribed("a") || !s.Subscribed("b") || !s.Subscribed("room") {
			t.Error("not just what nothing covers any more has ended")
		}
	})
}

func TestCentrifugeRevokedTokens(t *testing.T) {
	quietly(t, func(t *testing.T, desk *tokenDesk, h *hub.Hub, d *Centrifuge) {
		lost, _ := desk.connectWith(h, d, desk.sign(access.Claims{Subject: "ann", ID: "lost"}))
		old, _ := desk.connectWith(h, d, desk.sign(access.Claims{Subject: "bob", IssuedAt: in(-time.Hour)}))
		room, _ := desk.connectWith(h, d, desk.sign(access.Claims{Subject: "carl"}))
		for channel, c := range map[string]access.Claims{
			"one": {ID: "lost room"}, "two": {ID: "kept room"},
		} {
			c.Subject, c.Channel = "carl", channel
			room.say(fmt.Sprintf(`{"id":2,"subscribe":{"channel":%q,"token":%q}}`, channel, desk.sign(c)))
			room.next()
		}
		for _, r := range []access.Revocation{{TokenID: "lost"}, {User: "bob", Before: time.Now()}, {TokenID: "lost room"}} {
			if err := desk.auth.Revoked.Add(r); err != nil {
				t.Fatal(err)
			}
		}
		h.Recheck()
		lost.expect("close 3500 invalid token: it was revoked")
		old.expect("close 3005 connection expired") // for a new token
		room.expect(`{"push":{"channel":"one","unsubscribe":{"code":2000,"reason":"the subscription's token was revoked"}}}`)
		room.nothingFor(time.Hour)
	})
}

func TestCentrifugeTellsHowLongATokenLasts(t *testing.T) {
	now := time.Unix(1000, 0)
	d := NewCentrifuge(CentrifugeConfig{Now: func() time.Time { return now }})
	for left, want := range map[time.Duration]string{
		time.Millisecond: `{"expires":true,"ttl":1`,
		time.Second:      `{"expires":true,"ttl":1`,
		time.Second + 1:  `{"expires":true,"ttl":2`,
		time.Hour:        `{"expires":true,"ttl":3600`,
		0:                `{"expires":true,"ttl":1`, // not 0, which would be: at once, again and again
		-time.Hour:       `{"expires":true,"ttl":1`,
	} {
		if got := string(d.appendTTL([]byte{'{'}, now.Add(left))); got != want {
			t.Errorf("%v: %s, want %s", left, got, want)
		}
	}
	if got := string(d.appendTTL([]byte{'{'}, time.Time{})); got != "{" {
		t.Errorf("never: %s", got)
	}
}

// A refusal says in the log whose it was, once.
func TestCentrifugeTokenOfAnotherUserIsLogged(t *testing.T) {
	desk := newTokenDesk(t)
	var log strings.Builder
	d := NewCentrifuge(CentrifugeConfig{Tokens: desk, Now: time.Now, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	c, _ := desk.connectWith(desk.hub(hub.Config{Engine: noEngine{}}), d, desk.sign(access.Claims{Subject: "ann"}))
	token := desk.sign(access.Claims{Subject: "eve"})
	c.say(fmt.Sprintf(`{"id":2,"refresh":{"token":%q}}`, token))
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "user=ann") || !strings.Contains(got, `\"eve\"`) || strings.Contains(got, token) {
		t.Errorf("logged: %s", got)
	}
}
