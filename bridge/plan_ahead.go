package bridge

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
	"time"

	"github.com/belfry-bridge/belfry/internal/forecast"
	"github.com/belfry-bridge/belfry/mapping"
)

const (
	// horizon is how far ahead a plan looks, in slots of half an hour: until
	// a send made now has come back under a rolling day.
	horizon = 50
	// maxLanes is how many digests and expected digests a plan weighs against
	// each other; further ones are worth less.
	maxLanes = 12
	// mostInstants is what a set of instants has room for: more than are needed,
	// also where the clocks change.
	mostInstants = 64
)

// ahead is the coming day as the planner sees it. Its grid is now and the half
// hours after it.
type ahead struct {
	at    time.Time
	base  int     // boundary at or before now, counted from the outlook's beginning
	into  float64 // the part of the base's slot that has passed
	grid  []time.Time
	ages  []float64 // of the grid, in hours from now
	caps  []limit
	toll  []float64 // what a send at each instant costs, for coming back later under a rolling day
	lanes []lane
	paths []path

	cells   []float64 // room for the values of all lanes on all paths
	scratch schedule
}

// instants is a set of instants of a grid.
type instants uint64

// within is the set of the instants from one to before another.
func within(from, to int) instants { return (1<<max(from, to) - 1) &^ (1<<from - 1) }

func (s instants) has(b int) bool { return s&(1<<b) != 0 }

// first is the earliest instant of a set that is not empty.
func (s instants) first() int { return bits.TrailingZeros64(uint64(s)) }

// lane is what one digest is and may become.
type lane struct {
	d       *Digest // an empty one if nothing is waiting yet
	key     string
	number  int       // of the key, in the paths
	share   float64   // of the key's arrivals; less than 1 with several groups
	pending []float64 // what waits now, worth at each instant of the grid; 0 while it may not go
	open    instants  // when the audience may be disturbed
	pressed instants  // when it may by urgent news
	weight  float64
}

// path is one way the day may go.
type path struct {
	weight float64
	lanes  []laneValues
	offers []offer // the best first send of each lane
}

// laneValues is what sends of a lane earn on a path.
type laneValues struct {
	open  instants    // when it may be sent
	first []float64   // by instant, if nothing was sent before: what waits and what arrives
	fresh []float64   // by instant, after a send now: what arrives from now on
	later *sendValues // after a later send; nil: nothing arrives on any path
	share float64
	base  int
}

// between is what a send at instant b earns after one at prev, or after none (-1).
func (v *laneValues) between(prev, b int) float64 {
	switch {
	case prev < 0:
		return v.first[b]
	case prev == 0:
		return v.fresh[b]
	case v.later == nil:
		return 0
	}
	return v.share * v.later.between(v.base+prev, v.base+b)
}

// ahead lays out the coming day. The rows that are priced have a lane in it.
func (t *table) ahead(at time.Time, priced []*row) *ahead {
	memo := t.Memo
	if memo == nil {
		memo = &Memo{}
	}
	memo.learn(t, at)
	a := &ahead{at: at, grid: []time.Time{at}}
	local := at.In(memo.from.Location())
	a.base, a.into = slotOf(local), float64(sinceMidnight(local)%forecast.Slot)/float64(forecast.Slot)
	end := at.Add(horizon * forecast.Slot)
	for k := 1; a.base+k <= forecast.Ahead && k < mostInstants; k++ {
		b := later(a.grid[k-1], memo.boundary(a.base+k))
		if b.After(end) {
			break
		}
		a.grid = append(a.grid, b)
	}
	a.ages = make([]float64, len(a.grid))
	for b, at := range a.grid {
		a.ages[b] = at.Sub(a.at).Hours()
	}
	a.caps, a.toll = t.caps(a.grid), make([]float64, len(a.grid))
	t.layLanes(a, memo, priced)
	if t.App.Quota.Location != nil {
		memo.muted(t)
		a.chargeTomorrow(t.dayEnds(at), memo.tomorrow(t))
	}
	a.cells = memo.cells
	a.layPaths(memo, t.bursts(a, memo, at))
	memo.cells = a.cells
	if t.App.Quota.Location == nil {
		a.charge()
	}
	return a
}

// layLanes takes the digests that may still be sent, and the keys of which
// something is expected, the weightiest first.
func (t *table) layLanes(a *ahead, memo *Memo, priced []*row) {
	groups := map[string]int{}
	for i := range t.rows {
		r := &t.rows[i]
		if r.state == StateOrphaned {
			continue
		}
		l := lane{d: r.d, key: forecastKey(r.d.Audience, r.d.Template), weight: 4 * r.worth}
		if slices.Contains(priced, r) {
			l.weight = math.Inf(1)
		}
		groups[l.key]++
		a.lanes = append(a.lanes, l)
	}
	for i := range memo.keys {
		if k := &memo.keys[i]; groups[k.key] == 0 {
			a.lanes = append(a.lanes, lane{d: &k.digest, key: k.key, weight: k.weight})
		}
	}
	slices.SortStableFunc(a.lanes, func(x, y lane) int {
		return cmp.Or(cmp.Compare(y.weight, x.weight), cmp.Compare(x.key, y.key))
	})
	a.lanes = a.lanes[:min(len(a.lanes), maxLanes)]
	for i := range a.lanes {
		t.layLane(a, &a.lanes[i], groups[a.lanes[i].key], memo)
	}
}

// layLane fills in what waits, and when the audience may be disturbed.
func (t *table) layLane(a *ahead, l *lane, groups int, memo *Memo) {
	l.share, l.number = 1/float64(max(1, groups)), memo.number(l.key)
	l.pending = l.d.curve(&t.worths, a.at, a.ages)
	top, audience := l.d.Priority(), t.App.Audiences[l.d.Audience]
	var until time.Time
	muted := false
	if t.Muted != nil {
		until, muted = t.Muted(l.d)
	}
	open := func(top mapping.Priority) (out instants) {
		for b, at := range a.grid {
			_, quiet := quietUntil(audience, top, at)
			if !quiet && !(muted && (until.IsZero() || at.Before(until))) {
				out |= 1 << b
			}
		}
		return out
	}
	l.open = open(top)
	if audience.QuietHours != nil && top != mapping.Urgent {
		l.pressed = open(mapping.Urgent)
	}
}

// opened is when a lane may be sent on a path: in quiet hours, right after
// urgent news only, which pass them.
func (l *lane) opened(a *ahead, urgent []bool) instants {
	out := l.open
	if urgent == nil {
		return out
	}
	for left := l.pressed &^ out &^ 1; left != 0; left &= left - 1 {
		if b := left.first(); urgent[a.base+b-1] {
			out |= 1 << b
		}
	}
	return out
}

func (a *ahead) layPaths(memo *Memo, bursts [][]float64) {
	n, lanes := 2*len(a.grid)*len(a.lanes), len(a.lanes)
	if need := n * len(memo.paths); cap(a.cells) < need {
		a.cells = make([]float64, need)
	}
	a.paths = make([]path, len(memo.paths))
	values, offers := make([]laneValues, lanes*len(a.paths)), make([]offer, lanes*len(a.paths))
	for p := range a.paths {
		a.paths[p] = path{memo.paths[p].weight, values[p*lanes : (p+1)*lanes], offers[p*lanes : (p+1)*lanes]}
		a.layPath(&a.paths[p], &memo.paths[p], bursts, a.cells[p*n:(p+1)*n])
	}
}

// layPath fills in what sends earn on a path, with room for it in cells.
func (a *ahead) layPath(out *path, from *pathValues, bursts [][]float64, cells []float64) {
	n := len(a.grid)
	for i := range a.lanes {
		l, v := &a.lanes[i], &out.lanes[i]
		v.first, v.fresh, cells = cells[:n], cells[n:2*n], cells[2*n:]
		later, urgent := from.of(l.number)
		v.later, v.share, v.base, v.open = later, l.share, a.base, l.opened(a, urgent)
		clear(v.fresh)
		if later != nil {
			for b := 1; b < n; b++ {
				whole, rest := later.between(a.base, a.base+b), later.between(a.base+1, a.base+b)
				v.fresh[b] = l.share * (rest + (1-a.into)*(whole-rest))
			}
		}
		for b, come := range bursts[i] {
			v.fresh[b] += come
		}
		for b := range n {
			v.first[b] = l.pending[b] + v.fresh[b]
		}
		out.offers[i] = v.best(a)
	}
}

// best is a lane's best single send after now, whatever the quota.
func (v *laneValues) best(a *ahead) offer {
	best := offer{gain: leastGain}
	for b := 1; b < len(v.first); b++ {
		if g := v.first[b] - a.toll[b]; g > best.gain && v.open.has(b) {
			best = offer{b, g, true}
		}
	}
	return best
}

// echoShare is the part of a burst's echo that is counted: plans are made
// right after arrivals, when a burst looks larger than it is.
const echoShare = 0.5

// bursts is what the echo of the latest arrivals adds, by lane and instant.
func (t *table) bursts(a *ahead, memo *Memo, at time.Time) [][]float64 {
	out := make([][]float64, len(a.lanes))
	for _, burst := range t.Forecast.Bursts(at.In(ForecastZone(t.App))) {
		life := memo.lives[lifeKey{burst.Key, burst.Priority}]
		worth := t.App.Quota.Worth[mapping.Priority(burst.Priority)]
		for i := range a.lanes {
			if a.lanes[i].key != burst.Key || life.ends <= 0 {
				continue
			}
			if out[i] == nil {
				out[i] = make([]float64, len(a.grid))
			}
			for b, come := range fading(a, burst) {
				out[i][b] += echoShare * a.lanes[i].share * worth * come * life.useful(a.ages[b]/2)
			}
		}
	}
	return out
}
