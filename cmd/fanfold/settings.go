package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/goccy/go-yaml"
)

// structured are the settings whose values are no plain ones.
var structured = []string{"rules", "bridges", "keys", "anonymous"}

// settings are the keys of a configuration file: the names of flags.
type settings map[string]any

// loadSettings reads a YAML file of settings; see [kong.ConfigurationLoader].
func loadSettings(r io.Reader) (kong.Resolver, error) {
	s := settings{}
	if err := yaml.NewDecoder(r).Decode(&s); err != nil && !errors.Is(err, io.EOF) {
		name := "the configuration"
		if f, ok := r.(*os.File); ok {
			name = f.Name()
		}
		return nil, fmt.Errorf("--config: %s is not YAML of settings: %s", name, yaml.FormatError(err, false, false))
	}
	return s, nil
}

// Validate implements [kong.Resolver]: a key that is no flag of the hub is an
// error.
func (s settings) Validate(app *kong.Application) error {
	var known []string
	for _, command := range app.Children {
		if command.Name != "serve" {
			continue
		}
		for _, flag := range command.Flags {
			known = append(known, flag.Name)
		}
	}
	slices.Sort(known)
	for _, key := range slices.Sorted(maps.Keys(s)) {
		if !slices.Contains(known, key) {
			return fmt.Errorf("--config: unknown setting %q: known are %s", key, strings.Join(known, ", "))
		}
	}
	return nil
}

// Resolve implements [kong.Resolver]. An environment variable comes before the
// file.
func (s settings) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	value, ok := s[flag.Name]
	inEnvironment := slices.ContainsFunc(flag.Envs, func(name string) bool { return os.Getenv(name) != "" })
	if !ok || inEnvironment {
		return nil, nil
	}
	if slices.Contains(structured, flag.Name) {
		text, err := yaml.Marshal(value)
		return string(text), err
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
