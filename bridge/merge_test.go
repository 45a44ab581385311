package bridge

import (
	"fmt"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/mapping"
)

// Where the state is short of room, how many keys a digest has is an estimate
// after a merge. What expires then must not make it impossible to read again.
func TestADigestThatWasMergedWhereRoomIsShortCanBeReadAgain(t *testing.T) {
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	for round := range 20 {
		old, newer := &Digest{}, &Digest{}
		for _, d := range []*Digest{old, newer} {
			d.ID, d.Audience, d.Template, d.Rules = "d", "all", "news", map[string]int{"r": 1}
			d.Keys.shrink(minKeys)
		}
		for i := range 150 {
			old.put(mapping.Item{Key: fmt.Sprint(round, "-", i), Rule: "r", ReadyBy: at, Expires: at.Add(time.Hour)}, 200)
		}
		newer.put(mapping.Item{Key: "later", Rule: "r", ReadyBy: at, Expires: at.Add(9 * time.Hour)}, 0)
		newer.merge(old, 200)
		newer.expire(at.Add(2 * time.Hour))
		if err := newer.check(); err != nil {
			t.Fatalf("round %d: %v (seen %d, %d items)", round, err, newer.Seen, newer.Count())
		}
	}
}

func TestADigestThatComesBackNamesNoMoreRulesThanOthers(t *testing.T) {
	digest := func(prefix string) *Digest {
		d := &Digest{Rules: map[string]int{}}
		for i := range maxRules + 3 {
			d.countRule(fmt.Sprint(prefix, i), 1)
		}
		return d
	}
	d := digest("newer")
	d.merge(digest("older"), 20)
	events := 0
	for _, n := range d.Rules {
		events += n
	}
	if len(d.Rules) != maxRules+1 || events != 2*(maxRules+3) {
		t.Errorf("%d names for %d events", len(d.Rules), events)
	}
}
