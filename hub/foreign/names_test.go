package foreign

import (
	"slices"
	"strings"
	"testing"

	"fanfold/hub"
)

func TestTopicsAndChannels(t *testing.T) {
	t.Parallel()
	for topic, channel := range map[string]string{
		"news":              "news",
		"sensors/room/temp": "sensors.room.temp",
		"v1.2/my room":      "v1=2E2.my=20room",
		"büro/°C":           "b=C3BCro.=C2B0C",
		"/a//b":             "=.a.=.b",
		"/":                 "=.=",
		"a/":                "a.=",
		"=":                 "=",
		"=/a":               "==.a",
		"==":                "==",
		"a=b":               "a=b",
		"a=20b":             "a=3D20b",
		"a=3D20b":           "a=3D3D20b",
		"a=23b":             "a#b",
		"a=3D23b":           "a=23b",
		"a=FFb":             "a=FFb",
		"a=00b":             "a=00b",
		"a=2fb":             "a=2fb",
		"a== b":             "a===20b",
		"$SYS/x":            "$SYS.x",
		"a*b/>":             "a=2Ab.=3E",
		"�":                 "=EFBFBD",
	} {
		got, err := Channel(topic)
		if err != nil || got != channel {
			t.Errorf("the channel of %q is %q, %v: want %q", topic, got, err, channel)
		}
		if back := Topic(channel); back != topic {
			t.Errorf("the topic of %q is %q, want %q", channel, back, topic)
		}
	}
}

func TestFiltersArePatterns(t *testing.T) {
	t.Parallel()
	for filter, keys := range map[string][]string{
		"#":      {">"},
		"+":      {"*"},
		"a/#":    {"a.>", "a"},
		"+/#":    {"*.>", "*"},
		"/#":     {"=.>"},
		"//#":    {"=.=.>", "=.="},
		"=/#":    {"==.>", "="},
		"a/+/c":  {"a.*.c"},
		"+/b":    {"*.b"},
		"a b/+":  {"a=20b.*"},
		"$SYS/#": {"$SYS.>", "$SYS"},
	} {
		if got, err := Keys(filter); err != nil || !slices.Equal(got, keys) {
			t.Errorf("%s is %q, %v: want %q", filter, got, err, keys)
		}
	}
	for _, filter := range []string{"", "a#", "#/a", "a/#/b", "a+", "+a/b", "##", "a\x00", "\xff", strings.Repeat("a", 256), strings.Repeat(" ", 86)} {
		if keys, err := Keys(filter); err == nil || hub.ErrorOf(err).Code != hub.CodeBadRequest {
			t.Errorf("%q is %q, %v: want an error", filter, keys, err)
		}
	}
}

// Every topic has one channel and every channel one topic.
func FuzzTopicsAndChannels(f *testing.F) {
	for _, seed := range []string{"a/b", "a.b", "//=", "=3D3D20", "=.=", "a=C3A9/é", "=23#", "=E2=82=AC", "= =3D =20", "==3D20", "=3D"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if channel, err := Channel(name); err == nil {
			if err := hub.CheckChannel(channel); err != nil {
				t.Fatalf("topic %q: %v", name, err)
			}
			if topic := Topic(channel); topic != name {
				t.Fatalf("topic %q is channel %q is topic %q", name, channel, topic)
			}
			keys, err := Keys(name)
			if err != nil || !slices.Equal(keys, []string{channel}) {
				t.Fatalf("topic %q is channel %q, but as a filter %q, %v", name, channel, keys, err)
			}
		}
		if hub.CheckChannel(name) == nil {
			topic := Topic(name)
			if channel, err := Channel(topic); err != nil || channel != name {
				t.Fatalf("channel %q is topic %q is channel %q, %v", name, topic, channel, err)
			}
		}
	})
}

func TestRoutingKeysAndChannels(t *testing.T) {
	t.Parallel()
	for key, channel := range map[string]string{
		"user.created": "user.created",
		"a/b c":        "a=2Fb=20c",
		"#":            "#",
		"a.*":          "a.=2A",
		"a+b":          "a=2Bb",
		"a=2Bb":        "a=3D2Bb",
		"..":           "=.=.=",
		"a\x00":        "a=00",
	} {
		got, err := ChannelOfKey(key)
		if err != nil || got != channel {
			t.Errorf("the channel of %q is %q, %v: want %q", key, got, err, channel)
		}
		if back := RoutingKey(channel); back != key {
			t.Errorf("the key of %q is %q, want %q", channel, back, key)
		}
	}
	for _, key := range []string{"", "\xff", strings.Repeat(" ", 86)} {
		if channel, err := ChannelOfKey(key); err == nil || hub.ErrorOf(err).Code != hub.CodeBadRequest {
			t.Errorf("%q is %q, %v: want an error", key, channel, err)
		}
	}
}

// Every routing key has one channel and every channel one routing key.
func FuzzRoutingKeysAndChannels(f *testing.F) {
	for _, seed := range []string{"a/b", "a.b", "..=", "=3D3D20", "=.=", "a#é", "=23#", "=E2=82=AC", "= =3D =20", "==3D20"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if channel, err := ChannelOfKey(name); err == nil {
			if err := hub.CheckChannel(channel); err != nil {
				t.Fatalf("key %q: %v", name, err)
			}
			if key := RoutingKey(channel); key != name {
				t.Fatalf("key %q is channel %q is key %q", name, channel, key)
			}
		}
		if hub.CheckChannel(name) == nil {
			key := RoutingKey(name)
			if channel, err := ChannelOfKey(key); err != nil || channel != name {
				t.Fatalf("channel %q is key %q is channel %q, %v", name, key, channel, err)
			}
		}
	})
}
