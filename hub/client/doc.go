// Package client is a client of a hub in the same process. It may do what its
// principal may, sees what every client sees, and waits in an outbox as every client does:
// who is slow harms nobody else.
package client
