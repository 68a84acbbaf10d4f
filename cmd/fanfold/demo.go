package main

import (
	"context"
	"log/slog"
	"slices"

	"fanfold/api/dialect"
	"fanfold/hub"
	"fanfold/hub/client"
	"fanfold/web/gallery"
)

// demo is the hub's side of the gallery; the zero demo is off.
type demo struct{ gallery *gallery.Gallery }

// hasDemo: a hub that asks who comes is no playground unless it is told to be one.
func (c *serveCommand) hasDemo() bool {
	if c.Demo != nil {
		return *c.Demo
	}
	return !c.Access.configured()
}

// withDemo returns the rules with those of the gallery before them.
func (c *serveCommand) withDemo() ruleSettings {
	if !c.hasDemo() {
		return c.Rules
	}
	return ruleSettings(slices.Concat(gallery.Rules(), hub.Rules(c.Rules)).WithDefault())
}

func (c *serveCommand) newDemo(h *hub.Hub, logger *slog.Logger) demo {
	if !c.hasDemo() {
		return demo{}
	}
	actor := h.As(&hub.Principal{Name: "gallery", Server: true, Grant: gallery.Grant()})
	return demo{gallery.New(gallery.Config{Client: client.New(actor), Logger: logger, Folder: c.dataFolder()})}
}

// dataFolder is "" where nothing is kept.
func (c *serveCommand) dataFolder() string {
	if c.Memory {
		return ""
	}
	return c.Data
}

func (d demo) methods() map[string]dialect.Method {
	if d.gallery == nil {
		return nil
	}
	methods := map[string]dialect.Method{}
	for name, m := range d.gallery.Methods() {
		methods[name] = dialect.Method{Channel: m.Channel, Call: m.Call}
	}
	return methods
}

// running runs the examples until ctx ends; stop waits for them.
func (d demo) running(ctx context.Context) (stop func()) {
	if d.gallery == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() { d.gallery.Run(ctx); close(done) }()
	return func() { cancel(); <-done }
}
