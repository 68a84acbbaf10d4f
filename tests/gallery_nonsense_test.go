package tests

import "testing"

// nonsense is data that no example publishes, and some that looks as if one did.
var nonsense = []string{
	`null`, `1`, `"x"`, `[]`, `{}`,
	`{"by":"x","n":1,"make":{"__proto__":{"a":1}}}`,
	`{"by":"x","n":1e308,"make":{"a":{"kind":"note","x":"NaN","y":1e308,"text":{}}}}`,
	`{"by":"evil","n":2,"make":{"b1":{"kind":"stroke","points":"zzz","x":null}}}`,
	`{"by":"evil","n":3,"make":{"b2":{"kind":"note","x":1e300,"y":-1e300,"text":"x","color":99}}}`,
	`{"snapshot":null}`, `{"snapshot":{"objects":5,"seen":null}}`, `{"snapshot":{"objects":{"a":null},"seen":[[1,2]]}}`,
	`{"tick":"a","planes":[[1]],"scraps":"x"}`,
	`{"tick":99999999,"planes":[[1,1e308,null,"x",1,1,1,0,"<img src=x onerror=alert(1)>"]],"scraps":[1],"watching":-1}`,
	`{"id":"aaa","state":"working","started":1e99,"kind":"percolation"}`,
	`{"part":0,"state":"working","points":5,"bins":[[1e9,1]],"top":[[{},{}]]}`,
	`{"run":"x","n":-5,"time":"y","values":{"__proto__":1,"core/1":"a"}}`,
	`{"run":"x","n":1e300,"time":1e300,"values":{"core/1":1e308}}`,
	`{"char":"\u0000","code":-1}`, `{"name":{"a":[]},"typing":"x","who":7}`,
	`{"message":"<img src=x onerror=alert(1)>","title":{},"tags":"x","priority":"9","click":"javascript:alert(1)"}`,
}

// On an open hub anybody may publish anything. No page of the gallery breaks of it:
// open checks that none throws.
func TestGalleryWithstandsNonsense(t *testing.T) {
	t.Parallel()
	h, b := startHub(t), startBrowser(t)
	var pages []*tab
	for _, example := range h.gallery() {
		url := example.url
		switch example.name {
		case "todo":
			url += "#list=nonsense"
		case "analysis":
			url += "#aaa"
		}
		pages = append(pages, b.open(url))
	}
	for _, p := range pages {
		p.wantText("group", "Connection", "Connected")
	}
	channels := []string{
		"gallery.notifications", "chat.lobby", "gallery.live.typing.lobby", "gallery.document.board", "gallery.live.board",
		"gallery.document.todo.nonsense", "gallery.game", "gallery.completion.copied", "gallery.analysis", "gallery.analysis.aaa",
		"gallery.devices.cpu", "gallery.devices.network", "mqtt.a.b", "amqp.a",
	}
	for _, channel := range channels {
		for _, data := range nonsense {
			h.do("POST", "/api/publish", `{"channel":"`+channel+`","data":`+data+`}`)
		}
		h.publish(channel, "the end of it")
	}
	late := b.open(h.url + "/gallery/analysis#aaa") // who comes later reads it too
	late.wantText("group", "Connection", "Connected")
	chat := b.open(h.url + "/gallery/chat")
	chat.wantText("log", "Chat messages", "the end of it", "<img src=x")

	for _, p := range pages {
		if p.evaluate("location.pathname") == "/gallery/todo" {
			p.fill("textbox", "New task", "It still works")
			p.press("\r")
			p.wantText("region", "To-do list", "Added: It still works", "All changes are saved")
		}
		p.wantText("group", "Connection", "Connected")
	}
}
