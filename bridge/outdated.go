package bridge

import (
	"maps"
	"slices"

	"github.com/belfry-bridge/belfry/mapping"
)

// outdate notes for which of its users there is newer news in another digest of
// what this one says, which is or was under way.
func (d *Digest) outdate(newer *Digest) {
	k := newer.key()
	if k.part = d.Part; len(d.Users) == 0 || k != d.key() {
		return
	}
	for i := range d.Items {
		it := &d.Items[i]
		j := newer.kept(it.Key)
		if j < 0 || it.Replaced || !newer.Items[j].Arrived.After(it.Arrived) {
			continue
		}
		if it.Outdated == nil {
			it.Outdated = make([]byte, (len(d.Users)+7)/8)
		}
		all, have := true, newer.userSet()
		for n, u := range d.Users {
			if have[u] {
				it.Outdated[n/8] |= 1 << (n % 8)
			}
			all = all && outdatedFor(it, n)
		}
		it.Replaced = all
	}
}

func outdatedFor(it *mapping.Item, user int) bool {
	return it.Outdated != nil && it.Outdated[user/8]>>(user%8)&1 > 0
}

// maxSplit is into how many digests one is split that comes back: each costs a send.
const maxSplit = 4

// split keeps users of a digest that comes back from reading what is older than
// what they have read or will read in another: those for whom the same is outdated
// get the rest in a digest of their own. Where that would take too many sends, only
// those leave for whom all of it is outdated.
func (s *State) split(d *Digest) (parts []*Digest) {
	groups := d.sortUsers()
	if len(groups) > maxSplit || d.restCount() > 0 {
		var all readers
		for _, g := range groups {
			all.users = append(all.users, g.users...)
		}
		groups = []readers{all}
	}
	if len(groups) == 0 {
		s.Counts.Replaced += uint64(d.Events)
	}
	for i, g := range groups {
		part := d.only(g)
		s.Counts.Replaced += uint64(len(g.outdated))
		if i > 0 {
			part.ID, part.Wanted = s.newID(), "" // an operator's word is worth one send
			s.Counts.Items += uint64(d.Events)
			s.Counts.Extra += uint64(d.Events)
		}
		parts = append(parts, part)
	}
	return parts
}

// readers are users for whom the same items are outdated, by their keys.
type readers struct{ users, outdated []string }

// sortUsers leaves out those for whom all is outdated.
func (d *Digest) sortUsers() (groups []readers) {
	for n, u := range d.Users {
		var outdated []string
		for i := range d.Items {
			if outdatedFor(&d.Items[i], n) {
				outdated = append(outdated, d.Items[i].Key)
			}
		}
		if len(outdated) > 0 && len(outdated) == d.Count() {
			continue
		}
		i := slices.IndexFunc(groups, func(g readers) bool { return slices.Equal(g.outdated, outdated) })
		if i < 0 {
			i, groups = len(groups), append(groups, readers{outdated: outdated})
		}
		groups[i].users = append(groups[i].users, u)
	}
	return groups
}

// only is a copy of the digest for some of its users.
func (d *Digest) only(g readers) *Digest {
	o := *d
	o.Users, o.users, o.userBytes, o.usersSized = g.users, nil, 0, 0
	o.Items, o.Rules = slices.Clone(d.Items), maps.Clone(d.Rules)
	o.Keys.hashes = slices.Clone(d.Keys.hashes)
	for _, key := range g.outdated {
		i := o.kept(key)
		o.Items = slices.Delete(o.Items, i, i+1)
		o.forget(hashKey(key))
	}
	for i := range o.Items {
		o.Items[i].Outdated = nil
	}
	return &o
}
