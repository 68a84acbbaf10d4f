package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// server is one of those that are measured.
type server struct {
	name string
	// missing says what it needs that is not there; "": it can be started.
	missing string
	start   func(ctx context.Context, folder string) (*process, target, error)
}

// Names of servers.
const (
	fanfold   = "Fanfold"
	earlier   = "the other binary"
	broadcast = "melody Broadcast"
	bareEcho  = "melody echo"
	nchan     = "nchan"
	socketio  = "socket.io"
	article   = "the article's server"
)

// hubServer is a hub that keeps its messages in the folder.
func hubServer(name, binary string, more ...string) server {
	return server{name: name, start: func(ctx context.Context, folder string) (*process, target, error) {
		args := append([]string{"serve", "--listen", "127.0.0.1:0", "--data", filepath.Join(folder, "data"), "--log-level", "error"}, more...)
		p, err := startProcess(ctx, "", "running at http://", binary, args...)
		if err != nil {
			return p, target{}, err
		}
		return p, hubTarget(p.addr), nil
	}}
}

// greeting connects a client of the hub.
const greeting = `{"id":1,"connect":{}}`

func hubTarget(addr string) target {
	return target{
		addr: addr, path: "/connection/websocket",
		hello:       says(greeting, `{"id":2,"subscribe":{"channel":"a"}}`),
		publishPath: "/api/publish", publishType: "application/json", publishBody: `{"channel":"a","data":"{payload}"}`,
	}
}

// rivals are the other servers, by name.
func rivals(self, here string) map[string]server {
	list := map[string]server{}
	for name, role := range map[string]string{broadcast: "broadcast", bareEcho: "echo"} {
		list[name] = server{name: name, start: func(ctx context.Context, _ string) (*process, target, error) {
			p, err := startProcess(ctx, "", "listening on ", self, "-serve", role)
			return p, plainTarget(p), err
		}}
	}
	list[nchan] = server{name: nchan, missing: needs("nginx", "/usr/lib/nginx/modules/ngx_nchan_module.so"), start: startNchan}
	list[socketio] = server{name: socketio, missing: needs("node", filepath.Join(here, "rivals/node_modules/socket.io")), start: startSocketIO(here)}
	list[article] = server{name: article, missing: needs(debianPython, "/usr/lib/python3/dist-packages/websockets"), start: startArticle}
	return list
}

// needs says which of a program and a file is not there.
func needs(program, file string) string {
	if _, err := exec.LookPath(program); err != nil {
		return program
	}
	if _, err := os.Stat(file); err != nil {
		return file
	}
	return ""
}

func plainTarget(p *process) target {
	if p == nil {
		return target{}
	}
	return target{addr: p.addr, path: "/ws", publishPath: "/publish", publishType: "text/plain", publishBody: "{payload}"}
}

func startNchan(ctx context.Context, folder string) (*process, target, error) {
	addr, err := freePort()
	if err != nil {
		return nil, target{}, err
	}
	config := strings.NewReplacer("FOLDER", folder, "ADDRESS", addr, "MODULE", "/usr/lib/nginx/modules/ngx_nchan_module.so").Replace(nchanConfig)
	file := filepath.Join(folder, "nginx.conf")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return nil, target{}, err
	}
	p, err := startProcess(ctx, addr, "", "nginx", "-p", folder, "-c", file)
	return p, plainTarget(p), err
}

func startSocketIO(here string) func(context.Context, string) (*process, target, error) {
	return func(ctx context.Context, _ string) (*process, target, error) {
		file := filepath.Join(here, "rivals", "socketio.mjs") // beside its node_modules
		p, err := startProcess(ctx, "", "listening on ", "node", file)
		t := plainTarget(p)
		t.path, t.hello = "/socket.io/?EIO=4&transport=websocket", says("40")
		return p, t, err
	}
}

// debianPython is the one that Debian's python3-websockets is for.
const debianPython = "/usr/bin/python3"

func startArticle(ctx context.Context, folder string) (*process, target, error) {
	file := filepath.Join(folder, "casefold.py")
	if err := os.WriteFile(file, []byte(casefoldServer), 0o600); err != nil {
		return nil, target{}, err
	}
	p, err := startProcess(ctx, "", "listening on ", debianPython, file)
	t := plainTarget(p)
	t.path = "/"
	return p, t, err
}

// build builds the hub from the sources around this folder.
func build(ctx context.Context, here, folder string) (string, error) {
	path := filepath.Join(folder, "fanfold")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", path, "./cmd/fanfold")
	cmd.Dir = filepath.Join(here, "..", "..")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the hub: %w\n%s", err, out)
	}
	return path, nil
}
