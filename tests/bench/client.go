package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// target is how a server is spoken to. In its texts {i} is a number and {payload} the
// message.
type target struct {
	addr string // host:port
	path string // of the WebSocket
	// hello are the frames that a subscriber sends, each of them answered, by its number.
	hello func(i int) []string
	// marks is how many messages come behind the last hello before the client counts as
	// connected.
	marks int
	// Of a publish; {i} is the channel's number, {payload} the message's text, {n} a body's
	// place in its request. Several bodies in one request are joined by the separator, and put between
	// open and close.
	publishPath, publishType, publishBody string
	open, separator, close                string
}

func (t target) hellos(i int) []string {
	if t.hello == nil {
		return nil
	}
	return t.hello(i)
}

// says is the same for every subscriber.
func says(frames ...string) func(int) []string { return func(int) []string { return frames } }

// fill puts a number into a text.
func fill(text string, i int) string {
	if !strings.Contains(text, "{i}") {
		return text
	}
	return strings.ReplaceAll(text, "{i}", strconv.Itoa(i))
}

// crowd is many clients on one epoll loop.
type crowd struct {
	epoll   int
	clients []*socket
}

// socket is one client's connection.
type socket struct {
	fd   int
	tail []byte // the end of what was read, where a mark may have been cut
}

// dialers is how many connections are opened at once.
const dialers = 64

// gather connects n clients, numbered from 0.
func gather(ctx context.Context, t target, n int) (*crowd, error) {
	c := &crowd{clients: make([]*socket, n)}
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	c.epoll = epoll
	slots := make(chan struct{}, dialers)
	failed := make(chan error, n)
	var connecting sync.WaitGroup
	for i := range n {
		slots <- struct{}{}
		connecting.Go(func() {
			defer func() { <-slots }()
			client, err := connect(ctx, t, i)
			if err != nil {
				failed <- err
			}
			c.clients[i] = client
		})
	}
	connecting.Wait()
	select {
	case err := <-failed:
		c.leave()
		return nil, fmt.Errorf("%d of %d clients could not connect, one of them: %w", len(failed)+1, n, err)
	default:
	}
	for i, s := range c.clients {
		if err := unix.EpollCtl(c.epoll, unix.EPOLL_CTL_ADD, s.fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(i)}); err != nil {
			c.leave()
			return nil, err
		}
	}
	return c, nil
}

// leave closes all connections.
func (c *crowd) leave() {
	for _, s := range c.clients {
		if s != nil {
			_ = unix.Close(s.fd) // nothing is lost with it
		}
	}
	_ = unix.Close(c.epoll)
}

// perAddress is how many clients share a source address, so that ports do not run out.
const perAddress = 5000

// latePort has the kernel choose a port when it knows where the connection goes (ip(7),
// IP_BIND_ADDRESS_NO_PORT), so that those of closed connections are no hindrance.
func latePort(_, _ string, raw syscall.RawConn) error {
	var failed error
	err := raw.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
	})
	return errors.Join(err, failed)
}

// connect upgrades a connection and says hello. It takes the connection out of Go's
// poller.
func connect(ctx context.Context, t target, i int) (*socket, error) {
	from := &net.TCPAddr{IP: net.IPv4(127, byte(1+os.Getpid()%200), byte(1+i/perAddress), 1)}
	d := net.Dialer{Timeout: 20 * time.Second, LocalAddr: from, Control: latePort}
	conn, err := d.DialContext(ctx, "tcp4", t.addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close() // the descriptor is a copy
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return nil, err
	}
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", fill(t.path, i), t.addr)
	buf := make([]byte, 4096)
	head, got, err := readHead(conn, buf)
	if err != nil || !bytes.HasPrefix(head, []byte("HTTP/1.1 101")) {
		return nil, fmt.Errorf("upgrade: %q: %w", head, err)
	}
	for _, hello := range t.hellos(i) {
		if _, err := conn.Write(frame([]byte(hello))); err != nil {
			return nil, err
		}
		for first := true; first || bytes.Count(got, []byte(mark)) < t.marks; first = false {
			n, err := conn.Read(buf)
			if err != nil {
				return nil, fmt.Errorf("after %q and %q: %w", hello, got, err)
			}
			got = append(got, buf[:n]...)
		}
	}
	return detach(conn.(*net.TCPConn))
}

func detach(conn *net.TCPConn) (*socket, error) {
	file, err := conn.File()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	fd, err := unix.Dup(int(file.Fd()))
	if err != nil {
		return nil, err
	}
	return &socket{fd: fd}, unix.SetNonblock(fd, true)
}

// readHead reads up to the empty line; more is what came behind it.
func readHead(conn net.Conn, buf []byte) (head, more []byte, err error) {
	for {
		n, err := conn.Read(buf)
		head = append(head, buf[:n]...)
		if end := bytes.Index(head, []byte("\r\n\r\n")); end >= 0 {
			return head[:end], bytes.Clone(head[end+4:]), nil
		}
		if err != nil {
			return head, nil, err
		}
	}
}

// frame is a client's text frame, masked with zeros, so that it reads as it is.
func frame(text []byte) []byte {
	b := []byte{0x81}
	switch n := len(text); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = append(b, 0x80|126, byte(n>>8), byte(n))
	default:
		b = append(b, 0x80|127, 0, 0, 0, 0, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
	return append(append(b, 0, 0, 0, 0), text...)
}
