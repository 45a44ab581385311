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
	// Shut says that the schedule which is reached must not send a digest at an
	// instant: always then, and perhaps more often; nil: as Closed says.
	Shut   func(digest int, at time.Time) bool
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
	finest = time.Minute // grid
	// With more of them, the grid is made coarser: buckets in which items are
	// worth something, counted for each item, and values of gains.
	manyFits  = 5_000_000
	manyCells = 10_000_000
)

// cut prepares the digests. The steps divide the time into n.
func (p *Problem) cut() (all []series, n int) {
	all, n = p.divide()
	for d := range all {
		p.fill(&all[d], d)
	}
	return all, n
}

// divide sorts the items by digests, and chooses the steps and the grid.
func (p *Problem) divide() (all []series, n int) {
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
	for d := range all {
		slices.SortStableFunc(all[d].items, func(a, b *Arrival) int { return a.At.Compare(b.At) })
	}
	if p.Grid == 0 {
		p.Grid = p.chosen(all)
	}
	return all, n
}

// chosen is the finest grid that does not take too long, or too much room.
func (p *Problem) chosen(all []series) time.Duration {
	for _, grid := range []time.Duration{finest, 2 * finest, 5 * finest} {
		if p.Step%grid != 0 {
			continue
		}
		fits, cells := 0.0, 0
		for d := range all {
			for _, a := range all[d].items {
				fits += float64(a.Expires.Sub(a.At)) / float64(grid)
			}
			if fits < manyFits {
				cells += p.cells(&all[d], grid)
			}
		}
		if fits <= manyFits && cells <= manyCells {
			return grid
		}
	}
	return p.Step
}

// cells is how many values a digest's gains have on a grid.
func (p *Problem) cells(s *series, grid time.Duration) (n int) {
	on := *p
	on.Grid = grid
	oldest, came := 0, 0 // the first item that is alive, and its moment
	at := on.moments(s)
	for m, b := range at {
		now := on.start(b)
		for oldest < len(s.items) && !now.Before(s.items[oldest].Expires) {
			oldest++
		}
		if oldest == len(s.items) {
			break
		}
		for at[came] < on.index(s.items[oldest].At, grid) {
			came++
		}
		n += max(1, m-came+1)
	}
	return n
}

// steps is how many buckets of the grid a step has.
func (p *Problem) steps() int { return int(p.Step / p.Grid) }

func (p *Problem) start(bucket int) time.Time { return p.From.Add(time.Duration(bucket) * p.Grid) }

// index is the part of a length in which an instant lies.
func (p *Problem) index(at time.Time, length time.Duration) int { return int(at.Sub(p.From) / length) }

// fill works out what a send at every moment earns of each moment before it.
func (p *Problem) fill(s *series, digest int) {
	s.bucket = p.moments(s)
	s.date(p)
	moments := len(s.bucket)
	s.first, s.gain = make([]int, moments), make([][]float64, moments)
	s.closed, s.shut = make([]bool, moments), make([]bool, moments)
	for m := range moments {
		s.first[m] = m
		if p.Closed != nil {
			end := p.start((s.bucket[m]/p.steps() + 1) * p.steps())
			if m+1 < moments && p.start(s.bucket[m+1]).Before(end) {
				end = p.start(s.bucket[m+1])
			}
			s.closed[m] = p.Closed(digest, p.start(s.bucket[m]), end)
			s.shut[m] = p.Closed(digest, s.at[m], s.at[m])
		}
		if p.Shut != nil {
			s.shut[m] = p.Shut(digest, s.at[m])
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

// moments lists the buckets in which an item of a digest arrives, or a step
// begins while one is worth something.
func (p *Problem) moments(s *series) (out []int) {
	next := 0 // step
	for _, a := range s.items {
		out = append(out, p.index(a.At, p.Grid))
		end := a.Expires.Add(-1)
		for next = max(next, p.index(a.At, p.Step)); !p.start(next * p.steps()).After(end); next++ {
			out = append(out, next*p.steps())
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// date finds the best instant of every moment.
func (s *series) date(p *Problem) {
	latest := map[int]time.Time{}
	for _, a := range s.items {
		if b := p.index(a.At, p.Grid); a.At.After(latest[b]) {
			latest[b] = a.At
		}
	}
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
		end := limits.Frees(&quota.Ledger{}, begin)
		from, to := p.index(begin.Add(part-1), part), p.index(end, part)
		if touched {
			from, to = p.index(begin, part), p.index(end.Add(part-1), part)
		}
		out = append(out, stretch{from, min(to, n), w.Max})
		begin = end
	}
	return out
}
