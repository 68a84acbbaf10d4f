package gallery

import (
	"math"
	"slices"
	"testing"

	"fanfold/hub"
)

func percolate(t testing.TB, size, runs int, seed uint32) *percolation {
	t.Helper()
	p, err := newPercolation(&analysisFacts{Kind: "percolation", Size: size, Runs: runs, Seed: seed})
	if err != nil {
		t.Fatal(err)
	}
	for done := false; !done; {
		if done, err = p.step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// The estimate is what others have measured, 0.592746, but for what the edges of a
// small lattice do, which is well below 0.003 at 64 × 64; and observations scatter as
// finite-size scaling has it, by the side's power -3/4.
func TestTheThresholdIsFound(t *testing.T) {
	t.Parallel()
	small, large := percolate(t, 16, 4000, 1), percolate(t, 64, 1000, 1)
	t.Logf("16: %.5f ± %.5f, deviation %.4f; 64: %.5f ± %.5f, deviation %.4f", small.mean, small.half(), small.deviation(), large.mean, large.half(), large.deviation())
	if off := math.Abs(large.mean - threshold); off > 0.003 || large.half() > 0.002 {
		t.Errorf("the estimate is %.5f ± %.5f", large.mean, large.half())
	}
	if ratio := small.deviation() / large.deviation(); ratio < 2.5 || ratio > 3.2 { // 4^(3/4) = 2.83
		t.Errorf("observations scatter %.2f times as much on a lattice of a quarter of the side", ratio)
	}
}

// A seed gives the same numbers each time, whenever they are told.
func TestASeedGivesItsNumbers(t *testing.T) {
	t.Parallel()
	once, again := percolate(t, 32, 500, 7), percolate(t, 32, 500, 7)
	if once.mean != again.mean || !slices.Equal(once.points, again.points) || len(once.points) < 50 {
		t.Errorf("means %v and %v, %d and %d points", once.mean, again.mean, len(once.points), len(again.points))
	}
	if other := percolate(t, 32, 500, 8); other.mean == once.mean {
		t.Error("another seed gives the same mean")
	}
	if got := math.Round(once.mean * 1e6); got != 592627 {
		t.Errorf("the mean of seed 7 is %v millionths", got)
	}
}

// A site that connects is counted by a search that knows nothing of union-find.
func TestTheClusterIsConnected(t *testing.T) {
	t.Parallel()
	p, err := newPercolation(&analysisFacts{Kind: "percolation", Size: 16, Runs: 10, Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	for range 200 {
		opened := p.observe()
		open := map[int32]bool{}
		for _, site := range p.order[:opened] {
			open[site] = true
		}
		if reached := flood(open, 16); !reached[1] || p.find(p.order[opened-1]) != p.find(int32(len(p.order))) {
			t.Fatal("top and bottom are said to be connected")
		}
		delete(open, p.order[opened-1])
		if reached := flood(open, 16); reached[1] {
			t.Fatal("top and bottom were connected before the last site was opened")
		}
		picture, through := p.picture(), 0
		for site := range p.order {
			bits := picture[site/4] >> (site % 4 * 2) & 3
			if (bits != 0) != slices.Contains(p.order[:opened], int32(site)) {
				t.Fatal("the picture shows another lattice")
			}
			if bits == 2 {
				through++
			}
		}
		if through < 16 {
			t.Fatalf("the picture shows only %d connecting sites", through)
		}
	}
}

// flood reports whether the last row is reached from the first one, under the key 1.
func flood(open map[int32]bool, side int32) map[int]bool {
	seen, reached := map[int32]bool{}, map[int]bool{}
	var visit func(site int32)
	visit = func(site int32) {
		if !open[site] || seen[site] {
			return
		}
		seen[site] = true
		if site/side == side-1 {
			reached[1] = true
			return
		}
		if site%side > 0 {
			visit(site - 1)
		}
		if site%side < side-1 {
			visit(site + 1)
		}
		if site >= side {
			visit(site - side)
		}
		visit(site + side)
	}
	for site := range side {
		visit(site)
	}
	return reached
}

// What is told bit by bit is the whole together.
func TestFreshIsAddedUp(t *testing.T) {
	t.Parallel()
	p, err := newPercolation(&analysisFacts{Kind: "percolation", Size: 64, Runs: 300, Seed: 5})
	if err != nil {
		t.Fatal(err)
	}
	points, counted, lattices, parts := 0, 0, 0, 0
	for done := false; !done; parts++ {
		done, _ = p.step(t.Context())
		fresh := p.fresh()
		if list, ok := fresh["points"].([][3]float64); ok {
			points += len(list)
		}
		for _, bin := range fresh["bins"].([][2]int) {
			counted += bin[1]
		}
		if _, ok := fresh["lattice"]; ok {
			lattices++
		}
	}
	if parts < 3 || points != len(percolate(t, 64, 300, 5).points) || counted != 300 || lattices != 1 {
		t.Errorf("%d parts with %d points, %d observations and %d lattices", parts, points, counted, lattices)
	}
}

func TestPercolationsAreBounded(t *testing.T) {
	t.Parallel()
	for _, f := range []analysisFacts{{Size: 8, Runs: 100}, {Size: 48, Runs: 100}, {Size: 512, Runs: 100}, {Size: 16, Runs: 9}, {Size: 16, Runs: 100_001}, {Size: 256, Runs: 3052}, {Size: -64, Runs: 10}} {
		if _, err := newPercolation(&f); hub.ErrorOf(err).Code != hub.CodeBadRequest {
			t.Errorf("%+v: %v", f, err)
		}
	}
	f := analysisFacts{Size: 256, Runs: 3051}
	if _, err := newPercolation(&f); err != nil || f.Seed == 0 {
		t.Errorf("%+v: %v", f, err)
	}
}

func BenchmarkSites(b *testing.B) {
	for _, size := range []int{16, 64, 256} {
		p, _ := newPercolation(&analysisFacts{Size: size, Runs: 10, Seed: 1})
		b.Run("", func(b *testing.B) {
			sites := 0
			for b.Loop() {
				sites += p.observe()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(sites), "ns/site")
		})
	}
}
