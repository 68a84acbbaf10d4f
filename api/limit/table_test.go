package limit

import (
	"encoding/binary"
	"net/netip"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

// networkOf is a /64 of its own for each number.
func networkOf(n int) Account {
	ip := [16]byte{0x20, 0x01, 0x0d, 0xb8}
	binary.BigEndian.PutUint32(ip[4:], uint32(n))
	return Network(netip.PrefixFrom(netip.AddrFrom16(ip), 64))
}

// A million addresses take no more room than the table has, and push out neither
// a user nor who is connected.
func TestManyAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := DefaultConfig()
		config.ConnectionsPerIP, config.User.Messages = 1, Rate{1, 1}
		l := New(config, nil)
		connected := networkOf(0)
		if _, err := l.Connect(connected); err != nil {
			t.Fatal(err)
		}
		if err := l.Publish(User("ann"), 1); err != nil {
			t.Fatal(err)
		}
		before := heap()
		for i := range 1_000_000 {
			if err := l.Publish(networkOf(i), 100); err != nil {
				t.Fatal(err)
			}
		}
		s := l.Stats()
		if s.Accounts > maxAccounts+2 || s.Evicted < 1_000_000-maxAccounts-shards {
			t.Errorf("%d accounts are remembered, %d were evicted", s.Accounts, s.Evicted)
		}
		if grown := heap() - before; grown > 64<<20 {
			t.Errorf("they take %d MiB", grown>>20)
		}
		if _, err := l.Connect(connected); err == nil {
			t.Error("a connection was forgotten")
		}
		refusal(t, l.Publish(User("ann"), 1), PublishesPerUser)
	})
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// Accounts are forgotten once they were idle for so long that their budgets are
// full, and not before.
func TestIdleAccountsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Config{IP: Budget{Messages: Rate{1, 600}}}, nil)
		for i := range 10_000 {
			if err := l.Publish(networkOf(i), 1); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(5 * time.Minute)
		if err := l.Publish(networkOf(0), 1); err != nil {
			t.Fatal(err)
		}
		if s := l.Stats(); s.Accounts != 10_000 {
			t.Errorf("%d accounts after five minutes", s.Accounts)
		}
		time.Sleep(6 * time.Minute)
		for i := range 100_000 {
			if err := l.Publish(networkOf(i%5000), 1); err != nil {
				t.Fatal(err)
			}
		}
		if s := l.Stats(); s.Accounts > 5000 || s.Evicted != 0 {
			t.Errorf("%d accounts after eleven minutes, %d were evicted", s.Accounts, s.Evicted)
		}
	})
}

func TestPublishAllocatesNothing(t *testing.T) {
	l := New(DefaultConfig(), nil)
	for _, a := range []Account{Key("backend"), User("ann"), address("2001:db8::1")} {
		if n := testing.AllocsPerRun(100, func() { _ = l.Publish(a, 100) }); n != 0 {
			t.Errorf("%v: %v allocations", a, n)
		}
	}
}

func BenchmarkPublish(b *testing.B) {
	l := New(Config{IP: Budget{Messages: Rate{1e9, 1e9}, Bytes: Rate{1e12, 1e12}}}, nil)
	accounts := make([]Account, 10_000)
	for i := range accounts {
		accounts[i] = networkOf(i)
	}
	b.Run("one", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := l.Publish(accounts[0], 100); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("many", func(b *testing.B) {
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			if err := l.Publish(accounts[i%len(accounts)], 100); err != nil {
				b.Fatal(err)
			}
			i++
		}
	})
}
