package simulate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/internal/bound"
	"github.com/belfry-bridge/belfry/mapping"
)

// Config says what to simulate.
type Config struct {
	App       *mapping.App
	Policy    mapping.Policy // overrides the rules'; empty: as they say
	Until     time.Time      // go on until then; zero: until the last item has ended
	Learn     int            // days at the beginning that teach the planner and do not count
	SkipBound bool           // the bound takes as long as the rest
	Keep      int            // events listed in the report; 0: 10,000

	window float64        // a trial's factor on every gathering window; 0: as they are
	quota  *mapping.Quota // what a trial changes about the quota
}

const (
	longest    = 3 * 366 * 24 * time.Hour // of a history: the bound takes memory by its length
	keepEvents = 10_000
)

// Run simulates a history.
func Run(ctx context.Context, c Config, history History) (Report, error) {
	app := c.override(c.App)
	if app.Quota.Policy == mapping.PolicySlots && len(app.Quota.Slots) == 0 {
		return Report{}, fmt.Errorf("cannot use the policy slots: the quota of %s has no slots; give it some, as in slots: [\"09:00\", \"18:00\"]", app.Name)
	}
	t, keep := newTally(c.App.Quota.Worth), cmp.Or(c.Keep, keepEvents)
	r := Report{App: app.Name, Policy: app.Quota.Policy, quota: app.Quota, audiences: app.Audiences, location: bridge.ForecastZone(app)}
	o := Observer{
		Decided: func(m *mapping.Message, d *mapping.Decision) {
			if t.since.IsZero() {
				t.since = midnight(m.Time, r.location).AddDate(0, 0, c.Learn)
			}
			if came := barren(d); came != "" {
				t.note(app, m, came, keep)
			}
			t.decided(m, d) // by the operator's own windows, whatever a trial changes
			for i := range d.Matches {
				c.widen(&d.Matches[i])
			}
		},
		Sent: func(b *bridge.Broadcast, _ []byte) { t.delivered(b) },
		Failed: func(_ time.Time, _ *bridge.Digest, err error) {
			if len(r.Failures) < 20 {
				r.Failures = append(r.Failures, err.Error())
			}
		},
	}
	d, err := Drive(ctx, app, r.watched(history), c.Until, o)
	if err != nil {
		return r, err
	}
	if c.Until.IsZero() {
		d.AdvanceTo(t.lastExpiry())
	}
	if r.From.IsZero() {
		return r, errors.New("cannot simulate a history without events")
	}
	if !t.since.Before(d.now) {
		return r, fmt.Errorf("cannot let %s only teach the planner: the history has no more", bridge.Plural(c.Learn, "day", "days"))
	}
	r.To, r.Counts, r.Since, r.Failed = d.now, d.State.Counts, t.since, d.State.Failed
	t.close(d.now)
	t.report(&r, keep)
	if !c.SkipBound {
		best := bound.Upper(t.problem(app, t.since, r.To))
		r.Bound, r.Reached = best.Bound, max(best.Reached, r.Earned) // what was earned can be
		if best.Bound > 0 {
			r.Score = r.Earned / best.Bound
		}
	}
	return r, nil
}

func midnight(at time.Time, loc *time.Location) time.Time {
	y, m, d := at.In(loc).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, loc)
}

// watched passes the history on and notes where it begins.
func (r *Report) watched(history History) History {
	return func(yield func(mapping.Message, error) bool) {
		for m, err := range history {
			if r.From.IsZero() && err == nil {
				r.From = m.Time
			}
			if err == nil && m.Time.Sub(r.From) > longest {
				err = fmt.Errorf("cannot simulate the event at %s: the first one is at %s, and a history may be three years long; is a year wrong?",
					m.Time.Format(time.RFC3339), r.From.Format(time.RFC3339))
			}
			if !yield(m, err) {
				return
			}
		}
	}
}

// override returns the app with what the run changes about it.
func (c *Config) override(app *mapping.App) *mapping.App {
	changed := *app
	if c.quota != nil {
		changed.Quota = *c.quota
	}
	if c.Policy != "" {
		changed.Quota.Policy = c.Policy
	}
	if c.window != 0 { // the planner foresees by the rules' windows
		changed.Rules = nil
		for _, r := range app.Rules {
			rule := *r
			rule.Gather = scaled(r.Gather, c.window)
			changed.Rules = append(changed.Rules, &rule)
		}
	}
	return &changed
}

// widen changes the window of a match as override does the rule's.
func (c *Config) widen(m *mapping.Match) {
	if c.window == 0 {
		return
	}
	m.Gather = scaled(m.Gather, c.window)
	if len(m.Cancels) == 0 {
		m.Item.ReadyBy = m.Item.Arrived.Add(m.Gather.AtMost)
	}
}

func (t *tally) lastExpiry() time.Time {
	var last time.Time
	for _, o := range t.items {
		if o.came == Waiting && o.expires.After(last) {
			last = o.expires
		}
	}
	return last
}

// problem puts what has arrived and counts to the bound, with the app's own
// quota and quiet hours. The sends that the days before used up are not told:
// that can only make the bound larger.
func (t *tally) problem(app *mapping.App, from, to time.Time) bound.Problem {
	p := bound.Problem{From: from, To: to, Limits: bridge.LimitsFor(app.Quota)}
	p.Limits.Guard = 0
	index := map[place]int{}
	var places []place
	urgent := map[int]bool{}
	for _, o := range t.items {
		if !t.counts(o) {
			continue
		}
		at := o.place
		if all := (place{at.audience, at.template, ""}); t.joined[all] {
			at = all // one send can carry what several groups have
		}
		i, ok := index[at]
		if !ok {
			i = len(index)
			index[at] = i
			places = append(places, at)
		}
		urgent[i] = urgent[i] || o.priority == mapping.Urgent
		p.Arrivals = append(p.Arrivals, bound.Arrival{
			Digest: i, At: o.arrived, Ready: o.ready, Expires: o.expires, Gone: o.gone, Worth: t.worth[o.priority],
		})
	}
	quiet := func(digest int, top mapping.Priority, from, to time.Time) bool {
		return bridge.QuietThrough(app.Audiences[places[digest].audience], top, from, to)
	}
	p.Closed = func(digest int, from, to time.Time) bool {
		top := mapping.High
		if urgent[digest] { // at some time
			top = mapping.Urgent
		}
		return quiet(digest, top, from, to)
	}
	p.Shut = func(digest int, at time.Time) bool { return quiet(digest, mapping.High, at, at) }
	return p
}
