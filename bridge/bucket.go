package bridge

import (
	"cmp"
	"slices"
	"time"

	"github.com/belfry-bridge/belfry/mapping"
)

// Bucket counts items whose text and data were not kept.
type Bucket struct {
	Priority mapping.Priority `json:"priority"`
	ReadyBy  time.Time        `json:"ready_by"`      // the latest of its items
	Expires  time.Time        `json:"expires"`       // of its items, rounded up: what goes into one bucket
	Last     time.Time        `json:"last,omitzero"` // the latest expiry of its items; zero in an old state
	Count    int              `json:"count"`
	IDs      []string         `json:"ids,omitempty"`   // event ids, the first ones
	Marks    marks            `json:"marks,omitempty"` // whose ids they are

	idBytes int // that IDs and Marks take in the encoded state; Digest.size would count them for every event
}

const (
	bucketsPerLife = 8    // how finely Rest tells expiries apart: an eighth of an item's life
	maxIDs         = 1000 // event ids in one result, and in one digest
)

// ends is when the last of its items expires; with it go the others.
func (b *Bucket) ends() time.Time {
	if b.Last.IsZero() {
		return b.Expires
	}
	return b.Last
}

// reach extends the bucket to items that are about to be counted in.
func (b *Bucket) reach(readyBy, expires time.Time) {
	if b.Count > 0 {
		b.Last = b.ends() // an old state does not tell
	}
	b.ReadyBy, b.Last = later(b.ReadyBy, readyBy), later(b.Last, expires)
}

// countOnly puts an item into Rest. Its expiry is rounded up, never down.
func (d *Digest) countOnly(it mapping.Item) {
	grain := max(time.Minute, it.Expires.Sub(it.Arrived)/bucketsPerLife)
	expires := it.Expires.Truncate(grain)
	if expires.Before(it.Expires) {
		expires = expires.Add(grain)
	}
	d.bucket(it.Priority, expires).add(&it, d.idRoom())
}

// counted finds an item of Rest by its key's mark.
func (d *Digest) counted(key uint64) (bucket, index int) {
	for i := range d.Rest {
		if j := slices.IndexFunc(d.Rest[i].Marks, func(m mark) bool { return m.key == key }); j >= 0 {
			return i, j
		}
	}
	return -1, -1
}

// mayCount reports whether an item of Rest may have the key: one does, or there
// are some without a mark.
func (d *Digest) mayCount(key uint64) bool {
	if i, _ := d.counted(key); i >= 0 {
		return true
	}
	return d.unmarked() >= 0
}

// unmarked is the first bucket with an item of which the key is not known, or -1.
func (d *Digest) unmarked() int {
	return slices.IndexFunc(d.Rest, func(b Bucket) bool { return b.Count > len(b.Marks) || slices.Contains(b.Marks, mark{}) })
}

func (d *Digest) bucket(p mapping.Priority, expires time.Time) *Bucket {
	i, ok := slices.BinarySearchFunc(d.Rest, Bucket{Priority: p, Expires: expires}, compareBuckets)
	if !ok {
		d.Rest = slices.Insert(d.Rest, i, Bucket{Priority: p, Expires: expires})
	}
	return &d.Rest[i]
}

func compareBuckets(a, b Bucket) int {
	return cmp.Or(a.Expires.Compare(b.Expires), cmp.Compare(a.Priority, b.Priority))
}

func (b *Bucket) add(it *mapping.Item, idRoom int) {
	b.reach(it.ReadyBy, it.Expires)
	b.Count++
	if idRoom > 0 && it.EventID != "" {
		b.note(it.EventID, mark{hashKey(it.Key), hashRule(it.Rule)})
	}
}

func (b *Bucket) note(id string, m mark) {
	b.IDs, b.Marks = append(b.IDs, id), append(b.Marks, m)
	b.idBytes += idSize(id) + markSize
}

func (d *Digest) idRoom() int {
	n := maxIDs - len(d.Items)
	for i := range d.Rest {
		n -= len(d.Rest[i].IDs)
	}
	return n
}

// whose is the place in Rest of the item with a key. Where no mark tells which
// one it is, that without a mark which expires first is the likeliest; its index
// is -1 where its id is not known. Without any the bucket is -1.
func (d *Digest) whose(key uint64) (bucket, index int) {
	if i, j := d.counted(key); i >= 0 {
		return i, j
	}
	if i := d.unmarked(); i >= 0 {
		return i, slices.Index(d.Rest[i].Marks, mark{})
	}
	if len(d.Rest) > 0 { // it was taken for one of them by estimate
		return 0, min(0, len(d.Rest[0].IDs)-1)
	}
	return -1, -1
}

// uncount takes the item with a key out of Rest, and returns its event's id as
// far as it is known.
func (d *Digest) uncount(key uint64) (id string) {
	i, j := d.whose(key)
	if i < 0 {
		return ""
	}
	b := &d.Rest[i]
	b.Count--
	if j >= 0 {
		id = b.IDs[j]
		b.IDs, b.Marks = slices.Delete(b.IDs, j, j+1), slices.Delete(b.Marks, j, j+1)
		b.idBytes -= idSize(id) + markSize
	}
	if b.Count == 0 {
		d.Rest = slices.Delete(d.Rest, i, i+1)
	}
	return id
}
