package bound

import (
	"maps"
	"math"
	"slices"
	"time"

	"github.com/belfry-bridge/belfry/internal/quota"
)

// Arrival is one item of a history.
type Arrival struct {
	Digest  int       // which digest it belongs to, from 0
	At      time.Time // when it could be sent first
	Ready   time.Time // its usefulness is 1 until then
	Expires time.Time // and falls to 0 here
	Gone    time.Time // replaced or cancelled unless sent before; zero: never
	Worth   float64
}

// at is what sending the item at an instant earns.
func (a *Arrival) at(t time.Time) float64 {
	switch {
	case !t.Before(a.Expires) || (!a.Gone.IsZero() && !t.Before(a.Gone)):
		return 0
	case !t.After(a.Ready):
		return a.Worth
	}
	return a.Worth * float64(a.Expires.Sub(t)) / float64(a.Expires.Sub(a.Ready))
}

// Problem is a history and the quota that bound it.
type Problem struct {
	From, To time.Time
	Arrivals []Arrival // all At in [From, To)
	Limits   quota.Limits
	// Closed says that a digest may not be sent at any instant of a stretch;
	// nil: it may always be.
	Closed func(digest int, from, to time.Time) bool
	Step   time.Duration // a rolling window begins with every step; 0: chosen by the length of the history
	Grid   time.Duration // of arrivals, a whole part of a step; 0: chosen by how many there are
	Rounds int           // of improving the prices; 0: enough
}

// Result is the bound and how good it is.
type Result struct {
	Bound   float64 `json:"bound"`   // no scheduler can have earned more
	Reached float64 `json:"reached"` // a schedule exists that earns this
}

// series is one digest and the moments at which a send of it is looked at, in
// order: the buckets of the grid in which an item arrives or a step begins. A
// send earns no more between two of them than at the first: nothing has
// arrived since, and usefulness only falls.
type series struct {
	bucket []int       // of each moment
	first  []int       // first[m]: the oldest moment whose items are still worth something at m
	gain   [][]float64 // gain[m][k]: what a send at m earns of the k+1 latest moments, m included
	news   []bool      // whether items arrive at m
	at     []time.Time // when the last of them does, or the bucket begins
	closed []bool      // until the next moment
	shut   []bool      // at the instant at[m]
	items  []*Arrival
}

const (
	finest   = time.Minute // grid
	manyFits = 5_000_000   // pairs of an item and a moment at which it is worth something, for which the grid is made coarser
)

// cut prepares the digests. The steps divide the time into n.
func (p *Problem) cut() (all []series, n int) {
	if p.Step == 0 {
		switch days := p.To.Sub(p.From).Hours() / 24; {
		case days <= 35:
			p.Step = 10 * time.Minute
		case days <= 50:
			p.Step = 15 * time.Minute
		default:
			p.Step = 30 * time.Minute
		}
	}
	var last time.Time // the steps go on until the last item has expired
	digests := 0
	for i := range p.Arrivals {
		digests = max(digests, p.Arrivals[i].Digest+1)
		if e := p.Arrivals[i].Expires; e.After(last) {
			last = e
		}
	}
	if p.To.After(last) {
		last = p.To
	}
	n = int(math.Ceil(float64(last.Sub(p.From)) / float64(p.Step)))
	all = make([]series, digests)
	for i := range p.Arrivals {
		s := &all[p.Arrivals[i].Digest]
		s.items = append(s.items, &p.Arrivals[i])
	}
	if p.Grid == 0 {
		p.Grid = p.chosen(all)
	}
	for d := range all {
		p.fill(&all[d], d, n)
	}
	return all, n
}

// chosen is the finest grid that does not take too long.
func (p *Problem) chosen(all []series) time.Duration {
	var lives time.Duration
	for d := range all {
		for _, a := range all[d].items {
			lives += a.Expires.Sub(a.At)
		}
	}
	for _, grid := range []time.Duration{finest, 2 * finest, 5 * finest} {
		if p.Step%grid == 0 && lives/grid <= manyFits {
			return grid
		}
	}
	return p.Step
}

// steps is how many buckets of the grid a step has.
func (p *Problem) steps() int { return int(p.Step / p.Grid) }

func (p *Problem) start(bucket int) time.Time { return p.From.Add(time.Duration(bucket) * p.Grid) }

// index is the part of a length in which an instant lies.
func (p *Problem) index(at time.Time, length time.Duration) int { return int(at.Sub(p.From) / length) }

// fill works out what a send at every moment earns of each moment before it.
func (p *Problem) fill(s *series, digest, n int) {
	s.mark(p, n)
	moments := len(s.bucket)
	s.first, s.gain = make([]int, moments), make([][]float64, moments)
	s.closed, s.shut = make([]bool, moments), make([]bool, moments)
	for m := range moments {
		s.first[m] = m
		if p.Closed != nil {
			end := p.start(n * p.steps())
			if m+1 < moments {
				end = p.start(s.bucket[m+1])
			}
			s.closed[m] = p.Closed(digest, p.start(s.bucket[m]), end)
			s.shut[m] = p.Closed(digest, s.at[m], s.at[m])
		}
	}
	each := func(do func(a *Arrival, came, m int)) {
		for _, a := range s.items {
			came, _ := slices.BinarySearch(s.bucket, p.index(a.At, p.Grid))
			for m := came; m < moments && p.start(s.bucket[m]).Before(a.Expires); m++ {
				do(a, came, m)
			}
		}
	}
	each(func(_ *Arrival, came, m int) { s.first[m] = min(s.first[m], came) })
	for m := range moments {
		s.gain[m] = make([]float64, m-s.first[m]+1)
	}
	each(func(a *Arrival, came, m int) {
		begin := p.start(s.bucket[m])
		if begin.Before(a.At) {
			begin = a.At
		}
		s.gain[m][m-came] += a.at(begin)
	})
	for m := range moments {
		for k := 1; k < len(s.gain[m]); k++ {
			s.gain[m][k] += s.gain[m][k-1]
		}
	}
}

// mark lists the moments.
func (s *series) mark(p *Problem, n int) {
	latest := map[int]time.Time{}
	for _, a := range s.items {
		if b := p.index(a.At, p.Grid); a.At.After(latest[b]) {
			latest[b] = a.At
		}
	}
	for step := range n {
		s.bucket = append(s.bucket, step*p.steps())
	}
	s.bucket = slices.AppendSeq(s.bucket, maps.Keys(latest))
	slices.Sort(s.bucket)
	s.bucket = slices.Compact(s.bucket)
	for _, b := range s.bucket {
		at, news := latest[b]
		if !news {
			at = p.start(b)
		}
		s.at, s.news = append(s.at, at), append(s.news, news)
	}
}

// stretch is a run of parts of the time, and how many sends one window allows in it.
type stretch struct{ from, to, most int }

// within lists the steps that lie in a window entirely: a rolling one begins with every step.
func (p *Problem) within(n int) []stretch {
	var out []stretch
	for _, w := range p.Limits.Windows {
		out = append(out, p.runs(w, p.Step, n, false)...)
	}
	return slices.DeleteFunc(out, func(s stretch) bool { return s.to <= s.from })
}

// runs divides the time into n parts, and lists in order those that lie in a
// window's stretches entirely, or all that they touch.
func (p *Problem) runs(w quota.Window, part time.Duration, n int, touched bool) []stretch {
	var out []stretch
	if w.Calendar == quota.None {
		length := int(w.Rolling / part)
		if touched {
			length = int((w.Rolling+part-1)/part) + 1
		}
		for from := 0; length > 0 && from < n; from++ {
			out = append(out, stretch{from, min(from+length, n), w.Max})
		}
		return out
	}
	limits := quota.Limits{Windows: []quota.Window{w}}
	last := p.From.Add(time.Duration(n) * part)
	for begin := p.From; begin.Before(last); {
		end := limits.Frees(begin)
		from, to := p.index(begin.Add(part-1), part), p.index(end, part)
		if touched {
			from, to = p.index(begin, part), p.index(end.Add(part-1), part)
		}
		out = append(out, stretch{from, min(to, n), w.Max})
		begin = end
	}
	return out
}
