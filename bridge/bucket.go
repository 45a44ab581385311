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
	IDs      []string         `json:"ids,omitempty"` // event ids, the first ones

	idBytes int // that IDs take in the encoded state; Digest.size would count them for every event
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
		b.IDs = append(b.IDs, it.EventID)
		b.idBytes += idSize(it.EventID)
	}
}

func (d *Digest) idRoom() int {
	n := maxIDs - len(d.Items)
	for i := range d.Rest {
		n -= len(d.Rest[i].IDs)
	}
	return n
}

// uncountOldest takes one item out of Rest. Which of them had the key is not
// known; the one that expires first is the likeliest to have been replaced.
func (d *Digest) uncountOldest() {
	if len(d.Rest) == 0 {
		return
	}
	b := &d.Rest[0]
	b.Count--
	if len(b.IDs) > 0 {
		b.idBytes -= idSize(b.IDs[0])
		b.IDs = b.IDs[1:]
	}
	if b.Count == 0 {
		d.Rest = slices.Delete(d.Rest, 0, 1)
	}
}
