package bridge

import (
	"math"
	"slices"
	"time"

	"github.com/belfry-bridge/belfry/internal/forecast"
	"github.com/belfry-bridge/belfry/internal/quota"
	"github.com/belfry-bridge/belfry/mapping"
)

// limit allows so many sends between two instants of the grid.
type limit struct{ from, to, most int }

// caps turns the ledger, as it was at the first instant of the grid, into
// limits on the coming sends.
func (t *table) caps(grid []time.Time) []limit {
	n, now := len(grid), grid[0]
	at := func(when time.Time) int {
		b, _ := slices.BinarySearchFunc(grid, when, time.Time.Compare)
		return b
	}
	var caps []limit
	for _, w := range t.limits.Windows {
		counting := t.limits.Counting(w, t.Ledger, now)
		if w.Rolling > 0 && w.Rolling <= time.Hour {
			caps = append(caps, limit{0, at(now.Add(w.Rolling)), max(0, w.Max-len(counting))})
			continue
		}
		// What is reserved for urgent digests is not for the plan to spend.
		free := func(spent []quota.Release) int {
			return max(0, w.Max-len(spent)-t.reserved(mapping.High, spent))
		}
		if w.Calendar != quota.None {
			end := at(t.dayEnds(now))
			caps = append(caps, limit{0, end, free(counting)}, limit{end, n, free(nil)})
			continue
		}
		for i, r := range counting {
			caps = append(caps, limit{0, at(r.At), free(counting[i:])})
		}
		caps = append(caps, limit{0, n, free(nil)})
	}
	return caps
}

// fading counts what a burst will bring beyond the usual.
func fading(a *ahead, b forecast.Burst) []float64 {
	out := make([]float64, len(a.grid))
	rate := -math.Log(max(0.02, b.Lasts))
	for i, age := range a.ages {
		out[i] = b.PerHour * (1 - math.Exp(-rate*age)) / rate
	}
	return out
}

// schedule is a choice of sends on one path.
type schedule struct {
	a     *ahead
	p     *path
	used  []int    // of each limit
	full  instants // when no further send fits
	sends [][]int  // of each lane, ascending; a leading 0 may be given
	best  []offer  // of each lane
	total float64
}

// offer is the best further send of a lane.
type offer struct {
	b    int
	gain float64
	ok   bool
}

// outlook sums up what a decision leads to on all paths.
type outlook struct {
	total float64
	sends [][]float64 // by lane and instant: how likely its first send is then
	gains [][]float64 // by lane and instant: what that send earns, times how likely
}

// hold is the outlook if nothing goes now; the moments only if they are asked for.
func (a *ahead) hold(moments bool) outlook {
	var out outlook
	if moments {
		n := len(a.grid)
		out.sends, out.gains = make([][]float64, len(a.lanes)), make([][]float64, len(a.lanes))
		for i := range a.lanes {
			out.sends[i], out.gains[i] = make([]float64, n), make([]float64, n)
		}
	}
	for p := range a.paths {
		s := a.plan(&a.paths[p], -1)
		w := a.paths[p].weight
		out.total += w * s.total
		for i, sends := range s.sends {
			if moments && len(sends) > 0 {
				out.sends[i][sends[0]] += w
				out.gains[i][sends[0]] += w * s.p.lanes[i].first[sends[0]]
			}
		}
	}
	return out
}

// moment is when a lane's first send is likeliest, what it then earns, and how
// likely the lane is to be sent at all.
func (o *outlook) moment(a *ahead, lane int) (worth float64, when time.Time, odds float64) {
	best := -1
	for b, p := range o.sends[lane] {
		odds += p
		if p > 0 && (best < 0 || p > o.sends[lane][best]) {
			best = b
		}
	}
	if best < 0 {
		return 0, time.Time{}, 0
	}
	return o.gains[lane][best] / o.sends[lane][best], a.grid[best], odds
}

// send is what a lane earns when it goes now, and all that follows.
func (a *ahead) send(lane int) (now, rest float64) {
	for p := range a.paths {
		rest += a.paths[p].weight * a.plan(&a.paths[p], lane).total
	}
	return a.lanes[lane].pending[0], rest
}

func (a *ahead) lane(d *Digest) int {
	return slices.IndexFunc(a.lanes, func(l lane) bool { return l.d == d })
}

// plan chooses the sends of a path with hindsight, after a given lane went
// now (-1: none): the most gainful one first, then each moved to its best
// place. The schedule is good until the next plan is made.
func (a *ahead) plan(p *path, gone int) *schedule {
	s := a.blank()
	s.p = p
	if gone >= 0 {
		s.sends[gone] = append(s.sends[gone], 0)
		s.count(0, 1)
	}
	s.mark()
	s.fill()
	for range 2 {
		if !s.improve(gone) {
			break
		}
	}
	return s
}

// blank is a schedule without sends.
func (a *ahead) blank() *schedule {
	s := &a.scratch
	if s.a == nil {
		*s = schedule{a: a, used: make([]int, len(a.caps)), sends: make([][]int, len(a.lanes)), best: make([]offer, len(a.lanes))}
	}
	clear(s.used)
	s.total = 0
	for i := range s.sends {
		s.sends[i] = s.sends[i][:0]
	}
	return s
}

func (s *schedule) fill() {
	copy(s.best, s.p.offers)
	for i, o := range s.best {
		if len(s.sends[i]) > 0 || (o.ok && !s.fits(o.b)) {
			s.best[i] = s.offer(i)
		}
	}
	for {
		lane := -1
		for i, o := range s.best {
			if o.ok && (lane < 0 || o.gain > s.best[lane].gain) {
				lane = i
			}
		}
		if lane < 0 {
			return
		}
		s.insert(lane, s.best[lane])
		s.refresh(lane)
	}
}

// refresh looks again at the lane that changed, and at those whose offer no
// longer fits the limits.
func (s *schedule) refresh(lane int) {
	for i, o := range s.best {
		if i == lane || (o.ok && !s.fits(o.b)) {
			s.best[i] = s.offer(i)
		}
	}
}

const leastGain = 1e-6

// offer finds a lane's best further send, between any two that it has.
func (s *schedule) offer(lane int) offer {
	best := offer{gain: leastGain}
	v, sends, toll := &s.p.lanes[lane], s.sends[lane], s.a.toll
	free := v.open &^ s.full &^ 1
	prev := -1
	for k := 0; k <= len(sends); k++ {
		next, end, parted := -1, len(toll), 0.0
		if k < len(sends) {
			next, end = sends[k], sends[k]
			parted = v.between(prev, next)
		}
		for left := free & within(prev+1, end); left != 0; left &= left - 1 {
			b := left.first()
			gain := v.between(prev, b) - toll[b]
			if next >= 0 {
				gain += v.between(b, next) - parted
			}
			if gain > best.gain {
				best = offer{b, gain, true}
			}
		}
		prev = next
	}
	if !best.ok {
		return offer{}
	}
	return best
}

func (s *schedule) fits(b int) bool { return !s.full.has(b) }

func (s *schedule) count(b, by int) {
	for i, c := range s.a.caps {
		if c.from <= b && b < c.to {
			s.used[i] += by
		}
	}
	s.mark()
}

// mark notes where the limits leave no room.
func (s *schedule) mark() {
	s.full = 0
	for i, c := range s.a.caps {
		if s.used[i] >= c.most {
			s.full |= within(c.from, c.to)
		}
	}
}

func (s *schedule) insert(lane int, o offer) {
	i, _ := slices.BinarySearch(s.sends[lane], o.b)
	s.sends[lane] = slices.Insert(s.sends[lane], i, o.b)
	s.count(o.b, 1)
	s.total += o.gain
}

// improve takes every send out once and puts it where it gains most.
func (s *schedule) improve(gone int) (changed bool) {
	for lane := range s.sends {
		for k := 0; k < len(s.sends[lane]); k++ { //nolint:intrange // a send may move to another lane meanwhile
			b := s.sends[lane][k]
			if lane == gone && b == 0 {
				continue
			}
			loss := s.remove(lane, k)
			to, best := lane, s.offer(lane)
			for i, o := range s.p.offers {
				if i == lane || !o.ok || o.gain <= best.gain {
					continue
				}
				if len(s.sends[i]) > 0 || !s.fits(o.b) {
					o = s.offer(i)
				}
				if o.ok && o.gain > best.gain {
					to, best = i, o
				}
			}
			if best.gain <= loss+leastGain {
				to, best = lane, offer{b, loss, true}
			} else {
				changed = true
			}
			s.insert(to, best)
		}
	}
	return changed
}

func (s *schedule) remove(lane, k int) (loss float64) {
	v, sends := &s.p.lanes[lane], s.sends[lane]
	b, prev := sends[k], -1
	if k > 0 {
		prev = sends[k-1]
	}
	loss = v.between(prev, b) - s.a.toll[b]
	if k+1 < len(sends) {
		loss += v.between(b, sends[k+1]) - v.between(prev, sends[k+1])
	}
	s.sends[lane] = slices.Delete(sends, k, k+1)
	s.count(b, -1)
	s.total -= loss
	return loss
}

// mostWorth lists the first few rows by what they are worth now; equal ones stay in rank.
func mostWorth(rows []*row, few int) []*row {
	out := make([]*row, 0, few+1)
	for _, r := range rows {
		i := len(out)
		for i > 0 && out[i-1].worth < r.worth {
			i--
		}
		if i < few {
			out = slices.Insert(out, i, r)
			out = out[:min(len(out), few)]
		}
	}
	return out
}
