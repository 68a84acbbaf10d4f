package stream_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"fanfold/hub"
	"fanfold/hub/hubtest"
	"fanfold/hub/stream"
)

func TestSchedulerInMemory(t *testing.T) {
	hubtest.Scheduler(t, func(t *testing.T) hub.Engine {
		e, _ := open(t, stream.Config{})
		return e
	})
}

func TestSchedulerInFiles(t *testing.T) {
	hubtest.Scheduler(t, func(t *testing.T) hub.Engine {
		e, _ := open(t, stream.Config{Dir: t.TempDir()})
		return e
	})
}

func schedule(t testing.TB, e *stream.Engine, channel string, when hub.Timetable) *hub.Scheduled {
	t.Helper()
	s := &hub.Scheduled{Message: &hub.Message{Channel: channel, Data: []byte("1")}, When: when}
	if _, err := e.Schedule(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	return s
}

func in(d time.Duration) hub.Timetable { return hub.Timetable{At: time.Now().Add(d)} }

func stored(t testing.TB, e *stream.Engine, channel string) []*hub.Message {
	t.Helper()
	page, err := e.Read(t.Context(), hub.Query{Channel: channel, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	return page.Messages
}

func waiting(t testing.TB, e *stream.Engine, pattern string) []hub.Scheduled {
	t.Helper()
	list, _, err := e.Scheduled(t.Context(), pattern, "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestWhatIsScheduledSurvivesARestart(t *testing.T) {
	dir := t.TempDir()
	e, close := open(t, stream.Config{Dir: dir})
	for i := range 300 { // more than are read at once
		schedule(t, e, fmt.Sprint("later.", i), in(time.Hour))
	}
	missed := schedule(t, e, "missed", in(200*time.Millisecond))
	again := schedule(t, e, "again", hub.Timetable{Every: time.Second})
	soon := schedule(t, e, "soon", in(3*time.Second))
	close()
	untilTime(t, again.Next.Add(1100*time.Millisecond)) // twice due

	e, _ = open(t, stream.Config{Dir: dir})
	opened := time.Now()
	hubtest.Eventually(t, "what came due is published", func() bool { return len(stored(t, e, "missed")) == 1 })
	hubtest.Eventually(t, "a repeated one too", func() bool { return len(stored(t, e, "again")) > 0 })
	if n := len(stored(t, e, "again")); n != 1 && time.Since(opened) < time.Second {
		t.Errorf("it was published %d times for the times that were missed, want once", n)
	}
	if next := waiting(t, e, "again")[0].Next; next.Sub(again.Next)%time.Second != 0 || !next.After(opened) {
		t.Errorf("it is next at %v; first was %v", next, again.Next)
	}
	if list := waiting(t, e, "later.*"); len(list) != 300 {
		t.Errorf("%d of 300 wait", len(list))
	}
	hubtest.Eventually(t, "what waits is published in time", func() bool { return len(stored(t, e, "soon")) == 1 })
	if time.Now().Before(soon.Next) {
		t.Error("published before its time")
	}
	if len(stored(t, e, "missed")) != 1 {
		t.Errorf("%s was published twice", missed.ID)
	}
}

// untilTime waits until the clock shows at.
func untilTime(t testing.TB, at time.Time) {
	t.Helper()
	hubtest.Eventually(t, "the clock shows "+at.String(), func() bool { return time.Now().After(at) })
}

func TestAKillBetweenPublishingAndForgettingDoublesNothing(t *testing.T) {
	for _, test := range []struct {
		name    string
		when    hub.Timetable
		window  time.Duration // for which the key is remembered
		publish int           // other messages meanwhile
	}{
		{"once", hub.Timetable{At: time.Now().Add(time.Hour)}, time.Minute, 0},
		{"repeated", hub.Timetable{Every: time.Hour}, time.Minute, 0},
		{"once, and its key was forgotten", hub.Timetable{At: time.Now().Add(time.Hour)}, time.Second, 600},
		{"repeated, and its key was forgotten", hub.Timetable{Every: time.Hour}, time.Second, 600},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := stream.Config{Dir: t.TempDir(), IdempotencyWindow: test.window}
			e, close := open(t, c)
			s, at := schedule(t, e, "c", test.when), time.Now()
			for range test.publish {
				text(t, e, "x")
			}
			again, err := e.MakeDue(t.Context(), s.ID, "c", at)
			if err != nil {
				t.Fatal(err)
			}
			hubtest.Eventually(t, "it is published, and forgotten or to be published again", func() bool {
				list := waiting(t, e, "c")
				return len(stored(t, e, "c")) == test.publish+1 && (len(list) == 0 || list[0].Next.After(time.Now()))
			})
			if err := again(); err != nil { // as if that had not been stored
				t.Fatal(err)
			}
			close()
			untilTime(t, time.Now().Add(min(test.window, 2*time.Second)))

			e, _ = open(t, c)
			hubtest.Eventually(t, "it is forgotten, or to be published again", func() bool {
				list := waiting(t, e, "c")
				return len(list) == 0 || list[0].Next.After(time.Now())
			})
			if n := len(stored(t, e, "c")) - test.publish; n != 1 {
				t.Errorf("it was published %d times", n)
			}
		})
	}
}

func TestWhatTheStoreRefusesIsPublishedLater(t *testing.T) {
	e, _ := open(t, stream.Config{})
	text(t, e, "full")
	accept, err := e.RefuseMessages(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	schedule(t, e, "d", in(0))
	again := schedule(t, e, "again", hub.Timetable{Every: time.Second})
	untilTime(t, again.Next)
	if list := waiting(t, e, ">"); len(list) != 2 || len(stored(t, e, "d")) != 0 {
		t.Errorf("while the store refuses: %d wait, %d are stored", len(list), len(stored(t, e, "d")))
	}
	if err := accept(); err != nil {
		t.Fatal(err)
	}
	hubtest.Eventually(t, "both are published", func() bool { return len(stored(t, e, "d")) == 1 && len(stored(t, e, "again")) > 0 })
}

func TestScheduledMessagesAreBounded(t *testing.T) {
	e, close := open(t, stream.Config{MaxSchedules: 5, Dir: t.TempDir()})
	defer close()
	over := func() error {
		_, err := e.Schedule(t.Context(), &hub.Scheduled{Message: &hub.Message{Channel: "c", Data: []byte("1")}, When: in(time.Hour)})
		return err
	}
	first := schedule(t, e, "c", in(time.Hour))
	for range 4 {
		schedule(t, e, "c", in(time.Hour))
	}
	err := over()
	if e := hub.ErrorOf(err); e.Code != hub.CodeLimit || !strings.Contains(e.Message, "at most 5") {
		t.Errorf("got %v, want CodeLimit", err)
	}
	if _, err := e.Cancel(t.Context(), first.ID); err != nil {
		t.Fatal(err)
	}
	if err := over(); err != nil {
		t.Errorf("after one was cancelled: %v", err)
	}
}

func TestScheduledMessagesAreBoundedInBytes(t *testing.T) {
	e, _ := open(t, stream.Config{Dir: t.TempDir()})
	big := []byte(`"` + strings.Repeat("x", 900<<10) + `"`)
	var err error
	n := 0
	for ; err == nil && n < 400; n++ {
		_, err = e.Schedule(t.Context(), &hub.Scheduled{Message: &hub.Message{Channel: "c", Data: big}, When: in(time.Hour)})
	}
	if hub.ErrorOf(err).Code != hub.CodeLimit {
		t.Errorf("after %d messages of 900 KiB: got %v, want CodeLimit", n, err)
	}
	if list := waiting(t, e, "c"); len(list) == 0 || len(list) > 2 {
		t.Errorf("a page has %d messages of 900 KiB", len(list))
	}
}

func TestMissedTimesAreNotMadeUpFor(t *testing.T) {
	due := time.Date(2026, 3, 28, 12, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		when  hub.Timetable
		after time.Duration // it is published that late
		want  time.Duration
	}{
		{hub.Timetable{Every: time.Hour}, time.Second, time.Hour},
		{hub.Timetable{Every: time.Hour}, time.Hour, 2 * time.Hour},
		{hub.Timetable{Every: time.Hour}, 10*time.Hour + time.Minute, 11 * time.Hour},
		{hub.Timetable{Every: time.Hour}, -time.Second, time.Hour},
		{hub.Timetable{Cron: "0 * * * *"}, 10*time.Hour + time.Minute, 11 * time.Hour},
		{hub.Timetable{Cron: "0 13 * * *", Zone: "Europe/Berlin"}, time.Second, 23 * time.Hour}, // clocks go forward
	} {
		next, err := stream.Following(test.when, due, due.Add(test.after))
		if err != nil || next.Sub(due) != test.want {
			t.Errorf("%+v, %v late: next after %v, want %v (%v)", test.when, test.after, next.Sub(due), test.want, err)
		}
	}
}
