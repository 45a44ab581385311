package bridge

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/mapping"
)

// tellUsers folds news for single users.
func (s *State) tellUsers(app *mapping.App, key string, users []string) {
	at := time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)
	s.FoldDecision(app, &mapping.Message{Stream: "S", Time: at}, mapping.Decision{Matches: []mapping.Match{{
		Rule: "r", Audience: "a", Template: "t", Users: users, Gather: mapping.Gather{AtMost: time.Minute},
		Item: mapping.Item{Key: key, Rule: "r", Arrived: at, Expires: at.Add(time.Hour)},
	}}})
}

func personalApp() *mapping.App {
	return &mapping.App{
		Audiences: map[string]*mapping.Audience{"a": {Name: "a", HasUsers: true, Location: time.UTC}},
		Templates: map[string]*mapping.Template{"t": {Keep: 1}},
	}
}

func numbered(from, n int) (users []string) {
	for i := range n {
		users = append(users, fmt.Sprint("u", from+i))
	}
	return users
}

// A burst of events would else take a core for as long as it lasts.
func TestNewsForAFewUsersCostLittleWhereThousandsWait(t *testing.T) {
	s, app := NewState("campus", "born"), personalApp()
	s.tellUsers(app, "first", numbered(0, 20*maxUsers))
	if len(s.Digests) != 20 {
		t.Fatalf("%d parts", len(s.Digests))
	}
	if each := s.costOfNews(app, "u1", "u1001", "u5001", "u19001"); each > 50_000 {
		t.Errorf("one takes %d bytes of memory", each)
	}
	if len(s.Digests) != 20 {
		t.Errorf("%d parts at the end", len(s.Digests))
	}
}

// costOfNews is how much memory the news for a few users take.
func (s *State) costOfNews(app *mapping.App, users ...string) uint64 {
	for i := range 100 { // until what is kept of keys and counts has its size
		s.tellUsers(app, fmt.Sprint("k", i), users)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const events = 50
	for i := range events {
		s.tellUsers(app, fmt.Sprint("k", 1000+i), users)
	}
	runtime.ReadMemStats(&after)
	return (after.TotalAlloc - before.TotalAlloc) / events
}

// While the provider is out of reach, that lasts until it can be sent.
func TestNewsCostLittleWhereADigestCameBackBesideOneThatHasItsUsersToo(t *testing.T) {
	s, app := NewState("campus", "born"), personalApp()
	s.tellUsers(app, "first", numbered(0, 20*maxUsers))
	back := s.Digests[19]
	s.Digests = s.Digests[:19]
	s.closeSiblings(back)
	s.tellUsers(app, "second", numbered(19*maxUsers+500, maxUsers))
	s.restore(app, back)
	if !s.somebodyTwice() {
		t.Fatal("nobody has a place in two parts")
	}
	if each := s.costOfNews(app, "u1", "u1001", "u5001", "u19001"); each > 400_000 {
		t.Errorf("one takes %d bytes of memory", each)
	}
}

// Digests leave, come back beside others that have taken in the same users, and end.
func TestPartsThatAreSaidToHaveNoUserInCommonHaveNone(t *testing.T) {
	app, shared := personalApp(), 0
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // the same every time
		s := NewState("campus", "born")
		var away []*Digest
		for step := range 60 {
			switch n := r.IntN(10); {
			case n < 7:
				s.tellUsers(app, fmt.Sprint("k", r.IntN(8)), numbered(r.IntN(3000), 1+r.IntN(1200)))
			case n < 8 && len(s.Digests) > 0:
				d := s.Digests[r.IntN(len(s.Digests))]
				s.Digests = slices.DeleteFunc(s.Digests, func(o *Digest) bool { return o == d })
				s.closeSiblings(d)
				away = append(away, d)
			case len(away) > 0:
				s.restore(app, away[0])
				away = away[1:]
			}
			twice := s.somebodyTwice()
			if s.apart != nil && *s.apart && twice {
				t.Fatalf("seed %d, step %d: some user has a place in two parts", seed, step)
			}
			if twice {
				shared++
			}
		}
	}
	if shared == 0 {
		t.Error("no two parts ever had a user in common: this test shows nothing")
	}
}
