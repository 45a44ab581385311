package quota

import (
	"sort"
	"time"
)

// Calendar says which calendar stretch a window covers.
type Calendar uint8

// The kinds of window.
const (
	None Calendar = iota // rolling: any stretch of the window's length
	Hour                 // from one full hour to the next
	Day                  // from one midnight to the next
)

// Window allows Max sends in a stretch of time.
type Window struct {
	Name     string         // for people: "hour", "day"
	Max      int            // 0 or less: no send is ever allowed
	Rolling  time.Duration  // length, when Calendar is None
	Calendar Calendar       // None: rolling
	Location *time.Location // of the calendar; nil: UTC
}

// frees returns the instant at which a spend made at t stops counting.
func (w Window) frees(t time.Time, guard time.Duration) time.Time {
	switch w.Calendar {
	case Hour:
		return endOfHour(t.Add(guard).In(w.zone())).Add(guard)
	case Day:
		return endOfDay(t.Add(guard).In(w.zone())).Add(guard)
	}
	return t.Add(w.Rolling + guard)
}

func (w Window) zone() *time.Location {
	if w.Location == nil {
		return time.UTC
	}
	return w.Location
}

// reach is how long a spend can count at most.
func (w Window) reach(guard time.Duration) time.Duration {
	const longestDay = 50 * time.Hour // a zone that moves across the date line skips or repeats one
	if w.Calendar != None {
		return longestDay + 2*guard
	}
	return w.Rolling + guard
}

// endOfHour returns the first instant after t at which the wall clock shows
// another hour. Where the clock is set back, the repeated hour is the same one.
func endOfHour(t time.Time) time.Time {
	end := t
	for sameHour(end, t) {
		into := time.Duration(end.Minute())*time.Minute + time.Duration(end.Second())*time.Second +
			time.Duration(end.Nanosecond())
		end = end.Add(time.Hour - into)
	}
	return end
}

func sameHour(a, b time.Time) bool { return sameDay(a, b) && a.Hour() == b.Hour() }

// endOfDay returns the first instant after t that belongs to a later date.
func endOfDay(t time.Time) time.Time {
	y, m, d := t.Date()
	midnight := time.Date(y, m, d+1, 0, 0, 0, 0, t.Location())
	if later(midnight, t) && !later(midnight.Add(-1), t) {
		return midnight
	}
	// Midnight does not exist on this date, or the date does not.
	seconds := sort.Search(int(50*time.Hour/time.Second), func(i int) bool {
		return later(t.Truncate(time.Second).Add(time.Duration(i)*time.Second), t)
	})
	return t.Truncate(time.Second).Add(time.Duration(seconds) * time.Second)
}

func sameDay(a, b time.Time) bool { return !later(a, b) && !later(b, a) }

// later reports whether a's date is after b's; both are in one zone.
func later(a, b time.Time) bool {
	ay, am, ad := a.Date()
	by, bm, bd := b.Date()
	if ay != by {
		return ay > by
	}
	if am != bm {
		return am > bm
	}
	return ad > bd
}
