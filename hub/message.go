package hub

import (
	"crypto/rand"
	"strings"
	"time"
)

// Position is a place in the stored history: the message with sequence number
// Seq in the incarnation Epoch of the store. Seq rises, with gaps, within a
// channel. The zero Position is before every message.
type Position struct {
	Epoch string // epochLen characters of the base-62 alphabet, or "" for the current one
	Seq   uint64
}

// Message is one publication. Everybody who receives a *Message shares it and
// must not change it.
type Message struct {
	// ID is unique and sorts by age among stored messages: the position at which it was stored, as
	// [Position.String] writes it. A message that is not stored has an ID that is
	// no position.
	ID      string
	Channel string
	// Position is zero for a message that was delivered without being stored.
	Position Position
	Time     time.Time
	// Data is JSON without line breaks outside of strings.
	Data []byte
	// Tags are the publisher's own key-value pairs, shown to subscribers whose
	// protocol has a place for them.
	Tags map[string]string
	// Publisher is the session that published, or the user of a token who published
	// without one and has no ID then; nil for a server.
	Publisher *Client
	// Sequence, if not "", is the publisher's name for what this is the newest state of:
	// the store keeps only the newest message of a channel with each Sequence.
	Sequence string
	// Exclude, if not "", is the ID of the client that is not told of it, see [Message.Excludes].
	Exclude string
	// Prev is the Seq of the message before this one in its channel, known only to
	// listeners; 0: there was none, or it is not known. It may be one that is gone.
	Prev uint64
}

// Excludes reports whether a client is not to be told of m. The hub heeds it for
// what is live; who reads history on a client's behalf must ask.
func (m *Message) Excludes(c *Client) bool { return m.Exclude != "" && m.Exclude == c.ID }

// Client is what others may see of a session: in presence, in join and leave
// events and as the publisher of a message.
type Client struct {
	ID   string // unique to the session
	User string // "" for an anonymous one
	// Info is JSON that describes the connection, ChannelInfo its part in this one
	// channel; nil if there is none.
	Info, ChannelInfo []byte
}

// base62 is in ASCII order, so that numbers of one width sort as texts.
const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

const (
	epochLen = 7 // characters: 62^7 milliseconds are 111 years
	seqLen   = 7 // characters at least; a longer number takes more
)

// NewEpoch returns the epoch of a store that is created at this millisecond.
func NewEpoch(t time.Time) string { return encode62(uint64(max(0, t.UnixMilli())), epochLen) }

// String returns the position as 14 or more letters and digits, which sort by
// epoch, then by number. It is the ID of the message there. The zero position,
// and one without an epoch, is "".
func (p Position) String() string {
	if p.Epoch == "" {
		return ""
	}
	return p.Epoch + encode62(p.Seq, seqLen)
}

// IsZero reports whether p is before every message.
func (p Position) IsZero() bool { return p == Position{} }

// ParsePosition reads what [Position.String] wrote. ok is false for any other
// text, such as the ID of a message that was not stored.
func ParsePosition(id string) (p Position, ok bool) {
	if len(id) < epochLen+seqLen {
		return Position{}, false
	}
	seq, ok := decode62(id[epochLen:])
	if _, epochOK := decode62(id[:epochLen]); !ok || !epochOK {
		return Position{}, false
	}
	return Position{Epoch: id[:epochLen], Seq: seq}, true
}

// LiveID returns an ID for a message that is not stored: 12 random letters and
// digits that [ParsePosition] refuses for their "-".
func LiveID() string { return "live-" + rand.Text()[:12] }

func encode62(n uint64, width int) string {
	var buf [11]byte // 62^11 > 2^64
	i := len(buf)
	for n > 0 || len(buf)-i < width {
		i--
		buf[i] = base62[n%62]
		n /= 62
	}
	return string(buf[i:])
}

func decode62(s string) (n uint64, ok bool) {
	for i := range len(s) {
		digit := strings.IndexByte(base62, s[i])
		if digit < 0 || n > (1<<64-1-uint64(digit))/62 {
			return 0, false
		}
		n = n*62 + uint64(digit)
	}
	return n, true
}
