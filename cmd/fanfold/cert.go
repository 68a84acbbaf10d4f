package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// certCommand makes a certificate that stands for itself.
type certCommand struct {
	Host  []string `env:"-" placeholder:"NAME" help:"Another host name or address that it is for, besides localhost, 127.0.0.1 and ::1. Repeatable."`
	Cert  string   `env:"-" default:"ssl.cer" placeholder:"FILE" help:"Where to write the certificate. Default: ${default}."`
	Key   string   `env:"-" default:"ssl.key" placeholder:"FILE" help:"Where to write the key. Default: ${default}."`
	Force bool     `env:"-" help:"Replace files that are there."`
}

// certAge is the longest for which browsers take a certificate: 398 days, less
// one for clocks that differ.
const certAge = 397 * 24 * time.Hour

// Validate is called by the parser.
func (c *certCommand) Validate() error {
	for _, host := range c.Host {
		if net.ParseIP(host) == nil && (host == "" || strings.ContainsAny(host, "/:@ ") || !isASCII(host)) {
			return fmt.Errorf("--host %s: give a name like hub.example.test or an address, without https:// and without a port", host)
		}
	}
	if filepath.Clean(c.Cert) == filepath.Clean(c.Key) {
		return errors.New("--cert and --key: give two files")
	}
	return nil
}

func isASCII(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool { return r > 0x7f }) < 0
}

// Run writes the two files and says what to do with them.
func (c *certCommand) Run() error { return c.run(os.Stdout, time.Now()) }

func (c *certCommand) run(out io.Writer, now time.Time) error {
	template := c.template(now)
	certificate, key, err := selfSign(template)
	if err != nil {
		return err
	}
	if err := c.write(certificate, key); err != nil {
		return err
	}
	fmt.Fprintf(out, `Wrote %[1]s and %[2]s, for %[3]s, good until %[4]s.

  fanfold --tls-cert %[1]s --tls-key %[2]s
  curl --cacert %[1]s -d "Hello" https://localhost:1234/news

No authority stands behind this certificate: a browser warns of it once, or takes it
as any other when %[1]s is imported as trusted. It is for development. On the internet,
--acme-domain gets one that all clients trust.
`, c.Cert, c.Key, strings.Join(names(template), ", "), template.NotAfter.Format(time.DateOnly))
	return nil
}

// template is what the certificate says. It is no authority's: whoever comes by
// its key can pretend to be these hosts and no others.
func (c *certCommand) template(now time.Time) *x509.Certificate {
	t := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "localhost", Organization: []string{"Fanfold development"}},
		NotBefore:             now.Add(-time.Hour), // for clocks that are slow
		NotAfter:              now.Add(certAge),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		DNSNames:              []string{"localhost"},
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	for _, host := range c.Host {
		if ip := net.ParseIP(host); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, host)
		}
	}
	return t
}

func names(t *x509.Certificate) []string {
	list := append([]string(nil), t.DNSNames...)
	for _, ip := range t.IPAddresses {
		list = append(list, ip.String())
	}
	return list
}

// selfSign returns the certificate and its new key (ECDSA, P-256) as PEM.
func selfSign(template *x509.Certificate) (certificate, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make a key: %w", err)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return nil, nil, fmt.Errorf("make a certificate: %w", err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, nil, fmt.Errorf("encode the key: %w", err)
	}
	certificate = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return certificate, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), nil
}

// write writes both files, readable by their owner alone, or none if one is
// there already and may not be replaced.
func (c *certCommand) write(certificate, key []byte) error {
	for _, path := range []string{c.Cert, c.Key} {
		_, err := os.Lstat(path)
		if err == nil && !c.Force {
			return fmt.Errorf("%s is there already: say --force to replace it, or --cert and --key to write elsewhere", path)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return errors.Join(replaceFile(c.Key, key), replaceFile(c.Cert, certificate))
}

// replaceFile writes a file in one step, so that nobody reads half of it.
func replaceFile(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // with mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
