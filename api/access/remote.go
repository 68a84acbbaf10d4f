package access

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// How keys are fetched.
const (
	fetchEvery    = 15 * time.Minute // how long a key that its owner withdrew may still count
	fetchCooldown = 10 * time.Second // between fetches for keys that nobody knows
	fetchTimeout  = 5 * time.Second
	maxRedirects  = 3
)

// RemoteKeys are the keys of a set that its owner changes (RFC 7517 §5), at a
// URL. A fetch that fails changes nothing: the keys of the last one stay.
type RemoteKeys struct {
	url    string // static
	client *http.Client
	logger *slog.Logger
	// cooldown is fetchCooldown, but for tests.
	cooldown time.Duration

	mu       sync.Mutex
	keys     []*Key        // guarded by mu; nil before the first fetch
	err      error         // guarded by mu; of the last fetch
	tried    time.Time     // guarded by mu; when the last fetch began
	fetching chan struct{} // guarded by mu; closed when the fetch under way ends; nil: none is
}

// NewRemoteKeys returns the keys at a URL, which must be https unless it is on
// this machine. It fetches nothing yet.
func NewRemoteKeys(address string, logger *slog.Logger) (*RemoteKeys, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("the address of the keys can't be read")
	}
	if err := checkKeyURL(u); err != nil {
		return nil, err
	}
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	// A connection is needed so seldom that none is kept.
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}
	client := &http.Client{Transport: transport, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		if len(via) > maxRedirects {
			return fmt.Errorf("it was redirected more than %d times", maxRedirects)
		}
		return checkKeyURL(r.URL)
	}}
	return &RemoteKeys{url: address, client: client, logger: logger, cooldown: fetchCooldown}, nil
}

// checkKeyURL: whoever can change keys on their way can make tokens.
func checkKeyURL(u *url.URL) error {
	ip := net.ParseIP(u.Hostname())
	local := u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	switch {
	case u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("the address of the keys, %s, must begin with https://", u.Redacted())
	case u.Scheme == "http" && !local:
		return fmt.Errorf("the address of the keys, %s, is not https: whoever is on the way could put in keys of their own; give https, or a file", u.Redacted())
	}
	return nil
}

// Run fetches the keys at once and then from time to time, until ctx ends. What
// fails goes to the log.
func (r *RemoteKeys) Run(ctx context.Context) {
	ticker := time.NewTicker(fetchEvery)
	defer ticker.Stop()
	for {
		if err := r.Refresh(ctx); err != nil && ctx.Err() == nil {
			r.logger.Error("the keys for tokens could not be fetched; those known go on counting", "url", redacted(r.url), "error", err)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// Refresh fetches the keys, or waits for the fetch that is under way. It blocks
// until then or until ctx ends.
func (r *RemoteKeys) Refresh(ctx context.Context) error { return r.fetchUnless(ctx, 0) }

// Len is the number of keys known, and the error of the last fetch.
func (r *RemoteKeys) Len() (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.keys), r.err
}

// find returns the keys that may have signed a token that names this key ID, or
// none. An ID that is not known is looked for anew, unless that happened within
// fetchCooldown. The error says that none was found and that the last fetch failed.
func (r *RemoteKeys) find(ctx context.Context, id string) ([]*Key, error) {
	found := candidates(r.known(), id)
	if len(found) > 0 {
		return found, nil
	}
	err := r.fetchUnless(ctx, r.cooldown)
	if found = candidates(r.known(), id); len(found) > 0 {
		return found, nil
	}
	return nil, err
}

func (r *RemoteKeys) known() []*Key {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.keys
}

// fetchUnless fetches the keys unless the last fetch began less than this ago; its
// error is returned then.
func (r *RemoteKeys) fetchUnless(ctx context.Context, since time.Duration) error {
	r.mu.Lock()
	switch {
	case r.fetching != nil:
		done := r.fetching
		r.mu.Unlock()
		select {
		case <-done:
		case <-ctx.Done():
			return ctx.Err()
		}
		_, err := r.Len()
		return err
	case since > 0 && !r.tried.IsZero() && time.Since(r.tried) < since:
		defer r.mu.Unlock()
		return r.err
	}
	r.tried, r.fetching = time.Now(), make(chan struct{})
	r.mu.Unlock()

	// Others wait for this fetch: it does not end because its first client left.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
	defer cancel()
	keys, err := r.fetch(ctx)

	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		r.keys = keys
	}
	r.err = err
	close(r.fetching)
	r.fetching = nil
	return err
}

func (r *RemoteKeys) fetch(ctx context.Context) ([]*Key, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/jwk-set+json, application/json")
	response, err := r.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("fetch the keys for tokens: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("fetch the keys for tokens: the answer is %s", response.Status)
	}
	data, err := io.ReadAll(io.LimitReader(response.Body, maxKeySetBytes+1))
	if err != nil {
		return nil, fmt.Errorf("fetch the keys for tokens: %w", err)
	}
	if len(data) > maxKeySetBytes {
		return nil, fmt.Errorf("fetch the keys for tokens: the answer is longer than %d bytes", maxKeySetBytes)
	}
	keys, skipped, err := parseKeySet(data, false)
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the keys for tokens: %w", err)
	case len(keys) == 0:
		return nil, fmt.Errorf("read the keys for tokens: none can be used: %w", errors.Join(skipped...))
	case len(skipped) > 0:
		r.logger.Debug("some of the keys at the address of the keys for tokens are left out", "why", errors.Join(skipped...))
	}
	return keys, nil
}

func redacted(address string) string {
	if u, err := url.Parse(address); err == nil {
		return u.Redacted()
	}
	return "?"
}

// candidates returns the keys of that ID and those without one. A token without
// an ID may be of any key.
func candidates(keys []*Key, id string) []*Key {
	var found []*Key
	for _, key := range keys {
		if id == "" || key.ID == "" || key.ID == id {
			found = append(found, key)
		}
	}
	return found
}
