package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// healthCommand asks a running hub; containers without curl use it.
type healthCommand struct {
	URL     string        `default:"http://127.0.0.1:1234" env:"FANFOLD_HEALTH_URL" help:"Where the hub is, https:// for one with TLS. On a loopback address any certificate will do. Default: ${default}."`
	CA      string        `name:"ca" placeholder:"FILE" env:"FANFOLD_HEALTH_CA" help:"Trust these certificates (PEM) instead of the system's."`
	Timeout time.Duration `default:"3s" env:"FANFOLD_HEALTH_TIMEOUT" help:"How long to wait. Default: ${default}."`
}

// Run returns an error unless the hub is ready.
func (c *healthCommand) Run(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL+"/ready", nil)
	if err != nil {
		return err
	}
	transport, err := c.transport(request.URL.Hostname())
	if err != nil {
		return err
	}
	defer transport.CloseIdleConnections()
	response, err := transport.RoundTrip(request)
	if err != nil {
		return fmt.Errorf("the hub does not answer: %w", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 4096))
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the hub is not ready: %s", bytes.TrimSpace(body))
	}
	return nil
}

// transport checks the hub's certificate unless the hub is on this machine,
// where the name by which it is asked is seldom the one that its certificate is for, and
// nothing secret is said.
func (c *healthCommand) transport(host string) (*http.Transport, error) {
	config := &tls.Config{InsecureSkipVerify: c.CA == "" && isLoopback(host)}
	if c.CA != "" {
		pem, err := os.ReadFile(c.CA)
		if err != nil {
			return nil, fmt.Errorf("--ca: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--ca %s: there is no certificate in it: give a PEM file", c.CA)
		}
	}
	return &http.Transport{TLSClientConfig: config}, nil
}
