package stream_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"fanfold/hub"
	"fanfold/hub/stream"
)

// model is what has been published, and by which all that is recovered is judged.
type model struct {
	t      *testing.T
	random *rand.Rand
	config stream.Config
	engine *stream.Engine
	close  func()

	all      []*hub.Message
	expires  map[string]time.Time // by ID, of those that have a TTL of their own
	replaced map[string]bool      // by ID

	asked, whole int
}

// modelRules are those that the store is reopened with.
var modelRules = []hub.Rules{
	{rule("main", ">", messages(30))},
	{rule("few", "a.*", messages(5)), rule("main", ">", messages(30))},
	{rule("few", "a.*", messages(40)), rule("main", ">", messages(15))},
	{rule("one", "a.1", messages(1)), rule("few", "a.*", messages(8)), rule("main", ">", messages(30))},
	{rule("short", "a.1", age(time.Second)), rule("main", ">", messages(30))},
	{rule("big", "*.2", room(3000)), rule("main", ">", messages(30))},
	{rule("big", "a.>", room(4000), messages(12)), rule("renamed", ">", messages(30))},
	{rule("few", "a.*", live), rule("main", ">", messages(30))},
}

func (m *model) reopen() {
	if m.close != nil {
		m.close()
	}
	if m.random.IntN(3) > 0 {
		m.config.Rules = modelRules[m.random.IntN(len(modelRules))]
	}
	m.engine, m.close = open(m.t, m.config)
}

func (m *model) publish() {
	one := &hub.Message{Channel: fmt.Sprintf("%c.%d", 'a'+m.random.IntN(2), 1+m.random.IntN(3)), Data: []byte(`"0123456789"`)}
	var o hub.PublishOptions
	switch m.random.IntN(8) {
	case 0:
		o.TTL = time.Second
	case 1:
		one.Sequence = fmt.Sprint(m.random.IntN(3))
	case 2:
		o.RollUp = m.random.IntN(3) == 0
	case 3:
		if len(m.all) > 0 {
			one.Sequence = m.all[max(0, len(m.all)-1-m.random.IntN(30))].ID
		}
	}
	if _, err := m.engine.Publish(m.t.Context(), one, o); err != nil {
		m.t.Fatal(err)
	}
	if one.Position.Seq == 0 {
		return // live
	}
	if o.TTL != 0 {
		m.expires[one.ID] = time.Now().Add(o.TTL)
	}
	for _, old := range m.all {
		if one.Sequence != "" && old.Channel == one.Channel && (old.Sequence == one.Sequence || old.ID == one.Sequence) {
			m.replaced[old.ID] = true
		}
	}
	m.all = append(m.all, one)
}

// check tests that what is recovered behind a position is all that was published, but for
// what its publisher gave an end.
func (m *model) check() {
	channel := []string{"a.1", "a.2", "b.1", "b.2", "b.3", "a.*", "*.2", ">"}[m.random.IntN(8)]
	after := m.all[m.random.IntN(len(m.all))].Position
	if m.random.IntN(2) == 0 {
		after = m.all[max(0, len(m.all)-1-m.random.IntN(30))].Position
	}
	m.asked++
	got, ok := recovered(m.t, m.engine, channel, after)
	if !ok {
		return
	}
	m.whole++
	for _, one := range m.all {
		if one.Position.Seq <= after.Seq || !hub.Match(channel, one.Channel) {
			continue
		}
		end, ttl := m.expires[one.ID]
		gone := m.replaced[one.ID] || ttl && time.Now().After(end)
		if !gone && !slices.Contains(ids(got), one.ID) {
			m.t.Fatalf("%s behind %d was recovered, but %d of %s is not there", channel, after.Seq, one.Position.Seq, one.Channel)
		}
	}
	if !slices.IsSorted(ids(got)) {
		m.t.Errorf("out of order: %v", ids(got))
	}
}

// TestNothingIsSaidToBeRecoveredThatIsNot publishes, reopens the store with other rules and
// asks for positions, at random.
func TestNothingIsSaidToBeRecoveredThatIsNot(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	for i := range uint64(6) {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			m := &model{
				t: t, random: rand.New(rand.NewPCG(seed, i)), config: stream.Config{Dir: t.TempDir(), Rules: modelRules[i]},
				expires: map[string]time.Time{}, replaced: map[string]bool{},
			}
			m.reopen()
			for begin := time.Now(); time.Since(begin) < 3*time.Second; {
				for range m.random.IntN(30) {
					m.publish()
				}
				for range m.random.IntN(12) {
					if len(m.all) > 0 {
						m.check()
					}
				}
				if m.random.IntN(20) == 0 {
					m.reopen()
				}
			}
			if m.whole < m.asked/20 || len(m.all) == 0 {
				t.Errorf("of %d positions %d were recovered, of %d messages: this tests nothing", m.asked, m.whole, len(m.all))
			}
			t.Logf("%d messages, %d of %d positions recovered", len(m.all), m.whole, m.asked)
		})
	}
}
