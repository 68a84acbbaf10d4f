package gallery

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"fanfold/hub"
	"fanfold/hub/client"
)

// emptyArena has nothing on the sheet, and the same chance each time.
func emptyArena() *arena { return &arena{random: rand.New(rand.NewPCG(1, 2))} }

// put lets a client's plane fly somewhere, past the time in which it can't be hit.
func (a *arena) put(client string, x, y, heading float64, load int) *plane {
	p := a.join(client, client)
	p.x, p.y, p.heading, p.load, p.shaken = x, y, heading, load, 0
	return p
}

// check fails the test if the arena is not as it must be after each step.
func (a *arena) check(t *testing.T) {
	t.Helper()
	if len(a.planes) > maxPlanes || len(a.scraps) > maxScraps {
		t.Fatalf("tick %d: %d planes and %d scraps", a.tick, len(a.planes), len(a.scraps))
	}
	for _, p := range a.planes {
		inside := p.x > 0 && p.x < sheetWidth && p.y > 0 && p.y < sheetHeight
		if !inside || !(math.Abs(p.heading) <= math.Pi) || p.load < 0 {
			t.Fatalf("tick %d: %+v", a.tick, *p)
		}
	}
	for _, s := range a.scraps {
		if !(s.x > 0 && s.x < sheetWidth && s.y > 0 && s.y < sheetHeight) {
			t.Fatalf("tick %d: a scrap at %v", a.tick, s)
		}
	}
}

// Whatever players do, all planes and scraps stay on the sheet and in number, and the
// same inputs with the same chance lead to the same.
func TestGameIsBoundedAndDeterministic(t *testing.T) {
	t.Parallel()
	play := func() []gameState {
		var seen []gameState
		a, hands := newArena(rand.New(rand.NewPCG(3, 4))), rand.New(rand.NewPCG(5, 6))
		for range 1_500 {
			client := fmt.Sprint(hands.IntN(maxPlanes + 8))
			switch p := a.of(client); {
			case p == nil:
				a.join(client, client)
			case hands.IntN(20) == 0:
				a.remove(p)
			default:
				p.turn, p.toward, p.aims, p.idle = hands.Float64()*2-1, hands.Float64()*6-3, hands.IntN(2) == 0, 0
			}
			a.step()
			a.check(t)
			seen = append(seen, a.state())
		}
		return seen
	}
	first, second := play(), play()
	if !reflect.DeepEqual(first, second) {
		t.Error("the same inputs lead to other states")
	}
	most := 0
	for _, p := range first[len(first)-1].Planes {
		most = max(most, p[6].(int))
	}
	if most == 0 {
		t.Error("nobody has collected anything")
	}
}

// A scrap in reach is a point, and makes a plane bigger and slower.
func TestGameScoring(t *testing.T) {
	t.Parallel()
	a := emptyArena()
	p := a.put("a", 500, 500, 0, 0)
	speed, size := p.speed(), p.size()
	a.scraps = []scrap{{530, 500}, {500, 700}}
	a.step()
	if p.load != 1 || len(a.scraps) != 1 || p.speed() >= speed || p.size() <= size {
		t.Errorf("%+v with %v left, %v and %v units a second", *p, a.scraps, speed, p.speed())
	}
	if before := *p; before.x <= 500 || before.y != 500 {
		t.Errorf("it flew to %v, %v", before.x, before.y)
	}
}

// Who is touched by a nose loses half, which falls beside; nose to nose both do; and
// for a moment nobody can do that again.
func TestGameCollisions(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name         string
		heading      float64 // of the second one, which is to the right of the first
		first, other int     // what is left of ten
	}{
		{"from behind", 0, 10, 5},
		{"nose to nose", math.Pi, 5, 5},
	} {
		a := emptyArena()
		p, other := a.put("p", 500, 500, 0, 10), a.put("other", 550, 500, row.heading, 10)
		a.step()
		if p.load != row.first || other.load != row.other {
			t.Errorf("%s: %d and %d are left", row.name, p.load, other.load)
		}
		if lost := 20 - p.load - other.load; len(a.scraps) != lost {
			t.Errorf("%s: %d of %d lie on the sheet", row.name, len(a.scraps), lost)
		}
		p.x, p.y, other.x, other.y, a.scraps = 500, 500, 550, 500, nil
		a.step()
		if p.load != row.first || other.load != row.other {
			t.Errorf("%s: who is shaken was hit again", row.name)
		}
	}
}

// An edge throws a plane back, in a corner too, and the plane can be steered away.
func TestGameEdges(t *testing.T) {
	t.Parallel()
	a := emptyArena()
	p := a.put("a", sheetWidth-30, 500, 0.3, 0)
	a.step()
	if want := math.Pi - 0.3; p.x > sheetWidth-p.size() || p.y <= 500 || math.Abs(p.heading-want) > 1e-9 {
		t.Errorf("it is at %v, %v, heading %v", p.x, p.y, p.heading)
	}
	p.x, p.y, p.heading = sheetWidth-30, sheetHeight-30, math.Pi/4
	a.step()
	if want := math.Pi / 4 * -3; math.Abs(p.heading-want) > 1e-9 {
		t.Errorf("it leaves the corner with a heading of %v", p.heading)
	}
	p.aims, p.toward = true, math.Pi
	for range 2 * ticksPerSecond {
		a.step()
		a.check(t)
	}
	if p.x > sheetWidth-100 || math.Abs(math.Abs(p.heading)-math.Pi) > 1e-9 {
		t.Errorf("it is at %v, heading %v", p.x, p.heading)
	}
}

// What a plane carried when it left stays, as far as there is room; who does not steer
// for a minute leaves.
func TestGameLeavingInFlight(t *testing.T) {
	t.Parallel()
	a := emptyArena()
	a.remove(a.put("a", 500, 500, 0, 7))
	if len(a.planes) != 0 || len(a.scraps) != 7 {
		t.Errorf("%d planes and %d scraps", len(a.planes), len(a.scraps))
	}
	a.remove(a.put("b", 500, 500, 0, 1_000_000))
	a.check(t)
	a.put("c", 500, 500, 0, 0)
	awake := a.put("d", 500, 800, 0, 0)
	for range idleFor*ticksPerSecond + 2 {
		awake.idle = 0
		a.step()
	}
	if len(a.planes) != 1 || a.planes[0] != awake {
		t.Errorf("%d planes are left", len(a.planes))
	}
}

// A state is small, also of a full sheet with the longest names; positions, headings
// and names come back from it.
func TestGameStateIsSmall(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		planes, most int
		name         string
	}{
		{3, 1_500, "Brisk Badger"}, {20, 4_000, "Brisk Badger"}, {maxPlanes, 13_000, strings.Repeat("<", maxGameName)},
	} {
		a := newArena(rand.New(rand.NewPCG(7, 8)))
		for i := range row.planes {
			p := a.join(fmt.Sprint(i), row.name)
			p.load = 40
		}
		for range 800 {
			for _, p := range a.planes {
				p.idle, p.turn = 0, a.random.Float64()*2-1
			}
			a.step()
		}
		data, err := json.Marshal(a.state())
		if err != nil || len(data) > row.most || !strings.Contains(string(data), `"scraps":[`) {
			t.Errorf("%d planes: %d bytes, %v", row.planes, len(data), err)
		}
		t.Logf("%d planes, %d scraps: %d bytes", row.planes, len(a.scraps), len(data))
	}
}

func TestGameName(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"  Ada \t Lovelace\n":              "Ada Lovelace",
		"":                                 "",
		"\u202e\u0000\u200b\ufeff":         "",
		"a\u202eb\x00c":                    "abc",
		"\xff\xfe":                         "",
		"Ada 🛩":                            "Ada 🛩",
		strings.Repeat("x", 1_000_000):     strings.Repeat("x", maxGameName),
		strings.Repeat("ä", maxGameName+1): strings.Repeat("ä", maxGameName),
		strings.Repeat("x", maxGameName-1) + " y": strings.Repeat("x", maxGameName-1),
	} {
		if got := gameName(given); got != want || !utf8.ValidString(got) {
			t.Errorf("%.40q becomes %q", given, got)
		}
	}
}

// liveEngine carries live messages and stores nothing, within a bubble.
type liveEngine struct {
	mu        sync.Mutex
	listeners map[string][]hub.Listener // guarded by mu
}

func (e *liveEngine) Publish(_ context.Context, m *hub.Message, _ hub.PublishOptions) (bool, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	m.Time = time.Now()
	for _, l := range e.listeners[m.Channel] {
		l.Deliver(m)
	}
	return false, nil
}

func (e *liveEngine) Read(context.Context, hub.Query) (hub.Page, error) { return hub.Page{}, nil }

func (e *liveEngine) Listen(pattern string, l hub.Listener) (func(), error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.listeners[pattern] = append(e.listeners[pattern], l)
	return func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.listeners[pattern] = nil // the hub listens once
	}, nil
}

// table is a hub with the game at work, in a bubble.
type table struct {
	t    *testing.T
	hub  *hub.Hub
	game *game
}

// atTable runs a test at a table. When it ends, nothing runs on.
func atTable(t *testing.T, test func(*table)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h, err := hub.New(hub.Config{Engine: &liveEngine{listeners: map[string][]hub.Listener{}}, Rules: Rules().WithDefault(), Shards: 1})
		if err != nil {
			t.Fatal(err)
		}
		side := h.As(&hub.Principal{Name: "gallery", Server: true, Grant: Grant()})
		g := newGame(client.New(side), slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { g.run(ctx); close(done) }()
		test(&table{t, h, g})
		cancel()
		<-done
		if err := h.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// seat is a client that is subscribed to the game, and takes what comes when it likes.
type seat struct{ *hub.Session }

// Wake implements [hub.Conn].
func (s *seat) Wake() {}

// Close implements [hub.Conn].
func (s *seat) Close(hub.Reason) {}

// states is the codec of all seats: of all events they see the states alone.
type states struct{}

// Encode implements [hub.Codec].
func (states) Encode(e hub.Event) []byte {
	if e.Kind != hub.KindMessage {
		return []byte{}
	}
	return e.Message.Data
}

func (b *table) sit() *seat {
	b.t.Helper()
	s := &seat{}
	session, err := b.hub.As(&hub.Principal{Grant: Grant()}).Open(hub.SessionConfig{Conn: s, Codec: states{}})
	if err != nil {
		b.t.Fatal(err)
	}
	s.Session = session
	b.subscribe(s)
	return s
}

func (b *table) subscribe(s *seat) {
	b.t.Helper()
	sub, err := s.Subscribe(b.t.Context(), hub.SubscribeOptions{Keys: []string{gameChannel}})
	if err != nil {
		b.t.Fatal(err)
	}
	sub.Resume(hub.Position{})
}

// published counts all states so far.
func (b *table) published() int64 {
	b.t.Helper()
	synctest.Wait()
	info, err := b.hub.As(&hub.Principal{Grant: hub.Everything()}).Info(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	return info.Published.Live
}

// during counts the states that are published while time passes.
func (b *table) during(d time.Duration) int64 {
	b.t.Helper()
	before := b.published()
	<-time.After(d) // in the bubble
	return b.published() - before
}

func (b *table) call(name string, s *seat, data string) (player, error) {
	b.t.Helper()
	result, err := b.game.methods()[name].Call(b.t.Context(), s.Client(), []byte(data))
	var p player
	if err == nil {
		err = json.Unmarshal(result, &p)
	}
	return p, err
}

func (b *table) mustCall(name string, s *seat, data string) player {
	b.t.Helper()
	p, err := b.call(name, s, data)
	if err != nil {
		b.t.Fatalf("%s: %v", name, err)
	}
	return p
}

// The loop costs nothing before somebody comes: it sends a state a second to who
// watches, 25 to who flies and to all who see that, and nothing once the last has gone.
func TestGameRunsWhileSomebodyIsThere(t *testing.T) {
	t.Parallel()
	atTable(t, func(b *table) {
		if n := b.during(time.Hour); n != 0 {
			t.Errorf("%d states for nobody", n)
		}
		s := b.sit()
		b.mustCall("gallery.game.watch", s, `{}`)
		b.during(100 * time.Millisecond)
		if n := b.during(10 * time.Second); n != 10 {
			t.Errorf("%d states in 10 s for somebody who watches", n)
		}
		mine := b.mustCall("gallery.game.join", s, `{"name":"Ada"}`)
		if n := b.during(10 * time.Second); n != 250 {
			t.Errorf("%d states in 10 s while somebody flies", n)
		}
		if again := b.mustCall("gallery.game.join", s, `{"name":"Ada L."}`); again != mine || mine.Player == 0 {
			t.Errorf("who joins twice has the planes %v and %v", mine, again)
		}
		s.Detach()
		b.during(3 * time.Second)
		if n := b.during(time.Hour); n != 0 || len(b.game.arena.planes) != 0 {
			t.Errorf("%d states after the last has gone, and %d planes", n, len(b.game.arena.planes))
		}
		again := b.sit()
		b.mustCall("gallery.game.join", again, `{"name":"Ada"}`)
		if n := b.during(time.Second); n < 25 {
			t.Errorf("%d states for who comes later", n)
		}
		again.Detach()
	})
}

// A page that subscribes again, as to show another name, keeps its plane; one that
// leaves has none, and the others see that.
func TestGameFollowsPresence(t *testing.T) {
	t.Parallel()
	atTable(t, func(b *table) {
		stays, leaves := b.sit(), b.sit()
		b.mustCall("gallery.game.join", stays, `{"name":"Ada"}`)
		b.mustCall("gallery.game.join", leaves, `{"name":"Grace"}`)
		b.during(1900 * time.Millisecond)
		stays.Unsubscribe(gameChannel)
		<-time.After(200 * time.Millisecond)
		b.subscribe(stays)
		b.mustCall("gallery.game.leave", leaves, `{}`)
		b.during(10 * time.Second)
		b.game.mu.Lock()
		if len(b.game.arena.planes) != 1 || b.game.arena.of(stays.Client().ID) == nil || b.game.present != 2 {
			t.Errorf("%d planes, %d present", len(b.game.arena.planes), b.game.present)
		}
		b.game.mu.Unlock()
		stays.Detach()
		leaves.Detach()
	})
}

// A reader that takes nothing for ten seconds has the newest state alone before it, and
// stays.
func TestGameSparesTheSlow(t *testing.T) {
	t.Parallel()
	atTable(t, func(b *table) {
		quick, slow := b.sit(), b.sit()
		b.mustCall("gallery.game.join", quick, `{"name":"Ada"}`)
		b.during(10 * time.Second)
		frames := slow.Take(nil, 1<<20)
		var waiting []gameState
		for _, frame := range frames {
			if len(frame) > 0 {
				var s gameState
				if err := json.Unmarshal(frame, &s); err != nil {
					t.Fatal(err)
				}
				waiting = append(waiting, s)
			}
		}
		if len(waiting) != 1 || waiting[0].Tick < 250 || slow.Ended() {
			t.Errorf("%d states wait: %v", len(waiting), waiting)
		}
		quick.Detach()
		slow.Detach()
	})
}

// What nobody should ask is refused in words, and harms nothing.
func TestGameRefuses(t *testing.T) {
	t.Parallel()
	atTable(t, func(b *table) {
		s := b.sit()
		for _, row := range []struct{ name, data, says string }{
			{"steer", `{"turn":1}`, "join first"},
			{"join", `{"name":"\u202e "}`, "needs a name"},
			{"join", `{"name":7}`, "does not fit"},
			{"join", `[]`, "does not fit"},
			{"steer", `{}`, "steer with"},
			{"steer", `{"turn":1,"heading":1}`, "steer with"},
			{"steer", `{"turn":1e999}`, "does not fit"},
			{"steer", `{"turn":"NaN"}`, "does not fit"},
		} {
			if _, err := b.call("gallery.game."+row.name, s, row.data); err == nil || !strings.Contains(hub.ErrorOf(err).Message, row.says) {
				t.Errorf("%s %s: %v", row.name, row.data, err)
			}
		}
		b.mustCall("gallery.game.join", s, `{"name":"Ada"}`)
		for _, x := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
			if _, err := b.game.steer(t.Context(), s.Client(), steering{Turn: &x}); err == nil {
				t.Errorf("turn %v is taken", x)
			}
			if _, err := b.game.steer(t.Context(), s.Client(), steering{Heading: &x}); err == nil {
				t.Errorf("heading %v is taken", x)
			}
		}
		for _, data := range []string{`{"turn":1e308}`, `{"turn":-1e308}`, `{"heading":1e308}`, `{"heading":-5e-324}`} {
			b.mustCall("gallery.game.steer", s, data)
			b.during(time.Second)
			b.game.mu.Lock()
			b.game.arena.check(t)
			b.game.mu.Unlock()
		}
		s.Detach()
	})
}

// A full sheet says so, and has room again when one lands; pages may not publish states.
func TestGameIsFull(t *testing.T) {
	t.Parallel()
	atTable(t, func(b *table) {
		var all []*seat
		for range maxPlanes + 1 {
			all = append(all, b.sit())
		}
		for _, s := range all[1:] {
			b.mustCall("gallery.game.join", s, `{"name":"x"}`)
		}
		if _, err := b.call("gallery.game.join", all[0], `{"name":"x"}`); hub.ErrorOf(err).Code != hub.CodeLimit {
			t.Errorf("one too many: %v", err)
		}
		b.mustCall("gallery.game.leave", all[1], `{}`)
		b.mustCall("gallery.game.leave", all[1], `{}`)
		b.mustCall("gallery.game.join", all[0], `{"name":"x"}`)
		m := &hub.Message{Channel: gameChannel, Data: []byte("1"), Publisher: all[0].Client()}
		if _, err := all[0].Actor().Publish(t.Context(), m, hub.PublishOptions{}); hub.ErrorOf(err).Code != hub.CodeDenied {
			t.Errorf("a page publishes: %v", err)
		}
		for _, s := range all {
			s.Detach()
		}
	})
}
