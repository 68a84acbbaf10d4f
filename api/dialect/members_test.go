package dialect

import (
	"encoding/json"
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
	channel, data, ok := plainPublish(text)
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
	const budget = 2 // the channel's name, and the scanner of encoding/json, which is pooled most times
	if n := testing.AllocsPerRun(100, func() { plainPublish(text) }); n > budget {
		t.Errorf("%v allocations", n)
	}
}
