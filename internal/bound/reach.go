package bound

import (
	"cmp"
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
	limits [][]stretch // of each window
	reach  int         // no window binds two sends that are so many buckets apart
	full   []bool      // by bucket: no further send fits
	sends  [][]int     // the buckets of each digest's sends, ascending
	left   int         // of the effort
	dice   dice
}

// schedule finds one that is hard to improve: filled up with the most gainful
// sends first; then, again and again, most sends of some stretch are taken
// out, and it is filled up anew, a little at random.
func (d *dual) schedule() *scheduler {
	s := &scheduler{d: d, full: make([]bool, d.n), sends: make([][]int, len(d.all)), left: effort}
	for _, w := range d.p.Limits.Windows { // kept wherever in their buckets the sends are
		runs := d.p.runs(w, d.n, true)
		for _, run := range runs {
			s.reach = max(s.reach, run.to-run.from)
		}
		s.limits = append(s.limits, runs)
	}
	s.fill(0, d.n, 0)
	best := s.total()
	for tries := 0; s.left > 0 && tries < fruitless; tries++ {
		kept := make([][]int, len(s.sends))
		for i := range s.sends {
			kept[i] = slices.Clone(s.sends[i])
		}
		from := int(s.dice.roll() * float64(d.n))
		to := from + s.reach/2 + int(s.dice.roll()*3*float64(s.reach))
		for i := range s.sends {
			s.sends[i] = slices.DeleteFunc(s.sends[i], func(t int) bool { return from <= t && t < to && s.dice.roll() < mostly })
		}
		s.fill(from-s.reach, to+s.reach, s.dice.roll())
		switch total := s.total(); {
		case total > best:
			best, tries = total, 0
		case total < best:
			s.sends = kept
		}
	}
	return s
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
// Gains are taken for up to so much less than they are, at random.
func (s *scheduler) fill(from, to int, noise float64) {
	from, to = max(0, from), min(s.d.n, to)
	for s.left > 0 {
		s.mark(from, to)
		best, digest, bucket := 0.0, -1, -1
		s.left -= (to - from) * len(s.sends)
		for i := range s.sends {
			prev, k := -1, 0
			for t := from; t < to; t++ {
				for ; k < len(s.sends[i]) && s.sends[i][k] < t; k++ {
					prev = s.sends[i][k]
				}
				next := -1
				if k < len(s.sends[i]) {
					next = s.sends[i][k]
				}
				if s.full[t] {
					continue
				}
				gain := s.gain(i, prev, t, next)
				if gain > best && noise > 0 {
					gain *= 1 - noise*s.dice.roll()
				}
				if gain > best {
					best, digest, bucket = gain, i, t
				}
			}
		}
		if digest < 0 {
			return
		}
		k, _ := slices.BinarySearch(s.sends[digest], bucket)
		s.sends[digest] = slices.Insert(s.sends[digest], k, bucket)
	}
}

// gain is what a further send of a digest earns between two that it has (-1: none).
func (s *scheduler) gain(digest, prev, t, next int) float64 {
	all := &s.d.all[digest]
	switch {
	case next == t:
		return 0
	case next < 0:
		return all.carries(prev, t)
	}
	return all.carries(prev, t) + all.carries(t, next) - all.carries(prev, next)
}

// carries is what a send in bucket t earns after one in prev, or after none (-1).
func (s *series) carries(prev, t int) float64 {
	k := min(t-prev, len(s.gain[t]))
	if k <= 0 || s.closed[t] {
		return 0
	}
	return s.gain[t][k-1]
}

// mark notes where between two buckets no further send fits.
func (s *scheduler) mark(from, to int) {
	first := max(0, from-s.reach)
	used := make([]int, min(s.d.n, to+s.reach)-first+1)
	for _, sends := range s.sends {
		k, _ := slices.BinarySearch(sends, first)
		for ; k < len(sends) && sends[k]-first+1 < len(used); k++ {
			used[sends[k]-first+1]++
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
		for _, t := range sends {
			sum += s.d.all[i].carries(prev, t)
			prev = t
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
	for k, t := range s.sends[digest] {
		times[k] = s.d.moment(digest, t)
	}
	return times
}

// moment is the best instant of a bucket: when its last item has arrived.
func (d *dual) moment(digest, bucket int) time.Time {
	if at := d.all[digest].latest[bucket]; !at.IsZero() {
		return at
	}
	return d.p.start(bucket)
}
