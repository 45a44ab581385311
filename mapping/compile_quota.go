package mapping

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/belfry-bridge/belfry/internal/spelling"
	"github.com/belfry-bridge/belfry/internal/strictyaml"
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
		PerHour: d.PerHour.Or(providerPerHour), PerDay: d.PerDay.Or(providerPerDay),
		Policy: Policy(cmp.Or(d.Policy.Value, string(PolicyPrice))), Reserve: map[Priority]int{}, Worth: defaultWorth(),
		CountRejected: !d.CountRejected.Set || d.CountRejected.B,
		UrgentAtOnce:  !d.UrgentAtOnce.Set || d.UrgentAtOnce.B,
	}
	q.Location = c.zone(d.Timezone)
	q.SlotLocation = cmp.Or(q.Location, time.UTC)
	c.overProvider(d)
	q.Slots = c.slots(d)
	c.reserve(d, &q)
	for _, w := range d.Worth {
		if p, ok := c.priorityKey(w.Name); ok && w.Value.Set {
			q.Worth[p] = w.Value.F
		}
	}
	return q
}

func (c *compiler) overProvider(d *quotaDoc) {
	if d.PerHour.Set && d.PerHour.N > providerPerHour {
		c.Warnf(d.PerHour.At, "the provider refuses what goes beyond, and refused calls may count", "per_hour %d is more than the provider's %d", d.PerHour.N, providerPerHour)
	}
	if d.PerDay.Set && d.PerDay.N > providerPerDay {
		c.Warnf(d.PerDay.At, "the provider refuses what goes beyond, and refused calls may count", "per_day %d is more than the provider's %d", d.PerDay.N, providerPerDay)
	}
	if d.PerHour.Set && d.PerHour.N == 0 {
		c.Warnf(d.PerHour.At, "", "with per_hour 0 nothing is ever sent")
	}
	if d.PerDay.Set && d.PerDay.N == 0 {
		c.Warnf(d.PerDay.At, "", "with per_day 0 nothing is ever sent")
	}
}

// zone loads a time zone; nil when it is not set or unknown.
func (c *compiler) zone(t strictyaml.Text) *time.Location {
	if t.Value == "" {
		return nil
	}
	loc, err := time.LoadLocation(t.Value)
	if err != nil || t.Value == "Local" {
		c.Hintf(t.At, zoneHint(t.Value), "unknown time zone %q", t.Value)
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
		c.Hintf(d.Policy.At, `add slots: ["09:00", "18:00"]`, "cannot use the policy slots without slots")
	case !usesSlots && len(d.Slots) > 0:
		c.Warnf(d.Slots[0].At, "set policy: slots", "slots have no effect without the policy slots")
	}
	var slots []time.Duration
	for _, t := range d.Slots {
		if t.Value == "" {
			continue
		}
		at, ok := timeOfDay(t.Value)
		switch {
		case !ok:
			c.Hintf(t.At, `want a time of day such as "09:00"`, "cannot use %q as a slot", t.Value)
		case slices.Contains(slots, at):
			c.Errorf(t.At, "cannot use the slot %s twice", t.Value)
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
		if p, ok := c.priorityKey(r.Name); ok && r.Value.Set {
			q.Reserve[p] = r.Value.N
			if sum += r.Value.N; sum > q.PerDay {
				c.Errorf(r.Value.At, "the reserves come to %d, more than the %d of a day (per_day)", sum, q.PerDay)
			}
		}
	}
	if low := q.Reserve[Low]; low > 0 && sum <= q.PerDay {
		c.Warnf(d.At, "", "a reserve for low priority reserves nothing: every priority is at least low")
	}
}

func (c *compiler) priorityKey(name strictyaml.Scalar) (Priority, bool) {
	p, err := ParsePriority(name.Text)
	if err != nil {
		c.Hintf(name.At, spelling.Suggest(name.Text, priorityWords()), "unknown priority %q", name.Text)
	}
	return p, err == nil
}
