package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"fanfold/api/access"
	"fanfold/hub"

	"github.com/alecthomas/kong"
)

// tokenCommand makes a token, or explains one. Only the settings that it shares
// with the hub come from the environment and the configuration file.
type tokenCommand struct {
	tokenSettings

	Inspect string `env:"-" placeholder:"TOKEN" help:"Explain this token instead of making one: what it says, and each check. - reads it from standard input."`

	Sub       string        `env:"-" placeholder:"USER" help:"Whose token it is (sub)."`
	Subscribe []string      `env:"-" sep:"none" placeholder:"PATTERN" help:"Let it subscribe to channels like news.> or user.{user}.>. Repeatable."`
	Publish   []string      `env:"-" sep:"none" placeholder:"PATTERN" help:"Let it publish to channels. Repeatable."`
	Presence  []string      `env:"-" sep:"none" placeholder:"PATTERN" help:"Let it see who is subscribed to channels. Repeatable."`
	History   []string      `env:"-" sep:"none" placeholder:"PATTERN" help:"Let it read the history of channels. Repeatable."`
	Channels  []string      `env:"-" sep:"none" placeholder:"CHANNEL" help:"Subscribe its connections to this channel. Repeatable."`
	Channel   string        `env:"-" placeholder:"CHANNEL" help:"Make a token for a subscription to this channel instead of one for a connection."`
	TTL       time.Duration `env:"-" name:"ttl" default:"1h" placeholder:"TIME" help:"How long it is good; 0: for ever. Default: ${default}."`
	Info      string        `env:"-" placeholder:"JSON" help:"What others see of its connections: a JSON object."`
	ID        string        `env:"-" name:"jti" placeholder:"ID" help:"Its ID, by which it can be revoked (jti)."`
	Aud       []string      `env:"-" sep:"none" placeholder:"NAME" help:"Who it is for (aud). Default: --token-audience."`
	Iss       string        `env:"-" placeholder:"NAME" help:"Who it is from (iss). Default: --token-issuer."`
	Alg       string        `env:"-" placeholder:"NAME" help:"How to sign, like RS256 or EdDSA. Default: the first that the key is for."`
}

// Run prints the token alone, so that a script can use it.
func (c *tokenCommand) Run(ctx context.Context, k *kong.Kong) error {
	if c.Inspect != "" {
		return c.inspect(ctx, os.Stdin, k.Stdout)
	}
	token, err := c.make(time.Now())
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(k.Stdout, token)
	return err
}

// make signs a token.
func (c *tokenCommand) make(now time.Time) (string, error) {
	key, err := c.signer()
	if err != nil {
		return "", err
	}
	if c.TTL < 0 {
		return "", fmt.Errorf("--ttl %v: give a time like 1h, or 0 for one that never expires", c.TTL)
	}
	claims := access.Claims{
		Subject: c.Sub, ID: c.ID, Issuer: c.Iss, Audience: c.Aud, IssuedAt: now,
		Channels: c.Channels, Channel: c.Channel,
		Grant: hub.Grant{Subscribe: c.Subscribe, Publish: c.Publish, Presence: c.Presence, History: c.History},
	}
	if c.TTL > 0 {
		claims.Expires = now.Add(c.TTL)
	}
	if c.Info != "" {
		claims.Info = []byte(c.Info)
	}
	if len(claims.Audience) == 0 {
		claims.Audience = c.TokenAudience
	}
	if claims.Issuer == "" {
		claims.Issuer = c.TokenIssuer
	}
	return access.Sign(key, c.Alg, claims)
}

// signer returns the first key that can sign.
func (c *tokenCommand) signer() (*access.Key, error) {
	keys, err := c.keys()
	if err != nil {
		return nil, err
	}
	for _, key := range keys {
		if key.CanSign() {
			return key, nil
		}
	}
	if len(keys) > 0 || c.TokenJWKSURL != "" {
		return nil, errors.New("only public keys are given, which can verify tokens and not sign them: give the private one with --token-key-file")
	}
	return nil, errors.New("no key is given to sign with: give --token-key-file, or set FANFOLD_TOKEN_KEY to a secret of 32 bytes or more")
}

// inspect explains a token. It is an error if the hub would refuse it.
func (c *tokenCommand) inspect(ctx context.Context, in io.Reader, out io.Writer) error {
	token := c.Inspect
	if token == "-" {
		text, err := io.ReadAll(io.LimitReader(in, 2*access.MaxTokenBytes))
		if err != nil {
			return fmt.Errorf("read the token: %w", err)
		}
		token = trimLine(string(text))
	}
	config, err := c.config(nil)
	if err != nil {
		return err
	}
	now := time.Now()
	config.Now = func() time.Time { return now }
	explanation := access.Explain(ctx, config, token)
	writeExplanation(out, explanation, now)
	switch {
	case !c.configured():
		return errors.New("the signature was not checked: give the key, as the hub has it, with --token-key-file, FANFOLD_TOKEN_KEY or --token-jwks-url")
	case !explanation.OK():
		return fmt.Errorf("the hub would refuse this token: %s", explanation.Why())
	}
	return nil
}
