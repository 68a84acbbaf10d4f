package main

import (
	"strings"
	"testing"
)

func TestTally(t *testing.T) {
	const pass = `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"quiet\n"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Output":"PASS\n"}
{"Action":"pass","Package":"p","Elapsed":1.5}
`
	for _, row := range []struct {
		name, events string
		fine         bool
		shows        []string
		hides        string
	}{
		{"pass", pass, true, []string{"ok   p: 1 tests in 1.5 s", "\n1 passed, 0 failed, 0 skipped\n"}, "quiet"},
		{"nothing ran", `{"Action":"skip","Package":"p"}`, false, []string{"0 passed, 0 failed, 0 skipped"}, "SKIP"},
		{"skip", pass + `{"Action":"output","Package":"q","Test":"TestB","Output":"needs node\n"}
{"Action":"skip","Package":"q","Test":"TestB"}
{"Action":"pass","Package":"q"}`, false, []string{"SKIP q TestB\nneeds node", "1 passed, 0 failed, 1 skipped"}, "quiet"},
		{"fail", pass + `{"Action":"output","Package":"q","Test":"TestB","Output":"want 1\n"}
{"Action":"fail","Package":"q","Test":"TestB","Elapsed":0.2}
{"Action":"fail","Package":"q"}`, false, []string{"FAIL q TestB (0.2 s)\nwant 1", "1 passed, 1 failed, 0 skipped"}, "quiet"},
		{"failure outside of a test", pass + `{"Action":"output","Package":"q","Output":"3 goroutines\n"}
{"Action":"fail","Package":"q"}`, false, []string{"FAIL q in 0.0 s\n3 goroutines", "1 passed, 1 failed, 0 skipped"}, "quiet"},
		{"build failure", pass + `{"Action":"build-output","ImportPath":"q [q.test]","Output":"undefined: x\n"}
{"Action":"build-fail","ImportPath":"q [q.test]"}
{"Action":"fail","Package":"q","FailedBuild":"q [q.test]"}`, false, []string{"undefined: x", "1 passed, 1 failed, 0 skipped"}, "quiet"},
		{"no event", "go: no such tool\n" + pass, true, []string{"go: no such tool"}, "quiet"},
	} {
		t.Run(row.name, func(t *testing.T) {
			var out strings.Builder
			tally := newTally(&out)
			if err := tally.read(strings.NewReader(row.events)); err != nil {
				t.Fatal(err)
			}
			if fine := tally.summary(); fine != row.fine {
				t.Errorf("all well: %v, want %v", fine, row.fine)
			}
			for _, text := range row.shows {
				if !strings.Contains(out.String(), text) {
					t.Errorf("%q is not shown in %q", text, out.String())
				}
			}
			if strings.Contains(out.String(), row.hides) {
				t.Errorf("%q is shown in %q", row.hides, out.String())
			}
		})
	}
}
