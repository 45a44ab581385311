package bridge

import (
	"cmp"
	"maps"
	"slices"

	"github.com/belfry-bridge/belfry/mapping"
)

// merge takes an older digest back under this newer one. Either may have items
// that are newer than some of the other's, where several were in doubt: of two
// with the same key the newer stays. It returns how many events were replaced.
func (d *Digest) merge(old *Digest, keep int) (replaced int) {
	last := d.latest()
	if it := old.latest(); it.Arrived.After(last.Arrived) {
		last = it
	}
	d.Events += old.Events
	d.Closed = d.Closed || old.Closed
	items := slices.Concat(old.Items, d.Items)
	slices.SortStableFunc(items, func(a, b mapping.Item) int { return a.Arrived.Compare(b.Arrived) })
	d.Items, d.Last = nil, nil
	for _, it := range items {
		if i := d.kept(it.Key); i >= 0 {
			d.Items = slices.Delete(d.Items, i, i+1)
			d.Events--
			replaced++
		}
		d.Items = append(d.Items, it)
	}
	for len(d.Items) > keep {
		i := d.leastPressing()
		d.countOnly(d.Items[i])
		d.Items = slices.Delete(d.Items, i, i+1)
	}
	for _, b := range old.Rest {
		into := d.bucket(b.Priority, b.Expires)
		into.reach(b.ReadyBy, b.ends())
		into.Count += b.Count
		for j, id := range b.IDs[:max(0, min(len(b.IDs), d.idRoom()))] {
			into.note(id, b.Marks[j])
		}
	}
	if i := d.kept(last.Key); !last.Arrived.IsZero() && (i < 0 || !d.Items[i].Arrived.Equal(last.Arrived)) {
		d.Last = &last
	}
	d.Keys.merge(&old.Keys)
	d.Seen = max(d.Keys.count(), len(d.Items)) // an estimate, where the key sets were shrunk
	d.inherit(old)
	return replaced
}

func (d *Digest) inherit(old *Digest) {
	d.ID = old.ID
	d.Opened = earlier(d.Opened, old.Opened)
	d.ReadyBy = earlier(d.ReadyBy, old.ReadyBy)
	d.Latest = later(d.Latest, old.Latest)
	if old.Full { // and has been for longer
		d.Full, d.Filled = true, old.Filled
	}
	d.Missing = d.Missing || old.Missing
	d.Warned = d.Warned || old.Warned
	d.Trace = cmp.Or(old.Trace, d.Trace)
	if d.Wanted == "" { // what comes back has not gone yet
		d.Wanted, d.WantedAt = old.Wanted, old.WantedAt
	}
	for _, rule := range slices.Sorted(maps.Keys(old.Rules)) {
		d.countRule(rule, old.Rules[rule])
	}
	d.addUsers(old.Users) // restore has seen to it that they fit
}
