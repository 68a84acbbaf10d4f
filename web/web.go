// Package web is the page and the gallery of live examples: embedded files without a
// build step, and the handler that serves them.
package web

import (
	"embed"
	"io/fs"
	"net/http"
	"slices"
	"strings"
)

// index is what every channel's address shows.
const index = "index.html"

//go:embed *.html *.css *.js *.svg parts gallery
var embedded embed.FS

// Files lists the names of the files that [Handler] serves at the top, sorted; none of
// them has a slash. A channel of such a name has no page.
func Files() []string {
	return slices.DeleteFunc(names(), func(name string) bool { return strings.Contains(name, "/") })
}

// names lists all files that are served, sorted.
func names() (names []string) {
	err := fs.WalkDir(embedded, ".", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && !isSource(name) {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		panic("read the embedded page: " + err.Error()) // the compiler has put it there
	}
	return names
}

// Handler serves the page: each file under its name; the page itself at / and at any
// other path of a single segment, which is the page on that channel; and the gallery, its
// examples without the ending of their names. Other deeper paths are not found. Browsers
// keep the files but ask each time whether they have changed.
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
		switch f, known := find(files, name); {
		case !ok || !known:
			http.NotFound(w, r)
		case name == galleryFolder:
			w.Header().Set("Location", galleryFolder+"/") // relative, for whoever serves the hub under a path of its own
			w.WriteHeader(http.StatusMovedPermanently)
		default:
			f().serve(w, r)
		}
	})
}

// find returns the file for a path without its first slash.
func find(files map[string]lazyFile, name string) (f lazyFile, ok bool) {
	folder, rest, deep := strings.Cut(name, "/")
	if deep && folder == galleryFolder && rest == "" {
		name += index
	}
	if f, ok = files[name]; !ok && deep {
		f, ok = files[name+".html"]
	}
	if !ok && !deep {
		f, ok = files[index], true
	}
	return f, ok
}

// load returns all files, none of which is made yet.
func load() map[string]lazyFile {
	files := make(map[string]lazyFile)
	for _, name := range names() {
		files[name] = newLazyFile(name, func() []byte {
			content, err := embedded.ReadFile(name)
			if err != nil {
				panic("read the embedded page: " + err.Error())
			}
			return content
		})
	}
	for name, content := range pages() {
		files[name] = newLazyFile(name, content)
	}
	return files
}
