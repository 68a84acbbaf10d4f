package dialect

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"fanfold/hub"
)

// optionsOf returns what a request means in each form of ntfy's API; JSON is for POST / and
// for the server API.
func optionsOf(t *testing.T, header, query, json string) (all map[string]hub.PublishOptions, errs map[string]error) {
	t.Helper()
	all, errs = map[string]hub.PublishOptions{}, map[string]error{}
	note := func(what string, p Publish, err error) { all[what], errs[what] = p.Options, err }
	if name, value, ok := strings.Cut(header, ": "); ok {
		p, err := ParsePublish(PublishRequest{Channel: "c", Header: map[string][]string{name: {value}}, Now: ntfyNow})
		note("header "+header, p, err)
	}
	if name, value, ok := strings.Cut(query, "="); ok {
		p, err := ParsePublish(PublishRequest{Channel: "c", Query: map[string][]string{name: {value}}, Now: ntfyNow})
		note("query "+query, p, err)
	}
	if json != "" {
		p, err := ParsePublishJSON(PublishRequest{Body: []byte(`{"topic":"c",` + json + `}`), Now: ntfyNow})
		note("JSON "+json, p, err)
		var q apiPublication
		if err = decodeStrict("publish", []byte(`{"data":1,`+json+`}`), &q); err == nil {
			p, err = q.template("publish", ntfyNow)
		}
		note("server API "+json, p, err)
	}
	return all, errs
}

func TestRollUpsAndConditionsByEveryName(t *testing.T) {
	at := hub.Position{Epoch: "VbwdU5q", Seq: 7}
	id := at.String()
	is := func(p hub.Position) hub.PublishOptions { return hub.PublishOptions{IfLast: &p} }
	for _, row := range []struct {
		header, query, json string
		want                hub.PublishOptions
	}{
		{"X-Rollup: true", "x-rollup=yes", `"rollup":true`, hub.PublishOptions{RollUp: true}},
		{"Rollup: 1", "rollup=True", "", hub.PublishOptions{RollUp: true}},
		{"Rollup: no", "rollup=0", `"rollup":false`, hub.PublishOptions{}},
		{"If-Match: " + id, "if-match=" + id, `"if_last":"` + id + `"`, is(at)},
		{`If-Match: "` + id + `"`, `if_match="` + id + `"`, `"if_last":{"offset":7,"epoch":"VbwdU5q"}`, is(at)},
		{"X-If-Match: " + id, "if_last=" + id, `"if_last":{"offset":7}`, is(at)},
		{"If-None-Match: *", "if-none-match=*", `"if_last":""`, is(hub.Position{})},
		{"X-If-None-Match: *", "if_none_match=*", `"if_last":{"offset":0,"epoch":""}`, is(hub.Position{})},
		{`If-Match: ""`, "", `"if_last":null`, is(hub.Position{})},
	} {
		all, errs := optionsOf(t, row.header, row.query, row.json)
		for what, got := range all {
			want := row.want
			if strings.Contains(what, "null") {
				want.IfLast = nil
			}
			if want.IfLast != nil && got.IfLast != nil && strings.HasSuffix(what, `{"offset":7}`) {
				got.IfLast.Epoch = at.Epoch // none stands for the present one
			}
			same := (got.IfLast == nil) == (want.IfLast == nil) && (got.IfLast == nil || *got.IfLast == *want.IfLast)
			if errs[what] != nil || got.RollUp != want.RollUp || !same {
				t.Errorf("%s: %+v, if_last %v, %v", what, got, got.IfLast, errs[what])
			}
		}
	}
	p, err := ParsePublishJSON(PublishRequest{Body: []byte(`{"topic":"c","if_last":""}`), Header: map[string][]string{"If-Match": {id}}})
	if err != nil || *p.Options.IfLast != (hub.Position{}) {
		t.Errorf("a field and a header: %+v, %v", p.Options.IfLast, err)
	}
}

func TestRollUpsAndConditionsThatCantBeRead(t *testing.T) {
	for _, row := range []struct{ header, query, json, says string }{
		{"Rollup: perhaps", "rollup=perhaps", "", `the rollup "perhaps" can't be read`},
		{"", "", `"rollup":1.5`, `"rollup"`},
		{"If-Match: *", "if-match=*", "", `can't be obeyed: give the id`},
		{`If-Match: W/"VbwdU5q0000007"`, `if-match="a", "b"`, "", `can't be obeyed: give the id`},
		{"If-Match: live-ABC", "if-match=7", `"if_last":"live-ABC"`, "which is no id of a stored message"},
		{`If-None-Match: "VbwdU5q0000007"`, "", "", "give * for a channel without a message"},
		{"", "", `"if_last":5`, "a message's id or an object with offset and epoch"},
		{"", "", `"if_last":[]`, "a message's id or an object with offset and epoch"},
		{"", "", `"if_last":{}`, "a message's id or an object with offset and epoch"},
		{"", "", `"if_last":{"epoch":"VbwdU5q"}`, "a message's id or an object with offset and epoch"},
		{"", "", `"if_last":{"offset":5,"epich":"x"}`, "a message's id or an object with offset and epoch"},
	} {
		_, errs := optionsOf(t, row.header, row.query, row.json)
		for what, err := range errs {
			if e := hub.ErrorOf(err); err == nil || e.Code != hub.CodeBadRequest || !strings.Contains(e.Message, row.says) {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
	both := PublishRequest{Channel: "c", Header: map[string][]string{"If-Match": {"VbwdU5q0000007"}, "If-None-Match": {"*"}}}
	_, err := ParsePublish(both)
	ntfyRefused(t, "both", err, NtfyBadRequest, "give one of them")
	for _, name := range []string{"Rollup", "If-Match", "If-None-Match"} {
		_, err := SequenceRequest{Channel: "c", Sequence: "job", Header: map[string][]string{name: {"1"}}}.publish(eventDelete)
		ntfyRefused(t, "delete with "+name, err, NtfyBadRequest, "leave out the condition or rollup")
	}
}

// What does not go together is refused by the hub, in whichever form it came.
func TestRollUpsAndConditionsThatDontFit(t *testing.T) {
	h := newTestHub(t, hub.Config{Rules: hub.Rules{{Name: "live", Channels: "live.>", Live: true}}.WithDefault()})
	for _, row := range []struct{ body, says string }{
		{`"rollup":true,"skip_history":true`, "a message that is not stored can't take the place of stored ones"},
		{`"if_last":"","skip_history":true`, "a message that is not stored can't depend on which is the newest one"},
		{`"rollup":true,"ttl":60`, "can't have a TTL"},
		{`"rollup":true,"sequence_id":"job"`, "needs no sequence ID"},
		{`"rollup":true,"delay":"1h"`, "a message that is published later can't take the place of all earlier ones"},
		{`"if_last":"","schedule":"@daily"`, "a message that is published later can't depend on which is the newest now"},
		{`"channel":"live.a","rollup":true`, "a message that is not stored can't take the place of stored ones"},
		{`"channel":"live.a","if_last":""`, "a message that is not stored can't depend on which is the newest one"},
	} {
		body := `{"data":1,` + row.body + `}`
		if !strings.Contains(body, "channel") {
			body = `{"channel":"a",` + body[1:]
		}
		if got := callAPITest(t, h, "publish", body); !strings.Contains(got, `"code":107`) || !strings.Contains(got, row.says) {
			t.Errorf("%s: %s", body, got)
		}
	}
}

func TestConflictsInEveryDialect(t *testing.T) {
	h := newTestHub(t, hub.Config{})
	first := sendNtfy(t, h, "If-None-Match", "*", "Rollup", "yes")
	p, err := ParsePublish(PublishRequest{Channel: "c", Header: map[string][]string{"If-None-Match": {"*"}}, Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.Send(t.Context(), h)
	checkNtfyError(t, err)
	if status, body := NtfyError(err); status != 412 || !strings.HasPrefix(string(body), `{"code":41201,"http":412,"error":"the channel has moved on`) {
		t.Errorf("ntfy: %d %s", status, body)
	}
	second := sendNtfy(t, h, "If-Match", `"`+first.ID+`"`)

	stale := fmt.Sprintf(`{"channel":"c","data":1,"if_last":%q}`, first.ID)
	if got := callAPITest(t, h, "publish", stale); !strings.HasPrefix(got, `{"error":{"code":412,"message":"the channel has moved on`) {
		t.Errorf("the server API: %s", got)
	}
	broadcast := `{"channels":["c","empty"],"data":1,"if_last":""}`
	if got := callAPITest(t, h, "broadcast", broadcast); !strings.Contains(got, `"responses":[{"error":{"code":412`) || !strings.Contains(got, `{"result":{"epoch"`) {
		t.Errorf("a broadcast: %s", got)
	}
	batch := fmt.Sprintf(`{"commands":[{"publish":%s},{"publish":{"channel":"c","data":1,"rollup":true,"if_last":{"offset":%d,"epoch":%q}}}]}`, stale, second.Offset, second.Epoch)
	if got := callAPITest(t, h, "batch", batch); !strings.HasPrefix(got, `{"replies":[{"error":{"code":412`) || !strings.Contains(got, `{"publish":{"epoch"`) {
		t.Errorf("a batch: %s", got)
	}
	page, err := h.History(t.Context(), hub.Query{Channel: "c", Limit: 9})
	if err != nil || len(page.Messages) != 1 {
		t.Errorf("after a roll-up there is %+v, %v", page.Messages, err)
	}
}

// A client reads, changes and writes over its connection, and repeats what it does not know to
// have arrived.
func TestCentrifugeRollsUpOnACondition(t *testing.T) {
	h := newTestHub(t, hub.Config{})
	c := connectCentrifuge(t, h, NewCentrifuge(CentrifugeConfig{}), "")
	const conflict = `"error":{"code":412,"message":"the channel has moved on: its newest message is not the expected one, so nothing was stored; read the newest message, or see that there is none, then try again"}}`
	c.say(`{"id":2,"publish":{"channel":"a","data":1,"if_last":""}}`)
	c.expect(`{"id":2,"publish":{}}`)
	c.say(`{"id":3,"publish":{"channel":"a","data":2,"if_last":""}}`)
	c.expect(`{"id":3,` + conflict)
	c.say(`{"id":4,"publish":{"channel":"a","data":2,"if_last":{"offset":1},"rollup":true,"idempotency_key":"k"}}`)
	c.expect(`{"id":4,"publish":{}}`)
	c.say(`{"id":5,"publish":{"channel":"a","data":2,"if_last":{"offset":1},"rollup":true,"idempotency_key":"k"}}`)
	c.expect(`{"id":5,"publish":{}}`)
	c.say(`{"id":6,"publish":{"channel":"a","data":2,"if_last":{"offset":1},"rollup":true,"idempotency_key":"other"}}`)
	c.expect(`{"id":6,` + conflict)
	c.say(`{"id":7,"history":{"channel":"a","limit":9}}`)
	c.expect(`{"id":7,"history":{"publications":[{"data":2,"offset":2,"info":{"client":"ME","user":""},"time":0}],"epoch":"EPOCH","offset":2}}`)
	for i, bad := range []string{`"if_last":7`, `"if_last":"live-A"`, `"rollup":"yes"`, `"idempotency_key":"\n"`} {
		c.say(fmt.Sprintf(`{"id":%d,"publish":{"channel":"a","data":1,%s}}`, 8+i, bad))
		var reply struct{ Error struct{ Code int } }
		if text := c.next(); json.Unmarshal([]byte(text), &reply) != nil || reply.Error.Code != errorBadRequest {
			t.Errorf("%s: %s", bad, text)
		}
	}
}
