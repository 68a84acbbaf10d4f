package access

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"fanfold/hub"
)

// keyServer serves a set of keys that changes.
type keyServer struct {
	*httptest.Server
	asked atomic.Int64
	mu    sync.Mutex
	body  []byte
	code  int
}

func newKeyServer(t *testing.T) *keyServer {
	s := &keyServer{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		s.asked.Add(1)
		s.mu.Lock()
		defer s.mu.Unlock()
		w.WriteHeader(s.code)
		_, _ = w.Write(s.body)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *keyServer) serve(code int, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.code, s.body = code, body
}

func (s *keyServer) serveKeys(t *testing.T, keys ...map[string]any) {
	s.serve(http.StatusOK, marshal(t, map[string]any{"keys": keys}))
}

// The owner of the keys changes them while the hub runs: new ones count at the
// first token, old ones until the next fetch, and what can't be fetched or read changes
// nothing.
func TestKeysAtAURLRotate(t *testing.T) {
	server := newKeyServer(t)
	remote := must[*RemoteKeys](t)(NewRemoteKeys(server.URL, nil))
	remote.cooldown = 0
	v := newVerifier(t, nil, func(c *Config) { c.Remote = remote })
	try := func(id, kind string) error {
		_, err := v.Connection(t.Context(), must[string](t)(Sign(privateKey(t, id, kind), "", Claims{Subject: "anna"})))
		return err
	}

	server.serve(http.StatusInternalServerError, nil)
	refused(t, try("1", "ES256"), CheckKey, hub.CodeUnavailable, "can't be checked now")

	server.serveKeys(t, toJWK(t, "1", "ES256", false))
	if err := errors.Join(try("1", "ES256"), try("", "ES256")); err != nil {
		t.Error(err)
	}
	before := server.asked.Load()
	if err := try("1", "ES256"); err != nil || server.asked.Load() != before {
		t.Errorf("a known key is asked for again: %v", err)
	}

	server.serveKeys(t, toJWK(t, "1", "ES256", false), toJWK(t, "2", "EdDSA", false))
	if err := errors.Join(try("2", "EdDSA"), try("1", "ES256")); err != nil {
		t.Errorf("with a new key: %v", err)
	}
	refused(t, try("3", "ES256"), CheckKey, hub.CodeUnauthenticated, `"3" is of no key`)

	for what, body := range map[string]string{
		"no JSON": "<html>", "no keys": `{"keys":[]}`, "a secret": string(marshal(t, map[string]any{"keys": []any{toJWK(t, "4", "HS256", false)}})),
		"too much": string(marshal(t, toJWK(t, "4", "ES256", false))) + strings.Repeat(" ", maxKeySetBytes),
	} {
		server.serve(http.StatusOK, []byte(body))
		refused(t, try("4", "HS256"), CheckKey, hub.CodeUnavailable)
		if err := errors.Join(try("2", "EdDSA"), try("1", "ES256")); err != nil {
			t.Errorf("%s: the old keys do not count any more: %v", what, err)
		}
		if n, err := remote.Len(); n != 2 || err == nil {
			t.Errorf("%s: %d keys, %v", what, n, err)
		}
	}

	server.serveKeys(t, toJWK(t, "2", "EdDSA", false))
	if err := remote.Refresh(t.Context()); err != nil {
		t.Error(err)
	}
	refused(t, try("1", "ES256"), CheckKey, hub.CodeUnauthenticated)
}

func TestKeysMustComeOverHTTPS(t *testing.T) {
	for address, says := range map[string]string{
		"http://example.com/keys": "is not https", "ftp://example.com": "must begin with https://", "keys.json": "must begin with", "": "must begin",
		"http://user:hush@10.0.0.1/": "user:xxxxx@", "http://127.0.0.1.example.com/": "is not https", "http://[::1": "can't be read",
	} {
		if _, err := NewRemoteKeys(address, nil); err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v", address, err)
		}
	}
	for _, address := range []string{"https://example.com/keys", "http://localhost:1/", "http://[::1]/", "http://127.0.0.1:1/"} {
		if _, err := NewRemoteKeys(address, nil); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
	server := newKeyServer(t)
	away := httptest.NewServer(http.RedirectHandler("http://example.com/keys", http.StatusFound))
	t.Cleanup(away.Close)
	here := httptest.NewServer(http.RedirectHandler(server.URL, http.StatusFound))
	t.Cleanup(here.Close)
	server.serveKeys(t, toJWK(t, "1", "ES256", false))
	if err := must[*RemoteKeys](t)(NewRemoteKeys(away.URL, nil)).Refresh(t.Context()); err == nil || !strings.Contains(err.Error(), "is not https") {
		t.Errorf("redirected away: %v", err)
	}
	if err := must[*RemoteKeys](t)(NewRemoteKeys(here.URL, nil)).Refresh(t.Context()); err != nil {
		t.Errorf("redirected here: %v", err)
	}
}

// transport answers without a network, so that time is the test's own.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answer(body []byte) *http.Response {
	return &http.Response{StatusCode: http.StatusOK, Status: "200 OK", Body: io.NopCloser(strings.NewReader(string(body))), Header: http.Header{}}
}

// Tokens with made-up key IDs cost one fetch in fetchCooldown, however many come;
// the others are refused at once. So a new key counts within that time at the latest.
func TestUnknownKeyIDsCostOneFetch(t *testing.T) {
	set := marshal(t, map[string]any{"keys": []any{toJWK(t, "1", "ES256", false)}})
	more := marshal(t, map[string]any{"keys": []any{toJWK(t, "1", "ES256", false), toJWK(t, "2", "ES256", false)}})
	unknown := must[string](t)(Sign(privateKey(t, "2", "ES256"), "", Claims{}))
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		remote := must[*RemoteKeys](t)(NewRemoteKeys("https://example.com", nil))
		remote.client.Transport = transport(func(*http.Request) (*http.Response, error) {
			asked++
			<-time.After(time.Second) // of the bubble's time: the server is slow
			return answer(set), nil
		})
		v := newVerifier(t, nil, func(c *Config) { c.Remote = remote })
		var all sync.WaitGroup
		start := time.Now()
		for range 100 {
			all.Go(func() {
				_, err := v.Connection(t.Context(), unknown)
				refused(t, err, CheckKey, hub.CodeUnauthenticated)
			})
		}
		all.Wait()
		if took := time.Since(start); asked != 1 || took != time.Second {
			t.Errorf("%d fetches in %v", asked, took)
		}
		set = more
		_, err := v.Connection(t.Context(), unknown)
		refused(t, err, CheckKey, hub.CodeUnauthenticated)
		if took := time.Since(start); asked != 1 || took != time.Second {
			t.Errorf("in the cooldown: %d fetches in %v", asked, took)
		}
		<-time.After(fetchCooldown)
		if _, err := v.Connection(t.Context(), unknown); err != nil || asked != 2 {
			t.Errorf("after the cooldown: %v, %d fetches", err, asked)
		}
	})
}

// A server that never answers holds a request for fetchTimeout; who leaves earlier
// does not take the fetch away from the others.
func TestAFetchIsBounded(t *testing.T) {
	token := must[string](t)(Sign(privateKey(t, "1", "ES256"), "", Claims{}))
	synctest.Test(t, func(t *testing.T) {
		remote := must[*RemoteKeys](t)(NewRemoteKeys("https://example.com", nil))
		remote.client.Transport = transport(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		v := newVerifier(t, nil, func(c *Config) { c.Remote = remote })
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		start := time.Now()
		all.Go(func() { _, _ = v.Connection(ctx, token) })
		synctest.Wait()
		impatient, leave := context.WithTimeout(t.Context(), time.Second)
		defer leave()
		all.Go(func() {
			_, err := v.Connection(impatient, token)
			if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took != time.Second {
				t.Errorf("the impatient one waited %v: %v", took, err)
			}
		})
		all.Go(func() {
			_, err := v.Connection(t.Context(), token)
			refused(t, err, CheckKey, hub.CodeUnavailable)
			if took := time.Since(start); took != fetchTimeout {
				t.Errorf("the patient one waited %v", took)
			}
		})
		cancel()
		all.Wait()
	})
}

func TestRunFetchesAgainAndAgain(t *testing.T) {
	set := marshal(t, map[string]any{"keys": []any{toJWK(t, "1", "ES256", false)}})
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		var asked atomic.Int64
		remote := must[*RemoteKeys](t)(NewRemoteKeys("https://user:hush@example.com", slog.New(slog.NewTextHandler(&log, nil))))
		remote.client.Transport = transport(func(*http.Request) (*http.Response, error) {
			if asked.Add(1) == 2 {
				return nil, errors.New("no way there")
			}
			return answer(set), nil
		})
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { remote.Run(ctx) })
		for i := range 3 {
			synctest.Wait()
			if n, _ := remote.Len(); n != 1 || asked.Load() != int64(i+1) {
				t.Errorf("%d keys after %d fetches", n, asked.Load())
			}
			<-time.After(fetchEvery)
		}
		cancel()
		running.Wait()
		if text := log.String(); strings.Count(text, "level=ERROR") != 1 || !strings.Contains(text, "no way there") || strings.Contains(text, "hush") {
			t.Errorf("the log is %s", text)
		}
	})
}
