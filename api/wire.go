package api

import (
	"errors"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/gorilla/websocket"
)

// wire is the TCP or TLS connection below a WebSocket. Messages are written to it by
// [wsConn], control frames by the WebSocket library, which knows nothing of the former.
type wire struct {
	net.Conn                 // static
	owner    *wsConn         // static
	raw      syscall.RawConn // static; nil: nothing can be written without waiting
	deadline time.Time       // for control frames; owned by who writes one, which the library sees to

	mu    sync.Mutex // one frame at a time
	ended bool       // guarded by mu; there was a close frame, the last one there is
	begun bool       // mu is held for the rest of a message; owned by who pumps
}

func newWire(conn net.Conn, owner *wsConn) *wire {
	w := &wire{Conn: conn, owner: owner}
	if tcp, ok := conn.(*net.TCPConn); ok && canWriteNow {
		w.raw, _ = tcp.SyscallConn() // an error: it is closed
	}
	return w
}

// attempt is a write that does not wait. do is made once, since a new function for
// each write would be garbage.
type attempt struct {
	frame []byte
	n     int // of its bytes were taken
	err   error
	do    func(fd uintptr)
}

// rest is what was not written yet.
func (a *attempt) rest() []byte { return a.frame[a.n:] }

// begin writes what the kernel takes of a frame at once. whole: it was all of it. If
// not, finish must be called with the rest. An error is for finish to meet.
func (w *wire) begin(a *attempt) (whole bool) {
	a.n, a.err = 0, nil
	if w.raw == nil || !w.mu.TryLock() {
		return false
	}
	if w.ended || w.raw.Control(a.do) != nil || a.err != nil || a.n == 0 {
		w.mu.Unlock()
		return false
	}
	if w.begun = a.n < len(a.frame); !w.begun {
		w.mu.Unlock()
	}
	return !w.begun
}

// writeWait bounds the wait for a client that reads nothing.
const writeWait = 10 * time.Second

// finish writes the rest of a frame. It waits for writeWait at most. After a close frame
// the error is [net.ErrClosed] (RFC 6455 §5.5.1).
func (w *wire) finish(rest []byte) error {
	if !w.begun {
		w.mu.Lock()
	}
	w.begun = false
	defer w.mu.Unlock()
	if w.ended {
		return net.ErrClosed
	}
	_ = w.Conn.SetWriteDeadline(time.Now().Add(writeWait))
	_, err := w.Conn.Write(rest)
	return err
}

// SetWriteDeadline implements [net.Conn]. It is kept until Write, since a message may be
// under way, which has another.
func (w *wire) SetWriteDeadline(t time.Time) error {
	w.deadline = t
	return nil
}

// Write implements [net.Conn] for control frames, and the answer to the upgrade.
func (w *wire) Write(frame []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = w.ended || isClose(frame)
	_ = w.Conn.SetWriteDeadline(w.deadline)
	return w.Conn.Write(frame)
}

// isClose looks at a frame's first byte: it is the final one, with the opcode (RFC 6455
// §5.2). What comes first of all, the answer to the upgrade, begins otherwise.
func isClose(frame []byte) bool { return len(frame) > 0 && frame[0] == 0x80|websocket.CloseMessage }

// closeGrace is how long a client may take to end its side of a connection that
// the hub has closed.
const closeGrace = time.Second

// Close implements [net.Conn]. It closes the sending half alone, so that a close frame
// is not lost to a reset because the client was still sending. The reader goes on until the
// client ends its side or closeGrace is over. Over TLS, whose own end of the stream (RFC 8446
// §6.1) is the sending half's, it waits for at most 5 s for a client that reads nothing.
func (w *wire) Close() error {
	half, ok := w.Conn.(interface{ CloseWrite() error })
	if !ok {
		return w.Conn.Close()
	}
	return errors.Join(half.CloseWrite(), w.SetReadDeadline(time.Now().Add(closeGrace)))
}
