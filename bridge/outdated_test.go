package bridge

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/mapping"
)

// A digest comes back, of which each user has read some items in newer words.
func TestADigestIsSplitByWhatIsOutdatedForWhom(t *testing.T) {
	for name, c := range map[string]struct {
		outdated []string // by user: the keys
		counted  int      // items without a text
		want     map[string]string
		replaced int
	}{
		"two kinds":                   {[]string{"a", "", "a"}, 0, map[string]string{"u0 u2": "b c d e", "u1": "a b c d e"}, 1},
		"one who has read all":        {[]string{"a", "", "abcde"}, 0, map[string]string{"u0": "b c d e", "u1": "a b c d e"}, 1},
		"all who have read the same":  {[]string{"ab", "ab"}, 0, map[string]string{"u0 u1": "c d e"}, 2},
		"all who have read all":       {[]string{"abcde", "abcde"}, 0, map[string]string{}, 5},
		"as many kinds as are split":  {[]string{"a", "b", "c", "d"}, 0, map[string]string{"u0": "b c d e", "u1": "a c d e", "u2": "a b d e", "u3": "a b c e"}, 4},
		"more kinds than are split":   {[]string{"a", "b", "c", "d", "e", "abcde"}, 0, map[string]string{"u0 u1 u2 u3 u4": "a b c d e"}, 0},
		"what has no text, and whose": {[]string{"a", "abcde"}, 1, map[string]string{"u0 u1": "a b c d e"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			d := &Digest{ID: "d", Audience: "a", Template: "t", Rules: map[string]int{}, Personal: true, Closed: true}
			for i := range 5 + c.counted {
				d.put(countedItem(string(rune('a'+i)), "r", time.Duration(i), time.Hour), 5)
			}
			s, app := NewState("campus", "born"), &mapping.App{Templates: map[string]*mapping.Template{"t": {Keep: 5}}}
			for n, keys := range c.outdated {
				d.Users = append(d.Users, fmt.Sprint("u", n))
				for _, key := range keys {
					it := &d.Items[d.kept(string(key))]
					it.Outdated = append(it.Outdated, 0)[:1]
					it.Outdated[0] |= 1 << n
				}
			}
			d.Wanted = "by Ann: parents call"
			_ = d.size()
			s.Counts.Items = uint64(d.Events)
			s.restore(app, d)

			got, ids, size, wanted := map[string]string{}, map[string]bool{}, 0, 0
			for _, part := range s.Digests {
				if part.Wanted != "" {
					wanted++
				}
				keys, users := "", ""
				for i, it := range part.Items {
					keys += " " + it.Key
					if part.Keys.find(hashKey(it.Key)) != present || it.Outdated != nil || part.Items[i].Outdated != nil {
						t.Errorf("%q in %v", it.Key, part.Keys)
					}
				}
				for _, u := range part.Users {
					users += " " + u
				}
				got[users[1:]], ids[part.ID] = keys[1:], true
				if part.userBytes, part.usersSized = 0, 0; part.Events != part.Count() {
					t.Errorf("%s: %d events, %d items", users, part.Events, part.Count())
				}
				size += part.size()
			}
			if wanted != min(1, len(c.want)) {
				t.Errorf("%d of them are wanted", wanted)
			}
			if !maps.Equal(got, c.want) || len(ids) != len(c.want) {
				t.Errorf("it is split into %v, of %d ids", got, len(ids))
			}
			if int(s.Counts.Replaced) != c.replaced || int(s.Counts.Items) != int(s.Counts.Replaced)+s.Waiting() || int(s.Counts.Extra) != max(0, len(ids)-1)*(5+c.counted) {
				t.Errorf("%d wait; the account is %+v", s.Waiting(), s.Counts)
			}
			if s.used != size {
				t.Errorf("they are said to take %d bytes, and take %d", s.used, size)
			}
			if len(s.Digests) > 1 { // each is cancelled in its own
				first, second := s.Digests[0], s.Digests[1]
				second.Rules["other"]++
				if second.cancel("e", []string{"r"}); first.Keys.find(hashKey("e")) != present || first.Rules["other"] > 0 || !slices.ContainsFunc(first.Items, func(it mapping.Item) bool { return it.Key == "e" }) {
					t.Error("what leaves one leaves the other")
				}
			}
		})
	}
}

// Of two in doubt the older may come back and leave again: it outdates nothing.
func TestOnlyNewerNewsOutdate(t *testing.T) {
	for after, want := range map[time.Duration]bool{-time.Minute: false, 0: false, time.Minute: true} {
		d, other := counted(5, countedItem("gate", "r", 0, time.Hour)), counted(5, countedItem("gate", "r", after, time.Hour))
		d.Users, other.Users = []string{"anna", "bob"}, []string{"bob"}
		d.Personal, other.Personal, other.Part = true, true, 3
		d.outdate(other)
		if size := itemSize(&d.Items[0]); want && size <= itemSize(&other.Items[0]) {
			t.Errorf("what is noted takes no room: %d bytes", size)
		}
		if it := &d.Items[0]; outdatedFor(it, 0) || outdatedFor(it, 1) != want || it.Replaced {
			t.Errorf("%s later: outdated %v, replaced %t", after, it.Outdated, it.Replaced)
		}
	}
}

func TestWhatComesBackJoinsOnlyThoseWhoReadNothingTwice(t *testing.T) {
	digest := func(part int, closed bool, keys string, users ...string) *Digest {
		d := counted(5)
		for i, key := range keys {
			d.put(countedItem(string(key), "r", time.Duration(i), time.Hour), 5)
		}
		d.Personal, d.Part, d.Closed, d.Users = true, part, closed, users
		return d
	}
	for name, c := range map[string]struct {
		old, waits, other *Digest
		want              bool
	}{
		"nobody in common":                           {digest(0, false, "a", "anna"), digest(1, false, "b", "bob"), digest(2, false, "c", "carl"), true},
		"it may be read by nobody else":              {digest(0, true, "a", "anna"), digest(1, false, "b", "bob"), digest(2, false, "c"), false},
		"it may be read by all who wait":             {digest(0, true, "a", "anna", "bob"), digest(1, false, "b", "bob"), digest(2, false, "c"), true},
		"what waits may be read by nobody else":      {digest(0, false, "a", "anna"), digest(1, true, "b", "bob"), digest(2, false, "c"), false},
		"anna reads elsewhere what waits":            {digest(0, false, "a", "anna"), digest(1, false, "b", "bob"), digest(2, false, "b", "anna"), false},
		"bob reads elsewhere what comes back":        {digest(0, false, "a", "anna"), digest(1, false, "b", "bob"), digest(2, false, "a", "bob"), false},
		"anna reads both, as she would have anyway":  {digest(0, false, "a", "anna"), digest(1, false, "b", "anna"), digest(2, false, "ab", "anna"), true},
		"carl reads it, who has a place in no other": {digest(0, false, "a", "anna"), digest(1, false, "b", "bob"), digest(2, false, "ab", "carl"), true},
	} {
		s := NewState("campus", "born")
		s.Digests = []*Digest{c.waits, c.other}
		if got := s.mayTake(c.waits, c.old); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
