package tests

import (
	"fmt"
	"testing"
)

// player opens the game in a tab of its own and takes off by keyboard alone.
func (b *browser) player(h *hub, name string) *tab {
	b.t.Helper()
	p := b.open(h.url + "/gallery/game")
	p.wantText("group", "Connection", "Connected")
	p.fill("textbox", "Name on your plane", name)
	p.press("\r")
	p.wantText("list", "Leader board", name)
	return p
}

// The game fits a desk and a phone, by day and by night, before the start and in
// the air.
func TestGalleryGameLooks(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	b := startBrowser(t)
	p := b.open(h.url + "/gallery/game")
	p.wantText("group", "Connection", "Connected")
	p.takePictures("gallery-game-join-", func() {})
	for _, name := range []string{"Ada", "Grace", "Edsger"} {
		other := b.player(h, name)
		other.run("document.querySelector('canvas').dispatchEvent(new KeyboardEvent('keydown', {code: 'ArrowLeft', key: 'ArrowLeft', bubbles: true}))")
	}
	p.fill("textbox", "Name on your plane", "Barbara")
	p.press("\r")
	p.wantText("list", "Leader board", "Barbara (you)")
	fmt.Println(p.text("list", "Leader board"))
	p.takePictures("gallery-game-", func() {})
}
