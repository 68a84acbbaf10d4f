// Package web is the page: embedded files without a build step, and the handler
// that serves them.
package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"path"
	"strings"
	"time"
)

// index is what every channel's address shows.
const index = "index.html"

//go:embed *.html *.css *.js *.svg
var embedded embed.FS

// contentTypes has every kind of file that is embedded. The system's own table
// of types is not asked: it differs between machines.
var contentTypes = map[string]string{
	".css":  "text/css; charset=utf-8",
	".html": "text/html; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}

// policy lets the page load and reach its own hub alone, and nobody frame it.
const policy = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// file is one embedded file, ready to be served.
type file struct {
	content     []byte
	contentType string
	etag        string // strong: of the content
}

// Files lists the names of the files that [Handler] serves, sorted; none of them
// has a slash. A channel of such a name has no page.
func Files() []string {
	entries, err := embedded.ReadDir(".")
	if err != nil {
		panic("read the embedded page: " + err.Error()) // the compiler has put it there
	}
	names := make([]string, len(entries))
	for i, entry := range entries {
		names[i] = entry.Name()
	}
	return names
}

// Handler serves the page: each file under its name, and the page itself at /
// and at any other path of a single segment, which is the page on that channel.
// Deeper paths are not found. Browsers keep the files but ask each time whether
// they have changed.
func Handler() http.Handler {
	files := load()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "the page can only be read: use GET or HEAD", http.StatusMethodNotAllowed)
			return
		}
		name, ok := strings.CutPrefix(r.URL.Path, "/")
		if !ok || strings.Contains(name, "/") {
			http.NotFound(w, r)
			return
		}
		f, ok := files[name]
		if !ok {
			f = files[index]
		}
		f.serve(w, r)
	})
}

func load() map[string]file {
	files := make(map[string]file)
	for _, name := range Files() {
		content, err := embedded.ReadFile(name)
		if err != nil {
			panic("read the embedded page: " + err.Error())
		}
		sum := sha256.Sum256(content)
		files[name] = file{
			content:     content,
			contentType: contentTypes[path.Ext(name)],
			etag:        `"` + hex.EncodeToString(sum[:16]) + `"`,
		}
	}
	return files
}

func (f file) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", f.contentType)
	h.Set("ETag", f.etag)
	h.Set("Cache-Control", "no-cache")
	h.Set("Content-Security-Policy", policy)
	h.Set("Referrer-Policy", "same-origin") // no-referrer would make the Origin of POST null
	h.Set("X-Content-Type-Options", "nosniff")
	// With an ETag and no time, this answers If-None-Match and HEAD.
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.content))
}
