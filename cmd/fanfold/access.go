package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"

	"fanfold/api/access"
	"fanfold/hub"

	"github.com/goccy/go-yaml"
)

// accessSettings say who may come. Without any key the hub asks nobody.
type accessSettings struct {
	Tokens tokenSettings `embed:""`

	TokenCookie string           `placeholder:"NAME" help:"Take tokens also from this cookie, of the hub's own pages and those of allowed origins."`
	Keys        keySettings      `placeholder:"YAML" help:"Keys that servers come with: a list, best written in the configuration file; fanfold key new makes one and its entry."`
	Anonymous   anonymousSetting `placeholder:"YAML" help:"What anybody may do without a token or key, like {subscribe: [news.>]}; best written in the configuration file. Default: nothing, once there are tokens or keys."`
}

// configured reports whether anybody is asked who they are.
func (s *accessSettings) configured() bool { return s.Tokens.configured() || len(s.Keys) > 0 }

// validate refuses what looks safer than it is, and what has no effect.
func (s *accessSettings) validate(open bool) error {
	switch {
	case s.configured() && open:
		return errors.New("--open and keys: with --open nobody is asked who they are; leave it out, and say under anonymous: what anybody may do")
	case s.configured():
		return nil
	case s.Anonymous.set:
		return errors.New("anonymous: without a key of any kind everybody may do everything; give keys: or a --token-key-file too")
	case s.TokenCookie != "" || len(s.Tokens.TokenAudience) > 0 || s.Tokens.TokenIssuer != "":
		return errors.New("--token-cookie, --token-audience and --token-issuer are about tokens, but there is no key to verify tokens with: give --token-key-file, FANFOLD_TOKEN_KEY or --token-jwks-url")
	}
	return nil
}

// anonymousSetting is what anybody may do, as a configuration file says it.
type anonymousSetting struct {
	grant hub.Grant
	set   bool
}

// UnmarshalText implements [encoding.TextUnmarshaler].
func (s *anonymousSetting) UnmarshalText(text []byte) error {
	var setting struct {
		Subscribe []string `yaml:"subscribe"`
		Publish   []string `yaml:"publish"`
		Presence  []string `yaml:"presence"`
		History   []string `yaml:"history"`
	}
	if err := yaml.UnmarshalWithOptions(text, &setting, yaml.DisallowUnknownField()); err != nil {
		return fmt.Errorf("what the anonymous may can't be read: %s", yamlError(err))
	}
	grant := hub.Grant{Subscribe: setting.Subscribe, Publish: setting.Publish, Presence: setting.Presence, History: setting.History}
	for a := hub.ActionSubscribe; a <= hub.ActionHistory; a++ {
		for _, pattern := range grant.Patterns(a) {
			if strings.Contains(pattern, hub.UserToken) {
				return fmt.Errorf("%s: the pattern %q is for nobody: the anonymous have no name for %s", a, pattern, hub.UserToken)
			}
		}
	}
	*s = anonymousSetting{grant, true}
	return grant.Validate()
}

// gate is what checks who comes.
type gate struct {
	authenticator *access.Authenticator // nil: nobody is asked
	remote        *access.RemoteKeys    // nil: none
}

// refuses is what the hub asks of those who have come.
func (g gate) refuses() func(*hub.Principal) error {
	if g.authenticator == nil {
		return nil
	}
	return g.authenticator.Revoked.Check
}

// watching keeps the keys of a URL up to date, until the function that it returns
// is called, which waits.
func (g gate) watching(ctx context.Context) (stop func()) {
	if g.remote == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() { g.remote.Run(ctx) })
	return func() { cancel(); watch.Wait() }
}

// gate reads all the keys.
func (s *accessSettings) gate(logger *slog.Logger) (g gate, err error) {
	if !s.configured() {
		return g, nil
	}
	g.authenticator = &access.Authenticator{Revoked: &access.Revocations{}, Cookie: s.TokenCookie}
	if s.Anonymous.set {
		g.authenticator.Anonymous = &hub.Principal{Name: "anonymous", Grant: s.Anonymous.grant}
	}
	if len(s.Keys) > 0 {
		if g.authenticator.Keys, err = access.NewAPIKeys(s.Keys); err != nil {
			return g, err
		}
	}
	if !s.Tokens.configured() {
		return g, nil
	}
	config, err := s.Tokens.config(logger)
	if err != nil {
		return g, err
	}
	g.remote = config.Remote
	g.authenticator.Tokens, err = access.NewVerifier(config)
	return g, err
}
