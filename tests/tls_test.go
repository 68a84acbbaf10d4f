package tests

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
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
	"syscall"
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
	echo.send(strings.Repeat("A", 1<<20)) // it is still being sent when the answer comes
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

// dialTLS connects without checking who answers. An empty name asks for none.
func dialTLS(addr, name string) (*tls.Conn, error) {
	dialer := tls.Dialer{NetDialer: &net.Dialer{Timeout: patience}, Config: &tls.Config{InsecureSkipVerify: true, ServerName: name}}
	if name == "" {
		dialer.Config.ServerName = "127.0.0.1" // an address is not sent as a name
	}
	conn, err := dialer.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	return conn.(*tls.Conn), nil
}

// shown is the certificate that a new connection is shown.
func shown(t testing.TB, addr, name string) *x509.Certificate {
	t.Helper()
	conn, err := dialTLS(addr, name)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0]
}

// A new pair is used for new connections; those that are there stay.
func TestANewCertificateIsTakenUp(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"found", "on SIGHUP"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			p := makePair(t)
			h := startTLS(t, p)
			all := h.subscribers("news")
			p.make(t, "new.example.test")
			if way == "on SIGHUP" {
				h.signal(syscall.SIGHUP)
			}
			eventually(t, "the new certificate", func() bool { return slices.Contains(shown(t, h.addr, "localhost").DNSNames, "new.example.test") })
			h.publish("news", "from an old connection")
			for _, s := range all {
				s.next(h, "from an old connection")
			}
			if n := strings.Count(h.stderr.String(), "certificate loaded"); n != 1 {
				t.Errorf("the log says %d times that a certificate was loaded", n)
			}
		})
	}
}

// A new pair that can't be used is told once, and the old one stays.
func TestABadNewCertificateIsNotTakenUp(t *testing.T) {
	t.Parallel()
	p := makePair(t)
	h := startTLS(t, p)
	other := makePair(t)
	before := shown(t, h.addr, "localhost")
	key, err := os.ReadFile(other.key)
	if err != nil {
		t.Fatal(err)
	}
	for i, bad := range []string{string(key), "", "not a key"} {
		if err := os.WriteFile(p.key, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		h.signal(syscall.SIGHUP)
		eventually(t, "the log says why not", func() bool { return strings.Count(h.stderr.String(), "can't be used") == i+1 })
	}
	if !shown(t, h.addr, "localhost").Equal(before) {
		t.Error("another certificate is shown")
	}
	if err := os.Remove(p.key); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the log says that the file is gone", func() bool { return strings.Contains(h.stderr.String(), "no such file") })
	h.publish("news", "as before")
	p.make(t)
	eventually(t, "the good certificate", func() bool { return !shown(t, h.addr, "localhost").Equal(before) })
	if n := strings.Count(h.stderr.String(), "can't be used"); n != 4 {
		t.Errorf("four bad pairs were told %d times", n)
	}
}

func TestTLSStartErrors(t *testing.T) {
	t.Parallel()
	p, other := makePair(t), makePair(t)
	none := filepath.Join(t.TempDir(), "none")
	for _, row := range []struct {
		args []string
		says []string
	}{
		{[]string{"--tls-cert", p.cert}, []string{"--tls-key"}},
		{[]string{"--tls-key", p.key}, []string{"--tls-cert"}},
		{[]string{"--tls-cert", none, "--tls-key", p.key}, []string{"--tls-cert", none, "fanfold cert"}},
		{[]string{"--tls-cert", p.cert, "--tls-key", none}, []string{"--tls-key", none, "fanfold cert"}},
		{[]string{"--tls-cert", p.key, "--tls-key", p.cert}, []string{p.key, "private key"}},
		{[]string{"--tls-cert", p.cert, "--tls-key", other.key}, []string{p.cert, other.key, "does not match"}},
		{[]string{"--tls-cert", p.cert, "--tls-key", p.key, "--acme-domain", "hub.example.test"}, []string{"--acme-domain", "one of them"}},
		{[]string{"--acme-email", "a@example.test"}, []string{"--acme-domain"}},
		{[]string{"--acme-domain", "hub.example.test"}, []string{"--acme-cache"}},
		{[]string{"--acme-domain", "localhost", "--acme-cache", none}, []string{"hub.example.com"}},
		{[]string{"--acme-domain", "10.0.0.1", "--acme-cache", none}, []string{"hub.example.com"}},
		{[]string{"--acme-domain", "hub.example.test", "--acme-cache", none, "--acme-directory", "ca.example.test"}, []string{"https://"}},
		{[]string{"--trusted-proxies", "nginx"}, []string{"--trusted-proxies", "10.0.0.0/8"}},
		{[]string{"--allow-host", "https://hub.example.test"}, []string{"hub.example.com"}},
	} {
		wantStartError(t, startProgram(t, launch{args: append([]string{"--listen", "127.0.0.1:0", "--memory"}, row.args...)}), row.says...)
	}
}

func TestCertCommand(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	run := func(args ...string) *process {
		p := startProgram(t, launch{dir: dir, args: append([]string{"cert"}, args...)})
		p.wait()
		return p
	}
	p := run("--host", "hub.example.test", "--host", "192.0.2.7")
	if p.exitCode() != 0 || !strings.Contains(p.stdout.String(), "fanfold --tls-cert ssl.cer --tls-key ssl.key") {
		t.Fatalf("exit code %d, %q", p.exitCode(), p.stdout.String())
	}
	for _, name := range []string{"ssl.cer", "ssl.key"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	first, err := os.ReadFile(filepath.Join(dir, "ssl.cer"))
	if err != nil {
		t.Fatal(err)
	}
	wantDevelopment(t, first)

	wantStartError(t, run(), "ssl.cer", "--force")
	if again, err := os.ReadFile(filepath.Join(dir, "ssl.cer")); err != nil || string(again) != string(first) {
		t.Errorf("the certificate was replaced, %v", err)
	}
	if err := os.Remove(filepath.Join(dir, "ssl.cer")); err != nil {
		t.Fatal(err)
	}
	wantStartError(t, run(), "ssl.key", "--force")
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("files are left: %v, %v", entries, err)
	}
	if p := run("--force"); p.exitCode() != 0 {
		t.Errorf("--force: exit code %d", p.exitCode())
	}
	wantStartError(t, run("--host", "https://hub.example.test"), "--host", "without https://")
}

// wantDevelopment fails the test if the certificate is not what a developer
// needs, or more than that.
func wantDevelopment(t *testing.T, text []byte) {
	t.Helper()
	block, _ := pem.Decode(text)
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	key, ok := c.PublicKey.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P256() || c.IsCA {
		t.Errorf("the key is %T; an authority: %v", c.PublicKey, c.IsCA)
	}
	if age := c.NotAfter.Sub(c.NotBefore); age > 398*24*time.Hour || age < 390*24*time.Hour {
		t.Errorf("it is good for %v", age)
	}
	for _, host := range []string{"localhost", "127.0.0.1", "::1", "hub.example.test", "192.0.2.7"} {
		if err := c.VerifyHostname(host); err != nil {
			t.Error(err)
		}
	}
}

// Clients that begin a handshake and say no more do not keep others out, and
// are let go.
func TestHalfOpenHandshakes(t *testing.T) {
	t.Parallel()
	clients := 10_000
	if raceEnabled() {
		clients = 4_000 // the race detector's program can have 8,128 goroutines
	}
	h := startTLS(t, makePair(t))
	held := halfOpen(t, h.addr, clients)
	began := time.Now()
	for i := range 5 {
		fresh := h.as(t)
		fresh.way = trusting(t, pair{cert: h.args[slices.Index(h.args, "--tls-cert")+1]}, nil)
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

// A page whose name was pointed at the hub gets nothing out of the program.
func TestDNSRebinding(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	for _, request := range []string{"GET /", "POST /news", "GET /news/sse", "GET /health", "POST /api/publish"} {
		conn, err := net.Dial("tcp", h.addr)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: evil.example\r\nOrigin: http://evil.example\r\nContent-Length: 0\r\n\r\n", request)
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		conn.Close()
		if err != nil || res.StatusCode != http.StatusMisdirectedRequest || !strings.Contains(string(body), "--allow-host evil.example ") {
			t.Errorf("%s: %d %q, %v", request, res.StatusCode, body, err)
		}
	}
	for _, path := range []string{"/", "/connection/websocket", "/news/ws"} {
		if status := h.dialRefused(path, "Host: evil.example", "Origin: http://evil.example"); status != http.StatusMisdirectedRequest {
			t.Errorf("WebSocket at %s: %d", path, status)
		}
	}
	if kept := h.history("news"); len(kept) != 0 {
		t.Errorf("messages were stored: %v", kept)
	}
	allowed := startHub(t, "--allow-host", "evil.example")
	allowed.dialRefused("/news", "Host: evil.example") // a 404, not a refusal of the host
}
