package bridge

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/belfry-bridge/belfry/internal/quota"
	"github.com/belfry-bridge/belfry/mapping"
)

// explain says for every digest where it stands. The first of those that wait
// only for a send is named as the next.
func (t *table) explain() []Explanation {
	out := make([]Explanation, len(t.rows))
	t.nameNext()
	for i := range t.rows {
		r := &t.rows[i]
		out[i] = Explanation{
			Digest: r.d.ID, Audience: r.d.Audience, Template: r.d.Template, Group: r.d.Group,
			State: r.state, Since: r.since, Until: r.until, Latest: r.last,
			Why: t.sentence(r), Figures: t.figures(r),
		}
	}
	return out
}

// nameNext marks the first of the queue when nothing goes at this moment, and
// nothing would that is ready.
func (t *table) nameNext() {
	if t.send != nil {
		return
	}
	var next *row
	for _, r := range t.order {
		switch {
		case r.state == StateNext || r.state == StateReady:
			return
		case next != nil && (r.hold == nil || next.hold == nil || !sooner(r.hold, next.hold)):
		case r.state == StateWaitingQuota && !r.until.IsZero(), r.state == StateHeld:
			next = r
		}
	}
	if next != nil {
		next.was, next.state = next.state, StateNext
	}
}

// sooner compares two digests that are held for a better moment.
func sooner(a, b *hold) bool {
	if a.when.IsZero() || b.when.IsZero() {
		return !a.when.IsZero()
	}
	return a.when.Before(b.when)
}

func (t *table) figures(r *row) map[string]float64 {
	f := map[string]float64{
		"worth": rounded(r.worth), "items": float64(r.d.Count()), "sends_left": float64(t.left), "sends_left_today": float64(t.dayLeft),
	}
	if r.hold != nil {
		f["price"] = rounded(r.hold.price)
		f["worth_later"] = rounded(r.hold.later)
	}
	return f
}

func rounded(v float64) float64 { return math.Round(v*10) / 10 }

// sentence is the explanation in words: state, until when, why, and the end.
func (t *table) sentence(r *row) string {
	stands := t.stands(r)
	switch r.state {
	case StateHeld, StateNext, StateWaitingQuota:
		if t.First != "" {
			stands += " But first " + t.First + "."
		}
	}
	if t.send != r {
		stands += r.d.wantedBy()
	}
	return stands + " " + t.ends(r)
}

func (d *Digest) wantedBy() string {
	if d.Wanted == "" {
		return ""
	}
	return " It is wanted at once " + d.Wanted + "."
}

func (t *table) stands(r *row) string {
	switch r.state {
	case StateOrphaned:
		return fmt.Sprintf("orphaned: %s; it is never sent until they do again.", r.d.Orphaned(t.App))
	case StateMuted:
		if r.until.IsZero() {
			return "muted by an operator, until it is unmuted."
		}
		return fmt.Sprintf("muted by an operator until %s.", t.clock(r, r.until))
	case StatePaused:
		if !t.Paused {
			return fmt.Sprintf("paused: %d broadcasts are in doubt, and nothing more is sent until one is resolved (belfry status, belfry resolve).", t.Doubts)
		}
		return "paused: the app sends nothing until an operator resumes it."
	case StateGathering:
		if r.until.Before(r.d.ReadyBy) {
			return fmt.Sprintf("gathering: %s until %s if nothing more joins, and until %s at the latest.",
				Plural(r.d.Count(), "item", "items"), t.clock(r, r.until), t.clock(r, r.d.ReadyBy))
		}
		return fmt.Sprintf("gathering: %s until %s, when its window closes.", Plural(r.d.Count(), "item", "items"), t.clock(r, r.until))
	case StateQuiet:
		return fmt.Sprintf("quiet: %s may not be disturbed until %s.", r.d.Audience, t.clock(r, r.until))
	case StateWaitingQuota:
		return t.waiting(r, "waiting for a send")
	case StateNext:
		switch {
		case t.send == r:
			return fmt.Sprintf("goes now: %s.", r.why)
		case r.was == StateWaitingQuota:
			return t.waiting(r, "next")
		}
		return "next, " + t.heldBecause(r)
	case StateReady:
		if t.send != nil {
			return fmt.Sprintf("ready: %s/%s goes first.", t.send.d.Audience, t.send.d.Template)
		}
		if t.First != "" {
			return fmt.Sprintf("ready, but first %s.", t.First)
		}
		return "ready: another send is under way."
	case StateHeld:
		return t.heldBecause(r)
	}
	return r.state + "."
}

func (t *table) waiting(r *row, how string) string {
	switch {
	case r.until.IsZero():
		return fmt.Sprintf("%s: the quota leaves no send for %s priority.", how, r.top)
	case t.left > 0:
		return fmt.Sprintf("%s: what is left of today's sends is reserved for more pressing ones; one is free for it from %s.",
			how, t.clock(r, r.until))
	case t.Backoff == nil || r.until.After(t.Backoff.Until):
	case t.Backoff.Throttled:
		return fmt.Sprintf("%s: the provider says that the quota is used up, so nothing is sent before %s; worth %s now.",
			how, t.clock(r, r.until), number(r.worth))
	default:
		return fmt.Sprintf("%s: the last one could not leave, and it is tried again %s; worth %s now.", how, t.on(r, r.until), number(r.worth))
	}
	return fmt.Sprintf("%s: none is left now, the quota frees one %s; worth %s now.", how, t.on(r, r.until), number(r.worth))
}

func (t *table) heldBecause(r *row) string {
	switch {
	case r.why != "":
		return "held: " + r.why + "."
	case t.App.Quota.Policy == mapping.PolicySlots && r.until.IsZero():
		return "held: no slot is set."
	case t.App.Quota.Policy == mapping.PolicySlots:
		return fmt.Sprintf("held: goes only at its slots, the next is %s.", t.on(r, r.until))
	case r.hold == nil:
		return fmt.Sprintf("held: worth %s now, less than others that a send could carry; %s.", number(r.worth), t.sendsLeft(r))
	}
	h := r.hold
	switch {
	case r.worth == 0:
		return "held: by the worths of its app it is worth nothing, and a send is never spent on that."
	case r.worth >= h.price:
		return fmt.Sprintf("held: worth %s now, and a send would earn %s elsewhere, so it goes when sends are weighed again %s.",
			number(r.worth), number(max(0, h.price)), t.on(r, r.until))
	case h.when.IsZero() || h.odds < 0.5 || h.later <= r.worth: // what comes on few days is not to be expected, and less is no reason
		elsewhere := number(h.price)
		if elsewhere == number(r.worth) {
			elsewhere = "a little more"
		}
		return fmt.Sprintf("held: worth %s now, and a send is expected to earn %s elsewhere; %s.", number(r.worth), elsewhere, t.sendsLeft(r))
	}
	return fmt.Sprintf("held: worth %s now; with what usually joins it, it is expected to be worth %s at about %s, and %s.",
		number(r.worth), number(h.later), t.clock(r, h.when), t.sendsLeft(r))
}

// sendsLeft says what there is to spend, and until when.
func (t *table) sendsLeft(r *row) string {
	zone := LocationOf(r.audience)
	if t.spare == nil {
		t.spare = map[*time.Location]string{}
	}
	if t.spare[zone] == "" {
		t.spare[zone] = t.countLeft(r)
	}
	return t.spare[zone]
}

func (t *table) countLeft(r *row) string {
	left := Plural(t.dayLeft, "send is left", "sends are left")
	day := t.limits.Windows[len(t.limits.Windows)-1]
	switch {
	case day.Calendar != quota.None:
		return fmt.Sprintf("%s until %s", left, t.clock(r, t.dayEnds(t.Now)))
	case len(t.day) > 0:
		return fmt.Sprintf("%s, the next comes back %s", left, t.on(r, t.day[0].At))
	}
	return left
}

// ends says what is certain about the end, and no more.
func (t *table) ends(r *row) string {
	by := r.last
	if by.Sub(t.Now) >= 2*time.Minute { // shown without its seconds: a promise is not rounded down
		by = by.Add(time.Minute - 1).Truncate(time.Minute)
	}
	switch {
	case r.last.IsZero():
		return "It has no items."
	case t.clock(r, r.first) == t.clock(r, r.last): // nobody needs the same minute twice
		return fmt.Sprintf("What it holds is sent or has expired by %s.", t.zoned(r, by))
	}
	return fmt.Sprintf("Its first item expires %s; what it holds is sent or has expired by %s.",
		t.on(r, r.first), t.zoned(r, by))
}

// zoned is clock with the time zone, which every text tells once.
func (t *table) zoned(r *row, at time.Time) string {
	return t.clock(r, at) + zoneOfTime(r, at)
}

func (t *table) zonedOn(r *row, at time.Time) string { return t.on(r, at) + zoneOfTime(r, at) }

func zoneOfTime(r *row, at time.Time) string { return at.In(LocationOf(r.audience)).Format(" MST") }

// clock shows an instant as the audience's clocks do, with the date unless it is today.
func (t *table) clock(r *row, at time.Time) string {
	day, hour := t.when(r, at)
	return strings.TrimPrefix(day+" "+hour, " ")
}

// on is the same after a verb: "at 18:09", "tomorrow at 05:54", "on 2 Jan at 05:54".
func (t *table) on(r *row, at time.Time) string {
	day, hour := t.when(r, at)
	if day != "" && day != "tomorrow" {
		day = "on " + day
	}
	return strings.TrimPrefix(day+" at "+hour, " ")
}

// when is a day, empty for today, and a time of it.
func (t *table) when(r *row, at time.Time) (day, hour string) {
	loc := LocationOf(r.audience)
	local, now := at.In(loc), t.Now.In(loc)
	format := "15:04"
	if at.Sub(t.Now) < 2*time.Minute && at.After(t.Now) {
		format = "15:04:05"
	}
	y, m, d := local.Date()
	ny, nm, nd := now.Date()
	switch {
	case y == ny && m == nm && d == nd:
		return "", local.Format(format)
	case at.After(t.Now) && now.AddDate(0, 0, 1).YearDay() == local.YearDay() && at.Sub(t.Now) < 50*time.Hour:
		return "tomorrow", local.Format(format)
	}
	if y != ny && (at.Before(t.Now) || at.Sub(t.Now) > 180*24*time.Hour) { // a mute, or a clock that was ahead
		return local.Format("2 Jan 2006"), local.Format(format)
	}
	return local.Format("2 Jan"), local.Format(format)
}

func number(v float64) string {
	if v >= 10 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", rounded(v))
}

// Plural counts in words: "1 item", "2 items".
func Plural[N int | uint64](n N, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
