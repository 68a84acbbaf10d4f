package limit

import (
	"errors"
	"net/netip"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// refusal fails the test if err is none of that limit.
func refusal(t *testing.T, err error, name Name) *Refusal {
	t.Helper()
	r, ok := errors.AsType[*Refusal](err)
	if !ok || r.Limit != name {
		t.Fatalf("got %v, want a refusal by %s", err, name)
	}
	return r
}

func address(text string) Account {
	ip := netip.MustParseAddr(text)
	bits := 32
	if ip.Is6() {
		bits = 64
	}
	network, err := ip.Prefix(bits)
	if err != nil {
		panic(err)
	}
	return Network(network)
}
