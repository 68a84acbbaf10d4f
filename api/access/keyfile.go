package access

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
)

// Bounds on what a file or URL of keys may hold, so that a token without a key
// ID can't cost more than these tries.
const (
	maxKeySetBytes = 1 << 20
	maxKeys        = 64
)

// LoadKeys reads the file; see [ParseKeys].
func LoadKeys(path string) ([]*Key, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxKeySetBytes+1))
	if err != nil {
		return nil, err
	}
	keys, err := ParseKeys(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return keys, nil
}

// ParseKeys reads keys in any of these forms: PEM, with public keys, private
// keys or certificates; a JWK or a set of them (RFC 7517); anything else is one secret, as
// the text stands without line breaks around it. What looks like a public key but can't be
// read as one is an error, never a secret: everybody may know it.
func ParseKeys(data []byte) ([]*Key, error) {
	text := bytes.TrimSpace(data)
	switch {
	case len(data) > maxKeySetBytes:
		return nil, fmt.Errorf("the keys take more than %d bytes", maxKeySetBytes)
	case len(text) == 0:
		return nil, errors.New("there is no key in it")
	case bytes.Contains(text, []byte("-----BEGIN ")):
		return parsePEM(text)
	case text[0] == '{':
		keys, skipped, err := parseKeySet(text, true)
		if err == nil && len(keys) == 0 {
			err = fmt.Errorf("no key in it can be used: %w", errors.Join(skipped...))
		}
		return keys, err
	}
	if what := publicForm(data); what != "" {
		return nil, fmt.Errorf("it holds %s, which is not secret: give a PEM or JWK file for such a key", what)
	}
	key, err := newKey("", "", bytes.Clone(bytes.Trim(data, "\r\n")))
	if err != nil {
		return nil, err
	}
	return []*Key{key}, nil
}

// publicForm says what public thing a would-be secret is, or "".
func publicForm(data []byte) string {
	text := bytes.TrimSpace(data)
	for _, prefix := range []string{"ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"} {
		if bytes.HasPrefix(text, []byte(prefix)) {
			return "an SSH public key"
		}
	}
	for _, prefix := range []string{"http://", "https://"} {
		if bytes.HasPrefix(text, []byte(prefix)) {
			return "a URL"
		}
	}
	if _, err := x509.ParsePKIXPublicKey(data); err == nil {
		return "a public key in DER"
	}
	if _, err := x509.ParseCertificate(data); err == nil {
		return "a certificate in DER"
	}
	return ""
}

func parsePEM(rest []byte) ([]*Key, error) {
	var keys []*Key
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type == "EC PARAMETERS" { // openssl writes them before an EC key
			continue
		}
		if len(keys) == maxKeys {
			return nil, fmt.Errorf("there are more than %d keys in it", maxKeys)
		}
		key, err := parseBlock(block)
		if err != nil {
			return nil, fmt.Errorf("the PEM block %.32q: %w", block.Type, err)
		}
		keys = append(keys, key)
	}
	switch {
	case bytes.Contains(rest, []byte("-----BEGIN ")):
		return nil, errors.New("a PEM block in it is damaged")
	case len(keys) == 0:
		return nil, errors.New("there is no key in its PEM")
	}
	return keys, nil
}

func parseBlock(block *pem.Block) (*Key, error) {
	var material any
	var err error
	switch block.Type {
	case "PUBLIC KEY":
		material, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		material, err = x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		var certificate *x509.Certificate
		if certificate, err = x509.ParseCertificate(block.Bytes); err == nil {
			material = certificate.PublicKey
		}
	case "PRIVATE KEY":
		material, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		material, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		material, err = x509.ParseECPrivateKey(block.Bytes)
	default:
		return nil, errors.New("this is no kind of key that tokens are signed with, or it is encrypted")
	}
	if err != nil {
		return nil, err
	}
	return newKey("", "", material)
}
