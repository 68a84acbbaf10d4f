package access

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fanfold/hub"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// now is what every verifier's clock shows here.
var now = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

const secret = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// signers has one private key of each kind, by the first of its algorithms.
var signers = sync.OnceValue(func() map[string]any {
	made := map[string]any{"HS256": []byte(secret)}
	var err error
	if made["RS256"], err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		panic(err)
	}
	for name, curve := range map[string]elliptic.Curve{"ES256": elliptic.P256(), "ES384": elliptic.P384(), "ES512": elliptic.P521()} {
		if made[name], err = ecdsa.GenerateKey(curve, rand.Reader); err != nil {
			panic(err)
		}
	}
	if _, made["EdDSA"], err = ed25519.GenerateKey(rand.Reader); err != nil {
		panic(err)
	}
	return made
})

// privateKey returns the key of the kind that this algorithm is the first of.
func privateKey(t testing.TB, id, algorithm string) *Key {
	t.Helper()
	k, err := newKey(id, "", signers()[algorithm])
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func publicPEM(t testing.TB, algorithm string) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(signers()[algorithm].(crypto.Signer).Public())
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func privatePEM(t testing.TB, algorithm string) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(signers()[algorithm])
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func b64(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

// toJWK writes a key as RFC 7517 has it.
func toJWK(t testing.TB, id, algorithm string, private bool) map[string]any {
	t.Helper()
	fields := map[string]any{"kid": id, "use": "sig"}
	switch key := signers()[algorithm].(type) {
	case []byte:
		fields["kty"], fields["k"] = "oct", b64(key)
	case *rsa.PrivateKey:
		fields["kty"], fields["n"], fields["e"] = "RSA", b64(key.N.Bytes()), b64(big.NewInt(int64(key.E)).Bytes())
		if private {
			fields["d"], fields["p"], fields["q"] = b64(key.D.Bytes()), b64(key.Primes[0].Bytes()), b64(key.Primes[1].Bytes())
		}
	case *ecdsa.PrivateKey:
		point, err := key.PublicKey.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		half := (len(point) - 1) / 2
		fields["kty"], fields["crv"], fields["x"], fields["y"] = "EC", key.Curve.Params().Name, b64(point[1:1+half]), b64(point[1+half:])
		if private {
			d, err := key.Bytes()
			if err != nil {
				t.Fatal(err)
			}
			fields["d"] = b64(d)
		}
	case ed25519.PrivateKey:
		fields["kty"], fields["crv"], fields["x"] = "OKP", "Ed25519", b64(key.Public().(ed25519.PublicKey))
		if private {
			fields["d"] = b64(key.Seed())
		}
	}
	return fields
}

func marshal(t testing.TB, value any) []byte {
	t.Helper()
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// newVerifier has the clock of these tests.
func newVerifier(t testing.TB, keys []*Key, change ...func(*Config)) *Verifier {
	t.Helper()
	c := DefaultConfig()
	c.Keys, c.Now = keys, func() time.Time { return now }
	for _, f := range change {
		f(&c)
	}
	v, err := NewVerifier(c)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// hmacVerifier knows the secret alone.
func hmacVerifier(t testing.TB, change ...func(*Config)) *Verifier {
	return newVerifier(t, []*Key{privateKey(t, "", "HS256")}, change...)
}

// forge signs any header and payload with a secret, whatever they say.
func forge(t testing.TB, key any, method, header, payload string) string {
	t.Helper()
	k, err := newKey("", "", key)
	if err != nil {
		t.Fatal(err)
	}
	text := b64([]byte(header)) + "." + b64([]byte(payload))
	signature, err := k.sign(method, text)
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + b64(signature)
}

// hs256 is forge with the verifier's own secret: the payload alone is in question.
func hs256(t testing.TB, payload string) string {
	return forge(t, []byte(secret), "HS256", `{"alg":"HS256","typ":"JWT"}`, payload)
}

// refused checks that err is a refusal by that check which says these texts, to the
// client, and is of the code.
func refused(t *testing.T, err error, check Check, code hub.Code, says ...string) {
	t.Helper()
	r, ok := errors.AsType[*Refusal](err)
	if !ok {
		t.Errorf("got %v, want a refusal by %s", err, check)
		return
	}
	if e := hub.ErrorOf(err); e.Code != code || e.Message != r.Message {
		t.Errorf("as an error of the hub it is %d, %q; want code %d", e.Code, e.Message, code)
	}
	missing := func(text string) bool { return !strings.Contains(r.Message, text) }
	if r.Check != check || slices.ContainsFunc(says, missing) {
		t.Errorf("got %s: %q, want %s: one that says %q", r.Check, r.Message, check, says)
	}
}

func must[T any](t testing.TB) func(T, error) T {
	return func(value T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}
