package bridge

import (
	"cmp"
	"slices"
	"time"

	"github.com/belfry-bridge/belfry/internal/forecast"
	"github.com/belfry-bridge/belfry/mapping"
)

// Memo remembers between plans of one app what is costly to work out again.
// It changes no plan. It belongs to one goroutine.
type Memo struct {
	forecast *forecast.Forecast
	version  uint64
	hour     time.Time
	outlook  forecast.Outlook
}

// NewMemo returns an empty memo.
func NewMemo() *Memo { return &Memo{} }

func (m *Memo) look(f *forecast.Forecast, now time.Time) forecast.Outlook {
	hour := now.Truncate(time.Hour)
	if m.forecast != f || m.version != f.Version || !m.hour.Equal(hour) || m.outlook.Paths == nil {
		*m = Memo{forecast: f, version: f.Version, hour: hour, outlook: f.Outlook(now)}
	}
	return m.outlook
}

// ForecastZone is the zone whose days an app lives by: the quota's, else that
// of most of its audiences, else UTC. Observations are made in it.
func ForecastZone(app *mapping.App) *time.Location {
	if app.Quota.Location != nil {
		return app.Quota.Location
	}
	votes := map[string]int{}
	zones := map[string]*time.Location{}
	for _, a := range app.Audiences {
		if a.Location != nil {
			votes[a.Location.String()]++
			zones[a.Location.String()] = a.Location
		}
	}
	best := time.UTC
	for _, name := range slices.Sorted(func(yield func(string) bool) {
		for n := range votes {
			if !yield(n) {
				return
			}
		}
	}) {
		if votes[name] > votes[best.String()] {
			best = zones[name]
		}
	}
	return best
}

// ForecastKey names what a digest's arrivals are learnt under.
func ForecastKey(audience, template string) string { return audience + "/" + template }

func forecastKey(d *Digest) string { return ForecastKey(d.Audience, d.Template) }

// The instants at which sends are considered, in minutes from now: closely at
// first, a day and a bit ahead.
func gridMinutes() []int {
	return []int{0, 20, 40, 60, 90, 120, 150, 180, 240, 300, 360, 420, 480, 570, 660, 750, 840, 960, 1080, 1200, 1320, 1440, 1560}
}

const maxLanes = 16

// ahead is the coming day as the planner sees it.
type ahead struct {
	at    time.Time
	grid  []time.Time
	caps  []limit
	lanes []lane
	paths []path
}

// lane is what one digest is and may become.
type lane struct {
	d       *Digest // nil: nothing is waiting yet
	key     string
	share   float64   // of the key's arrivals; less than 1 with several groups
	pending []float64 // what waits now, worth at each instant of the grid; 0 while it may not go
	open    []bool    // whether the audience may be disturbed
	weight  float64
}

// path is one way the day may go: value[lane][prev+1][b] is what a send at b
// earns after one at prev, or after none (row 0).
type path struct {
	weight float64
	value  [][][]float64
}

// ahead lays out the coming day.
func (t *table) ahead(at time.Time) *ahead {
	a := &ahead{at: at}
	for _, m := range gridMinutes() {
		a.grid = append(a.grid, at.Add(time.Duration(m)*time.Minute))
	}
	a.caps = t.caps(a.grid)
	outlook := forecast.Outlook{From: at, Paths: []forecast.Path{{Weight: 1}}}
	var bursts []forecast.Burst
	if t.Forecast != nil {
		local := at.In(ForecastZone(t.App))
		memo := t.Memo
		if memo == nil {
			memo = NewMemo()
		}
		outlook = memo.look(t.Forecast, local)
		bursts = t.Forecast.Bursts(local)
	}
	t.layLanes(a, outlook)
	lives := t.lives()
	for i := range outlook.Paths {
		a.paths = append(a.paths, t.layPath(a, &outlook, &outlook.Paths[i], bursts, lives))
	}
	return a
}

// layLanes takes the digests that may still be sent, and the keys of which
// something is expected, the weightiest first.
func (t *table) layLanes(a *ahead, o forecast.Outlook) {
	groups := map[string]int{}
	for i := range t.rows {
		r := &t.rows[i]
		if r.audience == nil || r.template == nil || r.state == StateMuted {
			continue
		}
		groups[forecastKey(r.d)]++
		a.lanes = append(a.lanes, t.pendingLane(a, r))
	}
	for i := range a.lanes {
		a.lanes[i].share = 1 / float64(groups[a.lanes[i].key])
	}
	expected := map[string]float64{}
	for _, p := range o.Paths {
		for _, r := range p.Rows {
			sum := 0.0
			for _, n := range r.Hours {
				sum += n
			}
			expected[r.Key] += p.Weight * sum * t.App.Quota.Worth[mapping.Priority(r.Priority)]
		}
	}
	for key, weight := range expected {
		if groups[key] == 0 {
			if l, ok := t.emptyLane(a, key); ok {
				l.weight = weight
				a.lanes = append(a.lanes, l)
			}
		}
	}
	slices.SortStableFunc(a.lanes, func(x, y lane) int {
		return cmp.Or(cmp.Compare(y.weight, x.weight), cmp.Compare(x.key, y.key))
	})
	a.lanes = a.lanes[:min(len(a.lanes), maxLanes)]
}

func (t *table) pendingLane(a *ahead, r *row) lane {
	l := lane{d: r.d, key: forecastKey(r.d), weight: 4 * r.worth, open: t.openAt(a, r.audience)}
	l.pending = make([]float64, len(a.grid))
	ready := r.d.Ready()
	for b, at := range a.grid {
		if !at.Before(ready) {
			l.pending[b] = r.d.Worth(t.App.Quota.Worth, at)
		}
	}
	return l
}

func (t *table) emptyLane(a *ahead, key string) (lane, bool) {
	for _, rule := range t.App.Rules {
		if ForecastKey(rule.Audience, rule.Template) == key && len(rule.Cancels) == 0 {
			audience := t.App.Audiences[rule.Audience]
			if audience == nil {
				return lane{}, false
			}
			return lane{key: key, share: 1, open: t.openAt(a, audience)}, true
		}
	}
	return lane{}, false
}

func (t *table) openAt(a *ahead, audience *mapping.Audience) []bool {
	open := make([]bool, len(a.grid))
	for b, at := range a.grid {
		_, quiet := quietUntil(audience, mapping.High, at)
		open[b] = !quiet
	}
	return open
}

// life is how long an item's usefulness is full, and when it ends.
type life struct{ full, ends float64 } // hours since its arrival

type lifeKey struct {
	key      string
	priority int
}

// lives reads the rules' windows, by key and priority.
func (t *table) lives() map[lifeKey]life {
	out := make(map[lifeKey]life, len(t.App.Rules))
	for _, r := range t.App.Rules {
		k := lifeKey{ForecastKey(r.Audience, r.Template), int(r.Priority)}
		if _, ok := out[k]; !ok && len(r.Cancels) == 0 {
			out[k] = life{r.Gather.AtMost.Hours(), r.ExpiresAfter.Hours()}
		}
	}
	return out
}

func (l life) useful(age float64) float64 {
	switch {
	case age >= l.ends:
		return 0
	case age <= l.full:
		return 1
	}
	return (l.ends - age) / (l.ends - l.full)
}

// layPath works out what sends would earn if the day went one way.
func (t *table) layPath(a *ahead, o *forecast.Outlook, p *forecast.Path, bursts []forecast.Burst, lives map[lifeKey]life) path {
	out := path{weight: p.Weight, value: make([][][]float64, len(a.lanes))}
	for i := range a.lanes {
		v := newValues(&a.lanes[i], len(a.grid))
		for r := range p.Rows {
			if row := &p.Rows[r]; row.Key == a.lanes[i].key {
				t.arrive(a, v, a.lanes[i].share, row.Priority, lives[lifeKey{row.Key, row.Priority}], cumulated(a, o, row))
			}
		}
		for _, b := range bursts {
			if b.Key == a.lanes[i].key {
				t.arrive(a, v, a.lanes[i].share, b.Priority, lives[lifeKey{b.Key, b.Priority}], fading(a, b))
			}
		}
		for prev := range v {
			for b := range v[prev] {
				if !a.lanes[i].open[b] {
					v[prev][b] = 0
				}
			}
		}
		out.value[i] = v
	}
	return out
}

func newValues(l *lane, n int) [][]float64 {
	cells := make([]float64, (n+1)*n)
	v := make([][]float64, n+1)
	for i := range v {
		v[i] = cells[i*n : (i+1)*n]
	}
	copy(v[0], l.pending)
	return v
}

// arrive adds one row's arrivals to what sends earn. total[b] is how many have
// arrived by instant b of the grid.
func (t *table) arrive(a *ahead, v [][]float64, share float64, priority int, l life, total []float64) {
	worth := share * t.App.Quota.Worth[mapping.Priority(priority)]
	if l.ends <= 0 || worth <= 0 {
		return
	}
	n := len(a.grid)
	for b := 1; b < n; b++ {
		sum := 0.0
		for c := b; c >= 1; c-- {
			middle := (a.hours(c-1) + a.hours(c)) / 2
			u := l.useful(a.hours(b) - middle)
			if u == 0 {
				for prev := range c {
					v[prev+1][b] += sum
				}
				v[0][b] += sum
				sum = -1
				break
			}
			sum += worth * u * (total[c] - total[c-1])
			v[c][b] += sum // after a send at c-1
		}
		if sum >= 0 {
			v[0][b] += sum
		}
	}
}

func (a *ahead) hours(b int) float64 { return a.grid[b].Sub(a.at).Hours() }

// cumulated counts a path's arrivals from now up to each instant of the grid.
func cumulated(a *ahead, o *forecast.Outlook, r *forecast.PathRow) []float64 {
	upTo := func(at time.Time) float64 {
		x, sum := at.Sub(o.From).Hours(), 0.0
		for h := 0; h < forecast.Ahead && x > 0; h++ {
			sum += r.Hours[h] * min(1, x)
			x--
		}
		return sum
	}
	out := make([]float64, len(a.grid))
	start := upTo(a.at)
	for b, at := range a.grid {
		out[b] = upTo(at) - start
	}
	return out
}
