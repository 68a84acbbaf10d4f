package dialect

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestAPlainPublishIsReadAsReflectionReadsIt(t *testing.T) {
	for text, plain := range map[string]bool{
		`{"channel":"a","data":"x"}`: true,
		" {\n\"data\" : {\"a\":[1,{\"b\":\"}\\\"\"}]} , \"channel\":\"a.b\" } ": true,
		`{"channel":"ä","data":-1.5e3}`:                                         true,
		`{"channel":"a","data":true}`:                                           true,
		`{"channel":"a","data":[]}`:                                             true,
		`{"data":""}`:                                                           true, // without a channel, which is refused later
		`{"channel":"\u0061","data":1}`:                                         false,
		`{"channel":"a","data":null}`:                                           false,
		`{"channel":"a"}`:                                                       false,
		`{"channel":1,"data":1}`:                                                false,
		`{"channel":"a","data":1,"tags":{}}`:                                    false,
		`{"channel":"a","data":1,"data":2}`:                                     false,
		`{"Channel":"a","data":1}`:                                              false,
		`{"channel":"a","data":1} x`:                                            false,
		`{"channel":"a","data":1`:                                               false,
		`[]`:                                                                    false,
		`"channel"`:                                                             false,
		`{}`:                                                                    false,
		``:                                                                      false,
	} {
		checkPlain(t, []byte(text), plain, true)
	}
}

func FuzzPlainPublish(f *testing.F) {
	f.Add([]byte(`{"channel":"a","data":{"b":[1,"\"}",null]}}`))
	f.Add([]byte(`{"data":"\\","channel":"a"}`))
	f.Fuzz(func(t *testing.T, text []byte) { checkPlain(t, text, false, false) })
}

// checkPlain compares what is read by hand with what reflection reads.
func checkPlain(t *testing.T, text []byte, want, judge bool) {
	var channel string
	var data []byte
	ok := json.Valid(text)
	if ok {
		channel, data, ok = plainPublish(text)
	}
	if judge && ok != want {
		t.Errorf("%s is plain: %v, want %v", text, ok, want)
	}
	if !ok {
		return
	}
	var slow struct {
		Channel string          `json:"channel"`
		Data    json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(text, &slow); err != nil {
		t.Fatalf("%s was read, but %v", text, err)
	}
	if valid := string([]rune(channel)); channel == valid && (channel != slow.Channel || string(data) != string(slow.Data)) {
		t.Errorf("%s: read %q and %s, want %q and %s", text, channel, data, slow.Channel, slow.Data)
	}
}

func TestAPlainPublishIsReadWithoutCopies(t *testing.T) {
	text := []byte(`{"channel":"news","data":{"text":"hello","list":[1,2,3]}}`)
	const budget = 1 // the channel's name
	if n := testing.AllocsPerRun(100, func() { plainPublish(text) }); n > budget {
		t.Errorf("%v allocations", n)
	}
}

func TestAPlainBatchIsReadAsReflectionReadsIt(t *testing.T) {
	for text, plain := range map[string]bool{
		`{"commands":[{"publish":{"channel":"a","data":1}}]}`:                                   true,
		" { \"commands\" : [ {\"publish\" : {\"data\":\"]},\\\"\"} } ,\n{ \"info\" : {} } ] } ": true,
		`{"commands":[{},{"a":1,"b":2},{"c":[[],{}]}]}`:                                         true,
		`{"commands":[{"publish":{}}],"parallel":true}`:                                         false,
		`{"commands":[{"publish":{}}],"commands":[]}`:                                           false,
		`{"commands":[]}`:     false,
		`{"commands":[null]}`: false,
		`{"commands":[[]]}`:   false,
		`{"commands":{}}`:     false,
		`{"commands":null}`:   false,
		`{}`:                  false,
		`[]`:                  false,
		`{"commands":[` + strings.Repeat(`{"a":{}},`, apiMaxCommands-1) + `{"a":{}}]}`: true,
		`{"commands":[` + strings.Repeat(`{"a":{}},`, apiMaxCommands) + `{"a":{}}]}`:   false,
	} {
		checkPlainBatch(t, []byte(text), plain, true)
	}
}

func FuzzPlainBatch(f *testing.F) {
	f.Add([]byte(`{"commands":[{"publish":{"channel":"a","data":[1]}},{"info":{}}]}`))
	f.Fuzz(func(t *testing.T, text []byte) { checkPlainBatch(t, text, false, false) })
}

func checkPlainBatch(t *testing.T, text []byte, want, judge bool) {
	var commands []apiCommand
	ok := json.Valid(text)
	if ok {
		commands, ok = plainBatch(text)
	}
	if judge && ok != want {
		t.Errorf("%.80s is plain: %v, want %v", text, ok, want)
	}
	if !ok {
		return
	}
	var slow struct {
		Commands []map[string]json.RawMessage `json:"commands"`
	}
	if err := json.Unmarshal(text, &slow); err != nil || len(slow.Commands) != len(commands) {
		t.Fatalf("%.80s: read %d commands, want %d: %v", text, len(commands), len(slow.Commands), err)
	}
	for i, c := range commands {
		if c.members != 1 {
			continue // it is refused
		}
		for name, body := range slow.Commands[i] {
			if name == c.method && string(body) != string(c.body) {
				t.Errorf("%.80s: command %d has %s, want %s", text, i, c.body, body)
			}
		}
	}
}
