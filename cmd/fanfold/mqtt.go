package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"fanfold/api"
)

// mqttSettings say where devices connect. Over WebSockets they always can, at /mqtt.
type mqttSettings struct {
	Listen        []string      `placeholder:"ADDR" help:"Serve MQTT on this address, like 127.0.0.1:1883; over TLS if the hub has a certificate. tcp://ADDR is without TLS even then, tls://ADDR an error without one. Repeatable."`
	SessionExpiry time.Duration `default:"168h" placeholder:"TIME" help:"How long the session of a device that is away is kept at most. Default: ${default}."`
}

// Schemes of an MQTT address.
const (
	mqttTCP = "tcp://"
	mqttTLS = "tls://"
)

// validateMQTT says which address can't be used.
func (c *serveCommand) validateMQTT() error {
	if e := c.MQTT.SessionExpiry; e < time.Second || e > 366*24*time.Hour {
		return fmt.Errorf("--mqtt-session-expiry %v: give a time from 1s to 8784h, which is a year", e)
	}
	secure := c.TLS.TLSCert != "" || len(c.TLS.ACMEDomain) > 0
	for _, text := range c.MQTT.Listen {
		scheme, addr := cutScheme(text)
		host, _, err := net.SplitHostPort(addr)
		switch {
		case err != nil:
			return fmt.Errorf("--mqtt-listen %s: give a host and a port like 127.0.0.1:1883", text)
		case scheme == mqttTLS && !secure:
			return fmt.Errorf("--mqtt-listen %s: there is no certificate for TLS: give --tls-cert and --tls-key, or --acme-domain", text)
		case !c.Open && !isLoopback(host) && !c.Access.configured():
			return fmt.Errorf("--mqtt-listen %s: beyond loopback anybody who can reach this address could read and publish everything: "+
				"give devices a key (fanfold key new) or tokens (--token-key-file), or say --open if that is what you want", text)
		}
	}
	return nil
}

// cutScheme returns the scheme of an address, "" if it has none, and the rest.
func cutScheme(text string) (scheme, addr string) {
	for _, scheme := range []string{mqttTCP, mqttTLS} {
		if addr, ok := strings.CutPrefix(text, scheme); ok {
			return scheme, addr
		}
	}
	return "", text
}

// mqttDoors are the listeners for devices.
type mqttDoors struct {
	all    []mqttDoor
	secure bool // those without a scheme
	served sync.WaitGroup
}

type mqttDoor struct {
	scheme   string
	listener net.Listener
}

// open listens on all addresses.
func (s *mqttSettings) open(ctx context.Context) (*mqttDoors, error) {
	d := &mqttDoors{}
	for _, text := range s.Listen {
		scheme, addr := cutScheme(text)
		listener, err := listen(ctx, "--mqtt-listen", addr)
		if err != nil {
			d.close()
			return nil, err
		}
		d.all = append(d.all, mqttDoor{scheme, listener})
	}
	return d, nil
}

// serve lets devices in, until close.
func (d *mqttDoors) serve(handler *api.API, identity certificates) {
	d.secure = identity != nil
	for _, door := range d.all {
		listener := door.listener
		if d.isSecure(door) {
			config := identity.config().Clone()
			config.NextProtos = nil // which are HTTP's
			listener = tls.NewListener(listener, config)
		}
		d.served.Go(func() { _ = handler.ServeMQTT(listener) })
	}
}

func (d *mqttDoors) isSecure(door mqttDoor) bool { return d.secure && door.scheme != mqttTCP }

// close lets nobody in any more. It may be called again.
func (d *mqttDoors) close() {
	for _, door := range d.all {
		_ = door.listener.Close() // an error means that it is closed already
	}
	d.served.Wait()
}

// String says for the greeting where they are.
func (d *mqttDoors) String() string {
	var b strings.Builder
	for _, door := range d.all {
		scheme := "mqtt"
		if d.isSecure(door) {
			scheme = "mqtts"
		}
		fmt.Fprintf(&b, "Devices connect with MQTT to %s://%s\n", scheme, reachable(door.listener.Addr()))
	}
	return b.String()
}
