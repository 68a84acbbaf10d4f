package main

import (
	"fmt"
	"strings"

	"fanfold/api/access"
	"fanfold/hub"

	"github.com/alecthomas/kong"
	"github.com/goccy/go-yaml"
)

// keyCommand is about the keys that servers come with.
type keyCommand struct {
	New keyNewCommand `cmd:"" help:"Make a key for a server, and what the configuration file keeps of it."`
}

type keyNewCommand struct {
	Name      string   `arg:"" help:"What the log calls the key, like the server that has it."`
	Subscribe []string `env:"-" sep:"none" placeholder:"PATTERN" help:"Let it subscribe to channels like news.>. Repeatable."`
	Publish   []string `env:"-" sep:"none" placeholder:"PATTERN" help:"Let it publish to channels. Repeatable. Default, if nothing is said of what it may: all."`
	Presence  []string `env:"-" sep:"none" placeholder:"PATTERN" help:"Let it see who is subscribed to channels. Repeatable."`
	History   []string `env:"-" sep:"none" placeholder:"PATTERN" help:"Let it read the history of channels, and remove what it may publish to. Repeatable."`
	Admin     bool     `env:"-" help:"Let it list channels, disconnect users and revoke tokens."`
}

// Run prints the key, which nobody can find out again, and its entry in the
// configuration.
func (c *keyNewCommand) Run(k *kong.Kong) error {
	key := access.NewKey()
	setting := keySetting{Name: c.Name, Hash: access.HashKey(key).String(), Subscribe: c.Subscribe, Publish: c.Publish, Presence: c.Presence, History: c.History, Admin: c.Admin}
	if len(c.Subscribe)+len(c.Publish)+len(c.Presence)+len(c.History) == 0 && !c.Admin {
		setting.Publish = []string{everything}
	}
	if _, err := parseKeys([]keySetting{setting}); err != nil {
		return err
	}
	block, err := yaml.Marshal(map[string][]keySetting{"keys": {setting}})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(k.Stdout, `The key, which is shown this once. Its server sends it as X-API-Key:

  %s

What the hub keeps of it goes into the configuration file, into its list of keys:

%s`, key, block)
	return err
}

// keySettings are the keys as a configuration file lists them. As a flag or
// environment variable it is the same list, in YAML or JSON.
type keySettings []access.APIKey

// keySetting is one key of the list.
type keySetting struct {
	Name      string   `yaml:"name"`
	Hash      string   `yaml:"hash"`
	Subscribe []string `yaml:"subscribe,omitempty,flow"`
	Publish   []string `yaml:"publish,omitempty,flow"`
	Presence  []string `yaml:"presence,omitempty,flow"`
	History   []string `yaml:"history,omitempty,flow"`
	Admin     bool     `yaml:"admin,omitempty"`
}

// UnmarshalText implements [encoding.TextUnmarshaler].
func (s *keySettings) UnmarshalText(text []byte) error {
	var list []keySetting
	if err := yaml.UnmarshalWithOptions(text, &list, yaml.DisallowUnknownField()); err != nil {
		return fmt.Errorf("the keys can't be read: %s", withoutKeys(yamlError(err)))
	}
	keys, err := parseKeys(list)
	*s = keys
	return err
}

func parseKeys(list []keySetting) ([]access.APIKey, error) {
	keys := make([]access.APIKey, len(list))
	for i, setting := range list {
		key := access.APIKey{Name: setting.Name, Grant: hub.Grant{
			Subscribe: setting.Subscribe, Publish: setting.Publish, Presence: setting.Presence, History: setting.History, Admin: setting.Admin,
		}}
		if err := key.Hash.UnmarshalText([]byte(setting.Hash)); err != nil {
			return nil, fmt.Errorf("key %d (%.64q): %w", i+1, setting.Name, err)
		}
		keys[i] = key
	}
	_, err := access.NewAPIKeys(keys)
	return keys, err
}

// withoutKeys hides a key that somebody put into the list: the errors of YAML show
// names that they do not know.
func withoutKeys(text string) string {
	words := strings.Fields(text)
	for i, word := range words {
		if at := strings.Index(word, access.KeyPrefix); at >= 0 {
			words[i] = word[:at] + access.KeyPrefix + "…"
		}
	}
	return strings.Join(words, " ")
}
