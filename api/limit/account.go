package limit

import (
	"net/netip"

	"fanfold/hub"
)

// Account is who is charged. It is a value that can be compared. The zero Account
// is charged nothing: only [Config.Connections] counts what it has.
type Account struct {
	kind    kind
	name    string       // of a key, user or token
	network netip.Prefix // of nobody else
}

type kind uint8

const (
	exempt kind = iota
	ofKey
	ofUser
	ofToken
	ofNetwork
)

// Key is the account of a server's key.
func Key(name string) Account { return Account{kind: ofKey, name: name} }

// User is the account of the bearer of a token.
func User(name string) Account { return Account{kind: ofUser, name: name} }

// Token is the account of the bearer of a token that names no user, by the token's
// ID. It may have what a user may.
func Token(id string) Account { return Account{kind: ofToken, name: id} }

// Of is the account of p's credential; of one that says neither who it is for nor
// which it is, and of nobody, it is from.
func Of(p *hub.Principal, from Account) Account {
	switch {
	case p == nil:
		return from
	case p.User != "":
		return User(p.User)
	case p.TokenID != "":
		return Token(p.TokenID)
	case p.Server:
		return Key(p.Name)
	}
	return from
}

// Network is the account of who shows no credential, and of failures to show one.
// That of an invalid prefix is shared by all whose address is not known.
func Network(n netip.Prefix) Account { return Account{kind: ofNetwork, network: n} }

// String names the account for the log.
func (a Account) String() string {
	switch a.kind {
	case ofKey:
		return "key " + a.name
	case ofUser:
		return "user " + a.name
	case ofToken:
		return "token " + a.name
	case ofNetwork:
		if !a.network.IsValid() {
			return "unknown address"
		}
		if a.network.IsSingleIP() {
			return a.network.Addr().String()
		}
		return a.network.String()
	}
	return "exempt"
}
