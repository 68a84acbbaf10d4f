package bridge

import (
	"net/url"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func mustURL(text string) *url.URL {
	u, err := url.Parse(text)
	if err != nil {
		panic(err)
	}
	return u
}

func mqttConfig(in []In, out []Out) Config {
	return Config{Name: "plant", URL: mustURL("mqtt://localhost"), Version: 5, In: in, Out: out}
}

func amqpConfig(in []In, out []Out) Config {
	return Config{Name: "shop", URL: mustURL("amqp://localhost/vhost"), Version: 5, In: in, Out: out}
}

func TestWhatCanBeConfigured(t *testing.T) {
	t.Parallel()
	old := mqttConfig([]In{{From: "a/#", To: "a.>"}}, []Out{{From: "b.>", To: "b/#"}})
	old.Name, old.Version = "old", 4
	err := Validate([]Config{
		mqttConfig([]In{{From: "a/#", To: "x.>"}, {From: "b/+/c", To: "b.*"}, {From: "d/#", To: "fixed"}}, []Out{{From: "x.>", To: "a/#", QoS: 1}, {From: "y.*", To: "all"}}),
		amqpConfig([]In{{Queue: "q", To: "q"}, {Exchange: "e", Keys: []string{"#"}, Queue: "own", To: "e.>"}}, []Out{{From: "n.*.>", Exchange: "e", Key: "*.>"}, {From: "m.>", Queue: "jobs"}, {From: "o.>", Exchange: "e", Key: "a key"}}),
		old,
	})
	if err == nil || !strings.Contains(err.Error(), "plant and old") {
		t.Errorf("what a bridge of version 5 sends to a/# comes back over one of 3.1.1: %v", err)
	}
	old.In[0].From = "c/#"
	if err := Validate([]Config{old}); err != nil {
		t.Error(err)
	}
}

func TestWrongBridgesAreNamed(t *testing.T) {
	t.Parallel()
	ok := []In{{From: "a/#", To: "a.>"}}
	with := func(change func(*Config)) Config {
		c := mqttConfig(ok, nil)
		change(&c)
		return c
	}
	in := func(r In) Config { return mqttConfig([]In{r}, nil) }
	out := func(r Out) Config { return mqttConfig(nil, []Out{r}) }
	queue := func(r In) Config { return amqpConfig([]In{r}, nil) }
	exchange := func(r Out) Config { return amqpConfig(nil, []Out{r}) }
	for _, row := range []struct {
		config Config
		says   string
	}{
		{with(func(c *Config) { c.Name = "a b" }), "letters, digits"},
		{with(func(c *Config) { c.URL = mustURL("http://localhost") }), "mqtt://host:1883"},
		{with(func(c *Config) { c.URL = mustURL("mqtt://me:secret@localhost") }), "password-file"},
		{with(func(c *Config) { c.In = nil }), "no routes"},
		{with(func(c *Config) { c.Version = 3 }), "5 or 3.1.1"},
		{in(In{From: "a/#/b", To: "a"}), "in route 1: from"},
		{in(In{From: "a/#", To: "a..b"}), "empty token"},
		{in(In{From: "a/+", To: "a.>"}), "don't correspond"},
		{in(In{From: "a", To: "a.>"}), "don't correspond"},
		{in(In{From: "a/#", To: "a", QoS: 2}), "qos 2"},
		{in(In{To: "a"}), "what to take"},
		{in(In{Queue: "q", To: "a"}), "are AMQP's"},
		{out(Out{From: "a.>", To: "a/+"}), "don't correspond"},
		{out(Out{From: "a b", To: "a"}), "from: "},
		{out(Out{From: "a"}), "where to send"},
		{out(Out{From: "a", Exchange: "e", To: "a"}), "are AMQP's"},
		{queue(In{From: "a/#", To: "a"}), "are MQTT's"},
		{queue(In{To: "a"}), "give a queue"},
		{queue(In{Queue: "q", Keys: []string{"#"}, To: "a"}), "of the bridge's own"},
		{queue(In{Queue: "q", Exchange: "e", To: "a"}), "give keys"},
		{queue(In{Queue: "q", To: "a.*"}), "only a last >"},
		{exchange(Out{From: "a"}), "an exchange and a key"},
		{exchange(Out{From: "a", Exchange: "e", Queue: "q"}), "one of the two"},
		{exchange(Out{From: "a.>", Exchange: "e", Key: "*"}), "don't correspond"},
		{exchange(Out{From: "a.>", Exchange: "e", Key: "#.>"}), "in bindings alone"},
		{exchange(Out{From: "a", To: "a"}), "are MQTT's"},
		{mqttConfig([]In{{From: "a/#", To: "a.>"}, {From: "a/b", To: "b"}}, nil), "make them distinct"},
		{amqpConfig([]In{{Queue: "q", To: "a"}, {Queue: "q", To: "b"}}, nil), "the queue q"},
		{mqttConfig(nil, []Out{{From: "a", To: "a"}, {From: "a", To: "a"}}), "two equal"},
		{with(func(c *Config) { c.Version, c.Out = 4, []Out{{From: "b.>", To: "a/b/#"}} }), "3.1.1 can't mark"},
	} {
		err := Validate([]Config{row.config})
		if err == nil || !strings.Contains(err.Error(), row.says) || strings.Contains(err.Error(), "secret") {
			t.Errorf("got %v, want %q", err, row.says)
		}
	}
	same := mqttConfig(ok, nil)
	if err := Validate([]Config{same, same}); err == nil || !strings.Contains(err.Error(), "its own") {
		t.Errorf("two of one name: %v", err)
	}
}

func TestNamesAreTranslated(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ from, to, name, want string }{
		{"a.>", "b.c.>", "a.x.y", "b.c.x.y"},
		{"a.>", "b.>", "a", "b"},
		{"a.>", ">", "a", ""},
		{"a.*.c.>", "*.>", "a.b.c.d.e", "b.d.e"},
		{"*.*", "x.*.y.*", "1.2", "x.1.y.2"},
		{">", "all", "a.b", "all"},
		{"a", "b", "a", "b"},
	} {
		tr, err := newTranslation(row.from, row.to)
		if err != nil {
			t.Errorf("%s to %s: %v", row.from, row.to, err)
			continue
		}
		if got, ok := tr.apply(row.name); !ok || got != row.want {
			t.Errorf("%s to %s: %s becomes %q, %v, want %q", row.from, row.to, row.name, got, ok, row.want)
		}
	}
	for _, row := range [][2]string{{"a.>", "b.x"}, {"a.*", "a.b.c"}, {"a.*", "a"}, {"a", "a.b"}, {"a.*.c.>", "a.b"}} {
		tr, _ := newTranslation(row[0], row[0])
		if got, ok := tr.apply(row[1]); ok {
			t.Errorf("%s matches %s as %q", row[0], row[1], got)
		}
	}
}

func TestPatternsOverlap(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		a, b string
		want bool
	}{
		{"a/#", "a/b", true}, {"a/#", "a", true}, {"a/+", "+/b", true}, {"#", "x", true},
		{"a/+", "a/b/c", false}, {"a/b", "a/c", false}, {"a/#", "b/#", false}, {"a", "a/b", false},
	} {
		if got := filtersOverlap(row.a, row.b); got != row.want || filtersOverlap(row.b, row.a) != got {
			t.Errorf("%s and %s: %v", row.a, row.b, got)
		}
	}
}
