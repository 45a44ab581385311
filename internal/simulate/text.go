package simulate

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/mapping"
)

const nothingMatched = "no event became an item: none matched a rule (belfry explain says why)"

// WriteText prints the report for people.
func (r *Report) WriteText(w io.Writer) error {
	fmt.Fprintf(w, "%s, policy %s, %s to %s, times in %s\n", r.App, r.Policy, r.day(r.From), r.day(r.To), r.location)
	fmt.Fprintf(w, "%s, %s, %s\n\n", count(int(r.Counts.Read), "event"), count(int(r.Counts.Items), "item"),
		count(len(r.Broadcasts), "broadcast"))
	if midnight(r.From, r.location).Before(r.Since) {
		fmt.Fprintf(w, "counted from %s on, %s; the days before only taught the planner\n\n", r.day(r.Since), count(len(r.counted()), "broadcast"))
	}
	date := ""
	for _, b := range r.counted() {
		at := b.At.In(r.location)
		if d := at.Format("Mon 2 Jan 2006"); d != date {
			fmt.Fprintln(w, d)
			date = d
		}
		fmt.Fprintf(w, "  %s  %s/%s%s  %s, worth %.1f  (%s)\n", at.Format("15:04:05"), b.Audience, b.Template, dashed(b.Group),
			count(b.Items, "item"), b.Worth, b.Reason)
	}
	fmt.Fprintf(w, "\nearned %.1f%s\n\n", r.Earned, r.judged())
	err := r.writePriorities(w)
	for _, note := range r.Notes() {
		fmt.Fprintln(w, note)
	}
	return err
}

// Notes say what went wrong: figures alone do not show that a rule never matches.
func (r *Report) Notes() (notes []string) {
	if r.Counts.Items == 0 {
		notes = append(notes, nothingMatched)
	}
	for _, rule := range slices.Sorted(maps.Keys(r.Failed)) {
		notes = append(notes, fmt.Sprintf("rule %s failed on %s, which counts as no match (belfry explain says why)", rule, count(r.Failed[rule], "event")))
	}
	if n := r.Counts.Dead; n > 0 {
		notes = append(notes, count(int(n), "event")+" would go to the dead letters")
	}
	for _, f := range r.Failures {
		notes = append(notes, "not sent: "+f)
	}
	return notes
}

func (r *Report) judged() string {
	if r.Bound == 0 {
		return ""
	}
	return fmt.Sprintf(" of at most %.1f: score %.2f (with hindsight %.1f can be reached)", r.Bound, r.Score, r.Reached)
}

func (r *Report) writePriorities(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "priority\titems\tdelivered\tlate\texpired\treplaced\tcancelled\twaiting\tmedian delay\tworst delay\t")
	for _, p := range r.Priorities {
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%s\t%s\t\n", p.Priority, p.Items, p.Delivered, p.Late, p.Expired,
			p.Replaced, p.Cancelled, p.Waiting, p.delay(p.Median), p.delay(p.Worst))
	}
	return t.Flush()
}

func (r *Report) day(at time.Time) string {
	if at.IsZero() {
		return "-"
	}
	return at.In(r.location).Format("2006-01-02")
}

// String shows whole seconds.
func (s Seconds) String() string { return time.Duration(s).Truncate(time.Second).String() }

// delay shows one of the delays, where anything was delivered.
func (p *ByPriority) delay(s Seconds) string {
	if p.Delivered == 0 {
		return "-"
	}
	return s.String()
}

func dashed(group string) string {
	if group == "" {
		return ""
	}
	return "/" + group
}

func count(n int, what string) string { return bridge.Plural(n, what, what+"s") }

// Comparison is two runs over one history, side by side.
type Comparison struct {
	Names [2]string `json:"names"`
	Runs  [2]Report `json:"runs"`
}

// Compare puts two reports side by side.
func Compare(nameA string, a Report, nameB string, b Report) Comparison {
	return Comparison{Names: [2]string{nameA, nameB}, Runs: [2]Report{a, b}}
}

// WriteText prints the comparison for people.
func (c *Comparison) WriteText(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	a, b := &c.Runs[0], &c.Runs[1]
	fmt.Fprintf(t, "\t%s\t%s\t\n", c.Names[0], c.Names[1])
	fmt.Fprintf(t, "broadcasts\t%d\t%d\t\n", len(a.Broadcasts), len(b.Broadcasts))
	fmt.Fprintf(t, "earned\t%.1f\t%.1f\t\n", a.Earned, b.Earned)
	fmt.Fprintf(t, "bound\t%.1f\t%.1f\t\n", a.Bound, b.Bound)
	fmt.Fprintf(t, "score\t%.2f\t%.2f\t\n", a.Score, b.Score)
	fmt.Fprintf(t, "can be reached\t%.1f\t%.1f\t\n", a.Reached, b.Reached)
	for _, p := range bothPriorities(a, b) {
		fmt.Fprintf(t, "%s delivered\t%d of %d\t%d of %d\t\n", p[0].Priority, p[0].Delivered, p[0].Items, p[1].Delivered, p[1].Items)
		fmt.Fprintf(t, "%s expired\t%d\t%d\t\n", p[0].Priority, p[0].Expired, p[1].Expired)
		fmt.Fprintf(t, "%s median delay\t%s\t%s\t\n", p[0].Priority, p[0].delay(p[0].Median), p[1].delay(p[1].Median))
		fmt.Fprintf(t, "%s worst delay\t%s\t%s\t\n", p[0].Priority, p[0].delay(p[0].Worst), p[1].delay(p[1].Worst))
	}
	err := t.Flush()
	for i := range c.Runs {
		for _, note := range c.Runs[i].Notes() {
			fmt.Fprintf(w, "%s: %s\n", c.Names[i], note)
		}
	}
	return err
}

// bothPriorities pairs the priorities that either run has.
func bothPriorities(a, b *Report) (pairs [][2]ByPriority) {
	for _, x := range slices.Concat(a.Priorities, b.Priorities) {
		if !slices.ContainsFunc(pairs, func(known [2]ByPriority) bool { return known[0].Priority == x.Priority }) {
			pairs = append(pairs, [2]ByPriority{a.of(x.Priority), b.of(x.Priority)})
		}
	}
	return pairs
}

// of is the sum of one priority, also where the run has no items of it.
func (r *Report) of(p mapping.Priority) ByPriority {
	if i := slices.IndexFunc(r.Priorities, func(s ByPriority) bool { return s.Priority == p }); i >= 0 {
		return r.Priorities[i]
	}
	return ByPriority{Priority: p}
}
