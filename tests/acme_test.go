package tests

import (
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// domain is what the authority is asked to certify. It is in no public DNS.
const domain = "hub.example.test"

// authority is a running ACME authority, Let's Encrypt's own for tests, which
// checks who it certifies over the ports that it was given.
type authority struct {
	directory string
	roots     string // the certificate of its own HTTPS, a file
	manage    string // its other URL
	run       *process
}

// pebble builds the authority once, and returns its path.
var pebble = sync.OnceValues(func() (string, error) {
	path := filepath.Join(programDir, "pebble")
	build := exec.Command("go", "build", "-o", path, "github.com/letsencrypt/pebble/v2/cmd/pebble")
	build.Dir = root()
	out, err := build.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build the authority: %w\n%s", err, out)
	}
	return path, nil
})

// startAuthority runs an authority that finds every domain at 127.0.0.1, and
// there at the ports.
func startAuthority(t *testing.T, tlsPort, httpPort int) authority {
	t.Helper()
	path, err := pebble()
	if err != nil {
		t.Fatal(err)
	}
	dir, own := t.TempDir(), makePair(t)
	addr, manage := fmt.Sprintf("127.0.0.1:%d", freePort(t)), fmt.Sprintf("127.0.0.1:%d", freePort(t))
	config, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": addr, "managementListenAddress": manage,
		"certificate": own.cert, "privateKey": own.key,
		"tlsPort": tlsPort, "httpPort": httpPort,
		"retryAfter": map[string]int{"authz": 1, "order": 1},
		"profiles":   map[string]any{"default": map[string]any{"description": "for tests", "validityPeriod": 7776000}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "pebble.json")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		t.Fatal(err)
	}
	run := startServer(t, path, addr, launch{
		dir: dir, args: []string{"-config", file, "-strict", "-dnsserver", startDNS(t)}, env: []string{"PEBBLE_VA_NOSLEEP=1"},
	})
	return authority{"https://" + addr + "/dir", own.cert, "https://" + manage, run}
}

// root is the certificate that the authority signs with, in the end.
func (a authority) root(t *testing.T) *x509.CertPool {
	t.Helper()
	res, err := trusting(t, pair{cert: a.roots}, nil).client.Get(a.manage + "/roots/0")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	pool := x509.NewCertPool()
	if err != nil || !pool.AppendCertsFromPEM(text) {
		t.Fatalf("the authority's root is %q, %v", text, err)
	}
	return pool
}

// startDNS answers every question for an IPv4 address with 127.0.0.1, over TCP
// as the authority asks, until the test's end. It returns its address.
func startDNS(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var server sync.WaitGroup
	server.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			server.Go(func() { defer conn.Close(); serveDNS(conn) })
		}
	})
	t.Cleanup(func() { listener.Close(); server.Wait() })
	return listener.Addr().String()
}

// serveDNS answers one client's questions, each of which has its length before
// it (RFC 1035 §4.2.2).
func serveDNS(conn net.Conn) {
	_ = conn.SetDeadline(time.Now().Add(patience))
	for {
		var length uint16
		if binary.Read(conn, binary.BigEndian, &length) != nil {
			return
		}
		query := make([]byte, length)
		if _, err := io.ReadFull(conn, query); err != nil {
			return
		}
		reply := answerDNS(query)
		_, _ = conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...))
	}
}

// answerDNS is the answer to a question (RFC 1035 §4).
func answerDNS(query []byte) []byte {
	const header = 12
	end := header
	for end < len(query) && query[end] != 0 {
		end += 1 + int(query[end])
	}
	end += 5 // the root, type and class
	if end > len(query) {
		return nil
	}
	reply := slices.Concat(query[:2], []byte{0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, query[header:end])
	if query[end-3] == 1 { // type A
		reply[7] = 1 // one answer: the name above, A, IN, no time to live, four bytes
		reply = append(reply, 0xc0, header, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 127, 0, 0, 1)
	}
	return reply
}

// certified runs a hub with certificates from the authority.
func certified(t *testing.T, a authority, port int, args ...string) *hub {
	t.Helper()
	h := &hub{t: t, way: plain, launch: launch{
		args: append([]string{"--acme-domain", domain, "--acme-email", "ops@example.com", "--acme-directory", a.directory}, args...),
		env:  []string{"SSL_CERT_FILE=" + a.roots},
	}}
	h.startAt(port)
	t.Cleanup(func() {
		if h.running() {
			h.stop()
		}
	})
	return h
}

// startAt starts a hub that prints its domain rather than its address.
func (h *hub) startAt(port int) {
	h.t.Helper()
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	h.start(addr)
	h.addr = addr
}

// wantCertified waits for the hub's certificate and fails the test if clients
// that trust the authority can't use it.
func wantCertified(t *testing.T, a authority, h *hub) {
	t.Helper()
	eventually(t, "the certificate", func() bool { return strings.Contains(h.stderr.String(), "certificate loaded") })
	leaf := shown(t, h.addr, domain)
	if err := leaf.VerifyHostname(domain); err != nil {
		t.Error(err)
	}
	h.way = trustingRoots(t, a.root(t), to(h.addr))
	all := h.subscribers("news")
	h.publish("news", "certified")
	for _, s := range all {
		s.next(h, "certified")
	}
	if nameless := shown(t, h.addr, ""); !nameless.Equal(leaf) {
		t.Error("a client that names no host is shown another certificate")
	}
	health := startProgram(t, launch{args: []string{"health", "--url", "https://" + h.addr}})
	if health.wait(); health.exitCode() != 0 {
		t.Errorf("fanfold health: %s", health.stderr.String())
	}
}

// A certificate comes from the authority over the hub's own port, and is kept
// for the next start.
func TestACME(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	a := startAuthority(t, port, freePort(t))
	data := t.TempDir()
	h := certified(t, a, port, "--data", data)
	wantCertified(t, a, h)
	if !strings.HasPrefix(h.url, "https://"+domain) {
		t.Errorf("the hub says it runs at %s", h.url)
	}
	if conn, err := dialTLS(h.addr, "other.example.test"); err == nil {
		conn.Close()
		t.Error("there is a certificate for a name that was not given")
	}
	first := shown(t, h.addr, domain)
	h.stop()
	a.run.signal(os.Interrupt)
	a.run.wait()
	h.startAt(port)
	if again := shown(t, h.addr, domain); !again.Equal(first) {
		t.Error("the certificate is another after a restart")
	}
	if info, err := os.Stat(filepath.Join(data, "acme")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder of the certificates: %v, %v", info, err)
	}
}

// Where the authority can't reach the hub's own port it asks over HTTP.
func TestACMEOverHTTP(t *testing.T) {
	t.Parallel()
	port, httpPort := freePort(t), freePort(t)
	a := startAuthority(t, freePort(t), httpPort) // nothing listens at the first
	h := certified(t, a, port, "--memory", "--acme-cache", t.TempDir(), "--acme-http-listen", fmt.Sprintf("127.0.0.1:%d", httpPort))
	wantCertified(t, a, h)
	once := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, Transport: client.Transport}
	res, err := once.Get(fmt.Sprintf("http://127.0.0.1:%d/news", httpPort))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusFound || !strings.HasPrefix(res.Header.Get("Location"), "https://") {
		t.Errorf("a browser gets %d %s", res.StatusCode, res.Header.Get("Location"))
	}
}

// Why the authority does not certify the domain is told in its own words.
func TestACMERefusalIsExplained(t *testing.T) {
	t.Parallel()
	nobody := freePort(t)
	a := startAuthority(t, nobody, freePort(t))
	h := certified(t, a, freePort(t), "--data", t.TempDir())
	eventually(t, "the log says why", func() bool {
		return strings.Contains(h.stderr.String(), "no certificate") && strings.Contains(h.stderr.String(), fmt.Sprintf("127.0.0.1:%d", nobody))
	})
}

// An authority that can't be reached is told in the log, keeps nobody out of
// the start or the stop, and no handshake succeeds meanwhile.
func TestACMEWithoutAnAuthority(t *testing.T) {
	t.Parallel()
	a := authority{directory: fmt.Sprintf("https://127.0.0.1:%d/dir", freePort(t)), roots: makePair(t).cert}
	h := certified(t, a, freePort(t), "--data", t.TempDir())
	eventually(t, "the log says so", func() bool { return strings.Contains(h.stderr.String(), "no certificate: the authority must be able") })
	if conn, err := dialTLS(h.addr, domain); err == nil {
		conn.Close()
		t.Error("a handshake succeeded")
	}
}
