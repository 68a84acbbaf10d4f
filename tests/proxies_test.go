package tests

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"fanfold/tests/need"
)

// proxy is a program before the hub, with the configuration for it that the
// README shows.
type proxy struct {
	name     string
	programs []string
	file     string   // in testdata/proxies
	main     string   // the configuration around that; words in capitals are filled in
	args     []string // as main
	listen   []string // what the file says of the port, and in its place
	noCommas bool     // %2C is a comma to it, see the file
}

// publicName is the hub's in the files.
const publicName = "hub.example.com"

var proxies = []proxy{
	{
		name: "nginx", programs: []string{"nginx", "/usr/sbin/nginx"}, file: "nginx.conf",
		main: `
daemon off;
USER_DIRECTIVE
worker_processes 1;
pid DIR/nginx.pid;
events { worker_connections 512; }
http {
    access_log off;
    client_body_temp_path DIR/body;
    proxy_temp_path DIR/proxy;
    fastcgi_temp_path DIR/fastcgi;
    uwsgi_temp_path DIR/uwsgi;
    scgi_temp_path DIR/scgi;
    include DIR/SITE;
}
`,
		args:   []string{"-e", "stderr", "-p", "DIR", "-c", "DIR/main.conf"},
		listen: []string{"listen 443 ", "listen 127.0.0.1:PORT "},
	},
	{
		name: "apache", programs: apachePrograms, file: "apache.conf",
		main: apacheMain, args: apacheArgs, listen: apacheListen,
	},
	{
		name: "apache with mod_proxy_wstunnel", programs: apachePrograms, file: "apache-wstunnel.conf",
		main: apacheMain, args: apacheArgs, listen: apacheListen, noCommas: true,
	},
	{
		name: "caddy", programs: []string{"caddy"}, file: "Caddyfile",
		main: `
{
	admin off
	auto_https disable_redirects
	default_bind 127.0.0.1
	storage file_system DIR/storage
}
import DIR/SITE
`,
		args:   []string{"run", "--config", "DIR/main.conf", "--adapter", "caddyfile"},
		listen: []string{publicName + " {", "https://" + publicName + ":PORT {"},
	},
}

const apacheMain = `
ServerRoot DIR
DefaultRuntimeDir DIR
PidFile DIR/apache.pid
Mutex pthread default
ErrorLog /dev/stderr
USER_DIRECTIVE
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule headers_module /usr/lib/apache2/modules/mod_headers.so
LoadModule rewrite_module /usr/lib/apache2/modules/mod_rewrite.so
LoadModule ssl_module /usr/lib/apache2/modules/mod_ssl.so
LoadModule http2_module /usr/lib/apache2/modules/mod_http2.so
LoadModule proxy_module /usr/lib/apache2/modules/mod_proxy.so
LoadModule proxy_http_module /usr/lib/apache2/modules/mod_proxy_http.so
LoadModule proxy_wstunnel_module /usr/lib/apache2/modules/mod_proxy_wstunnel.so
ServerName localhost
Listen 127.0.0.1:PORT
Include DIR/SITE
`

var (
	apachePrograms = []string{"apache2", "/usr/sbin/apache2"}
	apacheArgs     = []string{"-d", "DIR", "-f", "DIR/main.conf", "-D", "FOREGROUND"}
	apacheListen   = []string{"*:443", "*:PORT"}
)

// userDirectives are for programs that give up being root.
var userDirectives = map[string]string{"nginx": "user root;", "apache2": "User www-data\nGroup www-data"}

// behind starts the proxy before a new hub, and returns the hub as seen through
// it by a client at 127.0.0.2.
func (p proxy) behind(t testing.TB, args ...string) *hub {
	t.Helper()
	path := need.Program(t, p.programs...)
	h := startHub(t, append(args, "--trusted-proxies", "127.0.0.1", "--allow-host", publicName)...)
	certificate, port, dir := makePair(t, publicName), freePort(t), t.TempDir()
	site, err := os.ReadFile(filepath.Join("testdata", "proxies", p.file))
	if err != nil {
		t.Fatal(err)
	}
	text := string(site)
	for _, change := range [][]string{
		p.listen, {"127.0.0.1:1234", h.addr},
		{"/etc/ssl/" + publicName + ".cer", certificate.cert}, {"/etc/ssl/" + publicName + ".key", certificate.key},
	} {
		if !strings.Contains(text, change[0]) {
			t.Fatalf("%s has no %q to change", p.file, change[0])
		}
		text = strings.ReplaceAll(text, change[0], change[1])
	}
	user := ""
	if os.Getuid() == 0 {
		user = userDirectives[p.programs[0]]
	}
	fill := strings.NewReplacer("DIR", dir, "PORT", fmt.Sprint(port), "USER_DIRECTIVE", user, "SITE", p.file)
	for name, text := range map[string]string{p.file: text, "main.conf": p.main} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(fill.Replace(text)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l := launch{dir: dir, env: []string{"HOME=" + dir, "XDG_DATA_HOME=" + dir, "XDG_CONFIG_HOME=" + dir}}
	for _, arg := range p.args {
		l.args = append(l.args, fill.Replace(arg))
	}
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	startServer(t, path, addr, l)
	t.Cleanup(h.stop) // before the proxy, whose workers wait for it
	view := h.as(t)
	view.url = fmt.Sprintf("https://%s:%d", publicName, port)
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	view.way = trusting(t, certificate, func(ctx context.Context, network, _ string) (net.Conn, error) {
		return dialer.DialContext(ctx, network, addr)
	})
	return view
}

// startServer runs a program that listens at the address, until the test's end.
func startServer(t testing.TB, path, addr string, l launch) *process {
	t.Helper()
	run := startProgramAt(t, path, l)
	t.Cleanup(func() { // gently, so that it ends its children
		if run.running() {
			run.signal(syscall.SIGTERM)
			run.wait()
		}
	})
	eventually(t, filepath.Base(path)+" listens", func() bool {
		if !run.running() {
			t.Fatalf("%s ended", path)
		}
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return run
}

// lastPort is what freePort gave out last.
var lastPort atomic.Uint32

// freePort returns a port for a program that can't choose one itself. No two
// are the same, and none is one that port 0 can give.
func freePort(t testing.TB) int {
	t.Helper()
	const first, last = 20_000, 32_000 // Linux gives those from 32,768 on
	lastPort.CompareAndSwap(0, uint32(first+os.Getpid()%10_000))
	for port := lastPort.Add(1); port < last; port = lastPort.Add(1) {
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			listener.Close()
			return int(port)
		}
	}
	t.Fatal("no port is free")
	return 0
}

// Behind each proxy everything works as without one: every protocol, at once,
// and the hub sees who its clients are.
func TestProxies(t *testing.T) {
	t.Parallel()
	for _, p := range proxies {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			h := p.behind(t)
			all := h.subscribers("news")
			for _, text := range []string{"one", "two"} {
				began := time.Now()
				h.publish("news", text)
				for _, s := range all {
					s.next(h, text)
				}
				if took := time.Since(began); took > 5*time.Second {
					t.Errorf("the message took %v", took)
				}
			}
			echo := h.dial("/")
			echo.send("GROẞ")
			echo.wantText("gross")
			if !p.noCommas {
				wantCommaKept(h)
			}
			wantStreamOverHTTP1(h)
			wantOrigins(t, h)
			wantClientSeen(t, h)
			if res := h.do("GET", "/ready", ""); res.status != http.StatusOK {
				t.Errorf("/ready: %d", res.status)
			}
		})
	}
}

// wantStreamOverHTTP1: a client that does not speak HTTP/2 gets each message at
// once too.
func wantStreamOverHTTP1(h *hub) {
	h.t.Helper()
	transport, ok := h.way.client.Transport.(*http.Transport)
	if !ok {
		h.t.Fatal("no transport of net/http")
	}
	old := transport.Clone()
	old.ForceAttemptHTTP2, old.TLSNextProto = false, map[string]func(string, *tls.Conn) http.RoundTripper{}
	old.TLSClientConfig.NextProtos = nil
	h.t.Cleanup(old.CloseIdleConnections)
	view := *h
	view.way.client = &http.Client{Transport: old}
	for _, kind := range []string{"json", "raw"} {
		stream := view.opened(view.stream("/http1-" + kind + "/" + kind))
		h.publish("http1-"+kind, "at once")
		read := ntfyDelivery
		if kind == "raw" {
			read = plainDelivery
		}
		subscriber{kind, convert(stream, read)}.next(h, "at once")
	}
}

// wantCommaKept: an encoded comma in a path is part of a name, a bare one is not.
func wantCommaKept(h *hub) {
	h.t.Helper()
	socket, stream := convert(h.opened(h.dial("/a%2Cb/ws").texts), ntfyDelivery), convert(h.opened(h.stream("/a%2Cb/json")), ntfyDelivery)
	h.publish("a%2Cb", "with a comma")
	for name, deliveries := range map[string]<-chan delivery{"WebSocket": socket, "stream": stream} {
		subscriber{name, deliveries}.next(h, "with a comma")
	}
}

func wantOrigins(t *testing.T, h *hub) {
	t.Helper()
	for origin, status := range map[string]int{h.url: 200, "https://" + publicName: 200, "https://evil.example": 403} {
		if res := h.do("POST", "/origins", "x", "Origin: "+origin); res.status != status {
			t.Errorf("a page of %s: %d %s", origin, res.status, res.body)
		}
	}
	if status := h.dialRefused("/", "Origin: https://evil.example"); status != http.StatusForbidden {
		t.Errorf("a WebSocket for a page of elsewhere: %d", status)
	}
}

// wantClientSeen: the log has the client's address, not the proxy's or one that
// the client makes up.
func wantClientSeen(t *testing.T, h *hub) {
	t.Helper()
	h.opened(h.stream("/made-up/json", "X-Forwarded-For: 203.0.113.7", "Forwarded: for=203.0.113.8", "X-Real-IP: 203.0.113.9", "X-Forwarded-Host: evil.example"))
	log := h.stderr.String()
	if !strings.Contains(log, "remote=127.0.0.2 ") || strings.Contains(log, "remote=127.0.0.1 ") || strings.Contains(log, "203.0.113.") {
		t.Error("the log has other addresses than the client's")
	}
	if strings.Contains(log, "tls=false") {
		t.Error("the hub does not know that its clients came over TLS")
	}
}

// Clients with nothing to say outlast the time after which nginx and Apache give
// up on a connection by default.
func TestIdleBehindProxies(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it takes more than a minute")
	}
	const readTimeout = 60 * time.Second // proxy_read_timeout, ProxyTimeout
	hubs := make([]*hub, len(proxies))
	all := make([][]subscriber, len(proxies))
	for i, p := range proxies {
		hubs[i] = p.behind(t)
		all[i] = hubs[i].subscribers("news")
	}
	<-time.After(readTimeout + 5*time.Second)
	for i, h := range hubs {
		h.publish("news", "still there?")
		for _, s := range all[i] {
			s.next(h, "still there?")
		}
	}
}
