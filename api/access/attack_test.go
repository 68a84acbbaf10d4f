package access

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"

	"fanfold/hub"
)

// A token that says that it is not signed is not taken, however it says so.
func TestAlgNoneIsRefused(t *testing.T) {
	v := newVerifier(t, []*Key{privateKey(t, "", "HS256"), privateKey(t, "", "RS256")})
	for _, alg := range []string{"none", "None", "NONE", "nOnE", " none", "none\u0000", "HS256 ", "hs256", "HS1", "dir", "RSA-OAEP"} {
		head := b64(fmt.Appendf(nil, `{"alg":%q}`, alg)) + "." + b64([]byte(`{"sub":"root"}`)) + "."
		if strings.ContainsRune(alg, 0) {
			head = b64([]byte(`{"alg":"none\u0000"}`)) + "." + b64([]byte(`{"sub":"root"}`)) + "."
		}
		for _, signature := range []string{"", b64([]byte("x")), b64(make([]byte, 32))} {
			_, err := v.Connection(t.Context(), head+signature)
			refused(t, err, CheckAlgorithm, hub.CodeUnauthenticated, "is not allowed")
		}
	}
	_, err := v.Connection(t.Context(), b64([]byte(`{"alg":""}`))+"."+b64([]byte(`{}`))+".")
	refused(t, err, CheckFormat, hub.CodeUnauthenticated, "no alg")
	_, err = v.Connection(t.Context(), b64([]byte(`{"typ":"JWT"}`))+"."+b64([]byte(`{}`))+".")
	refused(t, err, CheckFormat, hub.CodeUnauthenticated, "no alg")
}

// A public key is known to everybody: as the secret of HS256, in any of its forms,
// it proves nothing. Nor does a key count for the algorithms of another kind.
func TestAKeyIsNotUsedForAnotherAlgorithm(t *testing.T) {
	for _, kind := range []string{"RS256", "ES256", "ES384", "ES512", "EdDSA"} {
		for _, id := range []string{"", "k1"} {
			text := publicPEM(t, kind)
			keys := must[[]*Key](t)(ParseKeys(text))
			keys[0].ID = id
			v := newVerifier(t, keys)
			block, _ := pem.Decode(text)
			guesses := [][]byte{text, bytes.TrimSpace(text), block.Bytes, []byte(base64.StdEncoding.EncodeToString(block.Bytes))}
			if key, ok := signers()[kind].(*rsa.PrivateKey); ok {
				guesses = append(guesses, key.N.Bytes(), x509.MarshalPKCS1PublicKey(&key.PublicKey))
			}
			for _, guess := range guesses {
				if len(guess) < minSecretBytes {
					continue
				}
				_, err := v.Connection(t.Context(), forge(t, guess, "HS256", `{"alg":"HS256","kid":"k1"}`, `{"sub":"root"}`))
				refused(t, err, CheckAlgorithm, hub.CodeUnauthenticated, "HS256 is not one that this server's key is for: that is for "+keys[0].Algorithms[0])
			}
			for _, other := range Algorithms() {
				_, err := v.Connection(t.Context(), forge(t, signers()[kind], keys[0].Algorithms[0], fmt.Sprintf(`{"alg":%q}`, other), `{"sub":"root"}`))
				switch {
				case err == nil && other != keys[0].Algorithms[0]:
					t.Errorf("%s: a signature of %s passes as %s", kind, keys[0].Algorithms[0], other)
				case err != nil && other == keys[0].Algorithms[0]:
					t.Error(err)
				}
			}
		}
	}
}

// A key that is for one algorithm does not take another of its kind.
func TestAKeysOwnAlgorithmCounts(t *testing.T) {
	fields := toJWK(t, "k", "RS256", false)
	fields["alg"] = "PS384"
	v := newVerifier(t, must[[]*Key](t)(ParseKeys(marshal(t, fields))))
	for alg, ok := range map[string]bool{"PS384": true, "RS256": false, "PS256": false} {
		if _, err := v.Connection(t.Context(), forge(t, signers()["RS256"], alg, fmt.Sprintf(`{"alg":%q,"kid":"k"}`, alg), `{}`)); (err == nil) != ok {
			t.Errorf("%s: %v", alg, err)
		}
	}
}

func TestSignaturesAreChecked(t *testing.T) {
	for _, kind := range []string{"HS256", "RS256", "ES256", "EdDSA"} {
		key := privateKey(t, "", kind)
		v := newVerifier(t, []*Key{key})
		good := must[string](t)(Sign(key, "", Claims{Subject: "anna"}))
		other := must[string](t)(Sign(key, "", Claims{Subject: "bert"}))
		head, signature, _ := cutLast(good)
		_, swapped, _ := cutLast(other)
		flipped := must[[]byte](t)(base64.RawURLEncoding.DecodeString(signature))
		flipped[len(flipped)/2] ^= 1
		for what, forged := range map[string]string{
			"stripped":  head + ".",
			"swapped":   head + "." + swapped,
			"flipped":   head + "." + b64(flipped),
			"zeros":     head + "." + b64(make([]byte, len(flipped))),
			"cut":       head + "." + b64(flipped[:len(flipped)-1]),
			"prolonged": head + "." + b64(append(flipped, 0)),
		} {
			if _, err := v.Connection(t.Context(), forged); err == nil {
				t.Errorf("%s: a %s signature passes", kind, what)
			} else {
				refused(t, err, CheckSignature, hub.CodeUnauthenticated, "signature")
			}
		}
		if p, err := v.Connection(t.Context(), good); err != nil || p.User != "anna" {
			t.Errorf("%s: %+v, %v", kind, p, err)
		}
		_, err := v.Connection(t.Context(), strings.Replace(good, ".", "", 1))
		refused(t, err, CheckFormat, hub.CodeUnauthenticated, "has 2 parts")
	}
}

// A key that the token brings along, or the address of one, is not looked at.
func TestKeysFromHeadersAreNotUsed(t *testing.T) {
	mine := []byte("the attacker's own secret of 32 bytes or more")
	v := hmacVerifier(t)
	for _, header := range []string{
		`{"alg":"HS256","jwk":{"kty":"oct","k":"` + b64(mine) + `"}}`,
		`{"alg":"HS256","jku":"http://127.0.0.1:1/keys"}`,
		`{"alg":"HS256","x5u":"http://127.0.0.1:1/cert"}`,
		`{"alg":"HS256","x5c":["` + base64.StdEncoding.EncodeToString(mine) + `"]}`,
		`{"alg":"HS256","kid":"../../../dev/null"}`,
		`{"alg":"HS256","kid":"' OR 1=1 --"}`,
	} {
		_, err := v.Connection(t.Context(), forge(t, mine, "HS256", header, `{"sub":"root"}`))
		refused(t, err, CheckSignature, hub.CodeUnauthenticated)
	}
}

func TestCriticalHeadersAreRefused(t *testing.T) {
	for _, header := range []string{`{"alg":"HS256","crit":["b64"],"b64":false}`, `{"alg":"HS256","crit":[]}`, `{"alg":"HS256","crit":null}`} {
		_, err := hmacVerifier(t).Connection(t.Context(), forge(t, []byte(secret), "HS256", header, `{}`))
		refused(t, err, CheckFormat, hub.CodeUnauthenticated, "crit")
	}
}

// Readers differ in which of two equal names counts, so neither does; and Sub is
// another name than sub.
func TestDoubleNamesAreRefused(t *testing.T) {
	v := hmacVerifier(t)
	for _, payload := range []string{`{"sub":"anna","sub":"root"}`, `{"sub":"anna","s\u0075b":"root"}`, `{"info":{"a":1,"b":[{"c":1,"c":2}]}}`} {
		_, err := v.Connection(t.Context(), hs256(t, payload))
		refused(t, err, CheckFormat, hub.CodeUnauthenticated, "twice")
	}
	_, err := v.Connection(t.Context(), forge(t, []byte(secret), "HS256", `{"alg":"HS256","alg":"none"}`, `{}`))
	refused(t, err, CheckFormat, hub.CodeUnauthenticated, `header has "alg" twice`)
	p, err := v.Connection(t.Context(), hs256(t, `{"sub":"anna","Sub":"root","SUB":"root","Subscribe":[">"]}`))
	if err != nil || p.User != "anna" || p.Grant.Allows(hub.ActionSubscribe, p.User, "a") {
		t.Errorf("got %+v, %v", p, err)
	}
}

func TestHugeAndDeepTokensAreRefused(t *testing.T) {
	v := hmacVerifier(t)
	_, err := v.Connection(t.Context(), hs256(t, `{"info":{"a":"`+strings.Repeat("x", MaxTokenBytes)+`"}}`))
	refused(t, err, CheckFormat, hub.CodeUnauthenticated, "at most 16384 are allowed")
	_, err = v.Connection(t.Context(), strings.Repeat(".", 1<<24))
	refused(t, err, CheckFormat, hub.CodeUnauthenticated, "at most 16384")
	for _, nested := range []string{
		strings.Repeat(`{"a":`, 17) + "1" + strings.Repeat("}", 17),
		`{"a":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + "}",
	} {
		_, err = v.Connection(t.Context(), hs256(t, nested))
		refused(t, err, CheckFormat, hub.CodeUnauthenticated, "nested more than 16 deep")
	}
	list := strings.Repeat(`"a",`, maxPatterns) + `"a"`
	for _, claim := range []string{"subscribe", "publish", "presence", "history", "channels", "aud"} {
		_, err = v.Connection(t.Context(), hs256(t, `{"`+claim+`":[`+list+`]}`))
		refused(t, err, CheckClaims, hub.CodeUnauthenticated, claim, "at most")
	}
}

// A token can be written in one way alone, so that what is revoked or logged can't
// come back in other letters.
func TestWeirdBase64IsRefused(t *testing.T) {
	v := hmacVerifier(t)
	good := hs256(t, `{"sub":"anna?>>","jti":"1"}`)
	if _, err := v.Connection(t.Context(), good); err != nil {
		t.Fatal(err)
	}
	last := good[len(good)-1]
	alphabet := "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for what, forged := range map[string]string{
		"has = at its end":   good + "=",
		"with + and /":       strings.NewReplacer("-", "+", "_", "/").Replace(good[:len(good)-1]) + "+",
		"is not base64url":   good[:len(good)-1] + string(alphabet[strings.IndexByte(alphabet, last)^1]), // bits behind the end
		"spaces":             good + "\n",
		"line breaks":        good[:9] + "\r\n" + good[9:],
		"quotes":             `"` + good + `"`,
		"the word Bearer":    "Bearer " + good,
		"has 4 parts":        good + ".",
		"five parts":         good + "..",
		"a server's key":     NewKey(),
		"is empty":           "",
		"has 1 parts":        "é",
		"header is not base": "é.é.é",
	} {
		_, err := v.Connection(t.Context(), forged)
		refused(t, err, CheckFormat, hub.CodeUnauthenticated, what)
	}
	for what, payload := range map[string]string{
		"payload is not a JSON object": "null", "is not a JSON object": "[]", "payload is not": `{"a":1}{`, "is not a": `{"a":1} {}`,
		"is not UTF-8": "{\"sub\":\"a\xff\"}",
	} {
		_, err := v.Connection(t.Context(), hs256(t, payload))
		refused(t, err, CheckFormat, hub.CodeUnauthenticated, what)
	}
}

// Who can't sign learns nothing of what claims would have to say.
func TestNothingIsToldBeforeTheSignature(t *testing.T) {
	v := hmacVerifier(t, func(c *Config) { c.Audience, c.Issuer = []string{"the-hub"}, "the-boss" })
	for _, payload := range []string{`{"exp":1}`, `{"aud":"x"}`, `{"iss":"x"}`, `{"sub":7}`, `{}`} {
		_, err := v.Connection(t.Context(), forge(t, []byte("another secret of more than 32 bytes"), "HS256", `{"alg":"HS256"}`, payload))
		refused(t, err, CheckSignature, hub.CodeUnauthenticated)
		if text := err.Error(); strings.Contains(text, "the-hub") || strings.Contains(text, "the-boss") || strings.Contains(text, "expired") {
			t.Errorf("it tells %q", text)
		}
	}
}

// What is printed of keys and credentials, in any way, shows no secret.
func TestSecretsAreNotPrinted(t *testing.T) {
	key := NewKey()
	c := Credential{secret: &key, Source: "X-API-Key", Key: true}
	k := privateKey(t, "id", "HS256")
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		for _, value := range []any{c, &c, k, []*Key{k}, struct{ C Credential }{c}, struct{ c Credential }{c}, struct{ k *Key }{k}} {
			text := fmt.Sprintf(verb, value)
			if strings.Contains(text, key) || strings.Contains(text, secret) || strings.Contains(text, "0x30, 0x31") || strings.Contains(text, "48 49 50") {
				t.Errorf("%s shows %s", verb, text)
			}
		}
	}
}
