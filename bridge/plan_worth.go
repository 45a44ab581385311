package bridge

import (
	"time"

	"github.com/belfry-bridge/belfry/mapping"
)

// weigh reads off a digest what every policy wants to know.
func (t *table) weigh(d *Digest) row {
	return row{
		d: d, audience: t.App.Audiences[d.Audience], worth: d.worth(&t.worths, t.Now),
		top: d.Priority(), first: d.expires(), last: d.Ends(),
	}
}

// worths is a worth for every priority, quick to look up.
type worths [mapping.Urgent + 1]float64

func flat(worth map[mapping.Priority]float64) (w worths) {
	for p, v := range worth {
		if p <= mapping.Urgent {
			w[p] = v
		}
	}
	return w
}

// worth is what sending the digest at an instant earns: for each item its
// priority's worth times its usefulness then.
func (d *Digest) worth(w *worths, at time.Time) float64 {
	sum := 0.0
	for i := range d.Items {
		it := &d.Items[i]
		sum += w[it.Priority] * Usefulness(it.ReadyBy, it.Expires, at)
	}
	for i := range d.Rest {
		b := &d.Rest[i]
		sum += w[b.Priority] * float64(b.Count) * Usefulness(b.ReadyBy, b.ends(), at)
	}
	return sum
}

// curve is the digest's worth at each of some ages in hours, counted from an
// instant. It starts when the digest is ready.
func (d *Digest) curve(w *worths, from time.Time, hours []float64) []float64 {
	out := make([]float64, len(hours))
	ready := d.Ready().Sub(from).Hours()
	add := func(worth float64, readyBy, expires time.Time) {
		l := life{readyBy.Sub(from).Hours(), expires.Sub(from).Hours()}
		for b, h := range hours {
			if h >= l.ends {
				return
			}
			if h >= ready {
				out[b] += worth * l.useful(h)
			}
		}
	}
	for i := range d.Items {
		add(w[d.Items[i].Priority], d.Items[i].ReadyBy, d.Items[i].Expires)
	}
	for i := range d.Rest {
		add(w[d.Rest[i].Priority]*float64(d.Rest[i].Count), d.Rest[i].ReadyBy, d.Rest[i].ends())
	}
	return out
}

// Usefulness is 1 until an item's gathering window ends, then falls in a
// straight line to 0 at its expiry.
func Usefulness(readyBy, expires, at time.Time) float64 {
	left, whole := expires.Sub(at), expires.Sub(readyBy)
	switch {
	case left <= 0:
		return 0
	case left >= whole:
		return 1
	}
	return float64(left) / float64(whole)
}
