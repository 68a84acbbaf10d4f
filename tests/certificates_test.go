package tests

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

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
