package tests

import (
	"debug/elf"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// instruction is one of a Dockerfile.
type instruction struct{ name, args string }

// dockerfile reads the Dockerfile, and returns the instructions by build stage.
func dockerfile(t *testing.T) [][]instruction {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root(), "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	var stages [][]instruction
	for line := range strings.Lines(string(text)) {
		name, args, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch {
		case name == "" || name == "#" || name[0] == '#':
			continue
		case name == "FROM":
			stages = append(stages, nil)
		case len(stages) == 0:
			t.Fatalf("%s comes before the first FROM", name)
		}
		stages[len(stages)-1] = append(stages[len(stages)-1], instruction{name, args})
	}
	return stages
}

// argsOf returns the arguments of a stage's instructions of a name.
func argsOf(stage []instruction, name string) []string {
	var all []string
	for _, i := range stage {
		if i.name == name {
			all = append(all, i.args)
		}
	}
	return all
}

// execForm reads the arguments of an instruction such as ["/program", "arg"].
func execForm(t *testing.T, text string) []string {
	t.Helper()
	return decode[[]string](t, text)
}

// The image is built with the Dockerfile's own command from the files that
// .dockerignore lets through, and its program needs nothing beside itself.
func TestDockerfileBuildsAStaticProgram(t *testing.T) {
	t.Parallel()
	source, out := t.TempDir(), filepath.Join(t.TempDir(), "fanfold")
	copyBuildContext(t, source)
	stages := dockerfile(t)
	if len(stages) != 2 {
		t.Fatalf("%d stages, want one that builds and one that runs", len(stages))
	}
	commands := argsOf(stages[0], "RUN")
	i := slices.IndexFunc(commands, func(c string) bool { return strings.Contains(c, "go build") })
	if i < 0 || !strings.Contains(commands[i], "/out/fanfold") {
		t.Fatalf("no go build of /out/fanfold among %q", commands)
	}
	build := exec.Command("sh", "-c", strings.ReplaceAll(commands[i], "/out/fanfold", out))
	build.Dir = source
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", build, err, text)
	}
	wantStatic(t, out)
	checkEntrypoint(t, out, stages[1])
}

// copyBuildContext copies to dir what .dockerignore lets through: the top-level
// names on its lines that begin with "!", but no tests.
func copyBuildContext(t *testing.T, dir string) {
	t.Helper()
	ignore, err := os.ReadFile(filepath.Join(root(), ".dockerignore"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(ignore)) {
		name, ok := strings.CutPrefix(strings.TrimSpace(line), "!")
		if !ok {
			continue
		}
		err := filepath.WalkDir(filepath.Join(root(), name), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			to := filepath.Join(dir, strings.TrimPrefix(path, root()))
			if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
				return err
			}
			return os.WriteFile(to, text, 0o644)
		})
		if err != nil {
			t.Fatalf("copy %s: %v", name, err)
		}
	}
}

// wantStatic fails the test if the program needs a loader or a library, which
// an empty image does not have.
func wantStatic(t *testing.T, path string) {
	t.Helper()
	file, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	libraries, err := file.ImportedLibraries()
	if err != nil || len(libraries) > 0 {
		t.Errorf("the program needs the libraries %v: %v", libraries, err)
	}
	for _, p := range file.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("the program needs a loader")
		}
	}
}

// checkEntrypoint runs the built program with the image's own arguments, but
// for the port and the folder, and asks it for its health as the image does.
func checkEntrypoint(t *testing.T, path string, stage []instruction) {
	t.Helper()
	for name, want := range map[string]string{"EXPOSE": "1234", "VOLUME": "/data", "USER": "65532:65532", "FROM": "scratch"} {
		if got := argsOf(stage, name); len(got) != 1 || got[0] != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	entry := execForm(t, argsOf(stage, "ENTRYPOINT")[0])
	for i, arg := range entry {
		switch arg {
		case "0.0.0.0:1234":
			entry[i] = "0.0.0.0:0"
		case "/data":
			entry[i] = t.TempDir()
		}
	}
	cwd := t.TempDir()
	p := startProgramAt(t, path, launch{args: entry[1:], dir: cwd, env: []string{"TMPDIR=/nowhere", "HOME="}})
	eventually(t, "the program prints its URL", func() bool {
		return !p.running() || runningAt.MatchString(p.stdout.String())
	})
	at := runningAt.FindStringSubmatch(p.stdout.String())
	if at == nil {
		t.Fatal("the program ended before it ran")
	}
	_, port, err := net.SplitHostPort(at[2])
	if err != nil {
		t.Fatal(err)
	}
	_, command, _ := strings.Cut(argsOf(stage, "HEALTHCHECK")[0], "CMD ")
	health := startProgramAt(t, path, launch{args: append(execForm(t, command)[1:], "--url", "http://127.0.0.1:"+port)})
	health.wait()
	if health.exitCode() != 0 {
		t.Errorf("the health check's exit code is %d", health.exitCode())
	}
	if written, err := os.ReadDir(cwd); err != nil || len(written) > 0 {
		t.Errorf("the program wrote %v beside its data folder: %v", written, err)
	}
}

// composition is what docker-compose.yml says, no more and no less.
type composition struct {
	Services map[string]struct {
		Build, Image, Restart string
		Ports, Volumes        []string
		Environment           map[string]string
		ReadOnly              bool     `yaml:"read_only"`
		CapDrop               []string `yaml:"cap_drop"`
		SecurityOpt           []string `yaml:"security_opt"`
		StopGracePeriod       string   `yaml:"stop_grace_period"`
		Healthcheck           struct {
			Test              []string
			Interval, Timeout string
			Retries           int
			StartPeriod       string `yaml:"start_period"`
		}
	}
	Volumes map[string]any
}

// The composition gives the one hub a volume and a health check, and reaches
// it from this machine alone.
func TestCompose(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(root(), "docker-compose.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var file composition
	if err := yaml.UnmarshalWithOptions(text, &file, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	hub, ok := file.Services["hub"]
	if !ok || len(file.Services) != 1 {
		t.Fatalf("the services are %v, want one hub", file.Services)
	}
	if !slices.Equal(hub.Ports, []string{"127.0.0.1:1234:1234"}) {
		t.Errorf("the ports are %q", hub.Ports)
	}
	if _, named := file.Volumes["data"]; !named || !slices.Equal(hub.Volumes, []string{"data:/data"}) {
		t.Errorf("the volumes are %q of %v", hub.Volumes, file.Volumes)
	}
	if !hub.ReadOnly || !slices.Equal(hub.CapDrop, []string{"ALL"}) || hub.Restart == "" {
		t.Errorf("the hub runs with %+v", hub)
	}
	if hosts := hub.Environment["FANFOLD_ALLOW_HOST"]; hosts == "" || len(hub.Environment) != 1 {
		t.Errorf("the environment is %v: without names a page can be pointed at the hub", hub.Environment)
	}
	stages := dockerfile(t)
	_, command, _ := strings.Cut(argsOf(stages[1], "HEALTHCHECK")[0], "CMD ")
	if want := append([]string{"CMD"}, execForm(t, command)...); !slices.Equal(hub.Healthcheck.Test, want) {
		t.Errorf("the health check is %q, in the image %q", hub.Healthcheck.Test, want)
	}
}
