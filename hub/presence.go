package hub

import (
	"context"
	"slices"
	"strings"
)

// presence returns the clients subscribed to exactly this channel, sorted by ID.
// Those who reach it through a pattern are not in it. The error is an [Error] of
// [CodeNotAvailable] if the channel's rule hides presence.
func (h *Hub) presence(ctx context.Context, channel string) ([]Client, error) {
	if err := CheckChannel(channel); err != nil {
		return nil, err
	}
	if h.config.Rules.For(channel).NoPresence {
		return nil, Errorf(CodeNotAvailable, "presence is switched off for %q by the rule of that channel", channel)
	}
	var all []Client
	err := h.ask(ctx, func(s *shard) {
		if e := s.keys[channel]; e != nil {
			all = e.clients(all)
		}
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b Client) int { return strings.Compare(a.ID, b.ID) })
	return slices.CompactFunc(all, func(a, b Client) bool { return a.ID == b.ID }), nil
}

func (e *entry) clients(all []Client) []Client {
	for g := &e.first; g != nil; g = g.next {
		for _, p := range g.parts {
			all = append(all, *p.sub.client)
		}
	}
	return all
}

// channels returns the channels and patterns that have subscribers, with how
// many. A pattern selects the channels that it matches; "" all channels and patterns.
func (h *Hub) channels(ctx context.Context, pattern string) (map[string]int, error) {
	if pattern != "" {
		if err := CheckPattern(pattern); err != nil {
			return nil, err
		}
	}
	all := map[string]int{}
	err := h.ask(ctx, func(s *shard) {
		for key, e := range s.keys {
			if pattern == "" || Match(pattern, key) {
				all[key] += int(e.count)
			}
		}
	})
	return all, err
}

// ask runs f in each shard, one after the other, and waits.
func (h *Hub) ask(ctx context.Context, f func(*shard)) error {
	for _, s := range h.shards {
		if err := s.do(ctx, func() { f(s) }); err != nil {
			return err
		}
	}
	return nil
}
