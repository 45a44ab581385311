package bridge

import (
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/mapping"
)

// Who let news go at once did not speak of whatever else waits.
func TestAnOperatorsWordIsPassedOnOnlyToWhatHasReplacedTheNews(t *testing.T) {
	digest := func(audience, key string, part int, users ...string) *Digest {
		d := counted(5, countedItem(key, "r", time.Minute, time.Hour))
		d.Audience, d.Part, d.Users, d.Personal = audience, part, users, len(users) > 0
		return d
	}
	for name, c := range map[string]struct {
		old    *Digest
		waits  []*Digest
		wanted int // which of them; -1: none
	}{
		"another audience":          {digest("a", "gate", 0), []*Digest{digest("a", "gate", 0), digest("b", "gate", 0)}, 0},
		"only another audience":     {digest("a", "gate", 0), []*Digest{digest("b", "gate", 0)}, -1},
		"other news":                {digest("a", "gate", 0), []*Digest{digest("a", "bus", 0)}, -1},
		"the part that most are in": {digest("a", "gate", 0, "u1", "u2", "u3"), []*Digest{digest("a", "gate", 0, "u1"), digest("a", "gate", 1, "u2", "u3")}, 1},
		"a part without the news":   {digest("a", "gate", 0, "u1", "u2", "u3"), []*Digest{digest("a", "gate", 0, "u1"), digest("a", "bus", 1, "u2", "u3")}, 0},
	} {
		s := NewState("campus", "born")
		s.Digests = c.waits
		c.old.Wanted, c.old.WantedAt = "by Ann: parents call", countedAt
		c.old.Items[0].Replaced = true
		s.restore(&mapping.App{Templates: map[string]*mapping.Template{"t": {Keep: 5}}}, c.old)
		for i, d := range c.waits {
			if (d.Wanted != "") != (i == c.wanted) {
				t.Errorf("%s: digest %d is wanted %q", name, i, d.Wanted)
			}
		}
	}
}
