package main

import (
	"fmt"
	"log/slog"
	"slices"
	"time"

	"fanfold/api/access"
)

// tokenSettings say which tokens are good. The hub and the commands that make and
// explain tokens share them.
type tokenSettings struct {
	TokenKeyFile  string        `placeholder:"FILE" help:"Key that tokens are signed with: PEM (public key or certificate), JWK or JWK set, or a secret of 32 bytes or more."`
	TokenKey      string        `placeholder:"KEY" help:"The same as text; other users of the machine can read a command line, so set it as FANFOLD_TOKEN_KEY."`
	TokenJWKSURL  string        `name:"token-jwks-url" placeholder:"URL" help:"Where the JWK set of who signs tokens is; https. New keys there are found as they are used."`
	TokenAudience []string      `placeholder:"NAME" help:"Accept only tokens for this audience (aud). Repeatable: one of them is enough."`
	TokenIssuer   string        `placeholder:"NAME" help:"Accept only tokens from this issuer (iss)."`
	TokenLeeway   time.Duration `default:"30s" placeholder:"TIME" help:"How far the clocks of who signs and of the hub may differ. Default: ${default}."`
}

// configured reports whether there is any key to verify tokens with.
func (s *tokenSettings) configured() bool {
	return s.TokenKeyFile != "" || s.TokenKey != "" || s.TokenJWKSURL != ""
}

// keys reads the keys that are at hand.
func (s *tokenSettings) keys() (keys []*access.Key, err error) {
	if s.TokenKeyFile != "" {
		if keys, err = access.LoadKeys(s.TokenKeyFile); err != nil {
			return nil, fmt.Errorf("--token-key-file: %w", err)
		}
	}
	if s.TokenKey != "" {
		more, err := access.ParseKeys([]byte(s.TokenKey))
		if err != nil {
			return nil, fmt.Errorf("--token-key: %w", err)
		}
		keys = slices.Concat(keys, more)
	}
	return keys, nil
}

// config reads all that verifies tokens. Somebody should run its Remote, if there
// is one.
func (s *tokenSettings) config(logger *slog.Logger) (c access.Config, err error) {
	c = access.DefaultConfig()
	c.Audience, c.Issuer, c.Leeway = s.TokenAudience, s.TokenIssuer, s.TokenLeeway
	if c.Keys, err = s.keys(); err != nil {
		return c, err
	}
	if s.TokenJWKSURL != "" {
		if c.Remote, err = access.NewRemoteKeys(s.TokenJWKSURL, logger); err != nil {
			return c, fmt.Errorf("--token-jwks-url: %w", err)
		}
	}
	return c, nil
}
