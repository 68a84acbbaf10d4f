package dialect

import (
	"testing"
)

func TestNtfyPublishJSON(t *testing.T) {
	for _, row := range []struct{ name, body, data string }{
		{"the least", `{"topic":"c"}`, `{"message":"triggered"}`},
		{"all", `{"topic":"c","message":" Disk full\n","title":"Low","tags":["warning","cd"],"priority":4,
			"attach":"https://a.b/c.jpg","filename":"d.jpg","click":"https://a.b/","icon":"https://a.b/i.png","markdown":true,
			"actions":[{"action":"view","label":"Admin","url":"https://a.b/x"}],"firebase":"no","unknown":{}}`,
			`{"message":"Disk full","title":"Low","priority":4,"tags":["warning","cd"],"click":"https://a.b/","icon":"https://a.b/i.png",` +
				`"actions":[{"id":"1","action":"view","label":"Admin","clear":false,"url":"https://a.b/x"}],` +
				`"attach":"https://a.b/c.jpg","filename":"d.jpg","markdown":true}`},
		{"names in any case", `{"Topic":"c","Message":"x","PRIORITY":1}`, `{"message":"x","priority":1}`},
		{"null is nothing", `{"topic":"c","message":null,"title":null,"tags":null,"priority":null,"actions":null,"delay":null,"cache":null}`, `{"message":"triggered"}`},
		{"words", `{"topic":"c","priority":"high","markdown":"yes"}`, `{"message":"triggered","priority":4,"markdown":true}`},
		{"numeric text", `{"topic":"c","priority":"5"}`, `{"message":"triggered","priority":5}`},
		{"zero values", `{"topic":"c","priority":0,"tags":[],"actions":[],"title":"","delay":"","email":"","call":"","cache":"","markdown":false}`, `{"message":"triggered"}`},
		{"attachment alone", `{"topic":"c","attach":"https://a.b/c.jpg"}`, `{"message":"You received a file: c.jpg","attach":"https://a.b/c.jpg"}`},
	} {
		p, err := ParsePublishJSON(PublishRequest{Body: []byte(row.body)})
		if err != nil || string(p.Message.Data) != row.data || p.Message.Channel != "c" || p.Options.Live {
			t.Errorf("%s: %+v, %v, want %s", row.name, p, err, row.data)
			if p.Message != nil {
				t.Logf("the data is %s", p.Message.Data)
			}
		}
	}
}

// apprise sends the text as JSON and the rest in headers.
func TestNtfyPublishJSONTakesHeaders(t *testing.T) {
	r := PublishRequest{
		Body: []byte(`{"topic": "c", "title": "T", "message": "M"}`),
		Header: map[string][]string{
			"Content-Type": {"application/json"}, "X-Priority": {"max"}, "X-Tags": {"a,b"}, "X-Click": {"https://a.b"}, "X-Title": {"not this"},
		},
	}
	p, err := ParsePublishJSON(r)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(p.Message.Data), `{"message":"M","title":"T","priority":5,"tags":["a","b"],"click":"https://a.b"}`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	r.Header["X-Call"] = []string{"yes"}
	_, err = ParsePublishJSON(r)
	ntfyRefused(t, "X-Call", err, NtfyNoCall, "not offered")
}

func TestNtfyPublishJSONLive(t *testing.T) {
	for cache, live := range map[string]bool{`"no"`: true, `false`: true, `"0"`: true, `0`: true, `"yes"`: false, `true`: false} {
		p, err := ParsePublishJSON(PublishRequest{Body: []byte(`{"topic":"c","cache":` + cache + `}`)})
		if err != nil || p.Options.Live != live {
			t.Errorf("cache %s: live is %t, %v", cache, p.Options.Live, err)
		}
	}
}

func TestNtfyPublishJSONRefusals(t *testing.T) {
	for _, row := range []struct {
		body string
		code NtfyCode
		says string
	}{
		{``, NtfyBadJSON, "not JSON (unexpected end"},
		{`{"topic":"c","mess`, NtfyBadJSON, "not JSON (unexpected end"},
		{`topic=c`, NtfyBadJSON, "not JSON (invalid character"},
		{`{"topic":"c"} x`, NtfyBadJSON, "not JSON"},
		{`["c"]`, NtfyBadJSON, "a JSON array, not an object"},
		{`"c"`, NtfyBadJSON, "a JSON string, not an object"},
		{`null`, NtfyBadTopic, `"topic" is missing`},
		{`{}`, NtfyBadTopic, `"topic" is missing`},
		{`{"topic":null}`, NtfyBadTopic, `"topic" is missing`},
		{`{"topic":1}`, NtfyBadJSON, `"topic" is 1: it must be a string`},
		{`{"topic":""}`, NtfyBadTopic, `name is empty`},
		{`{"topic":"a b"}`, NtfyBadTopic, `"a b"`},
		{`{"topic":"a.*"}`, NtfyBadTopic, `is a pattern`},
		{`{"topic":"c","message":["x"]}`, NtfyBadJSON, `"message" is ["x"]: it must be a string`},
		{`{"topic":"c","title":{}}`, NtfyBadJSON, `"title" is {}: it must be a string`},
		{`{"topic":"c","tags":"a,b"}`, NtfyBadJSON, `"tags" is "a,b": it must be an array of strings`},
		{`{"topic":"c","tags":[1]}`, NtfyBadJSON, `"tags" is [1]: it must be an array of strings`},
		{`{"topic":"c","priority":6}`, NtfyBadPriority, `"6" is unknown`},
		{`{"topic":"c","priority":"often"}`, NtfyBadPriority, `"often" is unknown`},
		{`{"topic":"c","priority":true}`, NtfyBadJSON, `"priority" is true: it must be a number from 1 to 5`},
		{`{"topic":"c","markdown":[]}`, NtfyBadJSON, `"markdown" is []: it must be true or false`},
		{`{"topic":"c","cache":"perhaps"}`, NtfyBadJSON, `"cache" is "perhaps": it must be true or false`},
		{`{"topic":"c","actions":"view, A, a"}`, NtfyBadJSON, `"actions" is "view, A, a": it must be an array of objects`},
		{`{"topic":"c","actions":[{"action":"view","label":"A","url":1}]}`, NtfyBadActions, `action 1: "url" is a JSON number: it must be a string`},
		{`{"topic":"c","icon":"x"}`, NtfyBadIcon, `icon "x" is not a URL`},
		{`{"topic":"c","attach":"x"}`, NtfyBadAttach, `attachment "x" is not a URL`},
		{`{"topic":"c","message":"x","filename":"a.txt"}`, NtfyNoUpload, `storing files is not offered`},
		{`{"topic":"c","delay":["30m"]}`, NtfyBadJSON, `"delay" is ["30m"]: it must be a string or a whole number`},
		{`{"topic":"c","delay":1.5}`, NtfyBadJSON, `"delay" is 1.5`},
		{`{"topic":"c","ttl":true}`, NtfyBadJSON, `"ttl" is true: it must be a string or a whole number`},
		{`{"topic":"c","ttl":-1}`, NtfyBadJSON, `"ttl" is -1`},
		{`{"topic":"c","idempotency_key":1}`, NtfyBadJSON, `"idempotency_key" is 1: it must be a string`},
		{`{"topic":"c","schedule":1}`, NtfyBadJSON, `"schedule" is 1: it must be a string`},
		{`{"topic":"c","timezone":1}`, NtfyBadJSON, `"timezone" is 1: it must be a string`},
		{`{"topic":"c","sequence_id":1}`, NtfyBadJSON, `"sequence_id" is 1: it must be a string`},
		{`{"topic":"c","exclude_client":1}`, NtfyBadJSON, `"exclude_client" is 1: it must be a string`},
		{`{"topic":"c","delay":"1h","cache":false}`, NtfyDelayNoCache, `not stored`},
		{`{"topic":"c","email":"a@b.c"}`, NtfyNoEmail, `e-mail is not offered`},
		{`{"topic":"c","call":"yes"}`, NtfyNoCall, `phone is not offered`},
		{`{"topic":"c","template":"github"}`, NtfyBadRequest, `templating is not offered`},
	} {
		_, err := ParsePublishJSON(PublishRequest{Body: []byte(row.body)})
		ntfyRefused(t, row.body, err, row.code, row.says)
		checkNtfyError(t, err)
	}
}
