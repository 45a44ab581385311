package stream

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestWanted(t *testing.T) {
	t.Parallel()
	all := map[string]bool{"a1": true, "a2": true, "a3": true}
	for name, c := range map[string]struct {
		owners map[string]string
		ready  map[string]bool
		ask    bool
	}{
		"an idle replica asks who has two":              {map[string]string{"a1": "x", "a2": "x"}, all, true},
		"an idle replica lets who has one keep it":      {map[string]string{"a1": "x"}, all, false},
		"nothing is asked while nobody owns anything":   {map[string]string{"a1": ""}, all, false},
		"the most loaded asks nobody":                   {map[string]string{"a1": "me", "a2": "me", "a3": "x"}, all, false},
		"one app less is near enough":                   {map[string]string{"a1": "x", "a2": "x", "a3": "me"}, all, false},
		"an app that could not be taken is not asked":   {map[string]string{"a1": "x", "a2": "x"}, nil, false},
		"only the apps that could be taken are asked":   {map[string]string{"a1": "x", "a2": "x"}, map[string]bool{"a2": true}, true},
		"apps without an owner count for nobody's load": {map[string]string{"a1": "x", "a2": "", "a3": ""}, all, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			app, ask := wanted(c.owners, c.ready, "me")
			if ask != c.ask {
				t.Fatalf("asks for %q: %v, want %v", app, ask, c.ask)
			}
			if ask && (c.owners[app] != "x" || !c.ready[app]) {
				t.Errorf("asks for %q", app)
			}
		})
	}
}

func TestAskingEvensTheLoadOutWhateverItWas(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		replicas := rapid.IntRange(1, 5).Draw(t, "replicas")
		owners, ready := map[string]string{}, map[string]bool{}
		for i := range rapid.IntRange(0, 20).Draw(t, "apps") {
			app := fmt.Sprint("app", i)
			owners[app] = fmt.Sprint("r", rapid.IntRange(0, replicas-1).Draw(t, "owner"))
			ready[app] = true
		}
		moves := 0
		for moved := true; moved; {
			moved = false
			for r := range replicas {
				me := fmt.Sprint("r", r)
				if app, ask := wanted(owners, ready, me); ask {
					owners[app], moved = me, true
					moves++
				}
			}
			if moves > len(owners) {
				t.Fatalf("apps go on changing hands: %v", owners)
			}
		}
		least, most := len(owners), 0
		for r := range replicas {
			n := loads(owners)[fmt.Sprint("r", r)]
			least, most = min(least, n), max(most, n)
		}
		if most-least > 1 {
			t.Fatalf("uneven: %v", owners)
		}
	})
}

func TestAPromiseIsOverOnceSomebodyElseHasTheApp(t *testing.T) {
	for owner, want := range map[string]bool{"one": true, "": true, "me": false, "three": false} {
		l := &Leases{js: &JetStream{cfg: Config{Replica: "me"}}, promised: "c", by: "one", until: time.Now().Add(time.Hour)}
		if got := l.expecting(map[string]string{"c": owner}); got != want {
			t.Errorf("while %q owns it: expecting %v, want %v", owner, got, want)
		}
	}
}
