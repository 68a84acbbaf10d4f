// Package api turns HTTP requests into hub calls: gin routes, the WebSocket
// upgrade by melody, streaming responses, origins and health. What the bytes mean is
// package dialect's business.
//
// # Answers
//
// 200 to a publish means that it was stored, or is scheduled, as promised; the
// client may have left meanwhile. An error has the form of ntfy's API, but for /api, which
// has its own: 4xx says what to change, 503 and 507 that the same may work later, with
// Retry-After. What a request asks for and the hub does not do is refused, not left out.
//
// # Limits
//
// Whoever connects takes a place from package limit before the upgrade or the first
// byte of a stream. Actors are metered, so a publish is charged wherever it comes from.
//
// # Metrics
//
// Each API has a Prometheus registry of its own. What the hub and the limits count
// anyway is read when somebody asks; answers are counted as they end. No label has a value
// that a client chooses.
//
// # Goroutines
//
// A WebSocket has melody's two: the reader, which runs the dialect's peer, commands on
// stacks that all connections share (see errands), and the writer, which is left with the
// close frame, so that its stack stays at the 2 KB that it began with. Messages are written by
// who wakes the connection, a shard's waker mostly, as far as the network takes them at once.
// What it does not take is carried on by a goroutine that ends when the outbox is empty: while
// it writes one message, all that gathers becomes the next one. So is all over TLS, and the
// answer to a text. One goroutine pings all clients in turn. The gin handler returns once the connection
// stands, so that net/http can free what it holds for it. A peer that sends history first
// has a goroutine of its own for that. A streaming response has its handler.
// A device's TCP connection has a reader and a writer, and a third one while its session catches up;
// one for all devices looks after their sessions, see package device. [API.Wait] waits for all
// of them.
//
// # The end
//
// Clients that the hub lets go are told why where their protocol has a word for
// it. An event stream is also told when to come back, each at a time of its own; the
// Centrifuge SDKs and the page spread their return by themselves.
package api
