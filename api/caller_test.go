package api

import (
	"crypto/tls"
	"net/http"
	"net/netip"
	"testing"
)

// whoIs is the caller of a request from an address, with headers as name, value,
// name, value. Trusted are 127.0.0.1, 10.0.0.0/8 and fd00::/8.
func whoIs(from string, headers ...string) caller {
	a := &API{config: Config{TrustedProxies: []netip.Prefix{
		netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8"),
	}}}
	r := &http.Request{RemoteAddr: from, Host: "inner:1234", Header: http.Header{}}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return a.caller(r)
}

func TestTheClientBehindProxies(t *testing.T) {
	for _, test := range []struct {
		name    string
		from    string
		headers []string
		ip      string
	}{
		{"nobody between", "203.0.113.9:5", nil, "203.0.113.9"},
		{"one proxy", "127.0.0.1:5", []string{"X-Forwarded-For", "203.0.113.9"}, "203.0.113.9"},
		{"two proxies", "127.0.0.1:5", []string{"X-Forwarded-For", "203.0.113.9, 10.1.2.3"}, "203.0.113.9"},
		{"a line for each", "127.0.0.1:5", []string{"X-Forwarded-For", "203.0.113.9", "X-Forwarded-For", "10.1.2.3"}, "203.0.113.9"},
		{"with ports", "127.0.0.1:5", []string{"X-Forwarded-For", "203.0.113.9:77,10.1.2.3:88"}, "203.0.113.9"},
		{"IPv6", "[fd00::1]:5", []string{"X-Forwarded-For", "2001:db8::7"}, "2001:db8::7"},
		{"IPv6 in brackets", "[fd00::1]:5", []string{"X-Forwarded-For", "[2001:db8::7]:5"}, "2001:db8::7"},
		{"IPv4 as IPv6", "[::ffff:127.0.0.1]:5", []string{"X-Forwarded-For", "::ffff:203.0.113.9"}, "203.0.113.9"},
		{"all of them trusted", "127.0.0.1:5", []string{"X-Forwarded-For", "10.0.0.1, 10.0.0.2"}, "10.0.0.1"},
		{"Forwarded", "127.0.0.1:5", []string{"Forwarded", `for=203.0.113.9;proto=https, For="[fd00::2]:4711"`}, "203.0.113.9"},
		{"Forwarded, IPv6", "127.0.0.1:5", []string{"Forwarded", `for="[2001:db8::7]"`}, "2001:db8::7"},

		{"made up by the client itself", "203.0.113.9:5", []string{"X-Forwarded-For", "127.0.0.1"}, "203.0.113.9"},
		{"made up, in Forwarded", "203.0.113.9:5", []string{"Forwarded", "for=127.0.0.1"}, "203.0.113.9"},
		{"made up before a proxy", "127.0.0.1:5", []string{"X-Forwarded-For", "198.51.100.1, 203.0.113.9"}, "203.0.113.9"},
		{"made up to look like a proxy", "127.0.0.1:5", []string{"X-Forwarded-For", "198.51.100.1, 10.9.9.9, 203.0.113.9"}, "203.0.113.9"},
		{"made up in a line of its own", "127.0.0.1:5", []string{"X-Forwarded-For", "198.51.100.1", "X-Forwarded-For", "203.0.113.9"}, "203.0.113.9"},
		{"made up where the proxy says nothing", "127.0.0.1:5", []string{"Forwarded", "for=198.51.100.1", "X-Forwarded-For", "203.0.113.9"}, "203.0.113.9"},
		{"made up in quotes", "127.0.0.1:5", []string{"Forwarded", `for="198.51.100.1, for=203.0.113.9`}, "127.0.0.1"},
		{"rubbish from a client", "127.0.0.1:5", []string{"X-Forwarded-For", "<script>, 203.0.113.9"}, "203.0.113.9"},
		{"rubbish from a proxy", "127.0.0.1:5", []string{"X-Forwarded-For", "203.0.113.9, unknown"}, "127.0.0.1"},
		{"hidden by a proxy", "127.0.0.1:5", []string{"Forwarded", "for=_secret, for=10.1.2.3"}, "10.1.2.3"},
		{"empty", "127.0.0.1:5", []string{"X-Forwarded-For", ""}, "127.0.0.1"},
		{"no address", "@", []string{"X-Forwarded-For", "203.0.113.9"}, "unknown"},
	} {
		if got := whoIs(test.from, test.headers...); got.String() != test.ip {
			t.Errorf("%s: the client is %v, want %s", test.name, got, test.ip)
		}
	}
}

func TestHostAndProtocolBehindProxies(t *testing.T) {
	for _, test := range []struct {
		name    string
		from    string
		headers []string
		host    string
		secure  bool
		proxied bool
	}{
		{"nobody between", "203.0.113.9:5", nil, "inner:1234", false, false},
		{"X-Forwarded", "127.0.0.1:5", []string{"X-Forwarded-Host", "hub.example", "X-Forwarded-Proto", "https"}, "hub.example", true, true},
		{"Forwarded", "127.0.0.1:5", []string{"Forwarded", `host="hub.example:8443";proto=HTTPS`}, "hub.example:8443", true, true},
		{"the proxy keeps Host", "127.0.0.1:5", []string{"X-Forwarded-For", "203.0.113.9"}, "inner:1234", false, true},
		{"added to what the client said", "127.0.0.1:5", []string{"X-Forwarded-Host", "evil.example, hub.example", "X-Forwarded-Proto", "https, http"}, "hub.example", false, true},
		{"made up", "203.0.113.9:5", []string{"X-Forwarded-Host", "hub.example", "X-Forwarded-Proto", "https"}, "inner:1234", false, false},
		{"made up in the other header", "127.0.0.1:5", []string{"X-Forwarded-For", "203.0.113.9", "Forwarded", "host=evil.example;proto=https"}, "inner:1234", false, true},
	} {
		got := whoIs(test.from, test.headers...)
		if got.host != test.host || got.secure != test.secure || got.proxied != test.proxied {
			t.Errorf("%s: got %+v", test.name, got)
		}
	}
	direct := (&API{}).caller(&http.Request{RemoteAddr: "203.0.113.9:5", TLS: new(tls.ConnectionState)})
	if !direct.secure || direct.proxied {
		t.Errorf("TLS to the hub itself: %+v", direct)
	}
}

func TestWhatCountsAsOneClient(t *testing.T) {
	for from, want := range map[string]string{
		"203.0.113.9:5":           "203.0.113.9/32",
		"[2001:db8:1:2:3::4]:5":   "2001:db8:1:2::/64",
		"[2001:db8:1:2:ffff::]:5": "2001:db8:1:2::/64",
		"[::ffff:203.0.113.9]:5":  "203.0.113.9/32",
		"[fe80::1%eth0]:5":        "fe80::/64",
	} {
		if got := whoIs(from).network(); got.String() != want {
			t.Errorf("%s counts as %v, want %s", from, got, want)
		}
	}
	if network := whoIs("@").network(); network.IsValid() {
		t.Errorf("no address counts as %v", network)
	}
}

func TestOriginsInOneSpelling(t *testing.T) {
	for origin, want := range map[string]string{
		"https://Example.COM":     "https://example.com",
		"https://example.com.":    "https://example.com",
		"https://example.com/":    "https://example.com",
		"https://example.com:443": "https://example.com",
		"http://example.com:443":  "http://example.com:443",
		"http://example.com:80":   "http://example.com",
		"http://[::1]:1234":       "http://[::1]:1234",
		"http://[0:0::1]":         "http://[::1]",
		"HTTP://127.0.0.1:8080":   "http://127.0.0.1:8080",
		"chrome-extension://abcd": "chrome-extension://abcd",
		"null":                    "",
		"":                        "",
		"file://":                 "",
		"example.com":             "",
		"https://a@example.com":   "",
		"https://example.com/a":   "",
		"https://example.com?a":   "",
		"http://[::1":             "",
		"https://.":               "",
	} {
		if got, ok := normalOrigin(origin); got != want || ok != (want != "") {
			t.Errorf("%q is %q, %v, want %q", origin, got, ok, want)
		}
	}
}
