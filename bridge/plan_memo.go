package bridge

import (
	"cmp"
	"slices"
	"time"

	"github.com/belfry-bridge/belfry/internal/forecast"
	"github.com/belfry-bridge/belfry/mapping"
)

// Memo remembers between plans of one app what is costly to work out again:
// what sends would have earned on the days that the forecast replays. It
// changes no plan. It belongs to one goroutine. The zero value is an empty one.
type Memo struct {
	app      *mapping.App
	forecast *forecast.Forecast
	version  uint64
	slot     time.Time      // while the forecast still learns within the day
	rows     []forecast.Row // of that day, then
	from     time.Time      // the outlook's beginning
	until    time.Time      // the end of the day that it is for
	lives    map[lifeKey]life
	longest  map[string]float64 // of the lives of each key, in hours
	keys     []expectedKey
	numbers  map[string]int // of the rules' keys, in the paths
	paths    []pathValues
	price    float64 // of a send of the day to come; negative until it is asked for
	mutes    []mute  // of the keys, when the price was worked out

	cells []float64 // of the last plan, for the next
}

type expectedKey struct {
	key    string
	digest Digest  // an empty one
	weight float64 // worth of what arrives in a day
}

type mute struct {
	until time.Time
	muted bool
}

// muted forgets tomorrow's price when other keys are muted than before.
func (m *Memo) muted(t *table) {
	if t.Muted == nil {
		return
	}
	mutes := make([]mute, len(m.keys))
	for i := range m.keys {
		mutes[i].until, mutes[i].muted = t.Muted(&m.keys[i].digest)
	}
	if !slices.Equal(mutes, m.mutes) {
		m.mutes, m.price = mutes, -1
	}
}

type pathValues struct {
	weight float64
	values []*sendValues // by the number of the key
	urgent [][]bool      // by the number of the key and slot: whether urgent news arrive; nil: none do
}

// of returns what sends of a key earn on a path; nil: nothing.
func (p *pathValues) of(number int) (values *sendValues, urgent []bool) {
	if number < 0 {
		return nil, nil
	}
	return p.values[number], p.urgent[number]
}

// number is the place of a key in the paths; negative: the rules do not have it,
// or nothing is known.
func (m *Memo) number(key string) int {
	if n, ok := m.numbers[key]; ok {
		return n
	}
	return -1
}

// sendValues is what sends of one key earn on one path: v[b*lags+n-1] is what
// one at boundary b earns of the n slots before it.
type sendValues struct {
	lags int
	v    []float32
}

// between is what a send at a boundary earns of the slots since another one.
func (s *sendValues) between(prev, b int) float64 {
	n := min(b-prev, s.lags)
	if n <= 0 {
		return 0
	}
	return float64(s.v[b*s.lags+n-1])
}

// learn brings the memo up to date.
func (m *Memo) learn(t *table, at time.Time) {
	local := at.In(ForecastZone(t.App))
	version, slot, rows := t.Forecast.Version, time.Time{}, []forecast.Row(nil)
	if t.Forecast.Learning(local) {
		slot, rows = at.Truncate(5*time.Minute), t.Forecast.Rows
	}
	if m.app == t.App && m.forecast == t.Forecast && m.version == version && m.slot.Equal(slot) &&
		slices.Equal(m.rows, rows) && !at.Before(m.from) && at.Before(m.until) {
		return
	}
	*m = Memo{app: t.App, forecast: t.Forecast, version: version, slot: slot, rows: slices.Clone(rows), lives: lives(t.App), price: -1, cells: m.cells,
		from: atClock(local, 0, 0), until: atClock(local, 1, 0)}
	m.longest = map[string]float64{}
	for k, l := range m.lives {
		m.longest[k.key] = max(m.longest[k.key], l.ends)
	}
	m.replay(t, t.Forecast.Outlook(local))
}

func (m *Memo) replay(t *table, o forecast.Outlook) {
	expected := map[string]float64{}
	m.numbers = make(map[string]int, len(m.longest))
	for key := range m.longest {
		m.numbers[key] = len(m.numbers)
	}
	for i := range o.Paths {
		p := pathValues{weight: o.Paths[i].Weight, values: make([]*sendValues, len(m.numbers)), urgent: make([][]bool, len(m.numbers))}
		for r := range o.Paths[i].Rows {
			row := &o.Paths[i].Rows[r]
			worth := t.App.Quota.Worth[mapping.Priority(row.Priority)]
			l, n := m.lives[lifeKey{row.Key, row.Priority}], m.number(row.Key)
			if worth <= 0 || l.ends <= 0 {
				continue
			}
			if p.values[n] == nil {
				p.values[n] = m.newValues(row.Key)
			}
			p.values[n].add(row.Counts[:], worth, l)
			if row.Priority == int(mapping.Urgent) {
				p.urgent[n] = make([]bool, forecast.Ahead)
				for slot, came := range row.Counts {
					p.urgent[n][slot] = came > 0
				}
			}
			for _, come := range row.Counts[:forecast.PerDay] {
				expected[row.Key] += p.weight * come * worth
			}
		}
		m.paths = append(m.paths, p)
	}
	m.temper()
	for _, r := range t.App.Rules {
		key := forecastKey(r.Audience, r.Template)
		if weight, ok := expected[key]; ok {
			m.keys = append(m.keys, expectedKey{key, Digest{Audience: r.Audience, Template: r.Template}, weight})
			delete(expected, key) // of which there may be several rules
		}
	}
	slices.SortFunc(m.keys, func(a, b expectedKey) int {
		return cmp.Or(cmp.Compare(b.weight, a.weight), cmp.Compare(a.key, b.key))
	})
}

// tempered is how much of each remembered day gives way to the mean of all of
// them. A day replayed with hindsight shows its best moments, which nobody
// knows beforehand: who plans for it holds out too long, the more the more
// digests compete. The mean has no such moments; alone, it would not wait for
// a rare burst at all.
const tempered = 0.3

// temper draws the paths towards a day of which every half hour is the mean
// of all paths.
func (m *Memo) temper() {
	for key, n := range m.numbers {
		if !slices.ContainsFunc(m.paths, func(p pathValues) bool { return p.values[n] != nil }) {
			continue
		}
		mean := m.newValues(key)
		for _, p := range m.paths {
			if p.values[n] == nil {
				continue
			}
			weight := float32(p.weight)
			for i, worth := range p.values[n].v {
				mean.v[i] += weight * worth
			}
		}
		for i := range mean.v {
			mean.v[i] *= tempered
		}
		for _, p := range m.paths {
			if p.values[n] == nil {
				p.values[n] = mean
				continue
			}
			for i, v := range p.values[n].v {
				p.values[n].v[i] = (1-tempered)*v + mean.v[i]
			}
		}
	}
}

// newValues has room for as many slots as an item of the key can live.
func (m *Memo) newValues(key string) *sendValues {
	lags := min(horizon, int(m.longest[key]/forecast.Slot.Hours())+1)
	return &sendValues{lags: lags, v: make([]float32, (forecast.Ahead+1)*lags)}
}

// freshness is the age at which the items of the last slot before a send are
// counted: a send is placed soon after a burst, not at the end of its half hour.
const freshness = 20 * time.Minute

// add counts one priority's arrivals in.
func (s *sendValues) add(counts []float64, worth float64, l life) {
	useful := make([]float64, s.lags)
	for n := range useful {
		useful[n] = worth * l.useful(float64(n)*forecast.Slot.Hours()+freshness.Hours())
	}
	for b := 1; b <= forecast.Ahead; b++ {
		sum := 0.0
		for n := range min(b, s.lags) {
			sum += useful[n] * counts[b-1-n]
			s.v[b*s.lags+n] += float32(sum)
		}
		for n := b; n < s.lags; n++ {
			s.v[b*s.lags+n] += float32(sum)
		}
	}
}

// boundary is when a slot of the outlook begins, by the wall clock: slots are
// longer or shorter on the days on which clocks change.
func (m *Memo) boundary(slot int) time.Time {
	return atClock(m.from, 0, time.Duration(slot)*forecast.Slot)
}

func slotOf(local time.Time) int { return int(sinceMidnight(local) / forecast.Slot) }

// life is how long an item's usefulness is full, and when it ends.
type life struct{ full, ends float64 } // hours since its arrival

type lifeKey struct {
	key      string
	priority int
}

// lives reads the rules' windows, by key and priority.
func lives(app *mapping.App) map[lifeKey]life {
	out := make(map[lifeKey]life, len(app.Rules))
	for _, r := range app.Rules {
		k := lifeKey{forecastKey(r.Audience, r.Template), int(r.Priority)}
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

// ForecastZone is the zone whose days an app lives by: the quota's, else that
// of most of its audiences, else UTC. Observations are to be made in it.
func ForecastZone(app *mapping.App) *time.Location {
	if app.Quota.Location != nil {
		return app.Quota.Location
	}
	votes := map[string]int{}
	best := time.UTC
	for _, a := range app.Audiences {
		if a.Location != nil {
			votes[a.Location.String()]++
		}
	}
	for _, a := range app.Audiences {
		if a.Location == nil {
			continue
		}
		name, most := a.Location.String(), votes[best.String()]
		if n := votes[name]; n > most || (n == most && name < best.String()) {
			best = a.Location
		}
	}
	return best
}

// forecastKey names what a digest's arrivals are learnt under.
func forecastKey(audience, template string) string { return audience + "/" + template }
