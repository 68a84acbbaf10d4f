package dialect

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"fanfold/hub"
)

// Each option is taken under each of its names, from headers and queries, from
// ntfy's JSON and from the server API, and means the same.
func TestPublishOptionsByEveryName(t *testing.T) {
	in := func(d time.Duration) *hub.Timetable { return &hub.Timetable{At: ntfyNow.Add(d)} }
	for _, row := range []struct {
		params, json, api string // names, of headers in the first
		value             string
		want              Publish // Message has what is set beside Channel and Data
	}{
		{"X-Idempotency-Key Idempotency-Key Idempotency_key", "idempotency_key", "idempotency_key", "once-1",
			Publish{Options: hub.PublishOptions{IdempotencyKey: "once-1"}}},
		{"Idempotency-Key", "idempotency_key", "idempotency_key", `"once 2"`, Publish{Options: hub.PublishOptions{IdempotencyKey: "once 2"}}},
		{"X-Ttl Ttl", "ttl", "ttl", "90", Publish{Options: hub.PublishOptions{TTL: 90 * time.Second}}},
		{"X-Ttl Ttl", "ttl", "ttl", "2d", Publish{Options: hub.PublishOptions{TTL: 48 * time.Hour}}},
		{"X-Ttl Ttl", "ttl", "ttl", "0", Publish{Options: hub.PublishOptions{Live: true}}},
		{"X-Delay Delay X-At At X-In In", "delay at in", "delay at", "30m", Publish{When: in(30 * time.Minute)}},
		{"X-Delay Delay X-At At X-In In", "delay at in", "delay at", fmt.Sprint(ntfyNow.Unix() + 60), Publish{When: in(time.Minute)}},
		{"X-Schedule Schedule", "schedule", "schedule", "@every 1 hour", Publish{When: &hub.Timetable{Every: time.Hour}}},
		{"X-Schedule Schedule", "schedule", "schedule", " 0  8 * * MON ", Publish{When: &hub.Timetable{Cron: "0 8 * * MON"}}},
		{"X-Schedule Schedule", "schedule", "schedule", "@daily", Publish{When: &hub.Timetable{Cron: "@daily"}}},
		{"X-Sequence-Id Sequence-Id Sequence_id Sid", "sequence_id", "sequence_id", "job_1", Publish{Message: &hub.Message{Sequence: "job_1"}}},
		{"X-Exclude-Client Exclude-Client Exclude_client", "exclude_client", "exclude_client", "c-1", Publish{Message: &hub.Message{Exclude: "c-1"}}},
	} {
		check := func(what string, got Publish, err error) {
			t.Helper()
			if err != nil {
				t.Errorf("%s: %s: %v", what, row.value, err)
				return
			}
			m := row.want.Message
			if m == nil {
				m = &hub.Message{}
			}
			if got.Message.Sequence != m.Sequence || got.Message.Exclude != m.Exclude || got.Options != row.want.Options || !reflect.DeepEqual(got.When, row.want.When) {
				t.Errorf("%s: %s is %+v, when %+v, message %+v", what, row.value, got.Options, got.When, got.Message)
			}
			if n, _ := ParseNotification(got.Message.Data); n.SequenceID != m.Sequence {
				t.Errorf("%s: %s has the data %s", what, row.value, got.Message.Data)
			}
		}
		for name := range strings.FieldsSeq(row.params) {
			p, err := ParsePublish(PublishRequest{Channel: "c", Header: map[string][]string{name: {row.value}}, Now: ntfyNow})
			check("header "+name, p, err)
			p, err = ParsePublish(PublishRequest{Channel: "c", Query: map[string][]string{strings.ToLower(name): {row.value}}, Now: ntfyNow})
			check("query "+name, p, err)
		}
		for name := range strings.FieldsSeq(row.json) {
			for _, value := range jsonForms(row.value) {
				p, err := ParsePublishJSON(PublishRequest{Body: fmt.Appendf(nil, `{"topic":"c",%q:%s}`, name, value), Now: ntfyNow})
				check("JSON "+name, p, err)
			}
		}
		for name := range strings.FieldsSeq(row.api) {
			for _, value := range jsonForms(row.value) {
				var q apiPublication
				if err := decodeStrict("publish", fmt.Appendf(nil, `{"data":{"message":""},%q:%s}`, name, value), &q); err != nil {
					t.Fatal(err)
				}
				p, err := q.template("publish", ntfyNow)
				check("server API "+name, p, err)
			}
		}
	}
}

// jsonForms are a value as a string and, if it is one, as a number.
func jsonForms(value string) []string {
	forms := []string{fmt.Sprintf("%q", value)}
	if _, rest, ok := cutNumber(value); ok && rest == "" {
		forms = append(forms, value)
	}
	return forms
}

func TestPublishTimesAreThoseOfTheZone(t *testing.T) {
	for name := range strings.FieldsSeq("X-Timezone Timezone") {
		r := PublishRequest{Channel: "c", Now: whenNow, Header: map[string][]string{"At": {"tomorrow, 10am"}, name: {"America/New_York"}}}
		p, err := ParsePublish(r)
		if want := time.Date(2026, 3, 6, 15, 0, 0, 0, time.UTC); err != nil || !p.When.At.Equal(want) {
			t.Errorf("%s: %+v, %v", name, p.When, err)
		}
		delete(r.Header, "At")
		r.Header["Schedule"] = []string{"0 10 * * *"}
		if p, err = ParsePublish(r); err != nil || *p.When != (hub.Timetable{Cron: "0 10 * * *", Zone: "America/New_York"}) {
			t.Errorf("%s: %+v, %v", name, p.When, err)
		}
	}
}

func TestPublishSequenceOfThePathComesFirst(t *testing.T) {
	p, err := ParsePublish(PublishRequest{Channel: "c", Sequence: "path", Header: map[string][]string{"Sid": {"header"}}})
	if err != nil || p.Message.Sequence != "path" || string(p.Message.Data) != `{"message":"triggered","sequence_id":"path"}` {
		t.Errorf("%+v, %v", p.Message, err)
	}
	for name := range strings.FieldsSeq(sequenceRoutes) {
		_, err := ParsePublish(PublishRequest{Channel: "c", Sequence: name})
		ntfyRefused(t, name, err, NtfyBadSequence, "taken by the route /{channel}/"+name)
	}
}

// sendNtfy publishes and returns the reply.
func sendNtfy(t *testing.T, h *hub.Actor, headers ...string) ntfyMessage {
	t.Helper()
	r := PublishRequest{Channel: "c", Header: map[string][]string{}, Body: []byte("x"), Now: time.Now()}
	for i := 0; i < len(headers); i += 2 {
		r.Header[headers[i]] = []string{headers[i+1]}
	}
	p, err := ParsePublish(r)
	if err != nil {
		t.Fatal(err)
	}
	reply, err := p.Send(t.Context(), h)
	if err != nil {
		t.Fatal(err)
	}
	checkNtfyLine(t, reply)
	var m ntfyMessage
	if err := json.Unmarshal(reply, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestRepliesSayWhatBecameOfAPublish(t *testing.T) {
	h := newTestHub(t, hub.Config{})
	first := sendNtfy(t, h, "Idempotency-Key", "k", "Ttl", "60")
	if first.Duplicate || first.Scheduled || first.Expires < time.Now().Unix()+55 || first.Expires > time.Now().Unix()+61 {
		t.Errorf("the first: %+v", first)
	}
	if again := sendNtfy(t, h, "Idempotency-Key", "k", "Ttl", "60"); !again.Duplicate || again.ID != first.ID || again.Offset != first.Offset || again.Expires != 0 {
		t.Errorf("the same again: %+v", again)
	}
	later := sendNtfy(t, h, "In", "1h", "Idempotency-Key", "k2")
	if due := time.Unix(later.Time, 0); !later.Scheduled || later.Offset != 0 || time.Until(due) < 59*time.Minute || time.Until(due) > time.Hour {
		t.Errorf("later: %+v", later)
	}
	if again := sendNtfy(t, h, "In", "2h", "Idempotency-Key", "k2"); !again.Duplicate || !again.Scheduled || again.ID != later.ID || again.Time != later.Time {
		t.Errorf("later again: %+v, first %+v", again, later)
	}
	if often := sendNtfy(t, h, "Schedule", "@every 2h"); !often.Scheduled || often.Duplicate || often.ID == later.ID {
		t.Errorf("again and again: %+v", often)
	}
}

func TestWhatWaitsIsShownWhereAskedFor(t *testing.T) {
	h := newTestHub(t, hub.Config{})
	sendNtfy(t, h)
	later := sendNtfy(t, h, "At", "1h", "Title", "later")
	for wish, want := range map[string][]string{
		"c?poll=1": {"x"}, "c?poll=1&scheduled=1": {"x", "x at its time"}, "c,*,>?poll=1&scheduled=1": {"x", "x at its time"},
		"other?poll=1&scheduled=1": nil, "c?poll=1&sched=yes&since=none": {"x at its time"}, "c?poll=1&scheduled=1&title=nothing": nil,
	} {
		var got []string
		err := CatchUp(t.Context(), h, nil, ntfyWish(t, wish), NtfyJSON{}, ntfyNow, func(frame []byte) error {
			var e ntfyMessage
			if err := json.Unmarshal(frame, &e); err != nil {
				return err
			}
			text := e.Message
			if e.Scheduled && e.ID == later.ID && e.Time == later.Time {
				text += " at its time"
			}
			got = append(got, text)
			return nil
		})
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v, want %q", wish, got, err, want)
		}
	}
	r := subscribeNtfy(t, h, "c?since=all&scheduled=1")
	publishNtfy(t, h, "c", "live")
	r.expect("<open>", "x", "x", "live")
	r.expectNothing()
}

func TestNtfyDeletesAndClears(t *testing.T) {
	h := newTestHub(t, hub.Config{})
	later := sendNtfy(t, h, "In", "1h")
	named := sendNtfy(t, h, "In", "1h", "Sid", "job")
	reader := subscribeNtfy(t, h, "c?title=nothing")
	reader.expect("<open>")
	tell := func(do func(*testing.T, string) ([]byte, error), id string) (e ntfyMessage) {
		t.Helper()
		reply, err := do(t, id)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(reply, &e); err != nil {
			t.Fatal(err)
		}
		return e
	}
	remove := func(t *testing.T, id string) ([]byte, error) {
		return NtfyDelete(t.Context(), h, SequenceRequest{Channel: "c", Sequence: id})
	}
	if e := tell(remove, later.ID); !e.Cancelled || e.ID != later.ID || e.Scheduled || e.Offset != 0 {
		t.Errorf("a cancelled schedule: %+v", e)
	}
	reader.expectNothing() // nobody had seen it
	if e := tell(remove, "job"); e.Event != eventDelete || e.SequenceID != "job" || e.Cancelled || e.Topic != "c" || e.Offset == 0 {
		t.Errorf("a deletion: %+v", e)
	}
	if list, _, err := h.Scheduled(t.Context(), "c", "", 9); err != nil || len(list) != 0 {
		t.Errorf("%s and %s were cancelled, and there is %+v, %v", later.ID, named.ID, list, err)
	}
	clear := func(t *testing.T, id string) ([]byte, error) {
		return NtfyClear(t.Context(), h, SequenceRequest{Channel: "c", Sequence: id, Query: map[string][]string{"exclude-client": {"me"}}})
	}
	if e := tell(clear, "job"); e.Event != eventClear || e.SequenceID != "job" {
		t.Errorf("a clearing: %+v", e)
	}
	reader.expect("<message_delete>", "<message_clear>") // although a filter is asked for
	page, err := h.History(t.Context(), hub.Query{Channel: "c", Limit: 9})
	if err != nil || len(page.Messages) != 2 || page.Messages[0].Sequence != "job" || page.Messages[1].Sequence != "" || page.Messages[1].Exclude != "me" {
		t.Errorf("%d are stored, %v", len(page.Messages), err)
	}
}

// What waits is an older state than what is published or scheduled after it, and
// does not come any more.
func TestTheNewestStateTakesThePlaceOfWhatWaits(t *testing.T) {
	h := newTestHub(t, hub.Config{})
	waiting := func() (ids []string) {
		list, _, err := h.Scheduled(t.Context(), "c", "", 9)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range list {
			ids = append(ids, s.ID)
		}
		return ids
	}
	other := sendNtfy(t, h, "In", "1h", "Sid", "other")
	sendNtfy(t, h, "In", "1h", "Sid", "job")
	second := sendNtfy(t, h, "In", "2h", "Sid", "job", "Idempotency-Key", "k")
	if got := waiting(); len(got) != 2 || !slices.Contains(got, second.ID) || !slices.Contains(got, other.ID) {
		t.Errorf("after a second schedule there wait %v", got)
	}
	if again := sendNtfy(t, h, "In", "2h", "Sid", "job", "Idempotency-Key", "k"); !again.Duplicate || len(waiting()) != 2 {
		t.Errorf("after a repetition there wait %v", waiting())
	}
	third := sendNtfy(t, h, "In", "1h", "Sid", second.ID) // by the ID that was answered
	if got := waiting(); len(got) != 2 || !slices.Contains(got, third.ID) {
		t.Errorf("after an update by ID there wait %v", got)
	}
	sendNtfy(t, h, "Sid", second.ID)
	if got := waiting(); len(got) != 1 || got[0] != other.ID {
		t.Errorf("after a publish there wait %v", got)
	}
}

func TestACancelledScheduleIsOfItsChannel(t *testing.T) {
	h := newTestHub(t, hub.Config{})
	later := sendNtfy(t, h, "In", "1h")
	if _, err := NtfyDelete(t.Context(), h, SequenceRequest{Channel: "other", Sequence: later.ID}); err != nil {
		t.Fatal(err)
	}
	if list, _, err := h.Scheduled(t.Context(), "c", "", 9); err != nil || len(list) != 1 {
		t.Errorf("the schedule of another channel was cancelled: %d are left, %v", len(list), err)
	}
}

func TestRulesReachEveryPublisher(t *testing.T) {
	rules := hub.Rules{
		{Name: "closed", Channels: "closed.>", Messages: 1, Age: time.Hour, Publishers: hub.PublishersNobody},
		{Name: "servers", Channels: "servers.>", Messages: 1, Age: time.Hour, Publishers: hub.PublishersServer},
	}
	rules = append(rules, hub.Rule{Name: "hidden", Channels: "hidden.>", Messages: 1, Age: time.Hour, NoPresence: true})
	h := newTestHub(t, hub.Config{Rules: rules.WithDefault()})
	c := connectCentrifuge(t, h, NewCentrifuge(CentrifugeConfig{}), "")
	c.say(`{"id":2,"publish":{"channel":"servers.a","data":1}}`)
	c.expect(`{"id":2,"error":{"code":103,"message":"clients may not publish to \"servers.a\": a server may, over HTTP"}}`)
	c.say(`{"id":3,"publish":{"channel":"closed.a","data":1}}`)
	c.expect(`{"id":3,"error":{"code":103,"message":"nobody may publish to \"closed.a\""}}`)
	c.say(`{"id":4,"presence":{"channel":"hidden.a"}}`)
	c.expect(`{"id":4,"error":{"code":108,"message":"presence is switched off for \"hidden.a\" by the rule of that channel"}}`)
	if got := callAPITest(t, h, "presence_stats", `{"channel":"hidden.a"}`); !strings.Contains(got, `"code":108`) {
		t.Errorf("presence_stats: %s", got)
	}
	for _, headers := range []map[string][]string{nil, {"In": {"1h"}}} {
		p, err := ParsePublish(PublishRequest{Channel: "closed.a", Header: headers, Now: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.Send(t.Context(), h)
		if status, body := NtfyError(err); status != 403 || !strings.Contains(string(body), "40301") {
			t.Errorf("%v: %d %s", headers, status, body)
		}
	}
	if _, err := NtfyDelete(t.Context(), h, SequenceRequest{Channel: "closed.a", Sequence: "x"}); hub.ErrorOf(err).Code != hub.CodeDenied {
		t.Errorf("a deletion: %v", err)
	}
	if got := callAPITest(t, h, "publish", `{"channel":"servers.a","data":1}`); !strings.Contains(got, `"result"`) {
		t.Errorf("a server: %s", got)
	}
	if got := callAPITest(t, h, "publish", `{"channel":"closed.a","data":1}`); !strings.Contains(got, `"code":103`) {
		t.Errorf("a server: %s", got)
	}
}

func TestCentrifugeExcludesItself(t *testing.T) {
	h := newTestHub(t, hub.Config{})
	c := connectCentrifuge(t, h, NewCentrifuge(CentrifugeConfig{}), "")
	c.say(`{"id":2,"publish":{"channel":"a","data":1,"exclude_self":true}}`)
	c.expect(`{"id":2,"publish":{}}`)
	c.say(`{"id":3,"publish":{"channel":"a","data":2,"exclude_self":false}}`)
	c.expect(`{"id":3,"publish":{}}`)
	c.say(`{"id":4,"publish":{"channel":"a","data":3,"exclude_self":1}}`)
	c.expect(`{"id":4,"error":{"code":107,"message":"publish: \"exclude_self\" has number where true or false is wanted"}}`)
	page, err := h.History(t.Context(), hub.Query{Channel: "a", Limit: 9})
	if err != nil || len(page.Messages) != 2 || page.Messages[0].Exclude != c.peer.Session().Client().ID || page.Messages[1].Exclude != "" {
		t.Errorf("%+v, %v", page.Messages, err)
	}
}

// A client that excluded itself is not told of it when it recovers either, as
// long as it is the same one; another client is.
func TestCentrifugeExcludesItselfFromRecovery(t *testing.T) {
	h := newTestHub(t, hub.Config{})
	d := NewCentrifuge(CentrifugeConfig{})
	c, other := connectCentrifuge(t, h, d, ""), connectCentrifuge(t, h, d, "")
	publishTest(t, h, "a", `"first"`)
	const mine = 2*backlogPage + 1 // pages of them alone
	for range mine {
		c.say(`{"id":2,"publish":{"channel":"a","data":"mine","exclude_self":true}}`)
		c.next()
	}
	publishTest(t, h, "a", `"last"`)
	const recover = `{"id":3,"subscribe":{"channel":"a","recover":true,"offset":1}}`
	c.say(recover)
	c.expect(fmt.Sprintf(`{"id":3,"subscribe":{"recoverable":true,"positioned":true,"epoch":"EPOCH","offset":1,"recovered":true,"was_recovering":true,"publications":[{"data":"last","offset":%d,"time":0}]}}`, mine+2))
	other.say(recover)
	if got := other.next(); strings.Count(got, `"mine"`) != mine {
		t.Errorf("another client recovers %d of %d", strings.Count(got, `"mine"`), mine)
	}
	publishTest(t, h, "a", `"live"`)
	for _, reader := range []*centrifugeClient{c, other} {
		reader.expect(fmt.Sprintf(`{"push":{"channel":"a","pub":{"data":"live","offset":%d,"time":0}}}`, mine+3))
	}
}
