package hubtest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fanfold/hub"
)

// Scheduler tests an engine that is a [hub.Scheduler]. open returns an empty one,
// which it closes after the test.
func Scheduler(t *testing.T, open func(t *testing.T) hub.Engine) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, hub.Engine, hub.Scheduler)
	}{
		{"a message is published at its time, whole, and then forgotten", publishedInTime},
		{"a message whose time is past is published at once", pastIsAtOnce},
		{"what is due earlier is published earlier", dueInOrder},
		{"a repeated message comes again and again, until it is cancelled", repeated},
		{"a cancelled message is not published", cancelled},
		{"what waits is listed by pattern, in pages", listed},
		{"the next time is told in the pattern's time zone", nextTime},
		{"the same key schedules once", scheduledOnce},
		{"a timetable that can't be kept is refused, with a reason", badTimetables},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			e := open(t)
			test.run(t, e, e.(hub.Scheduler))
		})
	}
}

func schedule(t testing.TB, s hub.Scheduler, channel string, when hub.Timetable) *hub.Scheduled {
	t.Helper()
	one := &hub.Scheduled{Message: &hub.Message{Channel: channel, Data: []byte(`"x"`)}, When: when}
	if duplicate, err := s.Schedule(t.Context(), one); err != nil || duplicate {
		t.Fatalf("schedule: duplicate %v, %v", duplicate, err)
	}
	return one
}

func scheduled(t testing.TB, s hub.Scheduler, pattern string) []hub.Scheduled {
	t.Helper()
	list, more, err := s.Scheduled(t.Context(), pattern, "", 100)
	if err != nil || more {
		t.Fatalf("list of %s: more %v, %v", pattern, more, err)
	}
	return list
}

// Eventually waits until ok is true.
func Eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick, timeout := time.NewTicker(5*time.Millisecond), time.After(15*time.Second)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatalf("not within 15 s: %s", what)
		}
	}
}

func publishedInTime(t *testing.T, e hub.Engine, s hub.Scheduler) {
	r := listen(t, e, "c")
	at := time.Now().Add(700 * time.Millisecond)
	one := &hub.Scheduled{
		Message: &hub.Message{
			Channel: "c", Data: []byte(`{"x":"é"}`), Tags: map[string]string{"k": "v\r\n"}, Sequence: "s 1", Exclude: "c2",
			Publisher: &hub.Client{ID: "c1", User: "u", Info: []byte(`{"n":1}`)},
		},
		When: hub.Timetable{At: at}, Options: hub.PublishOptions{TTL: time.Hour},
	}
	if _, err := s.Schedule(t.Context(), one); err != nil || one.ID == "" || !one.Next.Equal(at) {
		t.Fatalf("scheduled as %q for %v: %v", one.ID, one.Next, err)
	}
	if page := read(t, e, hub.Query{Channel: "c", Limit: 1}); len(page.Messages) != 0 {
		t.Error("it is in the history before its time")
	}
	got := r.wait(t, 1)[0]
	if now := time.Now(); now.Before(at) || now.After(at.Add(time.Second)) {
		t.Errorf("published at %v, want %v", now, at)
	}
	if string(got.Data) != `{"x":"é"}` || got.Tags["k"] != "v\r\n" || got.Sequence != "s 1" || got.Exclude != "c2" ||
		got.Publisher == nil || got.Publisher.ID != "c1" || string(got.Publisher.Info) != `{"n":1}` {
		t.Errorf("got %+v", got)
	}
	same(t, "stored", ids(read(t, e, hub.Query{Channel: "c", Limit: 9}).Messages), []string{got.ID})
	Eventually(t, "it is forgotten", func() bool { return len(scheduled(t, s, ">")) == 0 })
	if was, err := s.Cancel(t.Context(), one.ID); was || err != nil {
		t.Errorf("cancelled after its time: %v, %v", was, err)
	}
}

func pastIsAtOnce(t *testing.T, e hub.Engine, s hub.Scheduler) {
	r := listen(t, e, "c")
	schedule(t, s, "c", hub.Timetable{At: time.Now().Add(-24 * time.Hour)})
	r.wait(t, 1)
}

func dueInOrder(t *testing.T, e hub.Engine, s hub.Scheduler) {
	r := listen(t, e, ">")
	now := time.Now()
	for _, n := range []int{3, 1, 2, 0} {
		schedule(t, s, fmt.Sprint("c.", n), hub.Timetable{At: now.Add(time.Duration(500+50*n) * time.Millisecond)})
	}
	for i, m := range r.wait(t, 4) {
		if want := fmt.Sprint("c.", i); m.Channel != want {
			t.Errorf("message %d is of %s, want %s", i, m.Channel, want)
		}
	}
}

func repeated(t *testing.T, e hub.Engine, s hub.Scheduler) {
	r := listen(t, e, ">")
	every := schedule(t, s, "every", hub.Timetable{Every: time.Second})
	cron := schedule(t, s, "cron", hub.Timetable{Cron: "* * * * * *"})
	r.wait(t, 4)
	for _, one := range []*hub.Scheduled{every, cron} {
		if list := scheduled(t, s, one.Message.Channel); len(list) != 1 || list[0].ID != one.ID || !list[0].Next.After(one.Next) {
			t.Errorf("it waits as %+v, first was %v", list, one.Next)
		}
		if was, err := s.Cancel(t.Context(), one.ID); !was || err != nil {
			t.Errorf("cancel: %v, %v", was, err)
		}
	}
	published := len(read(t, e, hub.Query{Channel: ">", Limit: 99}).Messages)
	after := listen(t, e, ">")
	schedule(t, s, "later", hub.Timetable{At: time.Now().Add(1500 * time.Millisecond)})
	if m := after.wait(t, 1)[0]; m.Channel != "later" {
		t.Errorf("%s was published after it was cancelled", m.Channel)
	}
	if all := r.wait(t, published+1); len(all) != published+1 {
		t.Errorf("heard %d, stored %d", len(all), published+1)
	}
}

func cancelled(t *testing.T, e hub.Engine, s hub.Scheduler) {
	r := listen(t, e, ">")
	one := schedule(t, s, "c", hub.Timetable{At: time.Now().Add(300 * time.Millisecond)})
	schedule(t, s, "c", hub.Timetable{At: time.Now().Add(600 * time.Millisecond)})
	for _, id := range []string{"", "nothing", "*", ">", one.ID[:3], one.ID + ".c", one.ID + " "} {
		if was, err := s.Cancel(t.Context(), id); was || err != nil {
			t.Errorf("cancel %q: %v, %v", id, was, err)
		}
	}
	if was, err := s.Cancel(t.Context(), one.ID); !was || err != nil {
		t.Errorf("cancel: %v, %v", was, err)
	}
	if was, err := s.Cancel(t.Context(), one.ID); was || err != nil {
		t.Errorf("cancel again: %v, %v", was, err)
	}
	r.wait(t, 1)
	if n := len(read(t, e, hub.Query{Channel: "c", Limit: 9}).Messages); n != 1 {
		t.Errorf("%d were published, want the one that was not cancelled", n)
	}
}

func listed(t *testing.T, _ hub.Engine, s hub.Scheduler) {
	var want []string
	for i := range 12 {
		one := schedule(t, s, fmt.Sprintf("a.%d", i%3), hub.Timetable{At: time.Now().Add(time.Hour)})
		if i%3 == 1 {
			want = append(want, one.ID)
		}
	}
	slices.Sort(want)
	var got []string
	for after, pages := "", 1; ; pages++ {
		list, more, err := s.Scheduled(t.Context(), "a.1", after, 3)
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range list {
			got = append(got, one.ID)
			if one.Message.Channel != "a.1" || string(one.Message.Data) != `"x"` || one.When.At.IsZero() || !one.Next.Equal(one.When.At) {
				t.Errorf("listed %+v", one)
			}
		}
		if !more {
			if pages != 2 {
				t.Errorf("got %d pages, want 2", pages)
			}
			break
		}
		after = list[len(list)-1].ID
	}
	same(t, "a.1", got, want)
	if n := len(scheduled(t, s, "a.*")); n != 12 {
		t.Errorf("a.* has %d", n)
	}
	if n := len(scheduled(t, s, "a")); n != 0 {
		t.Errorf("a has %d", n)
	}
}

func nextTime(t *testing.T, _ hub.Engine, s hub.Scheduler) {
	tokyo, err := time.LoadLocation("Asia/Tokyo")
	if err != nil {
		t.Skip("this machine has no time zones")
	}
	now := time.Now()
	soon := now.Add(90 * time.Minute)
	for _, test := range []struct {
		when hub.Timetable
		want time.Time
	}{
		{hub.Timetable{Cron: fmt.Sprintf("%d %d * * *", soon.In(tokyo).Minute(), soon.In(tokyo).Hour()), Zone: "Asia/Tokyo"}, soon.Truncate(time.Minute)},
		{hub.Timetable{Cron: fmt.Sprintf("%d %d * * *", soon.UTC().Minute(), soon.UTC().Hour())}, soon.Truncate(time.Minute)},
		{hub.Timetable{Cron: fmt.Sprintf("7 %d %d * * *", soon.UTC().Minute(), soon.UTC().Hour())}, soon.Truncate(time.Minute).Add(7 * time.Second)},
		{hub.Timetable{Cron: "@daily"}, now.UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)},
		{hub.Timetable{Every: 2 * time.Hour}, now.Add(2 * time.Hour)},
	} {
		one := schedule(t, s, "c", test.when)
		if d := one.Next.Sub(test.want); d < 0 || d > time.Second {
			t.Errorf("%+v is next at %v, want %v", test.when, one.Next, test.want)
		}
		if list := scheduled(t, s, "c"); len(list) != 1 || !list[0].Next.Equal(one.Next) || list[0].When != one.When {
			t.Errorf("%+v is listed as %+v", one, list)
		}
		if _, err := s.Cancel(t.Context(), one.ID); err != nil {
			t.Fatal(err)
		}
	}
}

func scheduledOnce(t *testing.T, e hub.Engine, s hub.Scheduler) {
	keyed := func(channel string, delay time.Duration) (hub.Scheduled, bool) {
		one := hub.Scheduled{
			Message: &hub.Message{Channel: channel, Data: []byte("1")}, When: hub.Timetable{At: time.Now().Add(delay)},
			Options: hub.PublishOptions{IdempotencyKey: "k"},
		}
		duplicate, err := s.Schedule(t.Context(), &one)
		if err != nil {
			t.Error(err)
		}
		return one, duplicate
	}
	var mu sync.Mutex
	seen, firsts := map[string]bool{}, 0
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			one, duplicate := keyed("c", 300*time.Millisecond)
			mu.Lock()
			defer mu.Unlock()
			if seen[one.ID] = true; !duplicate {
				firsts++
			}
		})
	}
	wg.Wait()
	if len(seen) != 1 || firsts != 1 {
		t.Errorf("got %d IDs, %d of them not duplicates; want one", len(seen), firsts)
	}
	if other, duplicate := keyed("d", time.Hour); duplicate || seen[other.ID] {
		t.Errorf("another channel with that key: %+v, duplicate %v", other, duplicate)
	}
	Eventually(t, "it is published", func() bool { return len(scheduled(t, s, "c")) == 0 })
	if again, duplicate := keyed("c", 0); !duplicate || !seen[again.ID] {
		t.Errorf("after it was published: %+v, duplicate %v", again, duplicate)
	}
	if n := len(read(t, e, hub.Query{Channel: "c", Limit: 9}).Messages); n != 1 {
		t.Errorf("%d were published", n)
	}
}

func badTimetables(t *testing.T, _ hub.Engine, s hub.Scheduler) {
	for _, test := range []struct {
		when hub.Timetable
		want string // in the reason
	}{
		{hub.Timetable{}, "one time"},
		{hub.Timetable{Every: time.Hour, Cron: "@daily"}, "one time"},
		{hub.Timetable{At: time.Now().Add(200 * 365 * 24 * time.Hour)}, "hundred years"},
		{hub.Timetable{Every: -time.Second}, "1s or more"},
		{hub.Timetable{Every: 500 * time.Millisecond}, "1s or more"},
		{hub.Timetable{Every: 1500 * time.Millisecond}, "whole seconds"},
		{hub.Timetable{Every: time.Hour, Zone: "Asia/Tokyo"}, "time zone"},
		{hub.Timetable{Cron: "@daily", Zone: "Nowhere/Town"}, "Europe/Berlin"},
		{hub.Timetable{Cron: "@daily", Zone: "Local"}, "Europe/Berlin"},
		{hub.Timetable{Cron: " "}, "weekday"},
		{hub.Timetable{Cron: "* * * *"}, "weekday"},
		{hub.Timetable{Cron: "* * * * * * *"}, "weekday"},
		{hub.Timetable{Cron: "60 * * * *"}, "weekday"},
		{hub.Timetable{Cron: "*/0 * * * *"}, "weekday"},
		{hub.Timetable{Cron: "@sometimes"}, "@hourly"},
		{hub.Timetable{Cron: "@every 1h"}, "interval"},
		{hub.Timetable{Cron: "TZ=UTC"}, "time zone"},
		{hub.Timetable{Cron: "0 0 30 2 *"}, "five years"},
	} {
		one := &hub.Scheduled{Message: &hub.Message{Channel: "c", Data: []byte("1")}, When: test.when}
		_, err := s.Schedule(t.Context(), one)
		if e := hub.ErrorOf(err); err == nil || e.Code != hub.CodeBadRequest || !strings.Contains(e.Message, test.want) {
			t.Errorf("%+v: got %v, want a bad request with %q", test.when, err, test.want)
		}
	}
	if n := len(scheduled(t, s, ">")); n != 0 {
		t.Errorf("%d are scheduled", n)
	}
}
