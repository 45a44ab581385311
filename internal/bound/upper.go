package bound

import (
	"math"
	"slices"
	"time"
)

const (
	rounds   = 400
	patience = 12   // rounds without progress, after which smaller steps are tried
	farthest = 0.05 // how far below the best bound the first steps aim, as a share of it
	nearest  = 1e-5 // and the last ones
	inertia  = 0.5  // what is left of the last direction in the next: without it, prices zigzag
)

// Upper computes the bound. The same problem always gives the same result.
func Upper(p Problem) Result {
	if len(p.Arrivals) == 0 {
		return Result{}
	}
	if p.Rounds == 0 {
		p.Rounds = rounds
	}
	all, n := p.cut()
	d := &dual{p: &p, all: all, n: n, windows: p.within(n)}
	d.prices, d.drift = make([]float64, len(d.windows)), make([]float64, len(d.windows))
	return Result{Bound: d.descend(), Reached: d.schedule().earned()}
}

// dual searches for the prices that give the lowest bound.
type dual struct {
	p       *Problem
	all     []series
	n       int // steps
	windows []stretch
	prices  []float64
	drift   []float64 // the direction of the last step
}

// descend moves the prices against the subgradient: up where a window is
// overdrawn, down where it is not used up. The step follows Polyak's rule,
// aiming a little below the best bound so far, and less far with every time
// that it gets stuck. It leaves the best prices.
func (d *dual) descend() float64 {
	best := math.Inf(1)
	bestPrices := slices.Clone(d.prices)
	far, stuck := farthest, 0
	for range d.p.Rounds {
		value, picks := d.relaxed()
		if value < best {
			if value < best*(1-far/20) {
				stuck = 0
			}
			best = value
			copy(bestPrices, d.prices)
		}
		if stuck++; stuck > patience {
			far, stuck = far/2, 0
			copy(d.prices, bestPrices)
			clear(d.drift)
			value, picks = d.relaxed()
		}
		if far < nearest || !d.step(picks, value-best*(1-far)) {
			break
		}
	}
	copy(d.prices, bestPrices)
	return best
}

// step returns false when no window wants another price.
func (d *dual) step(picks []int, aim float64) bool {
	norm := 0.0
	used := make([]int, d.n+1)
	for _, t := range picks {
		used[t+1]++
	}
	for t := range d.n {
		used[t+1] += used[t]
	}
	for w, s := range d.windows {
		d.drift[w] = inertia*d.drift[w] + float64(used[s.to]-used[s.from]-s.most)
		if d.drift[w] < 0 && d.prices[w] == 0 {
			d.drift[w] = 0
		}
		norm += d.drift[w] * d.drift[w]
	}
	if norm == 0 {
		return false
	}
	for w := range d.windows {
		d.prices[w] = max(0, d.prices[w]+aim/norm*d.drift[w])
	}
	return true
}

// tolls returns what a send in every step pays, and what all windows pay.
func (d *dual) tolls() (toll []float64, total float64) {
	toll = make([]float64, d.n+1)
	for w, s := range d.windows {
		toll[s.from] += d.prices[w]
		toll[s.to] -= d.prices[w]
		total += d.prices[w] * float64(s.most)
	}
	for t := 1; t <= d.n; t++ {
		toll[t] += toll[t-1]
	}
	return toll, total
}

// relaxed is the bound at the present prices, and the steps of the sends that attain it.
func (d *dual) relaxed() (float64, []int) {
	toll, total := d.tolls()
	var picks []int
	for i := range d.all {
		value, sends := d.all[i].best(toll, d.p.steps())
		total += value
		for _, m := range sends {
			picks = append(picks, d.all[i].bucket[m]/d.p.steps())
		}
	}
	return total, picks
}

// best is the dynamic programme of one digest: ending[m] is the most that
// sends up to one at moment m earn after the tolls of their steps, and
// upTo[m] the most that sends before it do.
func (s *series) best(toll []float64, steps int) (float64, []int) {
	n := len(s.bucket)
	ending, before := make([]float64, n), make([]int, n)
	upTo, last := make([]float64, n+1), make([]int, n+1)
	last[0] = -1
	open := make([]int, 0, n) // the moments that may be the best
	for m := range n {
		upTo[m+1], last[m+1] = upTo[m], last[m]
		gain, first, fee := s.gain[m], s.first[m], toll[s.bucket[m]/steps]
		if len(gain) == 0 || gain[len(gain)-1] <= 0 || s.closed[m] {
			continue
		}
		if !s.news[m] && m > 0 && !s.closed[m-1] && fee >= toll[s.bucket[m-1]/steps] {
			continue // the moment before earns as much
		}
		ending[m], before[m] = upTo[first]+gain[len(gain)-1]-fee, last[first]
		for k := len(open) - 1; k >= 0 && open[k] >= first; k-- {
			if v := ending[open[k]] + gain[m-open[k]-1] - fee; v > ending[m] {
				ending[m], before[m] = v, open[k]
			}
		}
		open = append(open, m)
		if ending[m] > upTo[m+1] {
			upTo[m+1], last[m+1] = ending[m], m
		}
	}
	var sends []int
	for m := last[n]; m >= 0; m = before[m] {
		sends = append(sends, m)
	}
	return upTo[n], sends
}

// Earned is what sends of one digest at the given times, in order, earn: each
// carries what has arrived since the one before.
func Earned(items []*Arrival, sends []time.Time) float64 {
	total := 0.0
	for _, a := range items {
		i, _ := slices.BinarySearchFunc(sends, a.At, time.Time.Compare)
		if i < len(sends) {
			total += a.at(sends[i])
		}
	}
	return total
}
