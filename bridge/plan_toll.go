package bridge

import (
	"time"

	"github.com/belfry-bridge/belfry/internal/forecast"
	"github.com/belfry-bridge/belfry/mapping"
)

// tollShare is the part of a send's mean worth that a day's delay costs.
const tollShare = 0.8

// charge puts a toll on later sends. Under a rolling day a send comes back a
// day after it was made, so one that is put off by an hour is missed for an
// hour tomorrow: at a share of what sends earn in an hour of their day.
func (a *ahead) charge() {
	sum, sends := 0.0, 0.0
	for p := range a.paths {
		s := a.plan(&a.paths[p], -1)
		sum += a.paths[p].weight * s.total
		for _, lane := range s.sends {
			sends += a.paths[p].weight * float64(len(lane))
		}
	}
	if sends == 0 {
		return
	}
	for b := range a.toll {
		a.toll[b] = tollShare * sum / sends * a.ages[b] / longestDay.Hours()
	}
	for i := range a.lanes { // at the tolls, each has another best first send
		for p := range a.paths {
			a.paths[p].offers[i] = a.paths[p].lanes[i].best(a)
		}
	}
}

// chargeTomorrow puts a toll on sends of the calendar day to come, before the
// paths are laid. The plan does not look to that day's end, and would give its
// sends away for what is left over tonight.
func (a *ahead) chargeTomorrow(begins time.Time, price float64) {
	for b, at := range a.grid {
		if !at.Before(begins) {
			a.toll[b] = price
		}
	}
}

// tomorrow is what one send less is expected to cost on the day to come.
func (m *Memo) tomorrow(t *table) float64 {
	if m.price >= 0 {
		return m.price
	}
	a := &ahead{at: m.until, base: forecast.PerDay}
	for b := 0; b <= forecast.PerDay && a.base+b <= forecast.Ahead; b++ {
		at := later(m.until, m.boundary(a.base+b))
		a.grid, a.ages = append(a.grid, at), append(a.ages, at.Sub(m.until).Hours())
	}
	a.toll = make([]float64, len(a.grid))
	for i := range m.keys[:min(len(m.keys), maxLanes)] {
		a.lanes = append(a.lanes, lane{d: &m.keys[i].digest, key: m.keys[i].key})
		t.layLane(a, &a.lanes[i], 1, m)
	}
	a.layPaths(m, make([][]float64, len(a.lanes)))
	m.price = 0
	for p := range a.paths {
		a.caps = []limit{{0, len(a.grid), t.App.Quota.PerDay - t.reserved(mapping.High, nil)}}
		all := a.plan(&a.paths[p], -1).total
		a.caps[0].most--
		m.price += a.paths[p].weight * (all - a.plan(&a.paths[p], -1).total)
	}
	m.price = max(0, m.price)
	return m.price
}
