package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
)

// validateACME says which of the settings for an ACME authority can't be used.
func (s *tlsSettings) validateACME(memory bool) error {
	if len(s.ACMEDomain) == 0 {
		if s.ACMEEmail+s.ACMEDirectory+s.ACMECache+s.ACMEHTTPListen != "" {
			return errors.New("--acme-…: say --acme-domain NAME too, the name that the certificate is for")
		}
		return nil
	}
	for _, domain := range s.ACMEDomain {
		if net.ParseIP(domain) != nil || !strings.Contains(strings.Trim(domain, "."), ".") || strings.ContainsAny(domain, "*:/ ") {
			return fmt.Errorf("--acme-domain %s: give a whole name like hub.example.com, without https:// and without a port", domain)
		}
	}
	if u, err := url.Parse(s.ACMEDirectory); err != nil || s.ACMEDirectory != "" && (u.Scheme != "https" || u.Host == "") {
		return fmt.Errorf("--acme-directory %s: give the https:// address of the authority's directory", s.ACMEDirectory)
	}
	if memory && s.ACMECache == "" {
		return errors.New("--acme-domain with --memory: say --acme-cache DIR too, since authorities give out few certificates a week")
	}
	return nil
}

// authority gets certificates from an ACME authority (RFC 8555) and keeps them.
// The authority looks for its answers on the hub's own port (TLS-ALPN-01, RFC 8737) and,
// if there is a listener for that, over HTTP.
type authority struct {
	domains  []string // static, as all of it
	manager  *autocert.Manager
	logger   *slog.Logger
	listener net.Listener // for HTTP, or nil
	http     *http.Server
	closing  context.Context // ends what goes to the authority
	close    context.CancelFunc
	refusals refusals
}

// openACME returns the certificates of the domains, which watch gets.
func (s *tlsSettings) openACME(ctx context.Context, data string, logger *slog.Logger) (*authority, error) {
	a := &authority{logger: logger, refusals: refusals{why: map[string]string{}}}
	for _, domain := range s.ACMEDomain {
		a.domains = append(a.domains, plainName(domain))
	}
	if s.ACMEHTTPListen != "" {
		var err error
		if a.listener, err = new(net.ListenConfig).Listen(ctx, "tcp", s.ACMEHTTPListen); err != nil {
			return nil, fmt.Errorf("--acme-http-listen %s: %w", s.ACMEHTTPListen, err)
		}
	}
	a.closing, a.close = context.WithCancel(context.WithoutCancel(ctx))
	a.refusals.next = &http.Transport{Proxy: http.ProxyFromEnvironment, DialContext: a.dial, ForceAttemptHTTP2: true}
	a.manager = &autocert.Manager{
		Prompt: autocert.AcceptTOS, HostPolicy: a.checkName, Email: s.ACMEEmail,
		Cache: autocert.DirCache(cmp.Or(s.ACMECache, filepath.Join(data, "acme"))),
		Client: &acme.Client{
			DirectoryURL: s.ACMEDirectory, UserAgent: "fanfold/" + version,
			HTTPClient: &http.Client{Transport: &a.refusals, Timeout: time.Minute},
		},
	}
	if a.listener != nil {
		a.http = newServer(a.manager.HTTPHandler(nil), logger)
	}
	return a, nil
}

// dial connects to the authority until closing ends. autocert takes no context.
func (a *authority) dial(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	defer context.AfterFunc(a.closing, cancel)()
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err == nil {
		context.AfterFunc(a.closing, func() { _ = conn.Close() })
	}
	return conn, err
}

// checkName implements [autocert.HostPolicy], for a server name and for a Host
// header.
func (a *authority) checkName(_ context.Context, host string) error {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if !slices.Contains(a.domains, plainName(host)) {
		return fmt.Errorf("there is no certificate for %q: --acme-domain names those there are", host)
	}
	return nil
}

// plainName returns a domain in one spelling.
func plainName(domain string) string { return strings.ToLower(strings.TrimSuffix(domain, ".")) }

// config implements [certificates]. A client that names no host, as one that
// connects to an address, is shown the first domain's certificate.
func (a *authority) config() *tls.Config {
	config := a.manager.TLSConfig()
	config.MinVersion = tls.VersionTLS12
	config.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if hello.ServerName == "" {
			named := *hello
			named.ServerName = a.domains[0]
			hello = &named
		}
		return a.manager.GetCertificate(hello)
	}
	return config
}

const (
	lookEvery  = time.Hour        // at a certificate that is there
	retryEvery = 15 * time.Minute // for one that is not: authorities allow few failures an hour
	// orderGrace is how long an order under way may take to notice the end.
	orderGrace = 5 * time.Second
)

// watch implements [certificates]: it gets the certificates at once rather than
// when the first client comes. Their renewal is autocert's.
func (a *authority) watch(ctx context.Context) {
	var work sync.WaitGroup
	for _, domain := range a.domains {
		work.Go(func() { a.keep(ctx, domain) })
	}
	if a.listener != nil {
		work.Go(func() {
			if err := a.http.Serve(a.listener); !errors.Is(err, http.ErrServerClosed) {
				a.logger.Error("the authority is not answered over HTTP any more", "address", a.listener.Addr(), "error", err)
			}
		})
	}
	<-ctx.Done()
	a.close()
	if a.listener != nil {
		_ = a.http.Close()
	}
	ended := make(chan struct{})
	go func() { work.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(orderGrace): // the authority said to ask again later
	}
}

// keep looks after the certificate of a domain until ctx ends.
func (a *authority) keep(ctx context.Context, domain string) {
	var until time.Time
	for ctx.Err() == nil {
		wait := lookEvery
		leaf, err := a.obtain(domain)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			wait = retryEvery
			a.logger.Warn("no certificate: the authority must be able to reach the hub under that name, on port 443 or, with --acme-http-listen, 80",
				"domain", domain, "error", err, "again in", wait)
		case !leaf.NotAfter.Equal(until):
			until = leaf.NotAfter
			a.logger.Info("certificate loaded", "domain", domain, "issuer", leaf.Issuer, "until", until)
		case time.Until(until) < until.Sub(leaf.NotBefore)/6:
			a.logger.Warn("the certificate ends soon and could not be renewed: can the authority reach the hub?", "domain", domain, "until", until)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
}

// obtain returns the certificate that today's clients are shown, and waits for
// the authority if there is none. The error has what the authority holds against the
// domain, if that is why.
func (a *authority) obtain(domain string) (*x509.Certificate, error) {
	a.refusals.forget(domain)
	certificate, err := a.manager.GetCertificate(&tls.ClientHelloInfo{
		ServerName:       domain,
		CipherSuites:     []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
		SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256},
		SupportedCurves:  []tls.CurveID{tls.CurveP256},
	})
	if why := a.refusals.of(domain); err != nil && why != "" {
		return nil, errors.New(why)
	}
	if err != nil {
		return nil, err
	}
	return certificate.Leaf, nil
}

// refusals passes requests to the authority on and keeps why it did not believe
// that a domain is ours, which autocert does not pass on.
type refusals struct {
	next http.RoundTripper // static
	mu   sync.Mutex
	why  map[string]string // by domain; guarded by mu
}

// RoundTrip implements [http.RoundTripper].
func (r *refusals) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := r.next.RoundTrip(request)
	if err != nil || !strings.HasPrefix(response.Header.Get("Content-Type"), "application/json") {
		return response, err
	}
	const maxObjectBytes = 1 << 20
	body, err := io.ReadAll(io.LimitReader(response.Body, maxObjectBytes))
	_ = response.Body.Close()
	if err != nil {
		return nil, err
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	r.note(body)
	return response, nil
}

// note looks for an authorization (RFC 8555 §7.1.4) one of whose challenges
// failed.
func (r *refusals) note(body []byte) {
	var authorization struct {
		Identifier struct{ Value string }
		Challenges []struct {
			Type  string
			Error struct{ Detail string }
		}
	}
	if json.Unmarshal(body, &authorization) != nil {
		return // not ours to judge
	}
	for _, challenge := range authorization.Challenges {
		if challenge.Error.Detail != "" {
			r.mu.Lock()
			r.why[authorization.Identifier.Value] = challenge.Type + ": " + challenge.Error.Detail
			r.mu.Unlock()
		}
	}
}

func (r *refusals) forget(domain string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.why, domain)
}

// of returns what the authority last held against the domain, or "".
func (r *refusals) of(domain string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.why[domain]
}
