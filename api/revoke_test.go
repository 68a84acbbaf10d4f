package api_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"fanfold/api/access"
	"fanfold/hub"

	"github.com/gorilla/websocket"
)

// TestStreamsEndWithTheirTokens lets tokens expire, and revokes others: each
// protocol says so.
func TestStreamsEndWithTheirTokens(t *testing.T) {
	c, key, _ := guarded(t)
	server, _ := serve(t, c)
	soon := time.Now().Add(2 * time.Second)
	grant := hub.Grant{Subscribe: []string{"news"}}
	for name, row := range map[string]struct {
		claims access.Claims
		revoke string
		says   string
		code   int // of Centrifuge; 0: not at once, since its client may bring a new token
	}{
		"expires": {access.Claims{Subject: "ann", Expires: soon, Grant: grant}, "", "the token has expired", 0},
		"revoked": {access.Claims{Subject: "bob", ID: "t1", Grant: grant}, `{"token_id":"t1"}`, "the credential was revoked", 3500},
		"user":    {access.Claims{Subject: "eve", IssuedAt: time.Now().Add(-time.Minute), Grant: grant}, `{"user":"eve"}`, "the token has expired", 3005},
	} {
		t.Run(name, func(t *testing.T) {
			auth := bearer(token(t, row.claims))
			sse, lines := open(t, server, "/news/sse", auth...), events(t, server, "/news/json", auth...)
			lines()
			echo, ntfy := dial(t, server, "/?channel=news", auth[1]), dial(t, server, "/news/ws", auth[1])
			sdk := dial(t, server, "/connection/websocket", auth[1])
			if err := sdk.WriteMessage(websocket.TextMessage, []byte(`{"id":1,"connect":{}}`)); err != nil {
				t.Fatal(err)
			}
			if row.revoke != "" {
				if _, body := do(t, "POST", server.URL+"/api/revoke", row.revoke, "X-API-Key", key); body != "{\"result\":{\"disconnected\":5}}\n" {
					t.Errorf("revoke answers %s", body)
				}
			}
			if last := lines(); last.Event != "end" {
				t.Errorf("the last object is %+v", last)
			}
			if text := readAll(t, sse); !strings.Contains(text, "event: end\ndata: ") || !strings.Contains(text, row.says) {
				t.Errorf("the event stream ends with %s", text)
			}
			for conn, want := range map[*websocket.Conn]int{echo: 1008, ntfy: 1008} {
				if e := closing(t, conn); e.Code != want || !strings.Contains(e.Text, row.says) {
					t.Errorf("closed with %v", e)
				}
			}
			if row.code != 0 {
				if e := closing(t, sdk); e.Code != row.code {
					t.Errorf("the SDK's is closed with %v", e)
				}
			}
			if response, _ := do(t, "GET", server.URL+"/news/auth", "", auth...); response.StatusCode != 401 {
				t.Errorf("the token still counts: %d", response.StatusCode)
			}
		})
	}
	for body, want := range map[string]string{
		`{}`: `give one of`, `{"token_id":"a","user":"b"}`: `give one of`, `{"token_id":"a","before":1}`: `is for the tokens of a`,
		`{"user":"a","before":"yesterday"}`: `is no time`, `{"token_id":"a","until":1}`: `over already`, `{"token_id":"a","untill":1}`: `untill`,
	} {
		if _, text := do(t, "POST", server.URL+"/api/revoke", body, "X-API-Key", key); !strings.Contains(text, want) {
			t.Errorf("revoke %s answers %s", body, text)
		}
	}
}

func readAll(t *testing.T, r *http.Response) string {
	t.Helper()
	var b bytes.Buffer
	if _, err := b.ReadFrom(r.Body); err != nil {
		t.Error(err)
	}
	return b.String()
}

func dial(t *testing.T, server *httptest.Server, path, authorization string) *websocket.Conn {
	t.Helper()
	conn, _, err := websocket.DefaultDialer.DialContext(t.Context(), "ws"+strings.TrimPrefix(server.URL, "http")+path, http.Header{"Authorization": {authorization}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// closing reads to the close frame.
func closing(t *testing.T, conn *websocket.Conn) *websocket.CloseError {
	t.Helper()
	conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	for {
		_, _, err := conn.ReadMessage()
		if e, ok := err.(*websocket.CloseError); ok {
			return e
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
