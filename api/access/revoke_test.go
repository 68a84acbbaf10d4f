package access

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"fanfold/hub"
)

func TestRevocations(t *testing.T) {
	var l Revocations
	if err := l.Check(&hub.Principal{User: "anna", TokenID: "7"}); err != nil {
		t.Fatal(err)
	}
	for _, r := range []Revocation{{TokenID: "7"}, {User: "anna", Before: now}} {
		if err := l.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		p    hub.Principal
		says string
	}{
		{hub.Principal{User: "bert", TokenID: "7", IssuedAt: now}, "the token was revoked"},
		{hub.Principal{User: "bert", TokenID: "8"}, ""},
		{hub.Principal{User: "anna", IssuedAt: now.Add(-time.Second)}, "the user's tokens from before 2030-01-02T03:04:05Z were revoked: get a new one"},
		{hub.Principal{User: "anna", TokenID: "9"}, "were revoked"}, // it does not say when it was issued
		{hub.Principal{User: "anna", IssuedAt: now}, ""},
		{hub.Principal{Name: "a key"}, ""},
		{hub.Principal{}, ""},
	} {
		err := l.Check(&c.p)
		if c.says == "" && err != nil {
			t.Errorf("%+v: %v", c.p, err)
		} else if c.says != "" {
			code := hub.CodeUnauthenticated
			if c.p.User == "anna" {
				code = hub.CodeExpired // a new token would count
			}
			refused(t, err, CheckRevoked, code, c.says)
		}
	}
}

// Of two entries the stricter counts, in whatever order they come.
func TestRevocationsJoin(t *testing.T) {
	hour := now.Add(time.Hour)
	for _, list := range [][]Revocation{
		{{User: "anna", Before: now, Until: hour}, {User: "anna", Before: now.Add(-1), Until: hour.Add(1)}, {TokenID: "7", Until: hour}, {TokenID: "7", Until: hour.Add(1)}},
		{{TokenID: "7", Until: hour.Add(1)}, {TokenID: "7", Until: hour}, {User: "anna", Before: now.Add(-1), Until: hour.Add(1)}, {User: "anna", Before: now, Until: hour}},
	} {
		var l Revocations
		for _, r := range list {
			if err := l.add(r, now); err != nil {
				t.Fatal(err)
			}
		}
		if !l.users["anna"].Before.Equal(now) || !l.users["anna"].Until.Equal(hour.Add(1)) || !l.tokens["7"].Equal(hour.Add(1)) {
			t.Errorf("got %+v, %+v", l.users, l.tokens)
		}
		for _, r := range []Revocation{{TokenID: "7"}, {TokenID: "7", Until: hour}, {User: "anna", Before: now}, {User: "anna", Before: now, Until: hour}} {
			if err := l.add(r, now); err != nil {
				t.Fatal(err)
			}
		}
		if !l.users["anna"].Until.IsZero() || !l.tokens["7"].IsZero() || l.Len() != 2 {
			t.Errorf("for ever is the longest: got %+v, %+v", l.users, l.tokens)
		}
	}
}

// Entries go when what they revoke has expired by itself; a full list refuses more
// and forgets none that still counts.
func TestRevocationsAreBounded(t *testing.T) {
	var l Revocations
	for i := range MaxRevocations {
		until := now.Add(time.Hour)
		if i%2 == 1 {
			until = until.Add(time.Hour)
		}
		if err := l.add(Revocation{TokenID: fmt.Sprint(i), Until: until}, now); err != nil {
			t.Fatal(i, err)
		}
	}
	err := l.add(Revocation{TokenID: "x"}, now)
	if e := hub.ErrorOf(err); err == nil || e.Code != hub.CodeLimit || !strings.Contains(e.Message, "full with 100000") {
		t.Errorf("got %v", err)
	}
	if err := l.add(Revocation{TokenID: "0"}, now); err != nil {
		t.Errorf("one that is there already: %v", err)
	}
	later := now.Add(time.Hour + 1)
	if err := l.add(Revocation{User: "anna", Before: now}, later); err != nil || l.Len() != MaxRevocations/2+2 {
		t.Errorf("after an hour: %v, %d entries", err, l.Len())
	}
	if l.Check(&hub.Principal{TokenID: "0"}) == nil || l.Check(&hub.Principal{TokenID: "1"}) == nil || l.Check(&hub.Principal{TokenID: "2"}) != nil {
		t.Error("the wrong ones are gone")
	}
	if err := l.add(Revocation{TokenID: "old", Until: now}, later); err != nil || l.Check(&hub.Principal{TokenID: "old"}) != nil {
		t.Errorf("what has expired takes no room: %v", err)
	}
}

func TestRevocationsAsJSON(t *testing.T) {
	var l, read Revocations
	for _, r := range []Revocation{{TokenID: "7", Until: now.AddDate(170, 0, 0)}, {User: "anna", Before: now}} {
		if err := l.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	text := must[[]byte](t)(json.Marshal(&l))
	for _, has := range []string{`{"jti":"7","until":"2200-01-02T03:04:05Z"}`, `{"user":"anna","before":"2030-01-02T03:04:05Z"}`} {
		if !strings.Contains(string(text), has) {
			t.Errorf("got %s", text)
		}
	}
	if err := json.Unmarshal(text, &read); err != nil || read.Len() != 2 || read.Check(&hub.Principal{TokenID: "7"}) == nil || read.Check(&hub.Principal{User: "anna"}) == nil {
		t.Errorf("got %+v, %v", read.All(), err)
	}
	for text, says := range map[string]string{
		`[{}]`:                          "revocation 1 of 1: the revocation names neither",
		`[{"jti":"1"},{"user":"anna"}]`: "revocation 2 of 2: the revocation of a user's tokens has no time",
		`[{"jti":"1","user":"anna","before":"2030-01-02T03:04:05Z"}]`: "make two of it",
		`[{"jti":"` + strings.Repeat("x", 256) + `"}]`:                "longer than 255 bytes",
		`{}`: "cannot unmarshal",
	} {
		if err := json.Unmarshal([]byte(text), &read); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%.40s: got %v", text, err)
		}
	}
}

func TestRevocationsAreAddedWhileTheyAreAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l Revocations
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				for j := range 500 {
					id := fmt.Sprint(i, j)
					if err := l.Add(Revocation{TokenID: id, Until: time.Now().Add(time.Minute)}); err != nil || l.Check(&hub.Principal{TokenID: id}) == nil {
						t.Error(id, err)
					}
				}
			})
		}
		all.Wait()
		<-time.After(2 * time.Minute)
		for i := range 5000 { // the list may double once before it is swept
			if err := l.Add(Revocation{TokenID: fmt.Sprint("new", i)}); err != nil {
				t.Fatal(err)
			}
		}
		if l.Len() != 5000 {
			t.Errorf("%d entries are left", l.Len())
		}
	})
}
