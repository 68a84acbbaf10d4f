// Package api turns HTTP requests into hub calls: gin routes, the WebSocket
// upgrade by melody, streaming responses, origins and health. What the bytes mean is
// package dialect's business.
//
// # Goroutines
//
// A WebSocket has melody's two: the reader, which runs the dialect's peer, and
// the writer, which pumps the outbox: when it has sent one message it takes all that has
// gathered meanwhile as the next one. The gin handler returns once the connection
// stands, so that net/http can free what it holds for it. A peer that sends history first
// has a goroutine of its own for that. A streaming response has its handler.
// [API.Wait] waits for all of them.
package api
