package bridge

import (
	"strings"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/internal/forecast"
	"github.com/belfry-bridge/belfry/internal/quota"
	"github.com/belfry-bridge/belfry/mapping"
)

// waiting is a digest whose items arrived at the given time.
func waiting(audience, template string, at time.Time, lives time.Duration, priorities ...mapping.Priority) *Digest {
	d := &Digest{ID: audience + "-" + template, Audience: audience, Template: template, Opened: at, Latest: at, ReadyBy: at.Add(15 * time.Minute)}
	for _, p := range priorities {
		d.Items = append(d.Items, mapping.Item{Arrived: at, ReadyBy: d.ReadyBy, Expires: at.Add(lives), Priority: p})
	}
	return d
}

func TestEveryStateIsExplainedInWords(t *testing.T) {
	noon := planStart.Add(12 * time.Hour)
	spent := func(n int) *quota.Ledger {
		var led quota.Ledger
		for i := range n {
			led.External("", noon.Add(-time.Duration(i+2)*time.Hour), "")
		}
		return &led
	}
	ready := waiting("east", "news", noon.Add(-30*time.Minute), 4*time.Hour, mapping.Normal)
	tests := []struct {
		name   string
		change func(*Situation)
		state  string
		why    []string
	}{
		{"goes now", func(*Situation) {}, StateNext, []string{"goes now", "expired by 15:30"}},
		{"gathering", func(s *Situation) { s.Now = noon.Add(-20 * time.Minute) }, StateGathering, []string{"1 item until 11:45"}},
		{"paused", func(s *Situation) { s.Paused = true }, StatePaused, []string{"until an operator resumes"}},
		{"too many doubts", func(s *Situation) { s.Doubts = 16 }, StatePaused, []string{"16 broadcasts are in doubt", "belfry resolve"}},
		{"under way", func(s *Situation) { s.Busy = true }, StateReady, []string{"another send is under way"}},
		{"catching up", func(s *Situation) { s.Busy, s.First = true, "events must be read" }, StateReady, []string{"ready, but first events must be read."}},
		{"catching up out of its slot", func(s *Situation) {
			s.Busy, s.First, s.App.Quota.Policy = true, "events must be read", mapping.PolicySlots
		}, StateNext, []string{"the next is at 18:00. But first events must be read."}},
		{"catching up without a send", func(s *Situation) {
			s.Busy, s.First, s.Ledger = true, "events must be read", spent(3)
		}, StateNext, []string{"none is left now", "But first events must be read."}},
		{"muted", func(s *Situation) {
			s.Muted = func(*Digest) (time.Time, bool) { return noon.Add(2 * time.Hour), true }
		}, StateMuted, []string{"until 14:00"}},
		{"orphaned", func(s *Situation) { delete(s.App.Audiences, "east") }, StateOrphaned, []string{`audience "east"`}},
		{"quiet", func(s *Situation) {
			s.App.Audiences["east"].QuietHours = &mapping.QuietHours{From: 11 * time.Hour, To: 13 * time.Hour}
		}, StateQuiet, []string{"until 13:00"}},
		{"no send left", func(s *Situation) { s.Ledger = spent(3) }, StateNext, []string{"none is left now", "tomorrow at 00:00"}},
		{"reserved", func(s *Situation) {
			s.Ledger, s.App.Quota.Reserve = spent(2), map[mapping.Priority]int{mapping.Urgent: 1}
		}, StateNext, []string{"reserved for more pressing", "tomorrow 00:00"}},
		{"no quota at all", func(s *Situation) { s.App.Quota.PerDay = 0 }, StateWaitingQuota, []string{"leaves no send"}},
		{"not its slot", func(s *Situation) { s.App.Quota.Policy = mapping.PolicySlots }, StateNext, []string{"held: goes only at its slots, the next is at 18:00"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := Situation{Now: noon, App: planApp(mapping.PolicyASAP), Digests: []*Digest{ready}, Ledger: &quota.Ledger{}}
			tt.change(&s)
			e := Decide(s).Explanations[0]
			if e.State != tt.state {
				t.Errorf("state is %s, want %s: %s", e.State, tt.state, e.Why)
			}
			for _, word := range tt.why {
				if !strings.Contains(e.Why, word) {
					t.Errorf("%q lacks %q", e.Why, word)
				}
			}
		})
	}
}

// The zone that a text's clocks are in is told once: operators and audiences
// may live in others.
func TestTextsWithClocksNameTheAudiencesTimeZone(t *testing.T) {
	madrid, err := time.LoadLocation("Europe/Madrid")
	if err != nil {
		t.Fatal(err)
	}
	noon := planStart.Add(12 * time.Hour)
	app := planApp(mapping.PolicyASAP)
	app.Audiences["east"].Location = madrid
	var spent quota.Ledger
	for i := range 3 {
		spent.External("", noon.Add(-time.Duration(i+2)*time.Hour), "")
	}
	d := waiting("east", "news", noon, 4*time.Hour, mapping.Normal)
	missed, _ := WillMiss(app, d, &spent, noon)
	slots, quiet := planApp(mapping.PolicySlots), planApp(mapping.PolicyASAP)
	slots.Audiences["east"].Location, quiet.Audiences["east"].Location = madrid, madrid
	quiet.Audiences["east"].QuietHours = &mapping.QuietHours{From: 12 * time.Hour, To: 23 * time.Hour}
	slotMissed, _ := WillMiss(slots, d, &quota.Ledger{}, noon)
	quietMissed, _ := WillMiss(quiet, d, &quota.Ledger{}, noon)
	short := waiting("east", "news", noon, 10*time.Minute, mapping.Normal)
	windowMissed, _ := WillMiss(app, short, &quota.Ledger{}, noon)
	d2 := waiting("east", "news", noon, 4*time.Hour, mapping.Normal)
	d2.Items = append(d2.Items, mapping.Item{Arrived: noon, ReadyBy: d2.ReadyBy, Expires: noon.Add(5 * time.Hour)})
	for name, text := range map[string]string{
		"gathering":          Decide(Situation{Now: noon, App: app, Digests: []*Digest{d}, Ledger: &quota.Ledger{}}).Explanations[0].Why,
		"gathering, several": Decide(Situation{Now: noon, App: app, Digests: []*Digest{d2}, Ledger: &quota.Ledger{}}).Explanations[0].Why,
		"misses by quota":    missed,
		"misses by slots":    slotMissed,
		"misses by quiet":    quietMissed,
		"misses by window":   windowMissed,
	} {
		if zone := noon.In(madrid).Format("MST"); strings.Count(text, " "+zone) != 1 {
			t.Errorf("%s: want %s once: %q", name, zone, text)
		}
	}
}

func TestAHeldDigestNamesTheMomentThatItWaitsFor(t *testing.T) {
	app := planApp(mapping.PolicyPrice)
	var f forecast.Forecast
	for day := range 14 {
		f.Observe(planStart.AddDate(0, 0, day-14), "port/news", 0)
		for i := range 10 {
			f.Observe(planStart.AddDate(0, 0, day-14).Add(15*time.Hour+time.Duration(i)*time.Minute), "east/news", int(mapping.High))
		}
	}
	now := planStart.Add(13*time.Hour + 30*time.Minute)
	led := &quota.Ledger{}
	led.External("a", now.Add(-6*time.Hour), "")
	led.External("b", now.Add(-4*time.Hour), "")
	d := waiting("east", "news", now.Add(-20*time.Minute), 4*time.Hour, mapping.Normal, mapping.Normal)
	p := Decide(Situation{Now: now, App: app, Digests: []*Digest{d}, Ledger: led, Forecast: &f})
	if p.Send != nil {
		t.Fatalf("it goes: %s", p.Reason)
	}
	e := p.Explanations[0]
	t.Log(e.Why)
	if e.State != StateNext || !strings.Contains(e.Why, "worth 5.9 now") || !strings.Contains(e.Why, "15:30") || !strings.Contains(e.Why, "1 send is left until tomorrow 00:00") {
		t.Errorf("%+v", e)
	}
	if e.Figures["worth_later"] < 80 || e.Figures["price"] < 50 || e.Figures["sends_left_today"] != 1 {
		t.Errorf("figures %v", e.Figures)
	}
	led.Skew = -2 * time.Hour // nothing comes back before the provider's midnight
	p = Decide(Situation{Now: now, App: app, Digests: []*Digest{d}, Ledger: led, Forecast: &f})
	if e := p.Explanations[0]; !strings.Contains(e.Why, "1 send is left until tomorrow 02:00") {
		t.Error(e.Why)
	}
}

func TestADigestThatIsNotWorthMoreLaterIsSaidToWaitForThePrice(t *testing.T) {
	r := &row{d: waiting("east", "news", planStart, time.Hour, mapping.Normal), audience: &mapping.Audience{}, worth: 20}
	table := &table{Situation: Situation{Now: planStart, App: planApp(mapping.PolicyPrice)}, limits: quota.Limits{Windows: make([]quota.Window, 1)}}
	for later, want := range map[float64]string{19.4: "a send is expected to earn a little more elsewhere", 20: "a little more elsewhere", 30: "expected to be worth 30 at about"} {
		r.hold = &hold{price: 20.4, later: later, when: planStart.Add(time.Hour), odds: 1}
		if why := table.heldBecause(r); !strings.Contains(why, want) {
			t.Errorf("worth 20 now and %g later: %s", later, why)
		}
	}
}

func TestADigestIsExpectedToMissWhenNoSendComesBackInTime(t *testing.T) {
	noon := planStart.Add(12 * time.Hour)
	app := planApp(mapping.PolicyASAP)
	var led quota.Ledger
	d := waiting("east", "news", noon, 4*time.Hour, mapping.Normal)
	if why, miss := WillMiss(app, d, &led, noon); miss {
		t.Errorf("misses with all sends left: %s", why)
	}
	for i := range 3 {
		led.External("", noon.Add(-time.Duration(i+2)*time.Hour), "")
	}
	if why, miss := WillMiss(app, d, &led, noon); !miss || !strings.Contains(why, "tomorrow at 00:00") {
		t.Errorf("got %q, %v", why, miss)
	}
	longer := waiting("east", "news", noon, 20*time.Hour, mapping.Normal)
	if why, miss := WillMiss(app, longer, &led, noon); miss {
		t.Errorf("misses though it lives until tomorrow: %s", why)
	}
	app.Audiences["east"].QuietHours = &mapping.QuietHours{From: 22 * time.Hour, To: 9 * time.Hour}
	if why, miss := WillMiss(app, longer, &led, noon); !miss || !strings.Contains(why, "disturbed") {
		t.Errorf("got %q, %v", why, miss)
	}
}

func TestTheReserveIsForMorePressingDigestsOnly(t *testing.T) {
	noon := planStart.Add(12 * time.Hour)
	app := planApp(mapping.PolicyASAP)
	app.Quota.Reserve = map[mapping.Priority]int{mapping.Urgent: 1}
	tests := []struct {
		name    string
		charged []mapping.Priority
		normal  bool
		urgent  bool
	}{
		{"two of three are free for all", nil, true, true},
		{"one is kept", []mapping.Priority{mapping.Normal, mapping.Normal}, false, true},
		{"a reserve that was used is no longer kept", []mapping.Priority{mapping.Normal, mapping.Urgent}, true, true},
		{"nothing is left", []mapping.Priority{mapping.Normal, mapping.Normal, mapping.Urgent}, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var led quota.Ledger
			for i, p := range tt.charged {
				led.ChargeAs(string(rune('a'+i)), noon.Add(-time.Duration(i+2)*time.Hour), uint8(p), "")
			}
			for p, want := range map[mapping.Priority]bool{mapping.Normal: tt.normal, mapping.Urgent: tt.urgent} {
				d := waiting("east", "news", noon.Add(-time.Hour), 4*time.Hour, p)
				plan := Decide(Situation{Now: noon, App: app, Digests: []*Digest{d}, Ledger: &led})
				if got := plan.Send != nil; got != want {
					t.Errorf("%s goes: %v, want %v: %s", p, got, want, plan.Explanations[0].Why)
				}
			}
		})
	}
}

func TestTiesGoByPriorityThenExpiryThenWait(t *testing.T) {
	noon := planStart.Add(12 * time.Hour)
	pressing := waiting("west", "news", noon.Add(-20*time.Minute), 4*time.Hour, mapping.High)
	sooner := waiting("port", "news", noon.Add(-30*time.Minute), 2*time.Hour, mapping.Normal)
	longest := waiting("east", "alarms", noon.Add(-50*time.Minute), 4*time.Hour, mapping.Normal)
	digests := []*Digest{longest, sooner, pressing}
	app, led := planApp(mapping.PolicyASAP), &quota.Ledger{}
	app.Quota.PerHour = 3
	for _, want := range []*Digest{pressing, sooner, longest} {
		p := Decide(Situation{Now: noon, App: app, Digests: digests, Ledger: led})
		if p.Send != want {
			t.Fatalf("%s goes, want %s", p.Send.ID, want.ID)
		}
		led.Charge(p.Send.ID, noon)
		var rest []*Digest
		for _, d := range digests {
			if d != p.Send {
				rest = append(rest, d)
			}
		}
		digests = rest
	}
	p := Choose(Situation{Now: noon, App: planApp(PolicyFIFO), Digests: []*Digest{sooner, pressing, longest}, Ledger: &quota.Ledger{}})
	if p.Send != longest {
		t.Errorf("first in, first out sends %s", p.Send.ID)
	}
}

func TestTheNewDaysSendsAreNotSpentOnLeftoversAtMidnight(t *testing.T) {
	app := planApp(mapping.PolicyPrice)
	var f forecast.Forecast
	for day := range 14 {
		f.Observe(planStart.AddDate(0, 0, day-14), "port/news", 0)
		for hour := range 12 {
			for i := range 10 {
				f.Observe(planStart.AddDate(0, 0, day-14).Add(time.Duration(8+hour)*time.Hour+time.Duration(i)*time.Minute), "east/news", int(mapping.High))
			}
		}
	}
	led := &quota.Ledger{}
	for i := range 3 {
		led.External("", planStart.Add(-time.Duration(3+i)*time.Hour), "")
	}
	d := waiting("east", "news", planStart.Add(-2*time.Hour), 4*time.Hour, mapping.Normal)
	for _, after := range []time.Duration{0, 5 * time.Second, 20 * time.Second, 5 * time.Minute} {
		now := planStart.Add(after)
		if p := Decide(Situation{Now: now, App: app, Digests: []*Digest{d}, Ledger: led, Forecast: &f}); p.Send != nil {
			t.Errorf("%s after midnight it goes: %s", after, p.Reason)
		}
	}
}

func TestAPromisedTimeIsNeverTooEarlyAndNamesAYearThatIsNotThisOne(t *testing.T) {
	now := time.Date(2026, 12, 31, 12, 0, 30, 0, time.UTC)
	tell := table{Situation: Situation{Now: now}}
	r := &row{audience: &mapping.Audience{Location: time.UTC}}
	for _, c := range []struct {
		first, last time.Duration
		want        string
	}{
		{2 * time.Minute, 2 * time.Minute, "expired by 12:03 UTC."},
		{90 * time.Second, 90 * time.Second, "expired by 12:02:00 UTC."},
		{150 * time.Second, 150 * time.Second, "expired by 12:03 UTC."},
		{time.Hour, time.Hour + 20*time.Second, "What it holds is sent or has expired by 13:01 UTC."},
		{time.Hour, time.Hour + 90*time.Second, "first item expires at 13:00; what it holds is sent or has expired by 13:02 UTC."},
		{72 * time.Hour, 72 * time.Hour, "expired by 3 Jan 12:01 UTC."},
		{200 * 24 * time.Hour, 200 * 24 * time.Hour, "expired by 19 Jul 2027 12:01 UTC."},
		{-400 * 24 * time.Hour, -400 * 24 * time.Hour, "expired by 26 Nov 2025 12:00 UTC."},
	} {
		r.first, r.last = now.Add(c.first), now.Add(c.last)
		if got := tell.ends(r); !strings.HasSuffix(got, c.want) {
			t.Errorf("%s to %s: %q, want %q", c.first, c.last, got, c.want)
		}
	}
}
