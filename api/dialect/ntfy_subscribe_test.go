package dialect

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"fanfold/hub"
)

var ntfyNow = time.Unix(1700000000, 0)

// ntfyAsked parses a subscription to the channel "c" with the query.
func ntfyAsked(t *testing.T, query string) SubscribeRequest {
	t.Helper()
	values, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	r, err := ParseSubscribe("c", nil, values, ntfyNow)
	if err != nil {
		t.Errorf("%s: %v", query, err)
	}
	return r
}

func TestNtfySubscribeChannels(t *testing.T) {
	for _, row := range []struct {
		channels string
		keys     string // separated by spaces
	}{
		{"a", "a"},
		{"a,b.c", "a b.c"},
		{",a,,b,", "a b"},
		{"a,b,a", "a b"},
		{"a%2Cb,c", "a,b c"},
		{"a.*,%3E", "a.* >"},
		{"%24user%3A1%23x", "$user:1#x"},
		{"a;b=@", "a;b=@"},
	} {
		r, err := ParseSubscribe(row.channels, nil, nil, ntfyNow)
		if err != nil || strings.Join(r.Keys, " ") != row.keys || r.Label != strings.ReplaceAll(row.keys, " ", ",") {
			t.Errorf("%s: keys %q, label %q, %v", row.channels, r.Keys, r.Label, err)
		}
	}
	for _, channels := range []string{"", ",", "a b", "a%2", "a%zz", "a..b", "a*", ">.a", "a/b", "a%2Fb", "a%00", "%FF", "ü"} {
		_, err := ParseSubscribe(channels, nil, nil, ntfyNow)
		ntfyRefused(t, channels, err, NtfyBadTopic, "")
	}
	var many strings.Builder
	for i := range maxSubscribeKeys + 1 {
		fmt.Fprintf(&many, "c%d,", i)
	}
	_, err := ParseSubscribe(many.String(), nil, nil, ntfyNow)
	ntfyRefused(t, "too many", err, NtfyTooManyTopics, "more than 256")
}

func TestNtfySubscribeSince(t *testing.T) {
	at := hub.Position{Epoch: "0abcZ00", Seq: 17}
	digits := hub.Position{Epoch: "0123400", Seq: 5}
	for _, row := range []struct {
		query  string
		from   From
		replay hub.Query
	}{
		{"", FromNow, hub.Query{}},
		{"since=none", FromNow, hub.Query{}},
		{"since=none&poll=1", FromNow, hub.Query{}},
		{"poll=1", FromReplay, hub.Query{}},
		{"since=all", FromReplay, hub.Query{}},
		{"since=latest", FromLatest, hub.Query{}},
		{"since=10m", FromReplay, hub.Query{Since: ntfyNow.Add(-10 * time.Minute)}},
		{"since=1h30m", FromReplay, hub.Query{Since: ntfyNow.Add(-90 * time.Minute)}},
		{"since=0", FromReplay, hub.Query{Since: time.Unix(0, 0)}},
		{"since=1635528757", FromReplay, hub.Query{Since: time.Unix(1635528757, 0)}},
		{"since=1700000001", FromNow, hub.Query{}},
		{"since=99999999999", FromNow, hub.Query{}},
		{"since=" + at.String(), FromReplay, hub.Query{After: at}},
		{"since=" + digits.String(), FromReplay, hub.Query{After: digits}},
		{"since=" + hub.LiveID(), FromLost, hub.Query{}},
		{"since=zzzzzzzzzzzzzzzzzzzzzzz", FromLost, hub.Query{}},
		{"last_event_id=" + at.String() + "&since=all", FromReplay, hub.Query{After: at}},
		{"last_event_id=x", FromLost, hub.Query{}},
		{"last_event_id=&since=latest", FromLatest, hub.Query{}},
		{"scheduled=1&sched=1", FromNow, hub.Query{}},
	} {
		if r := ntfyAsked(t, row.query); r.From != row.from || r.Replay != row.replay {
			t.Errorf("%s: from %d, %+v", row.query, r.From, r.Replay)
		}
	}
	for _, since := range []string{"yesterday", "-10m", "-1", "1.5", "10 m", "ALL", "0abcZ00000H", "a b c d e f g h", "null"} {
		_, err := ParseSubscribe("c", nil, map[string][]string{"since": {since}}, ntfyNow)
		ntfyRefused(t, since, err, NtfyBadSince, "a duration like 10m")
	}
}

func TestNtfySubscribeByEveryName(t *testing.T) {
	for _, row := range []struct {
		names, value string
		holds        func(SubscribeRequest) bool
	}{
		{"X-Since Since Si", "latest", func(r SubscribeRequest) bool { return r.From == FromLatest }},
		{"X-Poll Poll Po", "1", func(r SubscribeRequest) bool { return r.Poll && r.From == FromReplay }},
		{"X-Id Id", "i", func(r SubscribeRequest) bool { return r.Filter != nil }},
		{"X-Message Message M", "i", func(r SubscribeRequest) bool { return r.Filter != nil }},
		{"X-Title Title T", "i", func(r SubscribeRequest) bool { return r.Filter != nil }},
		{"X-Priority Priority Prio P", "5", func(r SubscribeRequest) bool { return r.Filter != nil }},
		{"X-Tags Tags Tag Ta", "a", func(r SubscribeRequest) bool { return r.Filter != nil }},
	} {
		for name := range strings.FieldsSeq(row.names) {
			byHeader, err := ParseSubscribe("c", map[string][]string{name: {row.value}}, nil, ntfyNow)
			if err != nil || !row.holds(byHeader) {
				t.Errorf("header %s: %+v, %v", name, byHeader, err)
			}
			if byQuery := ntfyAsked(t, strings.ToLower(name)+"="+row.value); !row.holds(byQuery) {
				t.Errorf("query %s: %+v", name, byQuery)
			}
		}
	}
	browser := map[string][]string{"Last-Event-Id": {"0abcZ00000000H"}, "Priority": {"u=1, i"}, "Accept": {"text/event-stream"}}
	r, err := ParseSubscribe("c", browser, map[string][]string{"since": {"all"}}, ntfyNow)
	if err != nil || r.Filter != nil || r.From != FromReplay || r.Replay.After != (hub.Position{Epoch: "0abcZ00", Seq: 17}) {
		t.Errorf("a browser that connects again: %+v, %v", r, err)
	}
}

func TestNtfyFilters(t *testing.T) {
	messages := []*hub.Message{
		{ID: "id-0", Data: []byte(`{"message":"m","title":"t","priority":5,"tags":["a","b"]}`)},
		{ID: "id-1", Data: []byte(`{"message":"m","priority":1,"tags":["a"]}`)},
		{ID: "id-2", Data: []byte(`"m"`)},
		{ID: "id-3", Data: []byte(`{"x":1}`)},
	}
	for query, want := range map[string][]int{
		"":                                {0, 1, 2, 3},
		"poll=1":                          {0, 1, 2, 3},
		"id=id-2":                         {2},
		"id=other":                        {},
		"message=m":                       {0, 1, 2},
		"m=" + url.QueryEscape(`{"x":1}`): {3},
		"title=t":                         {0},
		"title=m":                         {},
		"priority=5":                      {0},
		"priority=max,low,min":            {0, 1},
		"priority=3":                      {2, 3},
		"p=default,high":                  {2, 3},
		"tags=a":                          {0, 1},
		"tags=b,a":                        {0},
		"tags=a,c":                        {},
		"tags=a&priority=1&message=m":     {1},
		"message=m&title=other":           {},
	} {
		r := ntfyAsked(t, query)
		got := []int{}
		for i, m := range messages {
			if r.Filter == nil || r.Filter(m) {
				got = append(got, i)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s shows %v, want %v", query, got, want)
		}
	}
	_, err := ParseSubscribe("c", nil, map[string][]string{"priority": {"4,often"}}, ntfyNow)
	ntfyRefused(t, "priority", err, NtfyBadPriority, `"often"`)
}

func FuzzNtfySubscribe(f *testing.F) {
	f.Add("a,b%2Cc", "Last-Event-Id", "0abcZ00000000H", "since", "10m", []byte(`{"message":"x","tags":["a"]}`))
	f.Add(">", "Tags", "a", "last_event_id", "x\ny", []byte(`"x"`))
	f.Add("a.*", "Priority", "u=1, i", "priority", "1,5", []byte(`{}`))
	f.Add("%24u%3a1", "Title", "=?UTF-8?Q?a=0D?=", "poll", "1", []byte(`{"message":"a\nb","title":"a"}`))
	f.Add("a", "Since", "latest", "since", "1700000000", []byte(`[1]`))
	f.Fuzz(func(t *testing.T, channels, header, value, name, text string, data []byte) {
		r, err := ParseSubscribe(channels, map[string][]string{header: {value}}, map[string][]string{name: {text}}, ntfyNow)
		if err != nil {
			checkNtfyError(t, err)
			return
		}
		for _, key := range r.Keys {
			if err := hub.CheckPattern(key); err != nil {
				t.Error(err)
			}
		}
		m := ntfyTestMessage(string(data))
		if r.Filter != nil {
			r.Filter(m)
		}
		checkNtfyLine(t, NtfyMessage(m))
		checkNtfyLine(t, NtfyWS{}.Open(r.Label, r.Replay.After, ntfyNow))
		for _, frame := range [][]byte{
			NtfySSE{}.Encode(hub.Event{Message: m}),
			NtfySSE{}.Open(r.Label, r.Replay.After, ntfyNow),
			NtfySSE{}.Gap(r.Label, value, ntfyNow),
		} {
			if id, _, object, n := readEvent(string(frame)); n != 1 || strings.ContainsAny(id, "\r\n\x00") {
				t.Errorf("%q is %d events, with the id %q", frame, n, id)
			} else {
				checkNtfyLine(t, []byte(object))
			}
		}
		raw := NtfyRaw{}.Encode(hub.Event{Message: m})
		if strings.IndexAny(string(raw), "\r\n") != len(raw)-1 {
			t.Errorf("%q is not one line", raw)
		}
	})
}
