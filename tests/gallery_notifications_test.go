package tests

import (
	"fmt"
	"testing"

	"fanfold/tests/need"
)

// What is sent from one tab, by mouse or by keys, and by the curl line that it shows,
// arrives in the other; an update takes the place of what it updates, and what is
// deleted goes. A lost connection misses nothing.
func TestGalleryNotifications(t *testing.T) {
	t.Parallel()
	need.Program(t, "curl")
	const arrived = "Notifications that came"
	h := startHub(t)
	b := startBrowser(t)
	sender, other := b.open(h.url+"/gallery/notifications"), b.open(h.url+"/gallery/notifications")
	waitForSubscribers(h, "gallery.notifications", 2)
	form := sender.in("Send one")
	form.fill("textbox", "Title", "Nightly build")
	form.fill("textbox", "Message", "Build 1847 passed")
	form.fill("textbox", "Tags, with commas", "ci, nightly")
	form.click("button", "Send notification")
	other.wantText("log", arrived, "Nightly build", "Build 1847 passed", "nightly")
	shell(t, sender.text("group", "curl line for this notification"))
	eventually(t, "the curl line's message too", func() bool { return other.count("log", arrived, "Build 1847") == 2 })

	sender.tabTo("#notify-title")
	sender.typeOver("Disk")
	sender.press("\t")
	sender.typeOver("The attic is 91 % full")
	sender.press("\r")
	other.wantText("log", arrived, "Disk", "91 %")
	other.wantText("list", "Arrived notifications", "91 %")

	backup := h.publish("gallery.notifications", "Copying, 12 %", "Title: Backup", "Priority: low")
	other.wantText("log", arrived, "12 %")
	h.do("PUT", "/gallery.notifications/"+backup.ID, "Done", "Title: Backup", "Priority: low")
	other.wantText("log", arrived, "Done")
	eventually(t, "the update takes the place of what it updates", func() bool {
		return other.count("log", arrived, "12 %") == 0 && other.count("list", "Arrived notifications", "12 %") == 0
	})

	h.stop()
	other.wantText("group", "Connection", "Disconnected")
	other.wantText("region", "What came", "waiting for the hub")
	form.click("button", "Send notification")
	sender.wantText("region", "Send one", "the hub did not answer")
	h.startAgain()
	h.do("DELETE", "/gallery.notifications/"+backup.ID, "")
	h.publish("gallery.notifications", "Somebody is at the door", "Title: Door", "Priority: max", "Tags: door", "Click: https://example.org/door")
	for _, p := range []*tab{sender, other} {
		p.wantText("log", arrived, "1847", "91 %", "at the door")
		eventually(t, "what was deleted is gone, and what was missed is there once", func() bool {
			return p.count("log", arrived, "Backup") == 0 && p.count("log", arrived, "at the door") == 1
		})
		p.wantText("region", "What came", "live")
		p.wantText("list", "Arrived notifications", "at the door")
	}
	other.accessible()
	other.dismissBut(1)
	other.takePictures("gallery-notifications-", func() { other.dismissBut(0) })
}

// typeOver types a text in place of what the field with the focus holds, key by key.
func (p *tab) typeOver(text string) {
	p.t.Helper()
	p.run("document.activeElement.select()")
	p.press(text)
}

// dismissBut dismisses all toasts but the newest few.
func (p *tab) dismissBut(n int) {
	p.t.Helper()
	p.run(fmt.Sprintf("[...document.querySelectorAll('.toast button')].reverse().slice(%d).forEach((button) => button.click())", n))
}
