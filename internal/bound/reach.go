package bound

import (
	"cmp"
	"math"
	"slices"
	"time"
)

const (
	effort    = 20_000_000 // how many places for a send the search looks at
	fruitless = 1_000      // attempts without any gain, after which it ends
	mostly    = 0.7        // the share of a stretch's sends that an attempt takes out
)

// scheduler looks for a good real schedule.
type scheduler struct {
	d      *dual
	n      int         // buckets of the grid
	limits [][]stretch // of each window, in buckets
	reach  int         // no window binds two sends that are so many buckets apart
	full   []bool      // by bucket: no further send fits
	sends  [][]int     // the moments of each digest's sends, ascending
	left   int         // of the effort
	toll   []float64   // of each step: what its windows are worth to others
	dice   dice
}

// schedule finds one that is hard to improve: filled up with the most gainful
// sends first; then, again and again, most sends of some stretch are taken
// out, and it is filled up anew, a little at random.
func (d *dual) schedule() *scheduler {
	n := d.n * d.p.steps()
	s := &scheduler{d: d, n: n, full: make([]bool, n), sends: make([][]int, len(d.all))}
	s.toll, _ = d.tolls()
	for _, w := range d.p.Limits.Windows { // kept wherever in their buckets the sends are
		runs := d.p.runs(w, d.p.Grid, n, true)
		for _, run := range runs {
			s.reach = max(s.reach, run.to-run.from)
		}
		s.limits = append(s.limits, runs)
	}
	s.begin()
	best := s.total()
	for tries := 0; s.left > 0 && tries < fruitless; tries++ {
		kept := make([][]int, len(s.sends))
		for i := range s.sends {
			kept[i] = slices.Clone(s.sends[i])
		}
		from := int(s.dice.roll() * float64(n))
		to := from + s.reach/2 + int(s.dice.roll()*3*float64(s.reach))
		for i := range s.sends {
			s.sends[i] = slices.DeleteFunc(s.sends[i], func(m int) bool {
				at := d.all[i].bucket[m]
				return from <= at && at < to && s.dice.roll() < mostly
			})
		}
		s.fill(from-s.reach, to+s.reach, s.dice.roll(), s.dice.roll())
		switch total := s.total(); {
		case total > best:
			best, tries = total, 0
		case total < best:
			s.sends = kept
		}
	}
	return s
}

// begin fills the whole time up: at once, or, where that would take too long,
// stretch by stretch.
func (s *scheduler) begin() {
	moments, sends := 0, s.n
	for i := range s.d.all {
		moments += len(s.d.all[i].bucket)
	}
	for i, runs := range s.limits {
		sends = min(sends, s.d.p.Limits.Windows[i].Max*(1+s.n/max(1, runs[0].to-runs[0].from)))
	}
	length := s.n
	if moments*sends > effort/2 {
		length = max(1, s.reach)
	}
	for from := 0; from < s.n; from += length {
		s.left = effort // all of it is for what follows
		s.fill(from, from+length, 0, 1)
	}
	s.left = effort
}

// dice are thrown alike every time: the same problem gives the same result.
type dice uint64

// roll returns a number from 0 to 1, without 1 (SplitMix64).
func (d *dice) roll() float64 {
	*d += 0x9E3779B97F4A7C15
	z := uint64(*d)
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return float64((z^z>>31)>>11) / (1 << 53)
}

// fill inserts the most gainful send between two buckets until none fits.
// Gains are taken for up to so much less than they are, at random, and pay a
// share of the tolls: where others need a window, a send has to be worth it.
func (s *scheduler) fill(from, to int, noise, share float64) {
	from, to = max(0, from), min(s.n, to)
	steps := s.d.p.steps()
	for s.left > 0 {
		s.mark(from, to)
		best, digest, moment := math.Inf(-1), -1, -1
		for i := range s.sends {
			all := &s.d.all[i]
			first, _ := slices.BinarySearch(all.bucket, from)
			k, _ := slices.BinarySearch(s.sends[i], first)
			for m := first; m < len(all.bucket) && all.bucket[m] < to; m++ {
				if k < len(s.sends[i]) && s.sends[i][k] < m {
					k++
				}
				s.left--
				if s.full[all.bucket[m]] {
					continue
				}
				gain, toll := s.gain(i, k, m), share*s.toll[all.bucket[m]/steps]
				if gain <= 0 || gain-toll <= best {
					continue
				}
				if noise > 0 {
					gain *= 1 - noise*s.dice.roll()
				}
				if gain-toll > best {
					best, digest, moment = gain-toll, i, m
				}
			}
		}
		if digest < 0 {
			return
		}
		k, _ := slices.BinarySearch(s.sends[digest], moment)
		s.sends[digest] = slices.Insert(s.sends[digest], k, moment)
	}
}

// gain is what a further send of a digest at moment m earns, as its k-th.
func (s *scheduler) gain(digest, k, m int) float64 {
	all, sends, prev := &s.d.all[digest], s.sends[digest], -1
	if k > 0 {
		prev = sends[k-1]
	}
	switch {
	case k == len(sends):
		return all.carries(prev, m)
	case sends[k] == m:
		return 0
	}
	return all.carries(prev, m) + all.carries(m, sends[k]) - all.carries(prev, sends[k])
}

// carries is what a send at moment m earns after one at prev, or after none (-1).
func (s *series) carries(prev, m int) float64 {
	k := min(m-prev, len(s.gain[m]))
	if k <= 0 || s.shut[m] {
		return 0
	}
	return s.gain[m][k-1]
}

// mark notes where between two buckets no further send fits.
func (s *scheduler) mark(from, to int) {
	first := max(0, from-s.reach)
	used := make([]int, min(s.n, to+s.reach)-first+1)
	for i, sends := range s.sends {
		for _, m := range sends {
			if at := s.d.all[i].bucket[m] - first + 1; at > 0 && at < len(used) {
				used[at]++
			}
		}
	}
	for i := range used[1:] {
		used[i+1] += used[i]
	}
	full := make([]int, len(used)+1) // begins and ends of what is used up
	for _, stretches := range s.limits {
		k, _ := slices.BinarySearchFunc(stretches, first, func(w stretch, t int) int { return cmp.Compare(w.from, t) })
		for ; k < len(stretches) && stretches[k].to-first < len(used); k++ {
			if w := stretches[k]; used[w.to-first]-used[w.from-first] >= w.most {
				full[w.from-first]++
				full[w.to-first]--
			}
		}
	}
	depth := 0
	for t := first; t < to; t++ {
		depth += full[t-first]
		s.full[t] = depth > 0
	}
}

// total is what the schedule earns by buckets, which is a little too much.
func (s *scheduler) total() float64 {
	sum := 0.0
	for i, sends := range s.sends {
		prev := -1
		for _, m := range sends {
			sum += s.d.all[i].carries(prev, m)
			prev = m
		}
	}
	return sum
}

// earned is what the schedule truly earns.
func (s *scheduler) earned() float64 {
	sum := 0.0
	for i := range s.sends {
		sum += Earned(s.d.all[i].items, s.times(i))
	}
	return sum
}

// times lists when a digest is sent.
func (s *scheduler) times(digest int) []time.Time {
	times := make([]time.Time, len(s.sends[digest]))
	for k, m := range s.sends[digest] {
		times[k] = s.d.all[digest].at[m]
	}
	return times
}
