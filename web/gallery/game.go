package gallery

import (
	"context"
	"log/slog"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"fanfold/hub"
	"fanfold/hub/client"
)

const gameChannel = "gallery.game"

// gameRule: a state replaces the one before it, so a slow reader is spared all but the
// newest; and only the hub's side says what is true.
func gameRule() hub.Rule {
	return hub.Rule{
		Name: "gallery-game", Channels: gameChannel, Live: true,
		Slow: hub.SlowKeepLatest, Publishers: hub.PublishersServer, NoJoinLeave: true,
	}
}

// The sheet is measured in units, with x to the right, y down and headings clockwise
// from x.
const (
	sheetWidth, sheetHeight = 1600, 1000
	ticksPerSecond          = 25
	tickSeconds             = 1.0 / ticksPerSecond

	turnRadius = 70 // units, of the tightest curve
	shakenFor  = 2  // seconds in which a plane neither hits nor is hit: it just came, or was hit
	idleFor    = 60 // seconds without steering after which a plane is taken off the sheet

	maxPlanes   = 64
	maxScraps   = 80
	maxGameName = 24 // characters

	// missedLooks in a row, a second apart, and somebody is gone: one alone can fall
	// into the moment in which a page subscribes again.
	missedLooks = 2
)

// plane is one player's.
type plane struct {
	id       int    // others know the player by it
	client   string // the session that flies it
	name     string
	x, y     float64
	heading  float64 // radians, -π to π
	load     int     // scraps, which are its points
	turn     float64 // -1 left to 1 right; not used while it aims
	aims     bool
	toward   float64 // the heading that it aims at
	shaken   float64 // seconds left
	idle     float64 // seconds since it was steered
	unseenIn int     // looks at presence without its client
}

// speed is in units a second: the more a plane carries, the slower it is.
func (p *plane) speed() float64 { return 100 + 140/(1+float64(p.load)/18) }

// size is from its middle to its nose: the more it carries, the bigger it is.
func (p *plane) size() float64 { return 26 + 3*math.Sqrt(float64(min(p.load, 200))) }

func (p *plane) nose() scrap {
	return scrap{p.x + p.size()*math.Cos(p.heading), p.y + p.size()*math.Sin(p.heading)}
}

// scrap is a place where one lies.
type scrap struct{ x, y float64 }

func (s scrap) distance(x, y float64) float64 { return math.Hypot(s.x-x, s.y-y) }

// arena is all that happens on the sheet. It knows no clock: see step.
type arena struct {
	tick   int
	lastID int
	planes []*plane // by id; at most maxPlanes
	scraps []scrap  // at most maxScraps
	random *rand.Rand
}

func newArena(random *rand.Rand) *arena {
	a := &arena{random: random}
	for len(a.scraps) < a.wanted() {
		a.drop()
	}
	return a
}

// step lets one tick pass.
func (a *arena) step() {
	a.tick++
	for _, p := range a.planes {
		p.fly()
	}
	a.collide()
	a.collect()
	if a.tick%8 == 0 && len(a.scraps) < a.wanted() {
		a.drop()
	}
	for _, p := range slices.Clone(a.planes) {
		if p.idle > idleFor {
			a.remove(p)
		}
	}
}

// wanted is how many scraps are to lie there by themselves.
func (a *arena) wanted() int { return min(36+2*len(a.planes), maxScraps) }

func (p *plane) fly() {
	most := p.speed() / turnRadius * tickSeconds
	by := p.turn * most
	if p.aims {
		by = max(-most, min(most, math.Remainder(p.toward-p.heading, 2*math.Pi)))
	}
	p.heading = math.Remainder(p.heading+by, 2*math.Pi)
	p.x += p.speed() * tickSeconds * math.Cos(p.heading)
	p.y += p.speed() * tickSeconds * math.Sin(p.heading)
	p.bounce()
	p.shaken = max(0, p.shaken-tickSeconds)
	p.idle += tickSeconds
}

// bounce keeps a plane on the sheet: it leaves an edge as light leaves a mirror.
func (p *plane) bounce() {
	edge, dx, dy := p.size(), math.Cos(p.heading), math.Sin(p.heading)
	if p.x < edge && dx < 0 || p.x > sheetWidth-edge && dx > 0 {
		p.heading = math.Remainder(math.Pi-p.heading, 2*math.Pi)
	}
	if p.y < edge && dy < 0 || p.y > sheetHeight-edge && dy > 0 {
		p.heading = -p.heading
	}
	p.x = max(edge, min(sheetWidth-edge, p.x))
	p.y = max(edge, min(sheetHeight-edge, p.y))
}

// collide lets whoever is touched by another's nose lose half of what it carries; nose
// to nose, both do.
func (a *arena) collide() {
	var hit []*plane
	for _, p := range a.planes {
		if p.shaken == 0 && slices.ContainsFunc(a.planes, func(other *plane) bool { return other.hits(p) }) {
			hit = append(hit, p)
		}
	}
	for _, p := range hit {
		lost := (p.load + 1) / 2
		p.load -= lost
		p.shaken = shakenFor
		a.scatter(p, lost)
	}
}

func (p *plane) hits(other *plane) bool {
	return p != other && p.shaken == 0 && p.nose().distance(other.x, other.y) < other.size()
}

func (a *arena) collect() {
	for _, p := range a.planes {
		before := len(a.scraps)
		a.scraps = slices.DeleteFunc(a.scraps, func(s scrap) bool { return p.shaken == 0 && s.distance(p.x, p.y) < p.size()+8 })
		p.load += before - len(a.scraps)
	}
}

// scatter lets scraps fall around a plane. Those for which there is no room are lost.
func (a *arena) scatter(p *plane, n int) {
	for range min(n, maxScraps-len(a.scraps)) {
		angle, far := a.random.Float64()*2*math.Pi, p.size()+20+a.random.Float64()*90
		a.lay(p.x+far*math.Cos(angle), p.y+far*math.Sin(angle))
	}
}

func (a *arena) drop() { a.lay(a.random.Float64()*sheetWidth, a.random.Float64()*sheetHeight) }

// lay puts a scrap where a plane can reach it.
func (a *arena) lay(x, y float64) {
	const edge = 60
	a.scraps = append(a.scraps, scrap{max(edge, min(sheetWidth-edge, x)), max(edge, min(sheetHeight-edge, y))})
}

// join returns the client's plane, which is a new one unless it has one already; nil if
// there is no room.
func (a *arena) join(client, name string) *plane {
	p := a.of(client)
	if p == nil && len(a.planes) >= maxPlanes {
		return nil
	}
	if p == nil {
		a.lastID++
		p = &plane{id: a.lastID, client: client, shaken: shakenFor, heading: (a.random.Float64()*2 - 1) * math.Pi}
		p.x, p.y = a.clearing()
		a.planes = append(a.planes, p)
	}
	p.name, p.idle = name, 0
	return p
}

// clearing is the one of some places that is farthest from all planes.
func (a *arena) clearing() (x, y float64) {
	best := -1.0
	for range 8 {
		at := scrap{sheetWidth * (0.15 + 0.7*a.random.Float64()), sheetHeight * (0.15 + 0.7*a.random.Float64())}
		nearest := math.Inf(1)
		for _, p := range a.planes {
			nearest = min(nearest, at.distance(p.x, p.y))
		}
		if nearest > best {
			best, x, y = nearest, at.x, at.y
		}
	}
	return x, y
}

// of returns the client's plane, or nil.
func (a *arena) of(client string) *plane {
	for _, p := range a.planes {
		if p.client == client {
			return p
		}
	}
	return nil
}

// remove takes a plane off the sheet; what it carried stays.
func (a *arena) remove(p *plane) {
	a.planes = slices.DeleteFunc(a.planes, func(other *plane) bool { return other == p })
	a.scatter(p, p.load)
}

// gameState is all that a newcomer needs, rounded: positions to quarters of a unit,
// headings to thousandths of a turn.
type gameState struct {
	Tick     int     `json:"tick"`
	Planes   [][]any `json:"planes"`   // id, x, y, heading, speed, size, scraps, 1 if shaken, name
	Scraps   []int   `json:"scraps"`   // x, y, x, y, ... in units
	Watching int     `json:"watching"` // clients without a plane
}

func (a *arena) state() gameState {
	s := gameState{Tick: a.tick, Planes: make([][]any, 0, len(a.planes)), Scraps: make([]int, 0, 2*len(a.scraps))}
	for _, p := range a.planes {
		shaken := 0
		if p.shaken > 0 {
			shaken = 1
		}
		s.Planes = append(s.Planes, []any{
			p.id, rounded(4 * p.x), rounded(4 * p.y), rounded(p.heading / (2 * math.Pi) * 1000),
			rounded(p.speed()), rounded(p.size()), p.load, shaken, p.name,
		})
	}
	for _, at := range a.scraps {
		s.Scraps = append(s.Scraps, rounded(at.x), rounded(at.y))
	}
	return s
}

func rounded(x float64) int { return int(math.Round(x)) }

// game runs the arena while anybody is there: 25 states a second while somebody flies,
// one a second for those who only watch, and nothing at all while nobody does.
type game struct {
	client *client.Client // static
	logger *slog.Logger
	wake   chan struct{} // one slot; never closed

	mu      sync.Mutex
	arena   *arena // guarded by mu
	present int    // guarded by mu; clients, when presence was last asked for

	quiet   int    // owned by run: looks in a row that found nobody
	failing string // owned by run: what failed the last time, as the log knows
}

func newGame(c *client.Client, logger *slog.Logger) *game {
	return &game{
		client: c, logger: logger, wake: make(chan struct{}, 1),
		arena: newArena(rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))),
	}
}

func (g *game) methods() map[string]Method {
	return map[string]Method{
		"gallery.game.watch": method(gameChannel, g.watch),
		"gallery.game.join":  method(gameChannel, g.join),
		"gallery.game.steer": method(gameChannel, g.steer),
		"gallery.game.leave": method(gameChannel, g.leave),
	}
}

// gameView is the answer to who comes to watch: what is so now, and what never changes.
type gameView struct {
	State  gameState `json:"state"`
	Width  int       `json:"width"`
	Height int       `json:"height"`
	Radius int       `json:"radius"` // units, of the tightest curve
	Every  int       `json:"every"`  // milliseconds a tick
}

func (g *game) watch(context.Context, *hub.Client, struct{}) (gameView, error) {
	g.awake()
	g.mu.Lock()
	defer g.mu.Unlock()
	return gameView{g.stateLocked(), sheetWidth, sheetHeight, turnRadius, 1000 / ticksPerSecond}, nil
}

type joinGame struct {
	Name string `json:"name"`
}

// player says which of the planes is the caller's; 0: none.
type player struct {
	Player int `json:"player"`
}

func (g *game) join(_ context.Context, caller *hub.Client, q joinGame) (player, error) {
	name := gameName(q.Name)
	if name == "" {
		return player{}, hub.Errorf(hub.CodeBadRequest, "a plane needs a name with a letter or two")
	}
	g.awake()
	g.mu.Lock()
	defer g.mu.Unlock()
	p := g.arena.join(caller.ID, name)
	if p == nil {
		return player{}, hub.Errorf(hub.CodeLimit, "all %d planes are in the air: watch until one lands, then try again", maxPlanes)
	}
	return player{p.id}, nil
}

// steering is either.
type steering struct {
	Turn    *float64 `json:"turn"`    // -1 left to 1 right
	Heading *float64 `json:"heading"` // radians: to turn towards
}

func (g *game) steer(_ context.Context, caller *hub.Client, q steering) (player, error) {
	if (q.Turn == nil) == (q.Heading == nil) || !finite(q.Turn) || !finite(q.Heading) {
		return player{}, hub.Errorf(hub.CodeBadRequest, "steer with a turn from -1 to 1, or with a heading in radians")
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	p := g.arena.of(caller.ID)
	if p == nil {
		return player{}, hub.Errorf(hub.CodeNotAvailable, "you have no plane in the air: join first")
	}
	p.turn, p.aims, p.idle = 0, q.Heading != nil, 0
	if p.aims {
		p.toward = math.Remainder(*q.Heading, 2*math.Pi)
	} else {
		p.turn = max(-1, min(1, *q.Turn))
	}
	return player{p.id}, nil
}

func finite(x *float64) bool { return x == nil || !math.IsNaN(*x) && !math.IsInf(*x, 0) }

func (g *game) leave(_ context.Context, caller *hub.Client, _ struct{}) (player, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if p := g.arena.of(caller.ID); p != nil {
		g.arena.remove(p)
	}
	return player{}, nil
}

// gameName is a name without what can't be seen, cut to maxGameName characters.
func gameName(name string) string {
	visible := strings.Map(func(c rune) rune {
		switch {
		case unicode.IsSpace(c):
			return ' '
		case !unicode.IsGraphic(c) || c == unicode.ReplacementChar:
			return -1
		}
		return c
	}, name)
	runes := []rune(strings.Join(strings.Fields(visible), " "))
	return strings.TrimSpace(string(runes[:min(len(runes), maxGameName)]))
}

func (g *game) awake() {
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

// run sleeps until somebody calls, plays until nobody is left, and so on until ctx
// ends.
func (g *game) run(ctx context.Context) {
	for {
		select {
		case <-g.wake:
			g.play(ctx)
		case <-ctx.Done():
			return
		}
	}
}

func (g *game) play(ctx context.Context) {
	ticker := time.NewTicker(time.Second / ticksPerSecond)
	defer ticker.Stop()
	g.quiet = 0
	for n := 0; ctx.Err() == nil; n++ {
		look := n%ticksPerSecond == 0
		if look && g.quietSince(ctx) >= missedLooks {
			return
		}
		if state, flying := g.next(); flying || look {
			_, err := g.client.Send(ctx, gameChannel, state)
			g.report(ctx, "publish", err)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
		}
	}
}

// next lets a tick pass.
func (g *game) next() (s gameState, flying bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.arena.step()
	return g.stateLocked(), len(g.arena.planes) > 0
}

func (g *game) stateLocked() gameState {
	s := g.arena.state()
	s.Watching = max(0, g.present-len(s.Planes))
	return s
}

// quietSince looks who is there, takes the planes of those who have gone off the
// sheet, and returns how many looks in a row have found nobody.
func (g *game) quietSince(ctx context.Context) int {
	here, err := g.client.Presence(ctx, gameChannel)
	if g.report(ctx, "presence", err); err != nil {
		return 0
	}
	ids := make(map[string]bool, len(here))
	for i := range here {
		ids[here[i].ID] = true
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.present = len(here)
	for _, p := range slices.Clone(g.arena.planes) {
		if p.unseenIn++; ids[p.client] {
			p.unseenIn = 0
		}
		if p.unseenIn >= missedLooks {
			g.arena.remove(p)
		}
	}
	if g.quiet++; len(here)+len(g.arena.planes) > 0 {
		g.quiet = 0
	}
	return g.quiet
}

// report tells the log of the first of several failures.
func (g *game) report(ctx context.Context, what string, err error) {
	switch {
	case err == nil && g.failing == what:
		g.failing = ""
	case err != nil && g.failing == "" && ctx.Err() == nil:
		g.failing = what
		g.logger.Warn("the game has to go on without the hub", "call", what, "error", err)
	}
}
