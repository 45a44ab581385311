package bridge

import (
	"cmp"
	"slices"
	"time"

	"github.com/belfry-bridge/belfry/internal/quota"
	"github.com/belfry-bridge/belfry/mapping"
)

// rank orders the rows that may go: what an operator wants, then priority, then the earlier expiry, then
// the longer wait, then the key. Under FIFO only the wait counts.
func (t *table) rank() {
	fifo := t.App.Quota.Policy == PolicyFIFO
	slices.SortStableFunc(t.order, func(a, b *row) int {
		if c := compareBools(a.d.Wanted == "", b.d.Wanted == ""); c != 0 {
			return c
		}
		if !fifo {
			if c := cmp.Or(cmp.Compare(b.top, a.top), a.first.Compare(b.first)); c != 0 {
				return c
			}
		}
		return cmp.Or(a.since.Compare(b.since), a.d.key().compare(b.d.key()))
	})
}

// asSoonAsPossible starts the first of the rows for which a send is left.
func (t *table) asSoonAsPossible(rows []*row) {
	for _, r := range rows {
		t.withNextSend(r, r.top, "its window has closed and a send is left")
	}
}

// withNextSend starts a row if a send is left for a priority and nothing goes yet.
func (t *table) withNextSend(r *row, p mapping.Priority, reason string) {
	at := t.sendLeft(p)
	switch {
	case at.IsZero() || at.After(t.Now):
		r.state, r.until = StateWaitingQuota, at
		t.wakeAt(at)
	case t.Busy || t.send != nil:
		r.state = StateReady
	default:
		t.start(r, reason)
	}
}

// sendLeft is when a send is left for a priority: now if there is one, zero
// if never. A reserve keeps sends of the day back from lower priorities.
func (t *table) sendLeft(p mapping.Priority) time.Time {
	if t.next.IsZero() || t.App.Quota.PerDay <= t.reserved(p, nil) {
		return time.Time{}
	}
	for freed := 0; freed <= len(t.day); freed++ {
		if t.dayLeft+freed > t.reserved(p, t.day[freed:]) {
			if freed > 0 && t.day[freed-1].At.After(t.next) {
				return t.day[freed-1].At
			}
			return t.next
		}
	}
	return time.Time{}
}

// reserved is how many sends are kept back from a priority, given the spends
// of the day that still count. A reserve that was used is no longer kept.
func (t *table) reserved(p mapping.Priority, day []quota.Release) int {
	kept, used := 0, 0
	for q := mapping.Urgent; q > p; q-- {
		n := t.App.Quota.Reserve[q]
		for _, r := range day {
			if r.Class == uint8(q) {
				used++
			}
		}
		take := min(n, used)
		used -= take
		kept += n - take
	}
	return kept
}

// slotOpen is how long after its time a slot may still be used.
const slotOpen = 10 * time.Minute

// bySlots lets urgent digests pass and the others go only at their slots.
func (t *table) bySlots(rows []*row) {
	open, next := t.slot()
	var may []*row
	for _, r := range rows {
		if open || (r.top == mapping.Urgent && t.App.Quota.UrgentAtOnce) {
			may = append(may, r)
			continue
		}
		r.state, r.until = StateHeld, next
		t.wakeAt(next)
	}
	t.asSoonAsPossible(may)
}

// slot says whether a slot is open, and when the next one begins.
func (t *table) slot() (open bool, next time.Time) {
	q := t.App.Quota
	local := t.Now.In(zoneOf(q.SlotLocation))
	for days := -1; days <= 1; days++ {
		for _, clock := range q.Slots {
			at := atClock(local, days, clock)
			if at.After(t.Now) {
				if next.IsZero() || at.Before(next) {
					next = at
				}
			} else if t.Now.Sub(at) < slotOpen {
				open = true
			}
		}
	}
	return open, next
}
