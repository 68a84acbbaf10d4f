package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"
)

// bench is one run of everything.
type bench struct {
	rounds          int // static
	rows            *regexp.Regexp
	scale           float64 // of the numbers of clients and messages
	began           time.Time
	binary, against string

	servers map[string]server
	results []result
	curves  []curve
}

// result is what a row's servers did, each as often as there are rounds.
type result struct {
	row  row
	runs map[string][]values
}

// scaled is a number of things in this run, and least at least.
func (b *bench) scaled(n, least int) int { return max(min(n, least), int(float64(n)*b.scale)) }

// run measures and, if report, writes the report.
func (b *bench) run(ctx context.Context, report bool) error {
	here, err := os.Getwd()
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(here, "rivals")); err != nil {
		return fmt.Errorf("run this in its own folder, tests/bench: %w", err)
	}
	folder, err := os.MkdirTemp("", "fanfold-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	if err := b.prepare(ctx, here, folder); err != nil {
		return err
	}
	for _, r := range table() {
		if b.rows.MatchString(r.name) {
			if err := b.measure(ctx, r, folder); err != nil {
				return err
			}
		}
	}
	b.print(os.Stdout)
	if !report {
		return nil
	}
	if err := b.draw(ctx, folder); err != nil {
		return err
	}
	return b.write(here)
}

// prepare finds out who can be measured.
func (b *bench) prepare(ctx context.Context, here, folder string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if b.binary == "" {
		b.say("building the hub")
		if b.binary, err = build(ctx, here, folder); err != nil {
			return err
		}
	}
	b.servers = rivals(self, here)
	b.servers[fanfold] = hubServer(fanfold, b.binary)
	if b.against != "" {
		b.servers[earlier] = hubServer(earlier, b.against)
	}
	for _, name := range sortedKeys(b.servers) {
		if s := b.servers[name]; s.missing != "" {
			b.say("%s is left out: there is no %s", name, s.missing)
		}
	}
	return nil
}

// measure has a row's servers take turns.
func (b *bench) measure(ctx context.Context, r row, folder string) error {
	result := result{row: r, runs: map[string][]values{}}
	names := r.servers
	if b.against != "" {
		names = append(slices.Clone(names), earlier)
	}
	for round := range b.rounds {
		for _, name := range names {
			s := b.servers[name]
			if s.missing != "" {
				continue
			}
			v, err := b.once(ctx, r, s, folder)
			if err != nil {
				return fmt.Errorf("%s, %s: %w", r.name, name, err)
			}
			if v[lost] > 0 && (name == fanfold || name == earlier) {
				return fmt.Errorf("%s: %s has lost %.0f", r.name, name, v[lost])
			}
			result.runs[name] = append(result.runs[name], v)
			b.say("%-12s %d/%d  %-20s %s", r.name, round+1, b.rounds, name, r.show(v))
		}
	}
	b.results = append(b.results, result)
	return nil
}

func (b *bench) once(ctx context.Context, r row, s server, folder string) (values, error) {
	own, err := os.MkdirTemp(folder, "run-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(own)
	return r.measure(ctx, b, s, own)
}

func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%5.0f s  %s\n", time.Since(b.began).Seconds(), fmt.Sprintf(format, args...))
}

func (r row) show(v values) (text string) {
	for _, m := range r.metrics {
		text += fmt.Sprintf("  %.*f %s", m.digits, v[m.name], m.unit)
	}
	if v[lost] > 0 {
		text += fmt.Sprintf("  (%.0f lost)", v[lost])
	}
	return text
}
