package bound

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/belfry-bridge/belfry/internal/quota"
)

var monday = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// small is a problem for exhaustive search.
type small struct {
	Problem
	begin, end time.Time // digest 0 is not sent between them
}

func (p *small) quiet(begin, end time.Time) {
	p.begin, p.end = begin, end
	p.Closed = func(digest int, from, to time.Time) bool {
		return digest == 0 && !from.Before(begin) && !to.After(end)
	}
}

func (p *small) closed(digest int, at time.Time) bool {
	return digest == 0 && !at.Before(p.begin) && at.Before(p.end)
}

func anyProblem(t *rapid.T) small {
	p := small{Problem: Problem{From: monday, To: monday.Add(12 * time.Hour), Rounds: 40}}
	minutes := func(label string, from, to int) time.Duration {
		return time.Duration(rapid.IntRange(from, to).Draw(t, label)) * time.Minute
	}
	if rapid.Bool().Draw(t, "own grid") {
		p.Grid = minutes("grid", 1, 10)
		p.Step = p.Grid * time.Duration(rapid.IntRange(1, 5).Draw(t, "steps"))
	}
	if rapid.Bool().Draw(t, "quiet") {
		begin := monday.Add(minutes("quiet from", 0, 400))
		p.quiet(begin, begin.Add(minutes("quiet for", 1, 300)))
	}
	for range rapid.IntRange(1, 6).Draw(t, "arrivals") {
		at := monday.Add(minutes("at", 0, 700) + time.Duration(rapid.IntRange(0, 59).Draw(t, "seconds"))*time.Second)
		a := Arrival{
			Digest: rapid.IntRange(0, 2).Draw(t, "digest"), At: at,
			Worth: float64(rapid.SampledFrom([]int{1, 3, 10, 30}).Draw(t, "worth")),
		}
		a.Ready = at.Add(minutes("window", 0, 30))
		a.Expires = a.Ready.Add(minutes("life", 1, 300))
		if rapid.Bool().Draw(t, "replaced") {
			a.Gone = at.Add(minutes("gone", 1, 200))
		}
		p.Arrivals = append(p.Arrivals, a)
	}
	long := quota.Window{Max: rapid.IntRange(1, 2).Draw(t, "most"), Rolling: minutes("rolling", 60, 400)}
	if rapid.Bool().Draw(t, "calendar") {
		long = quota.Window{Max: long.Max, Calendar: quota.Hour}
	}
	p.Limits = quota.Limits{Windows: []quota.Window{{Max: 1, Rolling: minutes("short", 10, 60)}, long}}
	return p
}

// search tries all schedules whose sends happen at an arrival, at the first
// instant that the sends before it allow, or when quiet hours end.
func search(p *small, sends map[int][]time.Time, led *quota.Ledger, now time.Time) float64 {
	best := 0.0
	for digest := range 3 {
		best += Earned(itemsOf(&p.Problem, digest), sends[digest])
	}
	times := []time.Time{p.end}
	for i := range p.Arrivals {
		times = append(times, p.Arrivals[i].At)
	}
	times = slices.DeleteFunc(times, func(at time.Time) bool { return !at.After(now) })
	times = append(times, p.Limits.Next(led, now))
	for _, at := range times {
		if p.Limits.Left(led, at) == 0 || len(led.Spends) >= 4 {
			continue
		}
		for digest := range 3 {
			if p.closed(digest, at) || !alive(&p.Problem, sends[digest], digest, at) {
				continue
			}
			before, ledger := sends[digest], led.Clone()
			ledger.External("", at, "")
			sends[digest] = append(before[:len(before):len(before)], at)
			best = max(best, search(p, sends, ledger, at))
			sends[digest] = before
		}
	}
	return best
}

func alive(p *Problem, sends []time.Time, digest int, at time.Time) bool {
	for _, a := range itemsOf(p, digest) {
		if !a.At.After(at) && a.at(at) > 0 && (len(sends) == 0 || a.At.After(sends[len(sends)-1])) {
			return true
		}
	}
	return false
}

func itemsOf(p *Problem, digest int) []*Arrival {
	var items []*Arrival
	for i := range p.Arrivals {
		if p.Arrivals[i].Digest == digest {
			items = append(items, &p.Arrivals[i])
		}
	}
	return items
}

func TestNoScheduleEarnsMoreThanTheBound(t *testing.T) {
	cases, gap, loose := 0, 0.0, 0.0
	rapid.Check(t, func(rt *rapid.T) {
		p := anyProblem(rt)
		best := search(&p, map[int][]time.Time{}, &quota.Ledger{}, monday)
		r := Upper(p.Problem)
		if r.Bound < best-1e-6 {
			rt.Fatalf("the bound is %.3f, and a schedule earns %.3f", r.Bound, best)
		}
		if r.Reached > r.Bound+1e-6 {
			rt.Fatalf("reached %.3f beyond the bound of %.3f", r.Reached, r.Bound)
		}
		cases++
		if r.Bound > 0 {
			gap += 1 - r.Reached/r.Bound
		}
		if best > 0 {
			loose += r.Bound/best - 1
		}
	})
	t.Logf("%d cases: the bound is %.1f %% above the best schedule found, its own gap says %.1f %%",
		cases, 100*loose/float64(cases), 100*gap/float64(cases))
}

func TestTheScheduleThatIsReachedKeepsTheWindows(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := anyProblem(rt)
		all, n := p.cut()
		s := (&dual{p: &p.Problem, all: all, n: n}).schedule()
		var sent []time.Time
		for i := range all {
			sent = append(sent, s.times(i)...)
			for _, at := range s.times(i) {
				if p.closed(i, at) {
					rt.Fatalf("digest %d is sent at %s, in quiet hours", i, at)
				}
			}
		}
		slices.SortFunc(sent, time.Time.Compare)
		var led quota.Ledger
		for _, at := range sent {
			if p.Limits.Left(&led, at) == 0 {
				rt.Fatalf("the send at %s breaks a window: %v", at, sent)
			}
			led.External("", at, "")
		}
	})
}

func TestAnEmptyHistoryIsWorthNothing(t *testing.T) {
	if got := Upper(Problem{From: monday, To: monday.Add(time.Hour)}); got != (Result{}) {
		t.Errorf("got %+v", got)
	}
}

func TestADigestThatIsNeverOpenIsWorthNothing(t *testing.T) {
	p := Problem{
		From: monday, To: monday.Add(time.Hour),
		Arrivals: []Arrival{{At: monday, Ready: monday, Expires: monday.Add(time.Hour), Worth: 10}},
		Limits:   quota.Limits{Windows: []quota.Window{{Max: 1, Rolling: time.Hour}}},
		Closed:   func(int, time.Time, time.Time) bool { return true },
	}
	if got := Upper(p).Bound; got != 0 {
		t.Errorf("the bound is %v, want 0", got)
	}
}

// A fine grid is for histories that it does not overwhelm.
func TestTheGridIsCoarseWhereAFineOneWouldTakeTooMuch(t *testing.T) {
	problem := func(items int, life time.Duration, more ...Arrival) Problem {
		p := Problem{From: monday, To: monday.AddDate(0, 0, 30), Arrivals: more}
		for i := range items {
			at := monday.Add(time.Duration(i) * (30 * 24 * time.Hour / time.Duration(items)))
			p.Arrivals = append(p.Arrivals, Arrival{At: at, Ready: at, Expires: at.Add(life), Worth: 1})
		}
		return p
	}
	forever := Arrival{At: monday, Ready: monday, Expires: monday.AddDate(0, 0, 30), Worth: 1}
	for name, c := range map[string]struct {
		p    Problem
		want time.Duration
	}{
		"a quiet month":               {problem(1000, 6*time.Hour), time.Minute},
		"a flood":                     {problem(16_000, 24*time.Hour), 5 * time.Minute},
		"many that live long":         {problem(20_000, 7*24*time.Hour), 10 * time.Minute},
		"more than an int64 can hold": {problem(200_000, 48*time.Hour), 10 * time.Minute},
		"one that lives all the time": {problem(20_000, time.Hour, forever), 10 * time.Minute},
	} {
		c.p.divide()
		if c.p.Grid != c.want {
			t.Errorf("%s: the grid is %s, want %s", name, c.p.Grid, c.want)
		}
	}
}

func TestAScheduleIsFoundForALongHistory(t *testing.T) {
	if testing.Short() {
		t.Skip("one goroutine, and under the race detector it takes a minute")
	}
	p := Problem{From: monday, To: monday.AddDate(1, 0, 0), Limits: quota.Limits{Windows: []quota.Window{{Max: 3, Rolling: 25 * time.Hour}}}, Rounds: 5}
	for i := range 20_000 {
		at := monday.Add(time.Duration(i) * (365 * 24 * time.Hour / 20_000))
		p.Arrivals = append(p.Arrivals, Arrival{Digest: i % 5, At: at, Ready: at, Expires: at.Add(4 * time.Hour), Worth: 1})
	}
	all, n := p.cut()
	s := (&dual{p: &p, all: all, n: n}).schedule()
	sends := 0
	for i := range all {
		sends += len(s.sends[i])
	}
	if want := 3 * 365 * 4 / 5; sends < want {
		t.Errorf("it has %d sends, want %d at least", sends, want)
	}
}
