package access

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
)

// jwk is a key in JSON (RFC 7517 §4, RFC 7518 §6, RFC 8037 §2).
type jwk struct {
	Kty    string   `json:"kty"`
	Kid    string   `json:"kid"`
	Alg    string   `json:"alg"`
	Use    string   `json:"use"`
	KeyOps []string `json:"key_ops"`

	K string `json:"k"` // oct

	N string `json:"n"` // RSA
	E string `json:"e"`
	P string `json:"p"`
	Q string `json:"q"`

	Crv string `json:"crv"` // EC and OKP
	X   string `json:"x"`
	Y   string `json:"y"`
	D   string `json:"d"` // the private half, of RSA too
}

// parseKeySet reads a JWK or a set of them. skipped says of each that is left
// out why: sets have keys for encryption too. Only with secrets are those taken that sign
// by a shared secret.
func parseKeySet(data []byte, secrets bool) (keys []*Key, skipped []error, err error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
		Kty  string            `json:"kty"`
	}
	if err := json.Unmarshal(data, &set); err != nil {
		return nil, nil, fmt.Errorf("it is no JWK or set of them: %w", err)
	}
	if set.Kty != "" {
		set.Keys = []json.RawMessage{data}
	}
	switch n := len(set.Keys); {
	case n == 0:
		return nil, nil, errors.New("it is JSON without keys: a JWK has kty, a set of them has keys")
	case n > maxKeys:
		return nil, nil, fmt.Errorf("there are %d keys in it: at most %d are allowed", n, maxKeys)
	}
	for i, raw := range set.Keys {
		key, err := parseJWK(raw, secrets)
		if err != nil {
			skipped = append(skipped, fmt.Errorf("key %d of %d: %w", i+1, len(set.Keys), err))
			continue
		}
		keys = append(keys, key)
	}
	return keys, skipped, nil
}

func parseJWK(data []byte, secrets bool) (*Key, error) {
	var j jwk
	if err := json.Unmarshal(data, &j); err != nil {
		return nil, errors.New("it is no JWK")
	}
	switch {
	case len(j.Kid) > maxNameBytes:
		return nil, fmt.Errorf("its kid is %d bytes long: at most %d are allowed", len(j.Kid), maxNameBytes)
	case j.Use != "" && j.Use != "sig":
		return nil, fmt.Errorf("its use is %.32q, not sig", j.Use)
	case len(j.KeyOps) > 0 && !slices.Contains(j.KeyOps, "verify") && !slices.Contains(j.KeyOps, "sign"):
		return nil, errors.New("its key_ops has neither verify nor sign")
	case j.Kty == "oct" && !secrets:
		return nil, errors.New("it is a shared secret, which has no place where others can read it")
	}
	material, err := j.material()
	if err != nil {
		return nil, err
	}
	return newKey(j.Kid, j.Alg, material)
}

func (j *jwk) material() (any, error) {
	switch j.Kty {
	case "oct":
		return octets("k", j.K)
	case "RSA":
		return j.rsa()
	case "EC":
		return j.ec()
	case "OKP":
		return j.okp()
	}
	return nil, fmt.Errorf("its kty %.32q is not one that tokens are signed with", j.Kty)
}

func (j *jwk) rsa() (any, error) {
	n, err := number("n", j.N)
	if err != nil {
		return nil, err
	}
	e, err := number("e", j.E)
	if err != nil {
		return nil, err
	}
	if !e.IsInt64() || e.Int64() < 3 || e.Int64() > 1<<31-1 || e.Bit(0) == 0 {
		return nil, errors.New("its exponent e must be odd, from 3 to 2^31-1")
	}
	public := rsa.PublicKey{N: n, E: int(e.Int64())}
	if j.D == "" || n.BitLen() < minRSABits || n.BitLen() > maxRSABits {
		return &public, nil // newKey says what is wrong with the size
	}
	private := &rsa.PrivateKey{PublicKey: public}
	var primes [2]*big.Int
	for i, text := range []string{j.P, j.Q} {
		if primes[i], err = number("p or q", text); err != nil {
			return nil, err
		}
	}
	if private.D, err = number("d", j.D); err != nil {
		return nil, err
	}
	private.Primes = primes[:]
	if err := private.Validate(); err != nil {
		return nil, fmt.Errorf("its numbers do not fit each other: %w", err)
	}
	private.Precompute()
	return private, nil
}

func (j *jwk) ec() (any, error) {
	curves := map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}
	curve, ok := curves[j.Crv]
	if !ok {
		return nil, fmt.Errorf("its curve %.32q is not used for tokens: P-256, P-384 and P-521 are", j.Crv)
	}
	size := (curve.Params().BitSize + 7) / 8
	point := []byte{4} // uncompressed (SEC 1 §2.3.3)
	for _, part := range [][2]string{{"x", j.X}, {"y", j.Y}} {
		coordinate, err := octets(part[0], part[1])
		if err != nil {
			return nil, err
		}
		if len(coordinate) != size {
			return nil, fmt.Errorf("its %s has %d bytes instead of %d", part[0], len(coordinate), size)
		}
		point = append(point, coordinate...)
	}
	public, err := ecdsa.ParseUncompressedPublicKey(curve, point)
	if err != nil {
		return nil, errors.New("its x and y are no point of the curve")
	}
	if j.D == "" {
		return public, nil
	}
	d, err := octets("d", j.D)
	if err != nil {
		return nil, err
	}
	private, err := ecdsa.ParseRawPrivateKey(curve, d)
	if err != nil || !private.PublicKey.Equal(public) {
		return nil, errors.New("its d is not the private half of x and y")
	}
	return private, nil
}

func (j *jwk) okp() (any, error) {
	if j.Crv != "Ed25519" {
		return nil, fmt.Errorf("its curve %.32q is not used for tokens: Ed25519 is", j.Crv)
	}
	x, err := octets("x", j.X)
	if err != nil {
		return nil, err
	}
	if len(x) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("its x has %d bytes instead of %d", len(x), ed25519.PublicKeySize)
	}
	public := ed25519.PublicKey(x)
	if j.D == "" {
		return public, nil
	}
	seed, err := octets("d", j.D)
	if err != nil || len(seed) != ed25519.SeedSize {
		return nil, errors.New("its d is no private key")
	}
	private := ed25519.NewKeyFromSeed(seed)
	if !public.Equal(private.Public()) {
		return nil, errors.New("its d is not the private half of x")
	}
	return private, nil
}

// octets reads a field of base64url; its error does not show it.
func octets(name, text string) ([]byte, error) {
	data, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(data) == 0 || strings.ContainsAny(text, "\r\n") {
		return nil, fmt.Errorf("its %s is missing or not base64url", name)
	}
	return data, nil
}

func number(name, text string) (*big.Int, error) {
	data, err := octets(name, text)
	if err != nil {
		return nil, err
	}
	return new(big.Int).SetBytes(data), nil
}
