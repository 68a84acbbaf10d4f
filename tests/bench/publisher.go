package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// publisher posts over one connection that is kept alive, and waits for each answer. It
// writes requests and reads answers by hand, so that it costs the servers' machine
// little.
type publisher struct {
	target target
	conn   net.Conn
	reader *bufio.Reader
	buf    []byte // of the last request, to be used again
	body   []byte

	open, message []piece // of the target's
}

// piece is a part of a body.
type piece struct {
	text string
	then string // "{payload}", "{i}", "{n}" or ""
}

// pieces takes a text apart.
func pieces(text string) (all []piece) {
	for text != "" {
		next := piece{text: text}
		for _, mark := range []string{"{payload}", "{i}", "{n}"} {
			if before, _, ok := strings.Cut(text, mark); ok && len(before) < len(next.text) {
				next = piece{before, mark}
			}
		}
		text = text[len(next.text)+len(next.then):]
		all = append(all, next)
	}
	return all
}

func appendPieces(b []byte, all []piece, channel, n, size int) []byte {
	for _, p := range all {
		b = append(b, p.text...)
		switch p.then {
		case "{payload}":
			b = appendPayload(b, size)
		case "{i}":
			b = strconv.AppendInt(b, int64(channel), 10)
		case "{n}":
			b = strconv.AppendInt(b, int64(n), 10)
		}
	}
	return b
}

func newPublisher(ctx context.Context, t target) (*publisher, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp4", t.addr)
	if err != nil {
		return nil, err
	}
	return &publisher{target: t, conn: conn, reader: bufio.NewReader(conn), open: pieces(t.open), message: pieces(t.publishBody)}, nil
}

func (p *publisher) close() { _ = p.conn.Close() }

// post publishes a request of so many messages to a channel. It is false if the server
// refuses.
func (p *publisher) post(channel, size, batch int) (ok bool, err error) {
	body := appendPieces(p.body[:0], p.open, channel, 0, size)
	for i := range batch {
		if i > 0 {
			body = append(body, p.target.separator...)
		}
		body = appendPieces(body, p.message, channel, i, size)
	}
	body = append(body, p.target.close...)
	p.body = body
	p.buf = fmt.Appendf(p.buf[:0], "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s",
		fill(p.target.publishPath, channel), p.target.addr, p.target.publishType, len(body), body)
	if err := p.conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return false, err
	}
	if _, err := p.conn.Write(p.buf); err != nil {
		return false, err
	}
	return p.answer()
}

// answer reads one response.
func (p *publisher) answer() (ok bool, err error) {
	status, err := p.reader.ReadString('\n')
	if err != nil {
		return false, err
	}
	ok = len(status) > 9 && status[9] == '2'
	length, chunked := 0, false
	for {
		line, err := p.reader.ReadSlice('\n')
		if err != nil {
			return false, err
		}
		if len(line) <= 2 {
			break
		}
		name, value, _ := strings.Cut(string(line), ":")
		switch strings.ToLower(name) {
		case "content-length":
			if length, err = strconv.Atoi(strings.TrimSpace(value)); err != nil {
				return false, fmt.Errorf("answer: %w", err)
			}
		case "transfer-encoding":
			chunked = true
		}
	}
	if chunked {
		return ok, p.skipChunks()
	}
	_, err = p.reader.Discard(length)
	return ok, err
}

func (p *publisher) skipChunks() error {
	for {
		line, err := p.reader.ReadString('\n')
		if err != nil {
			return err
		}
		n, err := strconv.ParseInt(strings.TrimSpace(line), 16, 32)
		if err != nil {
			return fmt.Errorf("answer: %w", err)
		}
		if _, err := io.CopyN(io.Discard, p.reader, n+2); err != nil || n == 0 {
			return err
		}
	}
}
