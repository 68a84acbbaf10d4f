// Package tests proves the binary from outside: each test runs the built
// program and speaks to it as its users do, over HTTP, WebSockets, real clients
// and a real browser.
package tests

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// patience bounds each wait for something that must happen. It is long since
// two cores may run the race detector, a browser and several hubs at once.
const patience = 30 * time.Second

// updatePictures makes the browser tests write the README's pictures.
var updatePictures = flag.Bool("update-pictures", false, "write the README's pictures to tests/pictures")

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

// run runs the tests and returns the exit code, which is not 0 either if a
// test left a goroutine behind.
func run(m *testing.M) int {
	var err error
	if programDir, err = os.MkdirTemp("", "fanfold-tests-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(programDir)
	code := m.Run()
	client.CloseIdleConnections()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// programDir is the folder of the built program: set by run, before any test.
var programDir string

// program builds the binary once, with the race detector if the tests
// themselves run with it, and returns its path.
var program = sync.OnceValues(func() (string, error) {
	if raceEnabled() {
		return build("fanfold", "-race")
	}
	return plainProgram()
})

// plainProgram builds the binary once, as users have it. The race detector's can
// have 8,128 goroutines.
var plainProgram = sync.OnceValues(func() (string, error) { return build("fanfold-plain") })

func build(name string, flags ...string) (path string, err error) {
	path = filepath.Join(programDir, name)
	build := exec.Command("go", slices.Concat([]string{"build", "-o", path}, flags, []string{"./cmd/fanfold"})...)
	build.Dir = root()
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the program: %w\n%s", err, out)
	}
	return path, nil
}

// raceEnabled reports whether the tests were built with the race detector.
func raceEnabled() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// root returns the module's folder. Go runs tests in their package's folder.
func root() string {
	dir, err := filepath.Abs("..")
	if err != nil {
		panic(err) // the working directory was removed
	}
	return dir
}
