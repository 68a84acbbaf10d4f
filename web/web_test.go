package web

import (
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// maxPageBytes keeps the page quick to load and to read.
const maxPageBytes = 100_000

func get(t *testing.T, method, target string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, r)
	return w
}

// Every file comes with its type, with a strong ETag that saves sending it
// again, and under a policy that lets nothing foreign in.
func TestFiles(t *testing.T) {
	t.Parallel()
	etags := map[string]string{}
	for _, name := range Files() {
		w := get(t, http.MethodGet, "/"+name)
		h := w.Header()
		if w.Code != http.StatusOK || w.Body.Len() == 0 {
			t.Errorf("%s: status %d with %d bytes", name, w.Code, w.Body.Len())
		}
		want := http.Header{
			"Content-Type":            {contentTypes[path.Ext(name)]},
			"Cache-Control":           {"no-cache"},
			"Content-Security-Policy": {policy},
			"X-Content-Type-Options":  {"nosniff"},
			"Referrer-Policy":         {"same-origin"},
		}
		for key := range want {
			if got := h.Get(key); got != want.Get(key) || got == "" {
				t.Errorf("%s: %s is %q, want %q", name, key, got, want.Get(key))
			}
		}
		etag := h.Get("ETag")
		if !regexp.MustCompile(`^"[0-9a-f]{32}"$`).MatchString(etag) || etags[etag] != "" {
			t.Errorf("%s has the ETag %s, %q too", name, etag, etags[etag])
		}
		etags[etag] = name

		again := get(t, http.MethodGet, "/"+name, "If-None-Match", etag)
		if again.Code != http.StatusNotModified || again.Body.Len() > 0 || again.Header().Get("ETag") != etag {
			t.Errorf("%s, unchanged: status %d with %d bytes", name, again.Code, again.Body.Len())
		}
		head := get(t, http.MethodHead, "/"+name)
		if head.Code != http.StatusOK || head.Body.Len() > 0 || head.Header().Get("ETag") != etag {
			t.Errorf("HEAD %s: status %d with %d bytes", name, head.Code, head.Body.Len())
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
	for _, target := range []string{"/news/json", "/a%2Fb", "/news/", "//"} {
		if w := get(t, http.MethodGet, target); w.Code != http.StatusNotFound {
			t.Errorf("%s: status %d", target, w.Code)
		}
	}
	if w := get(t, http.MethodPost, "/news"); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: status %d, Allow %q", w.Code, w.Header().Get("Allow"))
	}
}

// The policy forbids what is inline or from elsewhere, so the page has none of
// it; whatever it refers to is there; and all of it together is small.
func TestPageStandsAlone(t *testing.T) {
	t.Parallel()
	names := Files()
	reference := regexp.MustCompile(`(?:src|href)="([^"#]+)"|(?:from |import )'\./([^']+)'`)
	inline := regexp.MustCompile(`(?i)<style|\sstyle=|\son[a-z]+="|<script(?:\s+type="module")?>|javascript:`)
	size := 0
	for _, name := range names {
		content, err := embedded.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		size += len(content)
		if path.Ext(name) == ".html" && inline.Match(content) {
			t.Errorf("%s has something inline: %s", name, inline.Find(content))
		}
		for _, m := range reference.FindAllSubmatch(content, -1) {
			target := string(m[1]) + string(m[2])
			if target != "./" && !slices.Contains(names, target) {
				t.Errorf("%s refers to %s, which is not there", name, target)
			}
		}
	}
	if size > maxPageBytes {
		t.Errorf("the page has %d bytes, more than %d", size, maxPageBytes)
	}
}
