package dialect

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// actionExamples are texts that must be read as JSON that must be read the same.
var actionExamples = []struct{ name, text, json string }{
	{"view", `view, Open portal, https://home.nest.com/, clear=true`,
		`[{"action":"view","label":"Open portal","url":"https://home.nest.com/","clear":true}]`},
	{"keys in any order", `action=VIEW, url=https://example.com/?a=b&c=d, label=Open`,
		`[{"action":"view","label":"Open","url":"https://example.com/?a=b&c=d"}]`},
	{"http", `http, Turn down, https://api.nest.com/, method=put, headers.Authorization=Bearer zAzsx1sk.., headers.X-Two = 2, body="{\"temperature\": 65, \"a\": \"b;c\"}"`,
		`[{"action":"http","label":"Turn down","url":"https://api.nest.com/","method":"PUT",
		"headers":{"Authorization":"Bearer zAzsx1sk..","X-Two":"2"},"body":"{\"temperature\": 65, \"a\": \"b;c\"}"}]`},
	{"broadcast", `broadcast, Take picture, extras.cmd=pic, extras.camera='front; rear', intent=io.example.ACTION, clear=no`,
		`[{"action":"broadcast","label":"Take picture","extras":{"cmd":"pic","camera":"front; rear"},"intent":"io.example.ACTION"}]`},
	{"quoted label", `view, "Look ma, \"commas\"; and 'more'", 'https://example.com/a,b'`,
		`[{"action":"view","label":"Look ma, \"commas\"; and 'more'","url":"https://example.com/a,b"}]`},
	{"three, unevenly spaced", " view,A,a;;http ,  B, b\n;broadcast,C ; ",
		`[{"action":"view","label":"A","url":"a"},{"action":"http","label":"B","url":"b"},{"action":"broadcast","label":"C"}]`},
	{"spaces within", `view, A b  c , mailto:a@example.com`,
		`[{"action":"view","label":"A b  c","url":"mailto:a@example.com"}]`},
	{"other scripts", `view, 通知 ✓, geo:1;`,
		`[{"action":"view","label":"通知 ✓","url":"geo:1"}]`},

	{"npm http with a body of text", `http, Send, https://example.com, method=POST, clear=true, headers.A=b, headers.C=d, hello, world`,
		`[{"action":"http","label":"Send","url":"https://example.com","method":"POST","clear":true,"headers":{"A":"b","C":"d"},"body":"hello, world"}]`},
	{"npm http with a JSON body", `http, Send, https://example.com, {"a":1, "b":[2]}; view, Open, https://example.com`,
		`[{"action":"http","label":"Send","url":"https://example.com","body":"{\"a\":1, \"b\":[2]}"},{"action":"view","label":"Open","url":"https://example.com"}]`},
	{"npm http with a quoted body", `http, Send, https://example.com, "a; b"`,
		`[{"action":"http","label":"Send","url":"https://example.com","body":"a; b"}]`},
	{"npm http with quotes in the body", `http, Send, https://example.com, "a", "b"; broadcast, C`,
		`[{"action":"http","label":"Send","url":"https://example.com","body":"\"a\", \"b\""},{"action":"broadcast","label":"C"}]`},
	{"npm broadcast", `broadcast, Shoot, clear=true, extras.a=b, extras.c=d, intent=my.intent`,
		`[{"action":"broadcast","label":"Shoot","clear":true,"extras":{"a":"b","c":"d"},"intent":"my.intent"}]`},
}

func TestNtfyActionsInBothForms(t *testing.T) {
	for _, row := range actionExamples {
		short, err := parseActions(row.text)
		if err != nil {
			t.Errorf("%s: %v", row.name, err)
			continue
		}
		long, err := parseActions("\n" + row.json)
		if err != nil {
			t.Fatalf("%s as JSON: %v", row.name, err)
		}
		if !reflect.DeepEqual(short, long) {
			t.Errorf("%s:\n%+v, as JSON\n%+v", row.name, short, long)
		}
		for i, a := range short {
			if a.ID != string(rune('1'+i)) {
				t.Errorf("%s: action %d has the id %q", row.name, i+1, a.ID)
			}
		}
	}
}

func TestNtfyActionErrorsSayWhichAndWhy(t *testing.T) {
	for text, says := range map[string]string{
		`view, A, a; open, B, b`:              `action 2: the kind "open" is unknown`,
		`view`:                                `action 1: it has no label`,
		`view, , a`:                           `action 1: it has no label`,
		`view, A`:                             `action 1: it has no url`,
		`http, A, `:                           `action 1: it has no url`,
		`view, A, a, b`:                       `action 1: "b" has no key`,
		`broadcast, A, b`:                     `action 1: "b" has no key`,
		`view, A, a, colour=red`:              `action 1: the key "colour" is unknown`,
		`view, A, a, headers.=red`:            `action 1: the key "headers." is unknown`,
		`view, A, a, clear=perhaps`:           `clear="perhaps" is neither`,
		`view, A, "a`:                         `the quote before "a" is not closed`,
		`view, A, "a" b`:                      `behind the quoted "a" there is "b"`,
		`view, 'a\', b`:                       `is not closed`,
		`http, A, a, method=GET, body=x`:      `a GET request has no body`,
		`view,A,a;view,B,b;view,C,c;view,D,d`: `more than 3`,
		`[{"action":"view"}`:                  `not a JSON array`,
		`[1]`:                                 `action 1: it is a JSON number: it must be an object`,
		`[{"action":"view","label":1}]`:       `action 1: "label" is a JSON number: it must be a string`,
		`[{"action":"view","label":"A","url":"a","clear":"x"}]`: `"clear" is a JSON string: it must be true or false`,
		`[{"action":"http","label":"A","headers":"a"}]`:         `"headers" is a JSON string: it must be an object of strings`,
		`[{},{},{},{}]`: `more than 3`,
	} {
		actions, err := parseActions(text)
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("parseActions(%s) = %+v, %v, want an error that says %s", text, actions, err, says)
		}
	}
}

func FuzzNtfyActions(f *testing.F) {
	for _, row := range actionExamples {
		f.Add(row.text)
		f.Add(row.json)
	}
	f.Fuzz(func(t *testing.T, text string) {
		actions, err := parseActions(text)
		if err != nil {
			if err.Error() == "" {
				t.Errorf("parseActions(%q) fails without words", text)
			}
			return
		}
		if len(actions) > maxActions {
			t.Errorf("parseActions(%q) returns %d", text, len(actions))
		}
		for _, a := range actions {
			if err := a.check(); err != nil {
				t.Errorf("parseActions(%q): %v", text, err)
			}
		}
		data := Notification{Message: "x", Actions: actions}.Data()
		n, ok := ParseNotification(data)
		if !json.Valid(data) || !ok || len(n.Actions) != len(actions) {
			t.Errorf("parseActions(%q) makes the data %s", text, data)
		}
	})
}
