package bridge

import (
	"slices"

	"github.com/belfry-bridge/belfry/mapping"
)

// room is how many more users the digest takes. A nil one has none yet.
func (d *Digest) room() int {
	switch {
	case d == nil:
		return maxUsers
	case d.Closed:
		return 0
	}
	return max(0, maxUsers-len(d.Users))
}

// addUsers adds those that the digest does not have yet.
func (d *Digest) addUsers(users []string) {
	if len(users) == 0 {
		return
	}
	have := d.userSet()
	for _, u := range users {
		if !have[u] {
			have[u] = true
			d.Users = append(d.Users, u)
		}
	}
}

// userSet is made again after decoding, when it is first asked for.
func (d *Digest) userSet() map[string]bool {
	if d.users == nil {
		d.users = make(map[string]bool, len(d.Users))
		for _, u := range d.Users {
			d.users[u] = true
		}
	}
	return d.users
}

// reaches is how many of some users have a place in the digest.
func (d *Digest) reaches(users []string) (n int) {
	have := d.userSet()
	for _, u := range users {
		if have[u] {
			n++
		}
	}
	return n
}

// reachAll reports whether all of some users are among those that newer news
// go to: who is not has read nothing that replaces what there was.
func reachAll(users, of []string) bool {
	return !slices.ContainsFunc(of, func(u string) bool { return !slices.Contains(users, u) })
}

// mayTake reports whether a digest that comes back finds room in one that waits,
// and nobody then reads in it what he has read, or reads in another part as well.
func (s *State) mayTake(d, old *Digest) bool {
	if fresh := len(old.Users) - d.reaches(old.Users); fresh > d.room() || old.Closed && !reachAll(old.Users, d.Users) {
		return false
	}
	k := d.key()
	return !slices.ContainsFunc(s.Digests, func(o *Digest) bool {
		k.part = o.Part
		return o != d && o.key() == k && (o.tellsOf(d) && o.sharesOthers(old, d) || o.tellsOf(old) && o.sharesOthers(d, old))
	})
}

// sharesOthers reports whether some user of a has a place here and none in b.
func (d *Digest) sharesOthers(a, b *Digest) bool {
	have, not := d.userSet(), b.userSet()
	return slices.ContainsFunc(a.Users, func(u string) bool { return have[u] && !not[u] })
}

// closeSiblings keeps whoever may have read an event with the part that leaves
// from getting a place in another part where it waits, and reading it again.
func (s *State) closeSiblings(leaving *Digest) {
	if len(leaving.Users) == 0 {
		return
	}
	k := leaving.key()
	for _, b := range s.underWay() { // it may come back
		b.Digest.outdate(leaving)
	}
	for _, d := range s.all() {
		if k.part = d.Part; d != leaving && d.key() == k && d.tellsOf(leaving) {
			d.Closed = true
		}
	}
}

// tellsOf reports whether an item waits in both, as far as that is known.
func (d *Digest) tellsOf(o *Digest) bool {
	return d.restCount() > 0 && o.restCount() > 0 ||
		slices.ContainsFunc(o.Items, func(it mapping.Item) bool { return d.has(it.Key) }) ||
		slices.ContainsFunc(d.Items, func(it mapping.Item) bool { return o.has(it.Key) })
}

// partsAreApart reports whether no two parts of an audience have a user in
// common. Folding keeps it so, and only a digest that came back can end it, until
// it leaves. To look costs more than a fold: so either answer is kept.
func (s *State) partsAreApart() bool {
	if s.apart == nil {
		apart := !s.somebodyTwice()
		s.apart = &apart
	}
	return *s.apart
}

func (s *State) somebodyTwice() bool {
	var of digestKey
	var users map[string]bool
	for _, d := range s.Digests { // the parts of one stand together
		if len(d.Users) == 0 {
			continue
		}
		k := d.key()
		if k.part = 0; k != of {
			of, users = k, make(map[string]bool, len(d.Users))
		}
		for _, u := range d.Users {
			if users[u] {
				return true
			}
			users[u] = true
		}
	}
	return false
}

// joining are the parts that an item joins.
type joining struct {
	apart bool // no two parts have a user in common
	parts []*Digest
	users map[string]bool // of the first of them: of none before somebody asks
	known int             // how many those are
}

// shares reports whether somebody has a place both in the digest, if there is
// one, and in one of the parts.
func (j *joining) shares(d *Digest) bool {
	if d == nil || j.apart {
		return false
	}
	for ; j.known < len(j.parts); j.known++ {
		if j.users == nil {
			j.users = make(map[string]bool, maxUsers*len(j.parts))
		}
		for _, u := range j.parts[j.known].Users {
			j.users[u] = true
		}
	}
	return slices.ContainsFunc(d.Users, func(u string) bool { return j.users[u] })
}
