package main

import (
	"strings"
	"testing"
	"time"
)

func TestAddressesForDevices(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		listen string
		open   bool
		secure bool
		says   string // "": it is good
	}{
		{"127.0.0.1:1883", false, false, ""},
		{"tcp://localhost:0", false, false, ""},
		{"tls://127.0.0.1:8883", false, true, ""},
		{"0.0.0.0:1883", true, false, ""},
		{"tls://127.0.0.1:8883", false, false, "no certificate"},
		{"0.0.0.0:1883", false, false, "beyond loopback"},
		{"tcp://:1883", false, false, "beyond loopback"},
		{"1883", false, false, "a host and a port"},
		{"mqtt://127.0.0.1:1883", false, false, "a host and a port"},
	} {
		c := &serveCommand{Open: test.open, MQTT: mqttSettings{Listen: []string{"127.0.0.1:0", test.listen}, SessionExpiry: time.Hour}}
		if test.secure {
			c.TLS.TLSCert = "ssl.cer"
		}
		err := c.validateMQTT()
		if test.says == "" && err != nil || test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says)) {
			t.Errorf("%+v: %v", test, err)
		}
	}
	c := &serveCommand{MQTT: mqttSettings{SessionExpiry: time.Millisecond}}
	if err := c.validateMQTT(); err == nil || !strings.Contains(err.Error(), "--mqtt-session-expiry") {
		t.Errorf("an expiry of a millisecond: %v", err)
	}
}
