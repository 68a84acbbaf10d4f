package tests

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// client is the tests' HTTP client, without a proxy and without a time limit,
// for the streams' sake.
var client = &http.Client{Transport: &http.Transport{}}

// answer is a whole HTTP response.
type answer struct {
	status int
	header http.Header
	body   string
}

// do sends one request and returns the answer. Headers are given as
// "Name: value".
func (h *hub) do(method, path, body string, headers ...string) answer {
	h.t.Helper()
	res, err := h.try(method, path, body, headers...)
	if err != nil {
		h.t.Fatalf("%s %s: %v", method, path, err)
	}
	return res
}

// try is do for any goroutine. It waits for patience at most.
func (h *hub) try(method, path, body string, headers ...string) (answer, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, h.url+path, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	req.Header = headerOf(headers)
	res, err := h.way.client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header, string(text)}, err
}

// headerOf reads lines of "Name: value".
func headerOf(lines []string) http.Header {
	header := http.Header{}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		header.Set(name, value)
	}
	return header
}

// stored is what the hub says of a message that it has stored.
type stored struct {
	ID     string
	Offset uint64
	Epoch  string
}

// publish posts a text to a channel as curl -d does.
func (h *hub) publish(channel, text string, headers ...string) stored {
	h.t.Helper()
	res := h.do("POST", "/"+channel, text, headers...)
	if res.status != http.StatusOK {
		h.t.Fatalf("publish to %s: status %d: %s", channel, res.status, res.body)
	}
	return decode[stored](h.t, res.body)
}

// api calls a method of the server API and returns the result. It fails the
// test on an error.
func api[T any](h *hub, method, params string) T {
	h.t.Helper()
	res := h.do("POST", "/api/"+method, params, "Content-Type: application/json")
	reply := decode[struct {
		Result T
		Error  *apiError
	}](h.t, res.body)
	if res.status != http.StatusOK || reply.Error != nil {
		h.t.Fatalf("/api/%s %s: status %d: %s", method, params, res.status, res.body)
	}
	return reply.Result
}

// apiError is the server API's error.
type apiError struct {
	Code    int
	Message string
}

// publication is a message in the history or in a Centrifuge push.
type publication struct {
	Data   json.RawMessage
	Offset uint64
}

// text is what a publication says to a plain subscriber: a notification's
// message, or a text as it is.
func (p publication) text() string {
	var note struct{ Message string }
	var plain string
	if json.Unmarshal(p.Data, &note) == nil {
		return note.Message
	}
	if json.Unmarshal(p.Data, &plain) == nil {
		return plain
	}
	return string(p.Data)
}

// history returns what a channel holds, oldest first.
func (h *hub) history(channel string) []publication {
	h.t.Helper()
	return api[struct{ Publications []publication }](h, "history", fmt.Sprintf(`{"channel":%q,"limit":300}`, channel)).Publications
}

// sessions returns how many sessions are subscribed to a channel or pattern.
func (h *hub) sessions(channel string) int {
	h.t.Helper()
	return h.channels()[channel]
}

// channels counts the sessions that are subscribed, by channel and pattern.
func (h *hub) channels() map[string]int {
	h.t.Helper()
	type count struct {
		NumClients int `json:"num_clients"`
	}
	counts := map[string]int{}
	for name, c := range api[struct{ Channels map[string]count }](h, "channels", "{}").Channels {
		counts[name] = c.NumClients
	}
	return counts
}

// connections returns how many sessions of any kind the hub has.
func (h *hub) connections() int {
	h.t.Helper()
	type node struct {
		NumClients int `json:"num_clients"`
	}
	return api[struct{ Nodes []node }](h, "info", "{}").Nodes[0].NumClients
}

// stream requests a response without an end and returns its lines. The channel
// is closed at the response's end, which comes at the test's end at the latest.
func (h *hub) stream(path string, headers ...string) <-chan string {
	h.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, "GET", h.url+path, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header = headerOf(headers)
	late := time.AfterFunc(patience, cancel)
	res, err := h.way.client.Do(req)
	late.Stop()
	if err != nil {
		h.t.Fatalf("GET %s: %v", path, err)
	}
	lines := make(chan string, 10_000)
	go func() {
		defer close(lines)
		defer res.Body.Close()
		for scanner := bufio.NewScanner(res.Body); scanner.Scan(); {
			lines <- scanner.Text()
		}
	}()
	h.t.Cleanup(func() {
		cancel()
		for range lines {
		}
	})
	if res.StatusCode != http.StatusOK {
		h.t.Fatalf("GET %s: status %d: %s", path, res.StatusCode, <-lines)
	}
	return lines
}

// decode reads JSON.
func decode[T any](t testing.TB, text string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	return v
}
