// Package web is the page: embedded files without a build step, and the handler
// that serves them.
package web

import (
	"embed"
	"net/http"
	"strings"
)

// index is what every channel's address shows.
const index = "index.html"

//go:embed *.html *.css *.js *.svg
var embedded embed.FS

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
		protect(w.Header())
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
		files[name] = newFile(name, content)
	}
	return files
}
