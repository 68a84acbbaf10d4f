package web

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// maxPageBytes keeps the page quick to load: what a browser that takes gzip
// transfers for its first view of it.
const maxPageBytes = 80_000

// handler and loaded are made once for all tests: compressing every file takes a while.
var (
	handler = sync.OnceValue(Handler)
	loaded  = sync.OnceValue(load)
)

func get(t *testing.T, method, target string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	handler().ServeHTTP(w, r)
	return w
}

// Every file comes with its type, in each encoding with a strong ETag of its own
// that saves sending it again.
func TestFiles(t *testing.T) {
	t.Parallel()
	etags := map[string]string{}
	for name, file := range loaded() {
		content := file().plain.content
		for _, accepted := range []string{"", "gzip"} {
			w := get(t, http.MethodGet, "/"+name, "Accept-Encoding", accepted)
			if w.Code != http.StatusOK || !bytes.Equal(decoded(t, w), content) || len(content) == 0 {
				t.Errorf("%s in %q: status %d with %d bytes", name, accepted, w.Code, w.Body.Len())
			}
			h := w.Header()
			if got := h.Get("Content-Type"); got != contentTypes[path.Ext(name)] || got == "" {
				t.Errorf("%s is of type %q", name, got)
			}
			if length := h.Get("Content-Length"); length != strconv.Itoa(w.Body.Len()) || h.Get("Cache-Control") != "no-cache" {
				t.Errorf("%s in %q: %v for %d bytes", name, accepted, h, w.Body.Len())
			}
			etag := h.Get("ETag")
			if other := etags[etag]; !regexp.MustCompile(`^"[0-9a-f]{32}"$`).MatchString(etag) || other != "" && other != name {
				t.Errorf("%s in %q has the ETag %s, %q too", name, accepted, etag, other)
			}
			etags[etag] = name

			again := get(t, http.MethodGet, "/"+name, "If-None-Match", etag, "Accept-Encoding", accepted)
			if again.Code != http.StatusNotModified || again.Body.Len() > 0 || again.Header().Get("ETag") != etag || again.Header().Get("Vary") != h.Get("Vary") {
				t.Errorf("%s in %q, unchanged: status %d with %d bytes, %v", name, accepted, again.Code, again.Body.Len(), again.Header())
			}
			head := get(t, http.MethodHead, "/"+name, "Accept-Encoding", accepted)
			if head.Code != http.StatusOK || head.Body.Len() > 0 || head.Header().Get("ETag") != etag || head.Header().Get("Content-Length") != h.Get("Content-Length") {
				t.Errorf("HEAD %s in %q: status %d, %v", name, accepted, head.Code, head.Header())
			}
		}
	}
	if n := len(loaded()); len(etags) < 2*n-2 {
		t.Errorf("%d files have only %d ETags: few are compressed", n, len(etags))
	}
}

// decoded returns a response's content, and fails the test if caches could mix
// up its encodings.
func decoded(t *testing.T, w *httptest.ResponseRecorder) []byte {
	t.Helper()
	if w.Header().Get("Content-Encoding") == "" {
		return w.Body.Bytes()
	}
	if vary := w.Header().Get("Vary"); vary != "Accept-Encoding" {
		t.Errorf("an encoded response varies by %q", vary)
	}
	r, err := gzip.NewReader(bytes.NewReader(w.Body.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestEncodingIsTheClientsChoice(t *testing.T) {
	t.Parallel()
	for accepted, want := range map[string]string{
		"":                             "",
		"gzip":                         "gzip",
		"GZip":                         "gzip",
		"x-gzip":                       "gzip",
		"br, gzip;q=0.1":               "gzip",
		"deflate, gzip ; q = 1.000":    "gzip",
		"*":                            "gzip",
		"identity, *;q=0.5":            "gzip",
		"gzip;q=0":                     "",
		"gzip;q=0.000, *":              "",
		"*;q=0":                        "",
		"br, zstd, identity":           "",
		"gzip;q=no":                    "",
		"gzip;q=-1":                    "",
		"gzip;level=9":                 "",
		"xgzip, gzipped, \"gzip\", ,;": "",
	} {
		w := get(t, http.MethodGet, "/app.js", "Accept-Encoding", accepted)
		if got := w.Header().Get("Content-Encoding"); got != want || w.Header().Get("Vary") != "Accept-Encoding" {
			t.Errorf("Accept-Encoding %q: %q, Vary %q", accepted, got, w.Header().Get("Vary"))
		}
	}
	tag := get(t, http.MethodGet, "/app.js", "Accept-Encoding", "gzip").Header().Get("ETag")
	if w := get(t, http.MethodGet, "/app.js", "If-None-Match", tag); w.Code != http.StatusOK || w.Header().Get("Content-Encoding") != "" {
		t.Errorf("the gzip ETag stands for the plain file: status %d", w.Code)
	}
	part := get(t, http.MethodGet, "/app.js", "Accept-Encoding", "gzip", "Range", "bytes=0-9")
	if part.Code != http.StatusPartialContent || part.Body.Len() != 10 || part.Header().Get("Content-Length") != "10" {
		t.Errorf("a part: status %d, %d bytes, %v", part.Code, part.Body.Len(), part.Header())
	}
}

// Whatever the page handler answers, other sites can neither frame nor embed it,
// nothing but its own files runs in it, and it tells nobody where it was.
func TestEveryResponseIsProtected(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"Content-Security-Policy": "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
			"form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types service-worker",
		"Cross-Origin-Opener-Policy":   "same-origin",
		"Cross-Origin-Resource-Policy": "same-origin",
		"Permissions-Policy":           permissions,
		"Referrer-Policy":              "no-referrer",
		"X-Content-Type-Options":       "nosniff",
		"X-Frame-Options":              "DENY",
	}
	targets := []string{"GET /", "HEAD /", "GET /news", "GET /sensor.%3E", "POST /", "GET /a/b", "OPTIONS /app.js", "GET /gallery", "GET /gallery/", "GET /gallery/none"}
	for _, name := range names() {
		targets = append(targets, "GET /"+name)
	}
	for _, target := range targets {
		method, address, _ := strings.Cut(target, " ")
		got := get(t, method, address).Header()
		for name, value := range want {
			if values := got.Values(name); len(values) != 1 || values[0] != value {
				t.Errorf("%s: %s is %q, want %q", target, name, values, value)
			}
		}
	}
}

// Any name that is no file is a channel, and shows the page.
func TestChannelShowsThePage(t *testing.T) {
	t.Parallel()
	page := get(t, http.MethodGet, "/").Body.String()
	if !strings.Contains(page, "<title>Fanfold</title>") {
		t.Fatalf("/ is %q", page)
	}
	for _, target := range []string{"/news", "/sensor.*", "/sensor.%3E", "/a%23b", "/index.html", "/missing.js"} {
		w := get(t, http.MethodGet, target)
		if kind := w.Header().Get("Content-Type"); w.Code != http.StatusOK || w.Body.String() != page || kind != contentTypes[".html"] {
			t.Errorf("%s: status %d, %s, not the page", target, w.Code, kind)
		}
	}
	for _, target := range []string{"/news/json", "/a%2Fb", "/news/", "//", "/gallery/none", "/gallery/index.js/", "/parts/layout.html", "/gallery/gallery_test.go"} {
		if w := get(t, http.MethodGet, target); w.Code != http.StatusNotFound {
			t.Errorf("%s: status %d", target, w.Code)
		}
	}
	if w := get(t, http.MethodPost, "/news"); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: status %d, Allow %q", w.Code, w.Header().Get("Allow"))
	}
}

// The policy forbids what is inline or from elsewhere, so the pages have none of it,
// and whatever a file refers to is there.
func TestPagesStandAlone(t *testing.T) {
	t.Parallel()
	inline := regexp.MustCompile(`(?i)<style|\sstyle=|\son[a-z]+="|<script(?:\s+type="module")?>|javascript:`)
	files := loaded()
	for name, file := range files {
		content := file().plain.content
		if path.Ext(name) == ".html" && inline.Match(content) {
			t.Errorf("%s has something inline: %s", name, inline.Find(content))
		}
		for _, target := range references(name, content) {
			if _, ok := find(files, target); !ok || !strings.HasSuffix(target, "/") && path.Ext(target) != "" && !slices.Contains(names(), target) {
				t.Errorf("%s refers to %s, which is not there", name, target)
			}
		}
	}
}

var reference = regexp.MustCompile(`(?:src|href)="([^"#]+)"|(?:from |import )'(\.[^']+)'`)

// references returns the paths that a file's links and imports lead to, without a
// first slash.
func references(name string, content []byte) (targets []string) {
	for _, m := range reference.FindAllSubmatch(content, -1) {
		target := string(m[1]) + string(m[2])
		if strings.Contains(target, ":") {
			continue // another site
		}
		full := strings.TrimPrefix(path.Join("/", path.Dir(name), target), "/")
		if strings.HasSuffix(target, "/") && full != "" {
			full += "/"
		}
		targets = append(targets, full)
	}
	return targets
}

// The first view of each page is a small transfer: itself and all that it loads.
func TestFirstViewIsSmall(t *testing.T) {
	t.Parallel()
	files := loaded()
	for name := range files {
		if path.Ext(name) != ".html" || name == "wstest.html" {
			continue
		}
		loaded := map[string]bool{}
		collect(files, name, loaded)
		size := 0
		for each := range loaded {
			size += files[each]().transferred()
		}
		if size > maxPageBytes {
			t.Errorf("%s transfers %d bytes, more than %d", name, size, maxPageBytes)
		}
		if len(loaded) < 5 {
			t.Errorf("%s loads only %v", name, loaded)
		}
	}
}

// collect adds what a browser loads for a file: not what it links to.
func collect(files map[string]lazyFile, name string, loaded map[string]bool) {
	if loaded[name] {
		return
	}
	loaded[name] = true
	for _, target := range references(name, files[name]().plain.content) {
		if ending := path.Ext(target); ending != ".html" && ending != ".go" && ending != "" && target != "" {
			collect(files, target, loaded)
		}
	}
}

// transferred is how many bytes a browser that takes gzip is sent.
func (f file) transferred() int {
	if f.gzipped.content != nil {
		return len(f.gzipped.content)
	}
	return len(f.plain.content)
}

// The gallery has a page for each example, with its sources to read, and its address
// may be shortened.
func TestGallery(t *testing.T) {
	t.Parallel()
	short := get(t, http.MethodGet, "/gallery")
	if short.Code != http.StatusMovedPermanently || short.Header().Get("Location") != "gallery/" {
		t.Errorf("/gallery: status %d to %q", short.Code, short.Header().Get("Location"))
	}
	list := get(t, http.MethodGet, "/gallery/").Body.String()
	for _, e := range examples {
		if w := get(t, http.MethodGet, "/gallery/"+e.Name); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "<h1>"+e.Title+"</h1>") {
			t.Errorf("%s: status %d", e.Name, w.Code)
		}
		if !strings.Contains(list, `href="`+e.Name+`"`) || !strings.Contains(list, e.Summary) {
			t.Errorf("%s is not in the list", e.Name)
		}
		source := get(t, http.MethodGet, "/gallery/"+e.Name+".go")
		if ok := source.Code == http.StatusOK; ok != e.Server() || ok && !strings.Contains(source.Body.String(), "package gallery") {
			t.Errorf("%s.go: status %d", e.Name, source.Code)
		}
	}
}

// Text of messages, of the hub's and of people reaches the page as text alone,
// and addresses through webLink.
func TestScriptsMakeNoMarkup(t *testing.T) {
	t.Parallel()
	markup := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment|setHTML|srcdoc|` +
		`\beval\b|new Function|await import\(|set(?:Timeout|Interval)\(['"` + "`" + `]|\.style\b|cssText|setAttribute\((?:'on|'href|'src|'style|[a-z])`)
	for name, file := range loaded() {
		content := file().plain.content
		if path.Ext(name) == ".js" && markup.Match(content) {
			t.Errorf("%s: %s", name, markup.Find(content))
		}
	}
}
