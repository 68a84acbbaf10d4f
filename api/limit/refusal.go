package limit

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"fanfold/hub"
)

// Name is a limit's name: that of the setting.
type Name string

// The limits.
const (
	Connections        Name = "limit-connections"
	ConnectionsPerUser Name = "limit-connections-per-user"
	ConnectionsPerIP   Name = "limit-connections-per-ip"
	Connects           Name = "limit-connects"
	FailuresPerIP      Name = "limit-failures-per-ip"
	IdlePerIP          Name = "limit-idle-per-ip"
	PublishesPerKey    Name = "limit-publishes-per-key"
	PublishesPerUser   Name = "limit-publishes-per-user"
	PublishesPerIP     Name = "limit-publishes-per-ip"
	BytesPerKey        Name = "limit-bytes-per-key"
	BytesPerUser       Name = "limit-bytes-per-user"
	BytesPerIP         Name = "limit-bytes-per-ip"
)

// Names returns all limits.
func Names() []Name { return slices.Clone(names[:]) }

var names = [...]Name{
	Connections, ConnectionsPerUser, ConnectionsPerIP, Connects, FailuresPerIP, IdlePerIP,
	PublishesPerKey, PublishesPerUser, PublishesPerIP, BytesPerKey, BytesPerUser, BytesPerIP,
}

// Refusal says which limit was reached. As a [hub.Error] it has [hub.CodeBusy].
type Refusal struct {
	Limit   Name
	Account Account // the zero Account for [Connections]
	// Retry is how long to wait: until the limiter has room, or for connections, of
	// which nobody knows when one ends, a while that differs from client to client.
	Retry   time.Duration
	Message string // for the client
}

// Error returns the message.
func (r *Refusal) Error() string { return r.Message }

// Unwrap returns what [hub.ErrorOf] finds.
func (r *Refusal) Unwrap() error { return &hub.Error{Code: hub.CodeBusy, Message: r.Message} }

// RetryAfter is Retry as the HTTP header has it (RFC 9110 §10.2.3): whole
// seconds, rounded up.
func (r *Refusal) RetryAfter() string {
	return strconv.FormatInt(int64(math.Ceil(r.Retry.Seconds())), 10)
}

// tooFast refuses what came before its time.
func tooFast(name Name, a Account, r Rate, unit string, retry time.Duration) *Refusal {
	return &Refusal{Limit: name, Account: a, Retry: retry, Message: fmt.Sprintf(
		"too many %s: %s is %s a second and %d at once; try again in %v",
		unit, name, strconv.FormatFloat(r.PerSecond, 'f', -1, 64), r.Burst, roundUp(retry))}
}

// tooMany refuses a connection.
func tooMany(name Name, a Account, limit int, of string, retry time.Duration) *Refusal {
	return &Refusal{Limit: name, Account: a, Retry: retry, Message: fmt.Sprintf(
		"too many connections%s: %s is %d; close another, or try again in %v", of, name, limit, roundUp(retry))}
}

// roundUp leaves a time that is easy to read, and not too short.
func roundUp(d time.Duration) time.Duration {
	unit := time.Millisecond
	if d > time.Second {
		unit = time.Second
	}
	return (d + unit - 1) / unit * unit
}
