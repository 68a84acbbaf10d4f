package api

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"
)

func TestAWriteDeadlineIsSetWhenItMoves(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	peer, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	accepted, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer accepted.Close()
	tcp, _ := accepted.(*net.TCPConn)
	c, start, set := &politeConn{TCPConn: tcp}, time.Now().Add(time.Hour), map[time.Time]bool{}
	for i := range 10_000 { // ten seconds of writes
		at := start.Add(time.Duration(i) * time.Millisecond)
		if err := c.SetWriteDeadline(at); err != nil {
			t.Fatal(err)
		}
		if late := c.deadline.Sub(at); late < 0 || late > deadlineSlack {
			t.Fatalf("a write would time out %v late", late)
		}
		set[c.deadline] = true
	}
	if len(set) > 6 {
		t.Errorf("the deadline was set %d times in ten seconds", len(set))
	}
	if err := c.SetWriteDeadline(time.Now().Add(50 * time.Millisecond)); err != nil { // as before a close frame
		t.Fatal(err)
	}
	for block := make([]byte, 1<<20); err == nil; {
		_, err = c.Write(block)
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the peer reads nothing: %v", err)
	}
}
