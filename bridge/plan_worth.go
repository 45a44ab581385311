package bridge

import (
	"time"

	"github.com/belfry-bridge/belfry/mapping"
)

// weigh reads off a digest what every policy wants to know.
func (t *table) weigh(d *Digest) row {
	r := row{d: d}
	var worth map[mapping.Priority]float64
	if t.App != nil {
		r.audience, r.template = t.App.Audiences[d.Audience], t.App.Templates[d.Template]
		worth = t.App.Quota.Worth
	}
	r.worth = d.Worth(worth, t.Now)
	note := func(p mapping.Priority, expires time.Time) {
		r.top = max(r.top, p)
		if r.first.IsZero() || expires.Before(r.first) {
			r.first = expires
		}
		if expires.After(r.last) {
			r.last = expires
		}
	}
	for i := range d.Items {
		note(d.Items[i].Priority, d.Items[i].Expires)
	}
	for _, b := range d.Rest {
		note(b.Priority, b.Expires)
	}
	return r
}

// Worth is what sending the digest at an instant earns: for each item its
// priority's worth times its usefulness then.
func (d *Digest) Worth(worth map[mapping.Priority]float64, at time.Time) float64 {
	sum := 0.0
	for i := range d.Items {
		it := &d.Items[i]
		sum += worth[it.Priority] * Usefulness(it.ReadyBy, it.Expires, at)
	}
	for _, b := range d.Rest {
		sum += worth[b.Priority] * float64(b.Count) * Usefulness(b.ReadyBy, b.Expires, at)
	}
	return sum
}

// Usefulness is 1 until an item's gathering window ends, then falls in a
// straight line to 0 at its expiry.
func Usefulness(readyBy, expires, at time.Time) float64 {
	switch {
	case !at.Before(expires):
		return 0
	case !at.After(readyBy):
		return 1
	}
	return float64(expires.Sub(at)) / float64(expires.Sub(readyBy))
}
