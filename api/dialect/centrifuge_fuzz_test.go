package dialect

import (
	"os"
	"strings"
	"testing"

	"fanfold/hub"
)

// FuzzCentrifugeFrame sends any text, to a new client or a connected one. What
// comes back is JSON lines, and the end has a code of the protocol.
func FuzzCentrifugeFrame(f *testing.F) {
	desk := newTokenDesk(f)
	cast := desk.cast()
	for _, file := range []string{"centrifuge_dialogues.txt", "centrifuge_tokens.txt"} {
		script, err := os.ReadFile("testdata/" + file)
		if err != nil {
			f.Fatal(err)
		}
		for line := range strings.Lines(string(script)) {
			if said, ok := strings.CutPrefix(line, "> "); ok {
				f.Add(fillIn(f, strings.ReplaceAll(said, "⏎", "\n"), cast), !strings.Contains(said, `"connect"`))
			}
		}
	}
	f.Add("{}\n\n{\"id\":1e9,\"send\":{}}", false)
	h := everybody(desk.hub(hub.Config{OutboxBytes: 1 << 24}))
	d := desk.centrifuge()
	f.Fuzz(func(t *testing.T, frame string, connected bool) {
		c := dialCentrifuge(t, h, d)
		if connected {
			c.say(`{"id":1,"connect":{}}`)
		}
		c.say(strings.ToValidUTF8(frame, "\uFFFD")) // the transport sees to that
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, reply := range c.frames {
			checkLine(t, []byte(reply))
		}
		if c.closed != nil {
			code, text := d.CloseCode(*c.closed)
			checkClose(t, code, text)
		}
	})
}
