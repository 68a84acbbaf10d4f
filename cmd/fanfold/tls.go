package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// tlsSettings say where a hub's certificates come from, if it has any.
type tlsSettings struct {
	TLSCert string `name:"tls-cert" placeholder:"FILE" help:"Serve https and wss with this certificate (PEM, then those of its issuers), read anew when it changes. \"fanfold cert\" makes one for development."`
	TLSKey  string `name:"tls-key" placeholder:"FILE" help:"The private key of --tls-cert (PEM)."`

	ACMEDomain     []string `name:"acme-domain" placeholder:"NAME" help:"Serve https and wss with a certificate for this name from an ACME authority, to whose terms you agree by this. Repeatable."`
	ACMEEmail      string   `name:"acme-email" placeholder:"ADDRESS" help:"Where the authority may write to."`
	ACMEDirectory  string   `name:"acme-directory" placeholder:"URL" help:"Another ACME authority than Let's Encrypt, such as a private one."`
	ACMECache      string   `name:"acme-cache" placeholder:"DIR" help:"Folder for those certificates. Default: acme in the --data folder."`
	ACMEHTTPListen string   `name:"acme-http-listen" placeholder:"ADDR" help:"Also answer the authority over HTTP here, like :80, and send browsers to https. Needed only if it can't reach the hub itself on port 443."`
}

// certificates are what a hub identifies itself by.
type certificates interface {
	// config returns the TLS configuration that uses them.
	config() *tls.Config
	// watch keeps them up to date until ctx ends.
	watch(ctx context.Context)
}

// validate says what does not go together.
func (s *tlsSettings) validate(memory bool) error {
	switch {
	case s.TLSCert == "" && s.TLSKey != "":
		return errors.New("--tls-key: say --tls-cert FILE too, the certificate of that key")
	case s.TLSCert != "" && s.TLSKey == "":
		return errors.New("--tls-cert: say --tls-key FILE too, the private key of that certificate")
	case s.TLSCert != "" && len(s.ACMEDomain) > 0:
		return errors.New("--tls-cert and --acme-domain: say one of them, a hub's certificates come from one place")
	}
	return s.validateACME(memory)
}

// open returns the certificates, or nil for a hub without TLS.
func (s *tlsSettings) open(ctx context.Context, data string, logger *slog.Logger) (certificates, error) {
	switch {
	case s.TLSCert != "":
		return openKeyPair(s.TLSCert, s.TLSKey, logger)
	case len(s.ACMEDomain) > 0:
		return s.openACME(ctx, data, logger)
	}
	return nil, nil
}

// watching runs the watch of certificates, if there are any, until the function
// that it returns is called, which waits for its end.
func watching(ctx context.Context, identity certificates) (stop func()) {
	if identity == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() { identity.watch(ctx) })
	return func() { cancel(); watch.Wait() }
}

// serveOn serves until the server is closed, over TLS if it is set up for that:
// then HTTP/2 for all but WebSockets, whose clients ask for HTTP/1.1.
func serveOn(server *http.Server, listener net.Listener) error {
	if server.TLSConfig == nil {
		return server.Serve(listener)
	}
	return server.ServeTLS(listener, "", "")
}

// checkEvery is how often the files of a pair are read again.
const checkEvery = 2 * time.Second

// keyPair is the certificate and key of two files, read anew when they change. A
// connection keeps the pair that it began with.
type keyPair struct {
	certFile, keyFile string // static
	logger            *slog.Logger
	current           atomic.Pointer[tls.Certificate]

	// owned by watch
	tried [sha256.Size]byte // what was last loaded, or could not be
	last  [sha256.Size]byte // what the last look saw
}

// openKeyPair loads the pair. Its errors name the flag and the file.
func openKeyPair(certFile, keyFile string, logger *slog.Logger) (*keyPair, error) {
	p := &keyPair{certFile: certFile, keyFile: keyFile, logger: logger}
	pair, sum, err := p.read()
	if err == nil {
		err = p.use(pair)
	}
	if err != nil {
		return nil, err
	}
	p.tried, p.last = sum, sum
	return p, nil
}

// read returns what the files hold, and its hash.
func (p *keyPair) read() (pair [2][]byte, sum [sha256.Size]byte, err error) {
	hash := sha256.New()
	for i, file := range []struct{ flag, name string }{{"--tls-cert", p.certFile}, {"--tls-key", p.keyFile}} {
		pair[i], err = os.ReadFile(file.name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return pair, sum, fmt.Errorf("%s %s: there is no such file: \"fanfold cert\" makes a pair for development", file.flag, file.name)
		case err != nil:
			return pair, sum, fmt.Errorf("%s: %w", file.flag, err)
		}
		fmt.Fprintf(hash, "%d:", len(pair[i]))
		hash.Write(pair[i])
	}
	return pair, [sha256.Size]byte(hash.Sum(nil)), nil
}

// use makes new connections use the pair, unless that can't be.
func (p *keyPair) use(pair [2][]byte) error {
	certificate, err := tls.X509KeyPair(pair[0], pair[1])
	if err != nil {
		return fmt.Errorf("--tls-cert %s and --tls-key %s are no pair: %w", p.certFile, p.keyFile, err)
	}
	p.current.Store(&certificate)
	now, leaf := time.Now(), certificate.Leaf
	if now.After(leaf.NotAfter) || now.Before(leaf.NotBefore) {
		p.logger.Warn("clients will refuse the certificate: its time is over or has not come", "file", p.certFile, "from", leaf.NotBefore, "until", leaf.NotAfter)
	}
	return nil
}

// config implements [certificates].
func (p *keyPair) config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return p.current.Load(), nil },
	}
}

// watch implements [certificates]: it looks at the files now and then, and at
// once on SIGHUP.
func (p *keyPair) watch(ctx context.Context) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			p.check(false)
		case <-hangups:
			p.check(true)
		case <-ctx.Done():
			return
		}
	}
}

// check loads the pair if it has changed since that was last tried. Unless asked
// to, it waits for two looks that see the same: the files may be in the middle of being
// written. What can't be used is logged once.
func (p *keyPair) check(asked bool) {
	pair, sum, err := p.read()
	if err != nil {
		sum = sha256.Sum256([]byte(err.Error()))
	}
	settled := sum == p.last || asked
	p.last = sum
	if sum == p.tried && !asked || !settled {
		return
	}
	p.tried = sum
	if err == nil {
		err = p.use(pair)
	}
	if err != nil {
		p.logger.Warn("the new certificate can't be used, the hub goes on with the old one", "error", err)
		return
	}
	leaf := p.current.Load().Leaf
	p.logger.Info("certificate loaded", "file", p.certFile, "subject", leaf.Subject, "until", leaf.NotAfter)
}

// selfSigned reports whether no authority stands behind a certificate, so that
// clients must be given it.
func selfSigned(leaf *x509.Certificate) bool {
	return leaf.CheckSignature(leaf.SignatureAlgorithm, leaf.RawTBSCertificate, leaf.Signature) == nil
}
