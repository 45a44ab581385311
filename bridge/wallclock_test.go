package bridge

import (
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/internal/quota"
	"github.com/belfry-bridge/belfry/mapping"
)

// Clocks are changed at midnight, by half an hour, to summer in September.
var wallClocks = []string{"America/New_York", "Europe/Berlin", "America/Santiago", "Africa/Cairo", "America/Havana", "Asia/Beirut", "Atlantic/Azores", "Australia/Lord_Howe", "Africa/Casablanca"}

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func TestAWallClockIsReadRightOnTheDaysOfItsChanges(t *testing.T) {
	for _, name := range wallClocks {
		loc := zone(t, name)
		_, change := time.Date(2026, 1, 1, 12, 0, 0, 0, loc).ZoneBounds()
		for ; change.Year() == 2026; _, change = change.Add(time.Hour).ZoneBounds() {
			for local := change.Add(-30 * time.Hour); local.Before(change.Add(30 * time.Hour)); local = local.Add(12 * time.Hour) {
				for clock := time.Duration(0); clock < 24*time.Hour; clock += 30 * time.Minute {
					first, second := clockShows(local, 0, clock)
					wantFirst, wantSecond := watched(local, clock)
					if !first.Equal(wantFirst) || !second.Equal(wantSecond) {
						t.Fatalf("%s shows %s, on the day of %s, at %s and %s; want %s and %s", name, clock, local, first, second, wantFirst, wantSecond)
					}
				}
			}
		}
	}
}

// watched looks at the wall clock every five minutes of local's day.
func watched(local time.Time, clock time.Duration) (first, second time.Time) {
	from := local.Add(-30 * time.Hour).Truncate(5 * time.Minute)
	for at := from; at.Before(from.Add(60 * time.Hour)); at = at.Add(5 * time.Minute) {
		switch shown := sinceMidnight(at); {
		case at.Day() != local.Day():
			if !first.IsZero() || at.Before(local) {
				continue
			}
			return at, at // skipped at the day's end
		case shown == clock && first.IsZero():
			first, second = at, at
		case shown == clock:
			second = at
		case shown > clock && first.IsZero():
			return at, at // skipped
		}
	}
	return first, second
}

func TestQuietHoursThatEndInARepeatedHourEndInIt(t *testing.T) {
	app := planApp(mapping.PolicyASAP)
	app.Audiences["east"].Location = zone(t, "America/New_York")
	app.Audiences["east"].QuietHours = &mapping.QuietHours{From: 22 * time.Hour, To: 90 * time.Minute}
	now := time.Date(2026, 11, 1, 6, 10, 0, 0, time.UTC) // 01:10 for the second time
	d := &Digest{ID: "1", Audience: "east", Template: "news", Opened: now.Add(-time.Hour), ReadyBy: now.Add(-30 * time.Minute), Events: 1, Items: []mapping.Item{
		{Key: "k", Arrived: now.Add(-time.Hour), ReadyBy: now.Add(-30 * time.Minute), Expires: now.Add(6 * time.Hour), Priority: mapping.Normal},
	}}
	p := Decide(Situation{Now: now, App: app, Digests: []*Digest{d}, Ledger: &quota.Ledger{}})
	if want := now.Add(20 * time.Minute); !p.Explanations[0].Until.Equal(want) || !p.WakeAt.Equal(want) {
		t.Errorf("looked at again at %s, want %s: %s", p.WakeAt, want, p.Explanations[0].Why)
	}
	if why, miss := WillMiss(app, d, &quota.Ledger{}, now); miss {
		t.Errorf("it will not leave in time: %s", why)
	}
}

// The day then begins at one o'clock.
func TestADayWithoutMidnightIsPlannedLikeOthers(t *testing.T) {
	for _, name := range []string{"America/Santiago", "America/Havana"} {
		loc := zone(t, name)
		_, change := time.Date(2026, 1, 1, 12, 0, 0, 0, loc).ZoneBounds()
		for putBack(change) > 0 {
			_, change = change.Add(time.Hour).ZoneBounds()
		}
		app := planApp(mapping.PolicyPrice)
		app.Quota.Location, app.Audiences["east"].Location = loc, loc
		w := &town{app: app}
		from := change.AddDate(0, 0, -9)
		var arrivals []planArrival
		for at := from; at.Before(change.Add(22 * time.Hour)); at = at.Add(10 * time.Minute) {
			if h := at.In(loc).Hour(); h >= 8 && h < 22 {
				arrivals = append(arrivals, planArrival{at: at, audience: "east", template: "news", priority: mapping.Normal, lives: 4 * time.Hour, n: len(arrivals)})
			}
		}
		sends := map[string]int{}
		w.check = func(now time.Time, _ Situation, p Plan) {
			if p.Send != nil {
				sends[now.In(loc).Format(time.DateOnly)]++
			}
		}
		w.run(arrivals, nil)
		if day := change.In(loc).Format(time.DateOnly); sends[day] != 3 {
			t.Errorf("%s: %d sends on %s, want 3: %v", name, sends[day], day, sends)
		}
	}
}
