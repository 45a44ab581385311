package bridge

import (
	"slices"

	"github.com/belfry-bridge/belfry/mapping"
)

// The state must fit one message, whatever comes (architecture, section 4):
// 700 KiB at most, compressed. What the bounds below allow packs to less than
// that by far, whatever is in it: JSON's escapes, which they do not count, pack best.
const (
	maxDigests = 128 // grouped ones; a further group joins the ungrouped digest
	maxUsers   = mapping.MaxUsers
	roomTotal  = 384 << 10 // bytes of digests; beyond it, items are only counted
	roomItems  = 96 << 10  // of them, what user ids leave to items
	roomUsers  = 96 << 10  // and what items leave to user ids, where the rules have users
	roomFirst  = 2 << 10   // an empty digest may still keep an item of this size
	maxOutbox  = 256       // results and dead letters not yet acknowledged; beyond, reading waits
	maxOutSize = 160 << 10 // bytes of them
	maxGaps    = 64        // results beyond maxOutbox that tell of gaps
	maxDrops   = 128
	maxRules   = 64 // whose events a digest counts by name; otherRules stands for further ones

	// MaxInDoubt is how many broadcasts may be in doubt; with as many, nothing
	// more is sent.
	MaxInDoubt = 16
)

// otherRules is no rule's name.
const otherRules = "(others)"

func itemSize(it *mapping.Item) int {
	return 240 + len(it.Key) + len(it.Text) + len(it.Data) + len(it.Rule) + len(it.EventID) + len(it.Type) + 2*len(it.Outdated)
}

// size is about what the digest takes in the encoded state before compression.
func (d *Digest) size() int {
	n := 480 + len(d.Audience) + len(d.Template) + len(d.Group) + len(d.Wanted) + 11*len(d.Keys.hashes) + 40*(len(d.Rules)+len(d.Gone))
	for i := range d.Items {
		n += itemSize(&d.Items[i])
	}
	if d.Last != nil {
		n += itemSize(d.Last)
	}
	for i := range d.Rest {
		n += 140 + d.Rest[i].idBytes
	}
	for ; d.usersSized < len(d.Users); d.usersSized++ {
		d.userBytes += idSize(d.Users[d.usersSized])
	}
	return n + d.userBytes
}

func idSize(id string) int { return len(id) + 3 }

// measure works out afresh what ids and marks take, after decoding. An old state
// has no marks.
func (b *Bucket) measure() {
	if len(b.Marks) != len(b.IDs) { // an old state's
		b.Marks = make(marks, len(b.IDs))
	}
	b.idBytes = listSize(b.IDs) + markSize*len(b.Marks)
}

// spare is how many bytes of digests the state still has room for.
func (s *State) spare() int {
	n := roomTotal - s.used
	for _, b := range s.underWay() {
		n -= b.Digest.size()
	}
	return n
}

// hasRoom reports whether an item finds room. It leaves to user ids what is
// theirs: an item can be counted without its text, but not sent without its users.
func (s *State) hasRoom(app *mapping.App, need int) bool {
	spare := s.spare()
	if need <= spare-roomUsers || need > spare {
		return need <= spare
	}
	for _, a := range app.Audiences {
		if a.HasUsers {
			return need <= spare-max(0, roomUsers-s.usersTake())
		}
	}
	return true
}

// usersTake is how many bytes the ids of users take.
func (s *State) usersTake() (n int) {
	for _, d := range s.Digests {
		n += d.userBytes
	}
	for _, b := range s.underWay() {
		n += b.Digest.userBytes
	}
	return n
}

// fit makes an item small enough for the room that is left and says how many
// items the digest may keep: none when the item can only be counted.
func (s *State) fit(app *mapping.App, d *Digest, it *mapping.Item, keep int) int {
	need := itemSize(it)
	same := d.kept(it.Key)
	if same >= 0 {
		need -= itemSize(&d.Items[same])
	}
	if !s.hasRoom(app, need) {
		s.tighten()
	}
	if s.hasRoom(app, need) || len(d.Items) == 0 && need <= roomFirst {
		return keep
	}
	d.Missing = true
	it.Text, it.Was, it.Data, it.EventID, it.Type = "", 0, nil, "", ""
	if same >= 0 {
		return keep
	}
	return 0
}

// roomForUsers reports whether a digest may take in the ids of more users.
func (s *State) roomForUsers(d *Digest, users []string) bool {
	need := 0
	var have map[string]bool
	if d != nil {
		have = d.userSet()
	}
	for _, u := range users {
		if !have[u] {
			need += idSize(u)
		}
	}
	if need > s.spare() {
		s.tighten()
	}
	take := s.usersTake()
	return need <= roomUsers-take || need <= min(s.spare(), roomTotal-roomItems-take) || need == 0
}

// tighten lets all key sets shrink, once: the first thing to save on.
func (s *State) tighten() {
	if s.tight {
		return
	}
	s.tight = true
	for _, d := range s.Digests {
		s.used -= d.size()
		d.Keys.shrink(minKeys)
		s.used += d.size()
	}
}

// all lists every digest of the state, whatever has become of it.
func (s *State) all() []*Digest {
	list := slices.Clone(s.Digests)
	for _, b := range s.underWay() {
		list = append(list, b.Digest)
	}
	return list
}

// measure works out afresh what the digests take, after decoding.
func (s *State) measure() {
	s.used = 0
	for _, d := range s.all() {
		d.Personal = d.Personal || len(d.Users) > 0 // an old state does not tell
		for i := range d.Rest {
			d.Rest[i].measure()
		}
	}
	for _, d := range s.Digests {
		s.used += d.size()
		s.tight = s.tight || d.Keys.limit() == minKeys
	}
}
