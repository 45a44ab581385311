package quota

import (
	"slices"
	"time"
)

// Limits are all windows that bind one app.
type Limits struct {
	Windows []Window
	Guard   time.Duration // how far the provider's clock may be from ours; 0 or more
}

// Usage is how one window stands.
type Usage struct {
	Window string    `json:"window"`         // hour or day
	Max    int       `json:"max"`            // sends that it allows
	Used   int       `json:"used"`           // sends that count at the moment
	Left   int       `json:"left"`           // of this window alone, 0 or more
	Frees  time.Time `json:"frees,omitzero"` // when the first of the used sends comes back; not there: none is used
}

// Left returns how many sends may be started at now: 0 while throttled,
// otherwise the minimum over all windows.
func (l Limits) Left(led *Ledger, now time.Time) int {
	if led.ThrottledUntil.After(now) || len(l.Windows) == 0 {
		return 0
	}
	left := l.Windows[0].Max
	for _, w := range l.Windows {
		left = min(left, w.Max-len(l.Counting(w, led, now)))
	}
	return max(left, 0)
}

// Next returns the earliest instant, not before now, at which a send is left
// if nothing more is spent. It is zero if that never happens: a window allows
// nothing, or there is no window.
func (l Limits) Next(led *Ledger, now time.Time) time.Time {
	if len(l.Windows) == 0 {
		return time.Time{}
	}
	next := latest(led.ThrottledUntil, now)
	for _, w := range l.Windows {
		if w.Max <= 0 {
			return time.Time{}
		}
		if free := l.Counting(w, led, now); len(free) >= w.Max {
			next = latest(free[len(free)-w.Max].At, next)
		}
	}
	return next
}

// Usage returns how every window stands, in the order of the windows.
func (l Limits) Usage(led *Ledger, now time.Time) []Usage {
	out := make([]Usage, 0, len(l.Windows))
	for _, w := range l.Windows {
		free := l.Counting(w, led, now)
		u := Usage{Window: w.Name, Max: w.Max, Used: len(free), Left: max(w.Max-len(free), 0)}
		if len(free) > 0 {
			u.Frees = free[0].At
		}
		out = append(out, u)
	}
	return out
}

// Frees returns when a send made at t stops counting in every window.
func (l Limits) Frees(led *Ledger, t time.Time) time.Time {
	last := t
	for _, w := range l.Windows {
		last = latest(l.leaves(w, led, t), last)
	}
	return last
}

// Counting returns when each spend that counts in a window at now stops doing
// so, in ascending order, together with its class.
func (l Limits) Counting(w Window, led *Ledger, now time.Time) []Release {
	var out []Release
	for _, s := range led.Spends {
		if t := l.leaves(w, led, led.dated(s, now)); t.After(now) {
			out = append(out, Release{At: t, Class: s.Class})
		}
	}
	slices.SortStableFunc(out, func(a, b Release) int { return a.At.Compare(b.At) })
	return out
}

// leaves is where a spend made at t leaves a window by our clock and by the provider's.
func (l Limits) leaves(w Window, led *Ledger, t time.Time) time.Time {
	return latest(w.frees(t, l.Guard), w.frees(t.Add(led.Skew), l.Guard).Add(-led.Skew))
}

// Release is the instant at which a spend of some class leaves a window.
type Release struct {
	At    time.Time
	Class uint8
}

// Released returns the latest instant, not after now, at which a spend left a
// window; zero if none that the ledger remembers has.
func (l Limits) Released(led *Ledger, now time.Time) time.Time {
	var last time.Time
	for _, w := range l.Windows {
		for _, s := range led.Spends {
			if t := l.leaves(w, led, led.dated(s, now)); t.After(last) && !t.After(now) {
				last = t
			}
		}
	}
	return last
}

// dated returns the latest time at which a spend can have happened. An unsure
// one happened no later than the reading that will have caught up.
func (l *Ledger) dated(s Spend, now time.Time) time.Time {
	if !s.Unsure {
		return s.At
	}
	return latest(s.At, latest(l.Seen, now))
}
