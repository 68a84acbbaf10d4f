package stream_test

import (
	"fmt"
	"slices"
	"testing"

	"fanfold/hub"
	"fanfold/hub/stream"
)

// neighbours returns another channel of the same bucket, and one of another bucket.
func neighbours(e *stream.Engine, channel string) (same, other string) {
	for i := 0; same == "" || other == ""; i++ {
		name := fmt.Sprintf("%s.%d", channel, i)
		if e.Bucket(name) == e.Bucket(channel) {
			same = name
		} else {
			other = name
		}
	}
	return same, other
}

// channels returns those of the next n messages.
func (h hearer) channels(n int) (all []string) {
	for range n {
		all = append(all, (<-h).Channel)
	}
	return all
}

func listen(t *testing.T, e *stream.Engine, pattern string, l hub.Listener) (stop func()) {
	t.Helper()
	stop, err := e.Listen(pattern, l)
	if err != nil {
		t.Fatal(err)
	}
	return stop
}

func TestChannelsOfABucketAreToldApart(t *testing.T) {
	e, _ := open(t, stream.Config{})
	same, other := neighbours(e, "c")
	say := func(channel string, live bool) {
		t.Helper()
		m := &hub.Message{Channel: channel, Data: []byte(`1`)}
		if _, err := e.Publish(t.Context(), m, hub.PublishOptions{Live: live}); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(who string, h hearer, want ...string) {
		t.Helper()
		if got := h.channels(len(want)); !slices.Equal(got, want) {
			t.Errorf("%s hears of %q, want %q", who, got, want)
		}
	}
	own, twin, neighbour, all := make(hearer, 16), make(hearer, 16), make(hearer, 16), make(hearer, 16)
	stopOwn := listen(t, e, "c", own)
	defer listen(t, e, "c", twin)()
	defer listen(t, e, same, neighbour)()
	defer listen(t, e, ">", all)()
	for _, live := range []bool{false, true} {
		say(same, live)
		say(other, live)
		say("c", live)
	}
	expect("the listener of all", all, same, other, "c", same, other, "c")
	expect("the first listener", own, "c", "c")
	expect("the second one", twin, "c", "c")
	expect("the neighbour", neighbour, same, same)
	stopOwn()
	say("c", false)
	say(same, false)
	expect("the second one, alone", twin, "c")
	expect("the neighbour, afterwards", neighbour, same)
	for who, h := range map[string]hearer{"the one who stopped": own, "the second one": twin, "the neighbour": neighbour} {
		if len(h) > 0 {
			t.Errorf("%s hears of %q as well", who, h.channels(len(h)))
		}
	}
}

func TestTheLastListenerEndsTheBucket(t *testing.T) {
	e, _ := open(t, stream.Config{})
	same, other := neighbours(e, "c")
	before := e.Subscriptions()
	stops := []func(){listen(t, e, "c", make(hearer, 1)), listen(t, e, same, make(hearer, 1))}
	if n := e.Subscriptions() - before; n != 1 {
		t.Errorf("two channels of a bucket take %d subscriptions, want 1", n)
	}
	stops = append(stops, listen(t, e, other, make(hearer, 1)), listen(t, e, "c.>", make(hearer, 1)))
	if n := e.Subscriptions() - before; n != 3 {
		t.Errorf("two buckets and a pattern take %d subscriptions, want 3", n)
	}
	for _, stop := range stops {
		stop()
		stop() // changes nothing
	}
	if n := e.Subscriptions() - before; n != 0 {
		t.Errorf("%d subscriptions are left when nobody listens", n)
	}
}

func TestALossIsToldToTheBucket(t *testing.T) {
	e, _ := open(t, stream.Config{Inbox: 4})
	same, other := neighbours(e, "c")
	slow := blocker{release: make(chan struct{}), lost: make(chan struct{}, 64)}
	beside := blocker{release: slow.release, lost: make(chan struct{}, 64)}
	apart := blocker{release: slow.release, lost: make(chan struct{}, 64)}
	defer listen(t, e, "c", slow)()
	defer listen(t, e, same, beside)()
	defer listen(t, e, other, apart)()
	for range 20 {
		text(t, e, "x")
	}
	<-slow.lost
	<-beside.lost
	close(slow.release)
	if len(apart.lost) > 0 {
		t.Error("a listener of another bucket is told of the loss")
	}
}
