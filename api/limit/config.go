package limit

import (
	"fmt"
	"slices"
	"time"
)

// Budget is what an account may publish.
type Budget struct{ Messages, Bytes Rate }

// Config of [Limits]. A zero field is no limit.
type Config struct {
	Connections        int // WebSockets and streaming responses of everybody together
	ConnectionsPerUser int
	ConnectionsPerIP   int  // of a network, without those of users and keys
	Connects           Rate // attempts of a user or network to connect
	FailuresPerIP      Rate // credentials from a network that were not accepted
	IdlePerIP          int  // TCP connections of a network on which nothing is asked

	Key, User, IP Budget // what each may publish
}

// DefaultConfig suits a hub on the internet: a person with a few devices, or a
// household, does not reach it, and a script that runs wild does.
func DefaultConfig() Config {
	person := Budget{Messages: Rate{50, 500}, Bytes: Rate{1e6, 10e6}}
	return Config{
		Connections:        50_000,
		ConnectionsPerUser: 100,
		ConnectionsPerIP:   200,
		Connects:           Rate{20, 200},
		FailuresPerIP:      Rate{1, 20},
		IdlePerIP:          1000,
		Key:                Budget{Messages: Rate{5000, 20_000}, Bytes: Rate{32e6, 128e6}},
		User:               person,
		IP:                 person,
	}
}

// Validate says which field can't be used. largest is the most bytes that one
// message has: a budget must have room for it at once, or it could never be published.
func (c Config) Validate(largest int) error {
	for name, rate := range c.rates() {
		if !rate.valid() {
			return fmt.Errorf("%s: the rate must be at least one a day, with a burst of at least 1", name)
		}
	}
	for name, b := range map[Name]Rate{BytesPerKey: c.Key.Bytes, BytesPerUser: c.User.Bytes, BytesPerIP: c.IP.Bytes} {
		if b.limited() && b.Burst < largest {
			return fmt.Errorf("%s: a burst of %d bytes has no room for the longest message: give at least %d", name, b.Burst, largest)
		}
	}
	for name, most := range map[Name]int{Connections: c.Connections, ConnectionsPerUser: c.ConnectionsPerUser, ConnectionsPerIP: c.ConnectionsPerIP, IdlePerIP: c.IdlePerIP} {
		if most < 0 {
			return fmt.Errorf("%s: a number of connections can't be negative", name)
		}
	}
	return nil
}

func (c Config) rates() map[Name]Rate {
	return map[Name]Rate{
		Connects: c.Connects, FailuresPerIP: c.FailuresPerIP,
		PublishesPerKey: c.Key.Messages, PublishesPerUser: c.User.Messages, PublishesPerIP: c.IP.Messages,
		BytesPerKey: c.Key.Bytes, BytesPerUser: c.User.Bytes, BytesPerIP: c.IP.Bytes,
	}
}

// idle is how long an account must have been idle to have all budgets full.
func (c Config) idle() time.Duration {
	times := []time.Duration{minIdle}
	for _, rate := range c.rates() {
		times = append(times, rate.refill())
	}
	return slices.Max(times)
}

// minIdle keeps accounts from being made and forgotten all the time.
const minIdle = time.Minute
