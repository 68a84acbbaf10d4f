package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"fanfold/hub"

	"github.com/dustin/go-humanize"
	"github.com/goccy/go-yaml"
)

// ruleSettings are the rules as a configuration file lists them. As a flag or
// environment variable it is the same list, in YAML or JSON.
type ruleSettings hub.Rules

// ruleSetting is one rule of the list. What is left out is as in
// [hub.DefaultRule].
type ruleSetting struct {
	Name      string   `yaml:"name"`
	Channels  string   `yaml:"channels"`
	Live      bool     `yaml:"live"`
	Messages  int      `yaml:"messages"`
	Age       string   `yaml:"age"`
	Bytes     byteSize `yaml:"bytes"`
	Presence  *bool    `yaml:"presence"`
	JoinLeave *bool    `yaml:"join-leave"`
	Publish   string   `yaml:"publish"`
	Slow      string   `yaml:"slow"`
}

// UnmarshalText implements [encoding.TextUnmarshaler].
func (r *ruleSettings) UnmarshalText(text []byte) error {
	var list []ruleSetting
	if err := yaml.UnmarshalWithOptions(text, &list, yaml.DisallowUnknownField()); err != nil {
		return fmt.Errorf("the rules can't be read: %s", yamlError(err))
	}
	var rules hub.Rules
	for i, setting := range list {
		rule, err := setting.rule()
		if err != nil {
			return fmt.Errorf("rule %d (%q): %w", i+1, setting.Name, err)
		}
		if i > 0 && rules[i-1].Channels == everything {
			return fmt.Errorf("rule %d (%q) never counts: the rule before it is for all channels, so put that last", i+1, rule.Name)
		}
		rules = append(rules, rule)
	}
	rules = rules.WithDefault()
	if err := rules.Validate(); err != nil {
		return err
	}
	*r = ruleSettings(rules)
	return nil
}

const everything = ">" // the pattern of all channels

// yamlError says on one line what is wrong where, without Go's names for it.
func yamlError(err error) string {
	if e, ok := errors.AsType[*yaml.TypeError](err); ok {
		return fmt.Sprintf("[%d:%d] the value is of a wrong kind: it must be a %v", e.Token.Position.Line, e.Token.Position.Column, e.DstType.Kind())
	}
	return strings.Join(strings.Fields(yaml.FormatError(err, false, false)), " ")
}

func (s ruleSetting) rule() (rule hub.Rule, err error) {
	rule = hub.DefaultRule()
	rule.Live, rule.Bytes = s.Live, int64(s.Bytes)
	rule.NoPresence = s.Presence != nil && !*s.Presence
	rule.NoJoinLeave = s.JoinLeave != nil && !*s.JoinLeave
	if s.Channels == "" {
		return rule, fmt.Errorf("it does not say for which channels it is: give a pattern like news.*")
	}
	rule.Channels = s.Channels
	if s.Channels != everything || s.Name != "" {
		rule.Name = s.Name
	}
	if rule.Name == "" {
		return rule, fmt.Errorf("it has no name: give it one of letters, digits, - and _, under which its messages are filed")
	}
	if s.Messages != 0 {
		rule.Messages = s.Messages
	}
	if s.Age != "" {
		if rule.Age, err = parseAge(s.Age); err != nil {
			return rule, err
		}
	}
	if rule.Publishers, err = word[hub.Publishers](s.Publish, "publish", publishers); err != nil {
		return rule, err
	}
	rule.Slow, err = word[hub.SlowPolicy](s.Slow, "slow", slowPolicies)
	return rule, err
}

// What the words of a rule stand for. The first is the default.
var (
	publishers   = []string{hub.PublishersAll: "all", hub.PublishersServer: "server", hub.PublishersNobody: "nobody"}
	slowPolicies = []string{hub.SlowDisconnect: "disconnect", hub.SlowDropOldest: "drop-oldest", hub.SlowKeepLatest: "keep-latest"}
)

// word returns what a setting's word stands for; "" stands for the first.
func word[T ~int](text, setting string, words []string) (T, error) {
	for i, w := range words {
		if text == w || text == "" {
			return T(i), nil
		}
	}
	return 0, fmt.Errorf("%s: %q is none of %s", setting, text, strings.Join(words, ", "))
}

// parseAge reads a duration such as 90s, 24h or 30d.
func parseAge(text string) (time.Duration, error) {
	const day = 24 * time.Hour
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.ParseFloat(days, 64); err == nil && n >= 0 && n < float64(math.MaxInt64/day) {
			return time.Duration(n * float64(day)), nil
		}
	}
	age, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("age: %q is no time: give one like 90s, 24h or 30d", text)
	}
	return age, nil
}

// byteSize is a number of bytes, read from a number alone or with a unit, like
// 500MB or 2GiB.
type byteSize int64

// UnmarshalText implements [encoding.TextUnmarshaler].
func (s *byteSize) UnmarshalText(text []byte) error {
	n, err := humanize.ParseBytes(string(text))
	if err != nil || n > math.MaxInt64 {
		return fmt.Errorf("%q is no size: give one like 500MB or 2GiB", text)
	}
	*s = byteSize(n)
	return nil
}
