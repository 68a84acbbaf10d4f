package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// spread of a metric over the runs of a server.
type spreadOf struct{ median, least, most float64 }

func spreadIn(runs []values, m metric) spreadOf {
	all := make([]float64, len(runs))
	for i, v := range runs {
		all[i] = v[m.name]
	}
	slices.Sort(all)
	middle := all[len(all)/2]
	if n := len(all); n%2 == 0 {
		middle = (all[n/2-1] + all[n/2]) / 2
	}
	return spreadOf{middle, all[0], all[len(all)-1]}
}

// ratio is the median over the rounds of the hub's value by another's, each of one
// round.
func ratio(hub, other []values, m metric) float64 {
	var all []values
	for i := range min(len(hub), len(other)) {
		if other[i][m.name] != 0 {
			all = append(all, values{m.name: hub[i][m.name] / other[i][m.name]})
		}
	}
	if len(all) == 0 {
		return 0
	}
	return spreadIn(all, m).median
}

// print writes the table, as Markdown.
func (b *bench) print(w io.Writer) {
	if b.scale < 1 {
		fmt.Fprintf(w, "\nOne round with %.2g of the clients, messages and bytes that the rows say: a look, not a result.\n", b.scale)
	}
	for _, r := range b.results {
		fmt.Fprintf(w, "\n### %s\n\n%s.\n\n| server |", r.row.name, r.row.what)
		for _, m := range r.row.metrics {
			fmt.Fprintf(w, " %s, %s |", m.name, m.unit)
		}
		fmt.Fprintf(w, " %s by it |\n|---|%s---|\n", fanfold, strings.Repeat("---|", len(r.row.metrics)))
		for _, name := range append(slices.Clone(r.row.servers), earlier) {
			if runs := r.runs[name]; len(runs) > 0 {
				b.printLine(w, r, name, runs)
			}
		}
	}
}

func (b *bench) printLine(w io.Writer, r result, name string, runs []values) {
	fmt.Fprintf(w, "| %s |", name)
	for _, m := range r.row.metrics {
		s := spreadIn(runs, m)
		fmt.Fprintf(w, " %.*f", m.digits, s.median)
		if len(runs) > 1 {
			fmt.Fprintf(w, " (%.*f–%.*f)", m.digits, s.least, m.digits, s.most)
		}
		fmt.Fprint(w, " |")
	}
	if name == fanfold {
		fmt.Fprintln(w, " |")
		return
	}
	var ratios []string
	for _, m := range r.row.metrics {
		ratios = append(ratios, fmt.Sprintf("%.2f", ratio(r.runs[fanfold], runs, m)))
	}
	fmt.Fprintf(w, " %s |\n", strings.Join(ratios, ", "))
}

// write makes RESULTS.md and its charts.
func (b *bench) write(here string) error {
	var text strings.Builder
	fmt.Fprintf(&text, resultsHead, time.Now().Format("2 January 2006"), machine(), b.rounds)
	b.print(&text)
	text.WriteString("\n## Curves\n")
	folder := filepath.Join(here, "charts")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for _, c := range b.curves {
		if err := os.WriteFile(filepath.Join(folder, c.file), []byte(c.svg()), 0o644); err != nil {
			return err
		}
		fmt.Fprintf(&text, "\n![%s](charts/%s)\n", c.title, c.file)
	}
	limits, err := os.ReadFile(filepath.Join(here, "LIMITS.md"))
	if err != nil {
		return err
	}
	text.WriteString("\n" + string(limits))
	return os.WriteFile(filepath.Join(here, "RESULTS.md"), []byte(text.String()), 0o644)
}

const resultsHead = `# Measured

` + "`go run .`" + ` in this folder made this page on %s, on %s, with the load on the same machine.
Each figure is the median of %d rounds in which the servers took turns, with the least and the most of them; the last column is Fanfold's figure by
the other's, the median over the rounds. CPU is what the kernel counted for the server and its children. Messages are 128 bytes; Fanfold stores each
on disk before it answers and keeps 1,000 of a channel for 24 hours, the others keep what they have in memory, and melody and socket.io nothing.

## Rows
`

// machine says what this was measured on.
func machine() string {
	cpu, memory := "a machine", ""
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		cores := strings.Count(string(text), "\nprocessor\t") + 1
		if _, rest, ok := strings.Cut(string(text), "model name\t: "); ok {
			name, _, _ := strings.Cut(rest, "\n")
			cpu = fmt.Sprintf("%d cores of an %s", cores, name)
		}
	}
	if text, err := os.ReadFile("/proc/meminfo"); err == nil {
		var kib int
		if n, _ := fmt.Sscanf(string(text), "MemTotal: %d kB", &kib); n == 1 {
			memory = fmt.Sprintf(" with %d GiB", kib>>20)
		}
	}
	return cpu + memory
}
