package bound

import (
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
	Grid   time.Duration // of the buckets; 0: chosen by the length of the history
	Rounds int           // of improving the prices; 0: enough
}

// Result is the bound and how good it is.
type Result struct {
	Bound   float64 `json:"bound"`   // no scheduler can have earned more
	Reached float64 `json:"reached"` // a schedule exists that earns this
}

// series is one digest, cut into buckets.
type series struct {
	first  []int       // first[t]: the oldest bucket whose items are still worth something in bucket t
	gain   [][]float64 // gain[t][k]: what a send in t earns of the k+1 latest buckets, t included
	closed []bool
	latest []time.Time // of each bucket: when its last item arrived; zero: nothing did
	items  []*Arrival
}

// cut prepares the digests. The grid divides the time into n buckets.
func (p *Problem) cut() (all []series, n int) {
	if p.Grid == 0 {
		switch days := p.To.Sub(p.From).Hours() / 24; {
		case days <= 35:
			p.Grid = 10 * time.Minute
		case days <= 50:
			p.Grid = 15 * time.Minute
		default:
			p.Grid = 30 * time.Minute
		}
	}
	var last time.Time // the grid goes on until the last item has expired
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
	n = int(math.Ceil(float64(last.Sub(p.From)) / float64(p.Grid)))
	all = make([]series, digests)
	for i := range p.Arrivals {
		s := &all[p.Arrivals[i].Digest]
		s.items = append(s.items, &p.Arrivals[i])
	}
	for d := range all {
		p.fill(&all[d], d, n)
	}
	return all, n
}

func (p *Problem) start(t int) time.Time { return p.From.Add(time.Duration(t) * p.Grid) }

func (p *Problem) bucket(at time.Time) int { return int(at.Sub(p.From) / p.Grid) }

// bucketFrom is the first bucket that begins at an instant or later.
func (p *Problem) bucketFrom(at time.Time) int { return p.bucket(at.Add(p.Grid - 1)) }

// fill works out what a send in every bucket earns of each bucket before it.
func (p *Problem) fill(s *series, digest, n int) {
	s.first, s.gain, s.closed = make([]int, n), make([][]float64, n), make([]bool, n)
	s.latest = make([]time.Time, n)
	for t := range n {
		s.first[t] = t
		s.closed[t] = p.Closed != nil && p.Closed(digest, p.start(t), p.start(t+1))
	}
	for _, a := range s.items {
		j := p.bucket(a.At)
		if a.At.After(s.latest[j]) {
			s.latest[j] = a.At
		}
		for t := j; t < n && p.start(t).Before(a.Expires); t++ {
			s.first[t] = min(s.first[t], j)
		}
	}
	for t := range n {
		s.gain[t] = make([]float64, t-s.first[t]+1)
	}
	for _, a := range s.items {
		j := p.bucket(a.At)
		for t := j; t < n; t++ {
			begin := p.start(t)
			if begin.Before(a.At) {
				begin = a.At
			}
			v := a.at(begin)
			if v <= 0 {
				break
			}
			s.gain[t][t-j] += v
		}
	}
	for t := range n {
		for k := 1; k < len(s.gain[t]); k++ {
			s.gain[t][k] += s.gain[t][k-1]
		}
	}
}

// stretch is a run of buckets and how many sends one window allows in it.
type stretch struct{ from, to, most int }

// stretches lists what the windows bind: a rolling window wherever a bucket begins.
func (p *Problem) stretches(n int) []stretch {
	var out []stretch
	for _, w := range p.Limits.Windows {
		out = append(out, p.runs(w, n, false)...)
	}
	return slices.DeleteFunc(out, func(s stretch) bool { return s.to <= s.from })
}

// runs lists the buckets that lie in a window's stretches entirely, or all
// that they touch, in order.
func (p *Problem) runs(w quota.Window, n int, touched bool) []stretch {
	var out []stretch
	if w.Calendar == quota.None {
		length := int(w.Rolling / p.Grid)
		if touched {
			length = int((w.Rolling+p.Grid-1)/p.Grid) + 1
		}
		for from := 0; length > 0 && from < n; from++ {
			out = append(out, stretch{from, min(from+length, n), w.Max})
		}
		return out
	}
	limits := quota.Limits{Windows: []quota.Window{w}}
	for begin := p.From; begin.Before(p.start(n)); {
		end := limits.Frees(begin)
		from, to := p.bucketFrom(begin), p.bucket(end)
		if touched {
			from, to = p.bucket(begin), p.bucketFrom(end)
		}
		out = append(out, stretch{from, min(to, n), w.Max})
		begin = end
	}
	return out
}
