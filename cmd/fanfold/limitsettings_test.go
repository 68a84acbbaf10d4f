package main

import (
	"slices"
	"strings"
	"testing"

	"fanfold/api/limit"
)

// What the flags say by default is what the package recommends, and each flag has
// the name that refusals give.
func TestLimitsByDefault(t *testing.T) {
	line, err := parse(t)
	if err != nil {
		t.Fatal(err)
	}
	if got := line.Serve.Limits.config(); got != limit.DefaultConfig() {
		t.Errorf("the flags say %+v, the package %+v", got, limit.DefaultConfig())
	}
	parser, err := newParser(t.Context(), new(commandLine))
	if err != nil {
		t.Fatal(err)
	}
	var flags []string
	for _, command := range parser.Model.Children {
		for _, flag := range command.Flags {
			flags = append(flags, flag.Name)
		}
	}
	for _, name := range limit.Names() {
		if !slices.Contains(flags, string(name)) {
			t.Errorf("no flag is called %s", name)
		}
	}
}

func TestLimitsAreRead(t *testing.T) {
	t.Setenv("FANFOLD_LIMIT_CONNECTIONS_PER_IP", "7")
	path := settingsFile(t, "limit-publishes-per-user: 30/m,5\nlimit-bytes-per-ip: 1MiB/s,2 MB\nlimit-connections: 0\n")
	line, err := parse(t, "--config", path, "--limit-connects", "off", "--limit-failures-per-ip", "2.5/s,10", "--limit-publishes-per-key", "7200/h")
	if err != nil {
		t.Fatal(err)
	}
	want := limit.DefaultConfig()
	want.Connections, want.ConnectionsPerIP, want.Connects = 0, 7, limit.Rate{}
	want.FailuresPerIP = limit.Rate{PerSecond: 2.5, Burst: 10}
	want.Key.Messages = limit.Rate{PerSecond: 2, Burst: 7200}
	want.User.Messages = limit.Rate{PerSecond: 0.5, Burst: 5}
	want.IP.Bytes = limit.Rate{PerSecond: 1 << 20, Burst: 2e6}
	if got := line.Serve.Limits.config(); got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestLimitsThatCannotBe(t *testing.T) {
	for _, text := range []string{"", "50", "50/s,", "50/s,0", "-1/s", "0/s", "NaN/s,5", "1/s,NaN", "50/d", "50/s;500", "1e400/s", "Inf/s", "99999999999/s"} {
		if _, err := parse(t, "--limit-connects="+text); err == nil || !strings.Contains(err.Error(), "50/s,500") {
			t.Errorf("%q: %v", text, err)
		}
	}
	for args, says := range map[string]string{
		"--limit-connections=-1":            "--limit-connections: a number of connections can't be negative",
		"--limit-channels=0":                "--limit-channels",
		"--limit-header-bytes=1":            "--limit-header-bytes",
		"--limit-header-time=0s":            "--limit-header-time",
		"--limit-body-time=2h":              "--limit-body-time",
		"--limit-bytes-per-user=1kB/s,20kB": "--limit-bytes-per-user: a burst of 20000 bytes has no room",
		"--limit-connects=0.01/h,5":         "--limit-connects: the rate must be",
	} {
		if _, err := parse(t, args); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", args, err, says)
		}
	}
}
