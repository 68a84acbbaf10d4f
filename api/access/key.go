package access

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

// Bounds on keys. Shorter ones can be guessed or factored; longer RSA keys only
// cost time.
const (
	minSecretBytes = 32   // RFC 7518 §3.2
	minRSABits     = 2048 // RFC 7518 §3.3
	maxRSABits     = 8192
)

// families are the algorithms that a token may be signed with (RFC 7518 §3.1,
// RFC 8037 §3.1), by the kind of key. "none" is in no list.
var families = struct{ hmac, rsa, p256, p384, p521, ed25519 []string }{
	hmac:    []string{"HS256", "HS384", "HS512"},
	rsa:     []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"},
	p256:    []string{"ES256"},
	p384:    []string{"ES384"},
	p521:    []string{"ES512"},
	ed25519: []string{"EdDSA"},
}

// Algorithms returns all that tokens may be signed with.
func Algorithms() []string {
	f := families
	return slices.Concat(f.hmac, f.rsa, f.p256, f.p384, f.p521, f.ed25519)
}

// Key verifies tokens, and signs them if its private half is known. It is static.
type Key struct {
	ID string // "": it has none
	// Algorithms are all that it is used with; never those of another kind of key.
	Algorithms []string

	// The halves are behind functions because fmt shows any other field, when the key is
	// itself in a field of something that is printed.
	public  func() any // for verifying: []byte, *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey
	private func() any // for signing; nil if not known
}

// newKey returns the key of some material, bound to its kind's algorithms, or to
// the one of them that is named.
func newKey(id, algorithm string, material any) (*Key, error) {
	k := &Key{ID: id}
	public, signs := material, false
	switch m := material.(type) {
	case []byte:
		signs = true
	case crypto.Signer:
		public, signs = m.Public(), true
	}
	k.public = func() any { return public }
	if signs {
		k.private = func() any { return material }
	}
	var err error
	if k.Algorithms, err = algorithmsOf(public); err != nil {
		return nil, err
	}
	if algorithm != "" {
		if !slices.Contains(k.Algorithms, algorithm) {
			return nil, fmt.Errorf("the algorithm %.32q is not for this key, which is for %s", algorithm, strings.Join(k.Algorithms, ", "))
		}
		k.Algorithms = []string{algorithm}
	}
	return k, nil
}

// algorithmsOf returns what a key can be used with, or why with nothing.
func algorithmsOf(public any) ([]string, error) {
	switch key := public.(type) {
	case []byte:
		return hmacAlgorithms(len(key))
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits < minRSABits || bits > maxRSABits {
			return nil, fmt.Errorf("the RSA key has %d bits: it must have %d to %d", bits, minRSABits, maxRSABits)
		}
		return families.rsa, nil
	case *ecdsa.PublicKey:
		switch key.Curve.Params().Name {
		case "P-256":
			return families.p256, nil
		case "P-384":
			return families.p384, nil
		case "P-521":
			return families.p521, nil
		}
		return nil, fmt.Errorf("the curve %s is not used for tokens: P-256, P-384 and P-521 are", key.Curve.Params().Name)
	case ed25519.PublicKey:
		return families.ed25519, nil
	}
	return nil, fmt.Errorf("a key of the kind %T signs no tokens", public)
}

// hmacAlgorithms: a secret is at least as long as the hash (RFC 7518 §3.2).
func hmacAlgorithms(secretBytes int) ([]string, error) {
	switch {
	case secretBytes < minSecretBytes:
		return nil, fmt.Errorf("the secret has %d bytes: it must have at least %d, and be random (openssl rand -hex 32 makes one)", secretBytes, minSecretBytes)
	case secretBytes < 48:
		return families.hmac[:1], nil
	case secretBytes < 64:
		return families.hmac[:2], nil
	}
	return families.hmac, nil
}

// String says which key it is, never what it is.
func (k *Key) String() string {
	if k.ID == "" {
		return "the key for " + strings.Join(k.Algorithms, ", ")
	}
	return fmt.Sprintf("the key %.64q for %s", k.ID, strings.Join(k.Algorithms, ", "))
}

// GoString is String, so that no way of printing shows a secret.
func (k *Key) GoString() string { return k.String() }

// verify reports whether the key has signed this. The algorithm is one of its own.
func (k *Key) verify(algorithm, signed string, signature []byte) bool {
	method := jwt.GetSigningMethod(algorithm)
	return method != nil && method.Verify(signed, signature, k.public()) == nil
}

// CanSign reports whether the private half is known.
func (k *Key) CanSign() bool { return k.private != nil }

// sign returns the signature.
func (k *Key) sign(algorithm, text string) ([]byte, error) {
	if k.private == nil {
		return nil, errors.New("this is a public key, which can only verify: signing takes the private one")
	}
	if !slices.Contains(k.Algorithms, algorithm) {
		return nil, fmt.Errorf("%.32q is not for this key, which is for %s", algorithm, strings.Join(k.Algorithms, ", "))
	}
	return jwt.GetSigningMethod(algorithm).Sign(text, k.private())
}
