package bridge

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/belfry-bridge/belfry/internal/forecast"
	"github.com/belfry-bridge/belfry/internal/quota"
	"github.com/belfry-bridge/belfry/mapping"
)

var planStart = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// planApp is an app with three audiences and two templates, as far as the
// planner looks at it.
func planApp(policy mapping.Policy) *mapping.App {
	app := &mapping.App{Name: "town", Audiences: map[string]*mapping.Audience{}, Templates: map[string]*mapping.Template{}}
	app.Quota = mapping.Quota{
		PerHour: 2, PerDay: 3, Policy: policy, UrgentAtOnce: true, Location: time.UTC,
		Worth: map[mapping.Priority]float64{mapping.Low: 1, mapping.Normal: 3, mapping.High: 10, mapping.Urgent: 30},
		Slots: []time.Duration{9 * time.Hour, 18 * time.Hour},
	}
	for _, name := range []string{"east", "west", "port"} {
		app.Audiences[name] = &mapping.Audience{Name: name}
	}
	for _, name := range []string{"news", "alarms"} {
		app.Templates[name] = &mapping.Template{Keep: 5}
		for audience := range app.Audiences {
			for _, p := range mapping.Priorities() {
				app.Rules = append(app.Rules, &mapping.Rule{
					Audience: audience, Template: name, Priority: p,
					Gather: mapping.Gather{Idle: 5 * time.Minute, AtMost: 15 * time.Minute}, ExpiresAfter: 4 * time.Hour,
				})
			}
		}
	}
	return app
}

type planArrival struct {
	at                 time.Time
	audience, template string
	priority           mapping.Priority
	lives              time.Duration
	n                  int
	maxItems           int
	wanted             bool // its digest, by an operator
}

func anyArrivals(t *rapid.T) []planArrival {
	var out []planArrival
	maxItems := rapid.SampledFrom([]int{0, 0, 2, 3}).Draw(t, "max items")
	for n := range rapid.IntRange(1, 40).Draw(t, "arrivals") {
		out = append(out, planArrival{
			n:        n,
			at:       planStart.Add(time.Duration(rapid.IntRange(0, 60*3600).Draw(t, "at")) * time.Second),
			audience: rapid.SampledFrom([]string{"east", "west", "port"}).Draw(t, "audience"),
			template: rapid.SampledFrom([]string{"news", "alarms"}).Draw(t, "template"),
			priority: mapping.Priority(rapid.IntRange(0, 3).Draw(t, "priority")),
			lives:    time.Duration(rapid.IntRange(20, 400).Draw(t, "lives")) * time.Minute,
			maxItems: maxItems,
			wanted:   rapid.IntRange(0, 9).Draw(t, "wanted") == 9,
		})
	}
	slices.SortStableFunc(out, func(a, b planArrival) int { return a.at.Compare(b.at) })
	return out
}

func anyPlanApp(t *rapid.T) *mapping.App {
	app := planApp(rapid.SampledFrom([]mapping.Policy{mapping.PolicyPrice, mapping.PolicyASAP, mapping.PolicySlots}).Draw(t, "policy"))
	app.Quota.UrgentAtOnce = rapid.Bool().Draw(t, "urgent at once")
	if rapid.Bool().Draw(t, "rolling") {
		app.Quota.Location = nil
	}
	if rapid.Bool().Draw(t, "reserve") {
		app.Quota.Reserve = map[mapping.Priority]int{mapping.Urgent: 1}
	}
	if rapid.Bool().Draw(t, "quiet") {
		app.Audiences["east"].QuietHours = &mapping.QuietHours{From: 22 * time.Hour, To: 7 * time.Hour, ForAll: rapid.Bool().Draw(t, "for all")}
	}
	return app
}

// town plans arrivals in virtual time. extra are further instants at which the
// planner is asked for no reason.
type town struct {
	app   *mapping.App
	state *State
	sent  []string
	check func(now time.Time, s Situation, p Plan)
}

func (w *town) run(arrivals []planArrival, extra []time.Time) {
	w.state = NewState("town", "test")
	end := planStart.Add(80 * time.Hour)
	if len(arrivals) > 0 {
		end = later(end, arrivals[len(arrivals)-1].at.Add(10*time.Hour))
	}
	var wake time.Time
	for {
		now := end
		for _, at := range []time.Time{wake, w.state.NextExpiry(), first(extra)} {
			if !at.IsZero() && at.Before(now) {
				now = at
			}
		}
		if len(arrivals) > 0 && arrivals[0].at.Before(now) {
			now = arrivals[0].at
		}
		if !now.Before(end) {
			return
		}
		if len(extra) > 0 && !extra[0].After(now) {
			extra = extra[1:]
		}
		for len(arrivals) > 0 && !arrivals[0].at.After(now) {
			w.arrive(arrivals[0])
			arrivals = arrivals[1:]
		}
		wake = w.plan(now)
	}
}

func first(times []time.Time) time.Time {
	if len(times) == 0 {
		return time.Time{}
	}
	return times[0]
}

func (w *town) arrive(a planArrival) {
	gather := mapping.Gather{Idle: 5 * time.Minute, AtMost: 15 * time.Minute, MaxItems: a.maxItems}
	item := mapping.Item{
		Key: fmt.Sprint(a.n), Rule: "r", EventID: fmt.Sprint(a.n), Arrived: a.at,
		ReadyBy: a.at.Add(gather.AtMost), Expires: a.at.Add(a.lives), Priority: a.priority,
	}
	w.state.FoldDecision(w.app, &mapping.Message{Time: a.at}, mapping.Decision{Matches: []mapping.Match{{
		Rule: "r", Audience: a.audience, Template: a.template, Item: item, Gather: gather,
	}}})
	if i, ok := w.state.find(digestKey{audience: a.audience, template: a.template}); ok && a.wanted {
		w.state.Want(w.state.Digests[i], "by Ann: why not", a.at)
	}
}

func (w *town) plan(now time.Time) (wake time.Time) {
	w.state.Expire(now)
	for {
		s := Situation{Now: now, App: w.app, Digests: w.state.Digests, Ledger: &w.state.Ledger, Forecast: &w.state.Forecast}
		p := Choose(s)
		if w.check != nil {
			w.check(now, s, p)
		}
		if p.Send == nil {
			return p.WakeAt
		}
		w.sent = append(w.sent, fmt.Sprint(now.Format(time.RFC3339), " ", p.Send.Audience, "/", p.Send.Template, " ", p.Send.Count()))
		w.state.Digests = slices.DeleteFunc(w.state.Digests, func(d *Digest) bool { return d == p.Send })
		w.state.Ledger.ChargeAs(fmt.Sprint(len(w.sent)), now, uint8(p.Send.Priority()), kind(p.Send))
	}
}

func TestNoPlanExceedsAWindow(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := &town{app: anyPlanApp(rt)}
		limits := LimitsFor(w.app.Quota)
		w.check = func(now time.Time, s Situation, p Plan) {
			if p.Send != nil && limits.Left(s.Ledger, now) == 0 {
				rt.Fatalf("a send is planned at %s with none left", now)
			}
			if p.Send != nil && p.Send.Ready().After(now) {
				rt.Fatalf("%s/%s is sent at %s while it gathers", p.Send.Audience, p.Send.Template, now)
			}
		}
		w.run(anyArrivals(rt), nil)
	})
}

func TestADigestThatIsFullLeavesAtOnce(t *testing.T) {
	w := &town{app: planApp(mapping.PolicyPrice)}
	var arrivals []planArrival
	for i, after := range []time.Duration{61 * time.Second, 90 * time.Second, 130 * time.Second} {
		arrivals = append(arrivals, planArrival{
			at: planStart.Add(9*time.Hour + after), audience: "east", template: "news", priority: mapping.High, lives: 20 * time.Minute, n: i, maxItems: 3,
		})
	}
	w.run(arrivals, nil)
	if diff := cmp.Diff([]string{arrivals[2].at.Format(time.RFC3339) + " east/news 3"}, w.sent); diff != "" {
		t.Error(diff)
	}
}

func TestPlanningTwiceGivesTheSame(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := &town{app: anyPlanApp(rt)}
		memo := &Memo{}
		w.check = func(now time.Time, s Situation, p Plan) {
			s.Memo = memo
			again := Decide(s)
			if again.Send != p.Send || again.Reason != p.Reason || !again.WakeAt.Equal(p.WakeAt) {
				rt.Fatalf("at %s: %+v, then %+v", now, p, again)
			}
			s.Memo = nil
			if diff := cmp.Diff(again.Explanations, Decide(s).Explanations); diff != "" {
				rt.Fatalf("at %s: %s", now, diff)
			}
		}
		w.run(anyArrivals(rt), nil)
	})
}

func TestSmallAndLargeStepsGiveTheSameSends(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		app, arrivals := anyPlanApp(rt), anyArrivals(rt)
		large, small := &town{app: app}, &town{app: app}
		large.run(arrivals, nil)
		var extra []time.Time
		step := time.Duration(rapid.IntRange(20, 1500).Draw(rt, "step")) * time.Second
		for at := planStart; at.Before(planStart.Add(80 * time.Hour)); at = at.Add(step) {
			extra = append(extra, at)
		}
		small.run(arrivals, extra)
		if diff := cmp.Diff(large.sent, small.sent); diff != "" {
			rt.Fatalf("asked every %s as well: %s", step, diff)
		}
	})
}

func TestAnExplanationsLatestIsKept(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := &town{app: anyPlanApp(rt)}
		latest := map[string]time.Time{} // by item
		w.check = func(now time.Time, s Situation, _ Plan) {
			for _, d := range s.Digests {
				for _, it := range d.Items {
					if end, ok := latest[it.Key]; ok && !now.Before(end) {
						rt.Fatalf("an item is still there at %s, latest was %s", now, end)
					}
				}
			}
			for i, e := range Decide(s).Explanations {
				if e.Latest.IsZero() || e.State == "" || e.Why == "" {
					rt.Fatalf("at %s nothing is explained: %+v", now, e)
				}
				for _, it := range s.Digests[i].Items {
					latest[it.Key] = e.Latest
				}
			}
		}
		w.run(anyArrivals(rt), nil)
	})
}

func TestAnUrgentItemLeavesWithinFiveMinutesWhereASendIsLeft(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := &town{app: planApp(mapping.PolicyPrice)}
		limits := LimitsFor(w.app.Quota)
		since := map[string]time.Time{} // since when a send has been left and the digest ready
		w.check = func(now time.Time, s Situation, p Plan) {
			for _, d := range s.Digests {
				waits := d.Priority() == mapping.Urgent && !d.Ready().After(now) && limits.Left(s.Ledger, now) > 0
				switch start, ok := since[d.ID]; {
				case !waits:
					delete(since, d.ID)
				case !ok:
					since[d.ID] = now
				case now.Sub(start) > 5*time.Minute:
					rt.Fatalf("urgent digest %s has waited since %s, and it is %s", d.ID, start, now)
				}
			}
		}
		w.run(anyArrivals(rt), nil)
	})
}

func BenchmarkPlanningTwoHundredDigests(b *testing.B) {
	app := planApp(mapping.PolicyPrice)
	var f forecast.Forecast
	for day := range 30 {
		for i := range 400 {
			at := planStart.AddDate(0, 0, day-30).Add(time.Duration(i) * 3 * time.Minute)
			f.Observe(at, forecastKey([]string{"east", "west", "port"}[i%3], []string{"news", "alarms"}[i%2]), i%4)
		}
	}
	now := planStart.Add(10 * time.Hour)
	var digests []*Digest
	for i := range 200 {
		at := now.Add(-time.Duration(20+i) * time.Minute / 2)
		d := &Digest{ID: fmt.Sprint(i), Audience: "east", Template: "news", Group: fmt.Sprint(i), Opened: at, ReadyBy: at.Add(5 * time.Minute)}
		for range 20 {
			d.Items = append(d.Items, mapping.Item{Arrived: at, ReadyBy: d.ReadyBy, Expires: at.Add(4 * time.Hour), Priority: mapping.Normal})
		}
		digests = append(digests, d)
	}
	s := Situation{Now: now, App: app, Digests: digests, Ledger: &quota.Ledger{}, Forecast: &f, Memo: &Memo{}}
	b.Run("with explanations", func(b *testing.B) {
		for b.Loop() {
			Decide(s)
		}
	})
	b.Run("only the choice", func(b *testing.B) {
		for b.Loop() {
			Choose(s)
		}
	})
}
