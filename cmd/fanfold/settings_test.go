package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// parse reads a command line as main does, without running it.
func parse(t *testing.T, args ...string) (*commandLine, error) {
	t.Helper()
	line := new(commandLine)
	parser, err := newParser(t.Context(), line)
	if err != nil {
		t.Fatal(err)
	}
	_, err = parser.Parse(args)
	return line, err
}

func settingsFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fanfold.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAFlagComesBeforeTheEnvironmentBeforeTheFile(t *testing.T) {
	path := settingsFile(t, "listen: 127.0.0.1:3\nfold: ascii\nmax-message-bytes: 1000\nallow-origin: [https://a.example, https://b.example]\nmemory: true\n")
	t.Setenv("FANFOLD_LISTEN", "127.0.0.1:2")
	t.Setenv("FANFOLD_FOLD", "unicode")
	line, err := parse(t, "--config", path, "--listen", "127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	got := line.Serve
	if got.Listen != "127.0.0.1:1" || got.Fold != "unicode" || got.MaxMessageBytes != 1000 || !got.Memory || strings.Join(got.AllowOrigin, " ") != "https://a.example https://b.example" {
		t.Errorf("got %+v", got)
	}
}

func TestWrongSettingsAreNamed(t *testing.T) {
	for text, says := range map[string]string{
		"lisen: x":           `unknown setting "lisen": known are acme-cache, acme-directory`,
		"url: x":             `unknown setting "url"`,
		"listen: [":          "not YAML",
		"- a":                "not YAML",
		"fold: loud":         "--fold",
		"memory: maybe":      "--memory",
		"listen: 0.0.0.0:80": "--open",
	} {
		_, err := parse(t, "--config", settingsFile(t, text))
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: got %q, want one line that says %q", text, err, says)
		}
	}
}

func TestAnEmptyFileSetsNothing(t *testing.T) {
	line, err := parse(t, "--config", settingsFile(t, ""))
	if err != nil || line.Serve.Listen != "127.0.0.1:1234" {
		t.Errorf("got %+v, %v", line.Serve, err)
	}
}

var _ kong.Resolver = settings(nil)
