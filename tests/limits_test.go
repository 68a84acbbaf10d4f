package tests

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// behindProxy makes a hub believe what requests say of where they come from.
var behindProxy = []string{"--trusted-proxies", "127.0.0.1"}

// from is a request's header that says so.
func from(address string) string { return "X-Forwarded-For: " + address }

// peopledHub is a hub that knows users and one server.
type peopledHub struct {
	*hub
	key    string // the server's
	secret string // the file of the key of tokens
}

// startPeopled starts a hub that knows who comes, behind a proxy that says from where.
func startPeopled(t *testing.T, args ...string) *peopledHub {
	t.Helper()
	made := runProgram(t, "key", "new", "backend", "--publish", ">", "--admin")
	dir := t.TempDir()
	secret, config := filepath.Join(dir, "secret"), filepath.Join(dir, "fanfold.yaml")
	_, entry, _ := strings.Cut(made, "\nkeys:")
	for path, text := range map[string]string{secret: "a secret of the tests that is long enough", config: "keys:" + entry} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	args = append([]string{"--memory", "--config", config, "--token-key-file", secret}, append(behindProxy, args...)...)
	return &peopledHub{startHubAs(t, launch{args: args}), regexp.MustCompile(`ffk_\w+`).FindString(made), secret}
}

// user is the header of a request of one who may publish.
func (h *peopledHub) user(t *testing.T, name string) string {
	t.Helper()
	return bearer(strings.TrimSpace(runProgram(t, "token", "--token-key-file", h.secret, "--sub", name, "--publish", ">")))
}

// limited fails the test if an answer is no refusal by that limit, and returns when
// to come back.
func limited(t *testing.T, res answer, code int, limit string) time.Duration {
	t.Helper()
	wantNtfyError(t, res, code/100, code, limit+" is ")
	seconds, err := strconv.Atoi(res.header.Get("Retry-After"))
	if err != nil || seconds < 1 {
		t.Fatalf("Retry-After is %q", res.header.Get("Retry-After"))
	}
	return time.Duration(seconds) * time.Second
}

// exhausted posts until the answer is no longer 200, and returns that one.
func exhausted(h *hub, headers ...string) answer {
	h.t.Helper()
	for range 10_000 {
		if res := h.do("POST", "/news", "x", headers...); res.status != http.StatusOK {
			return res
		}
	}
	h.t.Fatal("10,000 messages were taken")
	return answer{}
}

// A flood of one user's is refused; another's messages from behind the same address
// pass meanwhile, and so do a server's and those of who shows nothing elsewhere.
func TestAFloodIsItsUsersAlone(t *testing.T) {
	t.Parallel()
	h := startPeopled(t, "--limit-publishes-per-user", "20/s,40")
	address, ann, bob := from("203.0.113.5"), h.user(t, "ann"), h.user(t, "bob")
	ctx, cancel := context.WithCancel(t.Context())
	var refused atomic.Int64
	var flood sync.WaitGroup
	defer flood.Wait()
	defer cancel()
	for range 4 {
		flood.Go(func() {
			for ctx.Err() == nil {
				res, err := h.try("POST", "/news", "flood", address, ann)
				switch {
				case err != nil:
					t.Error(err)
					return
				case res.status == http.StatusTooManyRequests:
					refused.Add(1)
				case res.status != http.StatusOK:
					t.Errorf("the flood is answered with %d %s", res.status, res.body)
					return
				}
			}
		})
	}
	eventually(t, "the flood is refused", func() bool { return refused.Load() > 100 })
	before := refused.Load()
	var slowest time.Duration
	for range 30 {
		began := time.Now()
		for _, who := range []string{bob, "X-API-Key: " + h.key} {
			if res := h.do("POST", "/news", "quiet", address, who); res.status != http.StatusOK {
				t.Fatalf("beside the flood: %d %s", res.status, res.body)
			}
		}
		slowest = max(slowest, time.Since(began))
	}
	eventually(t, "the flood goes on meanwhile", func() bool { return refused.Load() > before })
	if slowest > 5*time.Second {
		t.Errorf("beside the flood two messages took %v", slowest)
	}
	// The flood leaves a message free at times.
	limited(t, exhausted(h.hub, from("203.0.113.99"), ann), 42901, "limit-publishes-per-user")
}

// Who comes back when it is told to is served, and was not told too late.
func TestRetryAfterIsHonest(t *testing.T) {
	t.Parallel()
	h := startHub(t, append(behindProxy, "--limit-publishes-per-ip", "30/m,5")...)
	for _, address := range []string{"203.0.113.5", "2001:db8::7"} {
		wait := limited(t, exhausted(h, from(address)), 42901, "limit-publishes-per-ip")
		if wait > 2*time.Second {
			t.Errorf("a message is allowed every two seconds, but the next one after %v", wait)
		}
		<-time.After(wait)
		if res := h.do("POST", "/news", "in time", from(address)); res.status != http.StatusOK {
			t.Errorf("after %v: %d %s", wait, res.status, res.body)
		}
	}
}

// dialFrom opens a WebSocket, or returns the answer to who may not.
func dialFrom(h *hub, path string, headers ...string) (*websocket.Conn, answer) {
	h.t.Helper()
	conn, res, err := h.way.dialer.Dial("ws"+strings.TrimPrefix(h.url, "http")+path, headerOf(headers))
	if err == nil {
		h.t.Cleanup(func() { _ = conn.Close() })
		return conn, answer{}
	}
	if res == nil {
		h.t.Fatal(err)
	}
	body, _ := io.ReadAll(res.Body)
	return nil, answer{res.StatusCode, res.Header, string(body)}
}

// All of an IPv6 /64 is one client; another is another, and a place that is left
// is free again.
func TestConnectionsOfANetwork(t *testing.T) {
	t.Parallel()
	h := startHub(t, append(behindProxy, "--limit-connections-per-ip", "10")...)
	var first *websocket.Conn
	for i := range 10 {
		path := []string{"/", "/connection/websocket", "/news/ws"}[i%3]
		conn, res := dialFrom(h, path, from(fmt.Sprintf("2001:db8:0:7:%x::1", i+1)))
		if conn == nil {
			t.Fatalf("connection %d: %d %s", i, res.status, res.body)
		}
		if first == nil {
			first = conn
		}
	}
	for _, path := range []string{"/", "/connection/websocket", "/news/ws"} {
		_, res := dialFrom(h, path, from("2001:db8:0:7:ffff::2"))
		limited(t, res, 42903, "limit-connections-per-ip")
	}
	for _, path := range []string{"/news/json", "/news/sse", "/news/raw"} {
		limited(t, h.do("GET", path, "", from("2001:db8:0:7::3")), 42903, "limit-connections-per-ip")
	}
	for _, other := range []string{"2001:db8:0:8::1", "203.0.113.5"} {
		if conn, res := dialFrom(h, "/", from(other)); conn == nil {
			t.Errorf("%s: %d %s", other, res.status, res.body)
		}
	}
	_ = first.Close()
	eventually(t, "the place is free again", func() bool {
		conn, _ := dialFrom(h, "/", from("2001:db8:0:7::4"))
		return conn != nil
	})
}

// Who guesses keys is soon not heard any more. Those behind the same address who
// were there before notice nothing, nor do those elsewhere.
func TestGuessingIsSlowedDown(t *testing.T) {
	t.Parallel()
	h := startPeopled(t, "--limit-failures-per-ip", "1/s,10")
	address, ann := from("203.0.113.5"), h.user(t, "ann")
	publish := func(headers ...string) answer { return h.do("POST", "/news", "x", headers...) }
	if res := publish(address, ann); res.status != http.StatusOK {
		t.Fatalf("%d %s", res.status, res.body)
	}
	began := time.Now()
	heard, total := 0, 300
	for i := range total {
		guess := fmt.Sprintf("X-API-Key: ffk_%043d", i)
		if i%2 == 0 {
			guess = "Authorization: Bearer " + ann[len(ann)-40:]
		}
		if res := publish(address, guess); res.status == http.StatusUnauthorized {
			heard++
		} else {
			limited(t, res, 42909, "limit-failures-per-ip")
		}
		if i%10 == 0 {
			if res := publish(address, ann); res.status != http.StatusOK {
				t.Fatalf("a user beside the guesses: %d %s", res.status, res.body)
			}
		}
	}
	if most := 10 + int(time.Since(began)/time.Second) + 1; heard > most {
		t.Errorf("%d of %d guesses were heard, want %d at most", heard, total, most)
	}
	if res := publish(from("203.0.113.6"), "X-API-Key: "+h.key); res.status != http.StatusOK {
		t.Errorf("a server elsewhere: %d %s", res.status, res.body)
	}
	wait := limited(t, publish(address, "X-API-Key: ffk_x"), 42909, "limit-failures-per-ip")
	<-time.After(wait)
	if res := publish(address, "Authorization: Bearer "+h.key); res.status != http.StatusOK {
		t.Errorf("after %v: %d %s", wait, res.status, res.body)
	}
}

// Out of the box a demonstration on one machine meets no limit, and a stranger does.
func TestLimitsOutOfTheBox(t *testing.T) {
	t.Parallel()
	h := startHub(t, behindProxy...)
	for range 700 {
		h.publish("news", "x")
	}
	for range 300 {
		h.dial("/")
	}
	stranger := from("203.0.113.5")
	limited(t, exhausted(h, stranger), 42901, "limit-publishes-per-ip")
	open := 0
	for range 300 {
		if conn, _ := dialFrom(h, "/", stranger); conn != nil {
			open++
		}
	}
	if open != 200 {
		t.Errorf("a stranger has %d connections", open)
	}
}

// A proxy that the hub was not told of must not make strangers those of the house.
func TestAnUnknownProxyIsNoLoopback(t *testing.T) {
	t.Parallel()
	h := startHub(t, "--limit-publishes-per-ip", "1/m,3")
	limited(t, exhausted(h, from("203.0.113.5")), 42901, "limit-publishes-per-ip")
	limited(t, h.do("POST", "/news", "x", from("203.0.113.6")), 42901, "limit-publishes-per-ip")
	h.publish("news", "of this machine itself")
}

// Who sends a header or a body byte by byte is let go when its time is over.
func TestSlowRequestsAreCutOff(t *testing.T) {
	t.Parallel()
	h := startHub(t, "--limit-header-time", "1s", "--limit-body-time", "1s")
	for name, beginning := range map[string]string{
		"header":              "POST /news HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
		"body":                "POST /news HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nx",
		"body of a JSON call": "POST /api/publish HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := h.as(t).rawDial()
			began := time.Now()
			if _, err := io.WriteString(conn, beginning); err != nil {
				t.Fatal(err)
			}
			if err := conn.SetReadDeadline(began.Add(patience)); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadAll(conn); os.IsTimeout(err) {
				t.Errorf("still connected after %v", patience)
			}
			if took := time.Since(began); took < 900*time.Millisecond {
				t.Errorf("cut off after %v", took)
			}
		})
	}
}

// Nothing is compressed, so that nothing has to be expanded: neither bodies nor
// WebSocket messages.
func TestNothingIsExpanded(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	for _, encoding := range []string{"gzip", "deflate", "br", "zstd"} {
		res := h.do("POST", "/news", "x", "Content-Encoding: "+encoding)
		wantNtfyError(t, res, http.StatusUnsupportedMediaType, 41501, encoding)
	}
	conn := h.rawDial()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n", h.addr)
	reader := bufio.NewReader(conn)
	res, err := http.ReadResponse(reader, nil)
	if err != nil || res.StatusCode != http.StatusSwitchingProtocols || res.Header.Get("Sec-WebSocket-Extensions") != "" {
		t.Fatalf("the upgrade: %v, %v", res, err)
	}
	// A text message of one byte, compressed (RFC 7692 §7.2.3.1), with a mask of zeros.
	if _, err := conn.Write([]byte{0xc1, 0x83, 0, 0, 0, 0, 0x4a, 0x04, 0x00}); err != nil {
		t.Fatal(err)
	}
	frame := make([]byte, 4)
	if _, err := io.ReadFull(reader, frame); err != nil || frame[0] != 0x88 || int(frame[2])<<8|int(frame[3]) != 1002 {
		t.Errorf("a compressed message is answered with % x, %v; want a close with 1002", frame, err)
	}
}

// A connection has no more channels than it may, by whichever protocol.
func TestChannelsOfAConnection(t *testing.T) {
	t.Parallel()
	h := startHub(t, "--limit-channels", "3")
	s := h.dial("/connection/websocket")
	s.send(`{"id":1,"connect":{}}`)
	for i := range 4 {
		s.send(fmt.Sprintf(`{"id":%d,"subscribe":{"channel":"c%d"}}`, i+2, i))
	}
	if code := errorOf(t, s, 4); code != 0 {
		t.Errorf("the third channel: error %d", code)
	}
	if code := errorOf(t, s, 5); code != 106 {
		t.Errorf("the fourth channel: error %d, want 106", code)
	}
	if res := h.do("GET", "/a,b,c,d/json", ""); res.status != http.StatusTooManyRequests || !strings.Contains(res.body, "at most 3 channels") {
		t.Errorf("a stream of four: %d %s", res.status, res.body)
	}
	if status := h.dialRefused("/?channel=a&channel=b&channel=c&channel=d"); status != http.StatusTooManyRequests {
		t.Errorf("an echo of four: %d", status)
	}
}
