package dialect

import (
	"testing"
	"time"

	"fanfold/hub"
)

// dialNtfy connects to a path like "/a/ws" and starts the peer.
func dialNtfy(t *testing.T, h *hub.Actor, path string, query map[string][]string) (*ntfyReader, Peer) {
	t.Helper()
	r := newNtfyReader(t)
	peer, err := (&NtfySocket{Now: time.Now}).Connect(t.Context(), h, r, Request{Path: path, Query: query})
	if err != nil {
		t.Fatal(err)
	}
	r.session = peer.Session()
	t.Cleanup(r.session.Detach)
	peer.(Starter).Start(t.Context())
	return r, peer
}

func TestNtfySocketSubscribes(t *testing.T) {
	h := newTestHub(t, hub.Config{})
	publishNtfy(t, h, "a,b", "old")
	r, peer := dialNtfy(t, h, "/a%2Cb,news.*/ws", map[string][]string{"since": {"all"}})
	publishNtfy(t, h, "news.x", "new")
	open := r.nextEvent()
	if open.Event != eventOpen || open.Topic != "a,b,news.*" {
		t.Errorf("the first object is %+v", open)
	}
	r.expect("old", "new")
	peer.Receive(t.Context(), []byte(`{"anything":"at all`))
	r.expectNothing()
}

func TestNtfySocketSharesFrames(t *testing.T) {
	h := newTestHub(t, hub.Config{})
	a, _ := dialNtfy(t, h, "/a/ws", nil)
	b, _ := dialNtfy(t, h, "/a/ws", nil)
	a.expect("<open>")
	b.expect("<open>")
	publishNtfy(t, h, "a", "x")
	frameA, frameB := a.nextFrame(), b.nextFrame()
	if &frameA[0] != &frameB[0] {
		t.Errorf("a message was encoded twice, as %q and %q", frameA, frameB)
	}
}

func TestNtfySocketPollEnds(t *testing.T) {
	h := newTestHub(t, hub.Config{})
	publishNtfy(t, h, "a", "1", "2")
	r, _ := dialNtfy(t, h, "/a/ws", map[string][]string{"poll": {"1"}})
	r.expect("1", "2")
	r.expectNothing() // sees the end of the outbox, and so closes
	if code, text := (&NtfySocket{}).CloseCode(<-r.closed); code != 1000 || text != "that is all" {
		t.Errorf("closed with %d %q", code, text)
	}
}

func TestNtfySocketRefusesBadRequests(t *testing.T) {
	h := newTestHub(t, hub.Config{})
	for _, path := range []string{"//ws", "/,/ws", "/a b/ws", "/a/b/ws", "/a*/ws"} {
		_, err := (&NtfySocket{Now: time.Now}).Connect(t.Context(), h, newNtfyReader(t), Request{Path: path})
		ntfyRefused(t, path, err, NtfyBadTopic, "")
	}
	_, err := (&NtfySocket{Now: time.Now}).Connect(t.Context(), h, newNtfyReader(t), Request{Path: "/a/ws", Query: map[string][]string{"since": {"x"}}})
	ntfyRefused(t, "since=x", err, NtfyBadSince, "")
	if n, err := h.Disconnect(hub.Target{AnyUser: true}, hub.Reason{}); n != 0 || err != nil {
		t.Errorf("%d sessions of refused connections are open", n)
	}
}

func TestNtfySocketClosesWhenItCannotSubscribe(t *testing.T) {
	h := newTestHub(t, hub.Config{MaxSubscriptions: 1})
	r, _ := dialNtfy(t, h, "/a,b/ws", nil)
	code, text := (&NtfySocket{}).CloseCode(<-r.closed)
	if code != 1008 || text != "at most 1 channels can be subscribed to on one connection" {
		t.Errorf("closed with %d %q", code, text)
	}
}
