package api_test

import (
	"strings"
	"testing"
	"time"

	"fanfold/api"

	"github.com/gorilla/websocket"
)

// A client is pinged when it was silent for long, once each time.
func TestClientsArePinged(t *testing.T) {
	server, _ := serve(t, api.Config{})
	handler, _ := server.Config.Handler.(*api.API)
	for path, text := range map[string]string{"/": "HI", "/connection/websocket": hello("")} {
		conn, _, err := websocket.DefaultDialer.DialContext(t.Context(), "ws"+strings.TrimPrefix(server.URL, "http")+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		say(t, conn, text) // melody knows of it then
		pings := make(chan struct{}, 9)
		conn.SetPingHandler(func(string) error { pings <- struct{}{}; return nil })
		closed := make(chan error, 1)
		go func() {
			_, _, err := conn.ReadMessage()
			closed <- err
		}()
		due := time.Now().Add(api.PingEvery)
		for i, now := range []time.Time{time.Now(), due, due, due.Add(api.PingEvery)} {
			if handler.Pulse(now); i%2 == 0 {
				continue // it is not due, or was just pinged
			}
			select {
			case <-pings:
			case <-time.After(10 * time.Second):
				t.Fatalf("%s: no ping", path)
			}
		}
		if err := conn.WriteControl(websocket.CloseMessage, nil, time.Now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		if err := <-closed; !websocket.IsCloseError(err, websocket.CloseNoStatusReceived) {
			t.Error(err)
		}
		if len(pings) > 0 {
			t.Errorf("%s: %d pings too many", path, len(pings))
		}
	}
}
