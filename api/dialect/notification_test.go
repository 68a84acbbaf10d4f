package dialect

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

func TestNotificationIsAnObjectWithAStringMessage(t *testing.T) {
	for _, data := range []string{
		``, ` `, `"text"`, `1`, `null`, `[]`, `[{"message":"x"}]`, `{}`, `{`, `{"message":1}`, `{"message":null}`,
		`{"message":{}}`, `{"Message":"x"}`, `{"text":"x"}`, `{"message":"x"`, `{"message":"x"} {}`,
	} {
		if n, ok := ParseNotification([]byte(data)); ok || !reflect.DeepEqual(n, Notification{}) {
			t.Errorf("ParseNotification(%s) = %+v, %t", data, n, ok)
		}
	}
	for _, data := range []string{`{"message":"x"}`, " \n{\"a\":[1],\"message\":\"x\"}", `{"message":1,"message":"x"}`, `{"m\u0065ssage":"x"}`} {
		if n, ok := ParseNotification([]byte(data)); !ok || !reflect.DeepEqual(n, Notification{Message: "x"}) {
			t.Errorf("ParseNotification(%s) = %+v, %t", data, n, ok)
		}
	}
}

func TestNotificationKeepsAllItsFields(t *testing.T) {
	want := Notification{
		Message: "<b> & \"quotes\"\nline", Title: "Title", Priority: 5, Tags: []string{"a", "b"},
		Click: "https://example.com/?a=1&b=2", Icon: "https://example.com/i.png", Attach: "https://example.com/f",
		Filename: "f.txt", Markdown: true, Encoding: "base64",
		Actions: []Action{{ID: "1", Action: "view", Label: "Open", URL: "https://example.com"}},
	}
	data := want.Data()
	if got, ok := ParseNotification(data); !ok || !reflect.DeepEqual(got, want) {
		t.Errorf("%s was read as %+v, %t", data, got, ok)
	}
	if got := string(Notification{Message: "<&>"}.Data()); got != `{"message":"<&>"}` {
		t.Errorf("the data is %s", got)
	}
}

func TestNotificationLeavesOutFieldsOfOtherTypes(t *testing.T) {
	for name, values := range map[string][]string{
		"title":    {`1`, `null`, `["x"]`},
		"priority": {`"high"`, `0`, `6`, `-1`, `1.5`, `1e99`, `true`},
		"tags":     {`"x"`, `[1]`, `{"x":1}`, `["x",null,{}]`},
		"click":    {`false`, `{}`},
		"icon":     {`1`},
		"attach":   {`{"url":"x"}`},
		"filename": {`[]`},
		"markdown": {`"yes"`, `1`},
		"encoding": {`"gzip"`, `1`},
		"actions": {
			`"view"`, `{}`, `[1]`, `[null]`, `[{}]`, `[{"action":"view","label":"x"}]`, `[{"action":"view","label":1,"url":"x"}]`,
			`[{"action":"other","label":"x","url":"x"}]`, `[{"action":"http","label":"x","url":"x","headers":["a"]}]`,
			`[{"action":"broadcast","label":"1"},{"action":"broadcast","label":"2"},{"action":"broadcast","label":"3"},{"action":"broadcast","label":"4"}]`,
		},
	} {
		for _, value := range values {
			data := `{"message":"x","` + name + `":` + value + `,"extra":{"a":1}}`
			if n, ok := ParseNotification([]byte(data)); !ok || !reflect.DeepEqual(n, Notification{Message: "x"}) {
				t.Errorf("ParseNotification(%s) = %+v, %t", data, n, ok)
			}
		}
	}
}

func TestAsNotificationShowsAnyData(t *testing.T) {
	for data, want := range map[string]string{
		`{"message":"m","title":"t"}`: "m",
		`"a \u00e9 \n text"`:          "a é \n text",
		` "x"`:                        "x",
		`{"a":"<1>"}`:                 `{"a":"<1>"}`,
		`[1, 2]`:                      `[1, 2]`,
		`42`:                          `42`,
		``:                            ``,
		"\"\xff\"":                    "\uFFFD",
		"[\"\xff\"]":                  "[\"\uFFFD\"]",
	} {
		if got := AsNotification([]byte(data)).Message; got != want {
			t.Errorf("AsNotification(%q) shows %q, want %q", data, got, want)
		}
	}
}

func TestAttachmentNames(t *testing.T) {
	for _, row := range []struct{ attach, filename, want string }{
		{"https://example.com/a/b.jpg?x=/y.png", "", "b.jpg"},
		{"https://example.com/a/b.jpg", "c.jpg", "c.jpg"},
		{"https://example.com/a%20b.jpg", "", "a b.jpg"},
		{"https://example.com/", "", "attachment"},
		{"https://example.com", "", "attachment"},
		{"http://[", "", "attachment"},
	} {
		if got := (Notification{Attach: row.attach, Filename: row.filename}).attachmentName(); got != row.want {
			t.Errorf("the name of %q, %q is %q, want %q", row.attach, row.filename, got, row.want)
		}
	}
}

func FuzzNtfyNotification(f *testing.F) {
	for _, data := range []string{`{"message":"x","tags":["a"],"priority":3}`, `"x"`, `{"message":"x","actions":[{"action":"view","label":"a","url":"b"}]}`, `[`} {
		f.Add([]byte(data))
	}
	f.Add([]byte(`{ "a\\" : "}\"" , "b":[{"c":[1e5,"]"]},{}] ,"message" : "\u00e9\\" , "title":null,"markdown":true }`))
	f.Fuzz(func(t *testing.T, data []byte) {
		n, ok := ParseNotification(data)
		var fields map[string]json.RawMessage
		isObject := json.Unmarshal(data, &fields) == nil
		if message := string(fields["message"]); ok != (isObject && strings.HasPrefix(message, `"`)) {
			t.Fatalf("%q is a notification: %t; its message is %s", data, ok, message)
		}
		if !ok {
			return
		}
		for name, got := range map[string]string{"message": n.Message, "title": n.Title, "click": n.Click, "filename": n.Filename} {
			var want string
			if json.Unmarshal(fields[name], &want) != nil {
				want = ""
			}
			if got != want {
				t.Errorf("%q: %s is read as %q, want %q", data, name, got, want)
			}
		}
		again, ok := ParseNotification(n.Data())
		if !json.Valid(n.Data()) || !ok || string(again.Data()) != string(n.Data()) {
			t.Errorf("%q was read as %s, and that as %s", data, n.Data(), again.Data())
		}
	})
}
