package bridge

import (
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/internal/quota"
	"github.com/belfry-bridge/belfry/mapping"
)

// Nobody knows whose calendar day the provider means, unless the operator says so.
func TestTheDayIsAny25HoursUnlessItsZoneIsNamed(t *testing.T) {
	shanghai, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	evening := time.Date(2026, 11, 2, 15, 0, 0, 0, time.UTC) // 23:00 in Shanghai
	for _, c := range []struct {
		name  string
		zone  *time.Location
		sends []time.Duration // before now, with 2 an hour and 3 a day
		next  time.Duration   // after now
	}{
		{"two in the hour", nil, []time.Duration{50 * time.Minute, 40 * time.Minute}, 10*time.Minute + quotaGuard},
		{"three in the day", nil, []time.Duration{24 * time.Hour, 10 * time.Hour, 5 * time.Hour}, time.Hour + quotaGuard},
		{"three in the day of a zone", shanghai, []time.Duration{22 * time.Hour, 10 * time.Hour, 5 * time.Hour}, time.Hour + quotaGuard},
		{"three, of which one was the day before", shanghai, []time.Duration{24 * time.Hour, 10 * time.Hour, 5 * time.Hour}, 0},
	} {
		var led quota.Ledger
		for i, ago := range c.sends {
			led.Charge(string(rune('a'+i)), evening.Add(-ago))
		}
		limits := LimitsFor(mapping.Quota{PerHour: 2, PerDay: 3, Location: c.zone})
		if next := limits.Next(&led, evening); !next.Equal(evening.Add(c.next)) {
			t.Errorf("%s: the next send is left after %s, want %s", c.name, next.Sub(evening), c.next)
		}
	}
}
