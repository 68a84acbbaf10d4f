package tests

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"fanfold/tests/need"
)

func TestCentrifugeSDK(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	script := startScript(t, "centrifuge.mjs", h.url)
	if got := receive(t, script.lines, "the script's last word"); got != "done" {
		t.Errorf("the script says %q", got)
	}
	if err := script.wait(); err != nil {
		t.Error(err)
	}
}

// Clients that recover see every message once, in order, whether it was
// published before, during or after a stop of the hub.
func TestClientsRecoverAcrossRestart(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"recover.mjs", "eventsource.mjs"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := startHub(t)
			script := startScript(t, name, h.url)
			if got := receive(t, script.lines, "the script's subscription"); got != "subscribed" {
				t.Fatalf("the script says %q", got)
			}
			next, got := 0, []string(nil)
			publish := func(n int) {
				for range n {
					next++
					h.publish("news", fmt.Sprintf("message %d", next))
				}
			}
			publish(3)
			for len(got) < 3 { // the client knows its position
				got = append(got, receiveMessage(t, script))
			}
			for _, end := range []func(){h.stop, h.kill} {
				end()
				h.startAgain()
				publish(5)
				eventually(t, "the script's return", func() bool { return h.sessions("news") == 1 })
				publish(3)
				for len(got) < next {
					got = append(got, receiveMessage(t, script))
				}
			}
			for i, text := range got {
				if want := fmt.Sprintf("message %d", i+1); text != want {
					t.Fatalf("message %d is %q in %q", i, text, got)
				}
			}
			if err := script.wait(); err != nil {
				t.Error(err)
			}
		})
	}
}

// receiveMessage returns the next line of a script that begins with message.
func receiveMessage(t *testing.T, script *tool) string {
	t.Helper()
	for {
		if line := receive(t, script.lines, "a message from "+script.cmd.Args[1]); strings.HasPrefix(line, "message ") {
			return line
		}
	}
}

// note is ntfy's message object.
type note struct {
	ID, Topic, Message, Title, Icon, Click string
	Priority                               int
	Tags                                   []string
	Attachment                             struct{ Name, URL string }
	Actions                                []struct {
		Action, Label, URL, Method, Body, Intent string
		Clear                                    bool
		Headers, Extras                          map[string]string
	}
}

func TestNpmNtfy(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	lines := h.opened(h.stream("/door/json"))
	script := startScript(t, "ntfy.mjs", h.url, "door")
	var published []note
	for range 3 {
		reply := receive(t, script.lines, "the hub's reply")
		published = append(published, decode[note](t, reply))
		if delivered := receive(t, lines, "the delivery"); fmt.Sprint(decode[note](t, delivered)) != fmt.Sprint(published[len(published)-1]) {
			t.Errorf("published %s, delivered %s", reply, delivered)
		}
	}
	if err := script.wait(); err != nil {
		t.Error(err)
	}
	n := published[1]
	if n.Message != "The door is open" || n.Title != "Door" || n.Priority != 5 || !slices.Equal(n.Tags, []string{"warning", "door"}) {
		t.Errorf("published %+v", n)
	}
	if n.Attachment.Name != "door.jpg" || !strings.HasSuffix(n.Attachment.URL, "/door.jpg") || !strings.HasSuffix(n.Icon, "/icon.png") {
		t.Errorf("attached %+v, icon %s", n.Attachment, n.Icon)
	}
	if len(n.Actions) != 3 {
		t.Fatalf("actions %+v, want three", n.Actions)
	}
	view, call, broadcast := n.Actions[0], n.Actions[1], n.Actions[2]
	if view.Action != "view" || view.Label != "Look" || !view.Clear {
		t.Errorf("the view action is %+v", view)
	}
	if call.Action != "http" || call.Method != "PUT" || call.Headers["X-Key"] != "k" || call.Body != "now" {
		t.Errorf("the http action is %+v", call)
	}
	if broadcast.Action != "broadcast" || broadcast.Extras["cmd"] != "pic" || broadcast.Intent != "io.example.SNAP" {
		t.Errorf("the broadcast action is %+v", broadcast)
	}
	if kept := h.history("door"); len(kept) != 2 {
		t.Errorf("%d messages are stored, want those two that may be", len(kept))
	}
}

func TestApprise(t *testing.T) {
	t.Parallel()
	apprise := need.Program(t, "apprise")
	h := startHub(t)
	lines := h.opened(h.stream("/backup/json"))
	for url, priority := range map[string]int{
		"ntfy://" + h.addr + "/backup":                           0,
		"ntfy://" + h.addr + "/backup?priority=high&tags=floppy": 4,
	} {
		c := startTool(t, apprise, "-b", "It is done, Grüße", "-t", "Backup", url)
		if err := c.wait(); err != nil {
			t.Fatalf("apprise %s: %v", url, err)
		}
		n := decode[note](t, receive(t, lines, "the delivery"))
		if n.Message != "It is done, Grüße" || n.Title != "Backup" || n.Priority != priority && n.Priority != 3 || len(n.Tags) > 1 {
			t.Errorf("apprise %s: delivered %+v", url, n)
		}
	}
}

// curl prints each message as it comes, one JSON object on a line.
func TestCurlStream(t *testing.T) {
	t.Parallel()
	curl := need.Program(t, "curl")
	h := startHub(t)
	c := startTool(t, curl, "-sN", h.url+"/news,alerts.*/json")
	if open := receive(t, c.lines, "the open event"); !strings.Contains(open, `"event":"open"`) {
		t.Errorf("the first line is %s", open)
	}
	for _, channel := range []string{"news", "alerts.fire", "news"} {
		h.publish(channel, "in "+channel)
		n := decode[note](t, receive(t, c.lines, "the message in "+channel))
		if n.Topic != channel || n.Message != "in "+channel {
			t.Errorf("curl shows %+v", n)
		}
	}
}
