package bridge

import (
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/internal/quota"
	"github.com/belfry-bridge/belfry/mapping"
)

func TestQuietHoursHoldWhatIsNotUrgentUntilTheyEnd(t *testing.T) {
	noon, night := mapping.QuietHours{From: 11 * time.Hour, To: 13 * time.Hour}, mapping.QuietHours{From: 22 * time.Hour, To: 7 * time.Hour}
	all := noon
	all.ForAll = true
	for _, c := range []struct {
		name     string
		quiet    mapping.QuietHours
		priority mapping.Priority
		at       time.Duration // of the day
		until    time.Duration // 0: it is not held
	}{
		{"in their midst", noon, mapping.High, 12 * time.Hour, 13 * time.Hour},
		{"at their beginning", noon, mapping.High, 11 * time.Hour, 13 * time.Hour},
		{"at their end", noon, mapping.High, 13 * time.Hour, 0},
		{"what is urgent", noon, mapping.Urgent, 12 * time.Hour, 0},
		{"what is urgent, where they are for all", all, mapping.Urgent, 12 * time.Hour, 13 * time.Hour},
		{"before midnight", night, mapping.Normal, 23 * time.Hour, 31 * time.Hour},
		{"after midnight", night, mapping.Normal, 6 * time.Hour, 7 * time.Hour},
	} {
		t.Run(c.name, func(t *testing.T) {
			app, now := planApp(mapping.PolicyASAP), planStart.Add(c.at)
			app.Audiences["east"].QuietHours = &c.quiet
			d := waiting("east", "news", now.Add(-30*time.Minute), 10*time.Hour, c.priority)
			e := Decide(Situation{Now: now, App: app, Digests: []*Digest{d}, Ledger: &quota.Ledger{}}).Explanations[0]
			if held := e.State == StateQuiet; held != (c.until > 0) || held && !e.Until.Equal(planStart.Add(c.until)) {
				t.Errorf("%s until %s: %s", e.State, e.Until, e.Why)
			}
		})
	}
}

func TestQuietHoursThatEndAtATimeThatIsShownTwiceEndAtTheFirst(t *testing.T) {
	a := &mapping.Audience{Location: zone(t, "America/New_York"), QuietHours: &mapping.QuietHours{From: 22 * time.Hour, To: 90 * time.Minute}}
	now := time.Date(2026, 11, 1, 5, 10, 0, 0, time.UTC) // 01:10 for the first time
	if until, quiet := quietUntil(a, mapping.Normal, now); !quiet || !until.Equal(now.Add(20*time.Minute)) {
		t.Errorf("quiet %t until %s", quiet, until)
	}
}

func TestAnOrphanIsToldWhatTheRulesDoNotHave(t *testing.T) {
	app := planApp(mapping.PolicyASAP)
	for want, d := range map[string]*Digest{
		"": {Audience: "east", Template: "news"},
		`the rules no longer have the audience "staff"`:                         {Audience: "staff", Template: "news"},
		`the rules no longer have the template "fees"`:                          {Audience: "east", Template: "fees"},
		`the rules no longer have the audience "staff" and the template "fees"`: {Audience: "staff", Template: "fees"},
	} {
		if got := d.Orphaned(app); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestAStretchIsQuietThatLiesInQuietHours(t *testing.T) {
	night := mapping.QuietHours{From: 22 * time.Hour, To: 7 * time.Hour}
	for _, c := range []struct {
		name     string
		audience *mapping.Audience
		priority mapping.Priority
		from, to time.Duration // of the day
		want     bool
	}{
		{"within a night", &mapping.Audience{QuietHours: &night}, mapping.High, 23 * time.Hour, 30 * time.Hour, true},
		{"a whole one", &mapping.Audience{QuietHours: &night}, mapping.High, 22 * time.Hour, 31 * time.Hour, true},
		{"beyond its end", &mapping.Audience{QuietHours: &night}, mapping.High, 23 * time.Hour, 31*time.Hour + 1, false},
		{"before its beginning", &mapping.Audience{QuietHours: &night}, mapping.High, 22*time.Hour - 1, 23 * time.Hour, false},
		{"what is urgent", &mapping.Audience{QuietHours: &night}, mapping.Urgent, 23 * time.Hour, 30 * time.Hour, false},
		{"without quiet hours", &mapping.Audience{}, mapping.High, 23 * time.Hour, 30 * time.Hour, false},
		{"an audience that is gone", nil, mapping.High, 12 * time.Hour, 13 * time.Hour, true},
	} {
		if got := QuietThrough(c.audience, c.priority, planStart.Add(c.from), planStart.Add(c.to)); got != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
	}
}
