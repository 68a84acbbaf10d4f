package api

import (
	"encoding/binary"
	"sync"
)

// outgoing is a WebSocket message on its way.
type outgoing struct {
	attempt
	frames [][]byte // that it is joined of
	text   []byte   // room for a header, and the message
}

// headerRoom is the longest header of a server's frame.
const headerRoom = 10

var outgoings = sync.Pool{New: func() any {
	m := &outgoing{text: make([]byte, headerRoom)}
	m.attempt.init()
	return m
}}

// newOutgoing returns an empty message, to be recycled once it was sent.
func newOutgoing() *outgoing {
	m, _ := outgoings.Get().(*outgoing)
	return m
}

func (m *outgoing) recycle() {
	m.text, m.frame, m.n = m.text[:headerRoom], nil, 0
	outgoings.Put(m)
}

// join makes the message of its frames.
func (m *outgoing) join(separator string) {
	for i, frame := range m.frames {
		if i > 0 {
			m.text = append(m.text, separator...)
		}
		m.text = append(m.text, frame...)
	}
	clear(m.frames)
}

// seal puts a header before the message, which goes out as one frame (RFC 6455 §5.2).
func (m *outgoing) seal(opcode byte) {
	const final = 0x80
	length, from := len(m.text)-headerRoom, 0
	switch {
	case length < 126:
		from = headerRoom - 2
		m.text[from+1] = byte(length)
	case length < 1<<16:
		from = headerRoom - 4
		m.text[from+1] = 126
		binary.BigEndian.PutUint16(m.text[from+2:], uint16(length))
	default:
		m.text[1] = 127
		binary.BigEndian.PutUint64(m.text[2:], uint64(length))
	}
	m.text[from] = final | opcode
	m.frame = m.text[from:]
}
