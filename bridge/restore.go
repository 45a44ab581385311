package bridge

import (
	"slices"

	"github.com/belfry-bridge/belfry/mapping"
)

// restore puts a digest back, under the items that have come since.
func (s *State) restore(app *mapping.App, old *Digest) {
	for _, d := range s.Digests {
		old.outdate(d)
	}
	wanted := slices.Clone(old.Items)
	old.Items = slices.DeleteFunc(old.Items, func(it mapping.Item) bool { return s.leftOut(old, &it) })
	for _, g := range old.gone() {
		if it := old.Last; it != nil && hashKey(it.Key) == g.Key {
			old.Last = nil
		}
		if old.restCount() > 0 {
			s.leaveOut(old, g.Key, g.Cancelled, old.uncount(g.Key))
		}
	}
	old.Gone = nil
	if old.Count() == 0 {
		s.wantInstead(old, wanted)
		return
	}
	if len(old.Users) == 0 {
		s.putBack(app, old)
		return
	}
	s.apart = nil // its users may have a place in another part by now
	for _, d := range s.split(old) {
		s.putBack(app, d)
	}
}

// wantInstead passes an operator's word on to what has replaced all of a digest
// while its broadcast was under way, and waits. It is worth one send: of several
// parts, that which reaches most of its users.
func (s *State) wantInstead(old *Digest, items []mapping.Item) {
	if old.Wanted == "" {
		return
	}
	var instead *Digest
	most := 0
	k := old.key()
	for _, d := range s.Digests {
		if k.part = d.Part; d.key() != k || !slices.ContainsFunc(items, func(it mapping.Item) bool { return it.Replaced && d.has(it.Key) }) {
			continue
		}
		if n := d.reaches(old.Users); n > most || len(old.Users) == 0 { // a package has one part
			instead, most = d, n
		}
	}
	if instead != nil && instead.Wanted == "" {
		s.Want(instead, old.Wanted, old.WantedAt)
	}
}

func (s *State) putBack(app *mapping.App, old *Digest) {
	k := old.key()
	for i, ok := s.find(k); ok && len(old.Users) > 0; i, ok = s.find(k) {
		if s.mayTake(s.Digests[i], old) {
			break
		}
		k.part++ // nobody's id is lost: it becomes a part of its own
	}
	i, ok := s.find(k)
	if !ok {
		old.Part = k.part
		s.Digests = slices.Insert(s.Digests, i, old)
		s.used += old.size()
		return
	}
	d := s.Digests[i]
	s.change(d, func() { s.Counts.Replaced += uint64(d.merge(old, keepOf(app, d.Template))) })
}

// leftOut counts out an item that was cancelled, or replaced by what has been
// sent since or waits, while its broadcast was under way.
func (s *State) leftOut(d *Digest, it *mapping.Item) bool {
	if !it.Replaced && !it.Cancelled {
		return false
	}
	s.leaveOut(d, hashKey(it.Key), !it.Replaced, it.EventID)
	return true
}

func (s *State) leaveOut(d *Digest, key uint64, cancelled bool, id string) {
	if cancelled {
		s.Counts.Cancelled++
		s.drop(ResultCancelled, d, 1, []string{id})
	} else {
		s.Counts.Replaced++
	}
	d.forget(key)
}
