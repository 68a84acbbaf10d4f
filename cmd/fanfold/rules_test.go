package main

import (
	"strings"
	"testing"
	"time"

	"fanfold/hub"
)

func TestRulesOfAFile(t *testing.T) {
	line, err := parse(t, "--config", settingsFile(t, `
data-max-bytes: 5GB
rules:
  - name: game
    channels: game.>
    live: true
    slow: keep-latest
  - {name: orders, channels: orders.*, messages: 7, age: 30d, bytes: 2GiB, presence: false, join-leave: false, publish: server}
`))
	if err != nil {
		t.Fatal(err)
	}
	game, orders := hub.DefaultRule(), hub.DefaultRule()
	game.Name, game.Channels, game.Live, game.Slow = "game", "game.>", true, hub.SlowKeepLatest
	orders.Name, orders.Channels, orders.Messages, orders.Age, orders.Bytes = "orders", "orders.*", 7, 30*24*time.Hour, 2<<30
	orders.NoPresence, orders.NoJoinLeave, orders.Publishers = true, true, hub.PublishersServer
	want := []hub.Rule{game, orders, hub.DefaultRule()}
	if len(line.Serve.Rules) != len(want) || line.Serve.DataMaxBytes != 5_000_000_000 {
		t.Fatalf("got %+v", line.Serve)
	}
	for i, rule := range line.Serve.Rules {
		if rule != want[i] {
			t.Errorf("rule %d is %+v, want %+v", i, rule, want[i])
		}
	}
}

func TestRulesComeFromAFlagOrTheEnvironmentToo(t *testing.T) {
	t.Setenv("FANFOLD_RULES", `[{"name":"a","channels":"a"}]`)
	line, err := parse(t, "--config", settingsFile(t, "rules: [{name: b, channels: b}]"))
	if err != nil || line.Serve.Rules[0].Name != "a" {
		t.Errorf("from the environment: %+v, %v", line.Serve.Rules, err)
	}
	line, err = parse(t, "--rules", `[{"channels":">","messages":5}]`)
	if err != nil || len(line.Serve.Rules) != 1 || line.Serve.Rules[0].Name != hub.MainRule || line.Serve.Rules[0].Messages != 5 {
		t.Errorf("the main rule by another number: %+v, %v", line.Serve.Rules, err)
	}
}

func TestWrongRulesAreNamed(t *testing.T) {
	for text, says := range map[string]string{
		`hello`:                            "the rules can't be read",
		`[{"name":"x","chanels":"a"}]`:     "chanels",
		`[{"channels":"a"}]`:               "rule 1 (\"\"): it has no name",
		`[{"name":"x"}]`:                   "for which channels",
		`[{"name":"x","channels":"a..b"}]`: "empty token",
		`[{"name":"x y","channels":"a"}]`:  "its name must be",
		`[{"name":"x","channels":"a"},{"name":"x","channels":"b"}]`: "two of that name",
		`[{"channels":">"},{"name":"b","channels":"b"}]`:            "never counts",
		`[{"name":"x","channels":"a","slow":"maybe"}]`:              "keep-latest",
		`[{"name":"x","channels":"a","publish":"me"}]`:              "server",
		`[{"name":"x","channels":"a","age":"tomorrow"}]`:            "30d",
		`[{"name":"x","channels":"a","age":"1ms"}]`:                 "at least a second",
		`[{"name":"x","channels":"a","bytes":"1XX"}]`:               "500MB",
		`[{"name":"x","channels":"a","messages":"many"}]`:           "wrong kind",
		`[{"name":"x","channels":"a","messages":-1}]`:               "at least one message",
	} {
		_, err := parse(t, "--rules", text)
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v, want one line that says %q", text, err, says)
		}
	}
	if _, err := parse(t, "--data-max-bytes", "3"); err == nil || !strings.Contains(err.Error(), "--data-max-bytes") {
		t.Errorf("a store of three bytes: %v", err)
	}
}
