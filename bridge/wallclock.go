package bridge

import (
	"time"

	"github.com/belfry-bridge/belfry/mapping"
)

// zoneOf is UTC where nobody has named a zone.
func zoneOf(loc *time.Location) *time.Location {
	if loc == nil {
		return time.UTC
	}
	return loc
}

// LocationOf is the zone in which what is said of an audience names times: UTC where
// none is named, or the audience (nil) is gone.
func LocationOf(a *mapping.Audience) *time.Location {
	if a == nil {
		return time.UTC
	}
	return zoneOf(a.Location)
}

// sinceMidnight is what the wall clock shows. On the two days a year on which
// clocks change it is not the time that has passed.
func sinceMidnight(local time.Time) time.Duration {
	h, m, s := local.Clock()
	return time.Duration(h)*time.Hour + time.Duration(m)*time.Minute + time.Duration(s)*time.Second +
		time.Duration(local.Nanosecond())
}

// atClock is when the wall clock shows a time of day, some days from local, or
// when it is put forward past it. Where it is put back and shows the time
// twice, it is the first of the two.
func atClock(local time.Time, days int, clock time.Duration) time.Time {
	first, _ := clockShows(local, days, clock)
	return first
}

// clockShows returns both times at which the wall clock shows a time of day;
// on all but the days on which clocks are put back, they are the same.
func clockShows(local time.Time, days int, clock time.Duration) (first, second time.Time) {
	y, m, d := local.Date()
	h, rest := int(clock/time.Hour), clock%time.Hour
	at := time.Date(y, m, d+days, h, int(rest/time.Minute), int(rest%time.Minute/time.Second), 0, local.Location())
	begins, ends := at.ZoneBounds()
	if shown := sinceMidnight(at); shown != clock%(24*time.Hour) { // one of them is the change
		if !ends.IsZero() && ends.Sub(at) < at.Sub(begins) {
			return ends, ends
		}
		return begins, begins
	}
	if !begins.IsZero() {
		if back := putBack(begins); at.Sub(begins) < back {
			return at.Add(-back), at
		}
	}
	if !ends.IsZero() {
		if back := putBack(ends); ends.Sub(at) <= back {
			return at, at.Add(back)
		}
	}
	return at, at
}

// putBack is by how much the wall clock is put back at a change; negative: forward.
func putBack(change time.Time) time.Duration {
	_, before := change.Add(-1).Zone()
	_, after := change.Zone()
	return time.Duration(before-after) * time.Second
}
