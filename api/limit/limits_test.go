package limit

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"fanfold/hub"
)

var _ hub.Meter = Meter{}

// A burst is taken, the next one is not, and after the time that the refusal
// names one more is, but not before.
func TestRetryIsHonest(t *testing.T) {
	for _, r := range []Rate{{1, 1}, {3, 7}, {50, 500}, {0.1, 2}, {1.0 / 7, 3}, {1e5, 1e5}} {
		t.Run(fmt.Sprint(r), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := New(Config{User: Budget{Messages: r}}, nil)
				ann := User("ann")
				for i := range r.Burst {
					if err := l.Publish(ann, 1); err != nil {
						t.Fatalf("message %d: %v", i, err)
					}
				}
				for range 20 {
					wait := refusal(t, l.Publish(ann, 1), PublishesPerUser).Retry
					time.Sleep(wait - 2*time.Nanosecond)
					refusal(t, l.Publish(ann, 1), PublishesPerUser)
					time.Sleep(2 * time.Nanosecond)
					if err := l.Publish(ann, 1); err != nil {
						t.Fatalf("after %v: %v", wait, err)
					}
				}
			})
		})
	}
}

// Bytes have a budget of their own, and what it refuses costs no message.
func TestBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Config{IP: Budget{Messages: Rate{1, 2}, Bytes: Rate{100, 1000}}}, nil)
		here := address("203.0.113.5")
		if err := l.Publish(here, 900); err != nil {
			t.Fatal(err)
		}
		for range 5 {
			r := refusal(t, l.Publish(here, 300), BytesPerIP)
			if r.Retry != 2*time.Second || r.RetryAfter() != "2" {
				t.Errorf("retry is %v, as a header %s", r.Retry, r.RetryAfter())
			}
		}
		if err := l.Publish(here, 100); err != nil {
			t.Errorf("what fits: %v", err)
		}
		refusal(t, l.Publish(here, 0), PublishesPerIP)
	})
}

// Accounts of any kind are apart, whatever they are called.
func TestAccountsAreApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one := Budget{Messages: Rate{1, 1}}
		l := New(Config{Key: one, User: one, IP: one}, nil)
		for name, account := range map[Name][]Account{
			PublishesPerKey:  {Key("a"), Key("b")},
			PublishesPerUser: {User("a"), User("b"), User("")},
			PublishesPerIP:   {address("192.0.2.1"), address("192.0.2.2"), address("2001:db8::1"), address("2001:db8:0:1::1")},
		} {
			for _, a := range account {
				if err := l.Publish(a, 1); err != nil {
					t.Errorf("%v: %v", a, err)
				}
				r := refusal(t, l.Publish(a, 1), name)
				if r.Account != a || hub.ErrorOf(r).Code != hub.CodeBusy || !strings.Contains(hub.ErrorOf(r).Message, string(name)+" is 1 a second") {
					t.Errorf("%v: %v of %v", a, r, r.Account)
				}
			}
		}
		refusal(t, l.Publish(address("2001:db8::ffff:1:2:3"), 1), PublishesPerIP) // the /64 of another
		for range 100 {
			if err := l.Publish(Account{}, 1<<20); err != nil {
				t.Fatalf("an exempt account: %v", err)
			}
		}
	})
}

func TestConnections(t *testing.T) {
	l := New(Config{Connections: 5, ConnectionsPerUser: 2, ConnectionsPerIP: 2}, nil)
	connect := func(a Account) *Lease {
		t.Helper()
		lease, err := l.Connect(a)
		if err != nil {
			t.Fatal(err)
		}
		return lease
	}
	here, ann := address("2001:db8::1"), User("ann")
	first := connect(here)
	connect(here)
	_, err := l.Connect(address("2001:db8::2"))
	if r := refusal(t, err, ConnectionsPerIP); r.Retry < 5*time.Second || r.Retry > 15*time.Second {
		t.Errorf("retry is %v", r.Retry)
	}
	connect(ann) // from the same address
	if err := first.Move(ann); err != nil {
		t.Fatal(err)
	}
	second := connect(here) // in the place that was left
	refusal(t, second.Move(ann), ConnectionsPerUser)
	connect(Key("backend"))
	_, err = l.Connect(Key("backend"))
	refusal(t, err, Connections)
	_, err = l.Connect(Account{})
	refusal(t, err, Connections)

	first.Release()
	first.Release()
	if err := second.Move(ann); err != nil {
		t.Errorf("after a connection has ended: %v", err)
	}
	if err := first.Move(here); err != nil {
		t.Error(err)
	}
	s := l.Stats()
	if s.Connections != 4 || s.Refused[Connections] != 2 || s.Refused[ConnectionsPerIP] != 1 || s.Refused[ConnectionsPerUser] != 1 {
		t.Errorf("the counters are %+v", s)
	}
}

// A refusal by the bound on all takes no place of the account.
func TestConnectionsThatAreRefusedCostNoPlace(t *testing.T) {
	l := New(Config{Connections: 1, ConnectionsPerIP: 1}, nil)
	lease, err := l.Connect(Key("backend"))
	if err != nil {
		t.Fatal(err)
	}
	here := address("192.0.2.1")
	_, err = l.Connect(here)
	refusal(t, err, Connections)
	lease.Release()
	if _, err := l.Connect(here); err != nil {
		t.Error(err)
	}
}

func TestAttemptsToConnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Config{Connects: Rate{2, 3}}, nil)
		for _, a := range []Account{address("192.0.2.1"), User("ann")} {
			for range 3 {
				lease, err := l.Connect(a)
				if err != nil {
					t.Fatal(err)
				}
				lease.Release()
			}
			_, err := l.Connect(a)
			time.Sleep(refusal(t, err, Connects).Retry)
			if _, err := l.Connect(a); err != nil {
				t.Error(err)
			}
		}
	})
}

// However many come at once, no more than the bound get in, and places come back.
func TestConnectAtOnce(t *testing.T) {
	l := New(Config{Connections: 50, ConnectionsPerIP: 20}, nil)
	var in, most atomic.Int64
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() {
			a := address(fmt.Sprintf("192.0.2.%d", i%4))
			for range 200 {
				lease, err := l.Connect(a)
				if err != nil {
					continue
				}
				now := in.Add(1)
				for m := most.Load(); now > m && !most.CompareAndSwap(m, now); m = most.Load() {
				}
				if err := lease.Move(User("ann")); err != nil {
					t.Error(err)
				}
				in.Add(-1)
				lease.Release()
			}
		})
	}
	all.Wait()
	if s := l.Stats(); most.Load() > 50 || s.Connections != 0 {
		t.Errorf("%d were in at once; in the end there are %d", most.Load(), s.Connections)
	}
	for range 20 {
		if _, err := l.Connect(address("192.0.2.1")); err != nil {
			t.Fatalf("a place was lost: %v", err)
		}
	}
}

func TestConfigValidate(t *testing.T) {
	c := DefaultConfig()
	if err := c.Validate(140 << 10); err != nil {
		t.Errorf("the default: %v", err)
	}
	if err := (Config{}).Validate(1 << 20); err != nil {
		t.Errorf("no limits: %v", err)
	}
	for want, change := range map[string]func(*Config){
		"limit-bytes-per-user":   func(c *Config) { c.User.Bytes.Burst = 1000 },
		"limit-publishes-per-ip": func(c *Config) { c.IP.Messages.Burst = 0 },
		"limit-connects":         func(c *Config) { c.Connects.PerSecond = 0 },
		"negative":               func(c *Config) { c.ConnectionsPerIP = -1 },
	} {
		bad := c
		change(&bad)
		if err := bad.Validate(140 << 10); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
