package gallery

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"fanfold/hub"
	"fanfold/hub/client"
)

// analysisPart is a message of an analysis as those who follow it read it.
type analysisPart struct {
	Part     int
	State    string
	Reason   string
	Progress float64
	Job      *analysisFacts
	Runs     int
	Mean     float64
	Bins     [][2]int
	Words    int
	Top      [][2]any
}

// invoke calls a method as the protocols do.
func invoke(e example, method, data string) (answer started, err error) {
	result, err := e.methods()[method].Call(context.Background(), &hub.Client{ID: "visitor"}, []byte(data))
	if err == nil {
		err = json.Unmarshal(result, &answer)
	}
	return answer, err
}

func begin(t *testing.T, a *analyses, data string) started {
	t.Helper()
	s, err := invoke(a, "gallery.analysis.start", data)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// parts returns what is kept of an analysis.
func parts(t *testing.T, c *client.Client, id string) (all []analysisPart) {
	t.Helper()
	for m, err := range c.Replay(t.Context(), []string{"gallery.analysis." + id}, hub.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		var p analysisPart
		if err := json.Unmarshal(m.Data, &p); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

// finish waits until an analysis is in a final state, and returns all of its parts,
// in order and without a hole.
func finish(t *testing.T, c *client.Client, list <-chan *hub.Message, id string) []analysisPart {
	t.Helper()
	for {
		var e analysisEntry
		if m := next(t, list); json.Unmarshal(m.Data, &e) != nil || m.Sequence != e.ID {
			t.Fatalf("the list has %s", m.Data)
		}
		if e.ID == id && e.State != stateWaiting && e.State != stateWorking {
			break
		}
	}
	all := parts(t, c, id)
	progress := 0.0
	for i, p := range all {
		if p.Part != i || p.Progress < progress || p.Progress > 1 {
			t.Errorf("part %d is %+v", i, p)
		}
		progress = p.Progress
	}
	return all
}

const small = `{"kind":"percolation","size":16,"runs":2000,"seed":9}`
const large = `{"kind":"percolation","size":256,"runs":3000,"seed":9}`

// The parts of an analysis are the whole of it; they say what was asked, that it
// waits, works and is done.
func TestAnAnalysisIsTheSumOfItsParts(t *testing.T) {
	t.Parallel()
	own, visitor := newHub(t)
	list := following(t, visitor, analysisChannel)
	a := newAnalyses(own)
	s := begin(t, a, small) // it waits until run does
	running(t, a)
	all := finish(t, visitor, list, s.ID)
	last, counted := all[len(all)-1], 0
	for _, p := range all {
		for _, bin := range p.Bins {
			counted += bin[1]
		}
	}
	if job := all[0].Job; all[0].State != stateWaiting || job == nil || job.Size != 16 || job.Seed != 9 || job.Bins != binsAll || all[1].State != stateWorking {
		t.Errorf("it begins with %+v, %+v", all[0], all[1])
	}
	if last.State != stateDone || last.Progress != 1 || last.Runs != 2000 || counted != 2000 || last.Mean != percolate(t, 16, 2000, 9).mean {
		t.Errorf("it ends with %+v, %d observations", last, counted)
	}
}

func TestATextIsCounted(t *testing.T) {
	t.Parallel()
	own, visitor := newHub(t)
	list := following(t, visitor, analysisChannel)
	a := newAnalyses(own)
	running(t, a)
	s := begin(t, a, `{"kind":"words","name":"a.txt","bytes":16,"size":99}`)
	send := func(data string) error {
		_, err := invoke(a, "gallery.analysis.text", data)
		return err
	}
	if err := send(`{"id":"` + s.ID + `","key":"guessed","piece":0,"text":"a"}`); hub.ErrorOf(err).Code != hub.CodeDenied {
		t.Errorf("somebody else's text: %v", err)
	}
	for _, p := range []string{`"piece":0,"text":"To be or n"`, `"piece":1,"text":"ot to ","last":true`} {
		if err := send(`{"id":"` + s.ID + `","key":"` + s.Key + `",` + p + `}`); err != nil {
			t.Fatal(err)
		}
	}
	all := finish(t, visitor, list, s.ID)
	last := all[len(all)-1]
	if last.State != stateDone || last.Words != 5 || len(last.Top) != 4 || last.Top[0] != [2]any{"to", 2.0} {
		t.Errorf("it ends with %+v", last)
	}
	if err := send(`{"id":"` + s.ID + `","key":"` + s.Key + `","piece":2,"text":"more"}`); err == nil || !strings.Contains(err.Error(), "not under way") {
		t.Errorf("text for what has ended: %v", err)
	}
}

// Two work at a time, six wait, and no more; anybody can cancel any of them, and the
// next one's turn comes.
func TestAnalysesAreBounded(t *testing.T) {
	t.Parallel()
	own, visitor := newHub(t)
	a := newAnalyses(own)
	stop := running(t, a)
	list := following(t, visitor, analysisChannel)
	var ids []string
	for range analysisKnown {
		ids = append(ids, begin(t, a, large).ID)
	}
	if _, err := invoke(a, "gallery.analysis.start", small); hub.ErrorOf(err).Code != hub.CodeBusy {
		t.Errorf("a ninth one: %v", err)
	}
	for _, id := range ids[2:] { // of those at least five wait
		if _, err := invoke(a, "gallery.analysis.cancel", `{"id":"`+id+`"}`); err != nil {
			t.Fatal(err)
		}
	}
	for working, cancelled := map[string]bool{}, 0; cancelled < len(ids)-2; {
		var e analysisEntry
		if err := json.Unmarshal(next(t, list).Data, &e); err != nil {
			t.Fatal(err)
		}
		switch e.State {
		case stateWorking:
			working[e.ID] = true
		case stateCancelled:
			cancelled++
			delete(working, e.ID)
		}
		if len(working) > analysisAtWork {
			t.Errorf("%d work at a time", len(working))
		}
	}
	again := begin(t, a, small)
	for _, id := range ids[:2] {
		if _, err := invoke(a, "gallery.analysis.cancel", `{"id":"`+id+`"}`); err != nil {
			t.Fatal(err)
		}
	}
	if all := finish(t, visitor, list, again.ID); all[len(all)-1].State != stateDone {
		t.Errorf("the next one ends with %+v", all[len(all)-1])
	}
	if _, err := invoke(a, "gallery.analysis.cancel", `{"id":"`+ids[0]+`"}`); err == nil {
		t.Error("what has ended can be cancelled")
	}
	stop()
	if _, err := invoke(a, "gallery.analysis.start", small); hub.ErrorOf(err).Code != hub.CodeUnavailable {
		t.Errorf("after the end: %v", err)
	}
}

// An analysis that the hub's end has ended is said to be gone when the hub is back,
// and what was found stays.
func TestWhatARestartEndsIsSaidToBeGone(t *testing.T) {
	t.Parallel()
	own, visitor := newHub(t)
	a := newAnalyses(own)
	stop := running(t, a)
	s := begin(t, a, large)
	messages := following(t, visitor, analysisChannel+"."+s.ID)
	for {
		var p analysisPart
		if err := json.Unmarshal(next(t, messages).Data, &p); err != nil {
			t.Fatal(err)
		}
		if p.Runs > 0 {
			break
		}
	}
	stop()
	if all := parts(t, visitor, s.ID); all[len(all)-1].State != stateWorking {
		t.Fatalf("it ends with %+v", all[len(all)-1])
	}
	send := func(e analysisEntry) {
		if err := a.list(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	send(analysisEntry{analysisFacts{ID: "no channel.*"}, stateWorking}) // anybody may have been here
	list := following(t, visitor, analysisChannel)
	running(t, newAnalyses(own))
	all := finish(t, visitor, list, s.ID)
	if last := all[len(all)-1]; last.State != stateFailed || !strings.Contains(last.Reason, "stopped") || all[len(all)-2].Runs == 0 {
		t.Errorf("it ends with %+v", last)
	}
}

func TestOnlyWhatIsOfferedIsStarted(t *testing.T) {
	t.Parallel()
	own, _ := newHub(t)
	a := newAnalyses(own)
	for _, data := range []string{`{}`, `{"kind":"pi"}`, `[]`, `{"kind":"percolation","size":"large"}`, `{"kind":"words"}`, `{"kind":"percolation","size":64}`} {
		if _, err := invoke(a, "gallery.analysis.start", data); hub.ErrorOf(err).Code != hub.CodeBadRequest {
			t.Errorf("%s: %v", data, err)
		}
	}
	if len(a.known) > 0 {
		t.Errorf("%d are known", len(a.known))
	}
}
