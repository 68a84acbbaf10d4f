// Package dialect translates wire protocols: bytes in, hub calls; hub events,
// bytes out. Each protocol is one file, or a few with its name in front.
//
// A dialect opens no connection, starts no goroutine, reads no clock and holds
// no lock: whoever carries the bytes brings those.
package dialect

import (
	"context"
	"strings"
	"unicode/utf8"

	"fanfold/hub"
)

// Dialect is a protocol of text messages both ways, as over a WebSocket.
type Dialect interface {
	hub.Codec
	// Connect checks a connection that a client asks for and opens its session on
	// conn, before the connection stands. It may block on the engine, within ctx. The error
	// is for the client, who is then refused.
	Connect(ctx context.Context, h *hub.Actor, conn hub.Conn, r Request) (Peer, error)
	// Separator joins frames that go out in one WebSocket message; "" forbids that.
	Separator() string
	// CloseCode is the WebSocket close code for a reason, and a text that a close
	// frame has room for.
	CloseCode(hub.Reason) (code int, text string)
}

// Binary is a [Dialect] of bytes instead of texts, whose peers are [Taker]s. Receive
// gets any part of the stream then, which is not the callee's to keep.
type Binary interface {
	Dialect
	// Subprotocols are its names in the handshake of a WebSocket (RFC 6455 §1.9).
	Subprotocols() []string
	// MaxPacketBytes bounds what a client sends at once.
	MaxPacketBytes() int
}

// Request is what a dialect sees of the HTTP request that opened a connection.
type Request struct {
	Path   string
	Query  map[string][]string
	Header map[string][]string // canonical names
	// Refused is why the credential in it was not accepted; nil: it was, or there is
	// none. Whoever is not known has an actor without a principal.
	Refused error
}

// Peer is one client's end of a [Dialect].
type Peer interface {
	// Session is the peer's session; it never changes.
	Session() *hub.Session
	// Receive handles one message of the client. Its calls never overlap. It may
	// block on the engine and until the client has read its replies, which stops
	// this client alone. The text is the callee's to keep.
	Receive(ctx context.Context, text []byte)
}

// Starter is a [Peer] with something to do once the connection is up, such as
// sending history. Start may run beside Receive.
type Starter interface {
	Start(ctx context.Context)
}

// Taker is a [Peer] that writes the client's bytes itself, out of frames that others
// share.
type Taker interface {
	// Take appends what is to be sent next to dst, until that has limit bytes or more. It is
	// [hub.Session.Take] for a transport, in whose place it stands: nothing appended means that
	// the transport sleeps until the next Wake. Calls do not overlap, and do not block.
	Take(dst []byte, limit int) []byte
}

// Ender is a [Peer] with something to do when the connection is gone, before its
// session is detached. No Receive comes after it. It may block on the engine.
type Ender interface {
	End(ctx context.Context)
}

// maxCloseText is what a close frame holds beside its code (RFC 6455 §5.5), in bytes.
const maxCloseText = 123

// cutText returns at most size bytes of text, valid UTF-8 and without a broken
// character at the end.
func cutText(text string, size int) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if len(text) <= size {
		return text
	}
	for !utf8.RuneStart(text[size]) {
		size--
	}
	return text[:size]
}
