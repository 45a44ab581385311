package mapping

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/belfry-bridge/belfry/internal/spelling"
)

// What the provider allows (seed): sends an hour and a calendar day.
const (
	providerPerHour = 2
	providerPerDay  = 3
)

func defaultWorth() map[Priority]float64 {
	return map[Priority]float64{Low: 1, Normal: 3, High: 10, Urgent: 30}
}

func (c *compiler) quota(d *quotaDoc) Quota {
	q := Quota{
		PerHour: d.PerHour.or(providerPerHour), PerDay: d.PerDay.or(providerPerDay),
		Policy: Policy(cmp.Or(d.Policy.Value, string(PolicyPrice))), Reserve: map[Priority]int{}, Worth: defaultWorth(),
		CountRejected: !d.CountRejected.set || d.CountRejected.B,
		UrgentAtOnce:  !d.UrgentAtOnce.set || d.UrgentAtOnce.B,
	}
	q.Location = c.zone(d.Timezone)
	q.SlotLocation = cmp.Or(q.Location, time.UTC)
	c.overProvider(d)
	q.Slots = c.slots(d)
	c.reserve(d, &q)
	for _, w := range d.Worth {
		if p, ok := c.priorityKey(w.Name); ok && w.Value.set {
			q.Worth[p] = w.Value.F
		}
	}
	return q
}

func (c *compiler) overProvider(d *quotaDoc) {
	if d.PerHour.set && d.PerHour.N > providerPerHour {
		c.warnf(d.PerHour.at, "the provider refuses what goes beyond, and refused calls may count", "per_hour %d is more than the provider's %d", d.PerHour.N, providerPerHour)
	}
	if d.PerDay.set && d.PerDay.N > providerPerDay {
		c.warnf(d.PerDay.at, "the provider refuses what goes beyond, and refused calls may count", "per_day %d is more than the provider's %d", d.PerDay.N, providerPerDay)
	}
	if d.PerHour.set && d.PerHour.N == 0 {
		c.warnf(d.PerHour.at, "", "with per_hour 0 nothing is ever sent")
	}
	if d.PerDay.set && d.PerDay.N == 0 {
		c.warnf(d.PerDay.at, "", "with per_day 0 nothing is ever sent")
	}
}

// zone loads a time zone; nil when it is not set or unknown.
func (c *compiler) zone(t text) *time.Location {
	if t.Value == "" {
		return nil
	}
	loc, err := time.LoadLocation(t.Value)
	if err != nil || t.Value == "Local" {
		c.hintf(t.at, zoneHint(t.Value), "unknown time zone %q", t.Value)
		return nil
	}
	return loc
}

func zoneHint(name string) string {
	common := []string{"UTC", "Asia/Singapore", "Asia/Shanghai", "Asia/Hong_Kong", "Asia/Tokyo", "Asia/Riyadh", "Asia/Dubai", "Asia/Kolkata", "Asia/Jakarta", "Europe/London", "Europe/Berlin", "Europe/Paris", "America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles", "Australia/Sydney"}
	for _, z := range common {
		if _, city, ok := strings.Cut(z, "/"); ok && spelling.Fold(city) == spelling.Fold(name) {
			return fmt.Sprintf("did you mean %q?", z)
		}
	}
	return cmp.Or(spelling.DidYouMean(name, common), "want a name such as Asia/Singapore")
}

func (c *compiler) slots(d *quotaDoc) []time.Duration {
	usesSlots := d.Policy.Value == string(PolicySlots)
	switch {
	case usesSlots && len(d.Slots) == 0:
		c.hintf(d.Policy.at, `add slots: ["09:00", "18:00"]`, "cannot use the policy slots without slots")
	case !usesSlots && len(d.Slots) > 0:
		c.warnf(d.Slots[0].at, "set policy: slots", "slots have no effect without the policy slots")
	}
	var slots []time.Duration
	for _, t := range d.Slots {
		if t.Value == "" {
			continue
		}
		at, ok := timeOfDay(t.Value)
		switch {
		case !ok:
			c.hintf(t.at, `want a time of day such as "09:00"`, "cannot use %q as a slot", t.Value)
		case slices.Contains(slots, at):
			c.errorf(t.at, "cannot use the slot %s twice", t.Value)
		default:
			slots = append(slots, at)
		}
	}
	slices.Sort(slots)
	return slots
}

// timeOfDay reads "HH:MM" as a distance from midnight.
func timeOfDay(s string) (time.Duration, bool) {
	t, err := time.Parse("15:04", s)
	if err != nil || len(s) != 5 {
		return 0, false
	}
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute, true
}

func (c *compiler) reserve(d *quotaDoc, q *Quota) {
	sum := 0
	for _, r := range d.Reserve {
		if p, ok := c.priorityKey(r.Name); ok && r.Value.set {
			q.Reserve[p] = r.Value.N
			if sum += r.Value.N; sum > q.PerDay {
				c.errorf(r.Value.at, "cannot reserve %d sends of a day that has %d", sum, q.PerDay)
			}
		}
	}
	if low := q.Reserve[Low]; low > 0 && sum <= q.PerDay {
		c.warnf(d.at, "", "a reserve for low priority reserves nothing: every priority is at least low")
	}
}

func (c *compiler) priorityKey(name scalar) (Priority, bool) {
	p, err := ParsePriority(name.text)
	if err != nil {
		c.hintf(name.at, spelling.Suggest(name.text, priorityWords()), "unknown priority %q", name.text)
	}
	return p, err == nil
}
