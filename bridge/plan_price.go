package bridge

import (
	"fmt"
	"time"

	"github.com/belfry-bridge/belfry/internal/quota"
	"github.com/belfry-bridge/belfry/mapping"
)

// The price of a send is what it is expected to earn elsewhere. A digest goes
// when sending it now, and going on with one send less, is expected to earn
// at least as much as holding it.
//
// Decisions are taken at openings only: every few minutes, when a window
// closes, and when a send comes back. Between openings nothing but an urgent digest goes, whatever
// arrives. That makes a plan the same however often it is asked for, and
// leaves a flood of events cheap.
const (
	openEvery = 5 * time.Minute
	openFor   = time.Minute

	// An urgent digest goes at once, unless urgent news of its kind has just
	// gone: then it gathers what follows, and still goes within five minutes.
	urgentWithin = 4*time.Minute + 30*time.Second
)

// hold is what a priced decision found out about a digest.
type hold struct {
	price float64   // what a send now has to earn
	later float64   // what the digest is expected to earn at its likeliest later moment
	when  time.Time // that moment; zero: it is not expected to go at all
	odds  float64   // the share of days on which it would go later
}

// byPrice starts an urgent digest at once, else the digest that is most worth
// its price, if one is.
func (t *table) byPrice(rows []*row) {
	var priced []*row
	for _, r := range rows {
		if r.top == mapping.Urgent && t.App.Quota.UrgentAtOnce {
			t.urgent(r)
			continue
		}
		if at := t.sendLeft(r.top); at.IsZero() || at.After(t.Now) {
			r.state, r.until = StateWaitingQuota, at
			t.wakeAt(at)
			continue
		}
		priced = append(priced, r)
	}
	if len(priced) > 0 {
		t.market(priced)
	}
}

func (t *table) urgent(r *row) {
	at := t.sendLeft(r.top)
	if until := t.echoes(r); until.After(t.Now) && !at.IsZero() && !at.After(until) {
		r.state, r.until = StateHeld, until
		r.why = fmt.Sprintf("urgent news of its kind has just gone; it gathers what follows and goes %s", t.on(r, until))
		t.wakeAt(until)
		return
	}
	t.asSoonAsPossible([]*row{r})
	if t.send == r {
		r.why = "urgent, and a send is left"
	}
}

// echoFor is how long news of one kind are expected to be followed by more:
// bursts announce themselves.
const echoFor = 30 * time.Minute

// echoes says until when an urgent digest waits for more of its kind: only if
// the same kind has just been sent, never for long, and never for more than a
// quarter of the life of an item: what expires while it waits is not told at all.
func (t *table) echoes(r *row) time.Time {
	same := kind(r.d)
	var until, by time.Time
	for _, s := range t.Ledger.Spends {
		if s.Origin == quota.Own && s.Why == same && s.Class == uint8(mapping.Urgent) {
			until = later(until, s.At.Add(echoFor))
		}
	}
	if !until.After(t.Now) {
		return time.Time{}
	}
	for i := range r.d.Items {
		if it := &r.d.Items[i]; it.Priority == mapping.Urgent {
			by = earlier(by, it.Arrived.Add(min(urgentWithin, it.Expires.Sub(it.Arrived)/4)))
		}
	}
	if by.IsZero() {
		return time.Time{}
	}
	return earlier(until, by)
}

// kind is the ledger's word on a send of a digest: by it urgent news of the same
// audience, template and group are known.
func kind(d *Digest) string {
	key := forecastKey(d.Audience, d.Template)
	if d.Group != "" {
		key += "/" + d.Group
	}
	return key
}

// market asks of each digest whether it is worth its price.
func (t *table) market(rows []*row) {
	opened := t.opening(rows)
	open := t.Now.Sub(opened) < openFor && !t.Busy && t.send == nil
	next := t.Now.Truncate(openEvery).Add(openEvery)
	t.wakeAt(next)
	for _, w := range t.limits.Windows {
		if counting := t.limits.Counting(w, t.Ledger, t.Now); len(counting) > 0 {
			t.wakeAt(counting[0].At)
		}
	}
	for _, r := range rows {
		r.state, r.until = StateHeld, next
	}
	if !open && !t.full {
		return
	}
	best := t.price(rows, opened)
	if best != nil && (t.Busy || t.send != nil) {
		best.state = StateReady
	}
	if best != nil && open {
		t.start(best, fmt.Sprintf("worth %s now, and a send is expected to earn %s elsewhere",
			number(best.worth), number(max(0, best.hold.price))))
	}
}

// opening is the latest instant at which decisions were taken up anew.
func (t *table) opening(rows []*row) time.Time {
	at := later(t.Now.Truncate(openEvery), t.limits.Released(t.Ledger, t.Now))
	for _, r := range rows {
		at = later(at, r.d.Ready())
	}
	return at
}

// candidates is how many digests are priced; the others are worth less now.
const candidates = 3

// price fills in the figures and returns the digest that should go, if any.
func (t *table) price(rows []*row, at time.Time) *row {
	first := mostWorth(rows, candidates)
	a := t.ahead(at, first)
	wait := a.hold(t.full)
	var best *row
	gain := 0.0
	for _, r := range first {
		lane := a.lane(r.d)
		if lane < 0 {
			continue
		}
		now, rest := a.send(lane)
		r.hold = &hold{price: wait.total - rest}
		if t.full {
			r.hold.later, r.hold.when, r.hold.odds = wait.moment(a, lane)
		}
		if g := now + rest - wait.total; now > 0 && g >= 0 && (best == nil || g > gain) {
			best, gain = r, g
		}
	}
	return best
}
