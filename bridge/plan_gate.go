package bridge

import (
	"fmt"
	"time"

	"github.com/belfry-bridge/belfry/mapping"
)

// gate settles the rows that may not go, whatever they are worth. A row that
// passes keeps an empty state.
func (t *table) gate(r *row) {
	if r.d.Orphaned(t.App) != "" {
		r.state, r.since = StateOrphaned, r.d.Opened
		return
	}
	if t.Muted != nil {
		if until, muted := t.Muted(r.d); muted {
			r.state, r.until = StateMuted, until
			return
		}
	}
	if t.Paused || t.Doubts >= MaxInDoubt {
		r.state = StatePaused
		return
	}
	if ready := r.d.Ready(); ready.After(t.Now) && r.d.Wanted == "" { // wanted perhaps by a clock that was ahead
		r.state, r.since, r.until = StateGathering, r.d.Opened, ready
		return
	}
	r.since = r.d.Ready()
	if until, quiet := quietUntil(r.audience, r.top, t.Now); quiet {
		r.state, r.until = StateQuiet, until
	}
}

// Orphaned says why the rules have no place for the digest, which is never sent
// then; empty where they have.
func (d *Digest) Orphaned(app *mapping.App) string {
	audience, template := app.Audiences[d.Audience], app.Templates[d.Template]
	switch {
	case audience == nil && template == nil:
		return fmt.Sprintf("the rules no longer have the audience %q and the template %q", d.Audience, d.Template)
	case audience == nil:
		return fmt.Sprintf("the rules no longer have the audience %q", d.Audience)
	case template == nil:
		return fmt.Sprintf("the rules no longer have the template %q", d.Template)
	case audience.HasUsers == d.Personal:
		return ""
	case d.Personal:
		return fmt.Sprintf("it is for single users, whom the rules no longer address with the audience %q", d.Audience)
	}
	return fmt.Sprintf("it is for all of the audience %q, whom the rules no longer address, but single users", d.Audience)
}

// quietUntil says whether an audience is left alone at now, and until when.
func quietUntil(a *mapping.Audience, top mapping.Priority, now time.Time) (time.Time, bool) {
	q := a.QuietHours
	if q == nil || (top == mapping.Urgent && !q.ForAll) {
		return time.Time{}, false
	}
	local := now.In(LocationOf(a))
	if !q.Has(sinceMidnight(local)) {
		return time.Time{}, false
	}
	for days := 0; ; days++ {
		first, second := clockShows(local, days, q.To)
		switch {
		case first.After(now):
			return first, true
		case second.After(now):
			return second, true
		}
	}
}

// QuietThrough says whether an audience is left alone, by an item of some
// priority, at every instant of a stretch.
func QuietThrough(a *mapping.Audience, top mapping.Priority, from, to time.Time) bool {
	if a == nil {
		return true
	}
	until, quiet := quietUntil(a, top, from)
	return quiet && !until.Before(to)
}
