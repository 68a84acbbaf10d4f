package tests

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
)

// player opens the game in a tab of its own and takes off by keyboard alone.
func (b *browser) player(h *hub, name string) *tab {
	b.t.Helper()
	p := b.open(h.url + "/gallery/game")
	p.wantText("group", "Connection", "Connected")
	p.takeOff(name)
	return p
}

func (p *tab) takeOff(name string) {
	p.t.Helper()
	p.fill("textbox", "Name on your plane", name)
	p.press("\r")
	p.wantText("list", "Leader board", name+" (you)")
}

// Three tabs fly over the same sheet: each sees the others where they are, whoever leaves
// or closes the tab is gone for the others, and when the hub has been away all fly on.
func TestGalleryGame(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	b := startBrowser(t)
	ada, grace, mary := b.player(h, "Ada"), b.player(h, "Grace"), b.player(h, "Mary")
	for _, p := range []*tab{ada, grace, mary} {
		p.wantText("list", "Leader board", "Ada", "Grace", "Mary", "(you)")
		p.wantText("region", "Leader board", "3 in the air, 0 watching")
	}
	sameSheet(t, ada, grace, mary)

	mary.close()
	for _, p := range []*tab{ada, grace} {
		p.wantText("region", "Leader board", "2 in the air")
		p.wantNoText("list", "Leader board", "Mary")
	}
	grace.press("\x1b")
	ada.wantNoText("list", "Leader board", "Grace")
	grace.wantText("region", "Leader board", "1 in the air, 1 watching")
	grace.press("\r") // the focus is on the button that takes off again
	ada.wantText("list", "Leader board", "Grace")
	grace.click("button", "Land")
	ada.wantNoText("list", "Leader board", "Grace")
	grace.click("button", "Fly")
	ada.wantText("list", "Leader board", "Grace")

	h.stop()
	for _, p := range []*tab{ada, grace} {
		p.wantText("region", "The sheet", "takes off again by itself", "Not connected")
		p.wantText("region", "Leader board", "Until the connection was lost")
		p.run("document.body.dataset.kept = 'since'")
	}
	h.startAgain()
	for _, p := range []*tab{ada, grace} {
		p.wantText("region", "Leader board", "Ada", "Grace", "2 in the air, 0 watching")
		if p.evaluate("document.body.dataset.kept ?? ''") != "since" {
			t.Error("the page was loaded again")
		}
	}
	sameSheet(t, ada, grace)
}

// wantNoText waits until the element's text lacks a part.
func (p *tab) wantNoText(role, name, part string) {
	p.t.Helper()
	eventually(p.t, fmt.Sprintf("the %s %q lacks %q", role, name, part), func() bool {
		return !strings.Contains(p.text(role, name), part)
	})
}

// sameSheet fails the test if tabs differ in where planes are at the same tick, or if a
// plane stands still.
func sameSheet(t *testing.T, tabs ...*tab) {
	t.Helper()
	for _, p := range tabs {
		p.run(`(() => {
			const game = document.querySelector('#game');
			globalThis.ticks = {};
			new MutationObserver(() => ticks[game.dataset.tick] = [...game.querySelectorAll('[data-plane]')].map((row) =>
				[row.dataset.plane, row.dataset.at, row.querySelector('[data-part=load]').textContent].join(' ')).join('\n'),
			).observe(game, {attributeFilter: ['data-tick']});
		})()`)
	}
	var common []string
	eventually(t, "the tabs show 20 ticks in common", func() bool {
		common = nil
		seen := make([]map[string]string, len(tabs))
		for i, p := range tabs {
			seen[i] = decode[map[string]string](t, p.evaluate("JSON.stringify(ticks)"))
		}
	ticks:
		for tick, planes := range seen[0] {
			for _, other := range seen[1:] {
				others, ok := other[tick]
				if !ok {
					continue ticks
				}
				if others != planes {
					t.Fatalf("tick %s is\n%s\nin a tab and\n%s\nin another", tick, planes, others)
				}
			}
			common = append(common, planes)
		}
		return len(common) >= 20
	})
	places := map[string]map[string]bool{} // where each plane has been
	for _, planes := range common {
		for row := range strings.SplitSeq(planes, "\n") {
			plane, at, _ := strings.Cut(row, " ")
			if places[plane] == nil {
				places[plane] = map[string]bool{}
			}
			places[plane][at] = true
		}
	}
	for plane, been := range places {
		if len(been) < 10 {
			t.Errorf("plane %s has been at %d places in %d ticks", plane, len(been), len(common))
		}
	}
	if len(places) != len(tabs) {
		t.Errorf("%d planes fly in %d tabs", len(places), len(tabs))
	}
}

// gameState is what the hub says of the game.
type gameState struct {
	Tick   int
	Planes [][]any
	Scraps []float64
}

// plane is one of a state's.
type plane struct{ x, y, heading, load float64 }

// of returns the plane that a name flies.
func (s gameState) of(name string) (p plane, ok bool) {
	for _, row := range s.Planes {
		if row[8] == name {
			return plane{row[1].(float64) / 4, row[2].(float64) / 4, row[3].(float64) / 1000 * 2 * math.Pi, row[6].(float64)}, true
		}
	}
	return p, false
}

// toward is how far a plane must turn for a place, -π to π.
func (p plane) toward(x, y float64) float64 {
	return math.Remainder(math.Atan2(y-p.y, x-p.x)-p.heading, 2*math.Pi)
}

// gameStates are what any subscriber to the game sees.
func (h *hub) gameStates() <-chan gameState {
	h.t.Helper()
	return convertStates(h.t, h.opened(h.stream("/gallery.game/json")))
}

func convertStates(t testing.TB, lines <-chan string) <-chan gameState {
	states := make(chan gameState, cap(lines))
	go func() {
		defer close(states)
		for line := range lines {
			var m struct{ Event, Message string }
			var s gameState
			if json.Unmarshal([]byte(line), &m) == nil && m.Event == "message" && json.Unmarshal([]byte(m.Message), &s) == nil {
				states <- s
			}
		}
	}()
	return states
}

// newest passes over states that wait.
func newest(t testing.TB, states <-chan gameState) gameState {
	t.Helper()
	s := receive(t, states, "a state of the game")
	for len(states) > 0 {
		s = <-states
	}
	return s
}

// With the arrow keys alone a player collects scraps, is told so in words and wears the
// crown in every tab; with the mouse the plane turns towards the pointer.
func TestGalleryGameIsSteered(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	b := startBrowser(t)
	grace, ada := b.player(h, "Grace"), b.player(h, "Ada")
	states := h.gameStates()
	held := ""
	hold := func(key string) {
		t.Helper()
		if key != held {
			ada.key(input.DispatchKeyEventTypeKeyUp, held)
			ada.key(input.DispatchKeyEventTypeRawKeyDown, key)
			held = key
		}
	}
	leads := func(p *tab) bool {
		first, _, _ := strings.Cut(p.text("list", "Leader board"), "\n")
		return strings.Contains(first, "Ada") && len(p.query("image", "leads")) == 1
	}
	eventually(t, "Ada has collected five scraps and leads the board", func() bool {
		s := newest(t, states)
		p, ok := s.of("Ada")
		if !ok {
			t.Fatal("Ada does not fly any more")
		}
		key := ""
		switch by := p.toward(s.target(p)); {
		case by < -0.15:
			key = "ArrowLeft"
		case by > 0.15:
			key = "ArrowRight"
		}
		hold(key)
		return p.load >= 5 && leads(ada) && leads(grace)
	})
	hold("")
	ada.wantText("status", "", "You carry")

	grace.drag(pressed, 0.5, 0.5)
	eventually(t, "Grace's plane heads for the middle of the sheet", func() bool {
		p, _ := newest(t, states).of("Grace")
		return math.Abs(p.toward(800, 500)) < 0.1 || math.Hypot(p.x-800, p.y-500) < 100
	})
}

// On a phone the plane turns towards the finger, and the page keeps still under it.
func TestGalleryGameIsSteeredByTouch(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	p := startBrowser(t).open(h.url + "/gallery/game")
	p.do("resize", chromedp.EmulateViewport(360, 780, chromedp.EmulateTouch))
	p.wantText("group", "Connection", "Connected")
	p.takeOff("Ada")
	states := h.gameStates()
	box := p.canvasBox()
	touch := func(kind input.DispatchTouchEventType, points ...*input.TouchPoint) {
		t.Helper()
		if _, err := call(p, input.DispatchTouchEvent, input.DispatchTouchEventParams{Type: kind, TouchPoints: points}); err != nil {
			t.Fatal(err)
		}
	}
	scrolled := p.evaluate("String(scrollY)")
	touch(input.DispatchTouchEventTypeTouchStart, &input.TouchPoint{X: box.X + box.Width/2, Y: box.Y + 5})
	touch(input.DispatchTouchEventTypeTouchMove, &input.TouchPoint{X: box.X + 5, Y: box.Y + box.Height/2})
	eventually(t, "Ada's plane flies to the left", func() bool {
		own, ok := newest(t, states).of("Ada")
		return ok && math.Cos(own.heading) < -0.95
	})
	touch(input.DispatchTouchEventTypeTouchEnd)
	if now := p.evaluate("String(scrollY)"); now != scrolled {
		t.Errorf("the page has scrolled from %s to %s", scrolled, now)
	}
}

// key presses or lets go a key that the page knows by its code; "": none.
func (p *tab) key(kind input.DispatchKeyEventType, code string) {
	p.t.Helper()
	if code == "" {
		return
	}
	if _, err := call(p, input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: kind, Key: code, Code: code}); err != nil {
		p.t.Fatalf("key %s: %v", code, err)
	}
}

// target is the nearest scrap that is not inside the circles that a plane can't leave.
func (s gameState) target(p plane) (x, y float64) {
	best := math.Inf(1)
	for i := 0; i+1 < len(s.Scraps); i += 2 {
		far := math.Hypot(s.Scraps[i]-p.x, s.Scraps[i+1]-p.y)
		if ahead := math.Abs(p.toward(s.Scraps[i], s.Scraps[i+1])) < 0.5; (ahead || far > 200) && far < best {
			best, x, y = far, s.Scraps[i], s.Scraps[i+1]
		}
	}
	return x, y
}

// drag holds the mouse button down, or moves the mouse that does, to a part of the
// canvas' width and height.
func (p *tab) drag(kind input.DispatchMouseEventType, x, y float64) {
	p.t.Helper()
	box := p.canvasBox()
	params := input.DispatchMouseEventParams{Type: kind, X: box.X + x*box.Width, Y: box.Y + y*box.Height, Button: input.MouseButtonLeft}
	if kind == pressed {
		params.ClickCount = 1
	} else {
		params.Buttons = 1
	}
	if _, err := call(p, input.DispatchMouseEvent, params); err != nil {
		p.t.Fatal(err)
	}
}

// box is a place in the window.
type box struct{ X, Y, Width, Height float64 }

func (p *tab) canvasBox() box {
	p.t.Helper()
	return decode[box](p.t, p.evaluate("JSON.stringify(document.querySelector('canvas').getBoundingClientRect())"))
}

const (
	pressed = input.DispatchMouseEventTypeMousePressed
	moved   = input.DispatchMouseEventTypeMouseMoved
)

// chase lets players' mice lead their planes from scrap to scrap until they carry so many
// together.
func chase(t *testing.T, states <-chan gameState, players map[string]*tab, load float64) {
	t.Helper()
	eventually(t, "the players have collected enough", func() bool {
		s, sum := newest(t, states), 0.0
		for name, p := range players {
			if own, ok := s.of(name); ok {
				sum += own.load
				x, y := s.target(own)
				p.drag(moved, x/1600, y/1000)
			}
		}
		return sum >= load
	})
}

// Who reads slowly is spared all but the newest state, and stays: the gallery's rule is
// in force. Pages may not publish there.
func TestGalleryGameSparesTheSlow(t *testing.T) {
	t.Parallel()
	h := startHub(t, "--outbox-bytes", "300000")
	quick := h.dial("/?channel=gallery.game")
	slow := h.rawDial()
	fmt.Fprint(slow, "GET /gallery.game/json HTTP/1.1\r\nHost: localhost\r\n\r\n")
	waitForSubscribers(h, "gallery.game", 2)
	const messages = 120
	for i := 1; i <= messages; i++ {
		text := fmt.Sprint(i, " ", strings.Repeat("x", 60_000))
		h.publish("gallery.game", text)
		quick.wantText(text)
	}
	if got := numbersUpTo(t, slow, messages); len(got) == messages {
		t.Error("the slow reader was spared nothing")
	}
	waitForSubscribers(h, "gallery.game", 2)
	metrics := string(h.do("GET", "/metrics", "").body)
	if !strings.Contains(metrics, "\nfanfold_slow_sessions_total 0\n") || strings.Contains(metrics, "\nfanfold_frames_dropped_total 0\n") {
		t.Errorf("the counters do not show it: %s", metrics)
	}

	s := h.dial("/connection/websocket")
	s.send(`{"id":1,"connect":{}}` + "\n" + `{"id":2,"publish":{"channel":"gallery.game","data":1}}`)
	if code := errorOf(t, s, 2); code != 103 {
		t.Errorf("a page's publish: error %d, not 103", code)
	}
	if kept := h.history("gallery.game"); len(kept) != 0 {
		t.Errorf("a live channel keeps %v", kept)
	}
}

// Without the hub's side, or without a grant, the page says so where the game would be.
func TestGalleryGameSaysWhyNot(t *testing.T) {
	t.Parallel()
	b := startBrowser(t)
	off := b.open(startHub(t, "--demo=false").url + "/gallery/game")
	off.wantText("region", "The sheet", "start it with --demo")

	h, token := closedHub(t, "--demo")
	secret := h.args[slices.Index(h.args, "--token-key-file")+1]
	p := b.open(h.url + "/gallery/game")
	p.wantText("region", "Sign in", "asks who you are")
	p.signIn(strings.TrimSpace(runProgram(t, "token", "--token-key-file", secret, "--sub", "bob", "--subscribe", ">")))
	p.wantText("region", "The sheet", "No game here: you may not publish")
	p.click("button", "Sign out")
	p.signIn(token("ada"))
	p.takeOff("Ada")
}

// The game fits a desk and a phone, by day and by night, before the start and in the
// air, and has no fault that axe finds.
func TestGalleryGameLooks(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	b := startBrowser(t)
	p := b.open(h.url + "/gallery/game")
	p.wantText("region", "Leader board", "1 watching")
	p.accessible()
	p.takePictures("gallery-game-join-", func() {})
	players := map[string]*tab{"Ada": p}
	for _, name := range []string{"Grace", "Edsger", "Mary", "Barbara"} {
		players[name] = b.player(h, name)
	}
	p.takeOff("Ada")
	for _, player := range players {
		player.drag(pressed, 0.5, 0.5)
	}
	states := h.gameStates()
	chase(t, states, players, 15)
	p.accessible()
	if len(p.query("image", "leads")) != 1 {
		t.Error("nobody wears the crown")
	}
	chase(t, states, players, 25) // with trails again, which who wants little motion does not see
	p.takePictures("gallery-game-", func() {})
}
