package web

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"fanfold/tests/need"
)

// The modules without a DOM are tested in Node, each by testdata/<name>.test.mjs.
func TestScripts(t *testing.T) {
	t.Parallel()
	node := need.Program(t, "node", "nodejs")
	dir := t.TempDir()
	write := func(name string, content []byte) {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, content, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	write("package.json", []byte(`{"type": "module"}`))
	for name, file := range loaded() {
		write(name, file().plain.content)
	}
	tests, err := filepath.Glob("testdata/*.*js*") // and the .json that they read
	if err != nil || len(tests) == 0 {
		t.Fatalf("testdata has no scripts: %v", err)
	}
	args := []string{"--test"}
	for _, file := range tests {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		write(filepath.Base(file), content)
		if matched, _ := filepath.Match("*.test.mjs", filepath.Base(file)); matched {
			args = append(args, filepath.Base(file))
		}
	}
	cmd := exec.Command(node, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("node --test: %v\n%s", err, out)
	}
}
