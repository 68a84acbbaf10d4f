package tests

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"fanfold/tests/need"
)

// A newcomer opens the page, sends a text and sees it folded, opens a second
// tab, runs the curl line that the page shows, and sees the message in both;
// stops the hub, starts it again, and the tabs come back by themselves with the
// message still there.
func TestNewcomersStory(t *testing.T) {
	t.Parallel()
	need.Program(t, "curl")
	b := startBrowser(t)
	h := startHub(t)

	first := b.open(h.url + "/")
	first.wantText("group", "Connection", "Connected")
	first.wantText("region", "Echo", "connected")
	first.in("Echo").fill("textbox", "Text to fold", "Straße")
	first.in("Echo").click("button", "Send")
	first.wantText("log", "Echo answers", "Straße", "strasse")

	second := b.open(h.url + "/")
	second.wantText("group", "Connection", "Connected")
	tabs := []*tab{first, second}
	waitForSubscribers(h, "news", len(tabs))
	shell(t, second.text("group", "curl line for this channel"))
	for _, p := range tabs {
		p.wantText("log", "Messages", "Hello")
	}

	h.stop()
	for _, p := range tabs {
		p.wantText("group", "Connection", "Disconnected")
	}
	h.startAgain()
	h.publish("news", "while they were away")
	waitForSubscribers(h, "news", len(tabs))
	shell(t, first.text("group", "curl line for this channel"))
	for _, p := range tabs {
		p.wantText("group", "Connection", "Connected")
		eventually(t, "both hellos and what was missed, each once", func() bool {
			return p.count("log", "Messages", "Hello") == 2 && p.count("log", "Messages", "while they were away") == 1
		})
	}
}

func waitForSubscribers(h *hub, channel string, n int) {
	h.t.Helper()
	eventually(h.t, fmt.Sprintf("%d subscribers to %s", n, channel), func() bool { return h.sessions(channel) == n })
}

// shell runs a line as pasted into a terminal.
func shell(t *testing.T, line string) {
	t.Helper()
	cmd := exec.Command("sh", "-c", line)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", line, err, out)
	}
}

// The feed shows any channels and patterns, live and from history, and
// publishes; a message is shown as text, whatever is in it.
func TestPageFeed(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	for i := range 60 {
		h.publish("alerts", fmt.Sprintf("old message %d.", i))
	}
	p := startBrowser(t).open(h.url + "/alerts")
	feed := p.in("Channel feed")
	p.wantText("log", "Messages", "old message 59.", "server", "offset")
	if p.count("log", "Messages", "old message 3.") > 0 {
		t.Error("the page shows more than the latest messages on opening")
	}
	feed.click("button", "Older messages")
	p.wantText("log", "Messages", "old message 0.", "old message 59.")

	feed.fill("textbox", "Channel or pattern", "sensor.*")
	p.press("\r")
	waitForSubscribers(h, "sensor.*", 1)
	h.publish("sensor.kitchen", "<img src=x onerror=alert(1)>")
	p.wantText("log", "Messages", "<img src=x onerror=alert(1)>", "sensor.kitchen")

	feed.fill("textbox", "To channel", "sensor.hall")
	feed.fill("textbox", "Message", `{"degrees": 21}`)
	feed.click("button", "Publish")
	p.wantText("log", "Messages", `{"degrees":21}`)
	feed.fill("textbox", "To channel", "no spaces")
	feed.fill("textbox", "Message", "x")
	feed.click("button", "Publish")
	p.wantText("region", "Channel feed", "Not published", "no spaces")

	feed.click("button", "Unsubscribe from sensor.*")
	waitForSubscribers(h, "sensor.*", 0)
}

// An update takes the place of what it updates, live and from history; a message
// that is cleared is marked as read, and one that is deleted goes.
func TestPageFollowsSequences(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	h.publish("jobs", "before")
	first := h.publish("jobs", "job at 10 percent")
	h.publish("jobs", "after")
	p := startBrowser(t).open(h.url + "/jobs")
	p.wantText("log", "Messages", "before", "job at 10 percent", "after")
	h.do("PUT", "/jobs/"+first.ID, "job at 50 percent")
	p.wantText("log", "Messages", "before", "job at 50 percent", "after")
	if n := p.count("log", "Messages", "job at"); n != 1 {
		t.Errorf("the job is shown %d times", n)
	}
	h.do("PUT", "/jobs/"+first.ID+"/clear", "")
	p.wantText("log", "Messages", "before", "job at 50 percent", "read", "after")
	again := startBrowser(t).open(h.url + "/jobs")
	again.wantText("log", "Messages", "before", "after", "job at 50 percent", "read")
	h.do("DELETE", "/jobs/"+first.ID, "")
	for _, tab := range []*tab{p, again} {
		eventually(t, "the job is gone", func() bool { return tab.count("log", "Messages", "job at") == 0 })
		tab.wantText("log", "Messages", "before", "after")
		if tab.count("log", "Messages", "sequence_id") != 0 {
			t.Error("an event is shown as a message")
		}
	}
}

// What the form sends and what its curl line sends is the same, and arrives in
// every tab as a notification.
func TestPageNotifications(t *testing.T) {
	t.Parallel()
	need.Program(t, "curl")
	h := startHub(t)
	b := startBrowser(t)
	sender, other := b.open(h.url+"/door"), b.open(h.url+"/door")
	waitForSubscribers(h, "door", 2)
	form := sender.in("Notifications")
	for i, title := range []string{"It's the door", "Tür"} {
		form.fill("textbox", "Title", title)
		form.fill("textbox", "Message", `open: "wide"`)
		form.fill("textbox", "Tags, with commas", "warning, door")
		form.fill("textbox", "Link to open", "https://example.org/door")
		form.click("button", "Send notification")
		other.wantText("list", "Arrived notifications", title, `open: "wide"`, "warning", "example.org")
		sender.wantText("list", "Arrived notifications", title)
		shell(t, sender.text("group", "curl line for this notification"))
		eventually(t, "the message of the curl line", func() bool { return len(h.history("door")) == 2*i+2 })
		kept := h.history("door")[2*i:]
		if string(kept[0].Data) != string(kept[1].Data) {
			t.Errorf("the form sent %s, its curl line %s", kept[0].Data, kept[1].Data)
		}
	}
	h.publish("door", "beware", "Click: javascript:alert(1)")
	other.wantText("list", "Arrived notifications", "beware")
	if links := other.query("link", "javascript:alert(1)"); len(links) > 0 {
		t.Error("the page links to a script")
	}
}

// Tabs that chat see who is there, who comes and who goes.
func TestPageChat(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	b := startBrowser(t)
	ada := b.open(h.url + "/")
	rename(ada, "Ada")
	bob := b.open(h.url + "/")
	rename(bob, "Bob")
	for _, p := range []*tab{ada, bob} {
		p.wantText("region", "Chat", "Ada", "Bob")
		eventually(t, "two people are here", func() bool { return len(p.in("Chat").query("listitem", "")) >= 2 })
	}
	ada.wantText("log", "Chat messages", "is now Bob")
	bob.in("Chat").fill("textbox", "Chat message", "Hello, Ada")
	bob.press("\r")
	ada.wantText("log", "Chat messages", "Bob", "Hello, Ada")
	late := b.open(h.url + "/")
	late.wantText("log", "Chat messages", "Hello, Ada")
	bob.close()
	ada.wantText("log", "Chat messages", "Bob left")
}

func rename(p *tab, name string) {
	p.t.Helper()
	p.wantText("group", "Connection", "Connected")
	p.in("Chat").fill("textbox", "Your name", name)
	p.in("Chat").click("button", "Rename")
	p.wantText("region", "Chat", "You are "+name)
}

// In ASCII mode a text with other characters gets no answer, and the page says so.
func TestPageEchoASCII(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	p := startBrowser(t).open(h.url + "/")
	echo := p.in("Echo")
	p.wantText("region", "Echo", "connected")
	echo.click("checkbox", "ASCII only")
	p.wantText("region", "Echo", "fold=ascii", "connected")
	for _, text := range []string{"Grüße", "HELLO"} {
		echo.fill("textbox", "Text to fold", text)
		p.press("\r")
	}
	p.wantText("log", "Echo answers", "no answer", "hello")
}

// The browser's own EventSource goes on where it was when the hub comes back.
func TestBrowserEventSource(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	p := startBrowser(t).open(h.url + "/wstest.html")
	p.run(`
		const list = document.querySelector('ul');
		const show = ({data}) => {
			const {event, message} = JSON.parse(data);
			list.append(Object.assign(document.createElement('li'), {textContent: message ?? event}));
		};
		const source = new EventSource('/news/sse');
		source.addEventListener('message', show);
		source.addEventListener('open', (event) => event.data && show(event));`)
	p.wantText("list", "", "open")
	h.publish("news", "one.")
	p.wantText("list", "", "one.")
	h.stop()
	h.startAgain()
	h.publish("news", "two.")
	waitForSubscribers(h, "news", 1)
	h.publish("news", "three.")
	p.wantText("list", "", "three.")
	if got := strings.Join(strings.Fields(p.text("list", "")), " "); got != "open one. open two. three." {
		t.Errorf("the EventSource heard %q", got)
	}
}
