package main

import (
	"fmt"
	"io"
	"net"
	"path/filepath"
)

// greet prints where the hub is and what to try.
func (c *serveCommand) greet(out io.Writer, addr net.Addr, identity certificates, doors *mqttDoors) {
	url, curl := "http://"+reachable(addr), "curl"
	switch certificates := identity.(type) {
	case *keyPair:
		url = "https://" + reachable(addr)
		if selfSigned(certificates.current.Load().Leaf) {
			curl = "curl --cacert " + certificates.certFile
		}
	case *authority:
		url = "https://" + domainURL(certificates.domains[0], addr)
	}
	kept := "in memory: a restart forgets them"
	if !c.Memory {
		kept = "in " + c.Data
		if path, err := filepath.Abs(c.Data); err == nil {
			kept = "in " + path
		}
	}
	who := ""
	switch {
	case c.Access.Tokens.TokenJWKSURL != "":
		who, curl = "TOKEN is one whose key is at "+c.Access.Tokens.TokenJWKSURL+"\n", curl+` -H "Authorization: Bearer $TOKEN"`
	case c.Access.Tokens.configured():
		who, curl = "TOKEN is one that \"fanfold token --publish news --subscribe news --history news\" makes with the same key.\n", curl+` -H "Authorization: Bearer $TOKEN"`
	case c.Access.configured():
		who, curl = "KEY is one of those configured, which \"fanfold key new\" has shown.\n", curl+` -H "X-API-Key: $KEY"`
	}
	gallery := ""
	if c.hasDemo() {
		gallery = "What else it can do is shown at " + url + "/gallery/\n"
	}
	fmt.Fprintf(out, `Fanfold is running at %[1]s/
Open that in a browser, then send it a message from a shell:

  %[2]s -d "Hello" %[1]s/news

%[4]s%[5]s%[6]sMessages are kept %[3]s. Ctrl-C stops the hub.
`, url, curl, kept, who, gallery, doors)
}

// reachable is an address that a client on this machine can connect to.
func reachable(addr net.Addr) string {
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return addr.String()
	}
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

// domainURL is the domain, with the port unless that is the usual one.
func domainURL(domain string, addr net.Addr) string {
	_, port, err := net.SplitHostPort(addr.String())
	if err != nil || port == "443" {
		return domain
	}
	return net.JoinHostPort(domain, port)
}
