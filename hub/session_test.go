package hub_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"fanfold/hub"
)

func TestAMessageReachesItsSubscribersInOrder(t *testing.T) {
	h := newHub(t, hub.Config{Shards: 2})
	a, b, other := connect(t, h, hub.SessionConfig{}).follow(t, "news"), connect(t, h, hub.SessionConfig{}).follow(t, "news"), connect(t, h, hub.SessionConfig{}).follow(t, "sport")
	var want []string
	for i := range 20 {
		publish(t, h, "news", fmt.Sprint(i))
		want = append(want, fmt.Sprintf("news:%d", i))
	}
	publish(t, h, "sport", "1")
	same(t, "a", a.wait(t, 20), want...)
	same(t, "b", b.wait(t, 20), want...)
	same(t, "other", other.wait(t, 1), "sport:1")
}

func TestPatterns(t *testing.T) {
	h := newHub(t, hub.Config{})
	c := connect(t, h, hub.SessionConfig{}).follow(t, "news.*.today")
	publish(t, h, "news.rain.today", "1")
	publish(t, h, "news.rain", "2")
	publish(t, h, "news.sun.today", "3")
	same(t, "got", c.wait(t, 2), "news.rain.today:1", "news.sun.today:3")
}

func TestSeveralKeysBringEachMessageOnceInTheOrderOfTheStore(t *testing.T) {
	h := newHub(t, hub.Config{Shards: 4})
	c := connect(t, h, hub.SessionConfig{}).follow(t, "a", "b.*", "*.1", ">", "a")
	var want []string
	for i := range 30 {
		channel := []string{"a", "b.1", "c", "b.2", "d.1"}[i%5]
		publish(t, h, channel, fmt.Sprint(i))
		want = append(want, fmt.Sprintf("%s:%d", channel, i))
	}
	same(t, "got", c.wait(t, 30), want...)
}

func TestAPausedSubscriptionHoldsAndResumesBehindAPosition(t *testing.T) {
	h := newHub(t, hub.Config{})
	c := connect(t, h, hub.SessionConfig{})
	sub := c.subscribe(t, "c")
	witness := connect(t, h, hub.SessionConfig{}).follow(t, "c")
	publish(t, h, "c", "1")
	second := publish(t, h, "c", "2")
	publish(t, h, "c", "3")
	live := &hub.Message{Channel: "c", Data: []byte("4")}
	if _, err := h.Publish(t.Context(), live, hub.PublishOptions{Live: true}); err != nil {
		t.Fatal(err)
	}
	witness.wait(t, 4)
	sub.Resume(second.Position)
	publish(t, h, "c", "5")
	same(t, "got", c.wait(t, 3), "c:3", "c:4", "c:5")
}

func TestAMessageThatWasReadDoesNotComeAgain(t *testing.T) {
	h := newHub(t, hub.Config{})
	c := connect(t, h, hub.SessionConfig{})
	sub := c.subscribe(t, "c")
	var read hub.Position
	for i := range 5 {
		read = publish(t, h, "c", fmt.Sprint(i)).Position
	}
	sub.Resume(read) // the copies may still be on their way to the shard
	publish(t, h, "c", "new")
	same(t, "got", c.wait(t, 1), "c:new")
}

func TestUnsubscribe(t *testing.T) {
	h := newHub(t, hub.Config{})
	c, witness := connect(t, h, hub.SessionConfig{}).follow(t, "c", "d"), connect(t, h, hub.SessionConfig{}).follow(t, "c")
	if !c.Subscribed("c") || !c.Unsubscribe("c") || c.Unsubscribe("c") || c.Subscribed("c") {
		t.Error("the subscription was not there, or is still there")
	}
	publish(t, h, "c", "1")
	witness.wait(t, 1)
	c.follow(t, "c")
	publish(t, h, "c", "2")
	same(t, "got", c.wait(t, 1), "c:2")
}

func TestSubscribeRefuses(t *testing.T) {
	h := newHub(t, hub.Config{MaxSubscriptions: 3})
	c := connect(t, h, hub.SessionConfig{}).follow(t, "a", "b")
	for _, test := range []struct {
		keys []string
		want hub.Code
	}{
		{nil, hub.CodeBadRequest},
		{[]string{"x y"}, hub.CodeBadRequest},
		{[]string{"a"}, hub.CodeAlreadySubscribed},
		{[]string{"c", "d"}, hub.CodeLimit},
	} {
		_, err := c.Subscribe(t.Context(), hub.SubscribeOptions{Keys: test.keys})
		if err == nil || hub.ErrorOf(err).Code != test.want {
			t.Errorf("%q: got %v, want code %d", test.keys, err, test.want)
		}
	}
	if info, err := h.Info(t.Context()); err != nil || info.Overbooked != 1 {
		t.Errorf("%d subscriptions too many were counted, %v", info.Overbooked, err)
	}
	c.follow(t, "c")
	c.leave()
	if _, err := c.Subscribe(t.Context(), hub.SubscribeOptions{Keys: []string{"z"}}); hub.ErrorOf(err).Code != hub.CodeClosed {
		t.Errorf("after the end: got %v, want CodeClosed", err)
	}
}

func TestAFilterLeavesMessagesOut(t *testing.T) {
	h := newHub(t, hub.Config{})
	c := connect(t, h, hub.SessionConfig{})
	sub, err := c.Subscribe(t.Context(), hub.SubscribeOptions{Keys: []string{"c"}, Filter: func(m *hub.Message) bool { return string(m.Data) != "2" }})
	if err != nil {
		t.Fatal(err)
	}
	sub.Resume(hub.Position{})
	for _, data := range []string{"1", "2", "3"} {
		publish(t, h, "c", data)
	}
	same(t, "got", c.wait(t, 2), "c:1", "c:3")
}

func TestTheExcludedClientIsNotTold(t *testing.T) {
	h := newHub(t, hub.Config{})
	sender, other := connect(t, h, hub.SessionConfig{}).follow(t, "c"), connect(t, h, hub.SessionConfig{}).follow(t, "c")
	paused := connect(t, h, hub.SessionConfig{})
	sub := paused.subscribe(t, "c")
	for i, id := range []string{"", sender.Client().ID, paused.Client().ID, "nobody"} {
		for _, live := range []bool{false, true} {
			m := &hub.Message{Channel: "c", Data: fmt.Append(nil, i), Exclude: id}
			if _, err := h.Publish(t.Context(), m, hub.PublishOptions{Live: live}); err != nil {
				t.Fatal(err)
			}
		}
	}
	same(t, "other", other.wait(t, 8), "c:0", "c:0", "c:1", "c:1", "c:2", "c:2", "c:3", "c:3")
	same(t, "sender", sender.wait(t, 6), "c:0", "c:0", "c:2", "c:2", "c:3", "c:3")
	sub.Resume(hub.Position{})
	same(t, "paused", paused.wait(t, 6), "c:0", "c:0", "c:1", "c:1", "c:3", "c:3")
	page, err := h.History(t.Context(), hub.Query{Channel: "c", Limit: 9})
	if err != nil || len(page.Messages) != 4 || !page.Messages[1].Excludes(sender.Client()) || page.Messages[0].Excludes(sender.Client()) || page.Messages[1].Excludes(other.Client()) {
		t.Errorf("history does not say who is excluded: %+v, %v", page.Messages, err)
	}
}

func TestAnEventIsEncodedOncePerCodec(t *testing.T) {
	h := newHub(t, hub.Config{})
	one, two := words{name: "1 ", calls: &counter{}}, words{name: "2 ", calls: &counter{}}
	var clients []*client
	for i := range 20 {
		clients = append(clients, connect(t, h, hub.SessionConfig{Codec: []words{one, two}[i%2]}).follow(t, "c"))
	}
	publish(t, h, "c", "x")
	for i, c := range clients {
		same(t, "got", c.wait(t, 1), fmt.Sprintf("%d c:x", i%2+1))
	}
	if one.calls.n != 1 || two.calls.n != 1 {
		t.Errorf("encoded %d and %d times, want once each", one.calls.n, two.calls.n)
	}
}

func TestPresenceJoinAndLeave(t *testing.T) {
	h := newHub(t, hub.Config{Shards: 3})
	ann := connectAs(t, h, "ann", hub.SessionConfig{ClientID: "1"})
	sub, err := ann.Subscribe(t.Context(), hub.SubscribeOptions{Keys: []string{"room"}, JoinLeave: true, Info: []byte(`"host"`)})
	if err != nil {
		t.Fatal(err)
	}
	sub.Resume(hub.Position{})
	bob := connect(t, h, hub.SessionConfig{ClientID: "2"})
	bob.Identify(&hub.Principal{User: "bob", Info: []byte(`{"a":1}`), Grant: hub.Everything()})
	bob.follow(t, "room")
	connect(t, h, hub.SessionConfig{ClientID: "3"}).follow(t, "room.>") // not in the room
	same(t, "ann", ann.wait(t, 2), "join room ann", "join room bob")

	here, err := h.Presence(t.Context(), "room")
	if err != nil || len(here) != 2 || here[0].User != "ann" || string(here[0].ChannelInfo) != `"host"` || here[1].User != "bob" || string(here[1].Info) != `{"a":1}` {
		t.Errorf("presence: %+v, %v", here, err)
	}
	channels, err := h.Channels(t.Context(), "")
	if err != nil || len(channels) != 2 || channels["room"] != 2 || channels["room.>"] != 1 {
		t.Errorf("channels: %v, %v", channels, err)
	}
	bob.leave()
	same(t, "ann", ann.wait(t, 3)[2:], "leave room bob")
	if here, _ = h.Presence(t.Context(), "room"); len(here) != 1 {
		t.Errorf("after bob left: %+v", here)
	}
	same(t, "bob, who did not ask", bob.frames())
}

func TestAnOperatorUnsubscribesAndDisconnects(t *testing.T) {
	h := newHub(t, hub.Config{})
	ann := connectAs(t, h, "ann", hub.SessionConfig{}).follow(t, "c")
	second := connectAs(t, h, "ann", hub.SessionConfig{}).follow(t, "c")
	bob := connectAs(t, h, "bob", hub.SessionConfig{}).follow(t, "c")
	if n, err := h.Unsubscribe(hub.Target{User: "ann", Client: ann.Client().ID}, "c", hub.Reason{Code: 2000}); n != 1 || err != nil {
		t.Errorf("unsubscribed %d sessions, want 1", n)
	}
	same(t, "ann", ann.wait(t, 1), "unsubscribed c 2000")
	if n, err := h.Disconnect(hub.Target{User: "ann"}, hub.Reason{Cause: hub.CauseServer, Code: 4000, Text: "go"}); n != 2 || err != nil {
		t.Errorf("disconnected %d sessions, want 2", n)
	}
	if r := second.waitClosed(t); r.Code != 4000 || r.Text != "go" {
		t.Errorf("closed for %+v", r)
	}
	publish(t, h, "c", "1")
	same(t, "bob", bob.wait(t, 1), "c:1")
	if n, err := h.Disconnect(hub.Target{AnyUser: true, Client: bob.Client().ID}, hub.Reason{}); n != 1 || err != nil {
		t.Errorf("by client ID alone: disconnected %d sessions, want 1", n)
	}
}

func TestAnUnsubscribedClientThatCantBeToldIsClosed(t *testing.T) {
	h := newHub(t, hub.Config{})
	c := connect(t, h, hub.SessionConfig{Codec: positions{}}).follow(t, "c")
	h.Unsubscribe(hub.Target{AnyUser: true}, "c", hub.Reason{Cause: hub.CauseServer, Text: "enough"})
	if r := c.waitClosed(t); r.Text != "enough" {
		t.Errorf("closed for %+v", r)
	}
}

func TestAStalledReaderDelaysNobodyAndIsClosed(t *testing.T) {
	const limit = 300_000 // several times what a shard gathers before it wakes anybody
	h := newHub(t, hub.Config{OutboxBytes: limit, Shards: 1})
	stalled := connectTo(t, h, hub.SessionConfig{}, &client{stalled: true}).follow(t, "c")
	held := connect(t, h, hub.SessionConfig{}) // what it holds counts as well
	held.subscribe(t, "c")
	quick := connect(t, h, hub.SessionConfig{}).follow(t, "c")
	data := `"` + strings.Repeat("x", 20_000) + `"`
	for range 20 {
		publish(t, h, "c", data)
	}
	quick.wait(t, 20)
	for name, c := range map[string]*client{"stalled": stalled, "held": held} {
		if r := c.waitClosed(t); r.Cause != hub.CauseSlow {
			t.Errorf("%s: closed for %+v, want CauseSlow", name, r)
		}
		if got := c.Take(nil, 1<<20); len(got) != 0 {
			t.Errorf("%s: %d frames are kept for nothing", name, len(got))
		}
	}
	if info, err := h.Info(t.Context()); err != nil || info.Slow != 2 {
		t.Errorf("counted %d slow sessions (%v), want 2", info.Slow, err)
	}
}

func TestCloseSendsWhatWaitsFirst(t *testing.T) {
	h := newHub(t, hub.Config{})
	c := connectTo(t, h, hub.SessionConfig{}, &client{stalled: true})
	c.Send([]byte("one"))
	c.Send([]byte("two"))
	c.Session.Close(hub.Reason{Cause: hub.CauseBadRequest})
	c.Send([]byte("too late"))
	if c.reason() != nil {
		t.Fatal("closed before the frames were taken")
	}
	c.drain()
	same(t, "got", c.frames(), "one", "two")
	if r := c.waitClosed(t); r.Cause != hub.CauseBadRequest {
		t.Errorf("closed for %+v", r)
	}
	c.Session.Close(hub.Reason{Cause: hub.CauseSlow}) // a second call counts for nothing
}

func TestTakeIsBoundedAndNeverEmptyHanded(t *testing.T) {
	h := newHub(t, hub.Config{})
	c := connectTo(t, h, hub.SessionConfig{}, &client{stalled: true})
	for _, frame := range []string{"aaaa", "bb", "cc", ""} {
		c.Send([]byte(frame))
	}
	var sizes []int
	for {
		n := len(c.Take(nil, 4))
		if n == 0 {
			break
		}
		sizes = append(sizes, n)
	}
	if !slices.Equal(sizes, []int{1, 3}) {
		t.Errorf("taken in portions of %v frames, want 1, 3", sizes)
	}
}

func TestRoomWaitsForTheTransport(t *testing.T) {
	h := newHub(t, hub.Config{OutboxBytes: 1000})
	c := connectTo(t, h, hub.SessionConfig{}, &client{stalled: true})
	if err := c.Room(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.Send(make([]byte, 600))
	waited := make(chan error, 1)
	go func() { waited <- c.Room(t.Context()) }()
	select {
	case err := <-waited:
		t.Fatalf("there is no room, but Room returned %v", err)
	default:
	}
	c.drain()
	if err := <-waited; err != nil {
		t.Error(err)
	}
	c.Send(make([]byte, 600))
	go func() { waited <- c.Room(t.Context()) }()
	c.Session.Close(hub.Reason{})
	if err := <-waited; hub.ErrorOf(err).Code != hub.CodeClosed {
		t.Errorf("after Close: got %v, want CodeClosed", err)
	}
}

func TestEmptyFramesCountToo(t *testing.T) {
	h := newHub(t, hub.Config{OutboxBytes: 1000})
	c := connectTo(t, h, hub.SessionConfig{}, &client{stalled: true})
	for range 1000 {
		c.Send([]byte{})
	}
	if r := c.waitClosed(t); r.Cause != hub.CauseSlow {
		t.Errorf("closed for %+v, want CauseSlow", r)
	}
}

// TestWhatIsHeldDoesNotStopTheCatchUpThatReleasesIt: live messages are held for
// a subscription that reads history. They take room that only its Resume gives back.
func TestWhatIsHeldDoesNotStopTheCatchUpThatReleasesIt(t *testing.T) {
	h := newHub(t, hub.Config{OutboxBytes: 10_000})
	c := connect(t, h, hub.SessionConfig{})
	sub := c.subscribe(t, "c")
	witness := connect(t, h, hub.SessionConfig{}).follow(t, "c")
	data := `"` + strings.Repeat("x", 1000) + `"`
	for range 9 { // over half of the outbox, nearly all
		publish(t, h, "c", data)
	}
	witness.wait(t, 9)
	for range 3 {
		if err := c.Room(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.Send([]byte(strings.Repeat("h", 2000)))
	}
	sub.Resume(hub.Position{})
	if got := c.wait(t, 12); !strings.HasPrefix(got[2], "h") || !strings.HasPrefix(got[3], "c:") || c.reason() != nil {
		t.Errorf("got %.10q, closed %v", got, c.reason())
	}
}

func TestTheEndOfAPausedSubscriptionIsToldAtResume(t *testing.T) {
	h := newHub(t, hub.Config{})
	c := connect(t, h, hub.SessionConfig{})
	sub := c.subscribe(t, "c")
	if n, err := h.Unsubscribe(hub.Target{AnyUser: true}, "c", hub.Reason{Code: 7}); n != 1 || err != nil {
		t.Fatalf("unsubscribed %d sessions", n)
	}
	if _, err := h.Channels(t.Context(), ""); err != nil { // the shards have seen it
		t.Fatal(err)
	}
	c.Send([]byte("confirmed"))
	sub.Resume(hub.Position{})
	same(t, "got", c.wait(t, 2), "confirmed", "unsubscribed c 7")
}

func TestPublishRefuses(t *testing.T) {
	h := newHub(t, hub.Config{MaxMessageBytes: 10})
	for _, test := range []struct {
		channel, data string
		want          hub.Code
	}{
		{"a.*", "1", hub.CodeBadRequest},
		{"", "1", hub.CodeBadRequest},
		{"a", "12345678901", hub.CodeTooLarge},
	} {
		_, err := h.Publish(t.Context(), &hub.Message{Channel: test.channel, Data: []byte(test.data)}, hub.PublishOptions{})
		if err == nil || hub.ErrorOf(err).Code != test.want {
			t.Errorf("%+v: got %v", test, err)
		}
	}
}
