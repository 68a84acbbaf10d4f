package hubtest

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"

	"fanfold/hub"
)

// publishAs publishes with options, and returns the message and the code of the error; -1:
// there was none.
func publishAs(t testing.TB, e hub.Engine, channel, data string, o hub.PublishOptions) (*hub.Message, hub.Code) {
	t.Helper()
	m := &hub.Message{Channel: channel, Data: []byte(data)}
	if _, err := e.Publish(t.Context(), m, o); err != nil {
		return m, hub.ErrorOf(err).Code
	}
	return m, -1
}

func rolledUp(t *testing.T, e hub.Engine) {
	r := listen(t, e, "c.1")
	other := publishMany(t, e, "c.2", 2)
	all := publishMany(t, e, "c.1", 5)
	other = append(other, publish(t, e, "c.2", "in between"))
	snapshot, code := publishAs(t, e, "c.1", `"snapshot"`, hub.PublishOptions{RollUp: true})
	if code != -1 {
		t.Fatalf("the roll-up has failed with code %d", code)
	}
	left := append([]*hub.Message{snapshot}, publishMany(t, e, "c.1", 3)...)
	same(t, "history", ids(read(t, e, hub.Query{Channel: "c.1", Limit: Kept}).Messages), ids(left))
	same(t, "of the other channel", ids(read(t, e, hub.Query{Channel: "c.2", Limit: Kept}).Messages), ids(other))
	for _, after := range []*hub.Message{all[4], other[2]} { // behind both nothing is gone
		same(t, "from right before it", ids(read(t, e, hub.Query{Channel: "c.1", Limit: Kept, After: after.Position}).Messages), ids(left))
	}
	same(t, "from there on", ids(read(t, e, hub.Query{Channel: "c.1", Limit: Kept, After: snapshot.Position}).Messages), ids(left[1:]))
	for _, channel := range []string{"c.1", "c.*", ">"} {
		unrecoverable(t, e, hub.Query{Channel: channel, After: all[3].Position})
	}
	for i, m := range r.wait(t, 9) {
		if want := append(all, left...)[i]; m.ID != want.ID || i > 0 && m.Prev != append(all, left...)[i-1].Position.Seq {
			t.Errorf("heard as number %d %s behind %d, want %s", i, m.ID, m.Prev, want.ID)
		}
	}
}

func onCondition(t *testing.T, e hub.Engine) {
	if _, code := publishAs(t, e, "c", "0", hub.PublishOptions{IfLast: &hub.Position{Epoch: "0000000", Seq: 1}}); code != hub.CodeConflict {
		t.Errorf("behind a message of an empty channel: code %d", code)
	}
	publish(t, e, "noise", "x")
	first, code := publishAs(t, e, "c", "1", hub.PublishOptions{IfLast: &hub.Position{}})
	if code != -1 {
		t.Fatalf("as the first of an empty channel: code %d", code)
	}
	publish(t, e, "noise", "x")
	second, code := publishAs(t, e, "c", "2", hub.PublishOptions{IfLast: &first.Position})
	if code != -1 {
		t.Fatalf("behind the newest: code %d", code)
	}
	for what, at := range map[string]hub.Position{
		"an empty channel":       {},
		"the one before":         first.Position,
		"one that is to come":    {Epoch: second.Position.Epoch, Seq: second.Position.Seq + 1},
		"one of another epoch":   {Epoch: "0000000", Seq: second.Position.Seq},
		"the very beginning":     {Epoch: second.Position.Epoch},
		"another channel's last": {Epoch: second.Position.Epoch, Seq: second.Position.Seq - 1},
	} {
		for _, rollUp := range []bool{false, true} {
			if _, code := publishAs(t, e, "c", "3", hub.PublishOptions{IfLast: &at, RollUp: rollUp}); code != hub.CodeConflict {
				t.Errorf("behind %s: code %d, want CodeConflict", what, code)
			}
		}
	}
	same(t, "history", ids(read(t, e, hub.Query{Channel: "c", Limit: Kept}).Messages), ids([]*hub.Message{first, second}))
}

// addUp adds one to the number that is the newest message of a channel, and counts the tries
// that were in vain.
func addUp(e hub.Engine, channel string) (conflicts int, err error) {
	for ctx := context.Background(); ; conflicts++ {
		page, err := e.Read(ctx, hub.Query{Channel: channel, Limit: 1, Reverse: true})
		if err != nil {
			return conflicts, err
		}
		var last hub.Position
		n := 0
		for _, m := range page.Messages {
			last = m.Position
			if n, err = strconv.Atoi(string(m.Data)); err != nil {
				return conflicts, err
			}
		}
		m := &hub.Message{Channel: channel, Data: strconv.AppendInt(nil, int64(n+1), 10)}
		_, err = e.Publish(ctx, m, hub.PublishOptions{RollUp: n%3 > 0, IfLast: &last})
		if err == nil || hub.ErrorOf(err).Code != hub.CodeConflict {
			return conflicts, err
		}
	}
}

// addingUp: a number that many read, change and write at once is right in the end.
func addingUp(t *testing.T, e hub.Engine) {
	const adders, times = 8, 25
	var mu sync.Mutex
	conflicts := 0
	var running sync.WaitGroup
	for range adders {
		running.Go(func() {
			for range times {
				n, err := addUp(e, "sum")
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				conflicts += n
				mu.Unlock()
			}
		})
	}
	running.Wait()
	if page := read(t, e, hub.Query{Channel: "sum", Limit: 1, Reverse: true}); len(page.Messages) != 1 || string(page.Messages[0].Data) != fmt.Sprint(adders*times) {
		t.Errorf("%d times %d is %+v", adders, times, page.Messages)
	}
	if conflicts == 0 {
		t.Log("nobody came in between: this has tested little")
	}
}

func rollUpsAtOnce(t *testing.T, e hub.Engine) {
	r := listen(t, e, "c")
	const publishers, each = 6, 20
	var running sync.WaitGroup
	for range publishers {
		running.Go(func() {
			for i := range each {
				m := &hub.Message{Channel: "c", Data: []byte("1")}
				if _, err := e.Publish(context.Background(), m, hub.PublishOptions{RollUp: i%2 == 0}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	running.Wait()
	heard := r.wait(t, publishers*each)
	for i, m := range heard[1:] {
		if m.Prev != heard[i].Position.Seq {
			t.Errorf("%s comes behind %d and says %d", m.ID, heard[i].Position.Seq, m.Prev)
		}
	}
	left := read(t, e, hub.Query{Channel: "c", Limit: Kept}).Messages
	same(t, "history", ids(left), ids(heard[len(heard)-len(left):]))
	before := heard[len(heard)-len(left)-1].Position
	if page, err := e.Read(t.Context(), hub.Query{Channel: "c", Limit: Kept, After: before}); err == nil {
		same(t, "from right before it", ids(page.Messages), ids(left))
	}
	if len(heard) > len(left)+1 {
		unrecoverable(t, e, hub.Query{Channel: "c", After: heard[len(heard)-len(left)-2].Position})
	}
}

func conditionByKey(t *testing.T, e hub.Engine) {
	start := publish(t, e, "c", "x")
	o := hub.PublishOptions{IfLast: &start.Position, RollUp: true, IdempotencyKey: "once"}
	first, code := publishAs(t, e, "c", "1", o)
	if code != -1 {
		t.Fatalf("code %d", code)
	}
	next := publish(t, e, "c", "x")
	again := &hub.Message{Channel: "c", Data: []byte("1")}
	duplicate, err := e.Publish(t.Context(), again, o)
	if err != nil || !duplicate || again.ID != first.ID {
		t.Errorf("the same once more: %s, duplicate %v, %v; want %s", again.ID, duplicate, err, first.ID)
	}
	o.IdempotencyKey = "another"
	for range 2 { // which uses up no key
		if _, code := publishAs(t, e, "c", "1", o); code != hub.CodeConflict {
			t.Errorf("with another key: code %d", code)
		}
	}
	o.IfLast = &next.Position
	last, code := publishAs(t, e, "c", "2", o)
	if code != -1 {
		t.Errorf("with that key behind the newest: code %d", code)
	}
	o.IdempotencyKey = "once"
	if duplicate, err = e.Publish(t.Context(), again, o); err != nil || !duplicate {
		t.Errorf("the first once more: duplicate %v, %v", duplicate, err)
	}
	same(t, "history", ids(read(t, e, hub.Query{Channel: "c", Limit: 9}).Messages), []string{last.ID})
}

func conditionAfterRemoval(t *testing.T, e hub.Engine) {
	remover, ok := e.(hub.Remover)
	if !ok {
		t.Skip("this engine removes nothing")
	}
	gone := publishMany(t, e, "c", 3)
	if err := remover.Remove(t.Context(), "c"); err != nil {
		t.Fatal(err)
	}
	if _, code := publishAs(t, e, "c", "1", hub.PublishOptions{IfLast: &gone[2].Position}); code != hub.CodeConflict {
		t.Errorf("behind a message that is gone: code %d", code)
	}
	if _, code := publishAs(t, e, "c", "1", hub.PublishOptions{IfLast: &hub.Position{}}); code != -1 {
		t.Errorf("as the first: code %d", code)
	}
}
