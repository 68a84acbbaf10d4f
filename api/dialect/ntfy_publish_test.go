package dialect

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"fanfold/hub"
)

// ntfyPublished publishes to the channel "c" and returns the data.
func ntfyPublished(t *testing.T, r PublishRequest) string {
	t.Helper()
	r.Channel = "c"
	p, err := ParsePublish(r)
	if err != nil {
		t.Errorf("%v: %v", r, err)
		return ""
	}
	if p.Message.Channel != "c" {
		t.Errorf("%v goes to channel %q", r, p.Message.Channel)
	}
	return string(p.Message.Data)
}

// ntfyRefused checks that err carries ntfy's code and says says.
func ntfyRefused(t *testing.T, what any, err error, code NtfyCode, says string) {
	t.Helper()
	if got, ok := errors.AsType[NtfyCode](err); !ok || got != code || !strings.Contains(hub.ErrorOf(err).Message, says) {
		t.Errorf("%v: %v, want %v that says %q", what, err, code, says)
	}
}

func TestNtfyPublishByEveryName(t *testing.T) {
	const action = `[{"id":"1","action":"view","label":"A","clear":false,"url":"a"}]`
	for _, row := range []struct {
		names string // as ntfy documents them; queries in lower case
		value string
		data  string
	}{
		{"X-Message Message M", "hello", `{"message":"hello"}`},
		{"X-Title Title T", "a title", `{"message":"triggered","title":"a title"}`},
		{"X-Priority Priority Prio P", "4", `{"message":"triggered","priority":4}`},
		{"X-Tags Tags Tag Ta", "a, b ,,c", `{"message":"triggered","tags":["a","b","c"]}`},
		{"X-Click Click", "mailto:a@b.c", `{"message":"triggered","click":"mailto:a@b.c"}`},
		{"X-Icon Icon", "https://a.b/c.png", `{"message":"triggered","icon":"https://a.b/c.png"}`},
		{"X-Attach Attach A", "https://a.b/c.png", `{"message":"You received a file: c.png","attach":"https://a.b/c.png"}`},
		{"X-Actions Actions Action", "view, A, a", `{"message":"triggered","actions":` + action + `}`},
		{"X-Markdown Markdown Md", "yes", `{"message":"triggered","markdown":true}`},
		{"X-Unifiedpush Unifiedpush Up", "1", `{"message":"triggered"}`},
		{"X-Firebase Firebase", "no", `{"message":"triggered"}`},
	} {
		for name := range strings.FieldsSeq(row.names) {
			values := []string{" " + row.value + " ", "ignored"}
			if got := ntfyPublished(t, PublishRequest{Header: map[string][]string{name: values}}); got != row.data {
				t.Errorf("header %s: %s, want %s", name, got, row.data)
			}
			if got := ntfyPublished(t, PublishRequest{Query: map[string][]string{strings.ToLower(name): values}}); got != row.data {
				t.Errorf("query %s: %s, want %s", name, got, row.data)
			}
		}
	}
	for name := range strings.FieldsSeq("X-Filename Filename File F") {
		r := PublishRequest{Header: map[string][]string{name: {"n.txt"}, "Attach": {"https://a.b/"}}}
		if got, want := ntfyPublished(t, r), `{"message":"You received a file: n.txt","attach":"https://a.b/","filename":"n.txt"}`; got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func TestNtfyPublishHeaderComesBeforeQuery(t *testing.T) {
	got := ntfyPublished(t, PublishRequest{
		Header: map[string][]string{"T": {"short"}, "Title": {"long"}, "X-Title": {" "}},
		Query:  map[string][]string{"x-title": {"query"}, "message": {"m"}},
	})
	if want := `{"message":"m","title":"long"}`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestNtfyPublishPriorities(t *testing.T) {
	for word, want := range map[string]string{
		"1": `,"priority":1`, "min": `,"priority":1`, "2": `,"priority":2`, "low": `,"priority":2`, "3": `,"priority":3`,
		"default": `,"priority":3`, "4": `,"priority":4`, "HIGH": `,"priority":4`, "5": `,"priority":5`, "max": `,"priority":5`,
		"Urgent": `,"priority":5`, "u=3": "", "u=1, i": "", "i": "", "u=0,i=?0": "",
	} {
		if got := ntfyPublished(t, PublishRequest{Header: map[string][]string{"Priority": {word}}}); got != `{"message":"triggered"`+want+`}` {
			t.Errorf("priority %s: %s", word, got)
		}
	}
	browser := PublishRequest{Header: map[string][]string{"Priority": {"u=1, i"}}, Query: map[string][]string{"priority": {"high"}}}
	if got := ntfyPublished(t, browser); got != `{"message":"triggered","priority":4}` {
		t.Errorf("a browser's own priority comes before the query's: %s", got)
	}
	for _, word := range []string{"0", "6", "-1", "highest", "3.0", "u=x=1;"} {
		_, err := ParsePublish(PublishRequest{Channel: "c", Query: map[string][]string{"priority": {word}}})
		ntfyRefused(t, word, err, NtfyBadPriority, word)
	}
}

func TestNtfyPublishTexts(t *testing.T) {
	for _, row := range []struct {
		name  string
		title string // of the header
		want  string
	}{
		{"encoded words", "=?UTF-8?B?8J+Ygg==?= =?utf-8?q?gr=C3=BCn?= und", "😂grün und"},
		{"Latin-1 encoded word", "=?ISO-8859-1?Q?gr=FCn?=", "grün"},
		{"encoded word of an unknown charset", "=?klingon?Q?x?=", "=?klingon?Q?x?="},
		{"no encoded word", "a =? b", "a =? b"},
		{"UTF-8 as it is", "grün 😂", "grün 😂"},
		{"Latin-1 as Node sends it", "gr\xfcn", "grün"},
		{"line breaks in an encoded word", "=?UTF-8?Q?a=0D=0Ab?=", "a\r\nb"},
	} {
		var n Notification
		data := ntfyPublished(t, PublishRequest{Header: map[string][]string{"Title": {row.title}}})
		if err := json.Unmarshal([]byte(data), &n); err != nil || n.Title != row.want {
			t.Errorf("%s: the title %q is read as %q, %v", row.name, row.title, n.Title, err)
		}
	}
	tags := ntfyPublished(t, PublishRequest{Header: map[string][]string{"Tags": {"=?UTF-8?B?w7w=?=,warning"}}})
	if tags != `{"message":"triggered","tags":["ü","warning"]}` {
		t.Errorf("an encoded word among tags: %s", tags)
	}
	broken := ntfyPublished(t, PublishRequest{Query: map[string][]string{"title": {"a\r\nb\x00c\xff"}}})
	if broken != `{"message":"triggered","title":"a\r\nb\u0000c`+"\uFFFD"+`"}` {
		t.Errorf("control characters in a query: %s", broken)
	}
}

func TestNtfyPublishBody(t *testing.T) {
	message := map[string][]string{"message": {`one\ntwo`}}
	up := map[string][]string{"up": {"1"}, "message": {"m"}}
	for _, row := range []struct {
		name  string
		body  string
		query map[string][]string
		want  string
	}{
		{"nothing", "", nil, `{"message":"triggered"}`},
		{"spaces alone", " \r\n", nil, `{"message":"triggered"}`},
		{"text", "\n hello\n world \n", nil, `{"message":"hello\n world"}`},
		{"text and parameter", "body", message, `{"message":"body"}`},
		{"no text but a parameter", "\n", message, `{"message":"one\ntwo"}`},
		{"JSON is text here", `{"message":"x"}`, nil, `{"message":"{\"message\":\"x\"}"}`},
		{"NUL and markup", "a\x00<b>", nil, `{"message":"a\u0000<b>"}`},
		{"bytes", "\xff\x00 ", message, `{"message":"/wAg","encoding":"base64"}`},
		{"UnifiedPush text", " x\n", up, `{"message":" x\n"}`},
	} {
		if got := ntfyPublished(t, PublishRequest{Body: []byte(row.body), Query: row.query}); got != row.want {
			t.Errorf("%s: %s, want %s", row.name, got, row.want)
		}
	}
}

func TestNtfyPublishMarkdownByContentType(t *testing.T) {
	for kind, want := range map[string]bool{
		"text/markdown": true, "Text/Markdown; charset=utf-8": true,
		"text/plain": false, "application/x-www-form-urlencoded": false, "text/markdownish": false, ";": false,
	} {
		got := ntfyPublished(t, PublishRequest{Body: []byte("x"), Header: map[string][]string{"Content-Type": {kind}}})
		if strings.Contains(got, `"markdown":true`) != want {
			t.Errorf("%s: %s", kind, got)
		}
	}
	off := PublishRequest{Header: map[string][]string{"Content-Type": {"text/markdown"}, "X-Markdown": {"no"}}}
	if got := ntfyPublished(t, off); got != `{"message":"triggered"}` {
		t.Errorf("switched off: %s", got)
	}
}

func TestNtfyPublishLive(t *testing.T) {
	for value, live := range map[string]bool{"no": true, "0": true, "FALSE": true, "yes": false, "1": false, "": false, "perhaps": false} {
		p, err := ParsePublish(PublishRequest{Channel: "c", Header: map[string][]string{"X-Cache": {value}}})
		if err != nil || p.Options.Live != live {
			t.Errorf("X-Cache: %s: live is %t, %v", value, p.Options.Live, err)
		}
	}
}

func TestNtfyPublishRefusals(t *testing.T) {
	for _, row := range []struct {
		names, value string
		code         NtfyCode
		says         string
	}{
		{"X-Delay Delay X-At At X-In In", "soon", 40004, "tomorrow"},
		{"X-Delay Delay X-At At X-In In", "0s", 40005, "at least 1s ahead"},
		{"X-Delay Delay X-At At X-In In", "367 days", 40006, "at most 366 days"},
		{"X-Schedule Schedule", "@every blue moon", 40004, "@every 30m"},
		{"X-Schedule Schedule", "@every 0s", 40004, "a second or more"},
		{"X-Schedule Schedule", "* * * *", 40004, "five or six fields"},
		{"X-Schedule Schedule", "* * * * " + strings.Repeat("1,", 100) + "1", 40004, "five or six fields"},
		{"X-Ttl Ttl", "long", 40000, "12h"},
		{"X-Sequence-Id Sequence-Id Sid", "a b", 40049, "' '"},
		{"X-Sequence-Id Sequence-Id Sid", "json", 40049, "/{channel}/json"},
		{"X-Sequence-Id Sequence-Id Sid", strings.Repeat("x", 65), 40049, "65 bytes"},
		{"X-Exclude-Client Exclude-Client", strings.Repeat("x", 129), 40000, "129 bytes"},
		{"X-Email X-E-Mail Email E-Mail Mail E", "a@b.c", 40001, "e-mail is not offered"},
		{"X-Call Call", "yes", 40032, "a phone is not offered"},
		{"X-Template Template Tpl", "github", 40000, "templating is not offered"},
		{"X-Filename Filename File F", "a.txt", 40014, "storing files is not offered"},
		{"Icon", "a.png", 40021, `icon "a.png" is not a URL`},
		{"Icon", "ftp://a.b/c", 40021, "https://"},
		{"Icon", "https:///c", 40021, "https://"},
		{"Attach", "javascript:alert(1)", 40013, "https://"},
		{"Attach", "https://a b/", 40013, "https://"},
		{"Actions", "view", 40018, "action 1: it has no label"},
	} {
		for name := range strings.FieldsSeq(row.names) {
			for _, r := range []PublishRequest{
				{Header: map[string][]string{name: {row.value}}},
				{Query: map[string][]string{strings.ToLower(name): {row.value}}},
			} {
				r.Channel, r.Body = "c", []byte("text")
				_, err := ParsePublish(r)
				ntfyRefused(t, name+": "+row.value, err, row.code, row.says)
			}
		}
	}
	off := PublishRequest{Header: map[string][]string{"Call": {"no"}, "Email": {"0"}, "Template": {"false"}, "X-Delay": {""}}}
	if got := ntfyPublished(t, off); got != `{"message":"triggered"}` {
		t.Errorf("what is not offered was switched off: %s", got)
	}
	for _, channel := range []string{"", "a b", "a..b", "a.*", "a/b", "ü", strings.Repeat("x", 256)} {
		_, err := ParsePublish(PublishRequest{Channel: channel})
		ntfyRefused(t, channel, err, NtfyBadTopic, "")
	}
}

func TestNtfyPublishSizes(t *testing.T) {
	for _, body := range []string{strings.Repeat("x", 11), strings.Repeat("\xff", 11)} {
		_, err := ParsePublish(PublishRequest{Channel: "c", Body: []byte(body), MaxMessageBytes: 10})
		ntfyRefused(t, body, err, NtfyTooLarge, "11 bytes long: at most 10")
		if hub.ErrorOf(err).Code != hub.CodeTooLarge {
			t.Errorf("the hub's code is %d", hub.ErrorOf(err).Code)
		}
	}
	if _, err := ParsePublish(PublishRequest{Channel: "c", Body: []byte("0123456789"), MaxMessageBytes: 10}); err != nil {
		t.Error(err)
	}
	_, err := ParsePublishJSON(PublishRequest{Body: []byte(`{"topic":"c","message":"01234567890"}`), MaxMessageBytes: 10})
	ntfyRefused(t, "JSON", err, NtfyTooLarge, "11 bytes long: at most 10")
}

func FuzzNtfyPublish(f *testing.F) {
	f.Add("X-Title", "=?UTF-8?B?8J+Ygg==?=", "p", "5", []byte("hello\n"))
	f.Add("Actions", "view, A, a; http, B, b, c", "attach", "https://a.b/c", []byte("\xff"))
	f.Add("Content-Type", "text/markdown", "message", "a\r\nb", []byte(`{"topic":"c","priority":"high","tags":["a"]}`))
	f.Add("Delay", "1m", "up", "1", []byte(`{"topic":"c","actions":[{"action":"view"}],"cache":"no"`))
	f.Add("Idempotency-Key", "\"a\"", "ttl", "2 days", []byte(`{"topic":"c","in":"30m","sequence_id":"s"}`))
	f.Add("Schedule", "@every 1h", "timezone", "Europe/Berlin", []byte(`{"topic":"c","ttl":0,"schedule":"@daily"}`))
	f.Fuzz(func(t *testing.T, header, value, name, text string, body []byte) {
		r := PublishRequest{
			Channel: "c", Body: body, Now: ntfyNow,
			Header: map[string][]string{header: {value}}, Query: map[string][]string{name: {text}},
		}
		for _, parse := range []func(PublishRequest) (Publish, error){ParsePublish, ParsePublishJSON} {
			p, err := parse(r)
			if err != nil {
				checkNtfyError(t, err)
				continue
			}
			data := p.Message.Data
			if _, ok := ParseNotification(data); !ok || !json.Valid(data) || strings.ContainsAny(string(data), "\r\n") || !utf8.Valid(data) {
				t.Errorf("the data is %q", data)
			}
			if err := hub.CheckChannel(p.Message.Channel); err != nil {
				t.Error(err)
			}
			checkNtfyLine(t, NtfyMessage(p.Message))
		}
	})
}

// checkNtfyLine checks that object is JSON on one line.
func checkNtfyLine(t *testing.T, object []byte) {
	t.Helper()
	if !json.Valid(object) || strings.ContainsAny(string(object), "\r\n") {
		t.Errorf("the object is %q", object)
	}
}

// checkNtfyError checks that a client can be told of an error of its own.
func checkNtfyError(t *testing.T, err error) {
	t.Helper()
	status, body := NtfyError(err)
	if status < 400 || status > 499 || hub.ErrorOf(err).Message == "" {
		t.Errorf("%v is answered by %d %s", err, status, body)
	}
	checkNtfyLine(t, body)
}
