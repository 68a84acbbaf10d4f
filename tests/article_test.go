package tests

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// articleHost is what the article's script connects to.
const articleHost = "wss://www.example.com:1234"

// serveArticle serves the article's own page, with the hub in its host's place.
func serveArticle(t *testing.T, socketURL string) (url string) {
	t.Helper()
	script, err := os.ReadFile(filepath.Join("testdata", "article", "wstest.js"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(script), articleHost) {
		t.Fatalf("the article's script does not name %s", articleHost)
	}
	mux := http.NewServeMux()
	mux.Handle("/", http.FileServer(http.Dir(filepath.Join("testdata", "article"))))
	mux.HandleFunc("/wstest.js", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		_, _ = w.Write([]byte(strings.ReplaceAll(string(script), articleHost, socketURL)))
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

// The page that the article prints works against the hub, and so does the
// hub's own edition of it.
func TestArticlePage(t *testing.T) {
	t.Parallel()
	b := startBrowser(t)
	h := startHub(t, "--allow-origin", "*")
	for _, url := range []string{
		serveArticle(t, "ws://"+h.addr) + "/wstest.html",
		h.url + "/wstest.html",
	} {
		p := b.open(url)
		eventually(t, "the page's WebSocket", func() bool { return h.connections() > 0 })
		p.fill("textbox", "", "Straße")
		p.click("button", "Send")
		p.fill("textbox", "", "ΣΊΣΥΦΟΣ")
		p.click("button", "Send")
		p.wantText("list", "", "strasse", "σίσυφοσ")
		if got := strings.Fields(p.text("list", "")); len(got) != 2 || got[0] != "strasse" {
			t.Errorf("%s lists %q", url, got)
		}
	}
}

// A page of an origin that nobody allowed can't use the hub of whoever looks
// at it.
func TestForeignPageIsRefused(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	for _, path := range []string{"/news", "/api/publish", "/"} {
		res := h.do("POST", path, "{}", "Origin: http://evil.example")
		if res.status != http.StatusForbidden {
			t.Errorf("POST %s from a foreign page: status %d", path, res.status)
		}
	}
	for _, path := range []string{"/", "/connection/websocket", "/news/ws"} {
		if status := h.dialRefused(path, "Origin: http://evil.example"); status != http.StatusForbidden {
			t.Errorf("a WebSocket at %s for a foreign page: status %d", path, status)
		}
	}
	allowed := startHub(t, "--allow-origin", "http://good.example")
	if res := allowed.do("POST", "/news", "x", "Origin: http://good.example"); res.status != http.StatusOK {
		t.Errorf("POST from an allowed page: status %d", res.status)
	}
}
