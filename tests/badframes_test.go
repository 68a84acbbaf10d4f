package tests

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
)

// Frames that break the WebSocket protocol close the connection with its code.
func TestBadWebSocketFrames(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	others := newBystanders(h)
	const mask = "\x00\x00\x00\x00"
	for _, row := range []struct {
		name, bytes string
		code        int
	}{
		{"unmasked", "\x81\x01a", websocket.CloseProtocolError},
		{"reserved bit", "\xc1\x81" + mask + "a", websocket.CloseProtocolError},
		{"reserved opcode", "\x83\x81" + mask + "a", websocket.CloseProtocolError},
		{"fragmented ping", "\x09\x80" + mask, websocket.CloseProtocolError},
		{"long ping", "\x89\xfe\x00\xff" + mask, websocket.CloseProtocolError},
		{"continuation of nothing", "\x80\x81" + mask + "a", websocket.CloseProtocolError},
		{"text within a text", "\x01\x81" + mask + "a\x81\x81" + mask + "b", websocket.CloseProtocolError},
		{"close code out of range", "\x88\x82" + mask + "\x00\x01", websocket.CloseProtocolError},
		{"huge length", "\x81\xff\x3f\xff\xff\xff\xff\xff\xff\xff" + mask, websocket.CloseMessageTooBig},
		{"negative length", "\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff" + mask, websocket.CloseMessageTooBig},
	} {
		for _, path := range []string{"/", "/connection/websocket", "/news/ws"} {
			t.Run(row.name+" at "+path, func(t *testing.T) {
				s := h.as(t).dial(path)
				if _, err := s.conn.NetConn().Write([]byte(row.bytes)); err != nil {
					t.Fatal(err)
				}
				s.wantClosed(row.code)
				others.unharmed(t)
			})
		}
	}
}

// What a client of the Centrifuge protocol may never say closes its connection
// with the protocol's code and a text that the SDK takes for final.
func TestBadCentrifugeFrames(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	others := newBystanders(h)
	const connect = "{\"id\":1,\"connect\":{}}\n"
	for _, row := range []struct {
		name, frame string
		code        int
	}{
		{"JSON truncated", `{"id":1,"connect":{`, 3501},
		{"empty frame", ``, 3501},
		{"NULs", "\x00\x00", 3501},
		{"not an object", `[1]`, 3501},
		{"id not a number", `{"id":"one","connect":{}}`, 3501},
		{"id out of range", `{"id":4294967296,"connect":{}}`, 3501},
		{"no id", `{"connect":{}}`, 3501},
		{"unknown method", `{"id":1,"fly":{}}`, 3501},
		{"subscribe first", `{"id":1,"subscribe":{"channel":"news"}}`, 3501},
		{"second connect", connect + `{"id":2,"connect":{}}`, 3501},
		{"unknown method later", connect + `{"id":2,"fly":{}}`, 3501},
		{"truncated later", connect + `{"id":2,"publish":{"channel"`, 3501},
		{"pong nobody asked for", connect + `{}`, 3501},
		{"invalid UTF-8", "{\"id\":1,\"connect\":{\"name\":\"\xff\"}}", websocket.CloseInvalidFramePayloadData},
		{"too long", connect + `{"id":2,"publish":{"channel":"news","data":"` + tenMegabytes + `"}}`, websocket.CloseMessageTooBig},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := h.as(t).dial("/connection/websocket")
			s.send(row.frame)
			s.wantClosed(row.code)
			if row.code >= 3500 && (s.end.reason == "" || json.Valid([]byte(s.end.reason))) {
				t.Errorf("the close text %q would make the SDK return", s.end.reason)
			}
			others.unharmed(t)
		})
	}
}

// What a client of the Centrifuge protocol may say but not have gets an error,
// and the connection goes on.
func TestBadCentrifugeCommands(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	others := newBystanders(h)
	for _, row := range []struct {
		name, command string
		code          int
	}{
		{"subscribe to a number", `"subscribe":{"channel":7}`, 107},
		{"subscribe to a list", `"subscribe":[]`, 107},
		{"subscribe to an illegal name", `"subscribe":{"channel":"a b"}`, 107},
		{"subscribe to NUL", `"subscribe":{"channel":"a\u0000b"}`, 107},
		{"subscribe to no name", `"subscribe":{}`, 107},
		{"subscribe to too long a name", `"subscribe":{"channel":"` + strings.Repeat("a", 256) + `"}`, 107},
		{"subscribe twice", `"subscribe":{"channel":"twice"}`, 105},
		{"publish to an illegal name", `"publish":{"channel":"a b","data":1}`, 107},
		{"publish to a pattern", `"publish":{"channel":"news.*","data":1}`, 107},
		{"publish nothing", `"publish":{"channel":"news"}`, 107},
		{"presence of an illegal name", `"presence":{"channel":"a b"}`, 107},
		{"history of an illegal name", `"history":{"channel":"a b","limit":1}`, 107},
		{"history of another epoch", `"history":{"channel":"news","limit":1,"since":{"offset":1,"epoch":"other"}}`, 112},
		{"history before the first", `"history":{"channel":"news","limit":1,"since":{"offset":0,"epoch":""},"reverse":true}`, 107},
		{"unknown rpc", `"rpc":{"method":"fly","data":{}}`, 104},
		{"rpc with bad data", `"rpc":{"method":"casefold","data":5}`, 107},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := h.as(t).dial("/connection/websocket")
			s.send("{\"id\":1,\"connect\":{}}\n{\"id\":2,\"subscribe\":{\"channel\":\"twice\"}}")
			s.send(fmt.Sprintf(`{"id":3,%s}`, row.command))
			if code := errorOf(t, s, 3); code != row.code {
				t.Errorf("error %d, want %d", code, row.code)
			}
			s.send(`{"id":4,"rpc":{"method":"casefold","data":"STILL HERE"}}`)
			if code := errorOf(t, s, 4); code != 0 {
				t.Errorf("error %d to a good command afterwards", code)
			}
			others.unharmed(t)
		})
	}
	if kept := h.history("news"); len(kept) != 0 {
		t.Errorf("refused messages were stored: %v", kept)
	}
}
