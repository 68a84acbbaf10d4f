package limit

import (
	"testing"

	"fanfold/hub"
)

// Each principal has the account of its credential, and nobody that of the place.
func TestAccountOf(t *testing.T) {
	from := address("192.0.2.1")
	for want, p := range map[Account]*hub.Principal{
		User("ann"):    {User: "ann", Name: "ann", TokenID: "7"},
		Token("7"):     {TokenID: "7"},
		Key("backend"): {Name: "backend", Server: true},
		from:           {Name: "anonymous", Info: []byte("{}"), Grant: hub.Everything()},
	} {
		if got := Of(p, from); got != want {
			t.Errorf("%+v has the account %v, want %v", p, got, want)
		}
	}
	if got := Of(nil, from); got != from {
		t.Errorf("nobody has the account %v", got)
	}
	for want, a := range map[string]Account{
		"user ann": User("ann"), "token 7": Token("7"), "key backend": Key("backend"), "192.0.2.1": from,
		"2001:db8::/64": address("2001:db8::1"), "exempt": {}, "unknown address": {kind: ofNetwork},
	} {
		if a.String() != want {
			t.Errorf("%v, want %s", a, want)
		}
	}
}
