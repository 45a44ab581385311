package unnamed

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/mapping"
)

func TestTheStateOfARenamedAppTellsOfItsSendsUntilTheNewNameKnowsThem(t *testing.T) {
	now := time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)
	quota := mapping.Quota{PerHour: 2, PerDay: 3}
	rules := &mapping.RuleSet{Apps: map[string]*mapping.App{
		"annex": {Name: "annex", Key: "ours", Quota: quota}, "hall": {Name: "hall", Key: "another", Quota: quota},
	}}
	hash := sha256.Sum256([]byte("belfry app key ours")) // as states have it
	state := func(app string, began time.Duration, spends ...string) map[string]*bridge.State {
		s := bridge.NewState(app, "born")
		s.Key, s.Began = hex.EncodeToString(hash[:8]), now.Add(began)
		s.Ledger.External("long-ago", now.Add(-48*time.Hour), "")
		for i, id := range spends {
			s.Ledger.External(id, now.Add(time.Duration(i-10)*time.Hour), "")
		}
		return map[string]*bridge.State{app: s}
	}
	for name, tt := range map[string]struct {
		left, named map[string]*bridge.State
		sends       int
		outlook     []string
	}{
		"nobody was told": {
			state("campus", -time.Hour, "born-1", "born-2"), nil, 2, []string{
				"a renamed app begins anew, and reads events from where start says, also those that were sent already; if campus goes on as annex, tell it of the 2 sends that still count: ",
				"belfry quota spend --app annex --why renamed --id born-1 --at 2026-11-01T23:00:00Z, and again with --id born-2 --at 2026-11-02T00:00:00Z",
			}},
		"more than are shown": {
			state("campus", -time.Hour, "a", "b", "c", "d", "e"), nil, 5, []string{"--id c --at 2026-11-02T01:00:00Z, and 2 more"}},
		"the new name was told": {
			state("campus", -2*time.Hour, "born-1"), state("annex", -time.Hour, "born-1"), 0, []string{"that one begins anew: with an empty quota ledger"}},
		"an app that has its old name again": {
			state("campus", -time.Hour, "born-1"), state("annex", -2*time.Hour), 1, []string{
				"if campus goes on as annex, annex goes on from where it was left, and reads again what campus has sent since; tell it of the 1 send that still counts: "}},
	} {
		t.Run(name, func(t *testing.T) {
			all := Find(tt.left, tt.named, rules, now)
			if len(all) != 1 || all[0].Name != "campus" || len(all[0].Sends) != tt.sends || all[0].Matters() != (tt.sends > 0) {
				t.Fatalf("found %+v, want campus with %d sends that count", all, tt.sends)
			}
			if got := fmt.Sprint(all[0].Names, all[0].Among([]string{"hall", "annex"})); got != "[annex] [annex]" {
				t.Errorf("it may be %s, want the app with its key", got)
			}
			for _, want := range tt.outlook {
				if said := all[0].Outlook(); !strings.Contains(said, want) {
					t.Errorf("it says %q, want %q", said, want)
				}
			}
		})
	}
}

func TestWhatWaitsInAStateIsSaidAndCountsForAsLongAsAnyAppMayBeIt(t *testing.T) {
	now := time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)
	rules := &mapping.RuleSet{Apps: map[string]*mapping.App{
		"annex": {Key: "ours", Quota: mapping.Quota{PerHour: 2, PerDay: 3, Location: time.UTC}}, "hall": {Key: "ours", Quota: mapping.Quota{PerHour: 2, PerDay: 3}},
	}}
	left := func() *bridge.State {
		s := bridge.NewState("campus", "born")
		waits := func(id string, expires time.Time) *bridge.Digest {
			return &bridge.Digest{ID: id, Events: 1, Items: []mapping.Item{{Key: id, Expires: expires}}}
		}
		s.Digests = []*bridge.Digest{waits("born-1", now.Add(time.Hour)), waits("born-2", now.Add(-time.Hour))}
		return s
	}
	s := left()
	s.Held = []*bridge.Broadcast{{ID: "born-3", Digest: &bridge.Digest{}}}
	s.Ledger.External("born-4", now.Add(-2*time.Hour), "")
	u := Of("campus", s, rules, nil, now)
	if said := u.Holds(); said != "1 item waiting and 1 broadcast in doubt, to be resolved once it is named again" {
		t.Errorf("it holds %s", said)
	}
	if len(u.Sends) != 1 || u.Until.Before(now.Add(20*time.Hour)) {
		t.Errorf("%d sends count until %s, want one for as long as it does for hall", len(u.Sends), u.Until)
	}
	if said := u.Outlook(); !strings.Contains(said, "if campus goes on as annex or hall, tell it of the 1 send that still counts: belfry quota spend --app NAME ") {
		t.Errorf("it says %q", said)
	}
	if u := Of("campus", left(), rules, nil, now); !u.Matters() || u.Holds() != "1 item waiting" {
		t.Errorf("with what waits alone: %t, %s", u.Matters(), u.Holds())
	}
}
