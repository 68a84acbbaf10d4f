package api_test

import (
	"bytes"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"fanfold/api"
	"fanfold/api/access"
	"fanfold/api/limit"
	"fanfold/hub"

	"github.com/gorilla/websocket"
	"github.com/mochi-mqtt/server/v2/packets"
)

// Devices show the tokens and keys that everybody shows, as their passwords.
func TestWhoMayConnectWithMQTT(t *testing.T) {
	c, key, log := guarded(t)
	addr, _ := serveMQTT(t, c)
	ann := token(t, access.Claims{Subject: "ann", Grant: hub.Grant{Publish: []string{"news"}, Subscribe: []string{"news"}}})
	old := token(t, access.Claims{Subject: "ann", Expires: time.Now().Add(-time.Hour)})
	for name, test := range map[string]struct {
		user, password string
		v3, v5         byte
	}{
		"token":          {"ann", ann, 0, 0},
		"token, no name": {"", ann, 0, 0},
		"key":            {"backend", key, 0, 0},
		"another's name": {"bob", ann, 4, 0x86},
		"nothing":        {"", "", 5, 0x87},
		"a name alone":   {"ann", "", 5, 0x87},
		"no token":       {"ann", "secret", 4, 0x86},
		"a bad token":    {"ann", ann + "x", 4, 0x86},
		"another key":    {"backend", access.NewKey(), 4, 0x86},
		"an old token":   {"ann", old, 4, 0x86},
		"no text":        {"ann", "\xff", 4, 0x86},
	} {
		for version, want := range map[byte]byte{4: test.v3, 5: test.v5} {
			d := ask(t, addr, connecting{version: version, id: "d", user: test.user, password: test.password})
			if d.connack.ReasonCode != want {
				t.Errorf("%s, version %d: %#x, want %#x", name, version, d.connack.ReasonCode, want)
			}
			if want != 0 && version == 5 && d.connack.Properties.ReasonString == "" {
				t.Errorf("%s: it is not said why", name)
			}
			if want != 0 {
				d.ended()
			}
		}
	}
	for _, secret := range []string{ann, old, key} {
		if strings.Contains(log.String(), secret) {
			t.Error("the log has a secret in it")
		}
	}
}

// What a device may do is what its token says; what it may not is refused in the words
// that its version has.
func TestGrantsOfDevices(t *testing.T) {
	c, _, log := guarded(t)
	addr, h := serveMQTT(t, c)
	ann := token(t, access.Claims{Subject: "ann", Grant: hub.Grant{Publish: []string{"mine.>"}, Subscribe: []string{"mine.>"}}})
	for _, version := range []byte{4, 5} {
		as := func(id string) connecting { return connecting{version: version, id: id, user: "ann", password: ann} }
		d := welcome(t, addr, as("d"))
		got := d.subscribe(filter("mine/#", 1), filter("mine/a", 1), filter("theirs", 1), filter("#", 0), filter("$share/g/mine/a", 0), filter("mine/#/x", 0))
		want := []byte{0x80, 1, 0x80, 0x80, 0x80, 0x80} // mine itself is not granted
		if version == 5 {
			want = []byte{0x87, 1, 0x87, 0x87, 0x9e, 0x8f}
		}
		if !bytes.Equal(got, want) {
			t.Errorf("version %d: granted are %#x, want %#x", version, got, want)
		}
		d.publish("mine/a", "x")
		d.gets("mine/a", "x")
		d.send(publication("theirs", "dropped", 0, 0))
		d.isQuiet()
		d.send(publication("theirs", "x", 1, 1))
		if version == 5 {
			if p := d.next(packets.Puback); p.ReasonCode != 0x87 || !strings.Contains(p.Properties.ReasonString, "publish") {
				t.Errorf("PUBACK has %#x, %q", p.ReasonCode, p.Properties.ReasonString)
			}
			d.send(publication("theirs", "x", 2, 1))
			if p := d.next(packets.Pubrec); p.ReasonCode != 0x87 {
				t.Errorf("PUBREC has %#x", p.ReasonCode)
			}
			d.send(retained(publication("theirs", "x", 1, 1)))
			if p := d.next(packets.Puback); p.ReasonCode != 0x87 {
				t.Errorf("PUBACK has %#x", p.ReasonCode)
			}
			d.bye()
		} else {
			d.ended()
		}
		c := as("w")
		c.will = &packets.ConnectParams{WillTopic: "theirs", WillPayload: []byte("x")}
		if d, want := ask(t, addr, c), map[byte]byte{4: 5, 5: 0x87}[version]; d.connack.ReasonCode != want {
			t.Errorf("version %d: a will that is not granted is answered by %#x", version, d.connack.ReasonCode)
		}
	}
	page, err := h.History(t.Context(), hub.Query{Channel: "theirs", Limit: 1})
	if err != nil || len(page.Messages) > 0 {
		t.Errorf("it was published, %v", err)
	}
	if text := log.String(); !strings.Contains(text, "denied") || strings.Contains(text, ann) {
		t.Error("the log does not say what was denied, or has a token in it")
	}
}

// A session is its user's: another one's client with the same identifier has its own.
func TestSessionsAreTheirUsersAlone(t *testing.T) {
	c, key, _ := guarded(t)
	addr, _ := serveMQTT(t, c)
	as := func(user string) connecting {
		return connecting{version: 5, id: "same", keep: true, user: user, password: token(t, access.Claims{Subject: user, Grant: hub.Grant{Subscribe: []string{">"}}})}
	}
	ann := welcome(t, addr, as("ann"))
	ann.subscribe(filter("a", 1))
	bob := welcome(t, addr, as("bob"))
	if bob.connack.SessionPresent {
		t.Error("bob has got the session of ann")
	}
	welcome(t, addr, connecting{user: "backend", password: key, id: "same"}).publish("a", "x")
	ann.gets("a", "x")
	ann.isQuiet()
	bob.isQuiet()
}

// Connections end with what was presented.
func TestDevicesEndWithTheirTokens(t *testing.T) {
	c, key, _ := guarded(t)
	server, h := serve(t, c)
	addr := openDoor(t, h)
	short := welcome(t, addr, connecting{version: 5, id: "short", user: "ann", password: token(t, access.Claims{Subject: "ann", Grant: hub.Grant{Publish: []string{">"}}, Expires: time.Now().Add(2 * time.Second)}),
		will: &packets.ConnectParams{WillTopic: "will", WillPayload: []byte("expired")}})
	if code := short.ended(); code != packets.ErrMaxConnectTime.Code {
		t.Errorf("an expired token ends with %#x", code)
	}
	waitFor(t, "the will", func() bool {
		page, err := h.History(t.Context(), hub.Query{Channel: "will", Limit: 1})
		return err == nil && len(page.Messages) == 1
	})
	d := welcome(t, addr, connecting{version: 5, id: "d", user: "bob", password: token(t, access.Claims{Subject: "bob", ID: "t1"})})
	if response, body := do(t, "POST", server.URL+"/api/revoke", `{"token_id":"t1"}`, "X-API-Key", key); response.StatusCode != 200 {
		t.Fatal(body)
	}
	if code := d.ended(); code != packets.ErrNotAuthorized.Code {
		t.Errorf("a revoked token ends with %#x", code)
	}
	d = welcome(t, addr, connecting{version: 5, id: "d", user: "eve", password: token(t, access.Claims{Subject: "eve"})})
	if response, body := do(t, "POST", server.URL+"/api/disconnect", `{"user":"eve"}`, "X-API-Key", key); response.StatusCode != 200 {
		t.Fatal(body)
	}
	if code := d.ended(); code != packets.ErrAdministrativeAction.Code {
		t.Errorf("an operator's order ends with %#x", code)
	}
}

// Devices are counted among the connections, of their address first and then of their
// user.
func TestLimitsOfDevices(t *testing.T) {
	c, _, _ := guarded(t)
	limits := limit.New(limit.Config{Connections: 10, ConnectionsPerUser: 2, FailuresPerIP: limit.Rate{PerSecond: 0.001, Burst: 2}}, nil)
	c.Limits, c.TrustedProxies = limits, []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	addr, _ := serveMQTT(t, c)
	ann := token(t, access.Claims{Subject: "ann"})
	for _, id := range []string{"1", "2"} {
		welcome(t, addr, connecting{version: 5, id: id, password: ann})
	}
	if d := ask(t, addr, connecting{version: 5, id: "3", password: ann}); d.connack.ReasonCode != packets.ErrConnectionRateExceeded.Code {
		t.Errorf("a connection too many is answered by %#x", d.connack.ReasonCode)
	} else {
		d.ended()
	}
	waitFor(t, "the places that are taken", func() bool { return limits.Stats().Connections == 2 })
	for range 8 {
		dialThing(t, addr, 5)
	}
	waitFor(t, "ten connections", func() bool { return limits.Stats().Connections == 10 })
	if _, err := dialThing(t, addr, 5).read(); err == nil {
		t.Error("one more is let in")
	}
}

func TestMetricsOfDevices(t *testing.T) {
	server, h := serve(t, api.Config{})
	addr := openDoor(t, h)
	d := welcome(t, addr, connecting{version: 5, id: "d", keep: true})
	d.send(retained(publication("a", "x", 1, 1)))
	d.next(packets.Puback)
	d.subscribe(filter("a/#/b", 1))
	scrape(t, server.URL).want(t, map[string]float64{
		"fanfold_mqtt_connections": 1, "fanfold_mqtt_sessions": 1, "fanfold_mqtt_retained_messages": 1, "fanfold_mqtt_refused_total": 1,
	})
}

// Over a WebSocket packets are a stream in binary messages, whatever their bounds.
func TestMQTTOverWebSocket(t *testing.T) {
	c, key, _ := guarded(t)
	server, h := serve(t, c)
	url := "ws" + strings.TrimPrefix(server.URL, "http") + "/mqtt"
	dialer := websocket.Dialer{Subprotocols: []string{"mqtt"}}
	conn, response, err := dialer.DialContext(t.Context(), url, http.Header{"Authorization": {"Bearer " + key}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if got := response.Header.Get("Sec-Websocket-Protocol"); got != "mqtt" {
		t.Errorf("the subprotocol is %q", got)
	}
	say := func(data ...byte) {
		t.Helper()
		if err := conn.WriteMessage(websocket.BinaryMessage, data); err != nil {
			t.Fatal(err)
		}
	}
	var in []byte
	wants := func(want ...byte) {
		t.Helper()
		for len(in) < len(want) {
			kind, data, err := conn.ReadMessage()
			if err != nil || kind != websocket.BinaryMessage {
				t.Fatalf("got a message of kind %d, %v", kind, err)
			}
			in = append(in, data...)
		}
		if !bytes.Equal(in[:len(want)], want) {
			t.Fatalf("got %x, want %x", in, want)
		}
		in = in[len(want):]
	}
	connect := []byte{0x10, 13, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 60, 0, 1, 'w'}
	for _, b := range connect {
		say(b)
	}
	wants(0x20, 2, 0, 0)
	say(0x82, 6, 0, 1, 0, 1, 'a', 1, 0xc0, 0) // two packets
	wants(0x90, 3, 0, 1, 1, 0xd0, 0)
	if _, err := h.Publish(t.Context(), &hub.Message{Channel: "a", Data: []byte(`"x"`)}, hub.PublishOptions{}); err != nil {
		t.Fatal(err)
	}
	wants(0x32, 6, 0, 1, 'a', 0, 1, 'x')
	if err := conn.WriteMessage(websocket.TextMessage, []byte{0xc0, 0}); err != nil {
		t.Fatal(err)
	}
	if e := closing(t, conn); e.Code != websocket.CloseUnsupportedData {
		t.Errorf("a text ends with %d", e.Code)
	}
	if response, _ := do(t, "GET", server.URL+"/mqtt", ""); response.StatusCode != 426 {
		t.Errorf("without a WebSocket: %d", response.StatusCode)
	}
	if _, response, err := dialer.DialContext(t.Context(), url, http.Header{"Origin": {"https://evil.example"}}); err == nil || response.StatusCode != 403 {
		t.Errorf("another site's page: %v", err)
	}
}
