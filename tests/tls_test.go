package tests

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fanfold/tests/need"

	"github.com/chromedp/chromedp"
	"github.com/gorilla/websocket"
)

// pair is a certificate and its key in files.
type pair struct{ cert, key string }

// makePair makes one with the program, in a folder of its own.
func makePair(t testing.TB, hosts ...string) pair {
	t.Helper()
	dir := t.TempDir()
	p := pair{filepath.Join(dir, "ssl.cer"), filepath.Join(dir, "ssl.key")}
	p.make(t, hosts...)
	return p
}

// make makes the pair anew, for other hosts too.
func (p pair) make(t testing.TB, hosts ...string) {
	t.Helper()
	args := []string{"cert", "--cert", p.cert, "--key", p.key, "--force"}
	for _, host := range hosts {
		args = append(args, "--host", host)
	}
	run := startProgram(t, launch{args: args})
	run.wait()
	if run.exitCode() != 0 {
		t.Fatalf("fanfold cert: exit code %d: %s", run.exitCode(), run.stderr.String())
	}
}

// pool holds the certificate, and no other.
func (p pair) pool(t testing.TB) *x509.CertPool {
	t.Helper()
	text, err := os.ReadFile(p.cert)
	pool := x509.NewCertPool()
	if err != nil || !pool.AppendCertsFromPEM(text) {
		t.Fatalf("read %s: %v", p.cert, err)
	}
	return pool
}

// dialFunc makes connections.
type dialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// to connects to the one address, whatever host is asked for.
func to(addr string) dialFunc {
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, addr)
	}
}

// trusting is the way to a hub or proxy with the certificate. If dial is not
// nil it makes the connections.
func trusting(t testing.TB, p pair, dial dialFunc) way {
	t.Helper()
	return trustingRoots(t, p.pool(t), dial)
}

func trustingRoots(t testing.TB, roots *x509.CertPool, dial dialFunc) way {
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, DialContext: dial, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	return way{
		&http.Client{Transport: transport},
		&websocket.Dialer{TLSClientConfig: &tls.Config{RootCAs: roots}, NetDialContext: dial},
	}
}

// startTLS runs a hub with the pair.
func startTLS(t testing.TB, p pair, args ...string) *hub {
	t.Helper()
	h := startHub(t, append(args, "--tls-cert", p.cert, "--tls-key", p.key)...)
	h.way = trusting(t, p, nil)
	return h
}

// Everything is served over TLS on one port: HTTP/2 to whoever can, WebSockets
// over HTTP/1.1.
func TestTLSServesEverything(t *testing.T) {
	t.Parallel()
	h := startTLS(t, makePair(t))
	if !strings.HasPrefix(h.url, "https://") {
		t.Fatalf("the hub says it runs at %s", h.url)
	}
	all := h.subscribers("news")
	h.publish("news", "Hello over TLS")
	for _, s := range all {
		s.next(h, "Hello over TLS")
	}
	echo := h.dial("/")
	echo.send("GROẞ")
	echo.wantText("gross")
	tooLong := make([]byte, 14+(8<<20)) // it is still being sent when the answer comes
	copy(tooLong, []byte{0x81, 0xff, 0, 0, 0, 0, 0, 0x80, 0, 0})
	if _, err := echo.conn.NetConn().Write(tooLong); err != nil {
		t.Errorf("the connection was cut off under the client: %v", err)
	}
	echo.wantClosed(1009)

	res, err := h.way.client.Get(h.url + "/ready")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.ProtoMajor != 2 || res.TLS.Version != tls.VersionTLS13 || res.Header.Get("Strict-Transport-Security") != "" {
		t.Errorf("%s, TLS %x, HSTS %q; want HTTP/2, TLS 1.3 and none", res.Proto, res.TLS.Version, res.Header.Get("Strict-Transport-Security"))
	}
	if res := h.do("GET", "/connection/websocket", ""); res.status != http.StatusUpgradeRequired {
		t.Errorf("a WebSocket's path over HTTP/2: status %d", res.status)
	}
	if old, err := tls.Dial("tcp", h.addr, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11}); err == nil {
		old.Close()
		t.Error("TLS 1.1 is spoken")
	}
}

// Who says http to the port of https is told so.
func TestPlainHTTPToATLSPort(t *testing.T) {
	t.Parallel()
	h := startTLS(t, makePair(t))
	res, err := client.Get("http://" + h.addr + "/news/json")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusBadRequest || !strings.Contains(string(body), "HTTPS") {
		t.Errorf("%d %q, %v", res.StatusCode, body, err)
	}
}

// The curl line that is printed works as it is, and so does the page in a
// browser.
func TestTLSForANewcomer(t *testing.T) {
	t.Parallel()
	need.Program(t, "curl")
	h := startTLS(t, makePair(t))
	line := regexp.MustCompile(`(?m)^\s*(curl .*)$`).FindStringSubmatch(h.stdout.String())
	if line == nil {
		t.Fatalf("no curl line in %q", h.stdout.String())
	}
	if out, err := exec.Command("sh", "-c", line[1]).CombinedOutput(); err != nil {
		t.Errorf("%s: %v: %s", line[1], err, out)
	}
	for args, want := range map[string]int{
		"--url=" + h.url: 0,
		"--url=" + strings.Replace(h.url, "127.0.0.1", "localhost", 1):             0,
		"--url=" + h.url + " --ca=" + h.args[slices.Index(h.args, "--tls-cert")+1]: 0,
		"--url=" + h.url + " --ca=" + makePair(t).cert:                             1,
		"--url=http://" + h.addr:                                                   1,
	} {
		p := startProgram(t, launch{args: append([]string{"health"}, strings.Fields(args)...)})
		if p.wait(); p.exitCode() != want {
			t.Errorf("fanfold health %s: exit code %d, want %d: %s", args, p.exitCode(), want, p.stderr.String())
		}
	}
}

// The page's WebSocket goes over TLS in a browser that has an HTTP/2 connection
// to the same port.
func TestTLSInABrowser(t *testing.T) {
	t.Parallel()
	b := startBrowser(t, chromedp.Flag("ignore-certificate-errors", true))
	h := startTLS(t, makePair(t))
	p := b.open(h.url + "/news")
	eventually(t, "the page's subscription", func() bool { return h.sessions("news") > 0 })
	h.publish("news", "Hello, browser")
	p.wantText("log", "Messages", "Hello, browser")
	if protocol := p.evaluate("performance.getEntriesByType('navigation')[0].nextHopProtocol"); protocol != "h2" {
		t.Errorf("the page came over %s", protocol)
	}
}

// A stream over HTTP/2 that has nothing to say lives on when the time limit of
// its last write is over.
func TestAnIdleHTTP2StreamLives(t *testing.T) {
	t.Parallel()
	h := startTLS(t, makePair(t))
	lines := h.opened(h.stream("/news/sse"))
	const writeTimeout = 10 * time.Second // the hub's
	deadline := time.NewTimer(writeTimeout + 2*time.Second)
	defer deadline.Stop()
	for running := true; running; {
		select {
		case _, open := <-lines: // what is left of the open event
			if !open {
				t.Fatal("the stream ended")
			}
		case <-deadline.C:
			running = false
		}
	}
	h.publish("news", "still there?")
	next := subscriber{"sse", convert(lines, sseDelivery)}
	next.next(h, "still there?")
}

func TestStopWithHTTP2Clients(t *testing.T) {
	t.Parallel()
	h := startTLS(t, makePair(t))
	all := h.subscribers("news")
	began := time.Now()
	h.stop()
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("the stop took %v", took)
	}
	for _, s := range all {
		if d, open := <-s.deliveries; open {
			t.Errorf("%s: got %q", s.name, d.text)
		}
	}
}

// Clients that begin a handshake and say no more do not keep others out, and
// are let go.
func TestHalfOpenHandshakes(t *testing.T) {
	t.Parallel()
	const clients = 10_000
	p := makePair(t)
	h := startHubAs(t, launch{plain: true, args: []string{"--memory", "--tls-cert", p.cert, "--tls-key", p.key}})
	h.way = trusting(t, p, nil)
	held := halfOpen(t, h.addr, clients)
	began := time.Now()
	for i := range 5 {
		fresh := h.as(t)
		fresh.way = trusting(t, p, nil)
		fresh.publish("news", fmt.Sprint(i))
		s := fresh.dial("/")
		s.send("NEXT")
		s.wantText("next")
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("five clients took %v beside %d half-open handshakes", took, clients)
	}
	for _, conn := range held { // the hub gives each 10 s
		if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, conn); err != nil && os.IsTimeout(err) {
			t.Fatal("a half-open handshake is still held")
		}
	}
}

// halfOpen opens connections and begins a handshake on each.
func halfOpen(t *testing.T, addr string, n int) []net.Conn {
	t.Helper()
	held := make([]net.Conn, n)
	t.Cleanup(func() {
		for _, conn := range held {
			if conn != nil {
				conn.Close()
			}
		}
	})
	var next atomic.Int64
	var workers sync.WaitGroup
	for range 16 {
		workers.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				conn, err := net.Dial("tcp", addr)
				if err == nil {
					held[i] = conn
					_, err = conn.Write([]byte{22, 3, 1, 2, 0, 1, 0, 1}) // of a ClientHello of 512 bytes
				}
				if err != nil {
					t.Errorf("connection %d: %v", i, err)
					return
				}
			}
		})
	}
	workers.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return held
}
