package quota

import (
	"slices"
	"time"
)

// Origin says who made a spend.
type Origin = string

// The two origins of a spend.
const (
	Own      Origin = "own"      // a broadcast of ours
	External Origin = "external" // somebody else's, recorded by an operator or a message
)

// Spend is one send that counts against the quota.
type Spend struct {
	ID     string    `json:"id"`
	At     time.Time `json:"at"`
	Origin Origin    `json:"origin"`
	Why    string    `json:"why,omitempty"`
	Class  uint8     `json:"class,omitempty"`  // the caller's own ranking; windows do not look at it
	Unsure bool      `json:"unsure,omitempty"` // made while the clock was behind; counts until Prune dates it
}

// Ledger is what was spent. It is part of an app's durable state; its zero
// value is an empty ledger. It belongs to one goroutine.
type Ledger struct {
	Spends         []Spend   `json:"spends,omitempty"` // in order of At
	ThrottledUntil time.Time `json:"throttled_until,omitzero"`
	Seen           time.Time `json:"seen,omitzero"` // the latest clock reading so far

	// Skew is the provider's clock minus ours, as far as is known: a calendar window
	// ends by either. Slip adds to it; whoever hears the provider's time may set it.
	Skew time.Duration `json:"skew,omitempty"`
}

const (
	// KeepAtLeast is how long spends are kept at least: a reload may bring a longer window.
	KeepAtLeast = 50 * time.Hour
	keepSpare   = 128 // spends kept beyond the largest maximum
	keepWords   = 128 // sends of others of which it is kept why: the state has room for no more
)

// Charge records one send of ours. Charging an id again moves nothing.
func (l *Ledger) Charge(id string, at time.Time) { l.add(Spend{ID: id, At: at, Origin: Own}) }

// ChargeAs is Charge with a class, which Counting hands back, and a word on
// what was sent.
func (l *Ledger) ChargeAs(id string, at time.Time, class uint8, what string) {
	l.add(Spend{ID: id, At: at, Origin: Own, Class: class, Why: what})
}

// External records a send that somebody else made under the same quota. A
// second record of the same non-empty id is ignored. The time may lie in the
// past; a time in the future counts from now on.
func (l *Ledger) External(id string, at time.Time, why string) {
	l.add(Spend{ID: id, At: at, Origin: External, Why: why})
}

// ExternalNow is External for one that is made at this moment, whatever time
// that is: a clock that is behind does not tell.
func (l *Ledger) ExternalNow(id string, now time.Time, why string) {
	l.add(Spend{ID: id, At: latest(now, l.Seen), Origin: External, Why: why, Unsure: wall(now).Before(l.Seen)})
}

func (l *Ledger) add(s Spend) {
	if _, known := l.Find(s.ID); known {
		return
	}
	s.At = wall(s.At)
	if s.Origin == Own {
		if s.At.Before(l.Seen) {
			s.At, s.Unsure = l.Seen, true
		}
		l.See(s.At)
	}
	l.Spends = append(l.Spends, s)
	l.sort()
}

// Find returns the spend with an id. The empty id is that of none.
func (l *Ledger) Find(id string) (s Spend, ok bool) {
	if i := l.index(id); i >= 0 && id != "" {
		return l.Spends[i], true
	}
	return Spend{}, false
}

func (l *Ledger) index(id string) int {
	return slices.IndexFunc(l.Spends, func(s Spend) bool { return s.ID == id })
}

// Refund takes a send back that certainly was not made, and reports whether
// the ledger had it.
func (l *Ledger) Refund(id string) bool {
	n := len(l.Spends)
	l.Spends = slices.DeleteFunc(l.Spends, func(s Spend) bool { return s.ID == id })
	return len(l.Spends) < n
}

// Rename changes the word on what a send was.
func (l *Ledger) Rename(id, what string) {
	if i := l.index(id); i >= 0 {
		l.Spends[i].Why = what
	}
}

// Postpone dates a spend anew where it may have been counted as late as at,
// which may lie in the future of now. It never dates it back.
func (l *Ledger) Postpone(id string, at, now time.Time) {
	i := l.index(id)
	if i < 0 {
		return
	}
	s := &l.Spends[i]
	s.At = latest(s.At, wall(at))
	if now.Before(l.Seen) {
		s.At, s.Unsure = latest(s.At, l.Seen), true
	}
	l.See(now)
	l.sort()
}

// Throttle allows no send before until. It never shortens an earlier throttling.
func (l *Ledger) Throttle(until time.Time) {
	if until.After(l.ThrottledUntil) {
		l.ThrottledUntil = wall(until)
	}
}

// Trust is an operator's word that the clock is right at now: spends and
// throttling that lie in the future are dated back to now, and what the clock
// showed before is forgotten.
func (l *Ledger) Trust(now time.Time) {
	now = wall(now)
	for i := range l.Spends {
		if s := &l.Spends[i]; s.Unsure || s.At.After(now) {
			s.At, s.Unsure = now, false
		}
	}
	if l.ThrottledUntil.After(now) {
		l.ThrottledUntil = now
	}
	l.Seen, l.Skew = now, 0
	l.sort()
}

// Slip is to be called when the clock was set forward by so much (back, if that is
// negative) and shows now: whether it was behind before or is ahead now, what was
// sent did not get older, and the provider's midnight is where it was.
func (l *Ledger) Slip(by time.Duration, now time.Time) {
	l.Skew -= by
	if by <= 0 {
		return // unsure spends see to the rest
	}
	now = wall(now)
	for i := range l.Spends {
		if s := &l.Spends[i]; s.At.Before(now) { // their order stays
			s.At = s.At.Add(by)
			if s.At.After(now) {
				s.At = now
			}
		}
	}
	if l.ThrottledUntil.After(now.Add(-by)) {
		l.ThrottledUntil = l.ThrottledUntil.Add(by)
	}
}

// Prune forgets what can no longer count, and dates unsure spends once the
// clock has caught up. It is to be called with every commit. As many of the
// latest spends as any window allows stay, however old: a clock that was
// ahead for a moment must not empty the ledger.
func (l *Ledger) Prune(now time.Time, limits Limits) {
	l.date(now)
	l.See(now)
	most, reach := 0, KeepAtLeast
	for _, w := range limits.Windows {
		most = max(most, w.Max)
		reach = max(reach, w.reach(limits.Guard))
	}
	over := len(l.Spends) - most - keepSpare // what counts, but cannot be held: never ours, which nobody may take back
	l.Spends = slices.DeleteFunc(l.Spends, func(s Spend) bool {
		if over <= 0 || s.Origin != External {
			return false
		}
		over--
		return true
	})
	drop := 0
	for drop < len(l.Spends)-most && !l.Spends[drop].Unsure && now.Sub(l.Spends[drop].At) > reach {
		drop++
	}
	l.Spends = slices.Delete(l.Spends, 0, drop)
	words := keepWords
	for i := len(l.Spends) - 1; i >= 0; i-- {
		if s := &l.Spends[i]; s.Origin == External {
			if words--; words < 0 {
				s.Why = "why is not kept of so many"
			}
		}
	}
}

// date gives unsure spends the latest time at which they can have happened.
func (l *Ledger) date(now time.Time) {
	if now.Before(l.Seen) {
		return
	}
	for i := range l.Spends {
		if s := &l.Spends[i]; s.Unsure {
			s.At, s.Unsure = latest(s.At, wall(now)), false
		}
	}
	l.sort()
}

// wall drops the reading of the monotonic clock. With it, times of one process
// would be compared by a clock that never steps: a step would go unnoticed
// until another process read them.
func wall(t time.Time) time.Time { return t.Round(0) }

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// See notes a reading of the clock: what is sent while it shows less than that is unsure.
func (l *Ledger) See(now time.Time) {
	if now.After(l.Seen) {
		l.Seen = wall(now)
	}
}

func (l *Ledger) sort() {
	slices.SortStableFunc(l.Spends, func(a, b Spend) int { return a.At.Compare(b.At) })
}

// Clone returns an independent copy.
func (l *Ledger) Clone() *Ledger {
	c := *l
	c.Spends = slices.Clone(l.Spends)
	return &c
}
