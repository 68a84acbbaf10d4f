package gallery

import (
	"context"
	cryptorand "crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"math"
	"math/rand/v2"

	"fanfold/hub"
)

// Bounds of a percolation: see newPercolation.
const (
	minLattice, maxLattice = 16, 256
	maxRuns                = 100_000
	maxSites               = 200_000_000 // of all lattices together, which take some twenty seconds
	sitesInAStep           = 20_000      // some milliseconds
)

// threshold is what an endless square lattice needs: the share of open sites at
// which they connect. No formula for it is known, only measurements.
const threshold = 0.592746

// percolation measures that share on small lattices, by the algorithm of Newman and
// Ziff: close all sites of a square lattice, open them one by one in random order, and
// keep track of what is connected with union-find. The share of sites that are open when the
// top row is connected with the bottom row is one observation.
type percolation struct {
	side, runs int
	random     *rand.Rand

	order []int32 // of the sites; any order will do to draw the next one from
	// parent has for each site, and for the edges above and below, the site that it
	// is connected through; for the root of a cluster minus the number of sites.
	parent []int32

	n         int     // observations
	mean, sum float64 // their mean, and the sum of their squared distances from it
	from, to  float64 // of the histogram
	point     int     // the number of observations at which the next point is due

	points  [][3]float64 // not told yet: observations, mean, half of the confidence interval
	bins    map[int]int  // not told yet
	lattice []byte       // of the first observation; nil once it is told
}

const (
	closed  = math.MinInt32 // the parent of a site that is not open
	binsAll = 48
)

// newPercolation checks the facts and fills in what they leave open.
func newPercolation(f *analysisFacts) (*percolation, error) {
	switch {
	case f.Size < minLattice || f.Size > maxLattice || f.Size&(f.Size-1) != 0:
		return nil, hub.Errorf(hub.CodeBadRequest, "a lattice of %d × %[1]d is not offered: take 16, 32, 64, 128 or 256", f.Size)
	case f.Runs < 10 || f.Runs > maxRuns:
		return nil, hub.Errorf(hub.CodeBadRequest, "%d runs are not offered: take 10 to %d", f.Runs, maxRuns)
	case f.Runs*f.Size*f.Size > maxSites:
		return nil, hub.Errorf(hub.CodeBadRequest, "%d runs are too much work for a lattice of %d × %[2]d: take %d or fewer, or a smaller lattice", f.Runs, f.Size, maxSites/f.Size/f.Size)
	}
	if f.Seed == 0 {
		f.Seed = 1 + randomUint32()%(math.MaxUint32-1)
	}
	spread := 1.8 * math.Pow(float64(f.Size), -0.75) // three standard deviations
	f.From, f.To, f.Bins = threshold-spread, threshold+spread, binsAll
	f.Name, f.Bytes = "", 0
	return &percolation{
		side: f.Size, runs: f.Runs, random: rand.New(rand.NewPCG(uint64(f.Seed), 0)),
		order: ascending(f.Size * f.Size), parent: make([]int32, f.Size*f.Size+2),
		from: f.From, to: f.To, point: 5, bins: map[int]int{},
	}, nil
}

func randomUint32() uint32 {
	var b [4]byte
	_, _ = cryptorand.Read(b[:]) // never fails
	return binary.LittleEndian.Uint32(b[:])
}

func ascending(n int) []int32 {
	order := make([]int32, n)
	for i := range order {
		order[i] = int32(i)
	}
	return order
}

func (p *percolation) progress() float64 { return float64(p.n) / float64(p.runs) }

// step makes observations for some milliseconds, one at least.
func (p *percolation) step(context.Context) (done bool, err error) {
	for opened := 0; opened < sitesInAStep && p.n < p.runs; {
		sites := p.observe()
		p.add(float64(sites) / float64(len(p.order)))
		if opened += sites; p.n == 1 {
			p.lattice = p.picture()
		}
	}
	return p.n == p.runs, nil
}

// observe opens sites until top and bottom are connected, and returns how many.
func (p *percolation) observe() int {
	all := len(p.order)
	for i := range p.parent {
		p.parent[i] = closed
	}
	top, bottom := int32(all), int32(all+1)
	p.parent[top], p.parent[bottom] = -1, -1
	for k := range all {
		other := k + int(p.random.Uint32N(uint32(all-k)))
		p.order[k], p.order[other] = p.order[other], p.order[k]
		if p.open(p.order[k]) && p.find(top) == p.find(bottom) {
			return k + 1
		}
	}
	return all
}

// open opens a site and connects it with what is open around it. It reports whether
// its cluster has more than two sites, without which nothing new is connected.
func (p *percolation) open(site int32) bool {
	p.parent[site] = -1
	all, side := int32(len(p.order)), int32(p.side)
	above, below, column := site-side, site+side, site%side
	if above < 0 {
		above = all
	}
	if below >= all {
		below = all + 1
	}
	root := p.connect(site, above)
	root = p.connect(root, below)
	if column > 0 {
		root = p.connect(root, site-1)
	}
	if column < side-1 {
		root = p.connect(root, site+1)
	}
	return p.parent[root] < -2
}

// connect joins the cluster of a root with that of a site, if that is open, the
// smaller one below the larger one, and returns the root of both.
func (p *percolation) connect(root, site int32) int32 {
	if p.parent[site] == closed {
		return root
	}
	other := p.find(site)
	if other == root {
		return root
	}
	if p.parent[root] > p.parent[other] {
		root, other = other, root
	}
	p.parent[root] += p.parent[other]
	p.parent[other] = root
	return root
}

// find returns the root of an open site, and shortens the way there by half.
func (p *percolation) find(s int32) int32 {
	for p.parent[s] >= 0 {
		if up := p.parent[s]; p.parent[up] >= 0 {
			p.parent[s] = p.parent[up]
		}
		s = p.parent[s]
	}
	return s
}

// add takes an observation into account, by Welford's method.
func (p *percolation) add(share float64) {
	p.n++
	distance := share - p.mean
	p.mean += distance / float64(p.n)
	p.sum += distance * (share - p.mean)
	bin := int(float64(binsAll) * (share - p.from) / (p.to - p.from))
	p.bins[min(max(bin, 0), binsAll-1)]++
	if p.n >= p.point || p.n == p.runs {
		p.points = append(p.points, [3]float64{float64(p.n), p.mean, p.half()})
		p.point = max(p.n+1, p.n*21/20) // one more in twenty: on a logarithmic axis they are evenly apart
	}
}

func (p *percolation) deviation() float64 { return math.Sqrt(p.sum / float64(max(1, p.n-1))) }

// half returns half of the mean's 95 % confidence interval, by Student's
// distribution for n-1 degrees of freedom; the approximation is good to 2 % from five
// observations on.
func (p *percolation) half() float64 {
	if p.n < 2 {
		return 0
	}
	free := float64(p.n - 1)
	return (1.96 + 2.37/free + 2.8/free/free) * p.deviation() / math.Sqrt(float64(p.n))
}

func (p *percolation) fresh() map[string]any {
	if p.n == 0 {
		return nil
	}
	bins := make([][2]int, 0, len(p.bins))
	for bin, count := range p.bins {
		bins = append(bins, [2]int{bin, count})
	}
	fresh := map[string]any{"runs": p.n, "mean": p.mean, "half": p.half(), "deviation": p.deviation(), "points": p.points, "bins": bins}
	if p.points == nil {
		delete(fresh, "points")
	}
	if p.lattice != nil {
		fresh["lattice"] = base64.StdEncoding.EncodeToString(p.lattice)
	}
	p.points, p.lattice = nil, nil
	clear(p.bins)
	return fresh
}

// picture shows the lattice, row by row, two bits a site, the lowest first: 0 is
// closed, 1 open, 2 connected with top and bottom.
func (p *percolation) picture() []byte {
	bytes := make([]byte, len(p.order)/4)
	through := p.find(int32(len(p.order)))
	for site := range p.order {
		bits := byte(0)
		if p.parent[site] != closed {
			bits = 1
			if p.find(int32(site)) == through {
				bits = 2
			}
		}
		bytes[site/4] |= bits << (site % 4 * 2)
	}
	return bytes
}
