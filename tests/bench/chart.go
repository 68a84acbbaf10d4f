package main

import (
	"context"
	"fmt"
	"math"
	"strings"
)

// curve is how something grows with something, for some servers, on two logarithmic
// scales.
type curve struct {
	file, title, x, y string
	lines             map[string][]point
}

type point struct{ x, y float64 }

// sweep is how a curve comes about.
type sweep struct {
	curve   curve
	servers []string
	over    []int
	metric  metric
	measure func(n int) func(context.Context, *bench, server, string) (values, error)
}

func sweeps() []sweep {
	subscribers := func(n int) func(context.Context, *bench, server, string) (values, error) {
		return flooded(flood{messages: max(200, min(20_000, 1_000_000/n)), publishers: 4, size: size}, n)
	}
	sized := func(n int) func(context.Context, *bench, server, string) (values, error) {
		return flooded(flood{messages: max(200, min(1000, (256<<20)/1000/n)), publishers: 4, size: n}, 1000)
	}
	rated := func(n int) func(context.Context, *bench, server, string) (values, error) {
		return flooded(flood{messages: 4 * n, publishers: 16, rate: float64(n), size: size}, 100)
	}
	return []sweep{
		{curve{file: "subscribers.svg", title: "CPU a delivery over subscribers", x: "subscribers", y: "µs"}, []string{fanfold, broadcast}, []int{10, 100, 1000, 10_000}, perDelivery, subscribers},
		{curve{file: "connections.svg", title: "Memory a connection over connections", x: "connections", y: "KiB"}, []string{fanfold, broadcast}, []int{100, 1000, 10_000}, perConn, idle},
		{curve{file: "latency.svg", title: "99 of 100 deliveries within, over messages a second to 100 subscribers", x: "messages a second", y: "ms"}, []string{fanfold, broadcast}, []int{10, 100, 1000}, p99, rated},
		{curve{file: "payload.svg", title: "CPU a delivery over the size of a message", x: "bytes", y: "µs"}, []string{fanfold, broadcast}, []int{32, 256, 2048, 16_384, 60_000}, perDelivery, sized},
		{curve{file: "channels.svg", title: "CPU a publish over channels with a subscriber each", x: "channels", y: "µs"}, []string{fanfold}, []int{1, 10, 1000, 100_000}, perMessage, spread},
		{curve{file: "patterns.svg", title: "CPU a publish over patterns that match it", x: "patterns", y: "µs"}, []string{fanfold}, []int{1, 10, 100}, perMessage, patterned},
	}
}

// patterned: one client for each pattern.
func patterned(n int) func(context.Context, *bench, server, string) (values, error) {
	return func(ctx context.Context, b *bench, s server, folder string) (values, error) {
		return with(ctx, s, folder, func(p *process, t target) (values, error) {
			t.hello = func(i int) []string {
				return []string{greeting, fmt.Sprintf(`{"id":2,"subscribe":{"channel":%q}}`, pattern(i))}
			}
			t.publishBody = strings.Replace(t.publishBody, `"a"`, `"a.a.a.a.a.a.a"`, 1)
			return b.flood(ctx, p, t, flood{messages: b.scaled(20_000, 2000), publishers: 16, size: size, fan: n}, n)
		})
	}
}

// pattern number i, of 128, that matches a.a.a.a.a.a.a: a * for each bit.
func pattern(i int) string {
	tokens := make([]string, 7)
	for bit := range tokens {
		tokens[bit] = "a"
		if i>>bit&1 == 0 {
			tokens[bit] = "*"
		}
	}
	return strings.Join(tokens, ".")
}

// draw measures the curves.
func (b *bench) draw(ctx context.Context, folder string) error {
	for _, s := range sweeps() {
		c := s.curve
		c.lines = map[string][]point{}
		for _, n := range s.over {
			for _, name := range s.servers {
				v, err := b.once(ctx, row{measure: s.measure(n)}, b.servers[name], folder)
				if err != nil {
					return fmt.Errorf("%s, %d, %s: %w", c.file, n, name, err)
				}
				c.lines[name] = append(c.lines[name], point{float64(n), v[s.metric.name]})
				b.say("%-16s %-8d %-18s %.2f %s", c.file, n, name, v[s.metric.name], s.metric.unit)
			}
		}
		b.curves = append(b.curves, c)
	}
	return nil
}

// The drawing's size and margins, in pixels.
const (
	width, height             = 640, 320
	left, right, top2, bottom = 64, 24, 44, 52
)

var inks = []string{"#1d6b4a", "#b45309", "#475569"}

// svg draws the curve; it is readable on light and dark pages.
func (c curve) svg() string {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="system-ui, sans-serif" font-size="13">`+"\n", width, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" rx="8" fill="#fdfdfb" stroke="#dbe0d9"/>`+"\n", width, height)
	fmt.Fprintf(&b, `<text x="16" y="26" font-size="15" font-weight="600" fill="#1a201c">%s</text>`+"\n", c.title)
	x, y := c.scales()
	for _, n := range y.ticks() {
		fmt.Fprintf(&b, `<path d="M%d %.1fH%d" stroke="#e4e8e2"/><text x="%d" y="%.1f" text-anchor="end" fill="#566159">%s</text>`+"\n", left, y.at(n), width-right, left-8, y.at(n)+4, short(n))
	}
	for _, n := range x.ticks() {
		fmt.Fprintf(&b, `<text x="%.1f" y="%d" text-anchor="middle" fill="#566159">%s</text>`+"\n", x.at(n), height-bottom+20, short(n))
	}
	fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end" fill="#566159">%s</text><text x="16" y="46" fill="#566159">%s</text>`+"\n", width-right, height-12, c.x, c.y)
	for i, name := range sortedKeys(c.lines) {
		c.line(&b, x, y, c.lines[name], inks[i%len(inks)])
		fmt.Fprintf(&b, `<circle cx="%d" cy="%d" r="5" fill="%s"/><text x="%d" y="%d" fill="#1a201c">%s</text>`+"\n", left+i*170+6, height-16, inks[i%len(inks)], left+i*170+18, height-12, name)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func (c curve) line(b *strings.Builder, x, y scale, points []point, ink string) {
	var path strings.Builder
	for i, p := range points {
		fmt.Fprintf(&path, "%c%.1f %.1f", "ML"[min(i, 1)], x.at(p.x), y.at(p.y))
		fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="3.5" fill="%s"/><text x="%.1f" y="%.1f" text-anchor="middle" font-size="11" fill="%s">%s</text>`+"\n", x.at(p.x), y.at(p.y), ink, x.at(p.x), y.at(p.y)-8, ink, short(p.y))
	}
	fmt.Fprintf(b, `<path d="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", path.String(), ink)
}

// scale is a logarithmic one.
type scale struct{ least, most, from, to float64 }

func (c curve) scales() (x, y scale) {
	x = scale{math.Inf(1), 0, left, width - right}
	y = scale{math.Inf(1), 0, height - bottom, top2 + 12}
	for _, points := range c.lines {
		for _, p := range points {
			x.least, x.most = min(x.least, p.x), max(x.most, p.x)
			y.least, y.most = min(y.least, p.y), max(y.most, p.y)
		}
	}
	y.least, y.most = math.Max(y.least/1.6, 1e-3), y.most*1.6
	return x, y
}

func (s scale) at(n float64) float64 {
	return s.from + (s.to-s.from)*math.Log(max(n, s.least)/s.least)/math.Log(s.most/s.least)
}

// ticks are 1, 2 and 5 of each decade, or 1 alone if those are many.
func (s scale) ticks() (ticks []float64) {
	steps := []float64{1, 2, 5}
	if s.most/s.least > 100 {
		steps = steps[:1]
	}
	for decade := math.Pow(10, math.Floor(math.Log10(s.least))); decade <= s.most; decade *= 10 {
		for _, step := range steps {
			if n := decade * step; n >= s.least && n <= s.most {
				ticks = append(ticks, n)
			}
		}
	}
	return ticks
}

// short writes a number with few digits.
func short(n float64) string {
	switch {
	case n >= 1000:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", n/1000), ".0") + "k"
	case n >= 10:
		return fmt.Sprintf("%.0f", n)
	}
	return strings.TrimRight(strings.TrimRight(fmt.Sprintf("%.2f", n), "0"), ".")
}
