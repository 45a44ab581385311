package bridge

import (
	"fmt"
	"time"

	"github.com/belfry-bridge/belfry/internal/quota"
	"github.com/belfry-bridge/belfry/mapping"
)

// WillMiss says whether a digest that has just got an item is not expected to
// leave before its first item expires, and why: no send comes back in time,
// or its audience may not be disturbed until then. It errs on the quiet side:
// what the price of a send makes of the digest is not foretold here.
func WillMiss(app *mapping.App, d *Digest, led *quota.Ledger, now time.Time) (why string, miss bool) {
	audience, expires := app.Audiences[d.Audience], d.expires()
	if audience == nil || app.Templates[d.Template] == nil || expires.IsZero() {
		return "", false
	}
	t := newTable(Situation{Now: now, App: app, Digests: []*Digest{d}, Ledger: led})
	r := &t.rows[0]
	earliest := later(now, d.Ready())
	if !earliest.Before(expires) {
		return fmt.Sprintf("its window closes %s, and its first item expires %s", t.on(r, earliest), t.zonedOn(r, expires)), true
	}
	priority := r.top
	if d.Wanted != "" {
		priority = mapping.Urgent
	}
	send := t.sendLeft(priority)
	if send.IsZero() {
		return fmt.Sprintf("the quota leaves no send for %s priority", priority), true
	}
	earliest = later(earliest, send)
	if !earliest.Before(expires) {
		return fmt.Sprintf("the next send is free %s, and its first item expires %s", t.on(r, send), t.zonedOn(r, expires)), true
	}
	if until, quiet := quietUntil(audience, r.top, earliest); quiet && !until.Before(expires) {
		return fmt.Sprintf("%s may not be disturbed until %s, and its first item expires %s",
			d.Audience, t.clock(r, until), t.zonedOn(r, expires)), true
	}
	if app.Quota.Policy == mapping.PolicySlots && d.Wanted == "" && !(r.top == mapping.Urgent && app.Quota.UrgentAtOnce) {
		if open, next := t.slot(); !open && (next.IsZero() || !next.Before(expires)) {
			return fmt.Sprintf("its first item expires %s, before the next slot", t.zonedOn(r, expires)), true
		}
	}
	return "", false
}
