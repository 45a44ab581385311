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

// It was ready before its send failed, and does not gather anew.
func TestADigestThatComesBackIsAsFullAsItWas(t *testing.T) {
	filled := countedAt.Add(time.Minute)
	for name, c := range map[string]struct {
		old, newer bool
		want       time.Time // zero: not full
	}{
		"neither is full": {false, false, time.Time{}},
		"the older is":    {true, false, filled},
		"the newer is":    {false, true, filled.Add(time.Hour)},
		"both are":        {true, true, filled},
	} {
		old, d := counted(5, countedItem("a", "r", 0, 9*time.Hour)), counted(5, countedItem("b", "r", time.Hour, 9*time.Hour))
		if c.old {
			old.Full, old.Filled = true, filled
		}
		if c.newer {
			d.Full, d.Filled = true, filled.Add(time.Hour)
		}
		if d.merge(old, 5); d.Full == c.want.IsZero() || !d.Filled.Equal(c.want) {
			t.Errorf("%s: full %t, since %s, want %s", name, d.Full, d.Filled, c.want)
		}
	}
}

// Two were in doubt: of what both tell, the newer stays, whichever comes back later.
func TestOfTwoThatComeBackTheNewerNewsStay(t *testing.T) {
	tell := func(after time.Duration, own string) *Digest {
		gate := countedItem("gate", "r", after, time.Hour)
		gate.Text = own
		return counted(5, gate, countedItem(own, "r", after, time.Hour))
	}
	for name, c := range map[string]struct{ back, waits *Digest }{
		"the older": {tell(0, "old"), tell(time.Minute, "new")},
		"the newer": {tell(time.Minute, "new"), tell(0, "old")},
	} {
		d := c.waits
		if replaced := d.merge(c.back, 5); replaced != 1 || d.Events != 3 || d.Count() != 3 {
			t.Errorf("%s comes back: %d replaced, %d events, %d items", name, replaced, d.Events, d.Count())
		}
		if i := d.kept("gate"); i < 0 || d.Items[i].Text != "new" {
			t.Errorf("%s comes back: kept is %+v", name, d.Items)
		}
	}
}
