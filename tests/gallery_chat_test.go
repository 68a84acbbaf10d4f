package tests

import (
	"strings"
	"testing"
)

// People in a room see each other come, go, type and speak, by mouse and by keys
// alone; what is taken back is shown so, and not at all to who comes later; another room is
// another channel; and a lost connection misses nothing.
func TestGalleryChat(t *testing.T) {
	t.Parallel()
	const said = "Chat messages"
	h := startHub(t)
	b := startBrowser(t)
	ada, bob := b.open(h.url+"/gallery/chat"), b.open(h.url+"/gallery/chat")
	for p, name := range map[*tab]string{ada: "Ada", bob: "Bob"} {
		p.wantText("group", "Connection", "Connected")
		room := p.in("Room lobby")
		room.fill("textbox", "Your name", name)
		room.click("button", "Rename")
		room.wantText("list", "Here now: 2", name)
	}
	ada.in("Room lobby").wantText("list", "Here now: 2", "Ada", "(you)", "Bob")

	bob.tabTo("#chat-message")
	bob.press("Is anybody looking at the disk?")
	ada.wantText("region", "Room lobby", "Bob is typing…")
	bob.press("\r")
	ada.wantText("log", said, "Bob", "at the disk?")
	eventually(t, "Bob types no more", func() bool { return !strings.Contains(ada.text("region", "Room lobby"), "typing") })
	ada.in("Room lobby").fill("textbox", "Chat message", "On it.")
	ada.in("Room lobby").click("button", "Say")
	bob.wantText("log", said, "Ada", "On it.")

	wrong := h.publish("chat.lobby", "It is 12 % full")
	secret := h.publish("chat.lobby", "The password is 1234")
	ada.wantText("log", said, "12 %", "1234")
	h.do("PUT", "/chat.lobby/"+wrong.ID, "It is 91 % full")
	h.do("DELETE", "/chat.lobby/"+secret.ID, "")
	late := b.open(h.url + "/gallery/chat")
	for _, p := range []*tab{ada, bob} {
		p.wantText("log", said, "edited", "This message was deleted.")
	}
	for _, p := range []*tab{ada, bob, late} {
		p.wantText("log", said, "91 %", "On it.")
		if p.count("log", said, "12 %") > 0 || p.count("log", said, "1234") > 0 || p.count("log", said, "sequence_id") > 0 {
			t.Errorf("the room shows what was taken back: %s", p.text("log", said))
		}
	}
	late.close()
	ada.wantText("log", said, "left")

	bob.in("Room lobby").fill("textbox", "Another room", "Tea kitchen")
	bob.press("\r")
	ada.wantText("log", said, "Bob left")
	tea := bob.in("Room tea-kitchen")
	waitForSubscribers(h, "chat.tea-kitchen", 1)
	tea.fill("textbox", "Chat message", "The kettle is on")
	bob.press("\r")
	bob.wantText("log", said, "The kettle is on")
	if bob.count("log", said, "On it.") > 0 {
		t.Error("what was said in the lobby is shown in the tea kitchen")
	}
	tea.fill("textbox", "Another room", "no/room")
	bob.press("\r")
	bob.wantText("region", "Room tea-kitchen", "A room’s name is of letters")
	tea.click("link", "lobby")
	bob.wantText("log", said, "On it.")
	waitForSubscribers(h, "chat.tea-kitchen", 0)

	h.stop()
	ada.wantText("group", "Connection", "Disconnected")
	ada.wantText("region", "Room lobby", "not known", "Not connected: nothing can be sent now.")
	ada.picture("artifacts/gallery-chat-disconnected.png")
	h.startAgain()
	h.publish("chat.lobby", "while they were away")
	for _, p := range []*tab{ada, bob} {
		p.wantText("group", "Connection", "Connected")
		p.wantText("log", said, "while they were away")
		p.in("Room lobby").wantText("list", "Here now: 2", "Ada", "Bob")
	}
	bob.in("Room lobby").fill("textbox", "Chat message", "I have moved the old logs")
	ada.wantText("region", "Room lobby", "Bob is typing…")
	ada.accessible()
	ada.takePictures("gallery-chat-", func() {})
}
