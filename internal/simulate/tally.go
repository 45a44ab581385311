package simulate

import (
	"slices"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/mapping"
)

// What an item can come to.
const (
	Delivered = "delivered"
	Expired   = "expired"
	Replaced  = "replaced"
	Cancelled = "cancelled"
	Waiting   = "waiting" // the history ended first
)

// What an event can come to that has become no item.
const (
	Unmatched  = "unmatched"
	Cancels    = "cancels"
	DeadLetter = "dead letter"
	Failed     = "failed" // an expression, on all rules that might have matched
)

// barren says what an event has come to of which no item was made; empty if one was.
func barren(d *mapping.Decision) string {
	switch {
	case slices.ContainsFunc(d.Matches, func(m mapping.Match) bool { return len(m.Cancels) == 0 }):
		return ""
	case len(d.Dead) > 0:
		return DeadLetter
	case len(d.Matches) > 0:
		return Cancels
	case len(d.Failures) > 0:
		return Failed
	}
	return Unmatched
}

// place is a digest's name, whatever its id.
type place struct{ audience, template, group string }

// tracked is one item from its arrival to its end.
type tracked struct {
	event    string
	rule     string
	place    place
	priority mapping.Priority
	arrived  time.Time
	ready    time.Time
	expires  time.Time
	came     string
	ended    time.Time
	by       int       // broadcast, when delivered
	gone     time.Time // replaced or cancelled unless sent before; zero: never
}

// tally follows every item beside the fold, which need not keep them all.
type tally struct {
	worth   map[mapping.Priority]float64
	since   time.Time // what arrived before only taught the planner
	items   []*tracked
	pending map[place][]*tracked
	keyed   map[string][]*tracked // by key: the latest items, also those that are delivered
	joined  map[place]bool        // of which groups had no room for digests of their own
	sent    []Broadcast
	barren  []Fate // the first events without an item
	others  int    // how many there were
}

func newTally(worth map[mapping.Priority]float64) *tally {
	return &tally{worth: worth, pending: map[place][]*tracked{}, keyed: map[string][]*tracked{}, joined: map[place]bool{}}
}

// counts reports whether an item counts for the score.
func (t *tally) counts(o *tracked) bool { return !o.arrived.Before(t.since) }

// decided takes in what the rules made of a message.
func (t *tally) decided(m *mapping.Message, d *mapping.Decision) {
	for i := range d.Matches {
		match := &d.Matches[i]
		if len(match.Cancels) > 0 {
			t.cancel(match, m.Time)
			continue
		}
		it := &match.Item
		p := place{match.Audience, match.Template, match.Group}
		t.goes(it.Key, m.Time, Replaced, func(o *tracked) bool { return o.place == p })
		item := &tracked{
			event: it.EventID, rule: it.Rule, place: p, priority: it.Priority,
			arrived: it.Arrived, ready: it.ReadyBy, expires: it.Expires, came: Waiting, by: -1,
		}
		t.items = append(t.items, item)
		t.pending[p] = append(t.pending[p], item)
		t.keyed[it.Key] = append(t.keyed[it.Key], item)
	}
}

// note takes in an event of which no item was made.
func (t *tally) note(app *mapping.App, m *mapping.Message, came string, keep int) {
	if t.others++; t.others > keep {
		return
	}
	t.barren = append(t.barren, Fate{Event: app.EventOf(m).ID, Arrived: m.Time, Came: came, Broadcast: -1})
}

// goes ends those items of a key that still wait, and notes of all that from now
// on nobody can send them. Their places drop them when they are next looked at:
// an event costs the same however much waits.
func (t *tally) goes(key string, now time.Time, came string, is func(*tracked) bool) {
	t.keyed[key] = slices.DeleteFunc(t.keyed[key], func(o *tracked) bool {
		if !is(o) {
			return false
		}
		o.gone = now
		o.finish(came, now)
		return true
	})
}

// finish says what an item that waits has come to by now.
func (o *tracked) finish(came string, now time.Time) {
	switch {
	case o.came != Waiting:
	case !o.expires.After(now):
		o.came, o.ended = Expired, o.expires
	default:
		o.came, o.ended = came, now
	}
}

func (t *tally) cancel(match *mapping.Match, now time.Time) {
	t.goes(match.Item.Key, now, Cancelled, func(o *tracked) bool {
		return slices.Contains(match.Cancels, o.rule) && (match.Audience == "" || o.place.audience == match.Audience)
	})
}

// deliver takes the items of a place that a test names out of the waiting ones.
func (t *tally) deliver(p place, now time.Time, is func(*tracked) bool) (items []*tracked) {
	t.expire(p, now)
	t.pending[p] = slices.DeleteFunc(t.pending[p], func(o *tracked) bool {
		if !is(o) {
			return false
		}
		o.finish(Delivered, now)
		items = append(items, o)
		return true
	})
	return items
}

// expire drops what has ended by now.
func (t *tally) expire(p place, now time.Time) {
	t.pending[p] = slices.DeleteFunc(t.pending[p], func(o *tracked) bool {
		if !o.expires.After(now) {
			o.finish(Expired, now)
		}
		return o.came != Waiting
	})
}

// delivered closes the items that a broadcast carries.
func (t *tally) delivered(b *bridge.Broadcast) {
	d := b.Digest
	carried := func(*tracked) bool { return true }
	p := place{d.Audience, d.Template, d.Group}
	ids := d.EventIDs(1 << 20)
	if len(d.Users) > 0 {
		carried = func(o *tracked) bool { return slices.Contains(ids, o.event) }
	}
	items := t.deliver(p, b.Started, carried)
	if d.Group == "" {
		items = append(items, t.overflowed(d, b.Started)...)
	}
	out := Broadcast{
		At: b.Started, Audience: d.Audience, Template: d.Template, Group: d.Group, Items: len(items),
		Priority: d.Priority(), Reason: b.Reason, EventIDs: []string{},
	}
	for _, o := range items {
		o.by = len(t.sent)
		out.EventIDs = append(out.EventIDs, o.event)
		if t.counts(o) {
			out.Worth += t.worth[o.priority] * bridge.Usefulness(o.ready, o.expires, b.Started)
		}
	}
	if len(d.Users) > 0 { // its items may have been delivered to other users before
		out.Items, out.EventIDs = d.Count(), ids
	}
	t.sent = append(t.sent, out)
}

// overflowed closes the items of groups that had no room for a digest of
// their own and joined the ungrouped one.
func (t *tally) overflowed(d *bridge.Digest, now time.Time) (items []*tracked) {
	for p := range t.pending {
		if p.audience == d.Audience && p.template == d.Template && p.group != "" {
			ids := d.EventIDs(1 << 20)
			joined := t.deliver(p, now, func(o *tracked) bool { return slices.Contains(ids, o.event) })
			if len(joined) > 0 {
				t.joined[place{p.audience, p.template, ""}] = true
			}
			items = append(items, joined...)
		}
	}
	slices.SortFunc(items, func(a, b *tracked) int { return a.arrived.Compare(b.arrived) })
	return items
}

// close ends what has expired by the end of the history.
func (t *tally) close(now time.Time) {
	for p := range t.pending {
		t.expire(p, now)
	}
}
