// Package need finds the programs that a test drives. Where one is missing the
// test is skipped, so that "go test ./..." passes with Go alone; tests/run sets
// FANFOLD_NEED=all, and there a missing program fails the test.
package need

import (
	"os"
	"os/exec"
	"testing"
)

// Program returns the path of the first of the named programs that is
// installed, and skips or fails the test if none is.
func Program(t testing.TB, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	Missing(t, "needs one of the programs %v, which tests/run installs", names)
	return ""
}

// Missing skips the test with the message, or fails it under tests/run.
func Missing(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("FANFOLD_NEED") == "all" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}
