package main

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func TestTrustedProxies(t *testing.T) {
	for text, want := range map[string]string{
		"10.0.0.0/8":           "10.0.0.0/8",
		"10.1.2.3/8":           "10.0.0.0/8",
		"127.0.0.1":            "127.0.0.1/32",
		"::1":                  "::1/128",
		"fd00::/8":             "fd00::/8",
		"::ffff:10.0.0.0/104":  "10.0.0.0/8",
		"::ffff:127.0.0.1":     "127.0.0.1/32",
		"::ffff:127.0.0.1/128": "127.0.0.1/32",
	} {
		line, err := parse(t, "--trusted-proxies", text)
		if err != nil || len(line.Serve.TrustedProxies) != 1 || netip.Prefix(line.Serve.TrustedProxies[0]).String() != want {
			t.Errorf("%s is %v, %v, want %s", text, line.Serve.TrustedProxies, err, want)
		}
	}
	for _, text := range []string{"nginx", "10.0.0.0/99", "fe80::1%eth0", "10.0.0"} {
		if _, err := parse(t, "--trusted-proxies", text); err == nil || !strings.Contains(err.Error(), "127.0.0.1") {
			t.Errorf("%s: got %v", text, err)
		}
	}
	line, err := parse(t, "--config", settingsFile(t, "trusted-proxies: [10.0.0.0/8, 127.0.0.1]\nallow-host: [a.example, b.example]"))
	if err != nil || len(line.Serve.TrustedProxies) != 2 || len(line.Serve.AllowHost) != 2 {
		t.Errorf("from a file: %+v, %v", line.Serve, err)
	}
}

// A name with a certificate is the hub's own, but does not by itself make a hub
// beyond loopback ask for its name.
func TestHostsOfAHub(t *testing.T) {
	for _, test := range []struct {
		args     []string
		hosts    []string
		loopback bool
	}{
		{nil, nil, true},
		{[]string{"--listen", "[::1]:1"}, nil, true},
		{[]string{"--acme-domain", "hub.example"}, []string{"hub.example"}, true},
		{[]string{"--listen", ":1", "--open"}, nil, false},
		{[]string{"--listen", ":1", "--open", "--acme-domain", "hub.example"}, nil, false},
		{[]string{"--listen", ":1", "--open", "--acme-domain", "hub.example", "--allow-host", "b.example"}, []string{"b.example", "hub.example"}, false},
	} {
		line, err := parse(t, test.args...)
		if err != nil || !slices.Equal(line.Serve.allowHosts(), test.hosts) || line.Serve.loopback() != test.loopback {
			t.Errorf("%q: %q, loopback %v, %v", test.args, line.Serve.allowHosts(), line.Serve.loopback(), err)
		}
	}
}
