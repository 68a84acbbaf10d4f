package tests

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// arrow is what a package may import besides the standard library, and what it
// must not import even from there.
type arrow struct {
	may   []string // packages of this module, and other modules with all that is in them
	never []string
	why   string
}

// arrows has every package of the module.
var arrows = map[string]arrow{
	"fanfold/hub": {
		never: []string{"net", "net/http", "encoding/json"},
		why:   "the core knows no transport and no protocol, and can be tested without either",
	},
	"fanfold/hub/stream": {
		may:   []string{"fanfold/hub", "github.com/nats-io", "github.com/gofrs/flock", "github.com/robfig/cron/v3"},
		never: []string{"net/http"},
		why:   "the engine serves the hub alone and knows nobody who uses it",
	},
	"fanfold/hub/client": {
		may:   []string{"fanfold/hub"},
		never: []string{"net", "net/http"},
		why:   "a client inside the process has what every client has, and no more",
	},
	"fanfold/hub/foreign": {
		may:   []string{"fanfold/hub"},
		never: []string{"net", "net/http", "sync", "sync/atomic", "os"},
		why:   "names and payloads are the same whether a device or a broker has written them, and can be tested as functions",
	},
	"fanfold/hub/bridge": {
		may:   []string{"fanfold/hub", "fanfold/hub/client", "fanfold/hub/foreign", "github.com/mochi-mqtt/server/v2/packets", "github.com/gorilla/websocket", "github.com/rabbitmq/amqp091-go"},
		never: []string{"net/http"},
		why:   "a bridge is a client of the hub and of a broker, and knows neither the store nor who else is served",
	},
	"fanfold/hub/hubtest": {
		may: []string{"fanfold/hub"},
		why: "it tests any implementation of the hub's interfaces, so it can't know one",
	},
	"fanfold/api/dialect": {
		may:   []string{"fanfold/hub", "fanfold/hub/foreign", "golang.org/x/text", "github.com/mochi-mqtt/server/v2/packets"},
		never: []string{"net", "net/http", "sync", "sync/atomic", "os"},
		why:   "a protocol is bytes in and bytes out, so that it can be tested and fuzzed as a function",
	},
	"fanfold/api/access": {
		may: []string{"fanfold/hub", "github.com/golang-jwt/jwt/v5"},
		why: "who asks is found out in one place, that can be attacked in tests without a router, a socket or a hub that runs",
	},
	"fanfold/api/limit": {
		may: []string{"fanfold/hub", "golang.org/x/time/rate"},
		why: "who has had enough is counted in one place, whatever carries the bytes",
	},
	"fanfold/api/device": {
		may:   []string{"fanfold/hub", "fanfold/api/dialect"},
		never: []string{"net", "net/http"},
		why:   "what devices leave behind does not depend on how they are connected",
	},
	"fanfold/api": {
		may: []string{"fanfold/hub", "fanfold/api/access", "fanfold/api/device", "fanfold/api/dialect", "fanfold/api/limit", "github.com/gin-gonic/gin", "github.com/olahol/melody", "github.com/gorilla/websocket", "github.com/prometheus/client_golang"},
		why: "what carries bytes, and the hub's numbers to a monitor, knows neither the store nor the page",
	},
	"fanfold/web": {
		why: "the page speaks to the hub over the network, as any client does",
	},
	"fanfold/web/gallery": {
		may:   []string{"fanfold/hub", "fanfold/hub/client", "fanfold/web/gallery/characters", "github.com/shirou/gopsutil/v4", "golang.org/x/text"},
		never: []string{"net", "net/http"},
		why:   "an example has nothing that any user of a hub does not have",
	},
	"fanfold/web/gallery/characters": {
		may:   []string{"github.com/blevesearch/bleve/v2", "github.com/blevesearch/bleve_index_api", "golang.org/x/text/unicode/runenames"},
		never: []string{"net", "net/http"},
		why:   "a search backend knows nothing of who asks it, so that another can take its place",
	},
	"fanfold/cmd/fanfold": {
		may: []string{"fanfold/hub", "fanfold/hub/bridge", "fanfold/hub/client", "fanfold/hub/stream", "fanfold/web/gallery", "fanfold/api", "fanfold/api/access", "fanfold/api/dialect", "fanfold/api/limit", "fanfold/web", "github.com/alecthomas/kong", "github.com/dustin/go-humanize", "github.com/goccy/go-yaml", "golang.org/x/crypto/acme"},
		why: "only the program knows all parts",
	},
	"fanfold/tests": {
		may: []string{"fanfold/tests/need", "github.com/gorilla/websocket", "github.com/rabbitmq/amqp091-go", "github.com/chromedp", "github.com/goccy/go-yaml", "go.uber.org/goleak"},
		why: "the program is tested from outside, as its users see it",
	},
	"fanfold/tests/need":  {why: "any package's tests use it"},
	"fanfold/tests/tally": {why: "it reads what go test says, no more"},
}

// Packages import only in the directions that keep their jobs apart.
func TestImports(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, p := range listPackages(t) {
		rule, ok := arrows[p.ImportPath]
		if !ok {
			t.Errorf("%s is a new package: state in this test what it may import, and why", p.ImportPath)
			continue
		}
		seen[p.ImportPath] = true
		imports := p.Imports
		if strings.HasPrefix(p.ImportPath, "fanfold/tests") {
			imports = slices.Concat(p.Imports, p.TestImports, p.XTestImports)
		}
		for _, imported := range imports {
			if !rule.allows(imported) {
				t.Errorf("%s imports %s: %s", p.ImportPath, imported, rule.why)
			}
		}
	}
	for path := range arrows {
		if !seen[path] {
			t.Errorf("%s is not there any more: take it out of this test", path)
		}
	}
}

func (a arrow) allows(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	if first != "fanfold" && !strings.Contains(first, ".") { // the standard library
		return !slices.Contains(a.never, imported)
	}
	return slices.ContainsFunc(a.may, func(name string) bool {
		return imported == name || first != "fanfold" && strings.HasPrefix(imported, name+"/")
	})
}

// listed is what "go list -json" says of a package.
type listed struct {
	ImportPath, Dir                    string
	GoFiles                            []string
	Imports, TestImports, XTestImports []string
}

func listPackages(t *testing.T) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,GoFiles,Imports,TestImports,XTestImports", "./...")
	cmd.Dir = root()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []listed
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		switch err := d.Decode(&p); {
		case errors.Is(err, io.EOF):
			return all
		case err != nil:
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// A dialect starts no goroutine and reads no clock: whoever carries the bytes
// brings those.
func TestDialectsArePure(t *testing.T) {
	t.Parallel()
	for _, p := range listPackages(t) {
		if p.ImportPath != "fanfold/api/dialect" {
			continue
		}
		for _, name := range p.GoFiles {
			files := token.NewFileSet()
			file, err := parser.ParseFile(files, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if what := impure(n); what != "" {
					t.Errorf("%s: %s", files.Position(n.Pos()), what)
				}
				return true
			})
		}
	}
}

// impure says what a dialect may not do in a node of its source.
func impure(n ast.Node) string {
	switch n := n.(type) {
	case *ast.GoStmt:
		return "starts a goroutine"
	case *ast.SelectorExpr:
		pkg, ok := n.X.(*ast.Ident)
		clock := []string{"Now", "Since", "Until", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick", "Sleep"}
		if ok && pkg.Name == "time" && slices.Contains(clock, n.Sel.Name) {
			return "reads the clock with time." + n.Sel.Name
		}
	}
	return ""
}
