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
	d := &dual{p: &p, all: all, n: n, windows: p.stretches(n)}
	d.prices, d.drift = make([]float64, len(d.windows)), make([]float64, len(d.windows))
	return Result{Bound: d.descend(), Reached: d.schedule().earned()}
}

// dual searches for the prices that give the lowest bound.
type dual struct {
	p       *Problem
	all     []series
	n       int
	windows []stretch
	prices  []float64
	drift   []float64 // the direction of the last step
}

// descend moves the prices against the subgradient: up where a window is
// overdrawn, down where it is not used up. The step follows Polyak's rule,
// aiming a little below the best bound so far, and less far with every time
// that it gets stuck.
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

// relaxed is the bound at the present prices, and the buckets of the sends that attain it.
func (d *dual) relaxed() (float64, []int) {
	toll := make([]float64, d.n+1)
	total := 0.0
	for w, s := range d.windows {
		toll[s.from] += d.prices[w]
		toll[s.to] -= d.prices[w]
		total += d.prices[w] * float64(s.most)
	}
	for t := 1; t <= d.n; t++ {
		toll[t] += toll[t-1]
	}
	var picks []int
	for i := range d.all {
		value, sends := d.all[i].best(toll)
		total += value
		picks = append(picks, sends...)
	}
	return total, picks
}

// best is the dynamic programme of one digest: ending[t] is the most that
// sends up to one in bucket t earn after tolls, and upTo[t] the most that
// sends before bucket t do.
func (s *series) best(toll []float64) (float64, []int) {
	n := len(s.gain)
	ending, before := make([]float64, n), make([]int, n)
	upTo, last := make([]float64, n+1), make([]int, n+1)
	last[0] = -1
	for t := range n {
		ending[t], before[t] = math.Inf(-1), -1
		gain, first := s.gain[t], s.first[t]
		if k := len(gain); gain[k-1] > 0 && !s.closed[t] {
			ending[t], before[t] = upTo[first]+gain[k-1]-toll[t], last[first]
			for prev := first; prev < t; prev++ {
				if v := ending[prev] + gain[t-prev-1] - toll[t]; v > ending[t] {
					ending[t], before[t] = v, prev
				}
			}
		}
		upTo[t+1], last[t+1] = upTo[t], last[t]
		if ending[t] > upTo[t+1] {
			upTo[t+1], last[t+1] = ending[t], t
		}
	}
	var sends []int
	for t := last[n]; t >= 0; t = before[t] {
		sends = append(sends, t)
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
