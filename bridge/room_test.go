package bridge

import (
	"fmt"
	"strings"
	"testing"

	"github.com/belfry-bridge/belfry/mapping"
)

// What is not counted could make a state that no message can hold.
func TestAllThatADigestHoldsTakesRoom(t *testing.T) {
	long := strings.Repeat("x", 1000)
	for name, change := range map[string]func(*Digest){
		"an item's text":     func(d *Digest) { d.Items = []mapping.Item{{Text: long}} },
		"an item's data":     func(d *Digest) { d.Items = []mapping.Item{{Data: []byte(long)}} },
		"an item's key":      func(d *Digest) { d.Items = []mapping.Item{{Key: long}} },
		"an item's event":    func(d *Digest) { d.Items = []mapping.Item{{EventID: long}} },
		"the latest item":    func(d *Digest) { d.Last = &mapping.Item{Text: long} },
		"ids of other items": func(d *Digest) { d.Rest = []Bucket{{IDs: []string{long[:500], long[500:]}}} },
		"users":              func(d *Digest) { d.Users = []string{long[:500], long[500:]} },
		"a group":            func(d *Digest) { d.Group = long },
	} {
		var empty, d Digest
		change(&d)
		(&State{Digests: []*Digest{&d}}).measure() // as after decoding
		if grown := d.size() - empty.size(); grown < 1000 {
			t.Errorf("%s of 1000 bytes: %d more", name, grown)
		}
		for _, s := range []*State{{used: 5, Digests: []*Digest{&d}}, {Sending: &Broadcast{Digest: &d}}, {Held: []*Broadcast{{Digest: &d}}}} {
			s.measure()
			if spare := s.spare(); spare != roomTotal-d.size() {
				t.Errorf("%s: %d bytes are left of %d by a digest of %d", name, spare, roomTotal, d.size())
			}
		}
	}
}

// Users whose digests are under way come back, should it not be sent.
func TestUsersThatAreUnderWayTakeTheRoomOfUsers(t *testing.T) {
	users := make([]string, 1000)
	for i := range users {
		users[i] = fmt.Sprintf("%0100d", i)
	}
	for name, s := range map[string]*State{
		"waiting":   {Digests: []*Digest{{Users: users}}},
		"under way": {Sending: &Broadcast{Digest: &Digest{Users: users}}},
		"in doubt":  {Held: []*Broadcast{{Digest: &Digest{Users: users}}}},
	} {
		s.measure()
		_ = s.spare()
		if take := s.usersTake(); take != 1000*103 {
			t.Errorf("%s: their ids take %d bytes", name, take)
		}
	}
}

func TestAnItemWithoutRoomIsCountedWithoutItsText(t *testing.T) {
	for _, c := range []struct {
		name    string
		spare   int
		users   bool // the rules have some
		digest  []string
		length  int // of the text
		keep    int
		missing bool
	}{
		{"plenty", roomTotal - 5000, true, []string{"other"}, 3000, 20, false},
		{"what is left to users", roomUsers + 2000, true, []string{"other"}, 3000, 0, true},
		{"the same, where there are none", roomUsers + 2000, false, []string{"other"}, 3000, 20, false},
		{"the same, in place of one as long", roomUsers + 2000, true, []string{"other", "k"}, 3000, 20, false},
		{"nothing", 10, false, []string{"other"}, 1000, 0, true},
		{"nothing, in place of a shorter one", 10, false, []string{"k"}, 3100, 20, true},
		{"nothing, as the first", 10, false, nil, 1000, 20, false},
		{"nothing, as the first, and long", 10, false, nil, 3000, 0, true},
	} {
		app := &mapping.App{Audiences: map[string]*mapping.Audience{"a": {HasUsers: c.users}}}
		d := &Digest{}
		for _, key := range c.digest {
			d.Items = append(d.Items, mapping.Item{Key: key, Text: strings.Repeat("y", 3000)})
		}
		s := &State{used: roomTotal - c.spare, Digests: []*Digest{d}}
		it := &mapping.Item{Key: "k", Text: strings.Repeat("x", c.length)}
		if keep := s.fit(app, d, it, 20); keep != c.keep || (it.Text == "") != c.missing || d.Missing != c.missing {
			t.Errorf("%s: keeps %d, %d bytes of text, missing %t", c.name, keep, len(it.Text), d.Missing)
		}
		if s.tight == (c.keep > 0 && len(c.digest) > 0 && !c.missing) {
			t.Errorf("%s: what keys take was saved on %t", c.name, s.tight)
		}
	}
}

func TestUsersFindRoomBesideItemsAndLeaveThemSome(t *testing.T) {
	id := strings.Repeat("u", 1000)
	for _, c := range []struct {
		name        string
		used, taken int // by all, and by users
		users       []string
		want        bool
		tight       bool // what keys take was saved on
	}{
		{"items fill all but what is left to users", roomTotal, 0, []string{id}, true, true},
		{"and users take that", roomTotal, roomUsers, []string{id}, false, true},
		{"of whom one is there already", roomTotal, roomUsers, []string{"known"}, true, false},
		{"users take more than is left to them, and there is room", roomUsers + 5000, roomUsers + 5000, []string{id}, true, false},
		{"and there is none", roomTotal - 900, roomUsers + 5000, []string{id}, false, true},
		{"users take all but what is left to items", roomTotal - roomItems, roomTotal - roomItems, []string{id}, false, false},
	} {
		s := &State{used: c.used, Digests: []*Digest{{userBytes: c.taken}}}
		if got := s.roomForUsers(&Digest{Users: []string{"known"}}, c.users); got != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
		if s.tight != c.tight {
			t.Errorf("%s: what keys take was saved on %t", c.name, s.tight)
		}
	}
	full := &State{used: roomTotal, Digests: []*Digest{{userBytes: roomUsers}}}
	if full.roomForUsers(nil, []string{"known"}) || !full.roomForUsers(nil, nil) {
		t.Error("a new digest has room for a user where there is none, or not for nobody")
	}
}

func TestAStateThatIsReadAgainSavesOnWhatItSavedOn(t *testing.T) {
	d, sent := &Digest{}, &Digest{Users: []string{"u"}}
	s := &State{Digests: []*Digest{d}, Sending: &Broadcast{Digest: sent}}
	if s.measure(); s.tight || !sent.Personal || d.Personal {
		t.Errorf("tight %t, for single users %t, for all %t", s.tight, sent.Personal, !d.Personal)
	}
	s.tighten()
	again := &State{Digests: []*Digest{d}}
	if again.measure(); !again.tight || again.used != s.used {
		t.Errorf("tight %t, %d bytes, before %d", again.tight, again.used, s.used)
	}
}
