package web

import (
	"bytes"
	"html/template"
	"io/fs"
	"path"
	"strings"
)

// Example is a page of the gallery: <name>.html, <name>.js and <name>.svg in its
// folder, and perhaps <name>.css and, for the hub's side, <name>.go.
type Example struct {
	Name, Title, Summary string
}

// examples are shown in this order.
var examples = []Example{
	{"notifications", "Notifications", "Send one with curl or from the page; it pops up in every tab, and on the screen while they are all hidden."},
	{"chat", "Chat", "Rooms for any number of people: who is here, who comes and goes, and who is typing."},
	{"board", "Whiteboard", "Draw, write notes and move things about together, also while offline: every board ends up the same."},
	{"todo", "To-do list", "One list in all tabs and on all devices; what you change offline is sent when the hub is back."},
	{"game", "Multiplayer game", "Paper planes for any number of tabs and phones, with one referee in the hub."},
	{"completion", "Auto-completion", "With every key the hub searches the names of all Unicode characters. Copy one here, and it is at hand in your other tabs."},
	{"analysis", "Data while it is generated", "Start an analysis on the hub and watch its results grow, in any number of tabs."},
	{"devices", "Device data", "What this hub’s own machine does, once a second, with the last five minutes at once."},
	{"queues", "Message queues", "MQTT topics and AMQP queues, live as a tree with rates and curves, and the lines that join your broker to the hub."},
}

// Server reports whether the example has a side in the hub.
func (e Example) Server() bool { return e.has(".go") }

// Styled reports whether the example has a style of its own.
func (e Example) Styled() bool { return e.has(".css") }

func (e Example) has(ending string) bool {
	_, err := fs.Stat(embedded, path.Join(galleryFolder, e.Name+ending))
	return err == nil
}

const galleryFolder = "gallery"

// view is what the templates of a page see.
type view struct {
	Root           string // the relative address of the hub
	Examples       []Example
	Example        Example // of its page
	Previous, Next *Example
}

// pages returns what renders each page by its file name: the front page, the gallery and
// each example.
func pages() map[string]func() []byte {
	pages := map[string]func() []byte{
		index:                           page(view{Root: "./"}, index),
		path.Join(galleryFolder, index): page(view{Root: "../", Examples: examples}, path.Join(galleryFolder, index)),
	}
	for i, e := range examples {
		v := view{Root: "../", Example: e}
		if i > 0 {
			v.Previous = &examples[i-1]
		}
		if i+1 < len(examples) {
			v.Next = &examples[i+1]
		}
		name := path.Join(galleryFolder, e.Name+".html")
		pages[name] = page(v, "parts/example.html", name)
	}
	return pages
}

// page returns a page that is rendered when it is called.
func page(v view, files ...string) func() []byte {
	return func() []byte { return render(v, files) }
}

// render executes the layout with the templates of these files.
func render(v view, files []string) []byte {
	files = append([]string{"parts/layout.html", "parts/messages.html", "parts/notifications.html", "parts/chat.html", "parts/plot.html"}, files...)
	var b bytes.Buffer
	t := template.Must(template.ParseFS(embedded, files...))
	if err := t.ExecuteTemplate(&b, "layout", v); err != nil {
		panic("make the embedded page: " + err.Error()) // the templates are as they were when the tests ran
	}
	return b.Bytes()
}

// isSource reports whether a file is a template that pages are made of, or a test:
// not to be served.
func isSource(name string) bool {
	return strings.HasPrefix(name, "parts/") || strings.HasSuffix(name, "_test.go")
}
