// Package gallery is the hub's side of the live examples, each in the file of its name. They have
// what any user of a hub has: channels, messages, calls, presence and history; and rules,
// as a configuration file states them.
//
// Their channels begin with "gallery.". Who may call them, and see what they do, is
// for the grants on those channels to say.
package gallery

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"

	"fanfold/hub"
	"fanfold/hub/client"
)

// Grant is what the gallery needs of a hub.
func Grant() hub.Grant {
	all := []string{"gallery.>"}
	return hub.Grant{Subscribe: all, Publish: all, Presence: all, History: all}
}

// Method is a call that pages can make by rpc.
type Method struct {
	// Channel is one that the caller must be allowed to publish to; "": everybody may call.
	Channel string
	// Call answers with JSON to JSON. It does not block for long: the caller's next
	// command waits for it. An error is for the caller, see [hub.ErrorOf].
	Call func(ctx context.Context, caller *hub.Client, data []byte) (result []byte, err error)
}

// method makes a [Method] of a function of its question.
func method[Q, A any](channel string, answer func(ctx context.Context, caller *hub.Client, q Q) (A, error)) Method {
	return Method{Channel: channel, Call: func(ctx context.Context, caller *hub.Client, data []byte) ([]byte, error) {
		var q Q
		if len(data) > 0 {
			if err := json.Unmarshal(data, &q); err != nil {
				return nil, hub.Errorf(hub.CodeBadRequest, "the call's data does not fit: %v", err)
			}
		}
		a, err := answer(ctx, caller, q)
		if err != nil {
			return nil, err
		}
		return json.Marshal(a)
	}}
}

// Config of a [Gallery].
type Config struct {
	Client *client.Client // with [Grant]; required
	Logger *slog.Logger   // required
	Folder string         // the hub's data, whose file system is shown; "": none
}

// Gallery runs the examples.
type Gallery struct {
	examples []example
}

// example is the hub's side of one example.
type example interface {
	// methods are its calls by their names, which begin with "gallery.".
	methods() map[string]Method
	// run does what it does by itself, until ctx ends.
	run(ctx context.Context)
}

// New makes the examples, which do nothing yet.
func New(c Config) *Gallery {
	return &Gallery{examples: []example{
		newDocuments(c),
		newGame(c.Client, c.Logger),
		newCompletion(buildIndex, c.Logger),
		newAnalyses(c),
		newDevices(c),
	}}
}

// Rules say how the channels of the examples are kept. They go before a hub's own.
func Rules() hub.Rules {
	return append(hub.Rules{
		{Name: "gallery-live", Channels: "gallery.live.>", Live: true, Slow: hub.SlowDropOldest},
		documentRule(),
		gameRule(),
		completionRule(),
		deviceRule(),
	}, analysisRules()...)
}

// presentMethod tells a page that the hub has the rules of the gallery. Examples that
// call nothing else ask it: without them, what is to be live would be kept.
const presentMethod = "gallery.present"

func present(context.Context, *hub.Client, struct{}) (struct{}, error) { return struct{}{}, nil }

// Methods are the calls of all examples by their names, and one of the gallery's own.
// They answer before and after Run too.
func (g *Gallery) Methods() map[string]Method {
	all := map[string]Method{presentMethod: method("", present)}
	for _, e := range g.examples {
		for name, m := range e.methods() {
			all[name] = m
		}
	}
	return all
}

// Run runs the examples until ctx ends, and returns when all have.
func (g *Gallery) Run(ctx context.Context) {
	var running sync.WaitGroup
	for _, e := range g.examples {
		running.Go(func() { e.run(ctx) })
	}
	running.Wait()
}
