package access

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// pem1024 is an RSA key as short as they once were. Go makes none any more.
const pem1024 = `-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDdlatRjRjogo3WojgGHFHYLugd
UWAY9iR3fy4arWNA1KoS8kVw33cJibXr8bvwUAUparCwlvdbH6dvEOfou0/gCFQs
HUfQrSDv+MuSUMAe8jzKE4qW+jK+xQU9a03GUnKHkkle+Q0pX/g6jXZ7r1/xAK5D
o2kQ+X5xK9cipRgEKwIDAQAB
-----END PUBLIC KEY-----
`

func TestWeakAndWrongKeysAreRefused(t *testing.T) {
	p224 := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P224(), rand.Reader))
	der := must[[]byte](t)(x509.MarshalPKIXPublicKey(&p224.PublicKey))
	pub := publicPEM(t, "ES256")
	block, _ := pem.Decode(pub)
	with := func(kind string, private bool, change map[string]any) string {
		fields := toJWK(t, "k", kind, private)
		for name, value := range change {
			fields[name] = value
		}
		return string(marshal(t, fields))
	}
	other := toJWK(t, "", "ES256", false)
	for text, says := range map[string]string{
		"":                                     "there is no key in it",
		"\n":                                   "there is no key in it",
		strings.Repeat("x", 31):                "the secret has 31 bytes: it must have at least 32",
		strings.Repeat("x", 31) + "\n":         "has 31 bytes",
		strings.Repeat("x", maxKeySetBytes+1):  "more than 1048576 bytes",
		pem1024:                                "the RSA key has 1024 bits: it must have 2048 to 8192",
		string(pub[:60]):                       "damaged",
		string(pub) + string(pub[:60]):         "damaged",
		strings.Repeat(string(pub), maxKeys+1): "more than 64 keys",
		string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})):                    "the curve P-224 is not used",
		string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der[1:]})):                "PUBLIC KEY",
		string(pem.EncodeToMemory(&pem.Block{Type: "OPENSSH PRIVATE KEY", Bytes: []byte("x")})):   "no kind of key",
		string(pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte("x")})): "it is encrypted",
		string(pem.EncodeToMemory(&pem.Block{Type: "EC PARAMETERS", Bytes: []byte("x")})):         "no key in its PEM",
		"ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQC7 someone@somewhere":                              "an SSH public key, which is not secret",
		"https://example.com/.well-known/jwks.json":                                               "a URL, which is not secret",
		string(block.Bytes): "a public key in DER",
		`{"kty":"oct"`:      "no JWK or set",
		`{"a":1}`:           "JSON without keys",
		`{"keys":[]}`:       "JSON without keys",
		`{"keys":[` + strings.Repeat("{},", maxKeys) + `{}]}`: "at most 64",
		`{"keys":[7]}`: "no JWK",
		`{"kty":"oct","k":"` + b64([]byte(strings.Repeat("x", 31))) + `"}`:               "the secret has 31 bytes",
		`{"kty":"oct","k":"` + b64([]byte(strings.Repeat("x", 32))) + `","alg":"HS512"}`: `"HS512" is not for this key, which is for HS256`,
		`{"kty":"oct","k":"` + b64([]byte(strings.Repeat("x", 32))) + `","alg":"none"}`:  `"none" is not for this key`,
		`{"kty":"oct","k":""}`: "its k is missing",
		`{"kty":"XYZ"}`:        `its kty "XYZ"`,
		with("RS256", false, map[string]any{"use": "enc"}):                         "its use is",
		with("RS256", false, map[string]any{"key_ops": []string{"encrypt"}}):       "its key_ops",
		with("RS256", false, map[string]any{"alg": "HS256"}):                       `"HS256" is not for this key`,
		with("RS256", false, map[string]any{"alg": "RSA-OAEP"}):                    `"RSA-OAEP" is not for this key`,
		with("RS256", false, map[string]any{"e": b64([]byte{1})}):                  "its exponent e",
		with("RS256", false, map[string]any{"e": b64([]byte{4})}):                  "its exponent e",
		with("RS256", false, map[string]any{"n": b64(make([]byte, 256))}):          "the RSA key has 0 bits",
		with("RS256", true, map[string]any{"d": b64([]byte{5})}):                   "do not fit",
		with("RS256", true, map[string]any{"p": ""}):                               "p or q is missing",
		with("ES256", false, map[string]any{"crv": "P-384"}):                       "its x has 32 bytes instead of 48",
		with("ES256", false, map[string]any{"crv": "secp256k1"}):                   `its curve "secp256k1"`,
		with("ES256", false, map[string]any{"x": other["y"], "y": other["y"]}):     "no point of the curve",
		with("ES256", true, map[string]any{"d": b64(append(make([]byte, 31), 1))}): "not the private half",
		with("EdDSA", false, map[string]any{"crv": "X25519"}):                      `its curve "X25519"`,
		with("EdDSA", false, map[string]any{"x": b64([]byte("x"))}):                "its x has 1 bytes",
		with("EdDSA", true, map[string]any{"d": b64(make([]byte, 32))}):            "not the private half",
		with("EdDSA", false, map[string]any{"kid": strings.Repeat("k", 256)}):      "its kid is 256 bytes",
	} {
		keys, err := ParseKeys([]byte(text))
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%.60q: got %v, %v, want an error that says %q", text, keys, err, says)
		}
	}
}

// A secret is for the hashes that are no longer than it.
func TestASecretsLengthBindsItsAlgorithms(t *testing.T) {
	for length, want := range map[int]string{32: "HS256", 47: "HS256", 48: "HS256 HS384", 63: "HS256 HS384", 64: "HS256 HS384 HS512"} {
		keys := must[[]*Key](t)(ParseKeys([]byte(strings.Repeat("x", length))))
		if got := strings.Join(keys[0].Algorithms, " "); got != want {
			t.Errorf("%d bytes: %s", length, got)
		}
	}
}

func TestKeysOfAFile(t *testing.T) {
	ec := signers()["ES256"].(*ecdsa.PrivateKey)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "x"}}
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: must[[]byte](t)(x509.CreateCertificate(rand.Reader, template, template, &ec.PublicKey, ec))})
	sec1 := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: must[[]byte](t)(x509.MarshalECPrivateKey(ec))})
	path := filepath.Join(t.TempDir(), "keys")
	for what, text := range map[string]string{
		"a certificate":     string(certificate),
		"SEC 1":             "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n" + string(sec1),
		"two keys":          string(publicPEM(t, "EdDSA")) + "some words between\n" + string(publicPEM(t, "ES256")),
		"a set with others": `{"keys":[{"kty":"RSA","use":"enc"},{"kty":"XX"},` + string(marshal(t, toJWK(t, "a", "ES256", false))) + `]}`,
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		keys, err := LoadKeys(path)
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		if _, err := newVerifier(t, keys).Connection(t.Context(), must[string](t)(Sign(privateKey(t, "a", "ES256"), "", Claims{}))); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := LoadKeys(path + "x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if err := os.WriteFile(path, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadKeys(path); err == nil || !strings.HasPrefix(err.Error(), path+": the secret has 5 bytes") {
		t.Errorf("got %v", err)
	}
}
