package dialect

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"fanfold/hub"
	"fanfold/hub/stream"
)

// hookEngine lets a test act just before each read.
type hookEngine struct {
	hub.Engine
	mu   sync.Mutex
	hook func(hub.Query) error // guarded by mu; its error is the read's
}

func (e *hookEngine) Read(ctx context.Context, q hub.Query) (hub.Page, error) {
	e.mu.Lock()
	hook := e.hook
	e.mu.Unlock()
	if hook != nil {
		if err := hook(q); err != nil {
			return hub.Page{}, err
		}
	}
	return e.Engine.Read(ctx, q)
}

func (e *hookEngine) before(hook func(hub.Query) error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.hook = hook
}

func TestCentrifugeSubscribersGetMessagesInOrder(t *testing.T) {
	h := newTestHub(t, hub.Config{})
	d := NewCentrifuge(CentrifugeConfig{})
	publishTest(t, h, "a", `"before"`)
	c := connectCentrifuge(t, h, d, "")
	c.say(`{"id":2,"subscribe":{"channel":"a"}}` + "\n" + `{"id":3,"subscribe":{"channel":"*"}}`)
	c.expect(`{"id":2,"subscribe":{"recoverable":true,"positioned":true,"epoch":"EPOCH","offset":1}}`,
		`{"id":3,"subscribe":{"recoverable":true,"positioned":true,"epoch":"EPOCH","offset":1}}`)
	publishTest(t, h, "b", `1`)
	c.expect(`{"push":{"channel":"*","pub":{"data":1,"offset":2,"channel":"b","time":0}}}`)
	c.say(`{"id":4,"unsubscribe":{"channel":"*"}}`)
	c.expect(`{"id":4,"unsubscribe":{}}`)
	if _, err := h.Publish(t.Context(), &hub.Message{Channel: "a", Data: []byte(`"live"`)}, hub.PublishOptions{Live: true}); err != nil {
		t.Fatal(err)
	}
	c.expect(`{"push":{"channel":"a","pub":{"data":"live","time":0}}}`)
	publishTest(t, h, "a", `"stored"`)
	c.expect(`{"push":{"channel":"a","pub":{"data":"stored","offset":3,"time":0}}}`)
	h.Unsubscribe(hub.Target{AnyUser: true}, "a", hub.Reason{Cause: hub.CauseServer})
	c.expect(`{"push":{"channel":"a","unsubscribe":{"code":2000,"reason":"server unsubscribe"}}}`)
	c.expectNothing()
}

func TestCentrifugeJoinsAndLeaves(t *testing.T) {
	h := newTestHub(t, hub.Config{})
	d := NewCentrifuge(CentrifugeConfig{})
	watcher := connectCentrifuge(t, h, d, `{"name":"W"}`)
	watcher.say(`{"id":2,"subscribe":{"channel":"room","join_leave":true}}`)
	watcher.expect(`{"id":2,"subscribe":{"recoverable":true,"positioned":true,"epoch":"EPOCH","offset":0}}`,
		`{"push":{"channel":"room","join":{"info":{"client":"ME","user":"","conn_info":{"name":"W"}}}}}`)
	guest := connectCentrifuge(t, h, d, "")
	guest.say(`{"id":2,"subscribe":{"channel":"room","data":{"seat":4}}}`)
	watcher.expect(`{"push":{"channel":"room","join":{"info":{"client":"OTHER","user":"","chan_info":{"seat":4}}}}}`)
	guest.say(`{"id":3,"unsubscribe":{"channel":"room"}}`)
	watcher.expect(`{"push":{"channel":"room","leave":{"info":{"client":"OTHER","user":"","chan_info":{"seat":4}}}}}`)
	guest.next()
	guest.expect(`{"id":3,"unsubscribe":{}}`)
	guest.expectNothing()
}

func TestCentrifugeRepliesBeforeHeldMessages(t *testing.T) {
	engine := &hookEngine{Engine: newTestEngine(t, stream.Config{})}
	h := newTestHub(t, hub.Config{Engine: engine})
	c := connectCentrifuge(t, h, NewCentrifuge(CentrifugeConfig{}), "")
	publishTest(t, h, "a", "1")
	publishTest(t, h, "a", "2")
	engine.before(func(hub.Query) error {
		engine.before(nil)
		publishTest(t, h, "a", "3")
		_, err := h.Publish(t.Context(), &hub.Message{Channel: "a", Data: []byte("4")}, hub.PublishOptions{Live: true})
		return err
	})
	c.say(`{"id":2,"subscribe":{"channel":"a","recover":true,"offset":1}}`)
	c.expect(`{"id":2,"subscribe":{"recoverable":true,"positioned":true,"epoch":"EPOCH","offset":1,"recovered":true,"was_recovering":true,"publications":[{"data":2,"offset":2,"time":0},{"data":3,"offset":3,"time":0}]}}`,
		`{"push":{"channel":"a","pub":{"data":4,"time":0}}}`)
	publishTest(t, h, "a", "5")
	c.expect(`{"push":{"channel":"a","pub":{"data":5,"offset":4,"time":0}}}`)
}

// received collects the offsets of a subscribe's reply and of the pushes behind it.
type received struct {
	Subscribe *struct {
		Recovered    bool
		Offset       uint64
		Publications []struct{ Offset uint64 }
	}
	Push *struct{ Pub struct{ Offset uint64 } }
}

func TestCentrifugeRecoversAllThatIsKeptOnce(t *testing.T) {
	const before, after = 700, 100 // over two pages, some while the client recovers
	engine := &hookEngine{Engine: newTestEngine(t, stream.Config{})}
	h := newTestHub(t, hub.Config{Engine: engine, OutboxBytes: 64 << 10})
	for i := range before {
		publishTest(t, h, "a", fmt.Sprintf(`"message %d of many, long enough to fill the outbox"`, i))
		publishTest(t, h, "b", `"another channel"`)
	}
	reads := 0
	engine.before(func(hub.Query) error {
		for range after / 4 * min(1, max(0, 4-reads)) {
			publishTest(t, h, "a", `"while it recovers"`)
		}
		reads++
		return nil
	})
	c := dialCentrifuge(t, h, NewCentrifuge(CentrifugeConfig{RecoverBytes: 4 << 10}))
	c.lazy = true
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.say(`{"id":1,"connect":{}}` + "\n" + `{"id":2,"subscribe":{"channel":"a","recover":true,"offset":11}}`)
	}()
	c.next()
	var got received
	if err := json.Unmarshal([]byte(c.next()), &got); err != nil || got.Subscribe == nil || !got.Subscribe.Recovered || got.Subscribe.Offset != 11 {
		t.Fatalf("the reply is %+v (%v)", got, err)
	}
	inReply, last := len(got.Subscribe.Publications), uint64(11)
	if inReply < 10 || inReply > 100 {
		t.Errorf("%d publications are in the reply", inReply)
	}
	for _, pub := range got.Subscribe.Publications {
		last = c.rises(last, pub.Offset)
	}
	for range before + after - 6 - inReply {
		got = received{}
		if err := json.Unmarshal([]byte(c.next()), &got); err != nil || got.Push == nil {
			t.Fatalf("after offset %d came %+v (%v)", last, got, err)
		}
		last = c.rises(last, got.Push.Pub.Offset)
	}
	<-done
	c.expectNothing()
	c.expectKept("a", 11, before+after-6)
}

func (c *centrifugeClient) rises(last, offset uint64) uint64 {
	if offset <= last {
		c.t.Fatalf("offset %d came after %d", offset, last)
	}
	return offset
}

// expectKept checks that n messages are in the history behind an offset.
func (c *centrifugeClient) expectKept(channel string, offset uint64, n int) {
	c.t.Helper()
	page, err := c.peer.Session().Actor().History(c.ctx, hub.Query{Channel: channel, After: hub.Position{Seq: offset}, Limit: 10 * n})
	if err != nil || len(page.Messages) != n {
		c.t.Errorf("%d messages are kept (%v), want %d", len(page.Messages), err, n)
	}
}

func TestCentrifugeTellsWhenHistoryWasTrimmed(t *testing.T) {
	h := newTestHub(t, hub.Config{Engine: newTestEngine(t, stream.Config{Rules: hub.Rules{{Name: "few", Channels: ">", Messages: 3, Age: time.Hour}}})})
	c := connectCentrifuge(t, h, NewCentrifuge(CentrifugeConfig{}), "")
	for i := range 5 {
		publishTest(t, h, "a", fmt.Sprint(i))
	}
	c.say(`{"id":2,"subscribe":{"channel":"a","recover":true,"offset":1}}`)
	c.expect(`{"id":2,"subscribe":{"recoverable":true,"positioned":true,"epoch":"EPOCH","offset":5,"was_recovering":true}}`)
	c.say(`{"id":3,"unsubscribe":{"channel":"a"}}` + "\n" + `{"id":4,"subscribe":{"channel":"a","recover":true,"offset":1,"flag":2}}`)
	c.expect(`{"id":3,"unsubscribe":{}}`, `{"id":4,"error":{"code":112,"message":"history does not reach back to the position asked for"}}`)
	c.say(`{"id":5,"subscribe":{"channel":"a","recover":true,"offset":3}}`)
	c.expect(`{"id":5,"subscribe":{"recoverable":true,"positioned":true,"epoch":"EPOCH","offset":3,"recovered":true,"was_recovering":true,"publications":[{"data":3,"offset":4,"time":0},{"data":4,"offset":5,"time":0}]}}`)
}

func TestCentrifugeSubscribeFailsWithoutTheStore(t *testing.T) {
	engine := &hookEngine{Engine: newTestEngine(t, stream.Config{})}
	h := newTestHub(t, hub.Config{Engine: engine})
	c := connectCentrifuge(t, h, NewCentrifuge(CentrifugeConfig{}), "")
	engine.before(func(hub.Query) error { return hub.Errorf(hub.CodeUnavailable, "the store is away") })
	for _, options := range []string{``, `,"recover":true,"offset":1`} {
		c.say(`{"id":2,"subscribe":{"channel":"a"` + options + `}}`)
		c.expect(`{"id":2,"error":{"code":100,"message":"the store is away","temporary":true}}`)
	}
	engine.before(nil)
	c.say(`{"id":3,"subscribe":{"channel":"a"}}`)
	c.expect(`{"id":3,"subscribe":{"recoverable":true,"positioned":true,"epoch":"EPOCH","offset":0}}`)
}

func TestCentrifugeBrokenRecoveryEndsTheSubscription(t *testing.T) {
	engine := &hookEngine{Engine: newTestEngine(t, stream.Config{})}
	h := newTestHub(t, hub.Config{Engine: engine})
	for i := range backlogPage + 10 {
		publishTest(t, h, "a", fmt.Sprint(i))
	}
	c := connectCentrifuge(t, h, NewCentrifuge(CentrifugeConfig{RecoverBytes: 100}), "")
	reads := 0
	engine.before(func(hub.Query) error {
		if reads++; reads > 1 {
			return hub.Errorf(hub.CodeUnrecoverable, "trimmed meanwhile")
		}
		return nil
	})
	c.say(`{"id":2,"subscribe":{"channel":"a","recover":true,"offset":1}}`)
	var frames []string
	for len(frames) == 0 || !strings.Contains(frames[len(frames)-1], "unsubscribe") {
		frames = append(frames, c.next())
	}
	if n := len(frames); n < backlogPage/2 || frames[n-1] != `{"push":{"channel":"a","unsubscribe":{"code":2500,"reason":"insufficient state"}}}` {
		t.Errorf("%d frames came, the last is %s", n, frames[n-1])
	}
	publishTest(t, h, "a", `"not for it"`)
	engine.before(nil)
	c.say(`{"id":3,"presence":{"channel":"a"}}`)
	c.expect(`{"id":3,"presence":{"presence":{}}}`)
	c.expectNothing()
}

func TestCentrifugeSlowClientStopsOnlyItself(t *testing.T) {
	h := newTestHub(t, hub.Config{OutboxBytes: 4 << 10})
	d := NewCentrifuge(CentrifugeConfig{RecoverBytes: 1 << 10})
	for i := range 100 {
		publishTest(t, h, "a", fmt.Sprintf(`"message %d of many, long enough to fill the outbox"`, i))
	}
	slow := dialCentrifuge(t, h, d)
	slow.lazy = true
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	slow.peer.Receive(ctx, []byte(`{"id":1,"connect":{}}`+"\n"+`{"id":2,"subscribe":{"channel":"a","recover":true,"offset":1}}`))
	if ctx.Err() == nil {
		t.Error("Receive did not wait for the client to read")
	}
	if slow.peer.Session().Subscribed("a") {
		t.Error("the subscription that did not catch up is there")
	}
	quick := connectCentrifuge(t, h, d, "")
	quick.say(`{"id":2,"history":{"channel":"a","limit":1}}`)
	if frame := quick.next(); !strings.HasPrefix(frame, `{"id":2,"history"`) {
		t.Error(frame)
	}
}
