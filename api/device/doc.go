// Package device keeps what devices leave behind between connections: sessions with
// their subscriptions and how far they have come, wills that wait, and retained messages.
//
// All of it is in memory and, as the engine's records, in the store: what is kept when a
// call returns is there after a crash. How far a session has come is written down about once a
// second, and when it ends: after a crash a device may get once more what it acknowledged last.
//
// # Nodes
//
// The hubs on one store hear each other's records. A client that changes its hub finds its
// session there, a moment later. A connection that it has left behind on the other hub ends by
// its keep alive, not at once.
//
// # Goroutines
//
//	Sessions.Run   one, started by whoever made the Sessions: keep alives, positions, wills
//	the engine's   one a kind of records, which hears them
//
// # Bounds
//
//	sessions   Config.MaxSessions that are kept; more: hub.CodeLimit
//	retained   maxRetained messages, maxRetainedBytes; more: hub.CodeFull
//	wills      one a session that is kept
package device

import (
	"crypto/sha256"
	"encoding/hex"
)

// recordID is another for each list of names.
func recordID(names ...string) string {
	hash := sha256.New()
	for _, name := range names {
		hash.Write([]byte{byte(len(name) >> 8), byte(len(name))})
		hash.Write([]byte(name))
	}
	return hex.EncodeToString(hash.Sum(nil))
}
