package simulate

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/belfry-bridge/belfry/mapping"
)

// Tuning says what may be tried. What is left empty is not varied.
type Tuning struct {
	Policies []mapping.Policy           // to try instead of the rules' own
	Slots    [][]time.Duration          // times of day, each list tried with policy slots
	Reserves []map[mapping.Priority]int // sends of a day kept back
	Windows  []float64                  // factors on every gathering window, like 0.5 or 2
	Worths   []map[mapping.Priority]float64
	Urgent   bool // urgent_at_once the other way round, where a rule is urgent
}

// Trial is what one variation would have come to. Earned is always measured
// by the operator's own worths and windows, so that trials compare.
type Trial struct {
	Name       string       `json:"name"`
	Earned     float64      `json:"earned"`
	Score      float64      `json:"score"`
	Broadcasts int          `json:"broadcasts"`
	Priorities []ByPriority `json:"priorities"`
	Notes      []string     `json:"notes,omitempty"` // what went wrong; see Report.Notes
}

// variation is one thing to try.
type variation struct {
	name   string
	quota  mapping.Quota
	window float64
}

// Tune tries one change at a time on a history, which history must be able to
// give again and again. The first trial is the rules as they are; the others
// follow, the most earning first. It suggests and changes nothing.
func Tune(ctx context.Context, c Config, t Tuning, history func() History) ([]Trial, error) {
	var trials []Trial
	limit := 0.0
	for i, v := range t.variations(c.App) {
		run := c
		run.SkipBound, run.quota, run.Policy, run.Keep = i > 0, &v.quota, "", 1
		trial, most, err := try(ctx, run, v, history())
		if err != nil {
			return nil, err
		}
		if i == 0 {
			limit = most
		}
		if limit > 0 {
			trial.Score = trial.Earned / limit
		}
		trials = append(trials, trial)
	}
	slices.SortStableFunc(trials[1:], func(a, b Trial) int { return cmp.Compare(b.Earned, a.Earned) })
	return trials, nil
}

// try runs one variation. A changed window changes when digests go, not what
// an item is worth at that time.
func try(ctx context.Context, c Config, v variation, history History) (Trial, float64, error) {
	c.window = v.window
	r, err := Run(ctx, c, history)
	if err != nil {
		return Trial{}, 0, fmt.Errorf("cannot try %s: %w", v.name, err)
	}
	return Trial{Name: v.name, Earned: r.Earned, Broadcasts: len(r.counted()), Priorities: r.Priorities, Notes: r.Notes()}, r.Bound, nil
}

// scaled is a gathering window that is so many times as long.
func scaled(g mapping.Gather, factor float64) mapping.Gather {
	g.Idle = time.Duration(float64(g.Idle) * factor)
	g.AtMost = time.Duration(float64(g.AtMost) * factor)
	return g
}

func (t *Tuning) variations(app *mapping.App) []variation {
	base := app.Quota
	out := []variation{{"as it is", base, 1}}
	with := func(name string, window float64, change func(*mapping.Quota)) {
		q := base
		change(&q)
		out = append(out, variation{name, q, window})
	}
	for _, p := range t.Policies {
		if p != base.Policy && p != mapping.PolicySlots {
			with("policy: "+string(p), 1, func(q *mapping.Quota) { q.Policy = p })
		}
	}
	urgent := slices.ContainsFunc(app.Rules, func(r *mapping.Rule) bool { return r.Priority == mapping.Urgent })
	if t.Urgent && urgent && base.Policy == mapping.PolicyPrice {
		with(fmt.Sprintf("urgent_at_once: %v", !base.UrgentAtOnce), 1, func(q *mapping.Quota) { q.UrgentAtOnce = !base.UrgentAtOnce })
	}
	for _, s := range t.Slots {
		with("policy: slots, at "+clocks(s), 1, func(q *mapping.Quota) { q.Policy, q.Slots = mapping.PolicySlots, s })
	}
	for _, r := range t.Reserves {
		with("reserve: "+listed(r), 1, func(q *mapping.Quota) { q.Reserve = r })
	}
	for _, f := range t.Windows {
		with(fmt.Sprintf("gathering windows × %g%s", f, tooLong(app, f)), f, func(*mapping.Quota) {})
	}
	for _, w := range t.Worths {
		with("worth: "+listed(w), 1, func(q *mapping.Quota) { q.Worth = completed(w, base.Worth) })
	}
	return out
}

// tooLong says which rule cannot have its window so many times as long: a file with that is refused.
func tooLong(app *mapping.App, factor float64) string {
	for _, r := range app.Rules {
		if len(r.Cancels) == 0 && float64(r.Gather.AtMost)*factor >= float64(r.ExpiresAfter) {
			return fmt.Sprintf(" (too long: %s expires after %s)", r.Name, mapping.FormatSpan(r.ExpiresAfter))
		}
	}
	return ""
}

func completed(w, base map[mapping.Priority]float64) map[mapping.Priority]float64 {
	out := maps.Clone(base)
	maps.Copy(out, w)
	return out
}

func clocks(slots []time.Duration) string {
	var s []string
	for _, c := range slots {
		s = append(s, fmt.Sprintf("%02d:%02d", int(c.Hours()), int(c.Minutes())%60))
	}
	return strings.Join(s, " ")
}

func listed[V int | float64](m map[mapping.Priority]V) string {
	var s []string
	for _, p := range slices.Sorted(maps.Keys(m)) {
		s = append(s, fmt.Sprintf("%s: %v", p, m[p]))
	}
	return "{" + strings.Join(s, ", ") + "}"
}

// WriteTrials prints trials for people.
func WriteTrials(w io.Writer, trials []Trial) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "tried\tearned\tscore\tbroadcasts\tmedian delay (worst), expired of all")
	for _, r := range trials {
		fmt.Fprintf(t, "%s\t%.1f\t%.2f\t%d\t", r.Name, r.Earned, r.Score, r.Broadcasts)
		for i, p := range r.Priorities {
			if i > 0 {
				fmt.Fprint(t, "; ")
			}
			fmt.Fprintf(t, "%s %s (%s), %d of %d", p.Priority, p.delay(p.Median), p.delay(p.Worst), p.Expired, p.Items)
		}
		fmt.Fprintln(t)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, note := range trials[0].Notes { // the rules fail alike in every trial
		fmt.Fprintln(w, note)
	}
	return nil
}

// counted are the broadcasts after the days that only taught the planner.
func (r *Report) counted() []Broadcast {
	i := slices.IndexFunc(r.Broadcasts, func(b Broadcast) bool { return !b.At.Before(r.Since) })
	if i < 0 {
		return nil
	}
	return r.Broadcasts[i:]
}
