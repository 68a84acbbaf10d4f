package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/goccy/go-yaml"
)

// settings are the keys of a configuration file: the names of flags.
type settings map[string]any

// loadSettings reads a YAML file of settings; see [kong.ConfigurationLoader].
func loadSettings(r io.Reader) (kong.Resolver, error) {
	s := settings{}
	if err := yaml.NewDecoder(r).Decode(&s); err != nil && err != io.EOF {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	return s, nil
}

// Validate implements [kong.Resolver]: a key that is no flag is an error.
func (s settings) Validate(app *kong.Application) error {
	var known []string
	for _, node := range append(app.Leaves(false), app.Node) {
		for _, flag := range node.Flags {
			known = append(known, flag.Name)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(s)) {
		if !slices.Contains(known, key) {
			return fmt.Errorf("the configuration has an unknown key %q: known are %s", key, strings.Join(settable(known), ", "))
		}
	}
	return nil
}

// settable leaves out the flags that make no sense in a file.
func settable(flags []string) []string {
	slices.Sort(flags)
	return slices.DeleteFunc(slices.Compact(flags), func(name string) bool { return name == "help" || name == "config" })
}

// Resolve implements [kong.Resolver].
func (s settings) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	value, ok := s[flag.Name]
	if !ok {
		return nil, nil
	}
	if list, ok := value.([]any); ok { // kong takes a list as one text
		texts := make([]string, len(list))
		for i, item := range list {
			texts[i] = fmt.Sprint(item)
		}
		return strings.Join(texts, ","), nil
	}
	return value, nil
}
