package access

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"math/big"
	"strings"

	"fanfold/hub"
)

// KeyPrefix begins each key of a server.
const KeyPrefix = "ffk_"

// A server's key is [KeyPrefix], 256 random bits and a checksum of both: so that
// people and scanners recognise a key where it should not be, and a mistyped one is told
// from one that is not known.
const (
	keyBytes    = 32
	bodyDigits  = 43 // 62^43 > 2^256
	checkDigits = 6  // 62^6 > 2^32
	hashPrefix  = "sha256:"
	maxAPIKeys  = 1000
)

// NewKey returns a new random key.
func NewKey() string {
	var random [keyBytes]byte
	rand.Read(random[:])
	body := KeyPrefix + digits62(new(big.Int).SetBytes(random[:]), bodyDigits)
	return body + checksum(body)
}

// IsKey reports whether a text is meant to be a key.
func IsKey(text string) bool { return strings.HasPrefix(text, KeyPrefix) }

// checkKeyForm refuses what [NewKey] can't have made. The errors do not show it.
func checkKeyForm(key string) error {
	const length = len(KeyPrefix) + bodyDigits + checkDigits
	switch {
	case !IsKey(key):
		return refuse(CheckFormat, "this is no key of this hub: those begin with %s", KeyPrefix)
	case len(key) != length:
		return refuse(CheckFormat, "the key is mistyped: it has %d characters, and a key has %d", len(key), length)
	case checksum(key[:length-checkDigits]) != key[length-checkDigits:]:
		return refuse(CheckFormat, "the key is mistyped: its checksum is wrong")
	}
	return nil
}

func checksum(body string) string {
	return digits62(big.NewInt(int64(crc32.ChecksumIEEE([]byte(body)))), checkDigits)
}

// digits62 writes a number with letters and digits.
func digits62(n *big.Int, width int) string {
	text := n.Text(62)
	return strings.Repeat("0", width-len(text)) + text
}

// KeyHash is what a configuration keeps of a key. A key has 256 random bits, which
// nobody finds by trying, so one round of SHA-256 is as safe as a slow hash; that is for
// passwords, and would let anybody keep the hub busy with wrong keys.
type KeyHash [sha256.Size]byte

// HashKey returns the hash of a key.
func HashKey(key string) KeyHash { return sha256.Sum256([]byte(key)) }

// String writes the hash as a configuration has it.
func (h KeyHash) String() string { return hashPrefix + hex.EncodeToString(h[:]) }

// UnmarshalText reads what String wrote.
func (h *KeyHash) UnmarshalText(text []byte) error {
	digits, ok := strings.CutPrefix(string(text), hashPrefix)
	data, err := hex.DecodeString(digits)
	switch {
	case IsKey(string(text)):
		return errors.New("this is the key itself: put in its hash, as \"fanfold key new\" printed it, and make a new key if others can read this")
	case !ok || err != nil || len(data) != len(h):
		return fmt.Errorf("the hash must be %s and %d hexadecimal digits, as \"fanfold key new\" prints it", hashPrefix, 2*len(h))
	}
	copy(h[:], data)
	return nil
}

// APIKey is what the hub knows of a server's key.
type APIKey struct {
	Name  string // for the log
	Hash  KeyHash
	Grant hub.Grant
}

// APIKeys are the keys that servers may come with. They are static.
type APIKeys struct{ keys []APIKey }

// NewAPIKeys returns the keys. Each has a name and a hash of its own.
func NewAPIKeys(keys []APIKey) (*APIKeys, error) {
	if len(keys) > maxAPIKeys {
		return nil, fmt.Errorf("there are %d keys: at most %d are allowed", len(keys), maxAPIKeys)
	}
	names, hashes := map[string]bool{}, map[KeyHash]string{}
	for _, key := range keys {
		other, used := hashes[key.Hash]
		switch {
		case key.Name == "" || len(key.Name) > maxNameBytes:
			return nil, fmt.Errorf("key %.64q: it needs a name, of at most %d bytes", key.Name, maxNameBytes)
		case names[key.Name]:
			return nil, fmt.Errorf("key %.64q: there are two of that name", key.Name)
		case used:
			return nil, fmt.Errorf("key %.64q: it has the same hash as %.64q", key.Name, other)
		case key.Hash == KeyHash{}:
			return nil, fmt.Errorf("key %.64q: it has no hash", key.Name)
		}
		if err := key.Grant.Validate(); err != nil {
			return nil, fmt.Errorf("key %.64q: %w", key.Name, err)
		}
		names[key.Name], hashes[key.Hash] = true, key.Name
	}
	return &APIKeys{keys: keys}, nil
}

// Principal returns whose key it is. The error is a [Refusal].
func (k *APIKeys) Principal(key string) (*hub.Principal, error) {
	if err := checkKeyForm(key); err != nil {
		return nil, err
	}
	i := k.find(HashKey(key))
	if i < 0 {
		return nil, refuse(CheckKey, "this key is not known here: it was never configured, or has been taken out").detail("its hash is %.19s…", HashKey(key))
	}
	return &hub.Principal{Name: k.keys[i].Name, Server: true, Grant: k.keys[i].Grant}, nil
}

// find returns the index of a hash, or -1. It compares with all of them, each in
// constant time, so that how long it takes tells nothing.
func (k *APIKeys) find(hash KeyHash) int {
	found := 0
	for i := range k.keys {
		equal := subtle.ConstantTimeCompare(k.keys[i].Hash[:], hash[:])
		found = subtle.ConstantTimeSelect(equal, i+1, found)
	}
	return found - 1
}
