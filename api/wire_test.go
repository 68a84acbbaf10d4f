package api

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// pair returns both ends of a connection over loopback.
func pair(t *testing.T) (*wire, net.Conn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	peer, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { peer.Close() })
	_ = peer.SetReadDeadline(time.Now().Add(time.Minute))
	accepted, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { accepted.Close() })
	return newWire(accepted, nil), peer
}

func message(text []byte) *outgoing {
	m := newOutgoing()
	m.text = append(m.text, text...)
	m.seal(websocket.TextMessage)
	return m
}

func TestAFrameBeginsWithItsLength(t *testing.T) {
	for length, header := range map[int]string{ // RFC 6455 §5.7
		0: "\x81\x00", 5: "\x81\x05", 125: "\x81\x7d", 126: "\x81\x7e\x00\x7e", 256: "\x81\x7e\x01\x00",
		65535: "\x81\x7e\xff\xff", 65536: "\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00",
	} {
		text := bytes.Repeat([]byte{'x'}, length)
		m := message(text)
		if want := header + string(text); string(m.frame) != want {
			t.Errorf("the frame of %d bytes begins with %x, not with %x", length, m.frame[:min(10, len(m.frame))], header)
		}
		m.recycle()
	}
}

// A client that reads nothing for a while gets each frame whole and in order once it
// does: what the network took at once, the rest, and a pong that came between.
func TestAFrameIsNotInterrupted(t *testing.T) {
	w, peer := pair(t)
	m := message(bytes.Repeat([]byte("0123456789abcdef"), 2<<20))
	if w.begin(&m.attempt) || m.n == 0 {
		t.Fatalf("the network took %d of %d bytes at once", m.n, len(m.frame))
	}
	second := message([]byte("behind it"))
	if w.begin(&second.attempt) || second.n != 0 {
		t.Fatal("a second frame was begun in the midst of the first")
	}
	pong := []byte("\x8a\x00")
	wrote := make(chan error, 1)
	go func() {
		_ = w.SetWriteDeadline(time.Now().Add(-time.Second)) // which is not the message's
		_ = w.SetWriteDeadline(time.Now().Add(time.Minute))
		_, err := w.Write(pong)
		wrote <- err
	}()
	finished := make(chan error, 1)
	go func() { finished <- w.finish(m.rest()) }()
	got := make([]byte, len(m.frame)+len(pong))
	if _, err := io.ReadFull(peer, got); err != nil {
		t.Fatal(err)
	}
	if err := <-finished; err != nil {
		t.Error(err)
	}
	if err := <-wrote; err != nil {
		t.Error(err)
	}
	if !bytes.Equal(got, append(bytes.Clone(m.frame), pong...)) {
		t.Error("the frames came in pieces")
	}
	if !w.begin(&second.attempt) {
		t.Error("there is room, but the frame was not taken")
	}
}

// The library sets a deadline of a second before it answers a ping.
func TestAControlFramesDeadlineIsItsOwn(t *testing.T) {
	w, peer := pair(t)
	m := message(bytes.Repeat([]byte("0123456789abcdef"), 2<<20))
	if w.begin(&m.attempt) {
		t.Fatal("the network took all at once")
	}
	finished := make(chan error, 1)
	go func() { finished <- w.finish(m.rest()) }()
	more := m.n + 1 // what was begun, and a byte of the rest
	if _, err := io.CopyN(io.Discard, peer, int64(more)); err != nil {
		t.Fatal(err)
	}
	if err := w.SetWriteDeadline(time.Now().Add(-time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(io.Discard, peer, int64(len(m.frame)-more)); err != nil {
		t.Fatal(err)
	}
	if err := <-finished; err != nil {
		t.Errorf("the message under way: %v", err)
	}
	if _, err := w.Write([]byte("\x8a\x00")); err == nil {
		t.Error("a control frame was written after its deadline")
	}
	if m = message([]byte("next")); !w.begin(&m.attempt) {
		t.Errorf("a message after that: %v", m.err)
	}
}

// Nothing follows a close frame (RFC 6455 §5.5.1): what was still to be sent is not.
func TestACloseFrameIsTheLast(t *testing.T) {
	w, peer := pair(t)
	_ = w.SetWriteDeadline(time.Now().Add(time.Minute))
	frame := append([]byte{0x88, 2}, 0x03, 0xe8)
	if _, err := w.Write(frame); err != nil {
		t.Fatal(err)
	}
	m := message([]byte("too late"))
	if w.begin(&m.attempt) {
		t.Error("a message was begun")
	}
	if err := w.finish(m.rest()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a message was written: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(peer); err != nil || !bytes.Equal(got, frame) {
		t.Errorf("the client got %x: %v", got, err)
	}
}
