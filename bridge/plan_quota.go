package bridge

import (
	"time"

	"github.com/belfry-bridge/belfry/internal/quota"
	"github.com/belfry-bridge/belfry/mapping"
)

const (
	// quotaGuard covers the difference between our clock and the provider's.
	quotaGuard = 5 * time.Second
	// longestDay is a calendar day in any zone, whichever the provider means.
	longestDay = 25 * time.Hour
)

// LimitsFor returns the windows that a quota stands for, in the strictest
// reading of the provider's words (provider-api.md section 5): the hour is any
// 60 minutes; the day is any 25 hours unless the operator names the zone.
func LimitsFor(q mapping.Quota) quota.Limits {
	day := quota.Window{Name: "day", Max: q.PerDay, Rolling: longestDay}
	if q.Location != nil {
		day = quota.Window{Name: "day", Max: q.PerDay, Calendar: quota.Day, Location: q.Location}
	}
	hour := quota.Window{Name: "hour", Max: q.PerHour, Rolling: time.Hour}
	return quota.Limits{Windows: []quota.Window{hour, day}, Guard: quotaGuard}
}

// dayEnds is when the quota's calendar day ends. What is sent at that instant
// belongs to the next one.
func (t *table) dayEnds(at time.Time) time.Time {
	day := quota.Limits{Windows: t.limits.Windows[len(t.limits.Windows)-1:]}
	return day.Frees(t.Ledger, at)
}
