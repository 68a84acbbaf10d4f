package tests

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

// breaks are ways to write a line break that something between the client and
// the header might undo.
var breaks = []string{"%0d%0a", "%0a", "%0d", "%00%0a", "%E5%98%8A%E5%98%8D", "%C4%8D%C4%8A", "%c0%8a", "%e2%80%a8", "%250d%250a", "\\r\\n"}

// Whatever a request has for a channel, an ID or a parameter, it puts no header
// into the answer and no second answer behind it.
func TestHeaderInjection(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	others := newBystanders(h)
	for _, brk := range breaks {
		evil := "a" + brk + "X-Evil:1" + brk + "Set-Cookie:evil=1" + brk + brk + "HTTP/1.1%20200"
		for _, request := range []string{
			"GET /" + evil, "POST /" + evil, "GET /" + evil + "/json?poll=1", "GET /" + evil + "/sse?poll=1",
			"PUT /news/" + evil, "DELETE /news/" + evil, "PUT /news/" + evil + "/clear", "GET /news/raw?poll=1&since=" + evil,
			"POST /news?title=" + evil + "&tags=" + evil + "&sequence_id=" + evil, "POST /news?message=" + evil + "&click=" + evil,
			"POST /api/" + evil, "GET /connection/" + evil, "GET //" + evil, "GET /news/" + evil + "/../..",
		} {
			res := h.raw(request+" HTTP/1.1", "Accept: text/html")
			for name, values := range res.header {
				text := strings.ToLower(name + ": " + strings.Join(values, ""))
				if strings.Contains(text, "evil") {
					t.Errorf("%s: the answer has the header %q", request, text)
				}
			}
		}
	}
	for _, header := range []string{"Origin: http://127.0.0.1\rX-Evil: 1", "Access-Control-Request-Headers: a\rX-Evil: 1", "Last-Event-ID: a\x00\rX-Evil: 1"} {
		if res := h.raw("OPTIONS /news HTTP/1.1", "Origin: http://127.0.0.1", header); res.status != 400 || res.header.Get("X-Evil") != "" {
			t.Errorf("%q: status %d, %v", header, res.status, res.header)
		}
	}
	others.unharmed(t)
}

// Nothing that is published ends its event and begins another.
func TestEventInjection(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	for _, brk := range []string{"\n", "\r", "\r\n", "\n\n", "\r\r", "\u2028", "\u0085"} {
		evil := "a" + brk + brk + "id: forged" + brk + "event: forged" + brk + "data: forged" + brk + "retry: 1" + brk + brk
		call := map[string]any{"channel": "news", "data": map[string]any{"message": evil, "title": evil, "sequence_id": evil, "event": evil}}
		api[struct{}](h, "publish", jsonOf(t, call))
		api[struct{}](h, "publish", jsonOf(t, map[string]any{"channel": "news", "data": evil}))
	}
	res := h.do("GET", "/news/sse?poll=1", "")
	if n := strings.Count(res.body, "forged"); n < 14 {
		t.Fatalf("the stream has %d of the texts: %s", n, res.body)
	}
	for _, line := range regexp.MustCompile(`\r\n|\r|\n`).Split(res.body, -1) {
		name, value, _ := strings.Cut(line, ": ")
		isData := name == "data" && json.Valid([]byte(value))
		isID := name == "id" && regexp.MustCompile(`^\w+$`).MatchString(value)
		isEvent := name == "event" && value != "forged"
		if line != "" && !isData && !isID && !isEvent {
			t.Errorf("a line of the stream is %q", line)
		}
	}
}

// raw sends a request as it is written, and returns the answer. It fails the test
// if the hub sends anything behind that.
func (h *hub) raw(lines ...string) answer {
	h.t.Helper()
	conn := h.rawDial()
	defer conn.Close()
	fmt.Fprintf(conn, "%s\r\nHost: %s\r\nConnection: close\r\n\r\n", strings.Join(lines, "\r\n"), h.addr)
	reader := bufio.NewReader(conn)
	res, err := http.ReadResponse(reader, nil)
	if err != nil {
		h.t.Fatalf("%.100q: %v", lines, err)
	}
	body, err := io.ReadAll(res.Body)
	rest, err2 := io.ReadAll(reader)
	if err != nil || err2 != nil || len(rest) > 0 {
		h.t.Errorf("%.100q: %v, %v; behind the answer comes %q", lines, err, err2, rest)
	}
	return answer{res.StatusCode, res.Header, string(body)}
}

// forgedTime begins an entry of the log that a client would like to write.
const forgedTime = "time=2026-01-01T00:00:00.000Z"

// What a client sends stays within the value of one entry of the log, without
// what a terminal obeys.
func TestLogInjection(t *testing.T) {
	t.Parallel()
	const forged = "\n" + forgedTime + ` level=WARN msg="forged"` + "\r\x1b[2J\x1b]0;owned\x07\u202e\u2028\x00"
	escaped := strings.NewReplacer("\n", "%0A", "\r", "%0D", "\x1b", "%1B", "\x07", "%07", "\x00", "%00", " ", "%20", `"`, "%22").Replace(forged)
	for _, format := range []string{"text", "json"} {
		h := startHub(t, "--log-format", format, "--log-level", "debug")
		for _, request := range []string{"GET /a" + escaped, "POST /a" + escaped, "GET /a" + escaped + "/json?poll=1", "GET /news/json?poll=1&since=" + escaped, "POST /api/" + escaped} {
			h.raw(request + " HTTP/1.1")
		}
		h.raw("GET /news/json?poll=1 HTTP/1.1", "User-Agent: fanfold \x1b[31m", "X-Forwarded-For: \x1b[31m", "Referer: \u202e")
		h.publish("news", forged)
		h.dialRefused("/a" + escaped + "/ws")
		echo := h.dial("/?channel=news")
		echo.send(forged)
		receive(t, echo.texts, "the folded text")
		s := h.dial("/connection/websocket")
		for id, command := range []map[string]any{
			{"connect": map[string]any{"name": "js" + forged}},
			{"connect": map[string]any{"data": map[string]any{"name": forged}}},
			{"subscribe": map[string]any{"channel": "news" + forged}},
			{"publish": map[string]any{"channel": forged, "data": forged}},
			{"rpc": map[string]any{"method": forged, "data": forged}},
		} {
			command["id"] = id + 1
			s.send(jsonOf(t, command))
		}
		stream := h.stream("/news/sse?since=all", "Last-Event-ID: "+"a")
		receive(t, stream, "the stream's first line")
		h.stop()
		checkEntries(t, format, h.stderr.String())
	}
}

var textEntry = regexp.MustCompile(`^time=\S+ level=(DEBUG|INFO|WARN|ERROR) msg=("([^"\\]|\\.)*"|\S+)( [\w.]+=("([^"\\]|\\.)*"|[^\s"]*))*$`)

// So does what is refused for want of a credential, which anybody can make up;
// the credential itself is not told to the log.
func TestLogInjectionByWhoIsRefused(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"text", "json"} {
		h, token := closedHub(t, "--log-format", format, "--log-level", "debug")
		secrets := []string{"SECRET" + forgedTime, "ffk_SECRETSECRETSECRETSECRETSECRETSECRET", strings.Repeat("eyJzZWNyZXQiOiJTRUNSRVQifQ.", 3)}
		for _, secret := range secrets {
			h.do("POST", "/news", "x", bearer(secret))
			h.do("POST", "/news", "x", "X-API-Key: "+secret)
			h.do("POST", "/news", "x", "Authorization: "+secret)
			h.do("GET", "/news%0A"+strings.ReplaceAll(forgedTime, " ", "%20")+"/json?auth="+secret, "")
			s := h.dial("/connection/websocket")
			s.send(jsonOf(t, map[string]any{"id": 1, "connect": map[string]any{"token": "\n" + forgedTime + " \x1b[2J" + secret}}))
			s.wantClosed(3500)
		}
		bidi := token("\u202eann", "--jti", "\u2028"+forgedTime)
		h.do("POST", "/api/disconnect", `{"user":"x"}`, bearer(bidi))
		h.do("GET", "/news%0A"+forgedTime+"/json?poll=1", "", bearer(bidi))
		h.stop()
		log := h.stderr.String()
		checkEntries(t, format, log)
		if strings.Contains(log, "SECRET") || strings.Contains(log, "U0VDUkVU") || !strings.Contains(log, "credential refused") {
			t.Errorf("the log has a secret in it, or tells nothing of who was refused: %s", log)
		}
	}
}

// isObeyed reports whether a terminal does something else with a rune than show
// it.
func isObeyed(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)
}

// checkEntries fails the test unless each line of the log is one whole entry of
// the hub's own.
func checkEntries(t *testing.T, format, log string) {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(log, "\n"), "\n")
	if len(lines) < 5 {
		t.Errorf("the log has %d lines", len(lines))
	}
	for _, line := range lines {
		if strings.HasPrefix(line, forgedTime) {
			t.Errorf("a client wrote an entry: %q", line)
		}
		switch format {
		case "json": // which programs read
			if !json.Valid([]byte(line)) {
				t.Errorf("no entry: %q", line)
			}
		case "text": // which goes to a terminal
			if !textEntry.MatchString(line) || strings.ContainsFunc(line, isObeyed) {
				t.Errorf("no entry: %q", line)
			}
		}
	}
}

// No spelling of a path leads out of its channel: to a file, to another channel,
// to the engine's own subjects, or to a route behind it.
func TestPathTricks(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "data")
	h := startHub(t, "--data", folder)
	h.publish("news", "the secret")
	for _, name := range []string{
		"..", ".", "%2e%2e", "%2e", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/etc/passwd", "../../etc/passwd",
		"..%5c..%5cwindows", "%252e%252e%252f", "%c0%ae%c0%ae%c0%afetc", "%e0%80%ae%e0%80%ae", "%uff0e%uff0e", "news%00", "%00news", "news%00.json", "news%0a",
		"news%2fjson", "news%2Fx", "news%2fx%2fclear", "x%2F..%2Fnews", "news%3Fpoll=1", "news%20", "news.", ".news", "news..x", "news%2e", "news//json", "/news/json", "./news", "a/../news",
		">", "*", "news.>", "%3E", "%2A", "$SYS.>", "$JS.API.>", "in.>", "out.>", "_INBOX.>", "ne%C2%ADws", "n\u00e9ws", "%EF%BC%8E%EF%BC%8E", strings.Repeat("a", 256), strings.Repeat("%2e", 300),
	} {
		for _, request := range []string{"POST /" + name, "PUT /" + name, "GET /" + name + "/publish?message=x", "DELETE /" + name + "/x", "PUT /news/" + name + "/%2e%2e/x", "GET /x/" + name + "/json"} {
			if res := h.raw(request + " HTTP/1.1"); res.status < 400 || res.status >= 500 || strings.Contains(res.body, "root:") {
				t.Errorf("%s: status %d: %s", request, res.status, res.body)
			}
		}
	}
	// These are names like any other, not the engine's subjects of the same spelling.
	for _, name := range []string{"$SYS.REQ.SERVER.PING", "$JS.API.STREAM.LIST", "in.news", "out.news", "in.default.news", "_INBOX.x", "KV.x", "news;a=b"} {
		h.publish(name, "x")
		if kept := h.history(name); len(kept) != 1 {
			t.Errorf("%s holds %d messages", name, len(kept))
		}
	}
	if kept := h.history("news"); len(kept) != 1 {
		t.Errorf("news holds %d messages", len(kept))
	}
	outside, err := os.ReadDir(filepath.Dir(folder))
	if err != nil || len(outside) != 1 {
		t.Errorf("beside the data folder is %v, %v", outside, err)
	}
}
